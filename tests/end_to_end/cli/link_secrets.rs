//! Whoever has the URL of a link can use it: it is said to nobody but the server that it leads to.

use std::fs;
use std::process::Stdio;

use super::going_on::interrupted;
use crate::common::eventually;
use crate::common::program::{Proxy, World};
use crate::common::running::bytes;

/// A link, through this line, and its secret.
fn link(world: &World, proxy: &Proxy, words: &[&str]) -> (String, String) {
    let made = world.run([&["link"], words].concat()).code(0);
    let url = made.stdout().trim_end().replace(&world.server.address(), &proxy.address.to_string());
    let secret = url.split("/l/").nth(1).unwrap().split('/').next().unwrap().to_owned();
    assert!(secret.len() > 20, "{url}");
    (url, secret)
}

#[test]
fn what_is_said_of_a_transfer_that_was_cut_off_does_not_name_the_link_it_came_by() {
    let world = World::trusting();
    fs::create_dir(world.remote("alice", "inbox")).unwrap();
    fs::write(world.remote("alice", "large.bin"), bytes(12_000_000)).unwrap();
    fs::write(world.local("large"), bytes(12_000_000)).unwrap();
    let proxy = Proxy::start(&world);
    let (gives, read) = link(&world, &proxy, &[&world.alice("large.bin")]);
    let (takes, put) = link(&world, &proxy, &["--drop", &world.alice("inbox")]);
    for words in [&["get", &gives][..], &["--json", "get", &gives], &["put", "large", &takes]] {
        let before = proxy.passed();
        let said = interrupted(&world, &proxy, 3_000_000, words, &|| proxy.passed() > before + 2_000_000);
        assert!(!said.contains(&read) && !said.contains(&put), "{said}");
        // Nobody finds again what was put in.
        let next = if words[0] == "put" { "The same command begins anew." } else { "The same command with -c goes on" };
        assert!(said.contains("interrupted; nothing is kept") && said.contains(next), "{said}");
    }
    let before = proxy.passed();
    let mut command = world.command(["--retry", "0", "put", "large", &takes]);
    proxy.holds_after(3_000_000);
    let child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("some of it came", || proxy.passed() > before + 2_000_000);
    proxy.cut();
    let said = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    assert!(said.contains("The same command begins anew.") && !said.contains(&put), "{said}");
}

#[test]
fn a_link_in_the_shell_goes_to_no_server_and_is_not_repeated() {
    let world = World::trusting();
    let secret = "s".repeat(43);
    let url = format!("https://files.example/.sealift-web/l/{secret}/");
    fs::write(world.local("f"), "f").unwrap();
    let lines =
        ["get URL", "get URL here", "mget URL", "put f URL", "cat URL", "mirror URL here", "ls URL", "rm -r URL"];
    let lines: String = lines.iter().map(|line| format!("-{}\n", line.replace("URL", &url))).collect();
    let done = world.run_with(["-v", "shell", &world.alice("")], lines.as_bytes()).code(0);
    assert_eq!(done.stderr.matches("a link stands where none belongs").count(), 8, "{}", done.stderr);
    assert!(!done.stderr.contains(&secret), "{}", done.stderr);
    assert!(!world.server.log().contains(&secret), "{}", world.server.log());
}
