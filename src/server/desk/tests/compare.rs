//! Uploads over a large file that is there: what their commit has to know of it is hashed before, in bounded steps, in the
//! places of those who hash.

use super::*;
use crate::files::{Condition, Resume, Stored};
use crate::machine::turns::Class;
use crate::server::desk::uploads::{Finished, Put};

/// Some more than what is hashed in passing.
const LARGE: usize = 5 * MIB;

impl Bench {
    fn put(&mut self, name: &str, condition: Condition, bytes: &[u8]) -> Put {
        let spec = UploadSpec { condition, ..UploadSpec::default() };
        let op = Op::Put { path: path(name), spec, resume: None };
        let Begun::Put(put) = self.desk.begin(op, "PUT", &mut nobody) else { panic!() };
        self.desk.append(put, bytes, &mut nobody).unwrap()
    }

    /// Steps up to the commit, which is left to be asked for.
    fn compare(&mut self, mut work: Work) -> usize {
        let mut steps = 1;
        loop {
            assert_eq!(work.class(), Class::Heavy);
            work = match self.desk.work(work, &mut nobody) {
                Worked::On(work) => work,
                Worked::Waits(_) => return steps,
                Worked::Done(result) => panic!("{result:?}"),
                Worked::Put(_) => panic!(),
            };
            steps += 1;
        }
    }

    fn commit(&mut self) -> Result<Outcome> {
        let mut told = Vec::new();
        self.desk.commit(&mut |_, result| told.push(result));
        told.pop().unwrap()
    }
}

#[test]
fn a_large_file_that_is_to_be_replaced_is_hashed_in_steps_before_the_commit() {
    let mut bench = Bench::new("full");
    let old = vec![7; LARGE];
    bench.write("f", &old);
    let put = bench.put("f", Condition::Hash(Hash::of(&old)), b"new");
    let Finished::Work(work) = bench.desk.finish(put, None, &mut nobody) else { panic!("hashed in a commit") };
    assert!(bench.compare(*work) >= LARGE / limits::CHUNK);
    assert_eq!(bench.read("f").unwrap(), old, "not before the commit");
    assert!(
        matches!(bench.commit().unwrap(), Outcome::Stored { committed, .. } if committed.stored == Stored::Replaced)
    );
    assert_eq!(bench.read("f").unwrap(), b"new");
}

#[test]
fn another_large_file_than_the_expected_one_stays() {
    let mut bench = Bench::new("full");
    bench.write("f", &vec![7; LARGE]);
    let put = bench.put("f", Condition::Hash(Hash::of(b"another")), b"new");
    let Finished::Work(work) = bench.desk.finish(put, None, &mut nobody) else { panic!() };
    assert_eq!(bench.go_on(*work).unwrap_err().kind(), Kind::Changed);
    assert_eq!(bench.read("f").unwrap().len(), LARGE);
    assert!(bench.is_clean());
}

#[test]
fn a_large_file_that_changes_between_its_comparison_and_the_commit_stays() {
    let mut bench = Bench::new("full");
    let old = vec![7; LARGE];
    bench.write("f", &old);
    let put = bench.put("f", Condition::Hash(Hash::of(&old)), b"new");
    let Finished::Work(work) = bench.desk.finish(put, None, &mut nobody) else { panic!() };
    bench.compare(*work);
    // Also one that came there only now and has the very bytes: the commit does not hash so much.
    std::fs::remove_file(bench.at("f")).unwrap();
    bench.write("f", &old);
    assert_eq!(bench.commit().unwrap_err().kind(), Kind::Changed);
    assert_eq!(bench.read("f").unwrap(), old);
    assert!(bench.is_clean());
}

#[test]
fn a_file_that_is_touched_while_it_is_compared_is_compared_again() {
    let mut bench = Bench::new("full");
    let old = vec![7; LARGE];
    bench.write("f", &old);
    let put = bench.put("f", Condition::Hash(Hash::of(&old)), b"new");
    let Finished::Work(work) = bench.desk.finish(put, None, &mut nobody) else { panic!() };
    let Worked::On(work) = bench.desk.work(*work, &mut nobody) else { panic!() };
    let file = std::fs::OpenOptions::new().write(true).open(bench.at("f")).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert!(bench.compare(work) > LARGE / limits::CHUNK + 1, "it begins again");
    bench.commit().unwrap();
    assert_eq!(bench.read("f").unwrap(), b"new");
}

#[test]
fn small_files_are_compared_by_their_commit() {
    let mut bench = Bench::new("full");
    bench.write("f", b"old");
    for (bytes, expected) in [("new", Ok(())), ("newer", Err(Kind::Changed))] {
        let put = bench.put("f", Condition::Hash(Hash::of(b"old")), bytes.as_bytes());
        assert!(matches!(bench.desk.finish(put, None, &mut nobody), Finished::Waits(_)));
        assert_eq!(bench.commit().map(drop).map_err(|err| err.kind()), expected);
    }
    // One that may replace whatever there is asks for nothing, however large that is.
    bench.write("g", &vec![7; LARGE]);
    let put = bench.put("g", Condition::Any, b"new");
    assert!(matches!(bench.desk.finish(put, None, &mut nobody), Finished::Waits(_)));
    bench.commit().unwrap();
    assert_eq!(bench.read("g").unwrap(), b"new");
}

