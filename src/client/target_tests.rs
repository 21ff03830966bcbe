use super::*;
use proptest::prelude::*;

fn parse(text: &str) -> Target {
    Target::parse(text.as_bytes()).unwrap()
}

fn why(text: &str) -> String {
    let err = Target::parse(text.as_bytes()).unwrap_err();
    assert_eq!(err.kind(), Kind::Usage, "{text}");
    err.text().to_owned()
}

#[test]
fn every_part_may_be_left_away_but_the_host() {
    let full = parse("alice@Files.Example:5000/a b/c%20d.txt");
    assert_eq!(full.user.as_deref(), Some("alice"));
    assert_eq!((full.host.as_str(), full.port), ("files.example", Some(5000)));
    assert_eq!((full.path.as_bytes(), full.is_folder), (&b"a b/c%20d.txt"[..], false));
    for root in ["h", "h/"] {
        let target = parse(root);
        assert_eq!((target.user, target.port, target.is_folder), (None, None, true));
        assert!(target.path.is_root());
    }
    assert_eq!(parse("h/dir/").path, parse("h/dir").path);
    assert!(parse("h/dir/").is_folder && !parse("h/dir").is_folder);
}

#[test]
fn colons_and_at_signs_in_a_path_are_part_of_it() {
    let target = parse("h/a:b@c");
    assert_eq!((target.user, target.path.as_bytes()), (None, &b"a:b@c"[..]));
    assert_eq!(parse("me@corp@h/x").user.as_deref(), Some("me@corp"));
}

#[test]
fn ipv6_stands_in_brackets_and_has_one_spelling() {
    let target = parse("bob@[0:0::1]:4457/x");
    assert_eq!((target.host.as_str(), target.port), ("::1", Some(4457)));
    assert_eq!(target.to_string(), "bob@[::1]:4457/x");
    assert_eq!(parse("[fe80::1%eth0]/").host, "fe80::1%eth0");
    assert_eq!(parse("sealift://me@[fe80::1%25eth0]:1/x"), parse("me@[fe80:0::1%eth0]:1/x"));
    assert!(why("::1/x").contains("[::1]/path"));
    for bad in ["[::1/x", "[::1]x/", "[nonsense]/", "[::1]:0/", "[fe80::1%]/"] {
        why(bad);
    }
}

#[test]
fn the_form_of_scp_is_answered_with_the_right_one() {
    for (typed, meant) in [
        ("host:docs/x.txt", "host/docs/x.txt"),
        ("host:/etc", "host/etc"),
        ("host:", "host/"),
        ("host:/", "host/"),
        ("host:x", "host/x"),
        ("host:x/", "host/x"),
        ("host:~/x", "host/x"),
        ("alice@host:/", "alice@host/"),
        ("alice@host:", "alice@host/"),
        ("alice@host:docs/x y", "alice@host/docs/x y"),
        ("alice@host://x", "alice@host/x"),
        ("me@corp@host:/x", "me@corp@host/x"),
        ("host:4456:/x", "host:4456/x"),
        ("alice@host:4457:docs/x", "alice@host:4457/docs/x"),
        ("alice@[::1]:/x", "alice@[::1]/x"),
        ("alice@[::1]:4457:x", "alice@[::1]:4457/x"),
    ] {
        let why = why(typed);
        assert_eq!(why.rsplit(": ").next(), Some(meant), "{typed}: {why}");
        assert!(!why.contains("protocol"), "{typed}: {why}");
    }
    assert!(why("host:70000/x").contains("1 to 65535"));
}

#[test]
fn a_url_of_another_protocol_is_answered_with_what_it_is_here() {
    for (typed, meant) in [
        ("https://h/x", "h/x"),
        ("sftp://alice@h/docs/x", "alice@h/docs/x"),
        ("sftp://alice@h:22/x", "alice@h/x"),
        ("ftps://alice@h:4457/x%20y", "'alice@h:4457/x y'"),
        ("https://h:4456/~alice/a.txt", "alice@h:4456/a.txt"),
        ("https://alice@h:4456/~alice/docs/a%20b.txt?sort=name#end", "'alice@h:4456/docs/a b.txt'"),
        ("https://h:4456/~a%40b", "a@b@h:4456/"),
        ("HTTPS://h/~alice/x/", "alice@h:443/x/"),
        ("https://h:4456/pub/a.txt?download", "h:4456/pub/a.txt"),
        ("https://alice:canary@h:4456/~alice/x", "alice@h:4456/x"),
        ("https://[::1]:443/", "[::1]/"),
        ("scp://h", "h/"),
        ("sftp://alice:canary@h/x", "host/path"),
    ] {
        let why = why(typed);
        let (scheme, _) = typed.split_once(':').unwrap();
        assert_eq!(why, format!("{scheme}:// is another protocol; here it is {meant}"));
    }
}

