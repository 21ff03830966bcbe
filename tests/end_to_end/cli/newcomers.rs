//! What people stumble over in their first hours, and what they are told then.

use std::fs;

use serde_json::Value;

use super::join::invite;
use crate::common::front::sealiftd;
use crate::common::program::{PASSWORD, World, finish, names};
use crate::common::text;

const OTHER: &str = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

#[test]
fn a_get_that_was_meant_as_a_put_is_answered_with_that_and_the_other_way_round() {
    let world = World::trusting();
    fs::write(world.local("f"), "f").unwrap();
    let there = world.alice("f");
    world.run(["put", &there, "f"]).code(2).said(&format!("`sealift get {there} f` fetches it"));
    world.run(["put", &there, &world.public("f")]).code(2).said("`sealift cp`");
    world.run(["get", "f", &world.alice("")]).code(2).said(&format!("`sealift put f {}` sends it", world.alice("")));
    world.run(["get", "./f", &world.alice("")]).code(2).said("`sealift put ./f ");
    world.run(["put", "f", "."]).code(2).said("`sealift put FILE HOST/`");
    assert!(!world.remote("alice", "f").exists());
}

#[test]
fn a_path_that_leads_through_a_file_names_that_file() {
    let world = World::trusting();
    fs::create_dir_all(world.remote("alice", "d")).unwrap();
    fs::write(world.remote("alice", "d/f"), "f").unwrap();
    fs::write(world.local("x"), "x").unwrap();
    let below = world.alice("d/f/g/x");
    for args in
        [&["get", &below][..], &["ls", &below], &["put", "x", &below], &["mkdir", "-p", &below], &["rm", &below]]
    {
        world.run(args).code(1).said("d/f is no folder");
    }
}