#[test]
fn a_large_file_that_is_sent_again_by_one_who_may_replace_nothing_is_compared_in_steps() {
    let mut bench = Bench::new("[\"upload\"]");
    bench.write("f", &vec![7; LARGE]);
    let put = bench.put("f", Condition::Any, &vec![7; LARGE]);
    let Finished::Work(work) = bench.desk.finish(put, None, &mut nobody) else { panic!("hashed in a commit") };
    bench.compare(*work);
    assert!(matches!(bench.commit().unwrap(), Outcome::Stored { committed, .. } if committed.stored == Stored::Same));
    let put = bench.put("f", Condition::Any, &vec![8; LARGE]);
    let Finished::Work(work) = bench.desk.finish(put, None, &mut nobody) else { panic!() };
    assert_eq!(bench.go_on(*work).unwrap_err().kind(), Kind::Denied);
    // The same one twice in a row: the second is compared with the first, which is in its place by then.
    let mut told = Vec::new();
    for _ in 0..2 {
        let put = bench.put("new", Condition::Any, &vec![9; LARGE]);
        match bench.desk.finish(put, None, &mut |_, result| told.push(result)) {
            Finished::Waits(_) => {}
            Finished::Work(work) => drop(bench.compare(*work)),
            Finished::Done(_) => panic!("committed before the others"),
            Finished::Refused(error) => panic!("{error}"),
        }
    }
    told.push(bench.commit());
    let stored: Vec<_> = told.into_iter().map(|result| result.unwrap().came().word).collect();
    assert_eq!(stored, ["created", "same"]);
}

/// After a crash nobody knows any more what is left of an upload.
fn forget_the_blocks(bench: &Bench) {
    let blocks = std::fs::read_dir(bench.at(".sealift")).unwrap().flatten().map(|entry| entry.path());
    let blocks: Vec<_> = blocks.filter(|path| path.to_str().unwrap().contains("/b-")).collect();
    assert_eq!(blocks.len(), 1);
    std::fs::remove_file(&blocks[0]).unwrap();
}

#[test]
fn what_is_left_of_an_upload_is_hashed_in_steps_before_it_goes_on() {
    let block = usize::try_from(limits::HASH_BLOCK).unwrap();
    let bytes: Vec<u8> = (0..2 * block + 5).map(|at| (at / 1000) as u8).collect();
    let resume = Some(Resume { offset: 2 * limits::HASH_BLOCK, prefix: Hash::of(&bytes[..2 * block]) });
    let wrong = Some(Resume { offset: 2 * limits::HASH_BLOCK, prefix: Hash::of(b"another beginning") });
    let size = Some(bytes.len() as u64);
    let spec = UploadSpec { size, ..UploadSpec::default() };

    let interrupted = || {
        let mut bench = Bench::over("full", |store| store);
        let op = Op::Put { path: path("f"), spec, resume: None };
        let Begun::Put(put) = bench.desk.begin(op, "PUT", &mut nobody) else { panic!() };
        let put = bench.desk.append(put, &bytes[..2 * block], &mut nobody).unwrap();
        bench.desk.hang_up(Some(put));
        // Else the store itself still knows.
        bench.desk.store.partial(&path("another")).unwrap();
        forget_the_blocks(&bench);
        bench
    };
    let steps = |bench: &mut Bench, op| {
        let Begun::Work(mut work) = bench.desk.begin(op, "PUT", &mut nobody) else { panic!("hashed in one go") };
        for _ in 0..=2 * limits::HASH_BLOCK / limits::PARTIAL_STEP {
            assert_eq!(work.class(), Class::Heavy);
            work = match bench.desk.work(work, &mut nobody) {
                Worked::On(work) => work,
                worked => return worked,
            };
        }
        panic!("no end of it")
    };

    let mut bench = interrupted();
    let Worked::Put(Ok(put)) = steps(&mut bench, Op::Put { path: path("f"), spec, resume }) else { panic!() };
    let put = bench.desk.append(put, &bytes[2 * block..], &mut nobody).unwrap();
    assert!(matches!(bench.desk.finish(put, Some(Hash::of(&bytes)), &mut nobody), Finished::Waits(_)));
    // What had come before was counted then.
    assert!(matches!(bench.commit().unwrap(), Outcome::Stored { came: 5, .. }));
    assert_eq!(bench.registry.sessions()[0].bytes, bytes.len() as u64);
    assert!(bench.read("f").unwrap() == bytes);

    let mut bench = interrupted();
    let worked = steps(&mut bench, Op::Put { path: path("f"), spec, resume: wrong });
    let Worked::Put(Err(error)) = worked else { panic!("what comes now must be dropped") };
    assert_eq!(error.kind(), Kind::Changed);

    let mut bench = interrupted();
    let worked = steps(&mut bench, Op::Stage { path: path("f"), spec, resume });
    assert!(matches!(worked, Worked::Done(Ok(Outcome::Staged(_)))));
}
