//! Servers under names of their own, and what is set for them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::common::program::{World, finish};

const OTHER: &str = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn config(world: &World) -> String {
    fs::read_to_string(world.config.path().join("config.toml")).unwrap_or_default()
}

fn set(world: &World, text: &str) {
    fs::write(world.config.path().join("config.toml"), text).unwrap();
}

/// A world in which `work:` is alice's folder `projects`.
fn with_work() -> World {
    let world = World::trusting();
    fs::create_dir(world.remote("alice", "projects")).unwrap();
    fs::write(world.remote("alice", "projects/a.txt"), "in projects").unwrap();
    fs::write(world.remote("alice", "top.txt"), "at the top").unwrap();
    world.run(["bookmark", "add", "work", &world.alice("projects")]).code(0).said("`sealift ls work:`");
    world
}

#[test]
fn a_bookmark_is_a_target_of_every_command() {
    let world = with_work();
    assert_eq!(world.run(["ls", "work:"]).code(0).stdout(), "a.txt\n");
    assert_eq!(world.run(["ls", "work:/"]).code(0).stdout(), "projects/\ntop.txt\n");
    assert_eq!(world.run(["cat", "work:a.txt", "work:/top.txt"]).code(0).stdout(), "in projectsat the top");
    world.run(["get", "work:a.txt", "here.txt"]).code(0);
    assert_eq!(fs::read_to_string(world.local("here.txt")).unwrap(), "in projects");
    world.run(["put", "here.txt", "work:2024/5000"]).code(3);
    world.run(["put", "here.txt", "work:2024/"]).code(0);
    assert_eq!(fs::read_to_string(world.remote("alice", "projects/2024/here.txt")).unwrap(), "in projects");
    world.run(["mv", "work:2024/here.txt", "work:b.txt"]).code(0);
    world.run(["mkdir", "work:new"]).code(0);
    world.run(["stat", "work:b.txt"]).code(0);
    world.run(["hash", "work:b.txt"]).code(0);
    world.run(["rm", "-r", "work:b.txt", "work:new"]).code(0);
    world.run(["mirror", "work:", "copy"]).code(0);
    assert_eq!(fs::read_to_string(world.local("copy/a.txt")).unwrap(), "in projects");
    world.run(["mirror", "copy", "work:copied"]).code(0);
    assert!(world.remote("alice", "projects/copied/a.txt").exists());
    world.run(["ping", "work:"]).code(0);
    world.run(["status", "work:"]).code(0);
    world.run(["who", "work:"]).code(0);
    let shell = world.run_with(["shell", "work:"], b"ls a.txt\nexit\n").code(0);
    assert!(shell.stdout().contains("a.txt"), "{shell:?}");
    world.run(["trust", "remove", "work:"]).code(0);
    world.run(["ls", "work:"]).code(7).said("is not known");
    world.run(["trust", "add", "work:", "--trust", "accept-new"]).code(0);
    world.run(["ls", "work:"]).code(0);
}

#[test]
fn what_is_for_another_server_on_a_host_does_not_go_to_the_one_that_is_called_like_it() {
    let world = World::trusting();
    let address = world.alice("").replace("127.0.0.1", "localhost");
    world.run(["trust", "add", &address, "--trust", "accept-new"]).code(0);
    world.run(["bookmark", "add", "localhost", &address]).code(0);
    fs::write(world.local("file"), "a").unwrap();
    world.run(["put", "file", &address]).code(0);
    assert_eq!(fs::read_to_string(world.remote("alice", "file")).unwrap(), "a");
    let other = "alice@localhost:1/docs/";
    world.run(["put", "file", other]).code(2).said(&format!("sealift://{other}"));
    assert!(!world.remote("alice", "1").exists());
    world.run(["put", "file", "localhost:/1/docs/"]).code(0);
    assert!(world.remote("alice", "1/docs/file").exists());
}

/// With two names, the last would be a local file called `work:b`.
#[test]
fn several_of_a_bookmark_s_files_are_fetched_to_the_current_folder() {
    let world = with_work();
    fs::write(world.remote("alice", "projects/b.txt"), "b").unwrap();
    world.run(["get", "work:a.txt", "work:b.txt"]).code(0);
    assert_eq!(fs::read_to_string(world.local("b.txt")).unwrap(), "b");
    assert!(!world.local("work:b.txt").exists());
    world.run(["get", "work:a.txt", "./work:b.txt"]).code(0);
    assert_eq!(fs::read_to_string(world.local("work:b.txt")).unwrap(), "in projects");
}

#[test]
fn another_user_stands_before_the_name_and_hosts_are_written_as_ever() {
    let world = with_work();
    world.run(["ls", "bob@work:"]).code(5);
    world.run(["ls", &world.public("")]).code(0);
    world.run(["ls", "wrok:x"]).code(2).said("sealift bookmark list");
    // A host of this name is looked for without the colon.
    world.run(["--retry", "0", "ls", "work"]).code(6).said("is written with a colon: work:");
}

