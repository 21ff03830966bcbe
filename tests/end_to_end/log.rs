//! What the log has of many small files: a few lines that a person can read; all of them at debug, and in the audit.

use std::fs;

use crate::common::eventually;
use crate::common::program::World;

const FILES: usize = 2000;

fn uploaded(args: &[&str]) -> (World, String) {
    let world =
        World::with(|server| server.args(["--audit", "audit/audit.jsonl"]).args(args.iter().copied())).trusted();
    for n in 0..FILES {
        let folder = world.local(format!("tree/{}", n % 20));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(n.to_string()), n.to_string()).unwrap();
    }
    world.run(["put", "-r", "tree", &world.alice("")]).code(0);
    eventually("the session is over", || world.server.log().contains("disconnected"));
    let log = world.server.log();
    (world, log)
}

/// How many of this verb the log tells of in numbers.
fn more(log: &str, verb: &str) -> usize {
    let of_verb = log.lines().filter(|line| line.contains(&format!("verb=\"{verb}\"")) && line.contains(" more="));
    of_verb.map(|line| line.split(" more=").nth(1).unwrap().split(' ').next().unwrap().parse::<usize>().unwrap()).sum()
}

#[test]
fn two_thousand_files_are_a_few_lines_and_all_stand_in_the_audit() {
    let (world, log) = uploaded(&[]);
    let lines = log.lines().filter(|line| line.contains(" INFO ")).count();
    assert!(lines < 120, "{lines} lines:\n{log}");
    let single = log.lines().filter(|line| !line.contains(" more=") && line.contains("verb=\"UPLOAD\"")).count();
    assert_eq!(single + more(&log, "UPLOAD"), FILES, "{log}");
    assert!(log.lines().any(|line| line.contains(" more=") && line.contains("last=\"tree/")), "{log}");
    let audit = world.server.place().join("audit/audit.jsonl");
    let count = || fs::read_to_string(&audit).unwrap().matches("\"verb\":\"UPLOAD\"").count();
    eventually("all stand in the audit", || count() == FILES);
    // One line a transfer, however many steps it has.
    fs::write(world.local("large"), vec![7; 70 << 20]).unwrap();
    world.run(["put", "--streams", "3", "large", &world.alice("")]).code(0);
    eventually("it is told of", || world.server.log().contains("verb=\"COMMIT\""));
    let log = world.server.log();
    assert_eq!(log.matches("verb=\"COMMIT\" path=\"large\"").count(), 1, "{log}");
    assert!(!log.contains("verb=\"PART\"") && !log.contains("verb=\"STAGE\""), "{log}");
}

#[test]
fn each_of_them_is_there_at_debug() {
    let (_world, log) = uploaded(&["--log-level", "debug"]);
    // As many as one source may write in ten seconds.
    let single = log.lines().filter(|line| line.contains("command") && line.contains("verb=\"UPLOAD\"")).count();
    assert!(single > 900, "{single}");
}
