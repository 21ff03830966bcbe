//! What a person sees while files move, and what a log gets of it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use unicode_width::UnicodeWidthStr as _;

use super::gate::{Gate, Held};
use crate::common::bytes;
use crate::common::program::{PASSWORD, Terminal, World, finish};
use crate::common::trees::many_names;

const MIB: usize = 1 << 20;
const UTF8: &[(&str, &str)] = &[("LANG", "C.UTF-8"), ("SEALIFT_PASSWORD", PASSWORD)];
const ASCII: &[(&str, &str)] = &[("LC_ALL", "C"), ("SEALIFT_PASSWORD", PASSWORD)];

/// What was shown without what moves the cursor, line by line.
fn drawn(terminal: &Terminal) -> Vec<String> {
    let shown = terminal.shown();
    let mut plain = String::new();
    let mut chars = shown.chars();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => {
                let _ = chars.by_ref().skip(1).find(char::is_ascii_alphabetic);
                plain.push('\n');
            }
            '\r' => plain.push('\n'),
            c => plain.push(c),
        }
    }
    plain.lines().map(str::to_owned).collect()
}

/// A folder of alice's with two files of 4 MiB and a short one.
fn tree(world: &World) -> String {
    let folder = world.remote("alice", "tree");
    fs::create_dir_all(folder.join("deep")).unwrap();
    for name in ["first", "deep/a rather long name of a second file.bin"] {
        fs::write(folder.join(name), vec![7; 4 * MIB]).unwrap();
    }
    fs::write(folder.join("short"), "short").unwrap();
    "tree".to_owned()
}

#[test]
fn a_tree_has_a_line_for_the_file_that_moves_and_one_for_all() {
    let world = World::trusting();
    let gate = Gate::start(&world, Held::FromServer, 6 * MIB as u64);
    let from = format!("alice@{}/{}", gate.address, tree(&world));
    let mut terminal = world.terminal_of((100, 30), UTF8, ["get", "-r", &from, "copy"]);
    terminal.expect(" %  of 4.0 MiB").expect("━").expect("of 8.0 MiB").expect("/3 files  fetching");
    gate.open();
    terminal.expect("3 files, 2 folders, 8.0 MiB in ").expect("/s, verified");
    assert_eq!(terminal.wait().code(), Some(0));
    let full = drawn(&terminal).into_iter().filter(|line| line.contains("100 %")).collect::<Vec<_>>();
    assert!(full.iter().all(|line| line.contains("3/3 files") || line.contains("of 4.0 MiB")), "{full:?}");
}

#[test]
fn at_40_columns_lines_fit_and_in_the_c_locale_they_are_ascii() {
    for variables in [UTF8, ASCII] {
        let world = World::trusting();
        let gate = Gate::start(&world, Held::FromServer, 6 * MIB as u64);
        let from = format!("alice@{}/{}", gate.address, tree(&world));
        let mut terminal = world.terminal_of((40, 12), variables, ["get", "-r", &from, "copy"]);
        terminal.expect(" %  of 4.0 MiB").expect(" %").expect("B/s").expect("/3");
        gate.open();
        assert_eq!(terminal.wait().code(), Some(0));
        terminal.expect("3 files, 2 folders, 8.0 MiB in ");
        let drawn = drawn(&terminal);
        // Lines are written one behind the other, each filled up to the width of the terminal.
        let both = drawn.iter().find(|lines| lines.contains("of 4.0 MiB") && lines.contains("/3")).unwrap();
        let end = both.find("of 4.0 MiB").unwrap() + "of 4.0 MiB".len();
        let (of_file, of_all) = both.split_at(end);
        let of_all = of_all.trim();
        assert!(of_file.width() < 40 && of_all.width() < 40 && of_all.ends_with("/3"), "{both}");
        let all_ascii = drawn.iter().all(|line| line.is_ascii());
        assert_eq!(all_ascii, variables == ASCII, "{drawn:?}");
    }
}

#[test]
fn while_the_tree_is_being_read_no_bar_is_full() {
    let world = World::trusting();
    let folder = world.remote("alice", "tree");
    fs::create_dir_all(&folder).unwrap();
    // The listing alone is more than what passes.
    many_names(&folder, "x", (0..2000).map(|n| format!("{n:0200}")));
    let gate = Gate::start(&world, Held::FromServer, 100_000);
    let from = format!("alice@{}/tree", gate.address);
    let mut terminal = world.terminal_of((100, 30), UTF8, ["get", "-r", &from, "copy"]);
    terminal.expect("reading the tree");
    assert!(!terminal.shown().contains('%'), "{}", terminal.shown());
    gate.open();
    terminal.expect("2000 files, 1 folder, 2.0 KiB in ");
    assert_eq!(terminal.wait().code(), Some(0));
}

