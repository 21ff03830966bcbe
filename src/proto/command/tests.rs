use super::*;
use crate::files::{Condition, FileMode, Mtime, Resume};
use proptest::prelude::*;

#[test]
fn every_verb_is_found_in_any_case_and_nothing_else_is() {
    for verb in Verb::ALL {
        assert_eq!(Verb::from_name(verb.name().as_bytes()), Some(*verb));
        assert_eq!(Verb::from_name(verb.name().to_lowercase().as_bytes()), Some(*verb));
        assert!(verb.row().usage.starts_with(verb.name()));
    }
    assert_eq!(Verb::from_name(b"LISTS"), None);
    assert_eq!(Verb::from_name(b""), None);
}

/// A signature that is nobody's, of a key made from this.
fn some_proof(seed: &[u8; 32]) -> Proof {
    let mut blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20".to_vec();
    blob.extend(seed);
    Proof::new(crate::keys::PublicKey::from_blob(&blob).unwrap(), seed.to_vec())
}

fn bad(line: &str) -> (Option<Verb>, Kind) {
    let refused = Command::parse(line.as_bytes()).unwrap_err();
    (refused.verb, refused.error.kind())
}

#[test]
fn verbs_are_case_insensitive_and_spaces_may_repeat() {
    let Ok(Command::Download { path, offset: 0, length: None, growing: false }) = Command::parse(b"dOwNload   a%20b  ")
    else {
        panic!("not a download")
    };
    assert_eq!(path.as_bytes(), b"a b");
}

#[test]
fn too_many_too_few_and_unknown_arguments_are_bad_commands() {
    for line in [
        "DOWNLOAD",
        "DOWNLOAD a b",
        "RENAME a",
        "LIST a b",
        "PING x",
        "DOWNLOAD a x=1",
        "LIST recursive=maybe",
        "UPLOAD a size=-1",
        "UPLOAD a size=+1",
        "UPLOAD a size=1 size=2",
        "UPLOAD a if=no",
        "UPLOAD a offset=5",
        "UPLOAD a mtime=soon",
        "UPLOAD a mode=rwx",
        "UPLOAD a mode=4755",
        "DOWNLOAD 100%",
        "HELP NOTHING",
        "USER",
        "DOWNLOAD a\tb",
        "TOKEN count=0",
        "TOKEN count=16",
        "TOKEN x",
        "KEY alice",
        "KEY alice AAAA",
        "KEY alice =",
        "KEY alice ,",
        "JOIN",
        "STAGE a",
        "STAGE a size=1 offset=0",
        "PART 0123456789abcdef offset=0",
        "PART 0123456789abcdef length=1",
        "PART 01234 offset=0 length=1",
        "COMMIT 0123456789abcdef",
        "COMMIT 0123456789abcdef hash=12",
        "DISCARD",
        "NONCE x",
        "KEYS x",
        "PASSWD newer",
        "PASSWD newer present=",
        "PASSWD abc present=old",
        "PASSWD newer proof=",
        "PASSWD newer proof=AAAA",
        "ENROL",
        "ENROL laptop",
        "ENROL laptop AAAA present=old",
        "REVOKE present=old",
        "REVOKE SHA256:short present=old",
        "REVOKE MD5:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFUaaa present=old",
        "REVOKE SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
    ] {
        assert_eq!(bad(line).1, Kind::BadCommand, "{line}");
    }
    assert_eq!(bad("FETCH a"), (None, Kind::UnknownVerb));
    assert_eq!(bad(""), (None, Kind::UnknownVerb));
}

#[test]
fn a_refused_upload_is_still_known_to_be_an_upload() {
    assert_eq!(bad("UPLOAD ../x size=4"), (Some(Verb::Upload), Kind::BadPath));
    assert_eq!(bad("UPLOAD"), (Some(Verb::Upload), Kind::BadCommand));
    assert_eq!(bad("UPLOAD .sealift/x"), (Some(Verb::Upload), Kind::NotFound));
}

#[test]
fn an_error_never_repeats_a_password() {
    let too_long = format!("JOIN {}", "canary".repeat(20));
    let bad = ["PASS canary canary", "PASS canary=canary", "PASS canary%", "JOIN canary canary", "JOIN canary%"];
    let changes =
        ["PASSWD canary", "PASSWD newer present=canary%", "PASSWD a b present=canary", "ENROL x y present=canary"];
    for line in bad.into_iter().chain([too_long.as_str()]).chain(changes) {
        let error = Command::parse(line.as_bytes()).unwrap_err().error;
        assert!(!format!("{error} {error:?}").contains("canary"), "{line}");
    }
    for line in ["PASS canary", "JOIN canary"] {
        assert!(!format!("{:?}", Command::parse(line.as_bytes()).unwrap()).contains("canary"), "{line}");
    }
}

