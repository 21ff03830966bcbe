//! One's own links, by the requests of a page: made, listed, withdrawn.

use std::fs;

use crate::common::web::{Got, curl};
use crate::common::{Daemon, PASSWORD, World, eventually};

use super::alice;

/// A request of our own page.
const OURS: [&str; 4] = ["-H", "Sec-Fetch-Site: same-origin", "-H", "Accept: application/json"];

fn post(daemon: &Daemon, login: &str, path: &str, fields: &[&str]) -> Got {
    let fields = fields.iter().flat_map(|field| ["--data-urlencode", *field]);
    let args: Vec<&str> = OURS.into_iter().chain(["-u", login]).chain(fields).collect();
    curl(daemon, &args, path)
}

fn json(got: &Got) -> serde_json::Value {
    serde_json::from_str(&got.text()).unwrap()
}

#[test]
fn a_link_is_made_listed_and_withdrawn_as_a_page_does_it() {
    let world = World::of(&["alice"]);
    let home = world.home("alice");
    fs::create_dir_all(home.join("ü & in/box")).unwrap();
    fs::write(home.join("report.pdf"), "the report").unwrap();
    let daemon = world.start();
    let (alice, links) = (alice(), "/.sealift-web/links");
    let made = post(&daemon, &alice, links, &["path=/~alice/report.pdf", "expires=3600", "password=", "downloads=3"]);
    assert_eq!((made.status, made.header("cache-control")), (201, "no-store"), "{}", made.text());
    let object = json(&made);
    assert_eq!((&object["name"], &object["kind"]), (&"report.pdf".into(), &"file".into()));
    let url = object["url"].as_str().unwrap();
    let own = format!("https://127.0.0.1:{}", daemon.port());
    assert!(url.starts_with(&own) && url.ends_with(&format!("#{}", daemon.pin())), "{url}");
    let path = url[own.len()..].split('#').next().unwrap();
    assert_eq!(curl(&daemon, &[], &format!("{path}report.pdf")).text(), "the report");
    let drop = post(
        &daemon,
        &alice,
        links,
        &["path=/~alice/%C3%BC%20%26%20in/box/", "kind=drop", "password=sesame", "name=box"],
    );
    assert_eq!((drop.status, &json(&drop)["kind"]), (201, &"drop".into()), "{}", drop.text());
    // Listed: as a page, and for programs; the secret is nowhere.
    let page = curl(&daemon, &["-u", &alice, "-H", "Accept: text/html"], links).text();
    assert!(
        page.contains("report.pdf") && page.contains("of 3 downloads") && page.contains("0 of 1000 came"),
        "{page}"
    );
    assert!(page.contains("href=\"/~alice/%C3%BC%20%26%20in/box\"") || page.contains("in/box"), "{page}");
    let secret = path.split('/').rev().nth(1).unwrap();
    let listed = curl(&daemon, &["-u", &alice], &format!("{links}?json"));
    assert!(!page.contains(secret) && !listed.text().contains(secret) && !daemon.log().contains(secret));
    let listed = json(&listed);
    let of = |name: &str| {
        let links = listed["links"].as_array().unwrap();
        links.iter().find(|link| link["name"] == name).unwrap().clone()
    };
    assert_eq!(listed["links"].as_array().unwrap().len(), 2);
    let (file, drop) = (of("report.pdf"), of("box"));
    assert_eq!((&file["files"], &file["max_bytes"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    assert_eq!((&drop["files"], &drop["max_files"], &drop["bytes"]), (&0.into(), &1000.into(), &0.into()));
    assert!(drop["max_bytes"].as_u64().unwrap() > 0);
    // Used up, it says so, and no more until when it would give something.
    for _ in 0..2 {
        assert_eq!(curl(&daemon, &[], &format!("{path}report.pdf?download")).status, 200);
    }
    eventually("the page says it", || {
        let page = curl(&daemon, &["-u", &alice, "-H", "Accept: text/html"], links).text();
        page.contains("used up: gives nothing more") && page.contains("3 of 3 downloads")
    });
    let visited = curl(&daemon, &[], &format!("{path}report.pdf?download"));
    assert!(visited.status == 404 && visited.text().contains("over or used up"), "{visited:?}");
    // Withdrawn, by the script's request and by the form's.
    assert_eq!(post(&daemon, &alice, "/.sealift-web/links/remove", &["name=report.pdf"]).status, 204);
    assert_eq!(curl(&daemon, &[], path).status, 404);
    let form =
        ["-H", "Sec-Fetch-Site: same-origin", "-H", "Accept: text/html", "-u", &alice, "--data-urlencode", "name=box"];
    let gone = curl(&daemon, &form, "/.sealift-web/links/remove");
    assert_eq!((gone.status, gone.header("location")), (303, links));
    assert_eq!(post(&daemon, &alice, "/.sealift-web/links/remove", &["name=box"]).status, 404);
    assert!(curl(&daemon, &["-u", &alice, "-H", "Accept: text/html"], links).text().contains("You have none"));
    daemon.log_with(&["link made", "link removed"]);
}

#[test]
fn what_cannot_be_linked_is_refused_by_the_page_too() {
    let world = World::with(&[("alice", "\"full\"", "alice"), ("reader", "\"read\"", "reader")]);
    fs::write(world.home("alice").join("f"), "f").unwrap();
    fs::write(world.home("reader").join("f"), "f").unwrap();
    let daemon = world.start();
    let (alice, links) = (alice(), "/.sealift-web/links");
    let long = format!("password={}", "x".repeat(1025));
    let reader = format!("reader:{PASSWORD}");
    for (login, fields, status) in [
        (&reader, &["path=/~reader/f"][..], 403),
        (&alice, &["path=/~reader/f"], 403),
        (&alice, &["path=/f"], 403),
        (&alice, &["path=/~alice/missing"], 404),
        (&alice, &["path=/~alice/f", "kind=drop"], 404),
        (&alice, &["path=/~alice/f", "kind=other"], 400),
        (&alice, &["path=/~alice/f", "expires=0"], 400),
        (&alice, &["path=/~alice/f", "downloads=0"], 400),
        (&alice, &["path=/~alice/f", "downloads=many"], 400),
        (&alice, &["path=/~alice/../reader/f"], 400),
        (&alice, &[""], 400),
        (&alice, &["path=/~alice/f", &long], 400),
    ] {
        let got = post(&daemon, login, links, fields);
        assert_eq!(got.status, status, "{fields:?}: {}", got.text());
    }
    assert_eq!(curl(&daemon, &OURS, links).status, 401, "of nobody in particular");
    // Made by no other site, with whatever login the browser has.
    for site in ["Sec-Fetch-Site: cross-site", "Origin: https://evil.example"] {
        for (path, field) in [(links, "path=/~alice/f"), ("/.sealift-web/links/remove", "name=f")] {
            let got = curl(&daemon, &["-H", site, "-u", &alice, "--data-urlencode", field], path);
            assert_eq!(got.status, 403, "{site} {path}");
        }
    }
    assert_eq!(json(&curl(&daemon, &["-u", &alice], &format!("{links}?json")))["links"].as_array().unwrap().len(), 0);
}
