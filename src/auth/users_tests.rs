use super::super::hash::tests::{cheap_hash, take_runs};
use super::*;
use crate::auth::Access;
use crate::limits::ARGON2_MEMORY_MIN_KIB;

const LOCALHOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const CHEAP: (u32, u32, u32) = (ARGON2_MEMORY_MIN_KIB, 1, 1);

fn secret(text: &str) -> Secret {
    Secret::new(text)
}

fn alice(anonymous: bool) -> Users {
    let hash = cheap_hash("right");
    let text = format!(
        "[anonymous]\nenabled = {anonymous}\n[users.alice]\npassword = \"{hash}\"\naccess = [\"list\"]\nadmin = true\n"
    );
    let users = Users::parse(&text, "users.toml").unwrap();
    take_runs();
    users
}

#[test]
fn the_right_password_gives_the_principal_of_the_file() {
    let principal = alice(true).verify("alice", &secret("right"), LOCALHOST).unwrap();
    assert_eq!((principal.name(), principal.home(), principal.access()), ("alice", "alice", Access::LIST));
    assert!(principal.is_admin() && !principal.is_anonymous());
    assert_eq!(take_runs(), [CHEAP]);
}

#[test]
fn what_is_granted_is_known_without_a_login() {
    let users = alice(true);
    for (name, password) in [("alice", "right"), ("anonymous", ""), ("FTP", "")] {
        let principal = users.verify(name, &secret(password), LOCALHOST).unwrap();
        assert_eq!(users.grants_of(name).unwrap(), principal.grants());
    }
    assert_eq!(users.grants_of("Alice").unwrap_err().kind(), Kind::NotFound);
    assert_eq!(alice(false).grants_of("anonymous").unwrap_err().kind(), Kind::LoginFailed);
}

