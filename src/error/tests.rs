//! The table and what is made of it.

use super::*;

#[test]
fn words_are_unique_and_round_trip() {
    for kind in Kind::ALL {
        assert_eq!(Kind::from_word(kind.word()), Some(*kind));
    }
}

#[test]
fn every_wire_kind_is_a_4xx_or_5xx_reply_and_4xx_alone_is_worth_a_retry() {
    for kind in Kind::ALL {
        let row = kind.row();
        if let Some(digits) = row.digits {
            assert!((400..600).contains(&digits), "{kind:?}");
            if row.retry && digits >= 500 {
                assert_eq!(*kind, Kind::Integrity, "{kind:?}");
            }
        }
    }
}

#[test]
fn every_next_step_is_a_sentence() {
    for kind in Kind::ALL {
        for side in [Side::Local, Side::Server] {
            let next = kind.row().next_step(side);
            assert!(next.ends_with('.') && next.len() > 10, "{kind:?}");
        }
    }
}

#[test]
fn no_next_step_is_that_of_one_program_alone() {
    for kind in Kind::ALL {
        for side in [Side::Local, Side::Server] {
            let next = kind.row().next_step(side);
            let is_typed = |word: &str| word.starts_with('-') || word.trim_start_matches('(').starts_with("`sealift");
            assert!(!next.split(' ').any(|word| is_typed(word) && word != "`sealift/1`."), "{kind:?}: {next}");
        }
    }
}

#[test]
fn operating_system_errors_find_their_kind() {
    let of = |errno: rustix::io::Errno| Error::file("x", errno.into()).kind();
    assert_eq!(of(rustix::io::Errno::NOENT), Kind::NotFound);
    assert_eq!(of(rustix::io::Errno::NOSPC), Kind::NoSpace);
    assert_eq!(of(rustix::io::Errno::XDEV), Kind::Denied);
    assert_eq!(of(rustix::io::Errno::IO), Kind::Io);
}

#[test]
fn an_error_becomes_one_of_the_standard_library_and_can_be_had_back() {
    for kind in Kind::ALL {
        let told = io::Error::from(Error::new(*kind, "x"));
        // Standard readers repeat the one and wait for the other.
        assert!(!matches!(told.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock), "{kind:?}");
        let back = told.into_inner().unwrap().downcast::<Error>().unwrap();
        assert_eq!(back.kind(), *kind);
    }
    assert_eq!(io::Error::from(Error::new(Kind::NotFound, "x")).kind(), io::ErrorKind::NotFound);
    assert_eq!(io::Error::from(Error::new(Kind::Integrity, "x")).kind(), io::ErrorKind::InvalidData);
}

#[test]
fn nobody_is_sent_to_the_server_for_what_went_wrong_here() {
    for kind in Kind::ALL.iter().copied().filter(|kind| kind.row().next.contains("server")) {
        let here = kind.row().next_step(Side::Local);
        let is_about_a_file = matches!(kind, Kind::Denied | Kind::NotFound | Kind::NoSpace | Kind::Quota | Kind::Io);
        assert!(!is_about_a_file || !here.contains("server"), "{kind:?}: {here}");
    }
}

#[test]
fn what_is_refused_to_the_servers_account_is_the_servers_fault_and_what_leads_out_is_not() {
    use rustix::io::Errno;
    for errno in [Errno::ACCESS, Errno::PERM, Errno::ROFS] {
        let error = Error::file("docs/x", errno.into());
        assert_eq!(error.kind(), Kind::Denied);
        let (kind, text) = error.told_by_server();
        assert_eq!(kind, Kind::Io);
        assert!(text.starts_with("docs/x: the server's own account"), "{text}");
    }
    assert_eq!(Error::file("x", Errno::XDEV.into()).told_by_server().0, Kind::Denied);
    assert_eq!(Error::new(Kind::Denied, "no right").told_by_server().0, Kind::Denied);
}
