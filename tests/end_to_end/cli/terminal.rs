//! Questions, passwords and the shell at a terminal.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::common::program::{PASSWORD, Proxy, World};

#[test]
fn a_new_server_is_trusted_when_the_person_says_so_and_asked_about_only_once() {
    let world = World::new();
    let mut first = world.terminal(["ls", &world.public("")]);
    first.expect("is not known yet").expect(world.server.pin()).expect("(yes, no, or type the pin): ");
    first.line("y").expect("Please type yes, no, or the pin: ").line("yes").expect("Remembered").expect("is empty");
    assert_eq!(first.wait().code(), Some(0));
    let mut second = world.terminal(["ls", &world.public("")]);
    second.expect("is empty");
    assert_eq!(second.wait().code(), Some(0));
    assert!(!second.shown().contains("not known"));
}

#[test]
fn the_pin_typed_in_full_is_a_yes_and_another_one_is_a_no() {
    let world = World::new();
    let mut wrong = world.terminal(["ls", &world.public("")]);
    wrong.expect("type the pin): ").line("sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").expect("not trusted");
    assert_eq!(wrong.wait().code(), Some(7));
    let mut no = world.terminal(["ls", &world.public("")]);
    no.expect("type the pin): ").line("no").expect("not trusted");
    assert_eq!(no.wait().code(), Some(7));
    let mut right = world.terminal(["trust", "add", &world.server.address()]);
    right.expect("type the pin): ").line(world.server.pin()).expect("Remembered");
    assert_eq!(right.wait().code(), Some(0));
}

#[test]
fn a_password_is_asked_for_without_being_shown_and_may_be_mistyped() {
    let world = World::trusting();
    let mut terminal = world.terminal(["ls", &world.alice("")]);
    let prompt = format!("Password for alice@{}: ", world.server.address());
    terminal.expect(&prompt).line("mistyped").expect("try again").expect(&prompt).line(PASSWORD).expect("is empty");
    assert_eq!(terminal.wait().code(), Some(0));
    assert!(!terminal.shown().contains("mistyped") && !terminal.shown().contains(PASSWORD));
}

#[test]
fn ctrl_c_at_a_question_ends_the_program() {
    let world = World::trusting();
    let mut terminal = world.terminal(["ls", &world.alice("")]);
    terminal.expect("Password for").keys("\x03");
    assert_eq!(terminal.wait().code(), Some(130));
    let unknown = World::new();
    let mut terminal = unknown.terminal(["ls", &unknown.public("")]);
    terminal.expect("type the pin): ").keys("\x03");
    assert_eq!(terminal.wait().code(), Some(130));
}

#[test]
fn a_terminal_shows_columns_with_names_escaped() {
    let world = World::trusting();
    for name in ["a", "b\u{202e}c"] {
        fs::write(world.remote("public", name), "").unwrap();
    }
    fs::create_dir(world.remote("public", "dir")).unwrap();
    let mut terminal = world.terminal(["ls", &world.public("")]);
    terminal.expect("a  b\\u{202e}c  dir/");
    assert_eq!(terminal.wait().code(), Some(0));
}

#[test]
fn a_long_transfer_shows_a_bar_at_a_terminal_alone() {
    let world = World::trusting();
    fs::write(world.remote("public", "large"), vec![0; 100_000_000]).unwrap();
    let proxy = Proxy::slow(&world);
    world.trust(proxy.address);
    let mut terminal = world.terminal(["get", &format!("{}/large", proxy.address), "copy"]);
    terminal.expect("MiB").expect("left").expect("large").keys("\x03").expect("interrupted");
    assert_eq!(terminal.wait().code(), Some(130));
    assert_eq!(fs::read_dir(world.work.path()).unwrap().count(), 0);
}

#[test]
fn a_conversation_at_a_terminal() {
    let world = World::new();
    fs::create_dir(world.remote("alice", "my docs")).unwrap();
    fs::write(world.remote("alice", "my docs/notes.txt"), "hello").unwrap();
    let mut terminal = world.terminal(["shell"]);
    let port = world.server.port().to_string();
    terminal.expect("Server: ").line("127.0.0.1").expect("Port [4456]: ").line(&port);
    terminal.expect("User [anonymous]: ").line("alice").expect("type the pin): ").line("yes");
    terminal.expect("Password for alice").line(PASSWORD).expect("Logged in as alice");
    terminal.expect(&format!("pid {}, session ", world.server.pid()));
    terminal.expect("alice@127.0.0.1:/> ").line("LS").expect("my docs/");
    // Tab completes a name on the server, with its space protected.
    terminal.expect("/> ").keys("cd my\t").expect("my\\ docs/").keys("\r").expect("alice@127.0.0.1:/my docs> ");
    terminal.line("cat notes.txt").expect("hello\r\n");
    let missing = format!("no such file or folder (server's pid {})", world.server.pid());
    terminal.expect("> ").line("rm missing").expect(&missing).expect("hint:");
    // Inside quotes, and options.
    terminal.expect("> ").keys("cat 'no\t").expect("cat 'notes.txt'").keys("\r").expect("hello");
    terminal.expect("> ").keys("rm --rec\t").expect("rm --recursive").keys("\x03");
    terminal.expect("> ").line("nonsense").expect("`nonsense` is no command of the shell");
    terminal.expect("> ").line("help").expect("Download files");
    terminal.expect("> ").line("exit");
    assert_eq!(terminal.wait().code(), Some(0));
    let history = fs::read_to_string(world.config.path().join("history")).unwrap();
    assert!(history.contains("cat notes.txt") && !history.contains(PASSWORD));
    let mode = fs::metadata(world.config.path().join("history")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0);
}

