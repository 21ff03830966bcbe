//! The help pages, as they are printed. `SEALIFT_BLESS=1 cargo test --test end_to_end cli::help` writes them anew.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::program::{PASSWORD, Terminal, World};

pub const COMMANDS: &[&str] = &[
    "ls",
    "tree",
    "du",
    "df",
    "find",
    "get",
    "put",
    "mirror",
    "rm",
    "mkdir",
    "mv",
    "cp",
    "cat",
    "stat",
    "hash",
    "verify",
    "accept",
    "shell",
    "ping",
    "status",
    "who",
    "kick",
    "shutdown",
    "join",
    "passwd",
    "key",
    "key new",
    "key list",
    "trust",
    "trust add",
    "trust list",
    "trust remove",
    "bookmark",
    "bookmark add",
    "bookmark list",
    "bookmark remove",
    "completion",
];

pub fn sealift(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_sealift")).args(args).env_clear().output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn matches_file(name: &str, shown: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/end_to_end/cli/help").join(format!("{name}.txt"));
    if std::env::var_os("SEALIFT_BLESS").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, shown).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(shown, expected, "{name}");
}

#[test]
fn the_first_page_is_as_written_down() {
    matches_file("sealift", &sealift(&["--help"]));
    assert_eq!(sealift(&["help"]), sealift(&["--help"]));
}

#[test]
fn every_command_s_page_is_as_written_down_and_shows_an_example() {
    for command in COMMANDS {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let page = sealift(&words);
        matches_file(&command.replace(' ', "-"), &page);
        let is_group_or_short = matches!(
            *command,
            "key new" | "key list" | "trust" | "trust list" | "trust remove" | "bookmark list" | "bookmark remove"
        );
        assert!(is_group_or_short || page.contains("Example"), "{command}");
    }
}

#[test]
fn completion_scripts_ask_the_program_itself() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = sealift(&["completion", shell]);
        assert!(script.contains("COMPLETE"), "{shell}: {script}");
    }
}

#[test]
fn the_options_about_the_connection_stand_once() {
    let page = sealift(&["help", "connection"]);
    matches_file("connection", &page);
    for command in ["ls", "get", "mirror", "trust"] {
        let own = sealift(&[command, "--help"]);
        assert!(own.contains("sealift help connection") && !own.contains("--password-file"), "{command}");
    }
}

/// A real bash cuts a line at `:` and `@`, and a name with a blank must come out escaped.
#[test]
fn bash_completes_names_on_servers() {
    let world = World::trusting();
    for name in ["a b.txt", "plain.txt"] {
        fs::write(world.remote("public", name), name).unwrap();
    }
    fs::create_dir(world.remote("public", "folder")).unwrap();
    let server = world.public("");
    world.run(["bookmark", "add", "tour", &server]).code(0);
    let script = world.local("sealift.bash");
    fs::write(&script, world.run(["completion", "bash"]).code(0).stdout).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_sealift")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut bash = pty_process::blocking::Command::new("bash").args(["--norc", "--noprofile", "-i"]);
    bash = bash.current_dir(world.work.path()).env("SEALIFT_CONFIG_DIR", world.config.path()).env("PATH", path);
    bash = bash.env("PS1", "$ ").env("TERM", "xterm").env("SEALIFT_PASSWORD", PASSWORD);
    let terminal = Terminal::of(bash, (200, 30));
    terminal.expect("$ ").line(&format!("source {}", script.display())).expect("$ ");
    for (typed, completed) in [
        ("mirr".to_owned(), "mirror ".to_owned()),
        ("get --progr".to_owned(), "get --progress".to_owned()),
        ("ls tou".to_owned(), "ls tour:".to_owned()),
        ("get tour:pl".to_owned(), "get tour:plain.txt ".to_owned()),
        (format!("get {server}a"), format!("get {server}a\\ b.txt ")),
        (format!("get \"{server}a"), format!("get \"{server}a b.txt\" ")),
        (format!("put sealift.bash {server}fo"), format!("put sealift.bash {server}folder/")),
        (format!("get {server}a\\ "), format!("get {server}a\\ b.txt ")),
    ] {
        terminal.keys(&format!("sealift {typed}\t")).expect(&format!("sealift {completed}")).keys("\x15");
    }
    terminal.line("exit");
}
