//! The table of locks by itself.

use super::*;

fn below(home: &str) -> Location {
    Location::Below(home.to_owned())
}

fn place(path: &str) -> LockedPath {
    LockedPath::new(&below("alice"), &RelPath::parse(path.as_bytes()).unwrap())
}

fn terms(scope: Scope, deep: bool) -> Terms {
    Terms { scope, deep, owner: String::new(), lasts: Duration::from_secs(60) }
}

fn kind<T>(result: Result<T>) -> Result<(), Kind> {
    result.map(drop).map_err(|error| error.kind())
}

#[test]
fn one_lock_keeps_all_others_out_and_a_shared_one_only_those_that_are_not() {
    let (locks, now) = (Locks::default(), Instant::now());
    let take = |path: &str, scope, deep| kind(locks.take(&place(path), "alice", terms(scope, deep), now));
    assert_eq!(take("a", Scope::Exclusive, false), Ok(()));
    assert_eq!(take("a", Scope::Exclusive, false), Err(Kind::Locked));
    assert_eq!(take("a", Scope::Shared, false), Err(Kind::Locked));
    assert_eq!(take("d/s", Scope::Shared, false), Ok(()));
    assert_eq!(take("d/s", Scope::Shared, false), Ok(()));
    assert_eq!(take("d/s", Scope::Exclusive, false), Err(Kind::Locked));
    assert_eq!(take("d", Scope::Exclusive, true), Err(Kind::Locked), "something in it is locked");
    assert_eq!(take("d", Scope::Exclusive, false), Ok(()));
    assert_eq!(take("e", Scope::Exclusive, true), Ok(()));
    assert_eq!(take("e/x/y", Scope::Shared, false), Err(Kind::Locked), "all of the folder is");
    assert_eq!(take("e2", Scope::Exclusive, false), Ok(()), "a name that only begins so");
}

#[test]
fn a_lock_waits_for_what_it_would_keep_out_and_for_nothing_else() {
    let written = |path: &str, extent| Written(vec![(place("elsewhere"), Extent::Itself), (place(path), extent)]);
    for (path, extent, lock, deep, waits) in [
        ("d/f", Extent::Itself, "d/f", false, true),
        ("d/f", Extent::Itself, "d", true, true),
        ("d/f", Extent::Itself, "d", false, false),
        ("d/f", Extent::Member, "d", false, true),
        ("d/f", Extent::Tree, "d", false, true),
        ("d/e/f", Extent::Member, "d", false, false),
        ("d", Extent::Tree, "d/e/f", false, true),
        ("d", Extent::Member, "d/f", true, false),
        ("d2/f", Extent::Tree, "d", true, false),
        ("d", Extent::Tree, "d2", true, false),
    ] {
        assert_eq!(written(path, extent).is_under(&place(lock), deep), waits, "{path} {extent:?} {lock} {deep}");
    }
}

#[test]
fn a_write_takes_the_token_of_every_lock_in_its_way_from_the_user_who_has_it() {
    let (locks, now) = (Locks::default(), Instant::now());
    let token = |path: &str, deep| locks.take(&place(path), "alice", terms(Scope::Exclusive, deep), now).unwrap().token;
    let (folder, file) = (token("d", false), token("d/f", false));
    let check = |path: &str, extent, user: &str, tokens: &[LockToken]| {
        kind(locks.check(&place(path), extent, (user, tokens), now))
    };
    use Extent as E;
    assert_eq!(check("d/f", E::Itself, "alice", &[]), Err(Kind::Locked));
    assert_eq!(check("d/f", E::Itself, "bob", &[file]), Err(Kind::Locked), "another's token");
    assert_eq!(check("d/f", E::Itself, "alice", &[file]), Ok(()));
    assert_eq!(check("d/g", E::Itself, "alice", &[]), Ok(()), "a folder alone is locked");
    assert_eq!(check("d/g", E::Member, "alice", &[]), Err(Kind::Locked), "and what is in it");
    assert_eq!(check("d", E::Tree, "alice", &[folder]), Err(Kind::Locked));
    assert_eq!(check("d", E::Tree, "alice", &[folder, file]), Ok(()));
    assert_eq!(check("x", E::Tree, "alice", &[]), Ok(()));
    let outer = LockedPath::new(&below(""), &RelPath::root());
    assert!(locks.over(&outer, now).is_empty());
    assert_eq!(locks.over(&place("d/f"), now).len(), 1);
    locks.forget(&place("d"));
    assert_eq!(check("d", E::Tree, "bob", &[]), Ok(()));
    assert!(locks.is_empty());
}

