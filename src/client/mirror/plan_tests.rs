//! The plan against a model: applied to the destination it makes both sides equal, and touches nothing else.

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 4] = ["a", "a-b", "b", "x"];

fn rel(path: &str) -> RelPath {
    RelPath::parse(path.as_bytes()).unwrap()
}

fn item(kind: EntryKind, size: u64, secs: i64) -> Item {
    Item { kind, size, mtime: Mtime { secs, nanos: 5 }, rotten: false, mode: None }
}

fn tree(entries: &[(&str, Item)]) -> Tree {
    let items = entries.iter().map(|(path, item)| (rel(path), *item)).collect();
    Tree { items, ..Tree::default() }
}

const FOLDER: EntryKind = EntryKind::Directory;
const FILE: EntryKind = EntryKind::File;

/// A tree of at most three levels; what would be in a file is left away.
fn any_tree(kinds: Vec<EntryKind>) -> impl Strategy<Value = Tree> {
    let path = proptest::collection::vec(proptest::sample::select(&NAMES[..]), 1..4);
    let entry = (path, proptest::sample::select(kinds), 0u64..2, 0i64..2);
    proptest::collection::vec(entry, 0..12).prop_map(|entries| {
        let mut items = BTreeMap::from([(RelPath::root(), item(FOLDER, 0, 0))]);
        for (names, kind, size, secs) in entries {
            let path = rel(&names.join("/"));
            let above = (1..names.len()).map(|depth| rel(&names[..depth].join("/"))).collect::<Vec<_>>();
            let fits = above.iter().all(|folder| items.get(folder).is_none_or(|found| found.kind == FOLDER));
            if fits && !items.contains_key(&path) {
                for folder in above {
                    items.entry(folder).or_insert(item(FOLDER, 0, 0));
                }
                items.insert(path, item(kind, if kind == FILE { size } else { 0 }, secs));
            }
        }
        Tree { items, ..Tree::default() }
    })
}

/// Does what a plan says as a disk would: nothing goes into what is no folder, no folder goes before what is in it.
fn apply(plan: &Plan, source: &Tree, mut to: Tree) -> Tree {
    let remove = |to: &mut Tree, path: &RelPath| {
        assert!(below(to, path).next().is_none(), "{path} is not empty");
        assert!(to.items.remove(path).is_some(), "{path} is not there");
    };
    plan.replace.iter().flat_map(|replacement| &replacement.gone).for_each(|path| remove(&mut to, path));
    for path in plan.made().chain(plan.transferred()) {
        let parent = path.parent();
        assert!(parent.is_none_or(|parent| to.items.get(&parent).is_some_and(|found| found.kind == FOLDER)), "{path}");
        let replaced = to.items.insert(path.clone(), source.items[path]);
        assert!(replaced.is_none_or(|replaced| replaced.kind == FILE));
    }
    for path in &plan.touch {
        to.items.get_mut(path).unwrap().mtime = source.items[path].mtime;
    }
    plan.delete.iter().for_each(|path| remove(&mut to, path));
    to
}

fn without_folder_times(tree: &Tree) -> BTreeMap<RelPath, (EntryKind, u64, Option<Mtime>)> {
    let seen = |item: &Item| (item.kind, item.size, (item.kind == FILE).then_some(item.mtime));
    tree.items.iter().map(|(path, item)| (path.clone(), seen(item))).collect()
}

fn all_kinds() -> Vec<EntryKind> {
    vec![FILE, FILE, FOLDER, FOLDER, EntryKind::Link, EntryKind::Other]
}

