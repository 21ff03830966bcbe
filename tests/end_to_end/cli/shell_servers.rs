//! The shell, and what is typed there as on a command line: with its server before it.

use std::fs;

use crate::common::program::{World, finish};

/// The names in a folder, sorted, without what a server keeps beside them.
fn names(folder: std::path::PathBuf) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != ".sealift");
    names.sort();
    names
}

#[test]
fn a_name_with_the_server_of_the_shell_before_it_is_one_there_and_makes_no_folder_called_so() {
    let world = World::trusting();
    fs::create_dir_all(world.remote("alice", "docs/sub")).unwrap();
    fs::write(world.remote("alice", "docs/a.txt"), "a").unwrap();
    fs::write(world.local("up"), "up").unwrap();
    world.run(["bookmark", "add", "work", &world.alice("docs")]).code(0);
    let at = |path: &str| world.alice(path);
    let script = format!(
        "cd docs/sub\nput up {}\nput up {}\nmkdir {}\nget '{}' got\nls {}\nls {}\nls work:\nls work:*.txt\ncat sealift://{}\ncd {}\npwd\n\
         mv {} {}\n",
        at("up2"),
        at("new/"),
        at("made"),
        at("docs/a.txt"),
        at("docs/*.txt"),
        at(""),
        at("docs/a.txt"),
        at("docs"),
        at("up2"),
        at("up3"),
    );
    let done = world.run_with(["shell", &world.alice("")], script.as_bytes()).code(0);
    assert_eq!(done.stdout(), "docs/a.txt\ndocs/\nmade/\nnew/\nup2\na.txt\nsub/\ndocs/a.txt\na/docs\n", "{done:?}");
    assert_eq!(names(world.remote("alice", "")), ["docs", "made", "new", "up3"]);
    assert_eq!(names(world.remote("alice", "docs/sub")), Vec::<String>::new());
    assert_eq!(fs::read(world.local("got")).unwrap(), b"a");
}

#[test]
fn a_place_of_another_login_is_refused_before_anything_is_made() {
    let world = World::trusting();
    fs::write(world.remote("alice", "f"), "f").unwrap();
    fs::write(world.local("up"), "up").unwrap();
    world.run(["bookmark", "add", "other", "bob@elsewhere.example/x"]).code(0);
    let bob = world.alice("").replace("alice@", "bob@");
    for line in [
        format!("put up {bob}"),
        format!("mkdir -p {bob}x/y"),
        "put up other:".to_owned(),
        "put up me@elsewhere.example:4456/x/".to_owned(),
        "ls sealift://elsewhere.example/".to_owned(),
        "mv f other:f".to_owned(),
    ] {
        let done = world.run_with(["shell", &world.alice("")], format!("{line}\n").as_bytes()).code(2);
        done.said("and this shell is at alice@").said("`open ").said("./");
    }
    for line in ["get f other:", "get f other:new/", "mirror . other:", "get f me@elsewhere.example:4456/x/"] {
        world.run_with(["shell", &world.alice("")], format!("{line}\n").as_bytes()).code(2);
    }
    assert_eq!(names(world.local("")), ["up"]);
    assert!(!world.remote("alice", "x").exists() && fs::exists(world.remote("alice", "f")).unwrap());
    // Names may have these signs too.
    let script =
        "put up icon@2x.png\nput up log-12:30\nput up ./other:x\nmkdir me@home\nput up me@home/\nget icon@2x.png\nls\n";
    let done = world.run_with(["shell", &world.alice("")], script.as_bytes()).code(0);
    assert_eq!(done.stdout(), "f\nicon@2x.png\nlog-12:30\nme@home/\nother:x\n");
}