#[test]
fn a_home_inside_of_another_has_the_same_locks() {
    let (locks, now) = (Locks::default(), Instant::now());
    let inner = LockedPath::new(&below("team/alice"), &RelPath::parse(b"f").unwrap());
    locks.take(&inner, "alice", terms(Scope::Exclusive, false), now).unwrap();
    let outer = LockedPath::new(&below("team"), &RelPath::parse(b"alice/f").unwrap());
    assert_eq!(kind(locks.check(&outer, Extent::Itself, ("lead", &[]), now)), Err(Kind::Locked));
    assert_eq!(locks.over(&outer, now)[0].place.within(&below("team")), Some(RelPath::parse(b"alice/f").unwrap()));
    assert_eq!(outer.within(&below("team/alice")), Some(RelPath::parse(b"f").unwrap()));
    assert_eq!(outer.within(&below("tea")), None);
}

#[test]
fn a_lock_ends_after_its_time_or_is_renewed_or_given_up_by_who_has_it() {
    let (locks, now) = (Locks::default(), Instant::now());
    let lock = locks.take(&place("d"), "alice", terms(Scope::Exclusive, true), now).unwrap();
    let later = now + Duration::from_secs(59);
    let over = now + Duration::from_secs(60);
    let is_free = |at| locks.check(&place("d/f"), Extent::Itself, ("bob", &[]), at).is_ok();
    assert!(!is_free(later) && is_free(over));
    let renew = |user: &str, tokens: &[LockToken], at| {
        kind(locks.renew(&place("d/f"), user, tokens, Duration::from_secs(60), at))
    };
    assert_eq!(renew("alice", &[lock.token], later), Ok(()));
    assert!(!is_free(over));
    assert_eq!(renew("bob", &[lock.token], later), Err(Kind::Changed));
    assert_eq!(renew("alice", &[LockToken::from_bits(1)], later), Err(Kind::Changed));
    let release = |user: &str, token| kind(locks.release(&place("d/f"), user, token, later));
    assert_eq!(release("bob", lock.token), Err(Kind::Denied));
    assert_eq!(release("alice", LockToken::from_bits(1)), Err(Kind::Changed));
    assert_eq!(release("alice", lock.token), Ok(()));
    assert!(is_free(later) && locks.is_empty());
}

#[test]
fn nobody_has_more_than_so_many_and_none_for_longer_than_so_long() {
    let (locks, now) = (Locks::default(), Instant::now());
    for n in 0..limits::LOCKS_PER_USER {
        locks.take(&place(&n.to_string()), "alice", terms(Scope::Exclusive, false), now).unwrap();
    }
    let one_more = |user: &str, at| kind(locks.take(&place("x"), user, terms(Scope::Shared, false), at));
    assert_eq!(one_more("alice", now), Err(Kind::TooMany));
    assert_eq!(one_more("bob", now), Ok(()), "others have theirs");
    assert_eq!(one_more("alice", now + Duration::from_secs(60)), Ok(()), "what is over does not count");
    let long = Terms { lasts: Duration::MAX, ..terms(Scope::Exclusive, false) };
    assert_eq!(locks.take(&place("y"), "bob", long, now).unwrap().left, limits::LOCK_MAX);
}
