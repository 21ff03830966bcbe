//! `sealiftd user set` and `user show`, and what of a users file is wrong.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::common::program::Terminal;
use crate::common::{Daemon, RawClient, end_of, eventually, sealiftd, text};

fn run(place: &std::path::Path, args: &[&str], input: &str) -> (i32, String, String) {
    let mut command = sealiftd(place);
    command.args(args);
    let output = end_of(command, input);
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn done(place: &std::path::Path, args: &[&str]) -> String {
    let (code, out, err) = run(place, args, "correct-horse\n");
    assert_eq!(code, 0, "{args:?}: {err}");
    out
}

#[test]
fn what_is_set_counts_for_open_sessions_and_is_shown() {
    let daemon = Daemon::start();
    let place = daemon.place();
    daemon.add_user("alice", "correct-horse", "full");
    let mut alice = RawClient::logged_in(&daemon, "alice", "correct-horse");
    let said = done(place, &["user", "set", "alice", "--access", "read", "--max-sessions", "3"]);
    assert!(said.contains("may           full -> read\n") && said.contains("max sessions  none -> 3\n"), "{said}");
    assert_eq!(alice.upload("f", b"x").1, "denied", "the session that is open");
    let said = done(
        place,
        &[
            "user",
            "set",
            "alice",
            "--admin",
            "yes",
            "--quota",
            "1GiB",
            "--expires",
            "2999-01-31",
            "--from",
            "127.0.0.0/8,::1",
        ],
    );
    assert!(said.contains("expires       never -> 2999-01-31\n") && said.contains("-> 127.0.0.0/8, ::1\n"), "{said}");
    let shown = done(place, &["user", "show", "alice"]);
    for row in [
        "alice logs in.",
        "folder        alice",
        "may           read",
        "admin         yes",
        "quota         1 GiB",
        "enabled       yes",
        "expires       2999-01-31",
        "from          127.0.0.0/8, ::1",
        "max sessions  3",
        "password      yes",
    ] {
        assert!(shown.contains(row), "{row}\n{shown}");
    }
    let json: serde_json::Value = serde_json::from_str(&done(place, &["user", "show", "alice", "--json"])).unwrap();
    assert_eq!((&json["expires"], &json["from"][1]), (&"2999-02-01T00:00:00Z".into(), &"::1".into()));

    done(place, &["user", "set", "alice", "--enabled", "no"]);
    assert!(done(place, &["user", "show", "alice"]).starts_with("alice does not log in: disabled.\n"));
    assert!(done(place, &["user", "list"]).contains(" disabled"));
    let (code, said, _) = run(place, &["explain", "alice", "STAT", "f"], "");
    assert!(
        code == 5 && said.contains("the user is disabled") && said.contains("sealiftd user set alice --enabled yes"),
        "{said}"
    );
    let (_, said, _) = run(place, &["check"], "");
    assert!(said.contains("alice is disabled"), "{said}");

    // What is lifted is as if it had never been there.
    let lifted = ["--quota", "none", "--expires", "never", "--from", "anywhere", "--max-sessions", "none"];
    done(
        place,
        &[&["user", "set", "alice", "--enabled", "yes", "--admin", "no", "--access", "full"][..], &lifted].concat(),
    );
    let text = fs::read_to_string(place.join("users.toml")).unwrap();
    for key in ["quota", "expires", "from", "max_sessions"] {
        let section = text.split("\n[users.alice]\n").nth(1).unwrap();
        assert!(!section.contains(key), "{key}\n{section}");
    }
    assert!(done(place, &["user", "set", "alice"]).starts_with("Nothing changes"));
    RawClient::logged_in(&daemon, "alice", "correct-horse");
}

#[test]
fn what_the_defaults_say_is_lifted_by_a_word() {
    let place = TempDir::new().unwrap();
    let file = place.path().join("users.toml");
    fs::write(&file, "[defaults]\naccess = \"read\"\nquota = \"1 GiB\"  # for all\nexpires = 2999-12-31\n").unwrap();
    done(place.path(), &["user", "add", "alice", "--password-stdin"]);
    assert!(done(place.path(), &["user", "show", "alice"]).contains("quota         1 GiB"));
    done(place.path(), &["user", "set", "alice", "--quota", "none", "--expires", "never"]);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("# for all\n") && text.contains("\nquota = \"none\"\nexpires = \"never\"\n"), "{text}");
    let shown = done(place.path(), &["user", "show", "alice"]);
    assert!(shown.contains("quota         none") && shown.contains("expires       never"), "{shown}");
}