#[test]
fn after_a_lost_line_a_mirror_s_bar_still_knows_how_much_there_is() {
    let world = World::trusting();
    let gate = Gate::start(&world, Held::FromServer, 6 * MIB as u64);
    let from = format!("alice@{}/{}", gate.address, tree(&world));
    let mut terminal = world.terminal_of((100, 30), UTF8, ["mirror", &from, "./copy"]);
    terminal.expect(" %  of 4.0 MiB").expect("/3 files");
    gate.cut();
    terminal.expect("warning:").expect("again in").expect("of 8.0 MiB").expect("/3 files");
    gate.allow(MIB as u64);
    // What was done before the line was lost is done, and nothing is forgotten of what there is in all.
    terminal.expect("of 8.0 MiB").expect("/3 files  fetching");
    gate.open();
    terminal.expect(", verified");
    assert_eq!(terminal.wait().code(), Some(0));
    let wrong = ["0 B of 0 B", "1/1 files", "2/2 files"];
    assert!(!drawn(&terminal).iter().any(|line| wrong.iter().any(|words| line.contains(words))));
}

#[test]
fn after_a_lost_line_the_bar_of_a_single_file_begins_at_what_is_kept() {
    let world = World::trusting();
    fs::write(world.remote("alice", "large"), vec![7; 40 * MIB]).unwrap();
    let gate = Gate::start(&world, Held::FromServer, 36 * MIB as u64);
    let mut terminal = world.terminal_of((100, 30), UTF8, ["get", &format!("alice@{}/large", gate.address), "copy"]);
    terminal.expect(" 89 %");
    gate.cut();
    terminal.expect("again in").expect("large").expect(" 80 %  32 MiB of 40 MiB");
    gate.open();
    terminal.expect("1 file, 40 MiB in ");
    assert_eq!(terminal.wait().code(), Some(0));
}

#[test]
fn what_is_there_already_is_proven_before_the_eyes_of_the_person() {
    let world = World::trusting();
    let bytes = bytes(40 * MIB);
    fs::write(world.remote("alice", "large"), &bytes).unwrap();
    let first = Gate::start(&world, Held::FromServer, 36 * MIB as u64);
    let mut terminal = world.terminal_of((100, 30), UTF8, ["get", &format!("alice@{}/large", first.address), "copy"]);
    // As much as passes has been written when that stands there.
    terminal.expect(" 89 %").keys("\x03").expect("MiB are kept");
    terminal.wait();
    // HASH does not come through: it is what comes after the login, as DOWNLOAD does here.
    fs::write(world.remote("alice", "small"), "small").unwrap();
    let measure = Gate::start(&world, Held::ToServer, u64::MAX);
    world.run(["get", &format!("alice@{}/small", measure.address), "other"]).code(0);
    let last_three_records = 70;
    let second = Gate::start(&world, Held::ToServer, measure.passed_in_all() - last_three_records);
    let target = format!("alice@{}/large", second.address);
    let mut terminal = world.terminal_of((100, 30), UTF8, ["get", "-c", &target, "copy"]);
    terminal.expect("proving what is there");
    second.open();
    terminal.expect("1 file, 40 MiB (of that 32 MiB were there already) in ");
    assert_eq!(terminal.wait().code(), Some(0));
    assert!(fs::read(world.local("copy")).unwrap() == bytes);
}

#[test]
fn a_name_in_a_bar_does_nothing_to_the_terminal() {
    let world = World::trusting();
    fs::create_dir(world.remote("alice", "d")).unwrap();
    for name in ["a\u{202e}b", "c"] {
        fs::write(world.remote("alice", "d").join(name), vec![7; 4 * MIB]).unwrap();
    }
    let gate = Gate::start(&world, Held::FromServer, 2 * MIB as u64);
    let from = format!("alice@{}/d", gate.address);
    let mut terminal = world.terminal_of((100, 30), UTF8, ["get", "-r", &from, "copy"]);
    terminal.expect("/2 files  fetching");
    gate.allow(4 * MIB as u64);
    terminal.expect("1/2 files  fetching");
    gate.open();
    assert_eq!(terminal.wait().code(), Some(0));
    terminal.expect("2 files");
    let shown = terminal.shown();
    assert!(shown.contains("d/a\\u{202e}b") && !shown.contains('\u{202e}'), "{shown}");
}