#[test]
fn the_shell_connects_again_by_itself_and_keeps_the_folder() {
    let world = World::trusting();
    fs::create_dir(world.remote("alice", "docs")).unwrap();
    fs::write(world.remote("alice", "docs/notes"), "").unwrap();
    let proxy = Proxy::start(&world);
    world.trust(proxy.address);
    let mut terminal = world.terminal(["shell", &format!("alice@{}/docs", proxy.address)]);
    terminal.expect("Password for alice").line(PASSWORD).expect(":/docs> ");
    // What only asks is asked again.
    proxy.cut();
    terminal.line("ls").expect("notes").expect(":/docs> ");
    // What acts is not: it may have been done. The next command has a new connection.
    proxy.cut();
    terminal.line("mkdir x").expect("hint:").expect(":/docs> ");
    terminal.line("mkdir y").expect(":/docs> ").line("cd y").expect(":/docs/y> ").keys("\x04");
    assert_eq!(terminal.wait().code(), Some(0));
}

#[test]
fn a_terminal_is_spared_what_is_no_text_unless_asked_for() {
    let world = World::trusting();
    fs::write(world.remote("public", "colours"), "a\x1b[31mb\n").unwrap();
    fs::write(world.remote("public", "text"), "plain\n").unwrap();
    let mut terminal = world.terminal(["cat", &world.public("colours"), &world.public("text")]);
    terminal.expect("is not text").expect("cat -f").expect("plain");
    assert_eq!(terminal.wait().code(), Some(10));
    assert!(!terminal.shown().contains("a\x1b[31mb"));
    let mut terminal = world.terminal(["cat", "-f", &world.public("colours")]);
    terminal.expect("a\x1b[31mb");
    assert_eq!(terminal.wait().code(), Some(0));
}

#[test]
fn lines_that_are_typed_ahead_or_pasted_at_once_are_all_read() {
    let world = World::trusting();
    fs::write(world.remote("public", "text"), "one\ntwo\n").unwrap();
    let mut terminal = world.terminal(["shell", &world.public("")]);
    terminal.expect("/> ").keys("ls\rpwd\rcat text\r").expect("text\r\n").expect("/\r\n").expect("two\r\n");
    terminal.expect("/> ").keys("\x04");
    assert_eq!(terminal.wait().code(), Some(0));
}

#[test]
fn a_pager_has_the_terminal_until_it_ends() {
    let world = World::trusting();
    fs::write(world.remote("public", "text"), "one\ntwo\n").unwrap();
    let mut terminal = world.terminal(["shell", &world.public("")]);
    terminal.expect("/> ").line("cat text | sh -c 'cat; read answer < /dev/tty; echo got $answer'");
    terminal.expect("two").keys("\x03").line("ls");
    // Ctrl-C is for the program; whatever becomes of that, the conversation goes on.
    terminal.expect("/> ").line("pwd").expect("/\r\n").expect("/> ").keys("\x04");
    assert_eq!(terminal.wait().code(), Some(0));
}

#[test]
fn ctrl_c_in_the_shell_stops_the_command_and_not_the_shell() {
    let world = World::trusting();
    fs::write(world.remote("public", "large"), vec![0; 100_000_000]).unwrap();
    let proxy = Proxy::slow(&world);
    world.trust(proxy.address);
    let mut terminal = world.terminal(["shell", &proxy.address.to_string()]);
    terminal.expect("/> ").line("get large copy").expect("MiB").keys("\x03").expect("interrupted");
    terminal.expect("/> ").line("ls").expect("large").expect("/> ").line("quit");
    assert_eq!(terminal.wait().code(), Some(0));
    assert_eq!(fs::read_dir(world.work.path()).unwrap().count(), 0);
}

#[test]
fn ctrl_c_at_a_question_of_the_shell_gives_the_prompt_back() {
    let world = World::trusting();
    let set = world.server.command(&["user", "set", "alice", "--trash", "30d"]).output().unwrap();
    assert!(set.status.success(), "{set:?}");
    fs::write(world.remote("alice", "gone"), "gone").unwrap();
    let mut terminal = world.terminal(["shell", &world.alice("")]);
    terminal.expect("Password for alice").line(PASSWORD).expect(":/> ").line("rm gone").expect(":/> ");
    terminal.line("trash empty .").expect("(yes, no): ").keys("\x03").expect("interrupted").expect(":/> ");
    terminal.line("trash list").expect("gone").expect(":/> ");
    let other = world.public("").replace("127", "bob@127");
    terminal.line(&format!("open {other}")).expect("Password for bob").keys("\x03").expect("interrupted");
    terminal.expect("alice@127.0.0.1:/> ").line("login bob").expect("Password for bob").keys("\x03");
    terminal.expect("interrupted").expect("alice@127.0.0.1:/> ").line("pwd").expect("/\r\n").expect("> ").line("quit");
    assert_eq!(terminal.wait().code(), Some(0));
}
