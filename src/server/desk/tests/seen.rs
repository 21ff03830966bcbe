//! What is done only to what was seen, and only while that is still elsewhere which was.

use super::*;

#[test]
fn who_may_read_a_file_changes_while_it_is_copied_and_its_bytes_do_not() {
    let mut bench = Bench::new("full");
    let begin = |bench: &mut Bench, to: &str| {
        let seen = SeenAt::from(bench.desk.seen(&path("from")).unwrap());
        let op = Op::Copy { from: path("from"), to: path(to), over: over(false) };
        let Begun::Work(work) = bench.desk.begin_seen(op, seen, "CP", &mut nobody) else { panic!("a copy is work") };
        let Worked::On(work) = bench.desk.work(work, &mut nobody) else { panic!("it takes several steps") };
        work
    };
    let bytes: Vec<u8> = (0..3 * MIB + 17).map(|at| (at / 5) as u8).collect();
    bench.write("from", &bytes);
    let work = begin(&mut bench, "to");
    std::fs::set_permissions(bench.at("from"), std::fs::Permissions::from_mode(0o600)).unwrap();
    bench.go_on(work).unwrap();
    assert!(bench.read("to").unwrap() == bytes);
    // Another file of this name is not what was seen.
    let work = begin(&mut bench, "no");
    std::fs::rename(bench.at("from"), bench.at("before")).unwrap();
    std::fs::copy(bench.at("before"), bench.at("from")).unwrap();
    assert_eq!(bench.go_on(work).unwrap_err().kind(), Kind::Changed);
    assert_eq!(bench.read("no"), None);
}

#[test]
fn nothing_is_changed_once_something_else_is_elsewhere() {
    let mut bench = Bench::new("full");
    for name in ["f", "other"] {
        bench.write(name, b"there");
    }
    let seen = bench.desk.seen(&path("other")).unwrap();
    let nothing = bench.desk.seen(&path("none")).unwrap();
    let elsewhere = vec![(path("other"), seen), (path("none"), nothing)];
    bench.desk.require(Preconditions { elsewhere, ..Preconditions::default() });
    let rename = |bench: &mut Bench, from: &str, to: &str| {
        let op = Op::Rename { from: path(from), to: path(to), replace: false };
        let Begun::Done(done) = bench.desk.begin(op, "RENAME", &mut nobody) else { panic!("it is one step") };
        done.map(drop).map_err(|error| error.kind())
    };
    assert_eq!(rename(&mut bench, "f", "g"), Ok(()));
    // Who may read it is no part of what it is.
    std::fs::set_permissions(bench.at("other"), std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(rename(&mut bench, "g", "f"), Ok(()));
    bench.write("none", b"");
    assert_eq!(rename(&mut bench, "f", "g"), Err(Kind::Changed));
    std::fs::remove_file(bench.at("none")).unwrap();
    bench.write("other", b"another");
    assert_eq!(rename(&mut bench, "f", "g"), Err(Kind::Changed));
    // What changes nothing does not ask.
    assert!(matches!(bench.desk.begin(Op::Stat(path("f")), "STAT", &mut nobody), Begun::Done(Ok(_))));
    bench.desk.require(Preconditions::default());
    assert_eq!(rename(&mut bench, "f", "g"), Ok(()));
}
