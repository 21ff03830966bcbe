//! What people type who are used to other programs: it does what they mean, or they are told what does.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::Value;

use crate::common::front::sealiftd;
use crate::common::program::{World, finish, names};

/// What is in a folder, without what a server keeps there for itself.
fn there(folder: &Path) -> Vec<String> {
    if !folder.exists() {
        return Vec::new();
    }
    names(folder).into_iter().filter(|name| !name.starts_with(".sealift")).collect()
}

/// Has a server the name `wk` from now on.
fn named(world: &World) {
    world.run(["bookmark", "add", "wk", &world.alice("")]).code(0);
}

#[test]
fn names_that_cannot_be_sent_are_left_out_as_the_hint_says_and_a_mirror_deletes_again() {
    let world = World::trusting();
    fs::create_dir_all(world.local("src/d\te")).unwrap();
    for name in ["a\tb.txt", "c\nd", "d\te/inside", "plain"] {
        fs::write(world.local("src").join(name), name).unwrap();
    }
    let to = world.alice("m");
    world.run(["mirror", "./src", &to]).code(10);
    fs::write(world.remote("alice", "m/old"), "").unwrap();
    let pattern = "*[[:cntrl:]]*";
    let mirror = ["mirror", "--delete", "./src", &to];
    world.run(mirror).code(10).said(&format!("leave out all such with --exclude '{pattern}'"));
    assert!(world.remote("alice", "m/old").exists());
    world.run([&mirror[..], &["--exclude", pattern]].concat()).code(0);
    assert_eq!(there(&world.remote("alice", "m")), ["plain"]);
    world.run(["put", "-r", "--exclude", pattern, "src", &world.alice("")]).code(0);
    assert_eq!(there(&world.remote("alice", "src")), ["plain"]);
    // Other classes, here and in names on the server.
    fs::write(world.local("src/f7"), "").unwrap();
    world
        .run(["put", "-r", "--exclude", "*[[:cntrl:]]*", "--exclude", "*[![:alpha:]]", "src", &world.alice("n")])
        .code(0);
    assert_eq!(there(&world.remote("alice", "n")), ["plain"]);
    world.run(["put", "src/f7", &world.alice("")]).code(0);
    assert_eq!(world.run(["ls", &world.alice("*[[:digit:]]")]).code(0).stdout(), "f7\n");
}

#[test]
fn whoever_wants_nothing_but_errors_is_told_of_nothing_that_was_left_out() {
    let world = World::trusting();
    fs::create_dir(world.local("src")).unwrap();
    fs::write(world.local("src/f"), "f").unwrap();
    symlink("f", world.local("src/link")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(world.local("src/pipe")).status().unwrap().success());
    for words in [&["mirror", "./src", &world.alice("m")][..], &["put", "-r", "src", &world.alice("p/")]] {
        world.run(words).code(0).said("; 2 skipped (").said("src/link: a symbolic link").said("src/pipe: ");
        for links in [&[][..], &["--links", "skip"], &["--links", "follow"]] {
            let done = world.run([&["-q"][..], words, links].concat()).code(0);
            assert_eq!(done.stderr, "", "{words:?} {links:?}");
        }
    }
    // What is there already was to be left alone.
    let done = world.run(["-q", "put", "--if-exists", "skip", "src/f", &world.alice("m/")]).code(0);
    assert_eq!(done.stderr, "");
}

#[test]
fn of_thousands_of_files_that_find_no_room_a_few_are_told_and_the_others_counted() {
    let world = World::trusting();
    assert!(sealiftd(&world, &["user", "set", "alice", "--quota", "10K"]).status.success());
    fs::create_dir_all(world.local("src/d")).unwrap();
    for number in 0..40 {
        fs::write(world.local(format!("src/d/f{number}")), [b'x'; 1000]).unwrap();
    }
    fs::create_dir(world.remote("alice", "m")).unwrap();
    fs::write(world.remote("alice", "m/old"), "").unwrap();
    let few = ["put", "-r", "--include", "f1", "--exclude", "f*", "src/d", &world.alice("few/")];
    assert!(!world.run(few).code(0).stderr.contains("fits"));
    world.run(["rm", "-r", &world.alice("few")]).code(0);
    let done = world.run(["mirror", "--delete", "./src", &world.alice("m")]).code(10);
    let done = done.said("warning: more is to be sent than fits into what the quota there leaves (10 KiB)");
    let told = done.stderr.lines().filter(|line| line.starts_with("sealift: ./src")).count();
    assert_eq!(told, 10, "{done:?}");
    assert!(done.stderr.contains("sealift: and ") && done.stderr.contains(" more: "), "{done:?}");
    assert!(world.remote("alice", "m/old").exists(), "nothing was deleted");
    let sent = world.run(["put", "-r", "src", &world.alice("")]).code(9);
    assert_eq!(sent.stderr.matches("more is to be sent than fits").count(), 1, "{sent:?}");
}