#[test]
fn a_wrong_value_is_refused_on_the_command_line() {
    let place = TempDir::new().unwrap();
    done(place.path(), &["user", "add", "alice", "--password-stdin"]);
    let before = fs::read_to_string(place.path().join("users.toml")).unwrap();
    for (args, code, hint) in [
        (&["user", "set", "alice", "--expires", "tomorrow"][..], 2, "such as 2027-01-31"),
        (&["user", "set", "alice", "--expires", "2027-02-30"], 2, "such as 2027-01-31"),
        (&["user", "set", "alice", "--from", "10.0.0.1/8"], 2, "written without a slash"),
        (&["user", "set", "alice", "--from", "example.org"], 2, "neither an address"),
        (&["user", "set", "alice", "--max-sessions", "0"], 2, "from 1 on"),
        (&["user", "set", "alice", "--limit-rate-down", "1K"], 2, "at least 64 KiB"),
        (&["user", "set", "alice", "--trash", "1s"], 2, "such as 30d"),
        (&["user", "set", "alice", "--enabled", "maybe"], 2, "--enabled"),
        (&["user", "add", "boss", "--admin", "true"], 2, "'true' for '--admin[=<yes|no>]' [possible values: yes, no]"),
        (
            &["user", "set", "alice", "--admin", "False"],
            2,
            "'False' for '--admin[=<yes|no>]' [possible values: yes, no]",
        ),
        (
            &["user", "set", "alice", "--enabled", "false"],
            2,
            "'false' for '--enabled <yes|no>' [possible values: yes, no]",
        ),
        (&["user", "set", "alice", "--home", "../x"], 2, ".."),
        (&["user", "set", "nobody", "--admin", "no"], 3, "user list"),
        (&["user", "set", "alice", "--admin=maybe"], 2, "--admin"),
        (&["user", "show", "nobody"], 3, "user list"),
    ] {
        let (found, _, said) = run(place.path(), args, "");
        assert!(found == code && said.contains(hint), "{args:?} {found}: {said}");
    }
    assert_eq!(fs::read_to_string(place.path().join("users.toml")).unwrap(), before);
}

#[test]
fn a_wrong_value_in_the_file_is_an_error_with_its_line_at_start_in_check_and_while_running() {
    let daemon = Daemon::start();
    daemon.add_user("alice", "correct-horse", "full");
    let file = daemon.place().join("users.toml");
    let good = fs::read_to_string(&file).unwrap();
    let line = good.lines().count() + 1;
    // The server reads the file when somebody logs in.
    RawClient::logged_in(&daemon, "alice", "correct-horse");
    for (wrong, why) in [
        ("enabeld = false", "unknown key 'enabeld': did you mean 'enabled'?"),
        ("enabled = \"no\"", "true or false"),
        ("expires = \"soon\"", "a date, as 2027-01-31"),
        ("expires = 2027", "a date, as 2027-01-31"),
        ("from = \"10.0.0.1/8\"", "written without a slash"),
        ("from = []", "a list of addresses and networks"),
        ("from = [\"10.0.0.0/33\"]", "0 to 32"),
        ("max_sessions = 0", "a whole number from 1 on"),
        ("max_sessions = -1", "a whole number from 1 on"),
        ("max_sessions = \"many\"", "a whole number from 1 on"),
        ("quota_files = 0", "a whole number from 1 on, as 10000"),
        ("quota_files = \"10\"", "a whole number from 1 on"),
        ("trash = 30", "text in quotes"),
        ("trash = \"long\"", "a time from 1h to 3650d"),
        ("trash = \"5m\"", "a time from 1h to 3650d"),
        ("limit_rate = 5", "a size a second, as \"10 MiB\""),
        ("limit_rate = \"fast\"", "a size a second, as \"10 MiB\""),
        ("limit_rate = \"1 KiB\"", "at least 64 KiB a second"),
        ("limit_rate = { dwn = \"1 MiB\" }", "unknown key 'dwn': did you mean 'down'?"),
        ("limit_rate = { up = 5 }", "text in quotes"),
    ] {
        let place = TempDir::new().unwrap();
        fs::write(place.path().join("users.toml"), format!("{good}{wrong}\n")).unwrap();
        for command in [&["--listen", "127.0.0.1:0"][..], &["check"], &["user", "list"]] {
            let (code, out, err) = run(place.path(), command, "");
            let said = format!("{out}{err}");
            assert!(
                code != 0 && said.contains(&format!("users.toml:{line}: ")) && said.contains(why),
                "{wrong}: {said}"
            );
        }
    }
    // The last good one stays in force.
    fs::write(&file, format!("{good}enabeld = false\n")).unwrap();
    eventually("it is reported", || {
        RawClient::logged_in(&daemon, "alice", "correct-horse");
        daemon.log().contains("did you mean 'enabled'?")
    });
}