#[test]
fn a_change_is_proven_by_a_password_or_by_signatures_and_not_by_both() {
    let proof = some_proof(&[1; 32]).to_text();
    let fingerprint = some_proof(&[1; 32]).key().fingerprint();
    let many = [proof.as_str(); limits::KEY_PROOFS_MAX + 1].join(",");
    for start in ["PASSWD newer".to_owned(), format!("ENROL laptop {proof}"), format!("REVOKE {fingerprint}")] {
        for evidence in ["present=old".to_owned(), format!("proof={proof}"), format!("proof={proof},{proof}")] {
            assert!(Command::parse(format!("{start} {evidence}").as_bytes()).is_ok(), "{start} {evidence}");
        }
        for evidence in [format!("present=old proof={proof}"), format!("proof={many}"), String::new()] {
            assert_eq!(bad(&format!("{start} {evidence}")).1, Kind::BadCommand, "{start} {evidence}");
        }
    }
    assert_eq!(bad(&format!("ENROL laptop {proof},{proof} present=old")).1, Kind::BadCommand);
    for name in ["%0a", "%00", &"x".repeat(limits::KEY_NAME_MAX + 1)] {
        assert_eq!(bad(&format!("ENROL {name} {proof} present=old")).1, Kind::BadCommand, "{name}");
    }
}

#[test]
fn a_long_password_is_refused() {
    assert!(Command::parse(format!("PASS {}", "a".repeat(1024)).as_bytes()).is_ok());
    assert_eq!(bad(&format!("PASS {}", "a".repeat(1025))).1, Kind::BadCommand);
}

fn a_path() -> impl Strategy<Value = RelPath> {
    proptest::collection::vec("[^/\\x00-\\x1f\\x7f]{1,20}", 1..4)
        .prop_filter_map("a valid path", |names| RelPath::parse(names.join("/").as_bytes()).ok())
}

fn a_hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash::from_bytes)
}

fn an_evidence() -> impl Strategy<Value = Evidence> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..40).prop_map(|bytes| Evidence::Password(Secret::new(bytes))),
        (1usize..=limits::KEY_PROOFS_MAX, any::<[u8; 32]>()).prop_map(|(count, seed)| Evidence::Keys(vec![
            some_proof(
                &seed
            );
            count
        ])),
    ]
}

fn a_command() -> impl Strategy<Value = Command> {
    let mtime = || (any::<i64>(), 0u32..1_000_000_000).prop_map(|(secs, nanos)| Mtime { secs, nanos });
    let condition = || prop_oneof![Just(Condition::Any), Just(Condition::Absent), a_hash().prop_map(Condition::Hash)];
    let resume =
        || proptest::option::of((any::<u64>(), a_hash()).prop_map(|(offset, prefix)| Resume { offset, prefix }));
    let id = || any::<u64>().prop_map(StagedId::new);
    prop_oneof![
        "[^\\x00-\\x1f\\x7f-\\u{9f}]{1,16}".prop_map(Command::User),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|b| Command::Pass(Secret::new(b))),
        (a_path(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>())
            .prop_map(|(path, recursive, rotten, mode, marks)| Command::List { path, recursive, rotten, mode, marks }),
        (a_path(), mtime(), proptest::option::of(mtime())).prop_map(|(path, any, mtime)| Command::Chmod {
            path,
            mode: a_mode(any),
            mtime
        }),
        any::<bool>().prop_map(|recursive| Command::List {
            path: RelPath::root(),
            recursive,
            rotten: false,
            mode: false,
            marks: false
        }),
        (a_path(), any::<bool>()).prop_map(|(path, usage)| Command::Stat { path, usage }),
        any::<bool>().prop_map(|usage| Command::Stat { path: RelPath::root(), usage }),
        (
            a_path(),
            any::<Option<u64>>(),
            proptest::sample::select(&[HashOf::Bytes, HashOf::Record, HashOf::Growing, HashOf::Partial][..])
        )
            .prop_map(|(path, length, of)| Command::Hash { path, length, of }),
        a_path().prop_map(Command::Accept),
        (a_path(), any::<u64>(), any::<Option<u64>>(), any::<bool>())
            .prop_map(|(path, offset, length, growing)| Command::Download { path, offset, length, growing }),
        ("[a-z]{1,16}", 1usize..=limits::KEY_PROOFS_MAX, any::<[u8; 32]>())
            .prop_map(|(user, count, seed)| { Command::Key { user, proofs: vec![some_proof(&seed); count] } }),
        an_evidence().prop_map(|evidence| Command::Passwd { new: Secret::new("newer"), evidence }),
        ("[^\\x00-\\x1f\\x7f-\\u{9f}]{1,16}", any::<[u8; 32]>(), an_evidence())
            .prop_map(|(name, seed, evidence)| { Command::Enrol { name, key: Box::new(some_proof(&seed)), evidence } }),
        (any::<[u8; 32]>(), an_evidence()).prop_map(|(seed, evidence)| {
            Command::Revoke { fingerprint: some_proof(&seed).key().fingerprint(), evidence }
        }),
        (1u32..16).prop_map(|count| Command::Token { count }),
        proptest::collection::vec(any::<u8>(), 1..40).prop_map(|b| Command::Join(Secret::new(b))),
        (a_path(), any::<u64>(), proptest::option::of(mtime()), condition(), resume()).prop_map(
            |(path, size, mtime, condition, resume)| {
                let mode = mtime.map(a_mode);
                let allocated = mtime.map(|mtime| u64::from(mtime.nanos));
                Command::Stage(StageArgs { path, size, mtime, mode, allocated, condition, resume })
            }
        ),
        (id(), any::<u64>(), any::<u64>()).prop_map(|(id, offset, length)| Command::Part { id, offset, length }),
        (id(), a_hash()).prop_map(|(id, hash)| Command::Commit { id, hash }),
        id().prop_map(Command::Discard),
        (a_path(), any::<Option<u64>>(), proptest::option::of(mtime()), condition(), resume()).prop_map(
            |(path, size, mtime, condition, resume)| Command::Upload(UploadArgs {
                path,
                size,
                mtime,
                mode: mtime.map(a_mode),
                allocated: mtime.map(|mtime| u64::from(mtime.nanos)),
                condition,
                resume
            })
        ),
        (a_path(), any::<bool>(), any::<bool>()).prop_map(|(path, recursive, progress)| Command::Delete {
            path,
            recursive,
            progress
        }),
        (a_path(), any::<bool>()).prop_map(|(path, parents)| Command::Mkdir { path, parents }),
        (a_path(), a_path(), any::<bool>()).prop_map(|(from, to, replace)| Command::Rename { from, to, replace }),
        (a_path(), a_path(), any::<bool>()).prop_map(|(from, to, replace)| Command::Copy { from, to, replace }),
        Just(Command::Logout),
    ]
}

