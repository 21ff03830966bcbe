//! What is read of `authorized_keys` files, and what of them is not taken.

use super::*;
use crate::client::keys::LoginKey;

fn line() -> String {
    LoginKey::generate("ada@desk").unwrap().public().to_openssh("ada@desk")
}

#[test]
fn every_key_of_a_file_is_read_with_what_bounds_it() {
    let lines: Vec<String> = (0..5).map(|_| line()).collect();
    let text = format!(
        "# laptop\n{}\n\n  # desk\nno-pty,no-port-forwarding {}\nfrom=\"192.0.2.0/24,2001:db8::7\",restrict\t{}\r\n\
         command=\"internal-sftp -d \\\"/a b\\\"\",expiry-time=\"20270131Z\" {}\nEXPIRY-TIME=\"202701311830Z\" {}\n{}\n",
        lines[0], lines[1], lines[2], lines[3], lines[4], lines[0]
    );
    let read = AuthorizedKeys::read(&text);
    assert!(read.refused.is_empty(), "{:?}", read.refused);
    assert_eq!(read.keys.len(), 5);
    assert!(read.keys.iter().all(|key| key.name() == "ada@desk"));
    assert!(!read.keys[0].is_bounded() && !read.keys[1].is_bounded());
    let from: Vec<String> = read.keys[2].from().iter().map(ToString::to_string).collect();
    assert_eq!(from, ["192.0.2.0/24", "2001:db8::7"]);
    // `2027-01-31` as the last day would be a day more.
    assert_eq!(read.keys[3].expires(), parse_expiry("2027-01-31T00:00:00Z"));
    assert_eq!(read.keys[4].expires(), parse_expiry("2027-01-31T18:30:00Z"));
}

#[test]
fn a_key_whose_bounds_are_not_known_here_is_not_taken() {
    for (options, why) in [
        ("from=\"*.example.org\"", "a wildcard"),
        ("from=\"!192.0.2.7,192.0.2.0/24\"", "a wildcard"),
        ("from=\"192.0.2.0/24, 198.51.100.0/24\"", "a wildcard"),
        ("from=\"192.0.2.7/24\"", "a wildcard"),
        ("from=\"\"", "a wildcard"),
        ("command=\"/usr/bin/backup sftp-server\"", "one thing alone"),
        ("command=\"echo 'a,b'\",no-pty", "one thing alone"),
        ("cert-authority", "authority"),
        ("verify-required", "PIN"),
        ("expiry-time=\"20270131\"", "its zone"),
        ("expiry-time=\"20270231Z\"", "its zone"),
        ("expiry-time=\"2027Z\"", "its zone"),
        ("no-pty,made-up", "not known here"),
        ("command=\"never closed", "begin with the kind"),
    ] {
        let read = AuthorizedKeys::read(&format!("\n{options} {}\n", line()));
        assert!(read.keys.is_empty(), "{options}");
        let [(2, err)] = read.refused.as_slice() else { panic!("{options}: {:?}", read.refused) };
        assert!(err.text().contains(why), "{options}: {err}");
    }
    let dsa = "ssh-dss AAAAB3NzaC1kc3MAAACBAPGqvYkMBP0Lm0Jzn1n old";
    for text in [dsa.to_owned(), format!("no-pty {dsa}")] {
        let read = AuthorizedKeys::read(&text);
        assert!(
            read.keys.is_empty() && read.refused[0].1.text().contains("DSA keys do not log in"),
            "{:?}",
            read.refused
        );
    }
}

/// A key with these options before it.
fn with(options: &str) -> Result<UserKey> {
    let mut read = AuthorizedKeys::read(&format!("{options} {}", line()));
    read.keys.pop().ok_or_else(|| read.refused.remove(0).1)
}

#[test]
fn a_command_that_reads_alone_bounds_its_key_and_one_that_names_requests_is_not_known() {
    for (command, access) in [
        ("internal-sftp", None),
        ("internal-sftp -e -l INFO -f AUTH", None),
        ("/usr/lib/openssh/sftp-server -lVERBOSE -u 027 -d /srv", None),
        ("internal-sftp -d \\\"/a b\\\"", None),
        ("internal-sftp -R", Some(Access::READ)),
        ("/usr/lib/sftp-server -eR -l INFO", Some(Access::READ)),
        ("internal-sftp  -R -R ", Some(Access::READ)),
        // The word is of `-l`.
        ("internal-sftp -l -R", None),
    ] {
        let key = with(&format!("command=\"{command}\",restrict")).unwrap_or_else(|err| panic!("{command}: {err}"));
        assert_eq!(key.access(), access, "{command}");
    }
    for command in [
        "internal-sftp -P remove,rename",
        "internal-sftp -Premove",
        "internal-sftp -p open,read",
        "internal-sftp -Rp open",
        "internal-sftp -eP remove",
        "internal-sftp -x",
        "internal-sftp --",
        "internal-sftp -",
        "internal-sftp -l",
        "internal-sftp /srv",
        "internal-sftp; sh",
        "internal-sftp -d $HOME",
        "internal-sftp -d `id`",
        "internal-sftp | sh",
        "sftp-server 'open",
        "sftp-server\\ -R",
        "internal-sftp-of-mine",
        "/own/wrapper/sftp-server",
        "/usr/local/bin/sftp-server -R",
        "./sftp-server",
        "sftp-server",
        "/usr/lib/openssh/../../../own/sftp-server",
        " internal-sftp",
        "'internal-sftp'",
        "\\\"internal-sftp\\\" -R",
        "internal-sftp -d '/a -R b'",
        "internal-sftp '-d' -R",
        "internal-sftp -'d' -R",
        "internal-sftp ''-d -R",
        "",
        " ",
    ] {
        let err = with(&format!("command=\"{command}\"")).unwrap_err();
        assert!(err.text().contains("one thing alone"), "{command}: {err}");
    }
}