#[test]
fn groups_folders_and_rules_are_told_and_set_gives_groups() {
    let place = TempDir::new().unwrap();
    let file = place.path().join("users.toml");
    fs::write(&file, "[groups.editors]\nmembers = []  # so far\n[groups.all]\nmembers = [\"@editors\"]\n[folders.team]\naccess = { \"@all\" = \"read\" }\n").unwrap();
    done(place.path(), &["user", "add", "alice", "--password-stdin"]);
    assert!(!done(place.path(), &["user", "list"]).contains("GROUPS"));
    let said = done(place.path(), &["user", "set", "alice", "--groups", "editors"]);
    assert!(said.contains("groups        none -> all, editors\n"), "{said}");
    assert!(fs::read_to_string(&file).unwrap().contains("members = [\"alice\"]  # so far\n"));
    let listed = done(place.path(), &["user", "list"]);
    assert!(listed.contains("GROUPS        SHARED\n") && listed.contains("all, editors  team\n"), "{listed}");
    let shown = done(place.path(), &["user", "show", "alice"]);
    assert!(
        shown.contains("groups        all, editors\n") && shown.contains("/team: read ([folders.team], @all)"),
        "{shown}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&done(place.path(), &["user", "show", "alice", "--json"])).unwrap();
    assert_eq!(json["groups"], serde_json::json!(["all", "editors"]));
    done(place.path(), &["user", "set", "alice", "--groups", "none"]);
    assert!(done(place.path(), &["user", "show", "alice"]).contains("groups        none\n"));
    let (code, _, said) = run(place.path(), &["user", "set", "alice", "--groups", "editor"], "");
    assert!(
        code == 3 && said.contains("there is no group 'editor'") && said.contains("`sealiftd group add NAME`"),
        "{said}"
    );
}

#[test]
fn nobody_is_given_a_folder_of_others_by_being_called_like_it() {
    let place = TempDir::new().unwrap();
    let file = "[anonymous]\nenabled = true\n[folders.team]\naccess = { \"*\" = \"read\" }\n\
                [folders.plans]\npath = \"office/plans\"\naccess = { \"*\" = \"read\" }\n";
    fs::write(place.path().join("users.toml"), file).unwrap();
    for (name, what) in [("public", "where anonymous reads"), ("team", "folder team"), ("office", "folder plans")] {
        let (code, _, err) = run(place.path(), &["user", "add", name, "--password-stdin"], "correct-horse\n");
        assert!(code == 2 && err.contains(what) && err.contains(&format!("--home {name} that")), "{name}: {err}");
    }
    assert_eq!(fs::read_to_string(place.path().join("users.toml")).unwrap(), file);
    done(place.path(), &["user", "add", "team", "--home", "team2", "--password-stdin"]);
    done(place.path(), &["user", "add", "public", "--home", "public", "--password-stdin"]);
    done(place.path(), &["user", "add", "teams", "--password-stdin"]);
}

/// A trash of one's own is easily taken for that of all that one sees.
#[test]
fn what_a_shared_folder_keeps_of_what_is_deleted_is_shown() {
    let place = TempDir::new().unwrap();
    let place = place.path();
    let folders = "[folders.team]\naccess = { \"*\" = \"full\" }\n[folders.docs]\ntrash = \"7d\"\naccess = { \"*\" = \"full\" }\n\
                   [folders.news]\naccess = { \"*\" = \"read\" }\n";
    fs::write(place.join("users.toml"), folders).unwrap();
    done(place, &["user", "add", "alice", "--trash", "30d", "--password-stdin"]);
    done(place, &["user", "add", "bob", "--password-stdin"]);
    let line = |user: &str, folder: &str| {
        let shown = done(place, &["user", "show", user]);
        shown.lines().find(|line| line.contains(&format!("/{folder}: "))).unwrap().to_owned()
    };
    assert!(line("alice", "team").ends_with("; keeps nothing that is deleted"));
    assert!(line("alice", "docs").ends_with("; keeps what is deleted for 7d"));
    assert!(line("alice", "news").ends_with("[folders.news], *)"));
    assert!(line("bob", "team").ends_with("[folders.team], *)"));
}

#[test]
fn who_is_refused_is_told_what_helps() {
    let place = TempDir::new().unwrap();
    let place = place.path();
    done(place, &["user", "add", "alice", "--password-stdin"]);
    let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDGqvYkMBP0Lm0Jzn1n alice@old";
    for (args, input, hint) in [
        (&["user", "add", "bob", "--key", rsa][..], "", "`ssh-keygen -t ed25519`"),
        (&["user", "add", "bob", "--password-stdin"], "\n", "at least 8 characters"),
        (&["user", "set", "anonymous", "--access", "full"], "", "are all that can be set for it"),
        (&["user", "passwd", "anonymous"], "", "`sealiftd user set anonymous --enabled no`"),
        (&["user", "rename", "alice", "bob"], "", "`sealiftd user add NEW --home OLD`"),
        (&["--port", "99"], "", "such as --listen 127.0.0.1:4456"),
    ] {
        let (code, _, said) = run(place, args, input);
        assert!(code != 0 && said.contains(hint), "{args:?}: {said}");
    }
    done(place, &["user", "add", "bob", "--home", "alice", "--password-stdin"]);
}

/// A flag to one command, with a value to the other: whoever learned one of them types it for both.
#[test]
fn an_administrator_is_named_alike_by_add_and_set() {
    let place = TempDir::new().unwrap();
    let is_admin = |name: &str| done(place.path(), &["user", "show", name, "--json"]).contains("\"admin\":true");
    for (name, words, expected) in [
        ("a", &["add", "a", "--admin"][..], true),
        ("b", &["add", "--admin", "b"], true),
        ("c", &["add", "c", "--admin", "yes"], true),
        ("d", &["add", "--admin", "no", "d"], false),
        ("e", &["add", "e", "--admin=yes"], true),
        ("d", &["set", "d", "--admin"], true),
        ("d", &["set", "d", "--admin", "no"], false),
        ("d", &["set", "--admin", "d"], true),
        ("d", &["set", "d", "--admin=no"], false),
    ] {
        let password = if words[0] == "add" { &["--password-stdin"][..] } else { &[] };
        done(place.path(), &[&["user"], words, password].concat());
        assert_eq!(is_admin(name), expected, "{words:?}");
    }
}

/// What a real bash makes of a line, by the script that the program writes.
#[test]
fn bash_completes_the_names_of_users() {
    let place = TempDir::new().unwrap();
    let place = place.path();
    for name in ["alice", "alan", "bob b"] {
        done(place, &["user", "add", name, "--password-stdin"]);
    }
    fs::write(place.join("script"), done(place, &["completion", "bash"])).unwrap();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_sealiftd")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let completed = |words: &[&str]| {
        let line = words.join(" ");
        let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        let code = format!(
            ". ./script; COMP_WORDS=({}) COMP_CWORD={} COMP_LINE='{line}' COMP_POINT={}; _sealiftd 2>/dev/null; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            quoted.join(" "),
            words.len() - 1,
            line.len()
        );
        let output =
            Command::new("bash").args(["--norc", "-c", &code]).current_dir(place).env("PATH", &path).output().unwrap();
        text(&output.stdout)
    };
    assert_eq!(completed(&["sealiftd", "user", "set", "al"]), "alan\nalice\n");
    assert_eq!(completed(&["sealiftd", "user", "key", "list", "ali"]), "alice\n");
    assert_eq!(completed(&["sealiftd", "explain", "bo"]), "bob b\n");
    assert_eq!(completed(&["sealiftd", "user", "pass"]), "passwd\n");
    assert_eq!(completed(&["sealiftd", "user", "add", "al"]), "\n", "who is added is new");
    done(place, &["group", "add", "alumni", "alice"]);
    done(place, &["folder", "add", "albums", "--access", "*=read"]);
    assert_eq!(completed(&["sealiftd", "group", "set", "al"]), "alumni\n");
    assert_eq!(completed(&["sealiftd", "group", "add", "new", "al"]), "alan\nalice\n");
    assert_eq!(completed(&["sealiftd", "folder", "show", "al"]), "albums\n");
}

