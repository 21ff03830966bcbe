//! `passwd`: a user's own password, end to end.

use std::fs;

use super::join::invite;
use crate::common::program::{PASSWORD, Terminal, World, finish};

const OWN: &str = "my own words";

/// Runs `passwd` for alice with these lines on standard input.
fn passwd(world: &World, lines: &str) -> crate::common::program::Done {
    let mut command = world.command(["passwd", "--password-stdin", &world.alice("")]);
    command.env_remove("SEALIFT_PASSWORD");
    finish(command, lines.as_bytes())
}

/// The exit code of a listing with this password.
fn ls(world: &World, password: &str) -> Option<i32> {
    let mut command = world.command(["ls", &world.alice("")]);
    command.env("SEALIFT_PASSWORD", password);
    finish(command, b"").code
}

#[test]
fn two_lines_change_a_password_and_the_old_one_is_wrong_from_then_on() {
    let world = World::trusting();
    let users = fs::read(world.server.place().join("users.toml")).unwrap();
    passwd(&world, &format!("{PASSWORD}\n{OWN}\n")).code(0).said("is changed");
    assert_eq!((ls(&world, PASSWORD), ls(&world, OWN)), (Some(4), Some(0)));
    assert_eq!(fs::read(world.server.place().join("users.toml")).unwrap(), users, "it is the administrator's");
    let log = world.server.log_with(&["password changed by its user"]);
    assert!(!log.contains(OWN) && !log.contains(PASSWORD), "{log}");
    // The own one, too.
    passwd(&world, &format!("{OWN}\nas short\n")).code(0);
    assert_eq!((ls(&world, OWN), ls(&world, "as short")), (Some(4), Some(0)));
}

#[test]
fn how_long_a_new_password_is_at_least_the_server_says_and_the_one_there_was_goes_on() {
    let world = World::trusting();
    let short = passwd(&world, &format!("{PASSWORD}\nshorter\n")).code(2);
    let short = short.said("has fewer than 8 characters").said("the old password still counts");
    assert!(!short.stderr.contains("warning"), "it is refused, and no more is to be said: {short:?}");
    let users = world.server.place().join("users.toml");
    let text = fs::read_to_string(&users).unwrap();
    fs::write(&users, format!("{text}\n[defaults]\nmin_password = 14\n")).unwrap();
    let change = |new: &str| passwd(&world, &format!("{PASSWORD}\n{new}\n"));
    crate::common::eventually("it is read", || change("shorter").stderr.contains("has fewer than 14 characters"));
    change("thirteen char").said("has fewer than 14 characters");
    // One that counts is warned of.
    fs::write(&users, format!("{text}\n[defaults]\nmin_password = 4\n")).unwrap();
    crate::common::eventually("four are enough", || {
        let done = change("four");
        done.code == Some(0) && done.stderr.contains("easily guessed; `sealift passwd` gives a longer one")
    });
    passwd(&world, &format!("four\n{PASSWORD}\n")).code(0);
    // Longer than what is there now.
    assert_eq!(ls(&world, PASSWORD), Some(0));
    change("fourteen chars").code(0);
    assert_eq!((ls(&world, PASSWORD), ls(&world, "fourteen chars")), (Some(4), Some(0)));
}

#[test]
fn a_wrong_or_missing_password_changes_nothing() {
    let world = World::trusting();
    passwd(&world, &format!("wrong\n{OWN}\n")).code(4).said("Two lines are read");
    passwd(&world, &format!("{OWN}\n")).code(4).said("Two lines are read");
    passwd(&world, &format!("{PASSWORD}\n")).code(2).said("no password").said("Two lines are read");
    passwd(&world, &format!("{PASSWORD}\n\n")).code(2);
    passwd(&world, &format!("{PASSWORD}\n{}\n", "x".repeat(1025))).code(2);
    let anonymous = world.run(["passwd", &world.public("")]).code(2);
    assert!(anonymous.stderr.contains("alice@"), "{}", anonymous.stderr);
    assert_eq!((ls(&world, PASSWORD), ls(&world, OWN)), (Some(0), Some(4)));
}

