//! `link`: a URL that needs no account, made, fetched, listed and removed.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use crate::common::program::{PASSWORD, Proxy, World, finish};
use crate::common::{bytes, eventually};

/// The URL that is printed.
fn link(world: &World, arguments: &[&str]) -> String {
    let done = world.run([&["link"], arguments].concat()).code(0).said("Whoever has this link can");
    done.stdout().trim_end().to_owned()
}

/// Somebody with another configuration, who knows no server and has no password.
fn stranger(world: &World, arguments: &[&str]) -> crate::common::program::Done {
    let config = tempfile::tempdir().unwrap();
    let mut command = world.command(arguments);
    command.env("SEALIFT_CONFIG_DIR", config.path());
    finish(command, b"")
}

#[test]
fn a_link_is_made_listed_and_removed_and_others_fetch_it_meanwhile() {
    let world = World::trusting();
    fs::write(world.remote("alice", "report.pdf"), "the report").unwrap();
    let url = link(&world, &[&world.alice("report.pdf")]);
    let (host, pin) = (format!("https://{}/.sealift-web/l/", world.server.address()), world.server.pin().to_owned());
    assert!(url.starts_with(&host) && url.ends_with(&format!("/#{pin}")), "{url}");
    let listed = world.run(["link", "list", &world.alice("")]).code(0);
    assert!(listed.stdout().starts_with("report.pdf  file  report.pdf  until "), "{}", listed.stdout());
    assert!(!listed.stdout().contains(&url[host.len()..host.len() + 43]));
    // Whoever has it needs nothing else: the key is the one that the URL names.
    stranger(&world, &["get", &url, "fetched.pdf"]).code(0);
    assert_eq!(fs::read_to_string(world.local("fetched.pdf")).unwrap(), "the report");
    fs::create_dir(world.local("into")).unwrap();
    stranger(&world, &["get", &url, "into"]).code(0);
    assert_eq!(fs::read_to_string(world.local("into/report.pdf")).unwrap(), "the report");
    let plain = url.split('#').next().unwrap();
    let curl = Command::new("curl").args(["-sk", "--pinnedpubkey", &pin, plain]).output().unwrap();
    assert_eq!(curl.stdout, b"the report");
    assert_eq!(stranger(&world, &["get", &url, "-"]).code(0).stdout(), "the report");
    fs::create_dir(world.remote("alice", "folder")).unwrap();
    let folder = link(&world, &[&world.alice("folder")]);
    stranger(&world, &["get", &folder, "-"]).said("leads to a folder").said("NEW-NAME");
    world.run(["link", "remove", &world.alice(""), "folder"]).code(0);
    // Another key than the URL's gets nothing.
    let other = format!("{plain}#sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    stranger(&world, &["get", &other, "never"]).code(7);
    assert!(!world.local("never").exists());
    // A look at what would be done makes no folder, and a link that gives nothing makes none either.
    let planned = stranger(&world, &["get", "--dry-run", &url, "new/"]).code(0);
    assert!(planned.stdout().ends_with("-> new/report.pdf\n"), "{planned:?}");
    assert!(!world.local("new").exists());
    stranger(&world, &["get", &url, "new/"]).code(0);
    assert_eq!(fs::read_to_string(world.local("new/report.pdf")).unwrap(), "the report");
    world.run(["link", "remove", &world.alice(""), "report.pdf"]).code(0).said("gives nothing any more");
    stranger(&world, &["get", &url, "gone"]).code(3).said("no such link any more").said("ask for another one");
    world.run(["link", "remove", &world.alice(""), "report.pdf"]).code(3).said("link list");
    world.run(["link", "list", &world.alice("")]).code(0).said("no links");
}

#[test]
fn what_is_printed_for_curl_fetches_a_file_whose_downloads_count() {
    let world = World::trusting();
    fs::write(world.remote("alice", "a report.pdf"), "the report").unwrap();
    let made = world.run(["link", "--max-downloads", "1", &world.alice("a report.pdf")]).code(0);
    let made = made.said("can read it once, until");
    let url = made.stdout().trim().to_owned();
    // A look at it uses nothing up.
    let look = |url: &str| Command::new("curl").args(["-sk", url]).output().unwrap().stdout;
    assert_ne!(look(&url), b"the report");
    let line = made.stderr.lines().find_map(|line| line.trim().strip_prefix("curl ")).unwrap().replace("URL", &url);
    let fetch = || {
        let mut curl = Command::new("sh");
        curl.arg("-c").arg(format!("curl -s {line}")).current_dir(world.work.path());
        curl.status().unwrap()
    };
    assert!(fetch().success(), "{line}");
    assert_eq!(fs::read_to_string(world.local("a report.pdf")).unwrap(), "the report");
    assert!(!fetch().success(), "it was good for one");
}

#[test]
fn a_folder_comes_by_a_link_with_all_below_it_and_counts_if_it_is_counted() {
    let world = World::trusting();
    fs::create_dir_all(world.remote("alice", "photos/sub")).unwrap();
    fs::write(world.remote("alice", "photos/a.jpg"), "a").unwrap();
    fs::write(world.remote("alice", "photos/sub/b.jpg"), "b").unwrap();
    let url = link(&world, &["--max-downloads", "2", "--expires", "never", "--name", "pics", &world.alice("photos")]);
    stranger(&world, &["get", &url, "here"]).code(0);
    assert_eq!(fs::read_to_string(world.local("here/a.jpg")).unwrap(), "a");
    assert_eq!(fs::read_to_string(world.local("here/sub/b.jpg")).unwrap(), "b");
    let listed = world.run(["link", "list", &world.alice("")]).code(0);
    assert!(listed.stdout().contains("pics"), "{}", listed.stdout());
    assert!(listed.stdout().contains("no more: used up, 2 of 2 downloads"), "{}", listed.stdout());
    stranger(&world, &["get", &url, "again"]).code(3);
}

#[test]
fn a_folder_that_comes_by_a_link_gets_a_folder_of_its_name_and_replaces_nothing_beside() {
    let world = World::trusting();
    fs::create_dir_all(world.remote("alice", "photos")).unwrap();
    fs::write(world.remote("alice", "photos/a.jpg"), "theirs").unwrap();
    fs::write(world.local("a.jpg"), "mine").unwrap();
    fs::create_dir(world.local("into")).unwrap();
    let url = link(&world, &[&world.alice("photos")]);
    let read = |path: &str| fs::read_to_string(world.local(path)).unwrap();
    stranger(&world, &["get", "--dry-run", &url]).code(0);
    assert!(!world.local("photos").exists());
    for (arguments, at) in [
        (&[&*url][..], "photos"),
        (&["-c", &url, "."], "photos"),
        (&[&url, "into"], "into/photos"),
        (&[&url, "new/"], "new/photos"),
    ] {
        stranger(&world, &[&["get"], arguments].concat()).code(0);
        assert_eq!((read(&format!("{at}/a.jpg")), read("a.jpg")), ("theirs".to_owned(), "mine".to_owned()));
    }
    assert!(!world.local("into/a.jpg").exists() && !world.local("new/a.jpg").exists());
    // The whole home is called by no name of its owner.
    let whole = link(&world, &[&world.alice("")]);
    stranger(&world, &["get", &whole]).code(0);
    assert_eq!(read("a.jpg"), "mine");
}

#[test]
fn a_link_with_a_password_says_where_that_comes_from_without_a_terminal() {
    let world = World::trusting();
    fs::write(world.remote("alice", "f"), "f").unwrap();
    let make = ["link", "--password", "--password-stdin", &world.alice("f")];
    let (two, one) = (format!("{PASSWORD}\nthe link's own\n"), format!("{PASSWORD}\n"));
    let url = world.run_with(make, two.as_bytes()).code(0).stdout().trim_end().to_owned();
    world.run_with(make, one.as_bytes()).code(2).said("two lines");
    world.run_with(make, b"the link's own\n").code(4).said("two lines");
    world.run(["link", "--password", &world.alice("f")]).code(2).said("two lines");
    stranger(&world, &["get", &url, "f"]).code(4).said("sealift get --password-stdin 'LINK'");
    world.run_with(["get", "--password-stdin", &url, "f"], b"the link's own\n").code(0);
    world.run_with(["get", "--password-stdin", &url, "f"], b"another\n").code(4).said("The password may be wrong");
    let asked = Command::new("curl").args(["-sk", url.split('#').next().unwrap()]).output().unwrap();
    assert!(String::from_utf8_lossy(&asked.stdout).contains("curl -fu ':PASSWORD'"), "{asked:?}");
    let short = format!("{PASSWORD}\nshort\n");
    let done = world.run_with([&make[..], &["--name", "short"]].concat(), short.as_bytes()).code(0);
    assert!(done.said("easily guessed; a link with a longer one").stderr.find("sealift passwd").is_none());
    assert_eq!(fs::read_to_string(world.local("f")).unwrap(), "f");
    let secret = "secret1";
    let done = world.run(["link", "--password", secret, &world.alice("f")]).code(2).said("takes no value");
    assert!(!done.stderr.contains(secret));
    world.run(["link", "rm", &world.alice(""), "f"]).code(2).said("sealift link remove");
    world.run(["link", &world.alice("f"), &world.alice("g")]).code(2).said("one target only");
    world.run(["link", "remove", &world.alice(""), &url]).code(2).said("by its name");
    world.run(["link", "remove", &world.alice(""), &"n".repeat(200)]).code(2).said("link list");
}

#[test]
fn files_are_put_in_by_a_link_and_its_maker_sees_how_many_came() {
    let world = World::trusting();
    fs::create_dir(world.remote("alice", "inbox")).unwrap();
    fs::write(world.remote("alice", "inbox/report.pdf"), "hers").unwrap();
    fs::write(world.local("report.pdf"), "theirs").unwrap();
    let url = link(&world, &["--drop", "--max-size", "1M", "--max-files", "5", &world.alice("inbox")]);
    let plain = url.split('#').next().unwrap();
    let pin = world.server.pin().to_owned();
    let sent = Command::new("curl")
        .args(["-sk", "--pinnedpubkey", &pin, "-T"])
        .args([world.local("report.pdf").to_str().unwrap(), plain])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&sent.stdout).contains("stored whole"), "{sent:?}");
    assert_eq!(fs::read_to_string(world.remote("alice", "inbox/report.pdf")).unwrap(), "hers");
    assert_eq!(fs::read_to_string(world.remote("alice", "inbox/report-2.pdf")).unwrap(), "theirs");
    let listed = world.run(["link", "list", &world.alice("")]).code(0);
    assert!(listed.stdout().contains("drop") && listed.stdout().contains("1 came"), "{}", listed.stdout());
    let done = world.run(["--json", "link", "list", &world.alice("")]).code(0);
    let object: serde_json::Value = serde_json::from_str(done.stdout().lines().next().unwrap()).unwrap();
    assert!(object["kind"] == "drop" && object["files"] == 1 && object["bytes"] == 6, "{object}");
    // It is not for fetching, and says for what it is.
    stranger(&world, &["get", &url, "x"]).code(5).said("`sealift put FILE 'LINK'` puts one in.");
    assert!(!world.local("x").exists());
    world.run(["link", "--drop", &world.alice("inbox/report.pdf")]).code(1).said("folder");
    world.run(["link", "--drop", "--max-downloads", "3", &world.alice("inbox")]).code(2);
    world.run(["link", "--max-size", "3M", &world.alice("inbox")]).code(2).said("--drop");
    world.run(["link", "--drop", "--max-size", "much", &world.alice("inbox")]).code(2).said("500M");
    world.run(["link", "remove", &world.alice(""), "inbox"]).code(0);
    let gone = Command::new("curl").args(["-sk", plain]).output().unwrap();
    assert!(String::from_utf8_lossy(&gone.stdout).contains("404"), "{gone:?}");
}