#[test]
fn running_text_is_broken_at_words_at_a_narrow_terminal() {
    let place = TempDir::new().unwrap();
    done(place.path(), &["user", "add", "alice", "--password-stdin"]);
    let program = env!("CARGO_BIN_EXE_sealiftd");
    for args in [&["explain", "alice", "LINK", "x"][..], &["user", "set", "anonymous", "--enabled", "no"], &["check"]] {
        let command = pty_process::blocking::Command::new(program).args(args);
        let command = command.env_clear().env("TERM", "xterm").current_dir(place.path());
        let terminal = Terminal::of(command, (40, 12));
        let shown = terminal.whole();
        assert!(shown.lines().count() > 2, "{shown}");
        // A long word, as a path may be one, is left to the terminal.
        assert!(shown.lines().all(|line| line.chars().count() < 40 || !line.trim().contains(' ')), "{shown}");
    }
}

#[test]
fn the_list_of_users_at_a_narrow_terminal_is_a_few_lines_for_each() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    done(
        place,
        &[
            "user",
            "add",
            "alice",
            "--password-stdin",
            "--quota",
            "10GiB",
            "--access",
            "list,download,upload,rename,mkdir",
        ],
    );
    done(place, &["user", "add", "bob", "--password-stdin", "--access", "read"]);
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFrRUCCAwXuYmm4Bcb6LtpgXGwfWp5NHiMGgHyTYBvT+ alice@laptop";
    done(place, &["user", "key", "add", "alice", key]);
    let at = |columns| {
        let command = pty_process::blocking::Command::new(env!("CARGO_BIN_EXE_sealiftd"));
        let command = command.args(["user", "list"]).current_dir(place).env("TERM", "xterm");
        let mut terminal = Terminal::of(command, (columns, 12));
        assert!(terminal.wait().success());
        terminal.whole().replace("\r\n", "\n")
    };
    let narrow = at(40);
    assert!(narrow.contains("alice\n  folder  alice\n  may     list, download, upload,\n"), "{narrow}");
    assert!(narrow.contains("\n  keys    alice@laptop\n") && narrow.contains("\nbob\n  folder  bob\n"), "{narrow}");
    for line in narrow.lines() {
        assert!(console::measure_text_width(line) < 40, "{line}");
    }
    // With room for them they are rows, as they are for programs.
    let wide = at(120);
    assert!(wide.contains("USER ") && wide.lines().count() == 4, "{wide}");
    assert_eq!(wide, done(place, &["user", "list"]));
}