#[test]
fn a_log_gets_lines_if_they_are_asked_for_and_none_otherwise() {
    let world = World::trusting();
    tree(&world);
    let run = |options: &[&str], held: bool| {
        let gate = Gate::start(&world, Held::FromServer, if held { 6 * MIB as u64 } else { u64::MAX });
        let from = format!("alice@{}/tree", gate.address);
        let words = [&["get", "-r"][..], options, &[&from, "copy/"]].concat();
        let mut command = world.command(words);
        command.env("SEALIFT_PASSWORD", PASSWORD);
        if !held {
            return finish(command, b"").code(0).stderr;
        }
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        gate.open();
        assert!(child.wait().unwrap().success());
        first + "\n" + &lines.map(Result::unwrap).collect::<Vec<_>>().join("\n")
    };
    for options in [&["--progress", "plain"][..], &["--progress", "bar"]] {
        let said = run(options, true);
        let first = said.lines().next().unwrap();
        assert!(first.contains(" %, ") && first.contains("of 8.0 MiB") && first.contains("/3 files"), "{said}");
        assert!(said.is_ascii() && !said.contains('\x1b'), "{said}");
    }
    for options in [&[][..], &["--progress", "none"]] {
        let said = run(options, false);
        // The folders have been there since the first time.
        assert!(said.starts_with("3 files, 8.0 MiB in ") && said.lines().count() == 1, "{said}");
    }
    assert_eq!(run(&["--progress", "plain", "--quiet"], false), "");
}

#[test]
fn a_mirror_that_makes_nothing_counts_no_folders() {
    let world = World::trusting();
    fs::create_dir_all(world.local("src/in")).unwrap();
    fs::write(world.local("src/in/a"), "three").unwrap();
    // Anonymous may not write.
    let refused = world.run(["mirror", "./src", &format!("{}/zz", world.server.address())]);
    let refused = refused.code(5);
    let last = refused.stderr.lines().find(|line| line.starts_with("0 files")).unwrap();
    assert!(last.starts_with("0 files, 0 B in ") && last.ends_with("failed"), "{refused:?}");
    let done = world.run(["mirror", "./src", &world.alice("zz")]).code(0);
    assert!(done.stderr.contains("1 file, 2 folders, 5 B in "), "{done:?}");
}

#[test]
fn one_summary_for_get_put_and_mirror() {
    let world = World::trusting();
    let src = world.local("src");
    fs::create_dir(&src).unwrap();
    for name in ["a", "b"] {
        fs::write(src.join(name), "three").unwrap();
    }
    std::os::unix::fs::symlink("a", src.join("link")).unwrap();
    // The time differs from run to run.
    let summary = |words: &[&str]| {
        let said = world.run(words).code(0).stderr;
        let last = said.lines().last().unwrap().to_owned();
        match (last.find(" in "), last.find(" s"), last.find(" ms")) {
            (Some(from), Some(to), None) => format!("{} in T{}", &last[..from], &last[to + 2..]),
            (Some(from), _, Some(to)) => format!("{} in T{}", &last[..from], &last[to + 3..]),
            _ => last,
        }
    };
    let there = world.alice("there");
    assert_eq!(summary(&["put", "-r", "src", &there]), "2 files, 1 folder, 10 B in T, verified; 1 skipped (link)");
    assert_eq!(summary(&["get", "-r", &there, "copy"]), "2 files, 1 folder, 10 B in T, verified");
    assert_eq!(summary(&["mirror", "./src", &there]), "0 files, 0 B in T; 2 unchanged; 1 skipped (link)");
    fs::write(src.join("c"), "new").unwrap();
    fs::remove_file(src.join("b")).unwrap();
    assert_eq!(
        summary(&["mirror", "--dry-run", "--delete", "./src", &there]),
        "Would be: 1 file, 3 B; 1 unchanged; 1 deleted (1 file, 5 B); 1 skipped (link)"
    );
    assert_eq!(
        summary(&["mirror", "--delete", "./src", &there]),
        "1 file, 3 B in T, verified; 1 unchanged; 1 deleted; 1 skipped (link)"
    );
    let skip = ["get", "--if-exists", "skip", &format!("{there}/a"), "copy/"];
    assert_eq!(summary(&skip), "0 files, 0 B in T; 1 skipped (there already)");
}
