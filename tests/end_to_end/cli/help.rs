//! The help pages, as they are printed. `SEALIFT_BLESS=1 cargo test --test end_to_end cli::help` writes them anew.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::COPIES;
use crate::common::program::{PASSWORD, Terminal, World, finish};

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
    "health",
    "status",
    "admin",
    "admin who",
    "admin top",
    "admin kick",
    "admin penalties",
    "admin unban",
    "admin reload",
    "admin shutdown",
    "who",
    "kick",
    "shutdown",
    "join",
    "passwd",
    "key",
    "key new",
    "key list",
    "link",
    "link list",
    "link remove",
    "trash",
    "trash list",
    "trash restore",
    "trash empty",
    "trust",
    "trust add",
    "trust list",
    "trust remove",
    "bookmark",
    "bookmark add",
    "bookmark list",
    "bookmark remove",
    "completion",
    "manual",
];

pub fn sealift(args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
    let output = command.args(args).env_clear().env(COPIES.0, COPIES.1).output().unwrap();
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
            "admin who"
                | "admin kick"
                | "admin penalties"
                | "admin unban"
                | "admin reload"
                | "admin shutdown"
                | "key new"
                | "key list"
                | "link list"
                | "link remove"
                | "trash list"
                | "trash restore"
                | "trash empty"
                | "trust"
                | "trust list"
                | "trust remove"
                | "bookmark list"
                | "bookmark remove"
        );
        assert!(is_group_or_short || page.contains("Example"), "{command}");
    }
}

#[test]
fn the_page_of_help_of_every_command_fits_a_screen() {
    let lines = |page: &str| page.lines().count();
    let long: Vec<String> = COMMANDS
        .iter()
        .map(|command| (command, sealift(&command.split(' ').chain(["--help"]).collect::<Vec<_>>())))
        .filter(|(_, page)| lines(page) > 29)
        .map(|(command, page)| format!("{command}: {}", lines(&page)))
        .collect();
    assert!(long.is_empty(), "{long:?}");
    // And nothing is hidden from who asks for all.
    let all = sealift(&["help", "get"]);
    for option in ["--min-age", "--growing", "--progress", "--json", "--streams", "--limit-rate"] {
        assert!(all.contains(option), "{option}");
    }
}

#[test]
fn completion_scripts_ask_the_program_itself() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = sealift(&["completion", shell]);
        assert!(script.contains("COMPLETE"), "{shell}: {script}");
    }
}