#[test]
fn a_check_names_all_mistakes_of_the_file_at_once() {
    let place = TempDir::new().unwrap();
    let place = place.path();
    done(place, &["user", "add", "alice", "--password-stdin"]);
    let good = fs::read_to_string(place.join("users.toml")).unwrap();
    let line = good.lines().count();
    let wrong = "quota = \"lots\"\nenabeld = true\n[groups.editors]\nmembers = [\"alcie\"]\n[folders.x]\naccess = { alice = \"raed\" }\n";
    fs::write(place.join("users.toml"), format!("{good}{wrong}")).unwrap();
    let (code, said, _) = run(place, &["check", "--json"], "");
    for (below, what) in
        [(1, "quota of user"), (2, "did you mean 'enabled'?"), (4, "did you mean 'alice'?"), (6, "'raed' is no")]
    {
        let line = said.lines().find(|told| told.contains(&format!("users.toml:{}: ", line + below)));
        assert!(code == 1 && line.is_some_and(|told| told.contains(what)), "{what}: {said}");
    }
    fs::write(place.join("users.toml"), format!("{good}[users.alice]\n")).unwrap();
    let (_, said, _) = run(place, &["check"], "");
    assert!(
        said.contains(&format!(":{}: not valid TOML: duplicate key 'alice', which is in line ", line + 1)),
        "{said}"
    );
    let expired = good.replace("\n[users.alice]\n", "\n[users.alice]\nexpires = 2020-01-01\n");
    fs::write(
        place.join("users.toml"),
        format!("{expired}[folders.x]\npath = \"/etc\"\naccess = {{ alice = \"read\" }}\n"),
    )
    .unwrap();
    let (code, said, _) = run(place, &["check", "--max-connections", "20"], "");
    assert!(code == 0 && said.contains("warning: alice has expired (2020-01-01)"), "{said}");
    assert!(said.contains("warning: the shared folder x is /etc, where the machine has what is its own"), "{said}");
    fs::write(place.join("sealiftd.toml"), "listen = \n").unwrap();
    let (code, _, said) = run(place, &["check"], "");
    assert!(code == 2 && said.contains("hint: Each line is KEY = VALUE"), "{said}");
}