#[test]
fn what_cannot_be_linked_is_said() {
    let world = World::trusting();
    fs::write(world.remote("alice", "f"), "f").unwrap();
    world.run(["link", &world.alice("missing")]).code(3);
    world.run(["link", &world.public("f")]).code(2).said("alice@");
    world.run(["link", "--expires", "yesterday", &world.alice("f")]).code(2).said("7d");
    link(&world, &["--name", "mine", &world.alice("f")]);
    world.run(["link", "--name", "mine", &world.alice("f")]).code(11).said("--name");
    // She may upload, and nothing else.
    let bob = format!("bob@{}/f", world.server.address());
    world.run(["link", &bob]).code(5);
    let broken = "https://127.0.0.1:1/.sealift-web/l/short/";
    world.run(["get", broken]).code(2).said("not complete");
}

#[test]
fn a_link_in_json_is_one_object() {
    let world = World::trusting();
    fs::write(world.remote("alice", "f"), "f").unwrap();
    let done = world.run(["--json", "link", &world.alice("f")]).code(0);
    let object: serde_json::Value = serde_json::from_str(done.stdout().lines().next().unwrap()).unwrap();
    assert_eq!((&object["event"], &object["kind"], &object["name"]), (&"link".into(), &"file".into(), &"f".into()));
    assert!(object["url"].as_str().unwrap().starts_with("https://"));
    let done = world.run(["--json", "link", "list", &world.alice("")]).code(0);
    let object: serde_json::Value = serde_json::from_str(done.stdout().lines().next().unwrap()).unwrap();
    assert!(object.get("url").is_none() && object["password"] == false, "{object}");
}

