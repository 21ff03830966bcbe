//! The examples of the help pages, which are those of the man pages too: each is typed into a shell as it stands, with only
//! addresses and pins changed to those of a real server.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::help;
use crate::common::end_of;
use crate::common::program::{PASSWORD, Terminal, World, finish};

/// What cannot be typed as it stands, or not here.
const CANNOT: &[&str] = &[
    // Nobody could type what is left out.
    "sealift join 'sealift://alice@files.example:4456/#…'",
    "sealiftd user key add alice 'ssh-ed25519 AAAA… alice@laptop'",
    // It wants an invitation on its standard input: join.rs gives it one.
    "sealift join -",
    // They serve for ever, and one on a port that others may have: daemon.rs starts servers in both ways.
    "sealiftd",
    "sealiftd --listen 127.0.0.1:0 --port-file port",
    // The machine's own services are not for tests.
    "sealiftd check && systemctl restart sealiftd",
];

/// What ends otherwise than with 0 here.
const OTHERWISE: &[(&str, &[i32])] = &[
    // There is no such session, no such invitation, no key of that name.
    ("sealift key remove alice@files.example alice@laptop", &[3]),
    // Nothing is shared there.
    ("sealift df alice@files.example/team", &[3]),
    // Nothing is kept there.
    ("sealift trash restore alice@files.example/reports/summer.pdf", &[3]),
    ("sealift trash restore alice@files.example/reports --to reports-of-monday", &[3]),
    ("sealift trash restore 'alice@files.example/photos/*.jpg'", &[3]),
    ("sealift trash restore --since 10m alice@files.example/photos", &[3]),
    ("sealift kick admin@files.example bob", &[3]),
    ("sealift admin unban admin@files.example 192.0.2.7", &[3]),
    // Settings that came when the server was confined already are out of its reach.
    ("sealift admin reload admin@files.example", &[0, 2]),
    ("sealift kick admin@files.example 7b430352ecddde17", &[3]),
    ("sealiftd invite --revoke 5f0c3a9be1d27744", &[3]),
    // The server has a certificate.
    ("sealiftd cert new --name files.example.org --name 192.0.2.7", &[11]),
    // It says so by its exit code that he may not.
    ("sealiftd explain anonymous UPLOAD hello.txt", &[5]),
    // Where a test runs as root, say, or in a folder of everybody, something deserves a look.
    ("sealiftd check --strict", &[0, 1]),
];

/// What asks, of somebody at a terminal: the question and the answer, in which `HOST` and `PORT` are the server's.
const ASKING: &[(&str, &[(&str, &str)])] = &[
    (
        "sealift shell",
        &[("Server: ", "HOST"), ("Port [4456]: ", "PORT"), ("User [anonymous]: ", ""), ("> ", "ls"), ("> ", "exit")],
    ),
    ("sealift shell alice@files.example/photos", &[("/photos> ", "exit")]),
    ("sealift alice@files.example", &[("> ", "exit")]),
    (
        "sealift link --password alice@files.example/docs",
        &[("New password", "another one"), ("The same again: ", "another one")],
    ),
    ("sealift passwd alice@files.example", &[("New password", "another one"), ("The same again: ", "another one")]),
    ("sealiftd user add alice", &[("New password", "a good one"), ("The same again: ", "a good one")]),
    ("sealiftd user add bob --quota 10GiB", &[("New password", "a good one"), ("The same again: ", "a good one")]),
    ("sealiftd user add root --access none --admin", &[("New password", "good one"), ("again: ", "good one")]),
    (
        "sealiftd user add guest --access read --expires 2027-01-31 --from 192.0.2.0/24",
        &[("New password", "good one"), ("again: ", "good one")],
    ),
];

/// The examples of a page: lines that begin with two spaces. Further in stands what they do.
fn examples(page: &str) -> Vec<&str> {
    let Some((_, section)) = page.split_once("\nExamples:\n").or_else(|| page.split_once("\nExample:\n")) else {
        return Vec::new();
    };
    let lines = section.lines().take_while(|line| !line.is_empty());
    lines.filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with([' ', '#'])).collect()
}

