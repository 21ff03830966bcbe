//! A server changes its key, and those who know it are not asked.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::time::{Duration, SystemTime};

use sealift::tls::Identity;

use rustix::process::Signal;

use crate::common::front::{Front, known_servers, restart, says, sealiftd};
use crate::common::program::{Done, World, finish};
use crate::common::{RawClient, eventually};

const OTHER: &str = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn ls(world: &World, front: &Front) -> Done {
    fs::write(world.remote("public", "hello"), "").unwrap();
    world.run(["ls", &format!("{}/", front.address)])
}

/// As if the next key had been made a day and two hours ago.
fn a_day_later(world: &World) {
    let file = fs::File::options().append(true).open(world.server.place().join("certs/cert.next.pem")).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(26 * 60 * 60)).unwrap();
}

#[test]
fn a_key_changes_and_a_client_that_was_there_meanwhile_is_not_asked() {
    let mut world = World::new();
    let front = Front::of(&world.server);
    let old = world.server.pin().to_owned();
    world.run(["--trust", "accept-new", "ls", &front.address]).code(0);
    assert!(world.server.banner().contains(&old), "{}", world.server.banner());

    says(&world, &["cert", "next"]);
    let new = says(&world, &["cert", "pin", "--next"]);
    // The server sees it by itself.
    until_said(&world, &front).said("has announced its next key").said(&new);
    assert_eq!(ls(&world, &front).code(0).stderr, "", "only the first time");
    let at = &front.address;
    assert_eq!(known_servers(&world), format!("{at} {old}\n{at} {new} after={old}\n"));
    assert_eq!(world.run(["trust", "list"]).code(0).stdout(), known_servers(&world));

    let too_soon = sealiftd(&world, &["cert", "switch"]);
    assert_eq!(too_soon.status.code(), Some(11), "{too_soon:?}");
    assert!(
        String::from_utf8_lossy(&too_soon.stderr).contains("clients that have not logged in since"),
        "{too_soon:?}"
    );
    assert_eq!(says(&world, &["cert", "pin"]), old, "nothing was changed");
    a_day_later(&world);
    let said = says(&world, &["cert", "switch"]);
    assert!(said.contains(&new) && said.contains("key.pem.old"), "{said}");
    assert_eq!(says(&world, &["cert", "pin"]), new);
    until_said(&world, &front).said("forgot the one before");
    assert_eq!(ls(&world, &front).code(0).stderr, "");
    assert_eq!(known_servers(&world), format!("{at} {new}\n"));
    restart(&mut world, &front);
    assert_eq!(world.server.pin(), new);
    assert_eq!(ls(&world, &front).code(0).stderr, "");
}

/// What a client says who lists until there is something to be said of the server's keys.
fn until_said(world: &World, front: &Front) -> Done {
    let mut last = None;
    eventually("something is said of the keys", || {
        let done = ls(world, front).code(0);
        let is_said = !done.stderr.is_empty();
        last = Some(done);
        is_said
    });
    last.unwrap()
}

/// Whoever was given something while the next key is announced may come after the switch.
#[test]
fn links_and_invitations_that_were_made_while_the_next_key_is_announced_hold_over_the_switch() {
    let world = World::new();
    let front = Front::of(&world.server);
    let alice = format!("alice@{}", front.address);
    let file = |name: &str| format!("{alice}/{name}");
    world.run(["--trust", "accept-new", "ls", &alice]).code(0);
    fs::write(world.remote("alice", "a.txt"), "for others").unwrap();
    fs::create_dir(world.remote("alice", "inbox")).unwrap();
    let link = |args: &[&str]| world.run([&["link"], args].concat()).code(0).stdout().trim().to_owned();
    let invited = |name: &str| {
        let said = says(&world, &["invite", name, "--host", &front.address]);
        said.trim().trim_start_matches("sealift join ").trim_matches('\'').to_owned()
    };
    let made_before = [link(&[&file("a.txt")]), link(&["--drop", &file("inbox")])];
    let invited_before = invited("bob");
    let of_before = "2 links (alice/a.txt, alice/inbox) and 1 invitation (of bob)";
    let said = says(&world, &["cert", "next"]);
    assert!(said.contains(&format!("{of_before} made until now name the present key alone")), "{said}");
    let next = says(&world, &["cert", "pin", "--next"]);
    until_said(&world, &front).said("has announced");
    let made = [link(&[&file("a.txt")]), link(&["--drop", &file("inbox")])];
    assert!(made.iter().all(|url| url.ends_with(&format!("#{},{next}", world.server.pin()))), "{made:?}");
    let shown = world.run(["link", "--drop", &file("inbox")]).code(0).stderr;
    assert!(shown.contains(&format!("--pinnedpubkey '{};{next}'", world.server.pin())), "{shown}");
    let invitation = invited("carol");
    let said = says(&world, &["cert", "switch", "--force"]);
    assert!(said.contains(&format!("{of_before} are of that kind.")), "{said}");
    until_said(&world, &front).said("forgot the one before");

    fs::write(world.local("b.txt"), "from elsewhere").unwrap();
    assert_eq!(world.run(["get", &made[0], "-"]).code(0).stdout(), "for others");
    world.run(["put", "b.txt", &made[1]]).code(0);
    assert_eq!(fs::read_to_string(world.remote("alice", "inbox/b.txt")).unwrap(), "from elsewhere");
    world.run(["get", &made_before[0], "-"]).code(7).said("ask whoever made the link for another one");
    world.run(["put", "b.txt", &made_before[1]]).code(7).said("ask whoever made the link for another one");
    // A machine that has never seen the server, with each invitation.
    let elsewhere = tempfile::tempdir().unwrap();
    let joined = |invitation: &str| {
        let mut command = world.command(["join", invitation, "--password-stdin"]);
        command.env("SEALIFT_CONFIG_DIR", elsewhere.path()).env("HOME", elsewhere.path());
        finish(command, b"correct horse\n")
    };
    joined(&invited_before).code(7).said("ask whoever invited you for another one");
    // One that knows the key of before: anybody could have made an invitation that names another one beside it. It is not used up.
    let known = elsewhere.path().join("known_servers");
    fs::write(&known, format!("{} {}\n", front.address, world.server.pin())).unwrap();
    joined(&invitation).code(7).said("Nothing was sent").said("`sealift trust remove` forgets the old one");
    fs::remove_file(&known).unwrap();
    joined(&invitation).code(0).said("You have joined");
    let known = fs::read_to_string(known).unwrap();
    assert_eq!(known, format!("{} {next}\n", front.address), "the key that was proven, alone");
}