#[test]
fn a_link_replaces_nothing_that_nobody_named_and_takes_no_hidden_name() {
    let world = World::trusting();
    fs::write(world.remote("alice", "report.pdf"), "theirs").unwrap();
    fs::write(world.remote("alice", ".profile"), "theirs").unwrap();
    fs::create_dir(world.remote("alice", "photos")).unwrap();
    fs::write(world.remote("alice", "photos/a.jpg"), "theirs").unwrap();
    let [file, folder, hidden] = ["report.pdf", "photos", ".profile"].map(|name| link(&world, &[&world.alice(name)]));
    let read = |path: &str| fs::read_to_string(world.local(path)).unwrap();

    fs::write(world.local("report.pdf"), "mine").unwrap();
    for words in [&["get", &file][..], &["get", "-n", &file], &["get", &file, "."], &["get", &file, "./"]] {
        stranger(&world, words).code(11).said("is here already").said("NEW-NAME");
        assert_eq!(read("report.pdf"), "mine", "{words:?}");
    }
    // Who says so, or types the name, is believed.
    stranger(&world, &["get", "--if-exists", "skip", &file]).code(0).said("1 skipped (there already)");
    stranger(&world, &["get", &file, "other.pdf"]).code(0);
    stranger(&world, &["get", &file, "other.pdf"]).code(0);
    stranger(&world, &["get", "--if-exists", "overwrite", &file]).code(0);
    assert_eq!((read("report.pdf"), read("other.pdf")), ("theirs".into(), "theirs".into()));

    fs::create_dir(world.local("photos")).unwrap();
    fs::write(world.local("photos/a.jpg"), "mine").unwrap();
    stranger(&world, &["get", &folder]).code(11).said("photos: is here already");
    assert_eq!(read("photos/a.jpg"), "mine");
    stranger(&world, &["get", &folder, "new/"]).code(0);
    assert_eq!(read("new/photos/a.jpg"), "theirs");
    stranger(&world, &["get", "-c", &folder, "new/"]).code(0).said("1 unchanged");

    // A link of this machine with such a name leads wherever it leads.
    fs::remove_dir_all(world.local("photos")).unwrap();
    fs::create_dir(world.local("private")).unwrap();
    symlink("private", world.local("photos")).unwrap();
    for words in [&["get", &folder][..], &["get", "--if-exists", "overwrite", &folder]] {
        stranger(&world, words).code(11).said("photos: a link on this machine has this name");
    }
    assert!(!world.local("private/a.jpg").exists());

    stranger(&world, &["get", &hidden]).code(0);
    assert!(!world.local(".profile").exists());
    assert_eq!(read("link"), "theirs");
}