#[test]
fn a_name_and_an_address_of_one_server_are_one_login() {
    let world = World::trusting();
    named(&world);
    fs::write(world.remote("alice", "a.txt"), "a").unwrap();
    world.run(["cp", "wk:a.txt", &world.alice("b.txt")]).code(0);
    world.run(["mv", "wk:a.txt", &world.alice("t2")]).code(0);
    world.run(["mv", &world.alice("t2"), "wk:t3"]).code(0);
    assert_eq!(there(&world.remote("alice", "")), ["b.txt", "t3"]);
    world.run(["mv", "wk:t3", &format!("bob@{}/t3", world.server.address())]).code(2).said("are not one login");
}

#[test]
fn a_path_begins_in_the_own_folder_and_a_tilde_is_no_folder() {
    let world = World::trusting();
    named(&world);
    fs::write(world.local("a.txt"), "a").unwrap();
    for (typed, meant) in [("wk:~/x.txt", "write wk:x.txt ("), ("wk:/~/x.txt", "write wk:/x.txt (")] {
        world.run(["put", "a.txt", typed]).code(2).said("a path begins in your own folder").said(meant);
    }
    world.run(["ls", &world.alice("~")]).code(2).said(&format!("write {} (", world.alice("")));
    assert!(there(&world.remote("alice", "")).is_empty());
    world.run(["mkdir", "wk:./~"]).code(0);
    world.run(["put", "a.txt", "wk:./~/"]).code(0);
    world.run(["put", "a.txt", "wk:./t2/."]).code(0);
    assert_eq!(there(&world.remote("alice", "")), ["t2", "t2/a.txt", "~", "~/a.txt"]);
    assert_eq!(world.run(["ls", "wk:./t2/."]).code(0).stdout(), "a.txt\n");
    world.run(["ls", "wk:../"]).code(2).said("nothing is above that");
    world.run(["ls", "wk:t2/../t2"]).code(2).said("without `..`");
    let shell = world.run_with(["shell", &world.alice("")], b"cd t2\ncd ~\npwd\nput a.txt ~/b.txt\nls ./~\n").code(0);
    assert_eq!(shell.stdout(), "/\na.txt\n");
    assert!(world.remote("alice", "b.txt").exists());
}

#[test]
fn an_address_that_a_browser_shows_is_answered_with_what_fetches_the_same() {
    let world = World::trusting();
    fs::create_dir_all(world.remote("alice", "docs")).unwrap();
    fs::write(world.remote("alice", "docs/a b.txt"), "hers").unwrap();
    let address = world.server.address();
    for before in ["", "alice@"] {
        let done =
            world.run(["get", &format!("https://{before}{address}/~alice/docs/a%20b.txt?download"), "."]).code(2);
        let (_, meant) = done.stderr.lines().next().unwrap().rsplit_once("here it is ").unwrap();
        assert_eq!(meant, format!("'alice@{address}/docs/a b.txt'"));
        world.run(["get", meant.trim_matches('\''), "copy"]).code(0);
        assert_eq!(fs::read_to_string(world.local("copy")).unwrap(), "hers");
    }
    world.run(["ls", &format!("https://{address}/docs/")]).code(2).said(&format!("here it is {address}/docs/"));
}

#[test]
fn a_new_folder_here_may_end_in_a_slash_as_one_on_a_server_may() {
    let world = World::trusting();
    named(&world);
    fs::create_dir_all(world.remote("alice", "backup/d01")).unwrap();
    fs::write(world.remote("alice", "backup/d01/f"), "f").unwrap();
    world.run(["mirror", "wk:backup/d01/", "x4/"]).code(0);
    assert_eq!(there(&world.local("x4")), ["f"]);
    world.run(["mirror", "wk:backup/d01/", "missing/x4"]).code(2).said("as in ./missing/x4,");
}

#[test]
fn what_fails_leaves_no_folders_behind() {
    let world = World::trusting();
    named(&world);
    world.run_with(["put", "-", "wk:fresh/dir/"], b"hi").code(2).said("standard input has no name");
    assert!(there(&world.remote("alice", "")).is_empty());
    world.run(["get", "wk:nosuch", "fresh4/"]).code(3).said("nosuch: no such file");
    world.run(["get", "wk:nosuch", "wk:nor", "fresh4/"]).code(3).said("nor: no such file");
    assert!(!world.local("fresh4").exists());
    fs::write(world.remote("alice", "is"), "is").unwrap();
    world.run(["get", "wk:nosuch", "wk:is", "fresh4/"]).code(10).said("nosuch: no such file");
    assert_eq!(there(&world.local("fresh4")), ["is"]);
}