/// What sshd refuses lets nobody in there.
#[test]
fn a_line_that_sshd_refuses_is_not_taken() {
    for options in [
        "command=internal-sftp",
        "command=",
        "command",
        "from=192.0.2.0/24",
        "from",
        "expiry-time=20270131Z",
        "environment=A=b",
        "environment",
        "environment=\"A\"",
        "environment=\"=b\"",
        "environment=\"A-B=c\"",
        "permitopen=host:22",
        "permitopen=\"host\"",
        "permitopen=\"22\"",
        "permitopen=\":22\"",
        "permitopen=\"host:0\"",
        "permitopen=\"host:ssh\"",
        "permitlisten=8080",
        "permitlisten=\"\"",
        "tunnel=0",
        "tunnel=\"of-mine\"",
        "tunnel",
        "restrict=yes",
        "restrict=\"yes\"",
        "no-pty=\"\"",
        "cert-authority=\"x\"",
        "principals=bob",
        "no-x11-forwarding=\"no\"",
        "no-pty,",
        "restrict,command=\"internal-sftp\",",
        "command=\"internal-sftp\"x",
        "command=\"internal-sftp\"\"\"",
    ] {
        let err = with(options).err().unwrap_or_else(|| panic!("{options} is taken"));
        assert!(err.text().contains("as sshd takes them"), "{options}: {err}");
    }
    for options in [
        "environment=\"A_1=b c\"",
        "permitopen=\"host:22\",permitopen=\"[2001:db8::1]:*\"",
        "permitlisten=\"8080\",permitlisten=\"localhost:8080\"",
        "tunnel=\"0\",TUNNEL=\"any\"",
    ] {
        with(options).unwrap_or_else(|err| panic!("{options}: {err}"));
    }
}

#[test]
fn an_option_that_comes_twice_widens_nothing() {
    let (early, late) = ("20261201Z", "20301201Z");
    for options in [
        format!("expiry-time=\"{early}\",expiry-time=\"{late}\""),
        format!("expiry-time=\"{late}\",expiry-time=\"{early}\""),
    ] {
        assert_eq!(with(&options).unwrap().expires(), parse_expiry("2026-12-01T00:00:00Z"));
    }
    for (options, why) in [
        ("from=\"192.0.2.0/24\",from=\"0.0.0.0/0\"", "several from="),
        ("FROM=\"192.0.2.0/24\",from=\"192.0.2.0/24\"", "several from="),
        ("command=\"internal-sftp -R\",command=\"internal-sftp\"", "several command="),
    ] {
        assert!(with(options).unwrap_err().text().contains(why), "{options}");
    }
}

#[test]
fn a_backslash_hides_a_quote_and_nothing_else_as_for_sshd() {
    assert!(with(r#"environment="A=\"b\",command=\"x\"""#).is_ok(), "one option");
    let shown = r#"environment="A=\x",command="x",environment="B""#;
    assert!(with(shown).unwrap_err().text().contains("one thing alone"));
    // The quote behind two backslashes is hidden, so the next one ends the text, in the middle of the option.
    for odd in [r#"environment="A=\\",command="x",environment="B=\\""#, r#"from="192.0.2.7"x"#, r#"no-pty=a"b,c""#] {
        assert!(with(odd).unwrap_err().text().contains("as sshd takes them"), "{odd}");
    }
}

#[test]
fn a_key_that_was_refused_once_is_taken_from_no_later_line_and_the_first_bounds_count() {
    let (one, two) = (line(), line());
    let read =
        AuthorizedKeys::read(&format!("command=\"rrsync -ro /srv\" {one}\n{one}\nverify-required {two}\n{two}\n"));
    assert!(read.keys.is_empty(), "{:?}", read.keys);
    let why: Vec<(usize, bool)> =
        read.refused.iter().map(|(line, err)| (*line, err.text().starts_with("a line before it"))).collect();
    assert_eq!(why, [(1, false), (2, true), (3, false), (4, true)]);
    // The first line is what sshd looks at.
    let read = AuthorizedKeys::read(&format!("from=\"192.0.2.7\" {one}\n{one}\nfrom=\"192.0.2.7\" {one}\n"));
    assert_eq!((read.keys.len(), read.keys[0].from().len()), (1, 1));
    let [(2, err)] = read.refused.as_slice() else { panic!("{:?}", read.refused) };
    assert!(err.text().contains("other bounds"), "{err}");
    let mut read = AuthorizedKeys::read(&format!("{one}\ncommand=\"x\" {one}\n"));
    assert_eq!((read.keys.len(), read.refused.len()), (1, 1));
    // Also of the next file.
    let more = read.read_more(&format!("{one}\nfrom=\"192.0.2.7\" {one}\n{two}\n"));
    assert_eq!((more.usable, more.refused.len(), read.keys.len()), (2, 1, 2));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic_or_is_repeated(text in "[ -~é\\n\\t\"\\\\,=]{0,200}") {
        for (_, err) in AuthorizedKeys::read(&text).refused {
            proptest::prop_assert!(err.text().len() < 200);
        }
    }
}
