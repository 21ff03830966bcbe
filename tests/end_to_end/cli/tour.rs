//! The README's tour, typed as it stands: only the build is left out, and the port is one that is free.

use std::path::Path;
use std::process::Command;

use crate::common::program::finish;

const README: &str = include_str!("../../../README.md");

/// All lines of the section that are typed into a shell.
fn lines(section: &str) -> String {
    let (_, section) = README.split_once(&format!("\n## {section}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    blocks.collect()
}

#[test]
fn the_tour_of_the_readme_goes_as_it_is_written() {
    let place = tempfile::tempdir().unwrap();
    let typed = lines("Five minutes");
    assert!(typed.contains("sealift mirror ./project") && typed.contains("sealift get '127.0.0.1/*.txt' texts/"));
    let mut script = String::from("set -em\n");
    for (written, here) in [
        ("cargo build --release\nexport PATH=\"$PWD/target/release:$PATH\"\n", ""),
        ("/tmp/sealift-tour", "tour"),
        ("--listen 127.0.0.1:4456", "--listen 127.0.0.1:0 --port-file port"),
        ("sleep 1\n", "until [ -s port ]; do sleep 0.05; done; export SEALIFT_PORT=$(cat port)\n"),
        ("127.0.0.1:4456", "127.0.0.1:$SEALIFT_PORT"),
        (" ; echo \"exit $?\"", " || echo \"exit $?\""),
    ] {
        assert!(typed.contains(written), "{written}");
        script = if script.len() < 10 { script + &typed.replace(written, here) } else { script.replace(written, here) };
    }
    let program = Path::new(env!("CARGO_BIN_EXE_sealift")).parent().unwrap();
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).current_dir(place.path()).env_clear();
    shell.env("PATH", format!("{}:{}", program.display(), std::env::var("PATH").unwrap()));
    shell.env("HOME", place.path()).env("SEALIFT_CONFIG_DIR", place.path().join("config"));
    let done = finish(shell, b"").code(0).said("Remembered the key of 127.0.0.1");
    for shown in ["hello, world\n", "exit 5\n", "exit 7\n", "221 "] {
        assert!(done.stdout().contains(shown), "{shown}: {done:?}");
    }
    assert!(place.path().join("tour/texts/hello.txt").exists());
    assert!(place.path().join("tour/server_data/alice/project-copy/src/main.rs").exists());
}
