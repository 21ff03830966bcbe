//! Attacks on links that files are put in by: whoever has one learns nothing of what is there, replaces nothing, and brings no more than it
//! takes.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicUsize, Ordering};

use sealift::limits;

use crate::common::web::{Got, RawWeb, curl};
use crate::common::{Daemon, PASSWORD, RawClient, World, enter, eventually, section, snapshot, staged};

/// Has a user make a link: where it is.
pub(super) fn make(client: &mut RawClient, arguments: &str) -> String {
    let (_, word, fields) = client.ask(format!("LINK {arguments}"));
    assert_eq!(word, "linked", "{arguments}");
    format!("/.sealift-web/l/{}/", fields["secret"])
}

/// All of an answer but what tells it from others of its kind.
fn told(got: &Got) -> (u16, String, Vec<String>) {
    let text = got.text().split('(').next().unwrap().to_owned();
    (got.status, text, got.headers.keys().cloned().collect())
}

pub(super) fn world() -> World {
    let world = World::of(&["alice", "bob"]);
    let home = world.home("alice");
    fs::create_dir_all(home.join("inbox/folder")).unwrap();
    fs::create_dir_all(home.join("private")).unwrap();
    fs::write(home.join("inbox/there"), "SECRET there").unwrap();
    fs::write(home.join("beside"), "SECRET beside").unwrap();
    symlink("../beside", home.join("inbox/symlink")).unwrap();
    symlink("../private", home.join("inbox/into")).unwrap();
    world
}

fn send(daemon: &Daemon, world: &World, url: &str, more: &[&str]) -> Got {
    let file = world.place().join("sent");
    fs::write(&file, "SECRET there").unwrap();
    curl(daemon, &[&["-T", file.to_str().unwrap()], more].concat(), url)
}

#[test]
fn drop_link_tells_nothing_of_names() {
    let world = world();
    let daemon = world.start();
    let url = make(&mut enter(&daemon, "alice"), "inbox drop=yes");
    let put = |name: &str, more: &[&str]| told(&send(&daemon, &world, &format!("{url}{name}"), more));
    // A name that is free, that of a file of the very same bytes, of a folder and of links: one and the same answer.
    let free = put("free", &[]);
    assert_eq!(free.0, 201);
    for name in ["there", "folder", "symlink", "into", "there", "free"] {
        assert_eq!(put(name, &[]), free, "{name}");
    }
    // No condition is looked at: its outcome would tell.
    for condition in [
        "If-None-Match: *",
        "If-Match: *",
        "If-Match: \"00\"",
        "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT",
        "If: <urn:uuid:00000000-0000-0000-0000-000000000000> ([\"00\"])",
        "Overwrite: T",
    ] {
        assert_eq!(put("there", &["-H", condition]), free, "{condition}");
    }
    let large = "900000000000000";
    for name in ["there", "nothing"] {
        assert_eq!(put(name, &["-H", "Upload-Complete: ?0", "-H", &format!("Upload-Length: {large}")]).0, 507);
    }
    // And nothing was replaced, or written through a link.
    let inbox = world.home("alice").join("inbox");
    assert_eq!(fs::read_to_string(inbox.join("there")).unwrap(), "SECRET there");
    assert_eq!(fs::read_to_string(world.home("alice").join("beside")).unwrap(), "SECRET beside");
    assert!(inbox.join("symlink").is_symlink() && inbox.join("into").is_symlink());
    assert_eq!(fs::read_to_string(inbox.join("symlink-2")).unwrap(), "SECRET there");
    assert!(inbox.join("folder").is_dir() && fs::read_dir(inbox.join("folder")).unwrap().count() == 0);
    assert_eq!(fs::read_dir(world.home("alice").join("private")).unwrap().count(), 0);
}