proptest! {
    #[test]
    fn applied_it_makes_both_sides_equal(
        source in any_tree(vec![FILE, FILE, FOLDER]),
        to in any_tree(vec![FILE, FILE, FOLDER, FOLDER, EntryKind::Link]),
        missing in any::<bool>()
    ) {
        let to = if missing { Tree::default() } else { to };
        let made = plan(&source, &to, Compare::Times, Also { delete: true, perms: false, update: false });
        prop_assert!(made.blocked.is_empty());
        let after = apply(&made, &source, to);
        prop_assert_eq!(without_folder_times(&after), without_folder_times(&source));
        let again = plan(&source, &after, Compare::Times, Also { delete: true, perms: false, update: false });
        let files = source.items.values().filter(|item| item.kind == FILE).count() as u64;
        prop_assert_eq!(again, Plan { same: files, ..Plan::default() });
    }

    #[test]
    fn without_delete_nothing_but_what_is_replaced_goes(
        source in any_tree(vec![FILE, FOLDER]), to in any_tree(all_kinds())
    ) {
        let made = plan(&source, &to, Compare::Times, Also { delete: false, perms: false, update: false });
        prop_assert!(made.delete.is_empty());
        let after = apply(&made, &source, to.clone());
        for path in to.items.keys() {
            let stays = after.items.contains_key(path);
            prop_assert!(stays, "{path} is gone");
        }
    }

    #[test]
    fn nothing_takes_the_place_of_a_special_file_or_of_a_folder_with_one(
        source in any_tree(vec![FILE, FOLDER]), to in any_tree(all_kinds()), delete in any::<bool>()
    ) {
        let made = plan(&source, &to, Compare::Times, Also { delete, perms: false, update: false });
        for path in made.replace.iter().flat_map(|replacement| &replacement.gone) {
            prop_assert!(to.items[path].kind != EntryKind::Other, "{path}");
        }
        let specials = to.items.iter().filter(|(_, item)| item.kind == EntryKind::Other);
        for path in specials.map(|(path, _)| path).filter(|path| source.items.contains_key(*path)) {
            let is_under = |blocked: &RelPath| path.strip_prefix(blocked).is_some();
            prop_assert!(made.blocked.iter().any(is_under), "{path} is not told");
            prop_assert!(!made.made().chain(made.transferred()).chain(&made.delete).any(|other| other == path), "{path}");
        }
    }

    #[test]
    fn what_must_not_be_touched_is_not(
        source in any_tree(vec![FILE, FOLDER]), to in any_tree(all_kinds()),
        guarded in proptest::collection::vec(proptest::sample::select(&["a", "b", "a/b", "x/a/x"][..]), 1..3),
    ) {
        let (mut source, mut to) = (source, to);
        // As a scan leaves them: an excluded path and what is below it is in neither listing.
        for path in &guarded {
            for tree in [&mut source, &mut to] {
                let guard = rel(path);
                let has_it = tree.items.contains_key(&guard);
                tree.items.retain(|found, _| found.strip_prefix(&guard).is_none());
                if has_it {
                    tree.untouchable.insert(path.as_bytes().to_vec());
                }
            }
        }
        let made = plan(&source, &to, Compare::Times, Also { delete: true, perms: false, update: false });
        let gone: HashSet<&RelPath> = made.removed().collect();
        for path in gone.iter().chain(&made.made().chain(made.transferred()).collect::<HashSet<_>>()) {
            for guard in &guarded {
                prop_assert!(path.strip_prefix(&rel(guard)).is_none(), "{path}");
            }
        }
        for path in &to.untouchable {
            for folder in ancestors(path) {
                let folder = RelPath::parse(folder).unwrap();
                prop_assert!(!gone.contains(&folder), "{folder}");
            }
        }
    }
}

#[test]
fn only_what_differs_in_size_or_time_is_transferred() {
    let source = tree(&[("a", item(FILE, 1, 1)), ("b", item(FILE, 1, 1)), ("x", item(FILE, 1, 1))]);
    let to = tree(&[("a", item(FILE, 1, 1)), ("b", item(FILE, 2, 1)), ("x", item(FILE, 1, 2))]);
    let made = plan(&source, &to, Compare::Times, Also { delete: false, perms: false, update: false });
    assert_eq!((made.same, made.transfer), (1, vec![rel("b"), rel("x")]));
    assert_eq!(of_equal_size(&source, &to), [rel("a"), rel("x")]);
    // By content, another time alone does not move a file.
    let same = HashSet::from([rel("x")]);
    let made = plan(&source, &to, Compare::Content(&same), Also { delete: false, perms: false, update: false });
    assert_eq!((made.same, made.transfer, made.touch), (1, vec![rel("a"), rel("b")], vec![rel("x")]));
}

#[test]
fn times_agree_as_exactly_as_both_sides_know_them() {
    let at = |secs, nanos| Mtime { secs, nanos };
    assert!(same_time(at(1, 5), at(1, 5)) && same_time(at(1, 0), at(1, 5)) && same_time(at(1, 5), at(1, 0)));
    assert!(!same_time(at(1, 5), at(1, 6)) && !same_time(at(1, 0), at(2, 0)));
}