fn a_mode(mtime: Mtime) -> SourceMode {
    SourceMode { mode: FileMode::of(mtime.nanos), perms: mtime.secs % 2 == 0 }
}

#[test]
fn a_line_holds_as_many_signatures_as_may_come_of_the_largest_kind_and_no_more() {
    let point = [&[4][..], &[7; 64]].concat();
    let string = |bytes: &[u8]| [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat();
    let kind = string(b"sk-ecdsa-sha2-nistp256@openssh.com");
    let blob = [kind.clone(), string(b"nistp256"), string(&point), string(b"ssh:sealift.example")].concat();
    let signature = [kind, string(&[0; 76]), vec![0; 5]].concat();
    let proof = Proof::new(crate::keys::PublicKey::from_blob(&blob).unwrap(), signature);
    let line = |count: usize| {
        let user = "\u{e9}".repeat(limits::USER_MAX / 2);
        let mut line = Vec::new();
        Command::Key { user, proofs: vec![proof.clone(); count] }.render(&mut line).unwrap();
        line
    };
    assert!(Command::parse(line(limits::KEY_PROOFS_MAX).trim_ascii_end()).is_ok());
    assert!(Command::parse(line(limits::KEY_PROOFS_MAX + 1).trim_ascii_end()).is_err());
    // The longest change.
    let mut line = Vec::new();
    let evidence = Evidence::Keys(vec![proof.clone(); limits::KEY_PROOFS_MAX]);
    let name = "\u{e9}".repeat(limits::KEY_NAME_MAX / 2);
    Command::Enrol { name, key: Box::new(proof), evidence }.render(&mut line).unwrap();
    assert!(Command::parse(line.trim_ascii_end()).is_ok());
}

proptest! {
    #[test]
    fn parse_inverts_render_and_the_line_holds_one_command(command in a_command()) {
        let mut line = Vec::new();
        command.render(&mut line).unwrap();
        let body = line.strip_suffix(b"\r\n").unwrap();
        prop_assert!(!body.iter().any(|b| b.is_ascii_control()));
        let again = Command::parse(body).unwrap();
        let mut rendered = Vec::new();
        again.render(&mut rendered).unwrap();
        prop_assert_eq!(&rendered, &line);
        if let (Command::Upload(a), Command::Upload(b)) = (&command, &again) {
            prop_assert_eq!(a, b);
        }
        if let (Command::Stage(a), Command::Stage(b)) = (&command, &again) {
            prop_assert_eq!(a, b);
        }
    }

    #[test]
    fn any_bytes_parse_or_are_refused_without_a_panic(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Command::parse(&line);
    }
}
