//! What else the README shows, beside the tour: what curl and rclone are told, what people typed before and type now, and what
//! the first lines show.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::program::{PASSWORD, Terminal, World, finish};

const README: &str = include_str!("../../../README.md");

fn section(name: &str) -> &'static str {
    let (_, section) = README.split_once(&format!("\n## {name}\n")).unwrap();
    section.split("\n## ").next().unwrap()
}

/// Lines typed into a shell where both programs are, and alice's password in SEALIFT_PASSWORD.
fn typed(world: &World, lines: &str) -> Command {
    let programs = Path::new(env!("CARGO_BIN_EXE_sealift")).parent().unwrap();
    let mut shell = Command::new("setsid");
    shell.args(["--wait", "bash", "-e", "-o", "pipefail", "-c", lines]).current_dir(world.work.path()).env_clear();
    shell.envs(world.environment()).env("SEALIFT_PASSWORD", PASSWORD);
    shell.env("PATH", format!("{}:{}", programs.display(), std::env::var("PATH").unwrap()));
    shell
}

#[test]
fn the_readme_s_lines_for_curl_and_rclone_do_what_they_say() {
    let world = World::trusting();
    fs::write(world.remote("public", "hello.txt"), "hello, world\n").unwrap();
    fs::create_dir_all(world.remote("alice", "project/src")).unwrap();
    fs::write(world.remote("alice", "project/src/main.rs"), "fn main() {}").unwrap();
    fs::write(world.local("report.pdf"), "report").unwrap();
    fs::create_dir(world.local("photos")).unwrap();
    fs::write(world.local("photos/boat.jpg"), "boat").unwrap();
    fs::copy(world.server.place().join("certs/cert.pem"), world.local("cert.pem")).unwrap();
    let mut lines = String::new();
    for name in ["From a browser or curl", "WebDAV: rclone and mounts"] {
        lines += section(name).split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    }
    let address = world.server.address();
    for (written, here) in [
        ("127.0.0.1:4456", &*address),
        ("HOST:4456", &address),
        // Who is asked for the password types it.
        ("-u alice ", &format!("-u 'alice:{PASSWORD}' ")),
        ("\"$(rclone obscure -)\"", &format!("\"$(echo '{PASSWORD}' | rclone obscure -)\"")),
        ("$(sealiftd cert pin)", world.server.pin()),
    ] {
        assert!(lines.contains(written), "{written}");
        lines = lines.replace(written, here);
    }
    let done = finish(typed(&world, &lines), b"").code(0);
    assert!(done.stdout().contains("hello, world\n"), "{done:?}");
    assert_eq!(fs::read(world.local("main.rs")).unwrap(), b"fn main() {}");
    assert_eq!(fs::read(world.remote("alice", "report.pdf")).unwrap(), b"report");
    assert_eq!(fs::read(world.remote("alice", "photos/boat.jpg")).unwrap(), b"boat");
    assert!(world.local("project.tar").exists());
}

#[test]
fn what_people_typed_before_is_done_by_what_the_readme_says_they_type_now() {
    let world = World::trusting();
    let rows = section("Coming from sftp, rsync, rclone or curl").lines().filter(|line| line.starts_with("| `"));
    let columns = rows.map(|row| row.trim_matches('|').split(" | ").nth(1).unwrap().replace("\\|", "|"));
    let all: Vec<String> = columns
        .flat_map(|column| column.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>())
        .filter(|command| command.starts_with("sealift "))
        .collect();
    assert!(all.len() > 14, "{all:?}");
    let address = world.server.address();
    let (alice, public) = (format!("alice@{address}"), address.clone());
    let prepare = |world: &World| {
        let _ = fs::remove_dir_all(world.local("dir"));
        fs::create_dir_all(world.local("dir")).unwrap();
        for file in ["dir/f", "f", "a.o"] {
            fs::write(world.local(file), file).unwrap();
        }
        fs::write(world.local("list"), "f\n").unwrap();
        fs::write(world.local("batch"), "ls\n").unwrap();
        let mut tar = Command::new("tar");
        let packed =
            tar.arg("cf").arg(world.remote("public", "f")).arg("-C").arg(world.work.path()).arg("a.o").status();
        assert!(packed.unwrap().success());
    };
    // Some that stand before it use the name that this one gives.
    let named = all.iter().filter(|command| command.contains("bookmark add"));
    let others = all.iter().filter(|command| !command.contains("bookmark add"));
    for command in named.chain(others) {
        prepare(&world);
        let line = command.replace("alice@host", &alice).replace(" host/", &format!(" {public}/"));
        let line = line.replace(" host", &format!(" {public}"));
        if command == "sealift alice@host" {
            let shell = pty_process::blocking::Command::new("bash").args(["-c", &line]);
            let shell = shell.current_dir(world.work.path()).env_clear().envs(world.environment());
            let programs = Path::new(env!("CARGO_BIN_EXE_sealift")).parent().unwrap().display().to_string();
            let path = format!("{programs}:{}", std::env::var("PATH").unwrap());
            let shell = shell.env("PATH", path).env("SEALIFT_PASSWORD", PASSWORD).env("TERM", "xterm");
            let mut terminal = Terminal::of(shell, (100, 30));
            terminal.expect("> ").line("exit");
            assert_eq!(terminal.wait().code(), Some(0));
            continue;
        }
        finish(typed(&world, &line), b"").code(0);
        if command.contains("trust remove") {
            world.trust(&address);
        }
    }
}

#[test]
fn the_first_lines_of_the_readme_show_what_the_programs_print() {
    let shown = README.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    let world = World::new();
    fs::write(world.remote("public", "hello.txt"), "hello, world\n").unwrap();
    let mut asked = world.terminal(["ls", &format!("{}/", world.server.address())]);
    asked.expect("Trust this server from now on?").line("yes");
    assert_eq!(asked.wait().code(), Some(0));
    let done = world.run_with(["shell", &world.alice("")], b"download nothing\n");
    let hint = done.stderr.lines().find(|line| line.contains("hint:")).unwrap();
    assert!(shown.contains(hint.trim()), "{hint}");
    for line in shown
        .lines()
        .filter(|line| line.contains("is not known yet") || line.contains("Compare it") || line.contains("Trust this"))
    {
        let line = line.split("4456").last().unwrap().split("yes").next().unwrap().trim();
        assert!(asked.shown().replace("\r\n", " ").contains(line), "{line}: {}", asked.shown());
    }
}