#[test]
fn a_folder_with_something_in_it_gives_way_only_to_delete() {
    let source = tree(&[("a", item(FILE, 1, 1))]);
    let to = tree(&[("a", item(FOLDER, 0, 0)), ("a-b", item(FILE, 1, 1)), ("a/b", item(FILE, 1, 1))]);
    let made = plan(&source, &to, Compare::Times, Also { delete: false, perms: false, update: false });
    assert_eq!((made.blocked, made.replace, made.transfer), (vec![rel("a")], vec![], vec![]));
    let made = plan(&source, &to, Compare::Times, Also { delete: true, perms: false, update: false });
    let replaced =
        Replacement { path: rel("a"), gone: vec![rel("a/b"), rel("a")], make: vec![], transfer: vec![rel("a")] };
    assert_eq!((made.replace, made.transfer), (vec![replaced], vec![]));
    assert_eq!(made.delete, [rel("a-b")]);
}

#[test]
fn what_is_in_a_new_folder_belongs_to_what_it_replaces_also_after_names_that_sort_between() {
    let folders = ["a", "a/d", "b"].map(|path| (path, item(FOLDER, 0, 0)));
    let files = ["a-b", "a/d/x", "a/y", "b/z"].map(|path| (path, item(FILE, 1, 1)));
    let source = tree(&[&folders[..], &files[..]].concat());
    let to = tree(&[("a", item(FILE, 1, 1)), ("a-b", item(FOLDER, 0, 0))]);
    let made = plan(&source, &to, Compare::Times, Also { delete: false, perms: false, update: false });
    assert_eq!((made.make, made.transfer), (vec![rel("b")], vec![rel("b/z")]));
    let of = |at: usize| (made.replace[at].make.clone(), made.replace[at].transfer.clone());
    assert_eq!(of(0), (vec![rel("a"), rel("a/d")], vec![rel("a/d/x"), rel("a/y")]));
    assert_eq!(of(1), (vec![], vec![rel("a-b")]));
}

#[test]
fn a_stray_keeps_the_folder_it_is_in_from_giving_way_but_not_from_being_deleted() {
    let stray = |folder: &str| Stray { folder: rel(folder), name: b"a\tb".to_vec(), kind: FILE };
    let source = tree(&[("a", item(FILE, 1, 1))]);
    let mut to = tree(&[("a", item(FOLDER, 0, 0)), ("old", item(FOLDER, 0, 0))]);
    to.strays = vec![stray("a"), stray("old")];
    let made = plan(&source, &to, Compare::Times, Also { delete: true, perms: false, update: false });
    assert_eq!((made.blocked, made.delete, made.strays), (vec![rel("a")], vec![rel("old")], vec![stray("old")]));
}

#[test]
fn what_is_newer_there_stays_if_only_newer_files_are_wanted() {
    let file =
        |secs| Item { kind: EntryKind::File, size: 1, mtime: Mtime { secs, nanos: 0 }, rotten: false, mode: None };
    let tree = |all: &[(&str, Item)]| {
        let mut tree = Tree::default();
        tree.items.extend(all.iter().map(|(path, item)| (RelPath::parse(path.as_bytes()).unwrap(), *item)));
        tree
    };
    let rotten = Item { rotten: true, ..file(3) };
    let source = tree(&[("newer", file(2)), ("older", file(2)), ("rotten", file(2)), ("same", file(2))]);
    let there = tree(&[("newer", file(3)), ("older", file(1)), ("rotten", rotten), ("same", file(2))]);
    let made = plan(&source, &there, Compare::Times, Also { update: true, ..Also::default() });
    assert_eq!(made.transfer.iter().map(RelPath::as_bytes).collect::<Vec<_>>(), [b"older".as_slice(), b"rotten"]);
    assert_eq!(made.same, 2);
}

#[test]
fn neither_a_link_nor_a_folder_takes_the_place_of_a_file_that_is_newer_if_only_newer_ones_are_wanted() {
    let link = |secs| item(EntryKind::Link, 0, secs);
    let source = [("a", link(2)), ("b", item(FOLDER, 0, 2)), ("b/x", item(FILE, 1, 2)), ("x", link(2))];
    let there = tree(&[("a", item(FILE, 1, 3)), ("b", item(FILE, 1, 3)), ("x", item(FILE, 1, 1))]);
    let made = plan(&tree(&source), &there, Compare::Times, Also { delete: true, update: true, ..Also::default() });
    assert_eq!((made.same, made.blocked), (1, vec![rel("b")]));
    assert_eq!(made.replace.iter().map(|replacement| &replacement.path).collect::<Vec<_>>(), [&rel("x")]);
    assert_eq!((made.make, made.transfer, made.delete), (vec![], vec![], vec![]));
}