#[test]
fn bookmarks_are_added_listed_and_removed_and_comments_stay() {
    let world = World::new();
    assert_eq!(world.run(["bookmark", "list"]).code(0).said("no bookmarks yet").stdout(), "");
    set(&world, "# mine\n[defaults]\nretry = 2 # few\n");
    world.run(["bookmark", "add", "work", "alice@Files.Example:5000/a b"]).code(0);
    world.run(["bookmark", "add", "v6", "[::1]", "--pin", OTHER, "--timeout", "2m"]).code(0);
    let text = config(&world);
    assert!(text.starts_with("# mine\n[defaults]\nretry = 2 # few\n"), "{text}");
    assert!(text.contains(&format!("[server.v6]\nhost = \"::1\"\npin = \"{OTHER}\"\ntimeout = \"2m\"\n")), "{text}");
    let mode = fs::metadata(world.config.path().join("config.toml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let listed = "v6:    [::1]/\nwork:  alice@files.example:5000/a b/\n";
    assert_eq!(world.run(["bookmark", "list"]).code(0).stdout(), listed);
    assert_eq!(world.run(["bookmarks"]).code(0).stdout(), listed);
    let json = world.run(["--json", "bookmark", "list"]).code(0);
    let line = format!(
        r#"{{"v":1,"event":"bookmark","name":"v6","host":"::1","port":null,"user":null,"path":"","pins":["{OTHER}"]}}"#
    );
    assert!(json.stdout().starts_with(&line), "{}", json.stdout());
    world.run(["bookmark", "add", "work", "other.example"]).code(11).said("--force");
    world.run(["bookmark", "add", "--force", "work", "other.example"]).code(0);
    world.run(["bookmark", "add", "files.example", "other.example"]).code(2).said("no dot");
    world.run(["bookmark", "remove", "work"]).code(0);
    world.run(["bookmark", "remove", "work:"]).code(3).said("sealift bookmark list");
    assert_eq!(world.run(["bookmarks"]).code(0).stdout(), "v6:  [::1]/\n");
}

#[test]
fn what_is_set_for_a_server_holds_and_the_command_line_overrides_it() {
    let world = World::new();
    let (port, pin) = (world.server.port(), world.server.pin());
    let server = format!("[server.work]\nhost = \"127.0.0.1\"\nuser = \"alice\"\npin = \"{pin}\"\n");
    set(&world, &format!("[defaults]\nport = {port}\n{server}"));
    world.run(["ls", "work:"]).code(0);
    world.run(["--pin", OTHER, "ls", "work:"]).code(7).said("--pin given");
    world.run(["--port", "1", "--retry", "0", "ls", "work:"]).code(6).said("127.0.0.1:1");
    set(&world, &format!("[defaults]\nport = {port}\n{}", server.replace(pin, OTHER)));
    world.run(["ls", "work:"]).code(7).said("Nothing was sent").said("in config.toml");
    world.run(["--pin", pin, "ls", "work:"]).code(0);
    let certificate = world.server.place().join("certs/cert.pem");
    let ca = format!("[server.work]\nhost = \"localhost\"\nport = {port}\nca_file = \"{}\"\n", certificate.display());
    set(&world, &ca);
    world.run(["ls", "work:"]).code(0);
}

#[test]
fn a_mistake_in_the_file_is_named_with_its_line_and_a_password_is_refused() {
    let world = World::trusting();
    set(&world, "[server.work]\nhost = \"h\"\ncolour = 1\n");
    world.run(["ls", &world.public("")]).code(2).said("config.toml:3: server 'work' has an unknown key 'colour'");
    set(&world, "[server.work]\nhost = \"h\"\npassword = \"canary\"\n");
    let refused = world.run(["ls", &world.public("")]).code(2).said("config.toml:3: a password is never kept");
    assert!(!refused.stderr.contains("canary"));
    world.run(["bookmark", "add", "more", "h"]).code(2);
    assert!(!config(&world).contains("more"));
}

#[test]
fn another_file_is_named_by_option_or_environment() {
    let world = World::trusting();
    fs::write(
        world.local("mine.toml"),
        format!("[server.work]\nhost = \"127.0.0.1\"\nport = {}\n", world.server.port()),
    )
    .unwrap();
    world.run(["ls", "work:"]).code(2);
    world.run(["--config", "mine.toml", "ls", "work:"]).code(0);
    let mut command = world.command(["ls", "work:"]);
    command.env("SEALIFT_CONFIG", "mine.toml");
    finish(command, b"").code(0);
    world.run(["--config", "missing.toml", "ls", &world.public("")]).code(3).said("missing.toml");
    world.run(["--config", "new.toml", "bookmark", "add", "work", "h"]).code(0);
    assert_eq!(fs::read_to_string(world.local("new.toml")).unwrap(), "[server.work]\nhost = \"h\"\n");
    world.run(["--config", "/dev/null", "ls", &world.public("")]).code(0);
}

#[test]
fn a_path_behind_a_name_that_leads_out_is_refused_for_that() {
    let world = World::trusting();
    set(&world, &format!("[server.work]\nhost = \"127.0.0.1\"\nport = {}\n", world.server.port()));
    for args in [&["ls", "work:/../x"][..], &["ls", "work:/.."], &["get", "work:/../x"], &["ls", "work:../x"]] {
        let done = world.run(args).code(2).said("`.` and `..` are not names");
        assert!(!done.stderr.contains("no server is called"), "{}", done.stderr);
    }
}