#[test]
fn a_principal_holds_until_anything_of_its_user_changes() {
    let users = alice(true);
    let (named, anybody) = (
        users.verify("alice", &secret("right"), LOCALHOST).unwrap(),
        users.verify("ftp", &secret(""), LOCALHOST).unwrap(),
    );
    assert!(users.still_has(&named) && users.still_has(&anybody));
    let text = |password, more: &str| {
        format!("[users.alice]\npassword = \"{}\"\naccess = [\"list\"]\nadmin = true\n{more}", cheap_hash(password))
    };
    let of = |text: &str| Users::parse(text, "users.toml").unwrap();
    assert!(of(&text("right", "")).still_has(&named), "read again and the same");
    for changed in [
        text("other", ""),
        text("right", "home = \"elsewhere\"\n"),
        text("right", "quota = \"1 MiB\"\n"),
        text("right", "").replace("list", "upload"),
        text("right", "").replace("true", "false"),
        text("right", "").replace("alice", "bob"),
    ] {
        assert!(!of(&changed).still_has(&named), "{changed}");
        assert!(!of(&changed).still_has(&anybody), "anonymous reading is off");
    }
    // Whoever is just logging in is let in as the user is now, if the password is the one that was checked.
    let moved = of(&text("right", "home = \"elsewhere\"\n")).admit(&named, LOCALHOST);
    assert_eq!(moved.ok().map(|now| now.home().to_owned()).as_deref(), Some("elsewhere"));
    assert_eq!(of(&text("other", "")).admit(&named, LOCALHOST).unwrap_err().kind(), Kind::Revoked);
    assert_eq!(
        of(&text("right", "").replace("alice", "bob")).admit(&named, LOCALHOST).unwrap_err().kind(),
        Kind::Revoked
    );
    assert_eq!(of(&text("right", "")).admit(&anybody, LOCALHOST).unwrap_err().kind(), Kind::Revoked);
    take_runs();
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_alike_in_words_and_in_work() {
    let users = alice(true);
    let outcome = |user, password| {
        let err = users.verify(user, &secret(password), LOCALHOST).unwrap_err();
        (err.kind(), err.text().to_owned(), take_runs())
    };
    let wrong = outcome("alice", "wrong");
    assert_eq!(wrong, (Kind::LoginFailed, "wrong user or password".to_owned(), vec![CHEAP]));
    for unknown in ["bob", "Alice", "", "a/b", "../alice", "a\0"] {
        assert_eq!(outcome(unknown, "wrong"), wrong, "{unknown:?}");
        assert_eq!(outcome(unknown, "right"), wrong, "{unknown:?}: a real user's password is nothing for another name");
    }
    assert_eq!(outcome("alice", ""), wrong);
}

#[test]
fn unknown_names_cost_what_known_ones_cost_and_the_same_each_time() {
    let cheap = cheap_hash("right");
    let dearer = cheap.replace("m=7168", "m=7169");
    let text = format!("[users.a]\npassword = \"{cheap}\"\n[users.b]\npassword = \"{dearer}\"\n");
    let users = Users::parse(&text, "users.toml").unwrap();
    let names: Vec<String> = (0..20).map(|i| format!("nobody{i}")).collect();
    let memory = || -> Vec<u32> { names.iter().map(|name| users.decoy(name).memory_kib()).collect() };
    assert_eq!(memory(), memory());
    assert!(memory().iter().all(|m| [7168, 7169].contains(m)));
    let distinct: std::collections::BTreeSet<u32> =
        (0..200).map(|i| users.decoy(&i.to_string()).memory_kib()).collect();
    assert_eq!(distinct.len(), 2, "both users serve as decoys");
}

#[test]
fn without_named_users_an_unknown_name_costs_what_a_new_hash_costs() {
    let users = Users::parse("", "users.toml").unwrap();
    take_runs();
    assert_eq!(users.verify("bob", &secret("x"), LOCALHOST).unwrap_err().kind(), Kind::LoginFailed);
    assert_eq!(take_runs(), [(ARGON2_MEMORY_KIB, 2, 1)]);
}

#[test]
fn anonymous_reads_with_any_password_and_without_argon2() {
    let users = alice(true);
    for name in ["anonymous", "ftp", "Anonymous"] {
        for password in [String::new(), "x@example.org".into(), "x".repeat(PASSWORD_MAX + 1)] {
            let principal = users.verify(name, &Secret::new(password), LOCALHOST).unwrap();
            assert_eq!((principal.name(), principal.home()), ("anonymous", "public"));
            assert_eq!(principal.access(), Access::READ);
            assert!(principal.is_anonymous() && !principal.is_admin());
        }
    }
    assert_eq!(take_runs(), []);
}

#[test]
fn anonymous_is_refused_where_it_is_off() {
    let users = alice(false);
    let err = users.verify("anonymous", &secret(""), LOCALHOST).unwrap_err();
    assert_eq!((err.kind(), err.text()), (Kind::LoginFailed, "anonymous reading is off"));
    assert_eq!(take_runs(), []);
}

#[test]
fn a_long_password_is_refused_before_hashing_whoever_it_is_for() {
    let users = alice(true);
    for name in ["alice", "bob"] {
        let err = users.verify(name, &Secret::new(vec![b'x'; PASSWORD_MAX + 1]), LOCALHOST).unwrap_err();
        assert_eq!((err.kind(), err.text()), (Kind::LoginFailed, "the password is longer than 1024 bytes"));
    }
    assert_eq!(take_runs(), []);
    users.verify("alice", &Secret::new(vec![b'x'; PASSWORD_MAX]), LOCALHOST).unwrap_err();
    assert_eq!(take_runs(), [CHEAP]);
}

#[test]
fn the_worst_case_is_the_largest_hash_or_a_new_one() {
    assert_eq!(alice(true).worst_case_memory_kib(), ARGON2_MEMORY_KIB);
    let hash = cheap_hash("x").replace("m=7168", "m=65536");
    let users = Users::parse(&format!("[users.a]\npassword = \"{hash}\"\n"), "f").unwrap();
    assert_eq!(users.worst_case_memory_kib(), 65536);
}

#[test]
fn the_starter_file_lets_anybody_read_and_nobody_write() {
    let users = Users::parse(Users::starter(), "users.toml").unwrap();
    assert_eq!((users.anonymous_home(), users.iter().count()), (Some("public"), 0));
}

#[test]
fn shared_homes_are_found_part_by_part() {
    let hash = cheap_hash("x");
    let homes = [
        ("a", "bob"),
        ("b", "bob2"),
        ("c", "bob/docs"),
        ("d", "public"),
        ("e", "bob"),
        ("f", "bob/docs/x/y"),
        ("g", "bob-by"),
    ];
    let text = homes.map(|(name, home)| format!("[users.{name}]\npassword = \"{hash}\"\nhome = \"{home}\"\n"));
    let text = format!("[anonymous]\nenabled = true\n{}", text.concat());
    let users = Users::parse(&text, "f").unwrap();
    let shared = |home, owners: &[&'static str], inside: &[&'static str]| SharedHome {
        home,
        owners: owners.to_vec(),
        inside: inside.to_vec(),
    };
    let expected = [
        shared("bob", &["a", "e"], &["c", "f"]),
        shared("bob/docs", &["c"], &["f"]),
        shared("public", &["anonymous", "d"], &[]),
    ];
    assert_eq!(users.shared_homes(), expected);
}

/// With every pair compared this took minutes.
#[test]
fn twenty_thousand_users_are_read_and_compared() {
    let hash = cheap_hash("x");
    let user = |i: u32| format!("[users.user{i:05}]\npassword = \"{hash}\"\naccess = \"full\"\nadmin = false\n\n");
    let text: String = (0..20_000).map(user).collect();
    assert!(text.len() as u64 <= crate::limits::USERS_FILE_MAX / 2, "{}", text.len());
    let users = Users::parse(&text, "f").unwrap();
    assert_eq!((users.iter().count(), users.shared_homes().len()), (20_000, 0));
}

#[test]
fn users_print_no_hash() {
    let users = alice(true);
    let printed = format!("{users:?}");
    assert!(printed.contains("alice") && !printed.contains("$argon2id"), "{printed}");
}

/// Alice with more in her section.
fn alice_with(more: &str) -> Users {
    Users::parse(&format!("[users.alice]\npassword = \"{}\"\n{more}\n", cheap_hash("right")), "users.toml").unwrap()
}

#[test]
fn who_may_not_be_logged_in_is_refused_as_a_wrong_password_is_and_the_log_alone_knows_why() {
    for (more, why) in [
        ("enabled = false", Barred::Disabled),
        ("expires = 2020-01-31", Barred::Expired),
        ("from = [\"10.0.0.0/8\"]", Barred::Elsewhere),
    ] {
        let users = alice_with(more);
        let refused = |password| {
            take_runs();
            let error = users.verify("alice", &secret(password), LOCALHOST).unwrap_err();
            let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref().copied());
            ((error.kind(), error.text().to_owned(), take_runs()), source)
        };
        let (right, wrong) = (refused("right"), refused("wrong"));
        assert_eq!(right.0, wrong.0, "{more}");
        assert_eq!((right.1, wrong.1), (Some(why), None), "{more}");
    }
}