#[test]
fn anonymous_reading_is_turned_off_and_on_for_sessions_that_are_open() {
    let daemon = Daemon::start();
    let place = daemon.place();
    fs::create_dir_all(daemon.data().join("elsewhere")).unwrap();
    fs::write(daemon.data().join("public/f"), "public").unwrap();
    fs::write(daemon.data().join("elsewhere/f"), "elsewhere").unwrap();
    let is_let_in = || RawClient::connect(&daemon).try_login("anonymous", "").0 == 230;
    assert!(is_let_in());
    let said = done(place, &["user", "set", "anonymous", "--enabled", "no"]);
    assert!(said.starts_with("Anonymous reading is off.") && said.contains("Nobody reads without a login."), "{said}");
    assert!(!is_let_in());
    let said = done(place, &["user", "set", "anonymous", "--enabled", "yes", "--home", "elsewhere"]);
    assert!(said.starts_with("Anonymous reading is on.") && said.contains("elsewhere.\n"), "{said}");
    let mut client = RawClient::connect(&daemon);
    client.login("anonymous", "");
    assert_eq!(client.download("f").unwrap(), b"elsewhere");
    assert!(done(place, &["user", "set", "anonymous"]).starts_with("Nothing changes"));
}

/// It is written, and what else was written stays.
#[test]
fn what_is_set_of_anonymous_reading_while_it_is_off_is_said_and_counts_once_it_is_on() {
    let daemon = Daemon::start();
    let place = daemon.place();
    done(place, &["user", "set", "anonymous", "--enabled", "no", "--limit-rate-down", "3MiB"]);
    let said = done(place, &["user", "set", "anonymous", "--home", "elsewhere"]);
    assert!(said.starts_with("Anonymous reading is off") && said.contains("counts once it is on:"), "{said}");
    assert!(said.contains("  folder        elsewhere\n") && said.contains("--enabled yes"), "{said}");
    let said = done(place, &["user", "set", "anonymous", "--home", "elsewhere"]);
    assert!(said.starts_with("Nothing changes"), "{said}");
    let said = done(place, &["user", "set", "anonymous", "--limit-rate-up", "2MiB"]);
    assert!(said.contains("limit up") && !said.contains("limit down"), "{said}");
    let said = done(place, &["user", "set", "anonymous", "--enabled", "yes"]);
    assert!(said.starts_with("Anonymous reading is on.") && said.contains("elsewhere.\n"), "{said}");
    let file = fs::read_to_string(place.join("users.toml")).unwrap();
    assert!(file.contains("limit_rate = { down = \"3 MiB\", up = \"2 MiB\" }"), "{file}");
}

/// They are said once, with the program itself: behind each command they would be most of its page.
#[test]
fn a_command_names_the_options_that_say_where_everything_is_and_takes_them_on_either_side() {
    let daemon = Daemon::start();
    let help = |words: &[&str]| {
        let output = daemon.command(words).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        // However wide it is shown.
        text(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for words in [&["user", "list", "--help"][..], &["user", "key", "add", "--help"], &["help", "folder", "set"]] {
        let page = help(words);
        assert!(!page.contains("Places:") && !page.contains("Folder of the server's own state"), "{page}");
        assert!(page.contains("--users") && page.contains("`sealiftd --help`"), "{page}");
    }
    assert!(help(&["folder", "add", "--help"]).contains("A drop box"), "its examples are still there");
    for words in [&["--help"][..], &["serve", "--help"], &["check", "--help"]] {
        assert!(help(words).contains("Folder of the server's own state"), "{words:?}");
    }
    daemon.add_user("alice", "correct-horse", "full");
    let file = daemon.place().join("users.toml").display().to_string();
    let other = daemon.place().join("other.toml").display().to_string();
    std::fs::write(&other, "").unwrap();
    for words in
        [["--users", &file, "user", "list"], ["user", "--users", &file, "list"], ["user", "list", "--users", &file]]
    {
        let listed = sealiftd(daemon.place()).env("SEALIFT_USERS", &other).args(words).output().unwrap();
        assert!(text(&listed.stdout).contains("alice"), "{words:?}: {listed:?}");
    }
}