#[test]
fn the_shell_makes_links_lists_them_under_a_header_and_removes_them() {
    let world = World::trusting();
    fs::create_dir(world.remote("alice", "photos")).unwrap();
    fs::write(world.remote("alice", "photos/a.jpg"), "a").unwrap();
    let batch = "link list\ncd photos\nlink --max-downloads 1 a.jpg\nlink list\n";
    fs::write(world.local("batch"), batch).unwrap();
    let done = world
        .run(["shell", "-b", "batch", &world.alice("")])
        .code(0)
        .said("`link /FILE` makes one")
        .said("`link remove 'a.jpg'` ends it");
    let (url, rest) = done.stdout().split_once('\n').unwrap();
    assert!(rest.starts_with("a.jpg  file  a.jpg  until "), "{rest}");
    stranger(&world, &["get", url, "got"]).code(0);
    let shown = world.screen(["link", "list", &world.alice("")], 100, &[]);
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with("NAME   KIND  PATH          GOOD"), "{shown}");
    assert!(lines[1].starts_with("a.jpg  file  photos/a.jpg  no more: used up, 1 of 1 downloads"), "{shown}");
    fs::write(world.local("batch"), "link remove a.jpg\n-link remove a.jpg\nlink list\n").unwrap();
    let done = world.run(["shell", "-b", "batch", &world.alice("")]).code(0);
    assert!(done.stderr.contains("gives nothing any more") && done.stderr.contains("You have no links"), "{done:?}");
    // Anonymous makes none.
    fs::write(world.local("batch"), "link x\n").unwrap();
    world.run(["shell", "-b", "batch", &world.public("")]).code(2).said("anonymous makes no links");
}