#[test]
fn a_mirror_is_written_as_in_lftp_or_as_on_the_command_line() {
    let world = World::trusting();
    fs::create_dir_all(world.local("site")).unwrap();
    fs::write(world.local("site/a"), "a").unwrap();
    let www = world.alice("www");
    let script = format!("mirror ./site {www}\nmirror {www} ./copy\nmirror -R site {www}-2\nmirror www ./copy2\n");
    world.run_with(["shell", &world.alice("")], script.as_bytes()).code(0);
    assert_eq!(names(world.local("")), ["copy", "copy2", "site"]);
    for copy in [
        world.remote("alice", "www/a"),
        world.remote("alice", "www-2/a"),
        world.local("copy/a"),
        world.local("copy2/a"),
    ] {
        assert_eq!(fs::read(copy).unwrap(), b"a");
    }
    let refused = |line: String| world.run_with(["shell", &world.alice("")], format!("{line}\n").as_bytes()).code(2);
    refused(format!("mirror {www} {www}-3")).said("both are on a server");
    refused(format!("mirror -R {www} x")).said("Leave -R away");
    // A quoted name is the name that it says, on both sides.
    fs::create_dir(world.local("st*r")).unwrap();
    fs::write(world.local("st*r/b"), "b").unwrap();
    world.run_with(["shell", &world.alice("")], b"mirror -R 'st*r' 'st*r'\nmirror 'st*r' 'b?ck'\n").code(0);
    assert_eq!(fs::read(world.remote("alice", "st*r/b")).unwrap(), b"b");
    assert_eq!(fs::read(world.local("b?ck/b")).unwrap(), b"b");
}

#[test]
fn login_and_logout_do_of_a_server_what_they_do_on_the_command_line() {
    let world = World::trusting();
    let (alice, keys) =
        (world.alice(""), || fs::read_dir(world.config.path().join("logins")).map_or(0, Iterator::count));
    let host = alice.trim_end_matches('/').to_owned();
    let done = world.run_with(["shell", &alice], b"mkdir x\ncd x\nlogin\npwd\nlogin\nlogout\nnever\n").code(0);
    assert_eq!(done.stdout(), "/x\n");
    done.said(&format!("This machine logs in as {host} from now on")).said("already");
    assert_eq!(keys(), 2, "the key and its public half");
    let mut shell = world.command(["shell", &alice]);
    shell.env_remove("SEALIFT_PASSWORD");
    let script = format!("login {host}\nlogout {host}\n");
    finish(shell, script.as_bytes()).code(0).said("already").said("This machine has forgotten its key");
    assert_eq!(keys(), 0);
    // Of another user it is what `sealift login` is, and the shell stays where it is; with a name alone it goes on as that user.
    let script = format!("login {host}\nstatus\nlogin alice\nstatus\n");
    let done = world.run_with(["shell", &world.public("")], script.as_bytes()).code(0).said("from now on");
    let users: Vec<_> = done.stdout().lines().filter_map(|line| line.trim().strip_prefix("user: ")).collect();
    assert_eq!(users, ["anonymous", "alice"], "{done:?}");
    world.run_with(["shell", &world.public("")], b"login\n").code(2).said("`login NAME` goes on as a user here");
}

#[test]
fn whoever_logs_out_at_a_terminal_is_told_that_the_key_stays() {
    let world = World::trusting();
    world.run(["login", &world.alice("")]).code(0);
    let mut terminal = world.terminal(["shell", &world.alice("")]);
    terminal.expect("/> ").line("logout").expect("still logs in as alice@").expect("`sealift logout alice@");
    assert_eq!(terminal.wait().code(), Some(0));
    let mut terminal = world.terminal(["shell", &world.public("")]);
    terminal.expect("/> ").line("logout");
    assert_eq!(terminal.wait().code(), Some(0));
    assert!(!terminal.whole().contains("still logs in"), "anonymous has no key");
}

#[test]
fn programs_are_told_the_folder_as_an_object() {
    let world = World::trusting();
    fs::create_dir_all(world.remote("alice", "a/b")).unwrap();
    let done = world.run_with(["--json", "shell", &world.alice("a")], b"pwd\ncd /\npwd\ncd -\nlpwd\n").code(0);
    let told: Vec<serde_json::Value> = done
        .stdout()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|err| panic!("{err}: {line}")))
        .filter(|object: &serde_json::Value| object["event"] == "folder")
        .collect();
    let paths: Vec<_> = told.iter().map(|one| (one["side"].as_str().unwrap(), one["path"].as_str().unwrap())).collect();
    let here = fs::canonicalize(world.local("")).unwrap();
    assert_eq!(paths, [("server", "a"), ("server", "."), ("server", "a"), ("local", here.to_str().unwrap())]);
}