/// A server and a person with all that the examples speak of.
fn prepared() -> World {
    let world = World::trusting();
    world.server.add_user_with("admin", PASSWORD, &["--admin"]);
    let script = r#"
        mkdir -p .ssh .zfunc .config/fish/completions .local/share/bash-completion/completions project photos site src pub
        ssh-keygen -q -t ed25519 -N '' -f .ssh/work
        echo "$SEALIFT_PASSWORD" > pw; cp pw .alice; chmod 600 pw .alice
        touch -d yesterday stamp
        echo boat.jpg > names.txt
        echo ls > nightly.txt
        for file in report.pdf backup.tar a.jpg b.jpg project/f photos/x.jpg site/index.html src/f pub/a.iso pub/b.iso \
            ./-odd-name.txt; do echo content > $file; done

        cd "$PLACE"
        echo 'a good password' > secret; cp "$HOME/.ssh/work.pub" alice.pub
        mkdir isos audit; echo '{"time":"2026-11-24T10:00:00.000Z","event":"start","pid":1}' > audit/audit.jsonl; gzip -k audit/audit.jsonl
        echo 'audit = "audit/audit.jsonl"' > sealiftd.toml; chmod 644 sealiftd.toml
        cd server_data/alice
        mkdir -p logs old-folder photos/2024 archive backup reports projects project www docs
        for file in report.pdf a.txt b.txt draft.txt old.txt logs/2025-01 old-folder/f photos/boat.jpg reports/r project/f \
            docs/report.txt
        do echo content > $file; done
        cd ../public
        mkdir -p pub/photos reports
        for file in pub/report.pdf pub/a.iso pub/b.iso pub/2026-01 pub/photos/x.jpg reports/summer.pdf
        do echo content > $file; done
        tar cf pub/backup.tar pub/photos; tar czf pub/backup.tar.gz pub/photos; cp pub/backup.tar.gz pub/src.tar.gz
    "#;
    finish(typed(&world, script, world.work.path()), b"").code(0);
    world
}

/// What runs these lines, and fails if one of them does.
const SHELL: [&str; 5] = ["bash", "-e", "-o", "pipefail", "-c"];

/// What they find in their environment: the programs, alice's password, and the names that they use.
fn variables(world: &World) -> Vec<(&'static str, OsString)> {
    let programs = Path::new(env!("CARGO_BIN_EXE_sealift")).parent().unwrap();
    let mut path = OsString::from(programs);
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    let mut variables = world.environment();
    variables.extend([("PATH", path), ("PLACE", world.server.place().into())]);
    let texts =
        [("SEALIFT_PASSWORD", PASSWORD), ("OLD", "another one"), ("NEW", "a third one"), ("PROFILE", "profile")];
    variables.extend(texts.map(|(name, text)| (name, text.into())));
    variables
}

/// These lines typed in this folder, where there is no terminal.
fn typed(world: &World, lines: &str, folder: &Path) -> Command {
    let mut command = Command::new("setsid");
    command.arg("--wait").args(SHELL).arg(lines).current_dir(folder).env_clear().envs(variables(world));
    command
}

/// The same at one.
fn at_a_terminal(world: &World, line: &str, folder: &Path) -> Terminal {
    let [shell, arguments @ ..] = SHELL;
    let command = pty_process::blocking::Command::new(shell).args(arguments).arg(line).current_dir(folder);
    Terminal::of(command.env_clear().envs(variables(world)).env("TERM", "xterm").env("NO_COLOR", "1"), (100, 24))
}

/// The example with this server's address and pin in the place of those that it names.
fn here(example: &str, world: &World) -> String {
    let address = world.server.address();
    let isos = world.server.place().join("isos").display().to_string();
    let mut line = example.replace("files.example.org", "files.invalid").replace("/srv/files", "server_data");
    line = line.replace("/srv/isos", &isos);
    for name in ["files.example:5000", "files.example:4456", "files.example", "192.0.2.7:5000", "localhost"] {
        line = line.replace(name, &address);
    }
    for pin in ["sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "sha256//BASE64"] {
        line = line.replace(pin, world.server.pin());
    }
    line
}