#[test]
fn what_is_suggested_works() {
    let world = World::trusting();
    named(&world);
    let one = world.run(["ls", "w:"]).code(2).said("`sealift bookmark list`");
    assert!(!one.stderr.contains("bookmark add"), "a name of one letter is refused: {one:?}");
    world.run(["ls", "work:"]).code(2).said("`sealift bookmark add work alice@HOST`");
    let (missing, there) = (world.local("no/such/yy.txt"), world.alice("a.txt"));
    for from in ["wk:/a.txt", &there] {
        let done = world.run(["get", from, missing.to_str().unwrap()]).code(3).said("`mkdir -p` makes it");
        assert!(!done.stderr.contains("add ` .`"), "{done:?}");
    }
    world.run(["trash", "list", "-l", "wk:"]).code(2).said("all that is known");
    world.run(["get", "-C", "-", "wk:a.txt"]).code(2).said("-c resumes what was cut off");
    for name in ["a.txt", "b.txt"] {
        fs::write(world.local(name), name).unwrap();
    }
    world
        .run(["put", "-v", "a.txt", "b.txt"])
        .code(2)
        .said("b.txt is on this machine")
        .said("`sealift put FILE HOST/`");
    world.run(["put", "--progress", "a.txt", "wk:"]).code(2).said("the word behind --progress says how");
}

#[test]
fn whoever_cannot_be_asked_about_a_key_is_told_the_command_that_asks_nothing() {
    let world = World::new();
    let (server, pin) = (world.server.address(), world.server.pin());
    let command = format!("trust add {server} --pin {pin}");
    world.run(["trust", "add", &server.to_string()]).code(7).said(&format!("`sealift {command}` remembers it"));
    world.run(command.split(' ')).code(0);
}

#[test]
fn what_is_brought_back_to_a_name_that_is_taken_is_told_how() {
    let world = World::trusting();
    named(&world);
    assert!(sealiftd(&world, &["user", "set", "alice", "--trash", "30d"]).status.success());
    let deleted = || {
        fs::write(world.remote("alice", "f"), "old").unwrap();
        world.run(["rm", "wk:f"]).code(0);
        world.run(["trash", "list", "--json", "wk:"]).code(0).stdout().contains("trashed")
    };
    crate::common::eventually("it is kept", deleted);
    fs::write(world.remote("alice", "f"), "new").unwrap();
    let done = world.run(["trash", "restore", "--since", "1h", "wk:"]);
    done.said("`sealift trash restore TARGET --to NAME`, of this alone,");
    world.run(["trash", "restore", "wk:f", "--to", "g"]).code(0);
    assert_eq!(fs::read_to_string(world.remote("alice", "g")).unwrap(), "old");
}

#[test]
fn a_link_that_is_full_says_so_to_its_owner_and_to_whoever_has_it() {
    let world = World::trusting();
    named(&world);
    fs::create_dir(world.remote("alice", "inbox")).unwrap();
    fs::write(world.local("f"), "f").unwrap();
    let made = world.run(["link", "--drop", "--max-files", "2", "wk:inbox"]).code(0);
    let url = made.stdout().trim().to_owned();
    let page = |url: &str, program: &str| {
        let mut curl = std::process::Command::new("curl");
        curl.args(["-sk", "-A", program, "-H", "Accept: text/html", url]);
        finish(curl, b"").stdout().to_owned()
    };
    let plain = url.split('#').next().unwrap();
    assert!(page(plain, "Mozilla/5.0").contains("type=\"file\""));
    for _ in 0..2 {
        world.run(["put", "f", &url]).code(0);
    }
    let full = page(plain, "Mozilla/5.0");
    assert!(full.contains("This link is full") && !full.contains("type=\"file\""), "{full}");
    let listed = world.run(["link", "list", "wk:"]).code(0);
    assert!(listed.stdout().contains("no more: full") && listed.stdout().contains("2 came (2 at most)"), "{listed:?}");
    let json = world.run(["--json", "link", "list", "wk:"]).code(0);
    let object: Value = serde_json::from_str(json.stdout().lines().next().unwrap()).unwrap();
    assert_eq!((&object["files"], &object["max_files"]), (&2.into(), &2.into()));
    assert!(object["max_bytes"].as_u64().unwrap() > 0);
    // One that never was and one that is withdrawn are told alike.
    let name = object["name"].as_str().unwrap();
    let never = format!("{}{}", &plain[..plain.len() - 9], "AAAAAAAA/");
    world.run(["link", "remove", "wk:", name]).code(0);
    let (gone, never) = (page(plain, "Mozilla/5.0"), page(&never, "Mozilla/5.0"));
    for page in [&gone, &never] {
        assert!(page.contains("ask whoever gave it to you for another one"), "{page}");
        assert!(!page.contains("renamed") && !page.contains("Log in") && !page.contains("Public"), "{page}");
    }
}

#[test]
fn a_folder_of_this_machine_in_the_place_of_a_server_is_told() {
    let world = World::new();
    fs::write(world.local("f"), "f").unwrap();
    // Nobody listens there, and no name is looked up.
    let put = ["--port", "1", "--retry", "0", "put", "f", "127.0.0.1"];
    world.run(put).code(6).said("Check that 127.0.0.1:1 is the right address");
    fs::create_dir(world.local("127.0.0.1")).unwrap();
    world.run(put).code(6).said("`127.0.0.1` is a folder of this machine").said("HOST/127.0.0.1");
}