#[test]
fn a_person_is_asked_for_the_present_one_and_twice_for_the_new_one() {
    let world = World::trusting();
    let mut terminal = world.terminal(["passwd", &world.alice("")]);
    terminal.expect("Password for alice@").line(PASSWORD);
    terminal.expect("New password for alice@").line(OWN).expect("The same again:").line("my own sword");
    terminal.expect("The two differ").expect("New password").line(OWN).expect("again:").line(OWN);
    terminal.expect("is changed");
    assert!(terminal.wait().success());
    assert!(!terminal.shown().contains(OWN) && !terminal.shown().contains(PASSWORD), "{}", terminal.shown());
    assert_eq!((ls(&world, PASSWORD), ls(&world, OWN)), (Some(4), Some(0)));
}

#[test]
fn who_types_a_password_that_the_server_refuses_is_asked_for_another_one() {
    let world = World::trusting();
    // How many characters it takes the server has said; what else it refuses it says then.
    let choose = |terminal: &mut Terminal, password: &str| {
        terminal.expect("New password for").line("short").expect("It has fewer than 8 characters; try again");
        terminal.expect("New password for").line("caroline").expect("The same again:").line("caroline");
        terminal.expect("the new password is the user's name, which is tried first; try again");
        terminal.expect("New password for").line(password).expect("again:").line(password);
    };
    let invitation = invite(&world, &["caroline", "--host", &world.server.address()]);
    let mut terminal = world.terminal(["join", &invitation]);
    choose(&mut terminal, "the first one");
    terminal.expect("You have joined caroline@");
    assert!(terminal.wait().success());
    assert!(!terminal.whole().contains("easily guessed"), "{}", terminal.whole());
    let caroline = format!("caroline@{}/", world.server.address());
    let mut terminal = world.terminal(["passwd", &caroline]);
    choose(&mut terminal, OWN);
    terminal.expect("is changed");
    assert!(terminal.wait().success());
    let by = |password: &str| {
        finish(world.command(["ls", "--password-stdin", &caroline]), format!("{password}\n").as_bytes()).code
    };
    assert_eq!((by("the first one"), by(OWN)), (Some(4), Some(0)));
}

#[test]
fn what_the_administrator_says_counts() {
    let world = World::trusting();
    let users = world.server.place().join("users.toml");
    passwd(&world, &format!("{PASSWORD}\n{OWN}\n")).code(0);
    // Forbidden: the file alone counts, and says so.
    let text = fs::read_to_string(&users).unwrap();
    let none = text.replace("\n[users.alice]\n", "\n[users.alice]\nself_service = \"none\"\n");
    fs::write(&users, &none).unwrap();
    crate::common::eventually("it is forbidden to her", || ls(&world, PASSWORD) == Some(0));
    assert_eq!(ls(&world, OWN), Some(4));
    let refused = passwd(&world, &format!("{PASSWORD}\nanother one\n")).code(5);
    refused.said("the administrator of this server sets your password").said("Ask the administrator of 127.0.0.1");
    // For all who are not named.
    fs::write(&users, format!("{text}\n[defaults]\nself_service = \"none\"\n")).unwrap();
    crate::common::eventually("it is read", || passwd(&world, &format!("{PASSWORD}\nanother one\n")).code == Some(5));
    // Allowed again: nothing was forgotten.
    fs::write(&users, &text).unwrap();
    crate::common::eventually("it is allowed again", || ls(&world, OWN) == Some(0));
    // A new one of the administrator's wins, and stays when the server starts again.
    let mut set = world.server.command(&["user", "passwd", "alice", "--password-stdin"]);
    set.env_remove("SEALIFT_PASSWORD");
    assert!(crate::common::end_of(set, "set by the administrator").status.success());
    assert_eq!((ls(&world, OWN), ls(&world, "set by the administrator")), (Some(4), Some(0)));
}