#[test]
fn put_brings_files_by_a_link_under_names_of_their_own_and_replaces_nothing() {
    let world = World::trusting();
    let inbox = world.remote("alice", "inbox");
    fs::create_dir(&inbox).unwrap();
    fs::write(inbox.join("report.pdf"), "hers").unwrap();
    fs::write(world.local("report.pdf"), "theirs").unwrap();
    let large = bytes(3_000_000);
    fs::write(world.local("large file.bin"), &large).unwrap();
    fs::write(world.local("empty"), "").unwrap();
    let url = link(&world, &["--drop", "--name", "box", &world.alice("inbox")]);
    let sent = stranger(&world, &["put", "report.pdf", "large file.bin", "empty", &url]).code(0);
    assert!(sent.stderr.contains("3 files") && !sent.stderr.contains("inbox"), "{sent:?}");
    stranger(&world, &["put", "report.pdf", &url]).code(0);
    let read = |name: &str| fs::read(inbox.join(name)).unwrap();
    assert_eq!(
        (read("report.pdf"), read("report-2.pdf"), read("report-3.pdf")),
        (b"hers".to_vec(), b"theirs".to_vec(), b"theirs".to_vec())
    );
    assert!(read("large file.bin") == large && read("empty").is_empty());
    let modified = |path: &std::path::Path| fs::metadata(path).unwrap().modified().unwrap();
    assert_eq!(modified(&inbox.join("report-2.pdf")), modified(&world.local("report.pdf")));
    let listed = world.run(["link", "list", &world.alice("")]).code(0);
    assert!(listed.stdout().contains("4 came"), "{}", listed.stdout());
    // Over several connections of the one login.
    for n in 0..20 {
        fs::write(world.local(format!("many-{n}")), n.to_string()).unwrap();
    }
    let many: Vec<String> = (0..20).map(|n| format!("many-{n}")).collect();
    let words: Vec<&str> = many.iter().map(String::as_str).collect();
    stranger(&world, &[&["put", "--transfers", "4"], &words[..], &[&url]].concat()).code(0);
    assert!((0..20).all(|n| read(&format!("many-{n}")) == n.to_string().as_bytes()));
    // Another key than the URL's gets nothing.
    let other = format!("{}#sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", url.split('#').next().unwrap());
    stranger(&world, &["put", "empty", &other]).code(7);
    world.server.log_with(&["alice/box", "inbox/report-2.pdf"]);
    world.run(["link", "remove", &world.alice(""), "box"]).code(0);
    stranger(&world, &["put", "empty", &url]).code(3).said("no such link any more");
}

/// Over a line that breaks, and that is dead for a server which does not know it yet.
#[test]
fn put_by_a_link_goes_on_where_the_line_broke() {
    let world = World::trusting();
    let inbox = world.remote("alice", "inbox");
    fs::create_dir(&inbox).unwrap();
    let large = bytes(12_000_000);
    fs::write(world.local("large.bin"), &large).unwrap();
    let url = link(&world, &["--drop", "--max-size", "12M", "--max-files", "1", &world.alice("inbox")]);
    let proxy = Proxy::start(&world);
    let url = url.replace(&world.server.address(), &proxy.address.to_string());
    let config = tempfile::tempdir().unwrap();
    let mut command = world.command(["put", "-v", "large.bin", &url]);
    command.env("SEALIFT_CONFIG_DIR", config.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    proxy.holds_after(5_000_000);
    let child = command.stdin(Stdio::null()).spawn().unwrap();
    eventually("some of it came", || proxy.passed() > 4_000_000);
    proxy.cut();
    proxy.lets_all_pass();
    let done = child.wait_with_output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(0), "{said}");
    assert!(said.contains("large.bin: goes on after ") && said.contains("; again in "), "{said}");
    assert!(fs::read(inbox.join("large.bin")).unwrap() == large);
    assert_eq!(fs::read_dir(&inbox).unwrap().count(), 1, "and once");
    let listed = world.run(["link", "list", &world.alice("")]).code(0);
    assert!(listed.stdout().contains("1 came"), "{}", listed.stdout());
}

