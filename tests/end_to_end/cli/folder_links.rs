//! `link` into folders that are shared.

use std::fs;

use crate::common::eventually;
use crate::common::program::{World, finish};

/// What alice, who has it all, and then some of it, has.
fn share(world: &World, access: &str) {
    let users = world.server.data().join("../users.toml");
    let text = fs::read_to_string(&users).unwrap();
    let text = text.split("\n[folders.").next().unwrap().to_owned();
    fs::write(users, format!("{text}\n[folders.team]\naccess = {{ alice = {access} }}\n")).unwrap();
}

#[test]
fn a_link_leads_into_a_shared_folder_and_its_maker_sees_whether_it_gives_anything() {
    let world = World::trusting();
    for folder in ["x", "in"] {
        fs::create_dir_all(world.remote("team", folder)).unwrap();
    }
    fs::write(world.remote("team", "x/report.pdf"), "the report").unwrap();
    share(&world, "\"full\"");
    eventually("it shows", || world.run(["ls", &world.alice("")]).code(0).stdout().contains("team"));
    let made = |arguments: &[&str]| world.run([&["link"], arguments].concat()).code(0).stdout().trim_end().to_owned();
    let (file, drop) = (made(&[&world.alice("team/x/report.pdf")]), made(&["--drop", &world.alice("team/in")]));
    // Whoever has them needs no account.
    let stranger = |arguments: &[&str]| {
        let config = tempfile::tempdir().unwrap();
        let mut command = world.command(arguments);
        command.env("SEALIFT_CONFIG_DIR", config.path());
        finish(command, b"")
    };
    stranger(&["get", &file, "fetched.pdf"]).code(0);
    assert_eq!(fs::read_to_string(world.local("fetched.pdf")).unwrap(), "the report");
    stranger(&["put", "fetched.pdf", &drop]).code(0);
    assert_eq!(fs::read_to_string(world.remote("team", "in/fetched.pdf")).unwrap(), "the report");
    let listed = || world.run(["link", "list", &world.alice("")]).code(0).stdout().to_owned();
    let of = |name: &str, all: &str| all.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    let all = listed();
    assert!(of("report.pdf", &all).contains(" file  team/x/report.pdf  until "), "{all}");
    assert!(of("in ", &all).contains(" drop  team/in ") && of("in ", &all).contains("1 came"), "{all}");
    // She only reads there: they give nothing, and she makes none.
    share(&world, "\"read\"");
    eventually("she is told", || listed().contains("not now: you may not give that at present"));
    stranger(&["get", &file, "again.pdf"]).code(3);
    assert!(!world.local("again.pdf").exists());
    let json = world.run(["link", "list", "--json", &world.alice("")]).code(0);
    let void = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["void"] == true;
    assert_eq!(json.stdout().lines().filter(|line| void(line)).count(), 2, "{}", json.stdout());
    world.run(["link", &world.alice("team/x")]).code(5).said("the right `link` there");
    share(&world, "\"full\"");
    eventually("they give again", || !listed().contains("not now"));
    stranger(&["get", &file, "again.pdf"]).code(0);
}