#[test]
fn a_file_has_the_present_password_and_behind_it_the_new_one() {
    let world = World::trusting();
    fs::write(world.local("both"), format!("{PASSWORD}\n{OWN}\n")).unwrap();
    let change = || finish(world.command(["passwd", "--password-file", "both", &world.alice("")]), b"");
    change().code(0).said("is changed");
    assert_eq!((ls(&world, PASSWORD), ls(&world, OWN)), (Some(4), Some(0)));
    fs::write(world.local("both"), format!("{OWN}\nabc\n")).unwrap();
    change().code(2).said("fewer than 8 characters");
    fs::write(world.local("both"), format!("{OWN}\n")).unwrap();
    change().code(2);
    assert_eq!(ls(&world, OWN), Some(0));
}

#[test]
fn one_line_is_the_new_password_where_a_key_logs_in() {
    let world = World::trusting();
    let key = world.local("key");
    let mut made = std::process::Command::new("ssh-keygen");
    assert!(made.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status().unwrap().success());
    let public = world.local("key.pub");
    let done = world.server.command(&["user", "key", "add", "alice", public.to_str().unwrap()]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let by_key = |lines: &str| {
        let mut command = world.command(["-i", "key", "passwd", "--password-stdin", &world.alice("")]);
        command.env_remove("SEALIFT_PASSWORD");
        finish(command, lines.as_bytes())
    };
    by_key("abc\n").code(2).said("fewer than 8 characters");
    by_key(&format!("{OWN}\n")).code(0).said("is changed");
    assert_eq!((ls(&world, PASSWORD), ls(&world, OWN)), (Some(4), Some(0)));
    by_key(&format!("{OWN}\nand another one\n")).code(0);
    by_key("wrong\nand another one\n").code(4);
    assert_eq!((ls(&world, OWN), ls(&world, "and another one")), (Some(4), Some(0)));
}

#[test]
fn one_line_is_the_new_password_where_this_machine_has_logged_in() {
    let world = World::trusting();
    let login = world.command(["login", "--password-stdin", &world.alice("")]);
    finish(login, format!("{PASSWORD}\n").as_bytes()).code(0);
    fs::write(world.remote("alice", "f"), "f").unwrap();
    let with = |words: &[&str], lines: &str| {
        let mut command = world.command(words);
        command.env_remove("SEALIFT_PASSWORD");
        finish(command, lines.as_bytes())
    };
    let passwd = ["passwd", "--password-stdin", &world.alice("")];
    with(&passwd, "short\n").code(2).said("fewer than 8 characters");
    with(&passwd, &format!("{OWN}\n")).code(0).said("is changed");
    assert_eq!(
        (ls(&world, PASSWORD), ls(&world, OWN)),
        (Some(0), Some(0)),
        "the key goes before what the environment says"
    );
    let by = |password: &str| with(&["ls", "--password-stdin", &world.alice("")], &format!("{password}\n")).code;
    assert_eq!((by(PASSWORD), by(OWN)), (Some(4), Some(0)));
    // A link's, as one line and as the second one, and out of a file.
    let link = ["link", "--password", "--password-stdin", &world.alice("f")];
    let fetched = |made: crate::common::program::Done| {
        let url = made.code(0).stdout().trim_end().to_owned();
        with(&["get", "--password-stdin", &url, "-"], "the link's own\n").code(0).stdout().to_owned()
    };
    assert_eq!(fetched(with(&link, "the link's own\n")), "f");
    assert_eq!(fetched(with(&[&link[..], &["--name", "two"]].concat(), &format!("{OWN}\nthe link's own\n"))), "f");
    fs::write(world.local("one"), "the link's own\n").unwrap();
    let of_file = ["link", "--password", "--password-file", "one", "--name", "three", &world.alice("f")];
    assert_eq!(fetched(with(&of_file, "")), "f");
    with(&[&link[..], &["--name", "four"]].concat(), "wrong\nthe link's own\n").code(4).said("the link's alone");
    // Without such a key it takes two.
    with(&["logout", &world.alice("")], "").code(0);
    with(&[&link[..], &["--name", "five"]].concat(), &format!("{OWN}\n")).code(2).said("give two lines");
}