#[test]
fn put_by_a_link_keeps_its_bounds_and_asks_for_its_password() {
    let world = World::trusting();
    let inbox = world.remote("alice", "inbox");
    fs::create_dir(&inbox).unwrap();
    for (name, size) in [("hundred", 100), ("thousand", 1900), ("more", 2049)] {
        fs::write(world.local(name), vec![7; size]).unwrap();
    }
    let make = ["link", "--drop", "--max-size", "2K", "--max-files", "3", "--password", "--password-stdin"];
    let two = format!("{PASSWORD}\nthe link's own\n");
    let made = world.run_with([&make[..], &[&world.alice("inbox")]].concat(), two.as_bytes()).code(0);
    let url = made.stdout().trim_end().to_owned();
    let put =
        |files: &[&str]| world.run_with([&["put", "--password-stdin"], files, &[&url]].concat(), b"the link's own\n");
    stranger(&world, &["put", "hundred", &url]).code(4).said("sealift put --password-stdin FILE 'LINK'");
    world.run_with(["put", "--password-stdin", "hundred", &url], b"another\n").code(4).said("may be wrong");
    put(&["thousand"]).code(0);
    let full = put(&["more"]).code(9).said("takes no more").said("ask whoever gave you the link");
    assert!(!full.stderr.contains("Remove files") && !full.stderr.contains("administrator"), "{full:?}");
    // One of two is too much: the other one is there.
    put(&["more", "hundred"]).code(10).said("takes no more");
    put(&["hundred"]).code(9);
    fs::write(world.local("nothing"), "").unwrap();
    put(&["nothing"]).code(0);
    // Of one that is full nobody is sent to look for something smaller.
    let full = put(&["nothing"])
        .code(9)
        .said("takes no more: it is full")
        .said("ask whoever gave you the link for another one");
    assert!(!full.stderr.contains("smaller"), "{full:?}");
    let mut names: Vec<_> = fs::read_dir(&inbox).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["hundred", "nothing", "thousand"]);
    let listed = world.run(["--json", "link", "list", &world.alice("")]).code(0);
    let object: serde_json::Value = serde_json::from_str(listed.stdout().lines().next().unwrap()).unwrap();
    assert!(object["files"] == 3 && object["bytes"] == 2000, "{object}");
}

#[test]
fn put_by_a_link_says_what_no_link_takes() {
    let world = World::trusting();
    let inbox = world.remote("alice", "inbox");
    fs::create_dir(&inbox).unwrap();
    fs::write(world.remote("alice", "f"), "f").unwrap();
    fs::write(world.local("f"), "f").unwrap();
    fs::write(world.local(".hidden"), "f").unwrap();
    fs::create_dir(world.local("folder")).unwrap();
    let url = link(&world, &["--drop", &world.alice("inbox")]);
    stranger(&world, &["put", "-r", "folder", &url]).code(2).said("no folders").said("tar czf");
    stranger(&world, &["put", "folder", &url]).code(1).said("is a folder").said("tar czf");
    stranger(&world, &["put", "-", &url]).code(2).said("no length");
    stranger(&world, &["put", &url]).code(2).said("sealift put FILE 'LINK'");
    stranger(&world, &["put", "missing", &url]).code(3);
    for option in ["-c", "-T", "--dry-run", "--update", "--perms", "--streams=2", "--if-exists=skip"] {
        stranger(&world, &["put", option, "f", &url]).code(2).said("cannot be used");
    }
    stranger(&world, &["put", "--files-from", "f", ".", &url]).code(2).said("--files-from cannot be used");
    stranger(&world, &["put", ".hidden", &url]).code(2).said("hidden files are not taken");
    assert_eq!(fs::read_dir(&inbox).unwrap().count(), 0);
    // What can be sent is sent.
    stranger(&world, &["put", "folder", "f", &url]).code(10).said("is a folder");
    assert_eq!(fs::read(inbox.join("f")).unwrap(), b"f");
    let reading = link(&world, &[&world.alice("f")]);
    stranger(&world, &["put", "f", &reading]).code(5).said("it gives files, and takes none");
    let broken = "https://127.0.0.1:1/.sealift-web/l/short/";
    stranger(&world, &["put", "f", broken]).code(2).said("not complete");
}