#[test]
fn local_paths_other_protocols_and_empty_words_are_told_apart() {
    for local in ["/tmp/x", "./x", "../x", ""] {
        assert!(why(local).contains("[user@]host[:port]/path"), "{local}");
    }
    assert!(why("@h/x").contains("anonymous"));
    assert!(why("hôst/x").contains("xn--"));
    assert_eq!(Target::parse(b"h/a/../b").unwrap_err().kind(), Kind::BadPath);
}

#[test]
fn a_path_is_read_as_a_person_types_it() {
    for (typed, path, is_folder) in [
        ("h/.", "", true),
        ("h/./", "", true),
        ("h/./t2/.", "t2", true),
        ("h/a/./b", "a/b", false),
        ("h/./~", "~", false),
        ("h/./~/x", "~/x", false),
        ("h/a/~", "a/~", false),
        ("h/~alice", "~alice", false),
    ] {
        let target = parse(typed);
        assert_eq!((target.path.as_bytes(), target.is_folder), (path.as_bytes(), is_folder), "{typed}");
        assert_eq!(parse(&target.to_string()), target, "{typed}");
    }
    assert!(why("h/~/x.txt").contains("write h/x.txt (what is really called ~ is h/./~/x.txt)"));
    assert!(why("alice@h/~").contains("write alice@h/ ("));
    for above in ["h/..", "h/../", "h/./../x"] {
        let refused = Target::parse(above.as_bytes()).unwrap_err();
        assert!(refused.kind() == Kind::BadPath && refused.text().contains("nothing is above"), "{above}");
    }
}

#[test]
fn a_password_in_a_target_is_refused_and_not_repeated() {
    let text = why("alice:canary@host/x");
    assert!(text.contains("password") && !text.contains("canary"));
}

#[test]
fn a_url_is_percent_decoded_and_a_plain_target_is_not() {
    assert_eq!(parse("sealift://h/x%20y").path.as_bytes(), b"x y");
    assert_eq!(parse("h/x%20y").path.as_bytes(), b"x%20y");
}

#[test]
fn a_url_keeps_its_rules() {
    let target = parse("SEALIFT://a%40b@h:1/x%20y%FF/");
    assert_eq!(target.user.as_deref(), Some("a@b"));
    assert_eq!((target.path.as_bytes(), target.is_folder), (&b"x y\xff"[..], true));
    assert!(why("sealift://@%2F@h/x").contains("no slash"), "it could not be written without a URL");
    assert!(why("sealift://h/100%").contains("%25"));
    assert!(why("sealift://h/a#b").contains("%23"));
    assert!(why("sealift://h/a?b").contains("%3F"));
    assert!(why("sealift:///x").contains("host"));
}

#[test]
fn endpoints_take_a_default_port() {
    assert_eq!(Endpoint::parse("Host", 7).unwrap().to_string(), "host:7");
    assert_eq!(Endpoint::parse("[::1]:9", 7).unwrap().to_string(), "[::1]:9");
    assert!(Endpoint::parse("host/x", 7).is_err());
}

fn a_host() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9][a-z0-9.-]{0,20}", any::<[u16; 8]>().prop_map(|parts| Ipv6Addr::from(parts).to_string()),]
}

proptest! {
    #[test]
    fn parse_inverts_render(
        user in proptest::option::of("[^\\p{Cc}:/]{0,11}[^\\p{Cc}:/@]"),
        host in a_host(),
        port in proptest::option::of(1u16..),
        path in proptest::collection::vec("[^/\\x00-\\x1f\\x7f.]{1,8}", 0..4),
        is_folder: bool,
    ) {
        let path = RelPath::parse(path.join("/").as_bytes()).unwrap();
        let is_folder = is_folder || path.is_root();
        let target = Target { user, host, port, path, is_folder, bookmark: None };
        prop_assert_eq!(Target::parse(&target.render()).unwrap(), target);
    }

    #[test]
    fn a_url_means_what_the_plain_form_of_its_decoded_path_means(path in "[a-z %:=ü]{1,20}", is_folder: bool) {
        let plain = Target { user: None, host: "h".into(), port: None, path: RelPath::parse(path.as_bytes()).unwrap(), is_folder, bookmark: None };
        let slash = if is_folder { "/" } else { "" };
        let url = format!("sealift://h/{}{slash}", crate::proto::percent::encode(path.as_bytes()));
        prop_assert_eq!(Target::parse(url.as_bytes()).unwrap(), plain);
    }

    #[test]
    fn any_bytes_parse_or_are_refused_without_a_panic(typed in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(target) = Target::parse(&typed) {
            prop_assert_eq!(Target::parse(&target.render()).unwrap(), target);
        }
    }
}