#[test]
fn drop_link_reads_and_changes_nothing() {
    let world = world();
    let daemon = world.start();
    let url = make(&mut enter(&daemon, "alice"), "inbox drop=yes");
    // Nothing is read, whatever the method, and whether it is there or not.
    for (there, missing) in [
        ("there", "missing"),
        ("folder/", "none/"),
        ("folder/x", "none/x"),
        ("?zip", "?tar"),
        ("?sort=size", "?download"),
    ] {
        for method in [
            "GET",
            "HEAD",
            "POST",
            "DELETE",
            "MKCOL",
            "PROPFIND",
            "PROPPATCH",
            "MOVE",
            "COPY",
            "LOCK",
            "UNLOCK",
            "PATCH",
            "OPTIONS",
        ] {
            let ask = |path: &str| {
                let args: &[&str] =
                    if method == "HEAD" { &["--head"] } else { &["-X", method, "-H", "Destination: /x"] };
                let got = curl(&daemon, args, &format!("{url}{path}"));
                assert!(!got.text().contains("SECRET"), "{method} {path}");
                assert!(
                    path.starts_with('?') || !(200..300).contains(&got.status) || method == "OPTIONS",
                    "{method} {path}"
                );
                told(&got)
            };
            assert_eq!(ask(there), ask(missing), "{method} {there}");
        }
    }
    for path in [
        "folder/x",
        "none/x",
        "../x",
        "%2e%2e/x",
        "a%2fb",
        ".sealift",
        ".sealift/x",
        ".bashrc",
        "a%00b",
        "a%0ab",
        "into/x",
        "x/",
        "..%5cx",
        "%2e%2e%5cx/y",
    ] {
        let got = send(&daemon, &world, &format!("{url}{path}"), &[]);
        assert!((400..500).contains(&got.status), "{path}: {got:?}");
    }
    let home = world.home("alice");
    assert!(!home.join("x").exists() && !home.join("private/x").exists() && !home.join(".bashrc").exists());
    assert_eq!(fs::read_dir(home.join("inbox")).unwrap().count(), 4);
    // Names in a form lead nowhere else either.
    for name in ["../x", "..", ".", "/etc/x", ".bashrc", "a\\..\\..\\x"] {
        let part =
            format!("files=@{};filename=\"{}\"", world.place().join("sent").display(), name.replace('\\', "\\\\"));
        curl(&daemon, &["-F", &part], &url);
    }
    assert!(!home.join("x").exists() && !home.join("inbox/.bashrc").exists() && home.join("inbox/x").exists());
}

#[test]
fn drop_link_is_bounded_when_raced() {
    let world = world();
    let daemon = world.start();
    let inbox = world.home("alice").join("inbox");
    let before = fs::read_dir(&inbox).unwrap().count();
    let url = make(&mut enter(&daemon, "alice"), "inbox drop=yes size=1000000 files=5");
    let file = world.place().join("same");
    fs::write(&file, vec![7; 240_000]).unwrap();
    let stored = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for n in 0..32 {
            let (daemon, file, stored, url) = (&daemon, &file, &stored, &url);
            scope.spawn(move || {
                let version = if n % 2 == 0 { "--http1.1" } else { "--http2" };
                let got = curl(daemon, &[version, "-T", file.to_str().unwrap()], url);
                match got.status {
                    201 => drop(stored.fetch_add(1, Ordering::Relaxed)),
                    status => assert_eq!(status, 507, "{got:?}"),
                }
            });
        }
    });
    // Four are less than a million bytes, and five are not. Each has a name of its own, and is whole.
    assert_eq!(stored.load(Ordering::Relaxed), 4);
    let names: BTreeSet<_> = fs::read_dir(&inbox).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), before + 4);
    for name in ["same", "same-2", "same-3", "same-4"] {
        assert_eq!(fs::read(inbox.join(name)).unwrap(), vec![7; 240_000], "{name}");
    }
    // More than was announced is not taken: the rest is another request.
    let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
    let put = format!("PUT {url}more HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nabcdef");
    assert_eq!(web.ask(put).unwrap().status, 201);
    assert_eq!(fs::read(inbox.join("more")).unwrap(), b"ab");
}