/// No PowerShell runs here: its script is looked at, and what it would run is run.
#[test]
fn what_the_script_for_powershell_asks_is_answered_in_its_form() {
    let script = sealift(&["completion", "powershell"]);
    assert!(script.contains("Register-ArgumentCompleter -Native -CommandName sealift -ScriptBlock {"), "{script}");
    assert!(script.contains("$env:COMPLETE = 'powershell'") && script.contains("& sealift -- $words"), "{script}");
    // What was typed is run by nothing: neither as text, nor as a block or a command of its own.
    for runs in
        ["Invoke-Expression", "iex ", "Invoke-Command", "[scriptblock]", ".Invoke(", "GetScriptBlock", "@\"", "& $"]
    {
        assert!(!script.contains(runs), "{runs}: {script}");
    }
    assert_eq!(script.matches('&').count(), 1, "one program is run, and that is ours: {script}");
    // Every bracket is closed by its own kind, outside of words in quotes and of comments.
    let code = script.lines().filter(|line| !line.trim_start().starts_with('#'));
    let code: String =
        code.map(|line| line.replace("'[^\\w/.:=+%~-]'", "").replace("\"'\"", "").replace("\"''\"", "")).collect();
    let mut open = Vec::new();
    for c in code.chars() {
        match c {
            '(' | '[' | '{' => open.push(c),
            ')' | ']' | '}' => assert_eq!(
                open.pop(),
                Some(match c {
                    ')' => '(',
                    ']' => '[',
                    _ => '{',
                })
            ),
            _ => {}
        }
    }
    assert!(
        open.is_empty() && ['\'', '"'].iter().all(|quote| code.matches(*quote).count().is_multiple_of(2)),
        "{script}"
    );
    let ask = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
        let output = command.env("COMPLETE", "powershell").arg("--").args(words).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(
        ask(&["sealift", "mirr"]).starts_with("mirror\tMake one folder the same as another"),
        "{}",
        ask(&["sealift", "mirr"])
    );
    assert!(ask(&["sealift", "get", "--rec"]).starts_with("--recursive\t"));
    assert!(ask(&["sealift", ""]).lines().all(|line| line.matches('\t').count() <= 1));
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

#[test]
fn the_page_about_exit_codes_has_them_all_and_the_rule() {
    let page = sealift(&["help", "exit-codes"]);
    matches_file("exit-codes", &page);
    assert!(sealift(&["--help"]).contains(page.split("\n\n").next().unwrap()));
    assert!(page.contains("mirror") && page.contains("everything failed in the same way"));
}

/// A server with a few names on it and a name of its own, the script for this shell in a file, and a PATH with the program.
fn to_complete(shell: &str, script: &str) -> (World, String, String) {
    let world = World::trusting();
    for name in ["a b.txt", "plain.txt", "it's"] {
        fs::write(world.remote("public", name), name).unwrap();
    }
    fs::create_dir(world.remote("public", "folder")).unwrap();
    let server = world.public("");
    world.run(["bookmark", "add", "tour", &server]).code(0);
    fs::write(world.local(script), world.run(["completion", shell]).code(0).stdout).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_sealift")).parent().unwrap();
    (world, server, format!("{}:{}", program.display(), std::env::var("PATH").unwrap()))
}

/// What a real zsh makes of a line is seen by what a command gets of it.
#[test]
fn zsh_completes_names_on_servers() {
    let (world, server, path) = to_complete("zsh", "_sealift");
    let mut zsh = pty_process::blocking::Command::new("zsh").args(["-f", "-i"]);
    zsh = zsh.current_dir(world.work.path()).env("SEALIFT_CONFIG_DIR", world.config.path()).env("PATH", path);
    zsh = zsh.env("PS1", "$ ").env("TERM", "xterm").env("SEALIFT_PASSWORD", PASSWORD).env("HOME", world.work.path());
    let terminal = Terminal::of(zsh, (200, 30));
    let setup = "fpath=($PWD $fpath); autoload -Uz compinit && compinit -u -D && compdef _sealift shown; \
                 shown() { printf '<%s>' \"$@\"; echo }; echo rea''dy";
    terminal.expect("$ ").line(setup).expect("ready");
    let name = world.server.address();
    for (typed, completed) in [
        ("mirr".to_owned(), "<mirror>".to_owned()),
        ("get --progr".to_owned(), "<get><--progress>".to_owned()),
        ("ls tou".to_owned(), "<ls><tour:>".to_owned()),
        ("get tour:pl".to_owned(), "<get><tour:plain.txt>".to_owned()),
        (format!("get {server}a"), format!("<get><{server}a b.txt>")),
        ("get tour:a\\ ".to_owned(), "<get><tour:a b.txt>".to_owned()),
        ("get 'tour:a".to_owned(), "<get><tour:a b.txt>".to_owned()),
        ("get \"tour:it".to_owned(), "<get><tour:it's>".to_owned()),
        (format!("put _sealift {server}fo"), format!("<put><_sealift><{server}folder/>")),
        (format!("trust remove {}", &name[..6]), format!("<trust><remove><{name}>")),
    ] {
        terminal.keys(&format!("shown {typed}\t\r")).expect(&completed);
    }
    terminal.line("exit");
}

#[test]
fn fish_completes_names_on_servers() {
    let (world, server, path) = to_complete("fish", "sealift.fish");
    for (typed, completed) in [
        ("mirr".to_owned(), "mirror\t".to_owned()),
        ("get --progr".to_owned(), "--progress".to_owned()),
        ("ls tou".to_owned(), "tour:\n".to_owned()),
        ("get tour:pl".to_owned(), "tour:plain.txt\n".to_owned()),
        (format!("get {server}a"), format!("{server}a b.txt\n")),
        ("get tour:a\\ ".to_owned(), "tour:a b.txt\n".to_owned()),
        ("get 'tour:a".to_owned(), "tour:a b.txt\n".to_owned()),
        ("get \"tour:it".to_owned(), "tour:it's\n".to_owned()),
        (format!("put sealift.fish {server}fo"), format!("{server}folder/\n")),
    ] {
        let mut fish = Command::new("fish");
        fish.args(["--no-config", "-c", "source sealift.fish; complete -C \"$TYPED\""]).current_dir(world.work.path());
        fish.env("TYPED", format!("sealift {typed}")).env("SEALIFT_CONFIG_DIR", world.config.path()).env("PATH", &path);
        let shown = finish(fish, b"").code(0);
        assert!(shown.stdout().starts_with(&completed), "{typed}: {shown:?}");
    }
}

/// A real bash cuts a line at `:` and `@`, and a name with a blank must come out escaped.
#[test]
fn bash_completes_names_on_servers() {
    let (world, server, path) = to_complete("bash", "sealift.bash");
    let script = world.local("sealift.bash");
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