#[test]
fn what_is_printed_beneath_a_link_works_as_it_stands() {
    let world = World::trusting();
    let inbox = world.remote("alice", "inbox");
    fs::create_dir(&inbox).unwrap();
    fs::write(world.remote("alice", "f"), "f").unwrap();
    fs::write(world.local("FILE"), "sent").unwrap();
    // The lines that are commands, with the URL in them: it stands on standard output alone.
    let printed = |arguments: &[&str], input: &str| -> (Vec<String>, String) {
        let done = world.run_with([&["link"], arguments].concat(), input.as_bytes()).code(0);
        let url = done.stdout().trim_end().to_owned();
        assert!(!done.stderr.contains(&url[..url.len() - 60]), "{done:?}");
        let lines = done.stderr.lines().filter_map(|line| line.strip_prefix("  "));
        (lines.filter(|line| line.contains("'URL'")).map(|line| line.replace("URL", &url)).collect(), url)
    };
    let shell = |line: &str| {
        let output = Command::new("sh").arg("-c").arg(line).current_dir(world.local("")).output().unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let (lines, url) = printed(&[&world.alice("f")], "");
    assert_eq!(lines, [format!("sealift get '{url}'")]);
    stranger(&world, &["get", &url]).code(0);
    let (lines, url) = printed(&["--drop", &world.alice("inbox")], "");
    let curl = format!("curl -f -k --pinnedpubkey '{}' -T FILE '{url}'", world.server.pin());
    assert_eq!(lines, [format!("sealift put FILE '{url}'"), curl.clone()]);
    stranger(&world, &["put", "FILE", &url]).code(0);
    shell(&curl.replace("curl", "curl -sS"));
    let input = format!("{PASSWORD}\nthe link's own\n");
    let make = ["--drop", "--name", "other", "--password", "--password-stdin"];
    let (lines, _) = printed(&[&make[..], &[&world.alice("inbox")]].concat(), &input);
    assert!(lines[1].contains("-u ':PASSWORD' -T FILE"), "{lines:?}");
    shell(&lines[1].replace("curl", "curl -sS").replace("':PASSWORD'", "\":the link's own\""));
    assert_eq!(fs::read_dir(&inbox).unwrap().count(), 3);
}

#[test]
fn a_link_where_a_place_is_named_is_answered_with_what_takes_one() {
    let world = World::trusting();
    let secret = "s".repeat(43);
    let url = format!("https://127.0.0.1:1/.sealift-web/l/{secret}/");
    for words in [&["ls"][..], &["cat"], &["stat"], &["mirror", "./here"]] {
        let done = world.run([words, &[&url]].concat()).code(2).said("hint: `sealift get 'URL'`");
        assert!(!done.stderr.contains(&secret), "{done:?}");
    }
}

#[test]
fn several_links_are_removed_at_once_and_one_whose_file_is_gone_is_shown_as_such() {
    let world = World::trusting();
    let at = |path: &str| world.alice(path);
    for name in ["a", "b", "c"] {
        fs::write(world.remote("alice", name), name).unwrap();
        world.run(["link", &at(name)]).code(0);
    }
    fs::remove_file(world.remote("alice", "a")).unwrap();
    let listed = world.run(["link", "list", &at("")]).code(0);
    let gone: Vec<_> = listed.stdout().lines().filter(|line| line.contains("no more: nothing is there")).collect();
    assert!(gone.len() == 1 && gone[0].starts_with("a "), "{}", listed.stdout());
    let json = world.run(["--json", "link", "list", &at("")]).code(0);
    assert_eq!(json.stdout().matches(r#""gone":true"#).count(), 1, "{}", json.stdout());
    world.run(["link", "remove", &at(""), "a", "nix", "b"]).code(10).said("nix: you have no link of that name");
    assert_eq!(world.run(["link", "list", &at("")]).code(0).stdout().lines().count(), 1);
    let missing = world.run(["link", "--drop", &at("inbox")]).code(3);
    let missing = missing.said("sealift: inbox: no such file or folder");
    missing.said(&format!("`sealift mkdir -p {}` makes the folder.", at("inbox")));
}