#[test]
fn drop_link_cut_anywhere_leaves_nothing() {
    let world = world();
    let daemon = world.start();
    let inbox = world.home("alice").join("inbox");
    let mut client = enter(&daemon, "alice");
    let url = make(&mut client, "inbox drop=yes size=100 files=1");
    let before = fs::read_dir(&inbox).unwrap().count();
    let form = "--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"cut\"\r\n\r\nmine, all of it\r\n--B--";
    let kind = "Content-Type: multipart/form-data; boundary=B\r\n";
    for (method, name, headers, body) in [("PUT", "cut", "", "mine"), ("POST", "", kind, form)] {
        for cut in (0..body.len()).step_by(if method == "PUT" { 1 } else { 9 }) {
            let head =
                format!("{method} {url}{name} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
            let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
            web.send(format!("{head}{}", &body[..cut]));
            drop(web);
        }
    }
    let came = |client: &mut RawClient| {
        client.line("LINKS");
        let fields = client.reply().2;
        assert_eq!(client.reply().1, "done");
        (fields["came-files"].clone(), fields["came"].clone())
    };
    eventually("all room is given back", || came(&mut client) == ("0".to_owned(), "0".to_owned()));
    eventually("nothing is left", || staged(&world.home("alice")).is_empty());
    assert_eq!(fs::read_dir(&inbox).unwrap().count(), before);
    assert_eq!(send(&daemon, &world, &format!("{url}f"), &[]).status, 201, "there is room for it");
}

#[test]
fn drop_link_left_before_its_answer_counts() {
    let world = world();
    let daemon = world.start();
    let inbox = world.home("alice").join("inbox");
    let mut client = enter(&daemon, "alice");
    let url = make(&mut client, "inbox drop=yes size=100 files=3");
    let there = || fs::read_dir(&inbox).unwrap().count() - 4;
    let form = "--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\nmine\r\n--B--";
    let kind = "Content-Type: multipart/form-data; boundary=B\r\n";
    for n in 0..30 {
        let (method, name, headers, body) =
            if n % 2 == 0 { ("PUT", "f", "", "mine") } else { ("POST", "", kind, form) };
        let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
        web.send(format!(
            "{method} {url}{name} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        drop(web);
    }
    // Whatever came is counted, though nobody waited for it; what did not come is free again.
    eventually("all are over", || {
        client.line("LINKS");
        let fields = client.reply().2;
        assert_eq!(client.reply().1, "done");
        fields["came-files"] == there().to_string() && fields["came"] == (4 * there()).to_string()
    });
    while curl(&daemon, &["-X", "PUT", "--data-binary", "mine"], &format!("{url}more")).status == 201 {}
    assert_eq!(there(), 3);
}

#[test]
fn drop_link_is_void_at_once() {
    let world = world();
    let daemon = world.start();
    let mut client = enter(&daemon, "alice");
    let unknown = told(&send(&daemon, &world, &format!("/.sealift-web/l/{}/f", "u".repeat(43)), &[]));
    let (removed, kept) = (make(&mut client, "inbox drop=yes name=box"), make(&mut client, "inbox drop=yes"));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let over = make(&mut client, &format!("inbox drop=yes expires={}", now + 5));
    assert_eq!(client.ask("UNLINK box").1, "removed");
    assert_eq!(told(&send(&daemon, &world, &format!("{removed}f"), &[])), unknown);
    eventually("it expires", || curl(&daemon, &[], &over).status == 404);
    assert_eq!(told(&send(&daemon, &world, &format!("{over}f"), &[])), unknown);
    // Her right is asked for when the file takes its place: one that is on its way does not get there.
    let begun = ["-X", "PUT", "-H", "Upload-Complete: ?0", "-H", "Upload-Length: 4"];
    let at = curl(&daemon, &begun, &format!("{kept}late")).headers["location"].clone();
    let users = fs::read_to_string(world.place().join("users.toml")).unwrap();
    let alice = users.lines().skip_while(|line| !line.contains("users.alice")).take(4).collect::<Vec<_>>().join("\n");
    let bob = section("bob", "\"full\"", "bob");
    for (what, rights) in
        [("she may not upload any more", "[\"list\", \"download\", \"link\"]"), ("nor make links", "[\"upload\"]")]
    {
        world.set_users(&format!("{}\n{bob}", alice.replace("\"full\"", rights)));
        eventually(what, || curl(&daemon, &[], &kept).status == 404);
        assert_eq!(told(&send(&daemon, &world, &format!("{kept}f"), &[])), unknown);
    }
    let rest = ["-X", "PATCH", "-H", "Content-Type: application/partial-upload", "-H", "Upload-Complete: ?1"];
    let rest = [&rest[..], &["-H", "Upload-Offset: 0", "--data-binary", "late"]].concat();
    assert_eq!(curl(&daemon, &rest, &at).status, 404);
    world.set_users(&users);
    eventually("she may again", || curl(&daemon, &[], &kept).status == 200);
    assert_eq!(curl(&daemon, &rest, &at).status, 404, "what was given up stays so");
    assert_eq!(fs::read_dir(world.home("alice").join("inbox")).unwrap().count(), 4);
    // The folder is gone, and then it is a link to another one.
    fs::rename(world.home("alice").join("inbox"), world.home("alice").join("was")).unwrap();
    assert_eq!(send(&daemon, &world, &format!("{kept}f"), &[]).status, 404);
    symlink("private", world.home("alice").join("inbox")).unwrap();
    assert!(send(&daemon, &world, &format!("{kept}f"), &[]).status >= 400);
    assert_eq!(fs::read_dir(world.home("alice").join("private")).unwrap().count(), 0);
}

#[test]
fn drop_link_from_another_site() {
    let world = world();
    let daemon = world.start();
    let url = make(&mut enter(&daemon, "alice"), "inbox drop=yes");
    let file = world.place().join("sent");
    fs::write(&file, "x").unwrap();
    let part = format!("files=@{}", file.display());
    let begin = ["-X", "PUT", "-H", "Upload-Complete: ?0", "-H", "Upload-Length: 4"];
    let at = curl(&daemon, &begin, &format!("{url}mine")).headers["location"].clone();
    for foreign in
        ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: https://evil.example", "Origin: null"]
    {
        for args in [["-T", file.to_str().unwrap()], ["-F", &part]] {
            let got = curl(&daemon, &[&args[..], &["-H", foreign]].concat(), &url);
            assert_eq!(got.status, 403, "{foreign}");
        }
        assert_eq!(curl(&daemon, &["-X", "DELETE", "-H", foreign], &at).status, 403);
    }
    assert_eq!(curl(&daemon, &["--head"], &at).status, 204);
    assert_eq!(fs::read_dir(world.home("alice").join("inbox")).unwrap().count(), 4);
    // What was begun by one link is nobody's who has another.
    let other = make(&mut enter(&daemon, "alice"), "inbox drop=yes name=other");
    let token = at.split_once('?').unwrap().1;
    assert_eq!(curl(&daemon, &["--head"], &format!("{other}?{token}")).status, 404);
    assert_eq!(
        curl(&daemon, &["--head"], &format!("/.sealift-web/uploads/{}", token.replace("upload=", ""))).status,
        401
    );
}

#[test]
fn drop_link_names_are_text() {
    let world = world();
    let daemon = world.start();
    let url = make(&mut enter(&daemon, "alice"), "inbox drop=yes");
    let odd = "<script>alert(1)<_script>.html";
    let name: String = odd.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let page = ["-H", "Accept: text/html", "-H", "Sec-Fetch-Site: same-origin"];
    let sent = send(&daemon, &world, &format!("{url}{name}"), &page);
    assert!(sent.status == 201 && !sent.text().contains("alert"), "{}", sent.text());
    // Nor on a page that says why not.
    let long = "%3cimg%20src%3dx%20onerror%3dalert(1)%3e".repeat(20);
    let refused = send(&daemon, &world, &format!("{url}{long}"), &page);
    assert!((400..500).contains(&refused.status) && !refused.text().contains("<img"), "{}", refused.text());
    // Its maker's page shows it as the text that it is, and gives it as a file alone.
    let alice = format!("alice:{}", crate::common::PASSWORD);
    let list = curl(&daemon, &[&page[..], &["-u", &alice]].concat(), "/~alice/inbox/").text();
    assert!(list.contains("&lt;script&gt;") && !list.contains("<script>alert"), "{list}");
    let file = curl(&daemon, &["-u", &alice], &format!("/~alice/inbox/{name}"));
    assert!(file.header("content-disposition").starts_with("attachment"), "{file:?}");
}

#[test]
fn drop_link_coded_parts() {
    let world = world();
    let daemon = world.start();
    let url = make(&mut enter(&daemon, "alice"), "inbox drop=yes");
    let file = world.place().join("sent");
    fs::write(&file, "as it is").unwrap();
    let inbox = world.home("alice").join("inbox");
    let before = snapshot(&inbox);
    // As curl codes the parts of a form for mail.
    for encoder in ["base64", "quoted-printable", "7bit", "8bit", "binary"] {
        let part = format!("f=@{};filename={encoder};encoder={encoder}", file.display());
        let sent = curl(&daemon, &["-F", &part], &url);
        let is_plain = ["7bit", "8bit", "binary"].contains(&encoder);
        assert_eq!(sent.status, if is_plain { 201 } else { 400 }, "{encoder}: {}", sent.text());
        if is_plain {
            assert_eq!(fs::read_to_string(inbox.join(encoder)).unwrap(), "as it is");
            fs::remove_file(inbox.join(encoder)).unwrap();
        }
    }
    assert_eq!(snapshot(&inbox), before, "nothing coded is stored");
}

#[test]
fn drop_link_names_of_shared_folders_are_taken() {
    let world = world();
    let users = fs::read_to_string(world.place().join("users.toml")).unwrap();
    let shared = "[folders.team]\naccess = { alice = \"full\" }\n[folders.deep]\nas = \"under/deep\"\naccess = { alice = \"full\" }\n";
    world.set_users(&format!("{users}\n{shared}"));
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    let url = make(&mut alice, "inbox drop=yes");
    assert_eq!(send(&daemon, &world, &format!("{url}team"), &[]).status, 201);
    assert!(world.home("alice").join("inbox/team").is_file(), "nothing is shared there");
    // A folder comes to show in the one that the link leads to.
    world.set_users(&format!(
        "{users}\n{}",
        shared
            .replace("under/deep", "inbox/under/deep")
            .replace("[folders.team]", "[folders.team]\nas = \"inbox/own\"")
    ));
    eventually("they show", || alice.ask("STAT inbox/under/deep").0 == 213);
    let mut told = BTreeSet::new();
    for name in ["own", "under", "free", "own"] {
        told.insert(self::told(&send(&daemon, &world, &format!("{url}{name}"), &[])));
    }
    assert_eq!(told.len(), 1, "no answer tells of it: {told:?}");
    for (name, there) in
        [("own", false), ("own-2", true), ("own-3", false), ("own-2-2", true), ("under", false), ("under-2", true)]
    {
        assert_eq!(world.home("alice").join("inbox").join(name).exists(), there, "{name}");
    }
    let listed = alice.list("inbox").unwrap();
    for name in ["own-2", "own-2-2", "under-2", "free"] {
        assert!(listed.iter().any(|line| line.ends_with(&format!(" {name}"))), "{listed:?}");
    }
    assert_eq!(alice.ask("STAT inbox/under/deep").0, 213);
}

#[test]
fn drop_link_tells_nothing_of_locks() {
    let world = world();
    let daemon = world.start();
    let url = make(&mut enter(&daemon, "alice"), "inbox drop=yes");
    let terms = "<lockinfo xmlns='DAV:'><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>";
    let lock = |path: &str, depth: &str| {
        let args =
            ["-u", &format!("alice:{PASSWORD}"), "-X", "LOCK", "-H", depth, "--data-binary", terms].map(str::to_owned);
        let got = curl(&daemon, &args.iter().map(String::as_str).collect::<Vec<_>>(), &format!("/~alice/{path}"));
        assert_eq!(got.status, 200, "{got:?}");
    };
    lock("inbox/there", "Depth: 0");
    let put = |name: &str, more: &[&str]| told(&send(&daemon, &world, &format!("{url}{name}"), more));
    assert_eq!(put("there", &[]), put("nothing", &[]));
    let begun = ["-H", "Upload-Complete: ?0", "-H", "Upload-Length: 20"];
    assert_eq!(put("there", &begun), put("nothing", &begun));
    assert_eq!(fs::read_to_string(world.home("alice").join("inbox/there-2")).unwrap(), "SECRET there");
    // Who has locked the folder itself has all names in it.
    lock("private/", "Depth: infinity");
    let url = make(&mut enter(&daemon, "alice"), "private drop=yes");
    for name in ["there", "nothing"] {
        assert_eq!(send(&daemon, &world, &format!("{url}{name}"), &[]).status, 503);
    }
}

#[test]
fn drop_link_room_of_what_failed_is_free_again() {
    let world = world();
    let daemon = world.start();
    let url = make(&mut enter(&daemon, "alice"), "inbox drop=yes files=1");
    let begin = |daemon: &Daemon| {
        let got =
            curl(daemon, &["-X", "PUT", "-H", "Upload-Complete: ?0", "-H", "Upload-Length: 4"], &format!("{url}x"));
        (got.status, got.header("location").to_owned())
    };
    let (status, place) = begin(&daemon);
    assert_eq!((status, begin(&daemon).0), (201, 507));
    // Other bytes than are announced: it has failed, and nothing can come of it.
    let wrong = format!("Content-Digest: sha-256=:{}:", "A".repeat(43) + "=");
    let got = curl(
        &daemon,
        &[
            "-X",
            "PATCH",
            "-H",
            "Content-Type: application/partial-upload",
            "-H",
            "Upload-Offset: 0",
            "-H",
            "Upload-Complete: ?1",
            "-H",
            &wrong,
            "--data-binary",
            "text",
        ],
        &place,
    );
    assert_eq!(got.status, 400, "{got:?}");
    eventually("its room is free", || begin(&daemon).0 == 201);
    // What has begun is not gone on with after an orderly end.
    daemon.stop();
    let daemon = world.start();
    eventually("its room is free after the end", || begin(&daemon).0 == 201);
}

#[test]
fn drop_link_uploads_leave_room_for_users() {
    const ADDRESSES: u8 = 10;
    let world = world();
    let daemon = world.start();
    // More than enough links: what each holds is bounded, too.
    let mut alice = enter(&daemon, "alice");
    let urls: Vec<_> =
        (0..ADDRESSES).map(|n| make(&mut alice, &format!("inbox drop=yes files=1000 name={n}"))).collect();
    let begin = |from: u8, to: &str, more: &[&str]| {
        let address = format!("127.0.0.{}", 100 + from);
        let args = ["--interface", &address, "-X", "PUT", "-H", "Upload-Complete: ?0", "-H", "Upload-Length: 4"];
        curl(&daemon, &[&args, more].concat(), to).status
    };
    let begun: usize = std::thread::scope(|scope| {
        let of = |from: u8| {
            let (begin, url) = (&begin, &urls[usize::from(from)]);
            scope.spawn(move || {
                (0..limits::WEB_UPLOADS_PER_SOURCE).filter(|_| begin(from, &format!("{url}x"), &[]) == 201).count()
            })
        };
        (0..ADDRESSES).map(of).collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(begun, limits::WEB_UPLOADS_BY_LINKS);
    let login = format!("bob:{PASSWORD}");
    assert_eq!(begin(ADDRESSES, "/~bob/x", &["-u", &login]), 201);
}
