//! Folders as archives, unpacked by the programs that people have.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::common::web::{RawWeb, curl, curl_command};
use crate::common::{PASSWORD, World, eventually};

use super::{contents, noise};

fn unpack(archive: &Path, into: &Path) {
    fs::create_dir_all(into).unwrap();
    let mut command = match archive.extension().unwrap().to_str() {
        Some("tar") => Command::new("tar"),
        _ => Command::new("python3"),
    };
    match archive.extension().unwrap().to_str() {
        Some("tar") => command.arg("-xf").arg(archive),
        _ => command.args(["-m", "zipfile", "-e"]).arg(archive).arg("."),
    };
    let output = command.current_dir(into).output().expect("tar and python3 are needed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_folder_comes_as_an_archive_and_is_the_same_unpacked() {
    let world = World::of(&["alice"]);
    let folder = world.home("alice").join("stuff");
    fs::create_dir_all(folder.join("deep/er/empty")).unwrap();
    fs::write(folder.join("small"), "small").unwrap();
    fs::write(folder.join("nothing"), "").unwrap();
    fs::write(folder.join("deep/large"), noise(5_000_001)).unwrap();
    fs::write(folder.join("deep/er").join("ü 文 & <b>"), noise(300_000)).unwrap();
    fs::write(folder.join("deep").join("n".repeat(200)), noise(512)).unwrap();
    for n in 0..700 {
        fs::write(folder.join("deep/er").join(format!("f{n}")), format!("{n}")).unwrap();
    }
    let expected = contents(&folder);
    symlink("/etc/passwd", folder.join("link")).unwrap();
    let daemon = world.start();
    let auth = format!("alice:{PASSWORD}");
    for format in ["zip", "tar"] {
        for version in ["--http1.1", "--http2"] {
            let out = tempfile::tempdir().unwrap();
            let archive = out.path().join(format!("a.{format}"));
            let to = ["-u", &auth, version, "--no-include", "-o", archive.to_str().unwrap()];
            assert!(curl_command(&daemon, &to, &format!("/~alice/stuff/?{format}")).status().unwrap().success());
            let unpacked = out.path().join("unpacked");
            unpack(&archive, &unpacked);
            let note = unpacked.join("stuff/LEFT-OUT-BY-SEALIFT.txt");
            assert_eq!(fs::read_to_string(&note).unwrap(), "Left out of this archive:\n\nlink: it is a link\n");
            fs::remove_file(note).unwrap();
            assert!(contents(&unpacked.join("stuff")) == expected, "{format} {version}");
        }
        let head = curl(&daemon, &["-u", &auth, "--head"], &format!("/~alice/stuff/?{format}"));
        assert_eq!(head.status, 200);
        assert!(head.header("content-disposition").starts_with(&format!("attachment; filename=\"stuff.{format}\"")));
    }
    let tar = curl(&daemon, &["-u", &auth], "/~alice/?tar");
    assert!(tar.header("content-disposition").contains("alice.tar"));
    assert!(tar.body.starts_with(b"alice/"));
}

#[test]
fn an_archive_has_what_was_chosen_each_folder_with_all_in_it_and_each_thing_once() {
    let world = World::of(&["alice"]);
    let home = world.home("alice");
    for folder in ["stuff/deep/er", "stuff/other", "stuff/empty"] {
        fs::create_dir_all(home.join(folder)).unwrap();
    }
    for n in 0..200 {
        fs::write(home.join(format!("stuff/deep/er/{n}")), noise(n)).unwrap();
    }
    for name in ["one & two+.txt", "deep/x", "other/y", "not chosen"] {
        fs::write(home.join("stuff").join(name), name).unwrap();
    }
    let daemon = world.start();
    let auth = format!("alice:{PASSWORD}");
    let url = |format: &str, names: &str| format!("/~alice/stuff/?{format}{names}");
    let names = "&name=deep&name=one%20%26+two%2B.txt&name=deep/x&name=empty&name=other/y&name=deep";
    for format in ["zip", "tar"] {
        let out = tempfile::tempdir().unwrap();
        let archive = out.path().join(format!("a.{format}"));
        let to = ["-u", &auth, "--no-include", "-o", archive.to_str().unwrap()];
        assert!(curl_command(&daemon, &to, &url(format, names)).status().unwrap().success());
        let unpacked = out.path().join("unpacked");
        unpack(&archive, &unpacked);
        let mut expected = contents(&home.join("stuff"));
        expected.remove(Path::new("not chosen"));
        assert!(contents(&unpacked.join("stuff")) == expected, "{format}");
        let head = curl(&daemon, &["-u", &auth, "--head"], &url(format, names));
        assert_eq!((head.status, head.header("content-type").is_empty()), (200, false));
        // What is not there, is hidden, is elsewhere, or is all of it.
        for (wrong, status) in [
            ("&name=missing", 404),
            ("&name=.sealift", 404),
            ("&name=../other", 400),
            ("&name=deep%2F..", 400),
            ("&name=", 400),
            ("&name=/", 400),
        ] {
            assert_eq!(curl(&daemon, &["-u", &auth], &url(format, wrong)).status, status, "{format}{wrong}");
        }
    }
    // One that is gone meanwhile is said to be left out; a zip is made when all that was asked for is there.
    let tar = curl(&daemon, &["-u", &auth], &url("tar", "&name=deep/x&name=missing"));
    assert!(tar.status == 200 && tar.text().contains("missing: it was gone when its turn came"), "{}", tar.text());
    // In whatever order: what is not there may be the first of them.
    let tar = curl(&daemon, &["-u", &auth], &url("tar", "&name=a-missing&name=deep/x"));
    assert!(tar.status == 200 && tar.text().contains("a-missing: it was gone"), "{}", tar.text());
    assert_eq!(curl(&daemon, &["-u", &auth], &url("tar", "&name=a-missing&name=missing")).status, 404);
    assert_eq!(curl(&daemon, &["-u", &auth, "--head"], &url("zip", "&name=deep&name=missing")).status, 404);
    assert_eq!(curl(&daemon, &["-u", &auth], &url("zip", "&name=deep/x&name=missing")).status, 404);
}

#[test]
fn an_archive_says_of_a_folder_that_may_not_be_read_that_it_may_not() {
    let world = World::of(&["alice"]);
    let home = world.home("alice");
    for name in ["stuff/open/file", "stuff/closed/file"] {
        fs::create_dir_all(home.join(name).parent().unwrap()).unwrap();
        fs::write(home.join(name), "x").unwrap();
    }
    let rule = "[[users.alice.rules]]\npath = \"/stuff/closed/**\"\naccess = []\n";
    world.set_users(&format!("{}{rule}", fs::read_to_string(world.place().join("users.toml")).unwrap()));
    let daemon = world.start();
    let auth = format!("alice:{PASSWORD}");
    for chosen in ["", "&name=open&name=closed"] {
        let tar = curl(&daemon, &["-u", &auth], &format!("/~alice/stuff/?tar{chosen}")).text();
        assert!(tar.contains("stuff/open/file") && !tar.contains("stuff/closed/file"), "{tar}");
        assert!(tar.contains("Left out of this archive:\n\nclosed: it may not be read\n"), "{tar}");
    }
}

#[test]
fn an_archive_takes_the_rights_to_list_and_to_download() {
    let world = World::with(&[("blind", "[\"list\"]", "blind"), ("deaf", "[\"download\"]", "deaf")]);
    for user in ["blind", "deaf"] {
        fs::write(world.home(user).join("file"), "x").unwrap();
    }
    let daemon = world.start();
    for user in ["blind", "deaf"] {
        for format in ["zip", "tar"] {
            let got = curl(&daemon, &["-u", &format!("{user}:{PASSWORD}")], &format!("/~{user}/?{format}"));
            assert_eq!(got.status, 403, "{user} {format}");
        }
    }
    assert_eq!(curl(&daemon, &[], "/~blind/?zip").status, 401);
    assert_eq!(curl(&daemon, &[], "/nothing/?zip").status, 404);
}

#[test]
fn a_file_that_shrinks_breaks_an_archive_off() {
    let world = World::of(&[]);
    let file = world.home("public").join("file");
    let daemon = world.start();
    for format in ["zip", "tar"] {
        fs::write(&file, vec![0; 48 * 1024 * 1024]).unwrap();
        let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
        web.send(format!("GET /?{format} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        web.read(100_000);
        fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(1024 * 1024).unwrap();
        let rest = web.rest();
        assert!(rest.len() < 48 * 1024 * 1024 && !rest.ends_with(b"\r\n0\r\n\r\n"), "{format}: it ended well");
    }
    eventually("it is in the log", || daemon.log().contains("torn"));
}

#[test]
fn a_name_of_bytes_is_kept_in_a_tar() {
    let world = World::of(&[]);
    let name = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    fs::write(world.home("public").join(name), "odd").unwrap();
    let daemon = world.start();
    let out = tempfile::tempdir().unwrap();
    let archive = out.path().join("a.tar");
    fs::write(&archive, curl(&daemon, &[], "/?tar").body).unwrap();
    unpack(&archive, out.path());
    assert_eq!(fs::read(out.path().join("public").join(name)).unwrap(), b"odd");
}
