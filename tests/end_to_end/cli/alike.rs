//! What is said of many files, and of names that are in the text twice or not at all.

use std::fs;

use crate::common::program::World;

#[test]
fn of_what_fails_alike_a_few_are_told_and_the_others_counted() {
    let world = World::trusting();
    fs::create_dir_all(world.local("src")).unwrap();
    for number in 0..30 {
        fs::write(world.local(format!("src/a\n{number}")), "").unwrap();
        std::os::unix::fs::symlink("nowhere", world.local(format!("src/link{number}"))).unwrap();
    }
    let names: Vec<String> = (0..30).map(|number| world.alice(&format!("missing{number}"))).collect();
    let told = |done: &crate::common::program::Done, text: &str| done.stderr.matches(text).count();
    for words in [&["put", "-r", "src", &world.alice("")][..], &["mirror", "./src", &world.alice("m")]] {
        let done = world.run(words);
        assert_eq!((told(&done, "control character in it"), told(&done, ": a symbolic link")), (11, 11), "{done:?}");
        let done = done.said("sealift: and 20 more: the path has a control character in it (-v shows each)");
        let done = done.said("warning: and 20 more: a symbolic link (-v shows each)").said("30 failed");
        assert!(done.stderr.trim_end().ends_with("failed"), "the summary comes last: {done:?}");
        assert!(!done.stderr.contains("a\\x0a1: a\\x0a1"), "{done:?}");
        let done = world.run([&["-q"], words].concat());
        assert_eq!((told(&done, "control character in it"), told(&done, "warning")), (11, 0), "{done:?}");
        assert!(!done.stderr.contains(": a symbolic link"), "{done:?}");
        let done = world.run([&["-v"], words].concat());
        assert_eq!((told(&done, "control character in it"), told(&done, ": a symbolic link")), (30, 30), "{done:?}");
    }
    let done = world.run(["stat"].into_iter().chain(names.iter().map(String::as_str))).code(3);
    assert_eq!(told(&done, "no such file"), 11, "{done:?}");
    let json = world.run(["--json", "stat"].into_iter().chain(names.iter().map(String::as_str))).code(3);
    assert_eq!(told(&json, "not-found"), 30, "{json:?}");
    let lines: String = (0..30).map(|number| format!("cat missing{number}\n")).collect();
    let shell = world.run_with(["shell", &world.alice("")], lines.as_bytes());
    assert_eq!(told(&shell, "no such file"), 30, "each is a command of its own: {shell:?}");
}

#[test]
fn what_is_missing_or_in_the_way_is_named() {
    let world = World::trusting();
    fs::write(world.remote("alice", "file"), "").unwrap();
    world.run(["mirror", "./src"]).code(2).said("`sealift mirror` needs <DESTINATION>").said("It is written like this");
    world.run(["mkdir", &world.alice("file")]).code(11).said("Something that is not a folder has that name");
    let long = "d/".repeat(60) + "x";
    let target = world.alice(&long);
    let mut terminal = world.terminal_of((60, 24), &[("SEALIFT_PASSWORD", "correct horse")], ["stat", &target]);
    terminal.expect(&format!("sealift: {}", &long[..40]));
    terminal.wait();
}