#[test]
fn folders_that_were_there_are_not_counted_as_made() {
    let world = World::trusting();
    fs::create_dir_all(world.local("tree/sub")).unwrap();
    fs::write(world.local("tree/sub/f"), "f").unwrap();
    let summary = |args: &[&str]| -> Value {
        let done = world.run([&["put", "--json", "-r", "tree", &world.alice("")], args].concat()).code(0);
        let summary = done.stdout().lines().find(|line| line.contains(r#""event":"summary""#)).unwrap();
        serde_json::from_str(summary).unwrap()
    };
    assert_eq!(summary(&[])["folders"], 2);
    assert_eq!(summary(&[])["folders"], 0);
    fs::create_dir(world.local("tree/new")).unwrap();
    assert_eq!(summary(&["-c"])["folders"], 1, "also where a file is unchanged");
    world.run(["put", "-r", "tree", &world.alice("")]).code(0).said("1 file, 1 B in ");
}

#[test]
fn df_shows_the_room_of_the_disk_to_who_may_fill_it_and_of_the_quota() {
    let world = World::trusting();
    fs::write(world.remote("alice", "f"), vec![0; 4096]).unwrap();
    let df = |target: &str| -> Value {
        let done = world.run(["df", "--json", target]).code(0);
        serde_json::from_str(done.stdout().lines().next().unwrap()).unwrap()
    };
    let of_alice = df(&world.alice(""));
    assert!(of_alice["free"].as_u64().unwrap() > 0 && of_alice["room"] == of_alice["free"], "{of_alice}");
    let shown = world.run(["df", &world.alice("")]).code(0);
    assert!(shown.stdout().contains("quota: none\n room: ") && shown.stdout().contains("server's disk"), "{shown:?}");
    assert_eq!(df(&world.public(""))["free"], Value::Null, "who only reads fills nothing");
    // As `ls -h` and `dd` write sizes.
    assert!(sealiftd(&world, &["user", "set", "alice", "--quota", "1M"]).status.success());
    let bounded = df(&world.alice(""));
    assert_eq!((&bounded["quota"], &bounded["room"]), (&(1 << 20).into(), &((1 << 20) - 4096).into()));
}

#[test]
fn another_key_of_a_known_server_is_called_that_and_is_not_asked_about_as_a_new_one() {
    let world = World::new();
    let server = world.server.address();
    world.run(["trust", "add", &server, "--pin", OTHER]).code(0);
    let refused = world.run(["--trust", "accept-new", "trust", "add", &server]).code(11);
    refused.said("is known by another key").said(world.server.pin()).said("`sealift trust remove");
    let mut asked = world.terminal(["trust", "add", "--also", &server]);
    asked.expect("is known by another key").expect("Trust this server from now on?").line("yes");
    assert_eq!(asked.wait().code(), Some(0));
    world.run(["ls", &server]).code(0);
}

#[test]
fn an_invitation_that_was_used_is_said_before_a_password_is_asked_for() {
    let world = World::new();
    let invitation = invite(&world, &["carol", "--host", &world.server.address()]);
    let list = || text(&sealiftd(&world, &["user", "list"]).stdout);
    let row = |list: &str| list.lines().find(|line| line.starts_with("carol ")).unwrap().to_owned();
    assert!(row(&list()).contains("  invited"), "{}", list());
    assert!(text(&sealiftd(&world, &["user", "list"]).stderr).contains("`sealiftd invite --list` shows"));
    assert!(text(&sealiftd(&world, &["user", "show", "carol"]).stdout).starts_with("carol was invited"));
    let mut joining = world.terminal(["join", &invitation]);
    joining.expect("New password").line("my own words").expect("The same again").line("my own words");
    assert_eq!(joining.wait().code(), Some(0));
    assert!(row(&list()).contains("  yes"), "{}", list());
    let mut again = world.terminal(["join", &invitation]);
    again.expect("may be used already");
    assert_eq!(again.wait().code(), Some(4));
    assert!(!again.shown().contains("New password"), "{}", again.shown());
}

/// A list of those who may still come is of no use with others in it.
#[test]
fn whose_invitation_is_over_is_told_from_those_who_can_still_join() {
    let world = World::new();
    let host = world.server.address();
    invite(&world, &["carol", "--host", &host]);
    invite(&world, &["erin", "--host", &host]);
    let folder = world.server.place().join("server_state/invitations");
    let file_of = |name: &str| {
        let mut files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let is_of = |file: &std::path::PathBuf| fs::read_to_string(file).unwrap().contains(name);
        files.find(is_of).unwrap()
    };
    let id = file_of("erin").file_stem().unwrap().to_str().unwrap().to_owned();
    assert!(sealiftd(&world, &["invite", "--revoke", &id]).status.success());
    // Last of all: whatever changes the folder of invitations takes those away that are over.
    invite(&world, &["dave", "--host", &host, "--expires", "1s"]);
    let list = || sealiftd(&world, &["user", "list"]);
    crate::common::eventually("dave's is over", || text(&list().stdout).contains("invitation expired"));
    let (table, said) = (text(&list().stdout), text(&list().stderr));
    let row = |name: &str| table.lines().find(|line| line.starts_with(name)).unwrap();
    assert!(row("carol ").contains("  invited"), "{table}");
    assert!(row("dave ").contains("  invitation expired"), "{table}");
    assert!(row("erin ").contains("  invitation gone"), "{table}");
    assert!(said.contains("shown as `invited`") && said.contains("`sealiftd invite dave` makes another one"), "{said}");
    let shown = |name: &str| text(&sealiftd(&world, &["user", "show", name]).stdout);
    assert!(shown("dave").starts_with("dave was invited, has not joined, and the invitation has expired."));
    assert!(shown("erin").starts_with("erin was invited, has not joined, and has no invitation any more."));
    invite(&world, &["dave", "--host", &host]);
    assert!(text(&list().stdout).lines().any(|line| line.starts_with("dave ") && line.contains("  invited")));
}

#[test]
fn who_says_anonymous_is_asked_for_no_password() {
    let world = World::trusting();
    fs::write(world.remote("public", "f"), "f").unwrap();
    let target = format!("anonymous@{}", world.public(""));
    assert_eq!(world.run(["ls", &target]).code(0).stdout(), "f\n");
    let mut terminal = world.terminal(["ls", &target]);
    assert_eq!(terminal.wait().code(), Some(0), "{}", terminal.whole());
    fs::write(world.local("g"), "g").unwrap();
    world.run(["put", "g", &target]).code(5).said("You are anonymous");
}

#[test]
fn a_password_of_the_environment_does_not_take_the_place_of_this_machine_s_key() {
    let world = World::trusting();
    let alice = world.alice("");
    world.run(["login", &alice]).code(0);
    let with = |password: &str, args: &[&str]| {
        let mut command = world.command(args);
        command.env("SEALIFT_PASSWORD", password);
        finish(command, b"")
    };
    with("of another server", &["ls", &alice]).code(0);
    world.run(["logout", &alice]).code(0);
    with(PASSWORD, &["ls", &alice]).code(0);
    with("of another server", &["ls", &alice]).code(4).said("The password came from SEALIFT_PASSWORD");
}

#[test]
fn who_is_added_is_told_what_to_try_first_and_that_the_last_day_is_over() {
    let world = World::new();
    let add = |name: &str, more: &[&str]| {
        let mut command = world.server.command(&["user", "add", name, "--password-stdin"]);
        command.args(more);
        finish(command, b"a good password\n").code(0)
    };
    for (name, more, first) in [
        ("eric", &[][..], "sealift ls eric@HOST:PORT/"),
        ("scanner", &["--access", "upload"], "sealift put FILE scanner@HOST:PORT/"),
        ("fetcher", &["--access", "download"], "sealift get fetcher@HOST:PORT/FILE"),
        ("root", &["--access", "none", "--admin"], "sealift who root@HOST:PORT"),
    ] {
        let done = add(name, more);
        let first = first.replace("PORT", &world.server.port().to_string());
        assert!(done.stdout().contains(&format!("Try:\n  {first}\n")), "{done:?}");
    }
    add("late", &["--expires", "2020-01-31"]).said("late cannot log in: --expires 2020-01-31 is over");
    for command in ["delete", "rm", "del"] {
        assert!(sealiftd(&world, &["user", command, "late"]).status.success() == (command == "delete"));
    }
}

/// Who may not look into a folder sees in the one around it that it is one.
#[test]
fn who_may_only_deliver_into_a_shared_folder_is_told_what_delivers() {
    let world = World::trusting();
    let done = |words: &[&str]| finish(world.server.command(words), b"").code(0);
    let said = done(&["folder", "add", "inbox", "--access", "*=upload"]);
    let first = format!("Try:\n  sealift put FILE alice@HOST:{}/inbox/\n", world.server.port());
    assert!(said.stdout().contains(&first), "{said:?}");
    let named = done(&["explain", "alice", "put", "inbox/f"]);
    assert!(named.stdout().contains("It creates the file"), "{named:?}");
    let unnamed = done(&["explain", "alice", "put", "inbox"]);
    assert!(unnamed.stdout().contains("But inbox is a folder, in whose place no file comes"), "{unnamed:?}");
    assert!(!unnamed.stdout().contains("It creates the file"), "{unnamed:?}");
    fs::write(world.local("f"), "delivered").unwrap();
    for inbox in ["inbox", "inbox/"] {
        world.run(["put", "f", &world.alice(inbox)]).code(0);
        assert_eq!(fs::read(world.server.data().join("inbox/f")).unwrap(), b"delivered");
        fs::remove_file(world.server.data().join("inbox/f")).unwrap();
    }
}

#[test]
fn kicking_somebody_who_is_not_there_leads_to_who_is() {
    let world = World::trusting();
    world.server.add_user_with("root", PASSWORD, &["--admin"]);
    let root = format!("root@{}", world.server.address());
    world.run(["kick", &root, "nobody"]).code(3).said("`sealift who HOST` shows who is connected");
    world.run_with(["shell", &root], b"kick nobody\n").said("`who` shows who is connected");
}

#[test]
fn who_may_only_deliver_is_not_told_to_make_a_folder() {
    let world = World::trusting();
    fs::write(world.local("f"), "f").unwrap();
    fs::create_dir(world.remote("bob", "inbox")).unwrap();
    let bob = |path: &str| format!("bob@{}/{path}", world.server.address());
    // Nor may he list the folder around it.
    world.run(["put", "f", &bob("inbox")]).code(1).said("write a slash behind it");
    world.run(["put", "f", &bob("inbox/")]).code(0);
    assert!(world.remote("bob", "inbox/f").exists());
    let done = world.run(["put", "f", &bob("other/")]).code(3).said("ask whoever sent you here");
    assert!(!done.stderr.contains("mkdir"), "{}", done.stderr);
    // Who may make folders without looking has it made.
    world.run(["put", "f", &world.alice("new/")]).code(0);
    assert!(world.remote("alice", "new/f").exists());
}

#[test]
fn what_touch_is_answered_with_makes_an_empty_file() {
    let world = World::trusting();
    world.run(["touch", "x"]).code(2).said("`printf '' | sealift put - HOST/name`");
    world.run_with(["put", "-", &world.alice("empty")], b"").code(0);
    assert_eq!(fs::read(world.remote("alice", "empty")).unwrap(), b"");
    let script = "!touch here\nput here\ntouch x\n";
    world.run_with(["shell", &world.alice("")], script.as_bytes()).code(10).said("`!touch NAME`");
    assert!(world.remote("alice", "here").exists());
}

#[test]
fn a_folder_of_a_server_with_a_dot_behind_it_is_what_is_in_it() {
    let world = World::trusting();
    fs::create_dir_all(world.remote("alice", "many/deep")).unwrap();
    fs::write(world.remote("alice", "many/f"), "f").unwrap();
    let many = world.alice("many/.");
    fs::create_dir(world.local("here")).unwrap();
    world.run(["get", "-r", &many, "here"]).code(0);
    world.run(["get", "-r", &many, "new/"]).code(0);
    world.run(["mirror", &many, "./alike"]).code(0);
    world.run_with(["shell", &world.alice("")], b"lmkdir shell\nget -r many/. shell\n").code(0);
    for folder in ["here", "new", "alike", "shell"] {
        assert_eq!(names(&world.local(folder)), ["deep", "f"], "{folder}");
    }
    world.run(["get", &many, "here"]).code(1).said("is a folder");
    world.run(["mirror", "./here", &world.alice("back/.")]).code(0);
    assert_eq!(names(&world.remote("alice", "back")), ["deep", "f"]);
    world.run(["get", "-r", &world.alice("many/../f"), "here"]).code(2).said("are not names");
    // Inside it says nothing.
    world.run(["get", "-r", &world.alice("many/./f"), "dotted"]).code(0);
    assert_eq!(fs::read_to_string(world.local("dotted")).unwrap(), "f");
}

#[test]
fn a_new_name_without_the_server_before_it_is_answered_with_the_one_that_was_meant() {
    let world = World::trusting();
    fs::write(world.remote("alice", "t.txt"), "t").unwrap();
    let from = world.alice("t.txt");
    world.run(["mv", &from, "new.txt"]).code(2).said(&format!("`sealift mv {from} {}`", world.alice("new.txt")));
    world.run(["cp", &from, "a new one"]).code(2).said(&format!("`sealift cp {from} '{}'`", world.alice("a new one")));
    world.run(["bookmark", "add", "hh", &world.alice("")]).code(0);
    world.run(["cp", "hh:t.txt", "new.txt"]).code(2).said("`sealift cp hh:t.txt hh:new.txt`");
    world.run(["mv", "hh:t.txt", "127.0.0.1"]).code(2).said("hh:127.0.0.1");
    world.trust("files.example:4456");
    world.run(["mv", "hh:t.txt", "files.example"]).code(2).said("are not one login");
}

#[test]
fn what_fails_alike_many_times_is_explained_once_and_has_no_rate() {
    let world = World::trusting();
    fs::create_dir(world.local("tree")).unwrap();
    for n in 0..20 {
        fs::write(world.local(format!("tree/{n}")), vec![7; 100_000]).unwrap();
    }
    for args in [&["put", "-r", "tree"][..], &["mirror", "./tree"]] {
        let said = world.run([args, &[&world.public("")]].concat()).code(5).stderr;
        let more: Vec<usize> = said
            .lines()
            .filter_map(|line| line.strip_prefix("sealift: and ")?.split_once(" more: ")?.0.parse().ok())
            .collect();
        let told = said.matches("sealift: ").count() - more.len();
        let failed = told + more.iter().sum::<usize>();
        assert!(failed >= 20 && told < 20 && said.matches("hint: ").count() == 1, "{said}");
        assert!(said.contains(&format!("; {failed} failed")) && !said.contains("/s"), "{said}");
    }
    // In the shell each command says its own.
    let done = world.run_with(["shell", &world.public("")], b"mkdir a\nmkdir b\n").code(5);
    assert_eq!(done.stderr.matches("hint: ").count(), 2, "{}", done.stderr);
}

#[test]
fn a_no_is_no_wrong_usage_and_times_at_a_terminal_are_those_of_its_place() {
    let world = World::trusting();
    world.run(["trash", "list", &world.alice("")]).code(0).said("keeps nothing of yours that is deleted");
    let set = world.server.command(&["user", "set", "alice", "--trash", "30d"]).output().unwrap();
    assert!(set.status.success(), "{set:?}");
    fs::write(world.remote("alice", "gone"), "gone").unwrap();
    let file = fs::File::create(world.remote("alice", "f")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_714_566_896)).unwrap();
    world.run(["rm", &world.alice("gone")]).code(0);
    let variables = [("SEALIFT_PASSWORD", PASSWORD), ("TZ", "EST5")];
    let at = |args: &[&str]| world.terminal_of((100, 30), &variables, args);
    let mut no = at(&["trash", "empty", &world.alice("")]);
    no.expect("(yes, no): ").line("no").expect("Nothing was removed.");
    assert_eq!(no.wait().code(), Some(1));
    assert!(!no.whole().contains("hint"), "{}", no.whole());
    let mut stat = at(&["stat", &world.alice("f")]);
    stat.expect("modified: 2024-05-01 07:34:56.000000000 -0500");
    assert_eq!(stat.wait().code(), Some(0));
    assert!(world.run(["stat", &world.alice("f")]).stdout().contains("modified: 2024-05-01 12:34:56Z"));
    let mut list = at(&["trash", "list", &world.alice("")]);
    list.expect("  gone");
    assert!(list.wait().success() && !list.whole().contains("Z  "), "{}", list.whole());
    assert!(world.run(["trash", "list", &world.alice("")]).stdout().contains("Z  "));
}

#[test]
fn what_is_typed_for_who_one_is_and_how_much_is_left_is_answered() {
    let world = World::trusting();
    for (typed, meant) in [("whoami", "`sealift status HOST`"), ("quota", "`sealift df HOST`")] {
        world.run([typed]).code(2).said(meant);
        world.run([typed, "alice@host"]).code(2).said(meant);
    }
    world.run_with(["shell", &world.alice("")], b"whoami\n").code(2).said("`status` shows who you are");
}

#[test]
fn who_mistypes_a_user_is_led_to_the_bookmark_that_has_one_like_it() {
    let world = World::trusting();
    let server = world.server.address();
    world.run(["bookmark", "add", "work", &world.alice("")]).code(0);
    let hint = format!("A bookmark of yours has alice@{server}");
    world.run(["ls", &format!("alcie@{server}/")]).code(4).said(&hint);
    let other = world.run(["ls", &format!("zacharias@{server}/")]).code(4);
    assert!(!other.stderr.contains("bookmark"), "{}", other.stderr);
    world.run(["bookmark", "add", "w", &world.alice("")]).code(2).said("so that it is no drive's letter");
}

#[test]
fn a_person_is_shown_how_curl_fetches_by_a_link_and_which_names_are_folders() {
    let world = World::trusting();
    fs::create_dir_all(world.remote("alice", "d/e")).unwrap();
    fs::write(world.remote("alice", "d/f"), "f").unwrap();
    let screen = |args: &[&str]| world.screen(args, 200, &[]);
    let made = screen(&["link", &world.alice("d/f")]);
    assert!(made.contains("And with curl:") && made.contains("-OJ -G -d download 'URL'"), "{made}");
    assert!(!screen(&["link", &world.alice("d")]).contains("curl"));
    assert_eq!(screen(&["find", &world.alice("d")]), "d/e/\nd/f\n");
    assert_eq!(world.run(["find", &world.alice("d")]).stdout(), "d/e\nd/f\n", "to a program they are paths");
}

#[test]
fn who_may_put_files_somewhere_and_make_no_folders_is_told_what_to_do_with_one() {
    let world = World::trusting();
    fs::create_dir_all(world.local("my pics/sub")).unwrap();
    fs::write(world.local("my pics/a"), "a").unwrap();
    let bob = format!("bob@{}/", world.server.address());
    let refused = world.run(["put", "-r", "my pics", &bob]);
    assert_ne!(refused.code, Some(0));
    refused.said("You may not make folders there").said("`tar czf 'my pics'.tgz 'my pics'`");
}

#[test]
fn who_logs_in_by_a_key_is_told_why_no_present_password_is_asked_for() {
    let world = World::trusting();
    world.run(["login", &world.alice("")]).code(0);
    let mut passwd = world.terminal(["passwd", &world.alice("")]);
    passwd.expect("The present password is not asked for: the key").expect("New password").line("my own words");
    passwd.expect("The same again").line("my own words");
    assert_eq!(passwd.wait().code(), Some(0));
}

#[test]
fn all_that_was_deleted_since_a_time_comes_back_at_once() {
    let world = World::trusting();
    let set = world.server.command(&["user", "set", "alice", "--trash", "30d"]).output().unwrap();
    assert!(set.status.success(), "{set:?}");
    for name in ["photos/a", "photos/2024/b", "photos/gone/c", "other/d"] {
        fs::create_dir_all(world.remote("alice", name).parent().unwrap()).unwrap();
        fs::write(world.remote("alice", name), name).unwrap();
    }
    for name in ["photos/a", "photos/2024/b", "other/d"] {
        world.run(["rm", &world.alice(name)]).code(0);
    }
    world.run(["rm", "-r", &world.alice("photos/gone")]).code(0);
    let photos = world.alice("photos");
    world.run(["trash", "restore", &photos]).code(3).said("`sealift trash restore --since 1h");
    world.run(["trash", "restore", "--since", "1h", "--to", "x", &photos]).code(2);
    world.run(["trash", "restore", "--since", "1h", &photos]).code(0).said("/photos/gone is there again");
    let there = names(&world.remote("alice", "photos"));
    assert_eq!(there, ["2024", "2024/b", "a", "gone", "gone/c"]);
    assert!(!world.remote("alice", "other/d").exists());
    world.run(["trash", "restore", "--since", "1h", &photos]).code(3).said("nothing was deleted there since then");
    world.run_with(["shell", &world.alice("")], b"trash restore --since 1h other\n").code(0);
    assert!(world.remote("alice", "other/d").exists());
}
