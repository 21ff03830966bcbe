//! Completion of what is no file: what is in the trash, links, keys, bookmarks, trusted servers, sessions; in real shells.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::program::{PASSWORD, Terminal, World, finish};

/// Alice with something of each kind, the script for this shell in a file, and a PATH with the program.
fn world(shell: &str, script: &str) -> (World, String) {
    let world = World::trusting();
    let set = world.server.command(&["user", "set", "alice", "--trash", "30d"]).output().unwrap();
    assert!(set.status.success(), "{set:?}");
    fs::create_dir(world.remote("alice", "reports")).unwrap();
    for name in ["reports/summer.pdf", "reports/winter.pdf", "gone one"] {
        fs::write(world.remote("alice", name), name).unwrap();
    }
    world.run(["bookmark", "add", "tour", &world.alice("reports")]).code(0);
    world.run(["link", "--name", "holiday", &world.alice("reports")]).code(0);
    world.run(["login", "--name", "tablet", &world.alice("")]).code(0);
    world.run(["rm", &world.alice("gone one"), &world.alice("reports/summer.pdf")]).code(0);
    fs::write(world.local(script), world.run(["completion", shell]).code(0).stdout).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_sealift")).parent().unwrap();
    (world, format!("{}:{}", program.display(), std::env::var("PATH").unwrap()))
}

/// What is typed, and what that becomes, as words.
fn typed(world: &World) -> Vec<(String, String)> {
    let (alice, server) = (world.alice(""), world.server.address());
    vec![
        (format!("trash restore {alice}reports/s"), format!("trash|restore|{alice}reports/summer.pdf")),
        (format!("trash restore {alice}g"), format!("trash|restore|{alice}gone one")),
        ("trash empty tour:s".to_owned(), "trash|empty|tour:summer.pdf".to_owned()),
        (format!("link remove {alice} h"), format!("link|remove|{alice}|holiday")),
        (format!("key remove --json {alice} t"), format!("key|remove|--json|{alice}|tablet")),
        (format!("kick {alice} al"), format!("kick|{alice}|alice")),
        ("bookmark remove t".to_owned(), "bookmark|remove|tour".to_owned()),
        (format!("ls alice@{}", &server.to_string()[..6]), format!("ls|alice@{server}/")),
        (format!("trust remove {}", &server.to_string()[..6]), format!("trust|remove|{server}")),
    ]
}

#[test]
fn bash_completes_what_is_no_file() {
    let (world, path) = world("bash", "sealift.bash");
    let mut bash = pty_process::blocking::Command::new("bash").args(["--norc", "--noprofile", "-i"]);
    bash = bash.current_dir(world.work.path()).env("SEALIFT_CONFIG_DIR", world.config.path()).env("PATH", path);
    bash = bash.env("PS1", "$ ").env("TERM", "xterm").env("SEALIFT_PASSWORD", PASSWORD);
    let terminal = Terminal::of(bash, (200, 30));
    let setup = "source sealift.bash; complete -o bashdefault -o nosort -F _sealift shown; \
                 shown() { printf '<%s>' \"$@\"; echo; }; echo rea''dy";
    terminal.expect("$ ").line(setup).expect("ready");
    for (typed, completed) in typed(&world) {
        let completed: String = completed.split('|').map(|word| format!("<{word}>")).collect();
        terminal.keys(&format!("shown {typed}\t\r")).expect(&completed);
    }
    // Folders get one slash, also where bash adds one itself; a wildcard on a server is none for the names that are here.
    for folder in ["down", "my down"] {
        fs::create_dir(world.local(folder)).unwrap();
        fs::write(world.local(folder).join("one"), "").unwrap();
    }
    for (typed, completed) in [
        ("get tour:a do", "<get><tour:a><down/>"),
        ("get tour:a my", "<get><tour:a><my down/>"),
        ("put my\\ down/", "<put><my down/one>"),
        ("trash restore tour:down/*", "<trash><restore><tour:down/*>"),
        ("rm alice@nowhere.invalid/down/o", "<rm><alice@nowhere.invalid/down/o>"),
    ] {
        terminal.keys(&format!("shown {typed}\t\r")).expect(completed);
    }
    terminal.line("exit");
}

#[test]
fn zsh_completes_what_is_no_file() {
    let (world, path) = world("zsh", "_sealift");
    let mut zsh = pty_process::blocking::Command::new("zsh").args(["-f", "-i"]);
    zsh = zsh.current_dir(world.work.path()).env("SEALIFT_CONFIG_DIR", world.config.path()).env("PATH", path);
    zsh = zsh.env("PS1", "$ ").env("TERM", "xterm").env("SEALIFT_PASSWORD", PASSWORD).env("HOME", world.work.path());
    let terminal = Terminal::of(zsh, (200, 30));
    let setup = "fpath=($PWD $fpath); autoload -Uz compinit && compinit -u -D && compdef _sealift shown; \
                 shown() { printf '<%s>' \"$@\"; echo }; echo rea''dy";
    terminal.expect("$ ").line(setup).expect("ready");
    for (typed, completed) in typed(&world) {
        let completed: String = completed.split('|').map(|word| format!("<{word}>")).collect();
        terminal.keys(&format!("shown {typed}\t\r")).expect(&completed);
    }
    terminal.line("exit");
}