/// Whoever has the key may have had the next one, too, which lay beside it.
#[test]
fn a_key_that_is_replaced_at_once_takes_the_next_one_with_it() {
    let world = World::new();
    let front = Front::of(&world.server);
    world.run(["--trust", "accept-new", "ls", &front.address]).code(0);
    says(&world, &["cert", "next"]);
    let next = says(&world, &["cert", "pin", "--next"]);
    until_said(&world, &front).said("has announced");
    says(&world, &["cert", "new", "--force"]);
    let certs = world.server.place().join("certs");
    assert!(certs.join("key.next.pem.old").exists() && !certs.join("key.next.pem").exists());
    assert_eq!(sealiftd(&world, &["cert", "pin", "--next"]).status.code(), Some(3));
    let new = says(&world, &["cert", "pin"]);
    world.server.log_with(&["another key, for connections from now on", "no next key is announced any more"]);
    world.run(["trust", "remove", &front.address]).code(0);
    world.run(["trust", "add", &front.address, "--pin", &new]).code(0);
    assert!(!ls(&world, &front).code(0).stderr.contains(&next));
    assert_eq!(known_servers(&world), format!("{} {new}\n", front.address));
    // By hand it can still be done: then somebody is to be told.
    says(&world, &["cert", "next"]);
    let said = || {
        let done = sealiftd(&world, &["check"]);
        String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned()
    };
    assert!(!said().contains("next key"), "{}", said());
    let later = SystemTime::now() + Duration::from_secs(60);
    fs::File::options().append(true).open(certs.join("key.pem")).unwrap().set_modified(later).unwrap();
    assert!(said().contains("the next key was made before the present one"), "{}", said());
}

/// Whatever changes meanwhile, a connection is told, proves and signs what goes with the key that it was shown.
#[test]
fn a_connection_keeps_the_keys_that_it_began_with_and_new_ones_log_in_by_the_new_key() {
    let world = World::new();
    let front = Front::of(&world.server);
    let (at, old) = (&front.address, world.server.pin().to_owned());
    let alice = format!("alice@{at}");
    world.run(["--trust", "accept-new", "login", &alice]).code(0);
    let mut inside = RawClient::logged_in(&world.server, "anonymous", "");
    says(&world, &["cert", "next"]);
    let new = says(&world, &["cert", "pin", "--next"]);
    until_said(&world, &front).said("has announced");
    let mut waiting = RawClient::connect(&world.server);
    says(&world, &["cert", "switch", "--force"]);
    world.server.signal(Signal::HUP);
    until_said(&world, &front).said("forgot the one before");
    waiting.line("USER anonymous");
    waiting.reply();
    waiting.line("PASS");
    let (code, _, pairs) = waiting.reply();
    let told = pairs.get("next-pin").map(|pin| pin.replace("%3D", "=").replace("%2B", "+"));
    assert_eq!((code, told), (230, Some(new.clone())), "as it was when the old key was shown");
    assert_eq!(inside.ask("PING").1, "pong");
    // No password is in reach: it is the key that logs in, and it signs the pin of this connection.
    let mut command = world.command(["ls", &alice]);
    command.env_remove("SEALIFT_PASSWORD");
    finish(command, b"").code(0);
    assert_eq!(known_servers(&world), format!("{at} {new}\n"));
    world.server.log_with(&["another key, for connections from now on", &old]);
}