#[test]
fn what_ends_a_login_ends_what_it_opened() {
    let free = alice_with("");
    let principal = free.verify("alice", &secret("right"), LOCALHOST).unwrap();
    assert!(free.renew(&principal).is_some());
    for more in ["enabled = false", "expires = 2020-01-31", "from = [\"10.0.0.0/8\", \"2001:db8::/32\"]"] {
        let users = alice_with(more);
        assert!(users.renew(&principal).is_none() && !users.still_has(&principal), "{more}");
        assert_eq!(users.admit(&principal, LOCALHOST).unwrap_err().kind(), Kind::LoginFailed, "{more}");
    }
    for more in ["expires = 2999-01-31", "from = \"127.0.0.0/8\"", "max_sessions = 1", "enabled = true"] {
        assert!(alice_with(more).renew(&principal).is_some(), "{more}");
    }
}

#[test]
fn an_address_is_the_same_however_it_is_written() {
    let users = alice_with("from = [\"127.0.0.0/8\", \"2001:db8::/32\"]");
    for (from, logs_in) in [
        ("127.0.0.1", true),
        ("::ffff:127.0.0.1", true),
        ("2001:db8:ffff::1", true),
        ("::127.0.0.1", false),
        ("64:ff9b::7f00:1", false),
        ("2001:db9::1", false),
        ("::ffff:128.0.0.1", false),
    ] {
        let outcome = users.verify("alice", &secret("right"), from.parse().unwrap());
        assert_eq!(outcome.is_ok(), logs_in, "{from}");
    }
    // An IPv6 network around the mapped ones would let every IPv4 address in: that is what it says.
    let users = alice_with("from = \"::ffff:10.0.0.0/104\"");
    assert!(users.verify("alice", &secret("right"), "10.1.2.3".parse().unwrap()).is_ok());
    assert!(users.verify("alice", &secret("right"), LOCALHOST).is_err());
    take_runs();
}

#[test]
fn defaults_are_for_all_who_say_nothing_and_can_be_lifted() {
    let hash = cheap_hash("x");
    let text = format!(
        "[defaults]\naccess = \"read\"\nquota = \"1 MiB\"\nexpires = 2999-12-31\nfrom = [\"10.0.0.0/8\"]\nmax_sessions = 2\n\
         [users.plain]\npassword = \"{hash}\"\n\
         [users.free]\npassword = \"{hash}\"\naccess = \"full\"\nquota = \"none\"\nexpires = \"never\"\nfrom = \"anywhere\"\nmax_sessions = \"none\"\n"
    );
    let users = Users::parse(&text, "users.toml").unwrap();
    let plain = users.grants_of("plain").unwrap();
    assert_eq!(
        (plain.access, plain.terms.quota, plain.max_sessions, plain.from.len()),
        (Access::READ, Some(1 << 20), Some(2), 1)
    );
    assert!(plain.expires.is_some() && plain.enabled && !plain.admin);
    assert_eq!(users.grants_of("free").unwrap(), &Grants::new("free"));
}

#[test]
fn an_expiry_that_comes_is_seen() {
    let users = alice_with("expires = 2027-01-31");
    let end = super::super::parse_expiry("2027-01-31").unwrap();
    let second = std::time::Duration::from_secs(1);
    assert!(users.expired_between(end - second, end) && !users.expired_between(end, end + second));
    assert!(!users.expired_between(end - 2 * second, end - second));
}
