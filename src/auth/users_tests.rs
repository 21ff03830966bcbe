use super::super::hash::tests::{cheap_hash, take_runs};
use super::*;
use crate::auth::Access;
use crate::limits::ARGON2_MEMORY_MIN_KIB;

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
    let principal = alice(true).verify("alice", &secret("right")).unwrap();
    assert_eq!((principal.name(), principal.home(), principal.access()), ("alice", "alice", Access::LIST));
    assert!(principal.is_admin() && !principal.is_anonymous());
    assert_eq!(take_runs(), [CHEAP]);
}

#[test]
fn what_is_granted_is_known_without_a_login() {
    let users = alice(true);
    for (name, password) in [("alice", "right"), ("anonymous", ""), ("FTP", "")] {
        let principal = users.verify(name, &secret(password)).unwrap();
        assert_eq!(users.grants_of(name).unwrap(), principal.grants());
    }
    assert_eq!(users.grants_of("Alice").unwrap_err().kind(), Kind::NotFound);
    assert_eq!(alice(false).grants_of("anonymous").unwrap_err().kind(), Kind::LoginFailed);
}

#[test]
fn a_principal_holds_until_anything_of_its_user_changes() {
    let users = alice(true);
    let (named, anybody) =
        (users.verify("alice", &secret("right")).unwrap(), users.verify("ftp", &secret("")).unwrap());
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
    let moved = of(&text("right", "home = \"elsewhere\"\n")).admit(&named);
    assert_eq!(moved.map(|now| now.home().to_owned()).as_deref(), Some("elsewhere"));
    assert_eq!(of(&text("other", "")).admit(&named), None);
    assert_eq!(of(&text("right", "").replace("alice", "bob")).admit(&named), None);
    assert_eq!(of(&text("right", "")).admit(&anybody), None);
    take_runs();
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_alike_in_words_and_in_work() {
    let users = alice(true);
    let outcome = |user, password| {
        let err = users.verify(user, &secret(password)).unwrap_err();
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
    assert_eq!(users.verify("bob", &secret("x")).unwrap_err().kind(), Kind::LoginFailed);
    assert_eq!(take_runs(), [(ARGON2_MEMORY_KIB, 2, 1)]);
}

#[test]
fn anonymous_reads_with_any_password_and_without_argon2() {
    let users = alice(true);
    for name in ["anonymous", "ftp", "Anonymous"] {
        for password in [String::new(), "x@example.org".into(), "x".repeat(PASSWORD_MAX + 1)] {
            let principal = users.verify(name, &Secret::new(password)).unwrap();
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
    let err = users.verify("anonymous", &secret("")).unwrap_err();
    assert_eq!((err.kind(), err.text()), (Kind::LoginFailed, "anonymous reading is off"));
    assert_eq!(take_runs(), []);
}

#[test]
fn a_long_password_is_refused_before_hashing_whoever_it_is_for() {
    let users = alice(true);
    for name in ["alice", "bob"] {
        let err = users.verify(name, &Secret::new(vec![b'x'; PASSWORD_MAX + 1])).unwrap_err();
        assert_eq!((err.kind(), err.text()), (Kind::LoginFailed, "the password is longer than 1024 bytes"));
    }
    assert_eq!(take_runs(), []);
    users.verify("alice", &Secret::new(vec![b'x'; PASSWORD_MAX])).unwrap_err();
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