#[test]
fn a_key_that_cannot_be_used_is_said_and_changes_nothing() {
    let mut world = World::new();
    let front = Front::of(&world.server);
    world.run(["--trust", "accept-new", "ls", &front.address]).code(0);
    let certs = world.server.place().join("certs");
    let key = fs::read(certs.join("key.pem")).unwrap();
    let another = Identity::generate(&["localhost".to_owned()]).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    another.save(elsewhere.path(), false).unwrap();
    // That of another certificate, one that others may read, and none at all.
    let said = |what: &str| eventually(what, || world.server.log().contains(what));
    fs::write(certs.join("key.pem"), fs::read(elsewhere.path().join("key.pem")).unwrap()).unwrap();
    said("does not work with the certificate");
    fs::remove_file(certs.join("key.pem")).unwrap();
    said("key.pem: no such file");
    fs::write(certs.join("key.pem"), &key).unwrap();
    fs::set_permissions(certs.join("key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    world.server.signal(Signal::HUP);
    said("the server's key cannot be read again; what counted before stays");
    assert_eq!(ls(&world, &front).code(0).stderr, "");
    fs::set_permissions(certs.join("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    world.server.signal(Signal::TERM);
    world.server.wait();
}

#[test]
fn a_server_that_is_just_accepted_is_followed_at_once_and_quietly_if_asked() {
    let mut world = World::new();
    says(&world, &["cert", "next"]);
    let front = Front::of(&world.server);
    restart(&mut world, &front);
    let done = world.run(["--quiet", "--trust", "accept-new", "ls", &front.address]).code(0);
    assert_eq!(done.stderr, "");
    assert_eq!(known_servers(&world).lines().count(), 2);
}

#[test]
fn what_others_vouch_for_is_not_added_to() {
    let mut world = World::new();
    says(&world, &["cert", "next"]);
    let front = Front::of(&world.server);
    restart(&mut world, &front);
    let (pin, address) = (world.server.pin().to_owned(), front.address.clone());
    world.run(["--pin", &pin, "ls", &address]).code(0);
    let certificate = world.server.place().join("certs/cert.pem");
    let local = address.replace("127.0.0.1", "localhost");
    world.run(["--ca-file", certificate.to_str().unwrap(), "ls", &local]).code(0);
    world.run(["bookmark", "add", "work", &address, "--pin", &pin]).code(0);
    world.run(["ls", "work:"]).code(0);
    let system = world.local("system");
    fs::write(&system, format!("{address} {pin}\n")).unwrap();
    world.run_with_env(["ls", &address], "SEALIFT_SYSTEM_KNOWN_SERVERS", &system).code(0);
    assert_eq!(known_servers(&world), "");
    assert_eq!(fs::read_to_string(&system).unwrap(), format!("{address} {pin}\n"));
}

/// A read-only folder, as in a container: what was asked for is done.
#[test]
fn a_key_that_cannot_be_remembered_is_no_failure() {
    let mut world = World::new();
    let front = Front::of(&world.server);
    world.run(["--trust", "accept-new", "ls", &front.address]).code(0);
    says(&world, &["cert", "next"]);
    restart(&mut world, &front);
    // In the way of the file that takes the place of the old one, for root too.
    fs::create_dir(world.config.path().join("known_servers.new")).unwrap();
    assert_eq!(ls(&world, &front).code(0).stderr, "");
    world.run(["-v", "ls", &front.address]).code(0).said("is not remembered");
}

#[test]
fn several_keys_of_one_server_are_added_by_hand() {
    let world = World::new();
    let (server, pin) = (world.server.address(), world.server.pin());
    world.run(["trust", "add", &server, "--pin", OTHER, "--pin", pin]).code(0);
    assert_eq!(known_servers(&world), format!("{server} {OTHER}\n{server} {pin}\n"));
    world.run(["ls", &server]).code(0);
    assert_eq!(known_servers(&world).lines().count(), 2, "what was added by hand stays");
    world.run(["trust", "remove", &server]).code(0).said("2 keys");
    world.run(["trust", "add", &server, "--pin", OTHER]).code(0);
    world.run(["trust", "add", &server, "--pin", pin]).code(11).said("--also");
    world.run(["trust", "add", &server, "--pin", pin, "--also"]).code(0);
    world.run(["ls", &server]).code(0);
    let json = world.run(["--json", "trust", "list"]).code(0);
    assert_eq!(json.stdout().lines().filter(|line| line.contains(r#""after":null"#)).count(), 2, "{json:?}");
}

#[test]
fn a_machine_s_known_servers_are_read_and_a_person_s_own_come_first() {
    let world = World::new();
    let (server, pin) = (world.server.address(), world.server.pin());
    let system = world.local("system");
    let run = |words: &[&str]| world.run_with_env(words, "SEALIFT_SYSTEM_KNOWN_SERVERS", &system);
    fs::write(&system, format!("{server} {pin}\nother:1 {OTHER}\n")).unwrap();
    run(&["ls", &server]).code(0);
    assert_eq!(run(&["trust", "list"]).code(0).stdout(), format!("{server} {pin}\nother:1 {OTHER}\n"));
    run(&["trust", "remove", &server]).code(3).said("An administrator of this machine");
    fs::write(&system, format!("{server} {OTHER}\n")).unwrap();
    run(&["ls", &server]).code(7).said("Nothing was sent").said("An administrator of this machine");
    run(&["--trust", "accept-new", "ls", &server]).code(7);
    world.trust(&server);
    run(&["ls", &server]).code(0);
    assert_eq!(run(&["trust", "list"]).code(0).stdout(), format!("{server} {pin}\n"));
    run(&["trust", "remove", &server]).code(0).said("still known");
    fs::write(&system, "nonsense\n").unwrap();
    run(&["ls", &server]).code(2).said("system:1:");
}

#[test]
fn a_next_key_is_private_is_not_replaced_and_may_be_kept_elsewhere() {
    let world = World::new();
    let certs = world.server.place().join("certs");
    assert_eq!(sealiftd(&world, &["cert", "switch"]).status.code(), Some(3));
    assert_eq!(sealiftd(&world, &["cert", "pin", "--next"]).status.code(), Some(3));
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&certs, Some(12345), Some(54321)).unwrap();
    }
    says(&world, &["cert", "next"]);
    let key = certs.join("key.next.pem");
    let meta = fs::metadata(&key).unwrap();
    assert_eq!(meta.permissions().mode() & 0o7777, 0o600);
    assert_eq!(meta.uid(), fs::metadata(&certs).unwrap().uid());
    let next = says(&world, &["cert", "pin", "--next"]);
    assert!(says(&world, &["cert", "show"]).contains(&format!("next pin     {next}")));
    assert_eq!(sealiftd(&world, &["cert", "next"]).status.code(), Some(11));
    says(&world, &["cert", "next", "--force"]);
    assert_ne!(says(&world, &["cert", "pin", "--next"]), next);

    let present = fs::read(certs.join("key.pem")).unwrap();
    fs::rename(&key, certs.join("elsewhere")).unwrap();
    let refused = sealiftd(&world, &["cert", "switch", "--force"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("key.next.pem"), "{refused:?}");
    assert_eq!(fs::read(certs.join("key.pem")).unwrap(), present);
    fs::rename(certs.join("elsewhere"), &key).unwrap();
    let next = says(&world, &["cert", "pin", "--next"]);
    says(&world, &["cert", "switch", "--force"]);
    assert_eq!(Identity::load(&certs).unwrap().pin().to_string(), next);
    assert_eq!(fs::read(certs.join("key.pem.old")).unwrap(), present);
    assert!(!key.exists() && !certs.join("cert.next.pem").exists());
    assert_eq!(fs::metadata(certs.join("key.pem")).unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn a_next_certificate_that_is_broken_keeps_no_server_from_starting() {
    let mut world = World::new();
    let front = Front::of(&world.server);
    fs::write(world.server.place().join("certs/cert.next.pem"), "nonsense").unwrap();
    restart(&mut world, &front);
    world.run(["--trust", "accept-new", "ls", &front.address]).code(0);
    assert_eq!(known_servers(&world).lines().count(), 1);
    world.server.log_with(&["the next key is not announced"]);
}

/// `sealiftd cert switch` may be killed between its renames: what is said then leads on, and to no new pin.
#[test]
fn a_switch_that_was_cut_off_is_found_with_what_completes_it() {
    let world = World::new();
    says(&world, &["cert", "next"]);
    let next = says(&world, &["cert", "pin", "--next"]);
    let at = |name: &str| world.server.place().join("certs").join(name);
    let checked = || {
        let done = sealiftd(&world, &["check"]);
        String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned()
    };
    for (from, to, word) in [("key.next.pem", "key.pem", "error"), ("cert.next.pem", "cert.pem", "warning")] {
        fs::copy(at(from), at(to)).unwrap();
        let said = checked();
        assert!(said.contains(word) && said.contains("`sealiftd cert switch` completes"), "{said}");
        assert!(!said.contains("cert new") && !said.contains("whoever had that"), "{said}");
    }
    says(&world, &["cert", "switch"]);
    assert_eq!(says(&world, &["cert", "pin"]), next);
    assert!(!checked().contains("cert switch"), "{}", checked());
}