/// Runs all examples of a page, one after the other, in this folder of the world.
fn run(world: &World, examples: &[&str], folder: &Path) {
    for example in examples.iter().filter(|example| !CANNOT.contains(example)) {
        let line = here(example, world);
        let code = if let Some((_, asked)) = ASKING.iter().find(|(asking, _)| asking == example) {
            let mut terminal = at_a_terminal(world, &line, folder);
            for (question, answer) in *asked {
                let answer = answer.replace("HOST", "127.0.0.1").replace("PORT", &world.server.port().to_string());
                terminal.expect(question).line(&answer);
            }
            terminal.wait().code()
        } else {
            let done = finish(typed(world, &line, folder), b"");
            println!("{example}\n{}{}", String::from_utf8_lossy(&done.stdout), done.stderr);
            done.code
        };
        let expected = OTHERWISE.iter().find_map(|(of, codes)| (of == example).then_some(*codes)).unwrap_or(&[0]);
        assert!(code.is_some_and(|code| expected.contains(&code)), "{example}: {code:?}");
    }
}

/// The pages of `sealift`, by what shows them.
fn pages() -> impl Iterator<Item = String> {
    let pages = help::COMMANDS.iter().map(|command| format!("help {command}"));
    pages.chain(["--help", "help connection"].map(str::to_owned))
}

/// The pages of `sealiftd` that have examples.
const ADMINISTRATION: &[&str] =
    &["", "user", "user key add", "group", "folder", "cert", "check", "explain", "scrub", "audit", "invite", "config"];

#[test]
fn the_examples_of_sealift_s_pages_do_what_they_say() {
    for words in pages() {
        let page = help::sealift(&words.split(' ').collect::<Vec<_>>());
        let examples = examples(&page);
        if !examples.is_empty() {
            let world = prepared();
            run(&world, &examples, world.work.path());
        }
    }
}

#[test]
fn the_examples_of_sealiftd_s_pages_do_what_they_say() {
    for words in ADMINISTRATION {
        let page = administration(words);
        let examples = examples(&page);
        assert!(!examples.is_empty(), "{words}");
        let world = prepared();
        // There are no such users yet where an example makes them.
        if ["", "user", "invite"].contains(words) {
            for user in ["alice", "bob"] {
                assert!(world.server.command(&["user", "remove", user]).output().unwrap().status.success());
                // Nor is anything left of them, which nobody is given by mistake.
                fs::remove_dir_all(world.remote(user, "")).unwrap();
            }
        }
        // A check of what is in order finds nothing, and the passwords of tests are hashed too cheaply for that.
        if *words == "check" {
            for user in ["alice", "bob"] {
                let command = world.server.command(&["user", "passwd", user, "--password-stdin"]);
                assert!(end_of(command, PASSWORD).status.success());
            }
        }
        run(&world, &examples, world.server.place());
    }
}

fn administration(words: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealiftd"));
    let output = command.args(words.split(' ').filter(|word| !word.is_empty())).arg("--help").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_is_said_here_of_examples_is_of_examples_that_there_are() {
    let ours: Vec<String> = pages().map(|words| help::sealift(&words.split(' ').collect::<Vec<_>>())).collect();
    let theirs: Vec<String> = ADMINISTRATION.iter().map(|words| administration(words)).collect();
    let there: BTreeSet<&str> = ours.iter().chain(&theirs).flat_map(|page| examples(page)).collect();
    let told = CANNOT.iter().chain(OTHERWISE.iter().map(|(of, _)| of)).chain(ASKING.iter().map(|(of, _)| of));
    told.for_each(|example| assert!(there.contains(example), "{example}"));
    assert!(there.len() > 80, "{}", there.len());
}