#[test]
fn fish_completes_what_is_no_file() {
    let (world, path) = world("fish", "sealift.fish");
    for (typed, completed) in typed(&world) {
        let mut fish = Command::new("fish");
        fish.args(["--no-config", "-c", "source sealift.fish; complete -C \"$TYPED\""]).current_dir(world.work.path());
        fish.env("TYPED", format!("sealift {typed}")).env("SEALIFT_CONFIG_DIR", world.config.path()).env("PATH", &path);
        let shown = finish(fish, b"").code(0);
        let last = completed.rsplit('|').next().unwrap();
        assert_eq!(shown.stdout(), format!("{last}\n"), "{typed}: {shown:?}");
    }
}

#[test]
fn a_tab_reaches_a_server_as_the_command_will() {
    let (world, _) = world("bash", "sealift.bash");
    let port = world.server.port().to_string();
    let words = |words: &[&str]| {
        let mut ask = world.command(["--", "sealift"].iter().chain(words));
        ask.env("COMPLETE", "fish").env("_CLAP_COMPLETE_INDEX", words.len().to_string());
        ask.env("SEALIFT_PASSWORD", PASSWORD);
        finish(ask, b"").code(0).stdout().to_owned()
    };
    assert_eq!(words(&["-P", &port, "link", "remove", "alice@127.0.0.1", "h"]), "holiday\n");
    assert_eq!(words(&["--port", &port, "ls", "alice@127.0.0.1/r"]), "alice@127.0.0.1/reports/\n");
    // Nobody can be asked, and nobody is.
    assert_eq!(words(&["link", "remove", "alice@127.0.0.1:1", "h"]), "");
}

#[test]
fn names_of_this_machine_are_offered_only_where_they_can_stand() {
    let (world, _) = world("bash", "sealift.bash");
    fs::create_dir(world.local("down")).unwrap();
    let offered = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let mut ask = world.command(["--", "sealift"].iter().chain(&words));
        ask.env("COMPLETE", "fish").env("_CLAP_COMPLETE_INDEX", words.len().to_string());
        ask.current_dir(world.work.path());
        finish(ask, b"").code(0).stdout().to_owned()
    };
    for line in ["get do", "get tour:x do", "put do", "put down/x tour: do", "mirror do", "mirror tour: do"] {
        assert_eq!(offered(line), "down/\n", "{line}");
    }
    for command in [
        "login",
        "logout",
        "passwd",
        "key list",
        "key remove",
        "link",
        "link list",
        "link remove",
        "ping",
        "health",
        "status",
        "who",
        "kick",
        "shutdown",
        "admin top",
        "admin who",
        "df",
        "ls",
        "tree",
        "du",
        "find",
        "cat",
        "rm",
        "mkdir",
        "mv",
        "cp",
        "stat",
        "hash",
        "verify",
        "accept",
        "shell",
        "trash list",
        "trash restore",
        "trash empty",
        "bookmark add work",
    ] {
        assert_eq!(offered(&format!("{command} do")), "", "{command}");
        let shown = offered(&format!("{command} to"));
        assert!(shown.lines().any(|word| word == "tour:"), "{command}: {shown}");
    }
}

/// Nobody logs in, or has keys and links, without a user.
#[test]
fn where_a_user_is_needed_servers_are_offered_with_one() {
    let (world, _) = world("bash", "sealift.bash");
    let server = world.server.address();
    let offered = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let mut ask = world.command(["--", "sealift"].iter().chain(&words));
        ask.env("COMPLETE", "fish").env("_CLAP_COMPLETE_INDEX", (words.len()).to_string());
        let shown = finish(ask, b"").code(0).stdout().to_owned();
        // Options may stand there, too.
        shown.lines().filter(|line| !line.starts_with('-')).map(|line| format!("{line}\n")).collect::<String>()
    };
    world.run(["bookmark", "add", "anybody", &server.to_string()]).code(0);
    for command in ["login", "logout", "passwd", "key list", "key remove", "link list", "link remove"] {
        assert_eq!(offered(&format!("{command} ")), format!("alice@{server}/\ntour:\n"), "{command}");
        assert_eq!(offered(&format!("{command} bob@")), format!("bob@{server}/\n"), "{command}");
    }
    let all = offered("ping ");
    assert!(all.lines().any(|word| word == format!("{server}/")) && all.contains("anybody:"), "{all}");
}

/// The same within the shell of the program itself.
#[test]
fn the_shell_completes_what_is_in_the_trash_and_links() {
    let (world, _) = world("bash", "sealift.bash");
    let mut terminal =
        world.terminal_of((100, 24), &[("SEALIFT_PASSWORD", PASSWORD)], ["shell", world.alice("").as_str()]);
    terminal.expect("/> ").keys("trash restore g\t\r").expect("/gone one is there again");
    terminal.expect("/> ").keys("cd r\t\r").expect("reports> ").keys("cd ..\r").expect("/> ");
    terminal.keys("trash l\t\r").expect("summer.pdf").expect("/> ").line("cd reports").expect("reports> ");
    terminal.keys("trash restore s\t --to again\r").expect("is back as /reports/again");
    terminal.expect("> ").keys("link remove h\t\r").expect("The link holiday gives nothing any more");
    terminal.expect("> ").line("exit");
    assert_eq!(terminal.wait().code(), Some(0));
}
