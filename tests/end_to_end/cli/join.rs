//! Invitations from the administrator's line to the invited person's files, between two machines.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use crate::common::not_run::not_run;
use crate::common::program::{Done, Terminal, World, finish};
use crate::common::{end_of, text};

const OWN: &str = "my own words";

/// `sealiftd invite` with these arguments: the invitation, without what is around it.
pub fn invite(world: &World, args: &[&str]) -> String {
    let output = world.server.command(&[&["invite"], args].concat()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let line = text(&output.stdout);
    assert_eq!(line.lines().count(), 1, "{line}");
    line.trim().strip_prefix("sealift join '").unwrap().strip_suffix('\'').unwrap().to_owned()
}

fn sealiftd_in(place: &Path, args: &[&str]) -> Command {
    let mut command = crate::common::sealiftd(place);
    command.args(args);
    command
}

fn join(world: &World, invitation: &str, password: &str) -> Done {
    let mut command = world.command(["join", invitation, "--password-stdin"]);
    command.env_remove("SEALIFT_PASSWORD");
    finish(command, format!("{password}\n").as_bytes())
}

fn ls(world: &World, target: &str, password: &str) -> Option<i32> {
    let mut command = world.command(["ls", target]);
    command.env("SEALIFT_PASSWORD", password);
    finish(command, b"").code
}

#[test]
fn one_line_makes_the_user_pins_the_server_and_bookmarks_it() {
    // The invited person knows nothing of the server yet.
    let world = World::new();
    let invitation = invite(&world, &["carol", "--access", "list,upload", "--host", &world.server.address()]);
    let carol = format!("carol@{}/", world.server.address());
    let done = join(&world, &invitation, OWN).code(0);
    done.said("Remembered the key of").said("You have joined carol@").said("`sealift ls ");
    assert_eq!(ls(&world, &carol, OWN), Some(0));
    assert_eq!(ls(&world, "carol:", OWN), Some(0), "{:?}", fs::read_to_string(world.config.path().join("config.toml")));
    let denied = world.command(["mkdir", &format!("{carol}x")]);
    let mut denied = denied;
    denied.env("SEALIFT_PASSWORD", OWN);
    finish(denied, b"").code(5);
    // It works once, and says so.
    join(&world, &invitation, "another one").code(4).said("may be used already").said("`sealiftd invite` makes it");
    let with = |password: &str| {
        let command = world.command(["ls", "--password-stdin", &carol]);
        finish(command, format!("{password}\n").as_bytes())
    };
    with(OWN).code(0);
    with("another one").code(4).said("came from standard input");
    // What the environment has for other servers is not in the way of the key that this machine has for this one.
    assert_eq!(ls(&world, &carol, "of another server"), Some(0));
    // By nothing that it wrote down can anybody tell the secret.
    let secret = invitation.rsplit('.').nth(1).unwrap();
    let found = Command::new("grep").args(["-rFe", secret]).arg(world.server.place()).output().unwrap();
    assert_eq!(found.status.code(), Some(1), "{}", text(&found.stdout));
}

#[test]
fn an_invitation_is_read_from_a_pipe_and_gives_a_user_who_is_there_another_password() {
    let world = World::trusting();
    let invitation = invite(&world, &["alice", "--host", &world.server.address()]);
    let command = world.command(["join", "-", "--password-stdin"]);
    finish(command, format!("sealift join '{invitation}'\n{OWN}\n").as_bytes()).code(0);
    for (password, code) in [(OWN, 0), (crate::common::program::PASSWORD, 4)] {
        let command = world.command(["ls", "--password-stdin", &world.alice("")]);
        finish(command, format!("{password}\n").as_bytes()).code(code);
    }
}

#[test]
fn whoever_invites_again_is_told_what_is_still_open() {
    let world = World::new();
    let place = world.server.address();
    let said = |args: &[&str]| {
        let output = world.server.command(&[&["invite"], args].concat()).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        (text(&output.stdout), text(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" "))
    };
    assert!(said(&["--list"]).1.contains("No invitation can be used now"));
    let first = said(&["carol", "--host", &place]);
    assert!(!first.1.contains("other invitation"), "{}", first.1);
    let id = said(&["--list"]).0.split_once(' ').unwrap().0.to_owned();
    let second = said(&["carol", "--host", &place]).1;
    assert!(second.contains(&format!("has another invitation, {id}, which can be used as long as this one is not")));
    assert!(second.contains(&format!("`sealiftd invite --revoke {id}` withdraws it")), "{second}");
    assert!(said(&["carol", "--host", &place]).1.contains("has 2 other invitations"));
    assert!(!said(&["dave", "--host", &place]).1.contains("other invitation"));
    // Once one of them is used, none of the others can be.
    let invitation = first.0.trim().strip_prefix("sealift join '").unwrap().strip_suffix('\'').unwrap().to_owned();
    join(&world, &invitation, OWN).code(0);
    assert_eq!(said(&["--list"]).0.lines().filter(|line| line.ends_with("  carol")).count(), 0);
    // One who was removed and made again is another one.
    for args in [&["user", "remove", "carol"][..], &["user", "add", "carol", "--password-stdin"]] {
        assert!(end_of(world.server.command(args), "correct horse battery\n").status.success());
    }
    assert!(!said(&["--list"]).0.contains("carol"));
    assert!(!said(&["carol", "--host", &place]).1.contains("other invitation"));
    // At a terminal there is a head, and a list for people.
    let list = pty_process::blocking::Command::new(env!("CARGO_BIN_EXE_sealiftd")).args(["invite", "--list"]);
    let terminal = Terminal::of(list.current_dir(world.server.place()), (100, 30));
    terminal.expect("ID                UNTIL                 USER").expect("  carol").expect("  dave");
}

#[test]
fn an_invitation_that_is_cut_withdrawn_over_or_of_another_server_lets_nobody_in() {
    let world = World::new();
    let host = ["--host", &world.server.address()];
    let invited = |more: &[&str]| invite(&world, &[&["carol"], more, &host[..]].concat());
    let cut = invited(&[]);
    for end in [cut.len() - 1, cut.len() - 9, cut.len() / 2] {
        join(&world, &cut[..end], OWN).code(2).said("not complete");
    }
    join(&world, "files.example", OWN).code(2).said("quotes");

    let withdrawn = invited(&[]);
    let listed = text(&world.server.command(&["invite", "--list"]).output().unwrap().stdout);
    assert_eq!(listed.lines().filter(|line| line.ends_with("  carol")).count(), 2, "{listed}");
    for line in listed.lines() {
        let id = line.split_once(' ').unwrap().0;
        assert!(end_of(world.server.command(&["invite", "--revoke", id]), "").status.success());
    }
    join(&world, &withdrawn, OWN).code(4).said("withdrawn");
    let none = end_of(world.server.command(&["invite", "--revoke", "0123456789abcdef"]), "");
    assert_eq!(none.status.code(), Some(3), "{}", text(&none.stderr));

    let over = invited(&["--expires", "0s"]);
    join(&world, &over, OWN).code(4).said("the invitation has expired");

    // Another server where this one was: its key is not the one that the invitation names.
    let other = World::new();
    let elsewhere = invited(&[]);
    let here = invite(&other, &["carol", "--host", &other.server.address()]);
    fs::write(
        other.config.path().join("known_servers"),
        format!("{} {}\n", other.server.address(), world.server.pin()),
    )
    .unwrap();
    join(&other, &here, OWN).code(7).said("known by another key").said("Nothing was sent");
    assert_eq!(ls(&world, &format!("carol@{}/", world.server.address()), OWN), Some(7), "not known here");
    join(&world, &elsewhere, OWN).code(0);
}

#[test]
fn what_is_made_for_an_invitation_belongs_to_the_server() {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let world = World::new();
    let place = world.server.place();
    let owner = |path: &Path| fs::metadata(path).map(|meta| (meta.uid(), meta.mode() & 0o777)).unwrap();
    if !rustix::process::geteuid().is_root() {
        return not_run("only root can give files away");
    }
    for path in ["users.toml", "server_state"] {
        chown(place.join(path), Some(65534), Some(65534)).unwrap();
    }
    invite(&world, &["carol", "--host", &world.server.address()]);
    assert_eq!(owner(&place.join("users.toml")), (65534, 0o600));
    let invitations = fs::read_dir(place.join("server_state/invitations")).unwrap();
    assert!(invitations.map(|entry| owner(&entry.unwrap().path())).all(|of| of == (65534, 0o600)));
    // Before the first start of a server, too: for whom the data folder is.
    let fresh = tempfile::tempdir().unwrap();
    fs::create_dir(fresh.path().join("server_data")).unwrap();
    chown(fresh.path().join("server_data"), Some(65534), Some(65534)).unwrap();
    assert!(end_of(sealiftd_in(fresh.path(), &["cert", "new"]), "").status.success());
    assert!(end_of(sealiftd_in(fresh.path(), &["invite", "carol"]), "").status.success());
    for path in ["server_state", "server_state/users", "server_state/invitations"] {
        assert_eq!(owner(&fresh.path().join(path)), (65534, 0o700), "{path}");
    }
}

#[test]
fn after_joining_nothing_is_asked() {
    let world = World::new();
    let invitation = invite(&world, &["carol", "--host", &world.server.address()]);
    // The line as it was printed, whole.
    let done = join(&world, &format!("sealift join '{invitation}'"), OWN).code(0);
    done.said("This machine logs in as carol@").said("from now on");
    let carol = format!("carol@{}/", world.server.address());
    finish(world.command(["ls", &carol]), b"").code(0);
    finish(world.command(["ls", "carol:"]), b"").code(0);
    finish(world.command(["logout", &carol]), b"").code(0);
    finish(world.command(["ls", &carol]), b"").code(4);
    assert_eq!(ls(&world, &carol, OWN), Some(0));
}

#[test]
fn whoever_joins_again_has_the_bookmark_that_is_there() {
    let world = World::new();
    let again = || invite(&world, &["carol", "--host", &world.server.address()]);
    join(&world, &again(), OWN).code(0).said("carol: is carol@");
    let config = world.config.path().join("config.toml");
    let before = fs::read_to_string(&config).unwrap();
    join(&world, &again(), "another of hers").code(0).said("carol: is carol@").said("`sealift ls carol:`");
    assert_eq!(fs::read_to_string(&config).unwrap(), before);
    // One that goes by keys of its own may go by those of before.
    let pin = world.server.pin().to_owned();
    let carol = format!("carol@{}/", world.server.address());
    world.run(["--pin", &pin, "bookmark", "add", "--force", "carol", &carol]).code(0);
    join(&world, &again(), OWN).code(0).said("carol-2: is carol@");
}

#[test]
fn an_invitation_is_not_used_up_where_nothing_can_be_written_down() {
    let world = World::new();
    let invitation = invite(&world, &["carol", "--host", &world.server.address()]);
    fs::write(world.local("file"), "no folder").unwrap();
    let mut command = world.command(["join", &invitation, "--password-stdin"]);
    command.env("SEALIFT_CONFIG_DIR", world.local("file").join("config"));
    let failed = finish(command, format!("{OWN}\n").as_bytes());
    assert!(!matches!(failed.code, Some(0 | 4)), "{}", failed.stderr);
    let log = world.server.log();
    assert!(!log.contains("connected"), "nothing was sent: {log}");
    // By a file, whose first line is the password; and one that is too short is no password.
    fs::write(world.local("short"), "abc\n").unwrap();
    let by_file = |file: &str| finish(world.command(["join", &invitation, "--password-file", file]), b"");
    by_file("short").code(2).said("fewer than 8 characters");
    // Of those the server does not take either.
    for (new, why) in [("seven77", "fewer than 8 characters"), ("Carolina", "is the user's name")] {
        let invitation = match new {
            "Carolina" => invite(&world, &["carolina", "--host", &world.server.address()]),
            _ => invitation.clone(),
        };
        fs::write(world.local("weak"), format!("{new}\n")).unwrap();
        let refused = finish(world.command(["join", &invitation, "--password-file", "weak"]), b"");
        refused.code(2).said(why).said("the invitation can still be used");
    }
    fs::write(world.local("pw"), format!("{OWN}\n")).unwrap();
    by_file("pw").code(0).said("You have joined carol@");
    assert_eq!(ls(&world, &format!("carol@{}/", world.server.address()), OWN), Some(0));
}

#[test]
fn an_invitation_or_a_private_key_in_the_wrong_place_is_not_repeated() {
    let world = World::trusting();
    let invitation = invite(&world, &["carol", "--host", &world.server.address()]);
    let secret = invitation.rsplit('.').nth(1).unwrap();
    let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nQ0FOQVJZ\n-----END OPENSSH PRIVATE KEY-----\n";
    for words in
        [&["ls"][..], &["get"], &["put", "a"], &["login"], &["key", "remove", "x"], &["help"], &[], &["trust", "add"]]
    {
        for (stray, canary) in [(invitation.as_str(), secret), (key, "Q0FOQVJZ")] {
            let done = finish(world.command([words, &[stray]].concat()), b"");
            assert_eq!(done.code, Some(2), "{words:?}");
            let said = text(&done.stdout) + &done.stderr;
            assert!(!said.contains(canary), "{words:?}: {said}");
        }
    }
}

#[test]
fn a_port_is_that_of_the_server_that_runs_or_of_the_settings_and_else_called_a_guess() {
    let mut world = World::new();
    let said = |world: &World, settings: &[(&str, &str)], name: &str| {
        let mut command = world.server.command(&["invite", name]);
        command.envs(settings.iter().copied());
        let output = end_of(command, "");
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    let (own, other) = (world.server.port(), [("SEALIFT_LISTEN", "127.0.0.1:4999")]);
    for settings in [&[][..], &other] {
        let known = said(&world, settings, "carol");
        assert!(known.contains(&format!(":{own}, this machine's own name; --host says another one")), "{known}");
    }
    // One that was killed has left behind what it said.
    world.server.crash(Signal::KILL);
    for settings in [&[][..], &[("SEALIFT_LISTEN", "127.0.0.1:0")]] {
        let guessed = said(&world, settings, "carol");
        assert!(guessed.contains("--host HOST:PORT says others"), "{guessed}");
    }
    let known = said(&world, &other, "carol");
    assert!(known.contains(":4999, this machine's own name; --host says another one"), "{known}");
}

#[test]
fn the_address_for_a_browser_is_an_invitation_for_the_client_too() {
    let world = World::new();
    let host = format!("https://{}/", world.server.address());
    let output = world.server.command(&["invite", "carol", "--host", &host]).output().unwrap();
    let told = text(&output.stderr);
    let address = told.split_whitespace().find(|word| word.contains("/.sealift-web/join/carol#")).unwrap();
    // It names no key: a server that is not known is not trusted, and the invitation not used up.
    let refused = join(&world, address, OWN).code(7);
    assert!(!refused.stderr.contains(address.split_once('#').unwrap().1), "{}", refused.stderr);
    world.trust(world.server.address());
    join(&world, address, OWN).code(0).said("You have joined carol@");
    assert_eq!(ls(&world, &format!("carol@{}/", world.server.address()), OWN), Some(0));
    world.run(["ls", address]).code(2).said("an invitation stands where none belongs");
}
