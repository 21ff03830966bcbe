//! What becomes of names.

use super::{Checked, Home, ensure, list, p, put, read, refused, same};
use crate::error::{Error, Kind};
use crate::files::{EntryKind, Mtime, RelPath, Removed, Seen, SeenAt, Stored};
use crate::limits;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// What fails says of which path, as a value: where a store shows below a name, that is put before it.
pub fn what_fails_names_its_path_as_a_value(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let store = home.open()?;
    store.make_dir(&p("a/b")?, true)?;
    put(&*store, "f", b"f")?;
    let (none, below, folder, file) = (p("a/none")?, p("f/x")?, p("a")?, p("f")?);
    let failed: [(&str, &RelPath, Option<Error>); 9] = [
        ("stat", &none, store.stat(&none).err()),
        ("open", &none, store.open(&none).err()),
        ("list", &none, store.list(&none, false).err()),
        ("remove", &none, store.remove(&none, false).err()),
        ("set_mtime", &none, store.set_mtime(&none, Mtime::from(std::time::UNIX_EPOCH)).err()),
        ("rename", &none, store.rename(&none, &p("x")?, false).err()),
        ("rename over", &folder, store.rename(&file, &folder, true).err()),
        ("begin_dir", &below, store.make_dir(&below, false).err()),
        ("remove with what is in it", &folder, store.remove(&folder, false).err()),
    ];
    for (what, path, error) in failed {
        let Some(error) = error else { return ensure(false, format!("{what} of {path} should fail")) };
        ensure(
            error.paths().next() == Some(path.as_bytes()),
            format!("{what}: {error} does not have {path} as a value"),
        )?;
    }
    Ok(())
}

/// Folders are made and things renamed where that was asked for, and nothing is lost by it.
pub fn names_change_only_as_asked(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let store = home.open()?;
    store.make_dir(&p("a/b/c")?, true)?;
    store.make_dir(&p("a/b/c")?, true)?;
    store.make_dir(&p("")?, true)?;
    refused(store.make_dir(&p("")?, false), Kind::Exists, "the home itself")?;
    refused(store.make_dir(&p("a")?, false), Kind::Exists, "a folder that is there")?;
    refused(store.make_dir(&p("z/y")?, false), Kind::NotFound, "a folder in nothing")?;
    put(&*store, "f", b"f")?;
    put(&*store, "g", b"g")?;
    refused(store.make_dir(&p("f/x")?, true), Kind::NotDirectory, "a folder in a file")?;
    refused(store.make_dir(&p("f")?, true), Kind::NotDirectory, "a folder that is a file")?;
    let rename = |from: &str, to: &str, replace| -> Checked<_> {
        Ok(store.rename(&p(from)?, &p(to)?, replace).map_err(|error| error.kind()))
    };
    same(rename("f", "g", false)?, Err(Kind::Exists), "over a file")?;
    same(rename("f", "a", true)?, Err(Kind::IsDirectory), "a file over a folder")?;
    same(rename("a/b", "g", true)?, Err(Kind::Exists), "a folder over a file")?;
    store.make_dir(&p("empty")?, false)?;
    same(rename("a/b", "empty", true)?, Err(Kind::Exists), "not even over an empty folder")?;
    same(rename("a", "a/b/d", false)?, Err(Kind::BadPath), "into itself")?;
    same(rename("none", "x", false)?, Err(Kind::NotFound), "nothing")?;
    same(rename("f", "none/x", false)?, Err(Kind::NotFound), "into nothing")?;
    same(rename("", "x", false)?, Err(Kind::IsDirectory), "the home itself")?;
    same(rename("f", "g", true)?, Ok(Stored::Replaced), "over a file, where that is asked for")?;
    same(read(&*store, "g")?, b"f".to_vec(), "what was moved")?;
    same(rename("g", "g", false)?, Err(Kind::Exists), "onto itself")?;
    same(rename("g", "g", true)?, Ok(Stored::Same), "onto itself, where that is asked for")?;
    same(read(&*store, "g")?, b"f".to_vec(), "what was moved onto itself")?;
    for replace in [false, true] {
        same(rename("a/b", "a/b", replace)?, Err(Kind::Exists), "a folder onto itself")?;
    }
    same(rename("a/b", "b", false)?, Ok(Stored::Created), "a folder")?;
    same(list(&*store, "", true)?, names(&["a", "b", "b/c", "empty", "g"]), "in the end")
}

/// Something takes the place of a folder, or a folder that of anything, and what was there is beside it with all in it.
pub fn what_is_superseded_is_beside_and_whole(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let store = home.open()?;
    store.make_dir(&p("d/e")?, true)?;
    store.make_dir(&p("x/y")?, true)?;
    for (path, bytes) in [("d/e/f", b"one"), ("x/g", b"two"), ("file", b"new")] {
        put(&*store, path, bytes)?;
    }
    let supersede =
        |from: &str, to: &str| -> Checked<_> { Ok(store.supersede(&p(from)?, &p(to)?).map_err(|error| error.kind())) };
    let before = names(&["d", "d/e", "d/e/f", "file", "x", "x/g", "x/y"]);
    same(supersede("d", "d/e")?, Err(Kind::BadPath), "what is in it")?;
    same(supersede("d/e", "d")?, Err(Kind::BadPath), "what it is in")?;
    same(supersede("none", "d")?, Err(Kind::NotFound), "by nothing")?;
    same(supersede("d", "none/x")?, Err(Kind::NotFound), "in nothing")?;
    same(list(&*store, "", true)?, before, "after what was refused")?;
    let nothing = || Error::new(Kind::Internal, "nothing is beside");
    let superseded = |from: &str| -> Checked<_> {
        let (stored, old) = store.supersede(&p(from)?, &p("x")?)?;
        same(stored, Stored::Replaced, from)?;
        Ok(old.ok_or_else(nothing)?)
    };
    let old = superseded("d/e")?;
    let below = |old: &RelPath, name: &str| format!("{old}/{name}");
    let mut now = vec!["d".to_owned(), old.to_string(), below(&old, "g"), below(&old, "y")];
    now.extend(names(&["file", "x", "x/f"]));
    now.sort();
    same(list(&*store, "", true)?, now, "a folder by a folder")?;
    same(read(&*store, &below(&old, "g"))?, b"two".to_vec(), "what is beside")?;
    store.remove(&old, true)?;
    let old = superseded("file")?;
    same(read(&*store, &below(&old, "f"))?, b"one".to_vec(), "what is beside")?;
    store.remove(&old, true)?;
    same(supersede("d", "new")?, Ok((Stored::Created, None)), "nothing")?;
    same(list(&*store, "", true)?, names(&["new", "x"]), "in the end")?;
    same(read(&*store, "x")?, b"new".to_vec(), "what took its place")
}

/// What a change depends on is what is there when it is made.
pub fn what_was_seen_is_changed_only_as_long_as_it_is_there(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let (store, other) = (home.open()?, home.open()?);
    let (f, g) = (p("f")?, p("g")?);
    let nothing = store.seen(&f)?;
    same(&nothing, &Seen::NOTHING, "where nothing is")?;
    same(store.seen(&p("none/f")?)?, Seen::NOTHING, "in no folder")?;
    put(&*store, "f", b"one")?;
    refused(store.remove_seen(&f, true, &nothing), Kind::Changed, "something that came")?;
    let seen = store.seen(&f)?;
    same(&seen, &store.seen(&f)?, "what is left alone")?;
    put(&*other, "f", b"another")?;
    refused(store.remove_seen(&f, true, &seen), Kind::Changed, "another file")?;
    let of = |seen: &Seen| SeenAt::from(seen.clone());
    refused(store.rename_seen(&f, &g, true, &of(&seen)), Kind::Changed, "another file")?;
    refused(store.supersede_seen(&f, &g, &of(&seen)), Kind::Changed, "another file")?;
    same(list(&*store, "", true)?, names(&["f"]), "after what was refused")?;
    same(store.rename_seen(&f, &g, false, &of(&store.seen(&f)?))?, Stored::Created, "what is there")?;
    refused(store.remove_seen(&f, true, &seen), Kind::Changed, "what went")?;
    store.make_dir(&p("f")?, false)?;
    refused(store.remove_seen(&f, true, &seen), Kind::Changed, "a folder in its place")?;
    let folder = store.seen(&f)?;
    put(&*store, "f/in", b"in")?;
    same(store.supersede_seen(&f, &p("new")?, &of(&folder))?, (Stored::Created, None), "a folder, whatever is in it")?;
    same(store.remove_seen(&g, false, &store.seen(&g)?)?, Removed::FILE, "what is there")?;
    same(list(&*store, "", true)?, names(&["new", "new/in"]), "in the end")
}

/// What takes the place of something takes that of what was seen there, whatever else may have come.
pub fn what_was_seen_is_replaced_only_as_long_as_it_is_there(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let (store, other) = (home.open()?, home.open()?);
    let (f, g) = (p("f")?, p("g")?);
    put(&*store, "f", b"one")?;
    let at = |path: Option<Seen>, other: &Seen| SeenAt { path, other: Some(other.clone()) };
    let nothing = store.seen(&g)?;
    put(&*other, "g", b"came")?;
    for seen in [at(None, &nothing), at(Some(store.seen(&f)?), &nothing)] {
        refused(store.rename_seen(&f, &g, true, &seen), Kind::Changed, "something that came")?;
        refused(store.supersede_seen(&f, &g, &seen), Kind::Changed, "something that came")?;
    }
    let came = store.seen(&g)?;
    put(&*other, "g", b"another")?;
    refused(store.rename_seen(&f, &g, true, &at(None, &came)), Kind::Changed, "another file")?;
    same(read(&*store, "g")?, b"another".to_vec(), "after what was refused")?;
    same(read(&*store, "f")?, b"one".to_vec(), "after what was refused")?;
    let seen = at(Some(store.seen(&f)?), &store.seen(&g)?);
    same(store.rename_seen(&f, &g, true, &seen)?, Stored::Replaced, "what is there")?;
    same(read(&*store, "g")?, b"one".to_vec(), "what took its place")?;
    refused(store.rename_seen(&g, &f, true, &at(None, &came)), Kind::Changed, "what went")?;
    same(store.rename_seen(&g, &f, true, &at(None, &nothing))?, Stored::Created, "where nothing is")?;
    store.make_dir(&g, false)?;
    put(&*store, "g/in", b"in")?;
    refused(store.supersede_seen(&f, &g, &at(None, &came)), Kind::Changed, "a folder in its place")?;
    let (stored, old) = store.supersede_seen(&f, &g, &at(None, &store.seen(&g)?))?;
    same(stored, Stored::Replaced, "a folder, whatever is in it")?;
    old.map_or(Ok(()), |old| store.remove(&old, true).map(drop))?;
    same(list(&*store, "", true)?, names(&["g"]), "in the end")
}

/// A folder that is not empty only when all in it is meant.
pub fn removing_takes_what_was_named_and_all_in_it(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let store = home.open()?;
    for path in ["d/e", "d-like", "dd"] {
        store.make_dir(&p(path)?, true)?;
    }
    for path in ["keep", "d/e/f", "d/g", "d0"] {
        put(&*store, path, b"bytes")?;
    }
    let remove =
        |path: &str, recursive| -> Checked<_> { Ok(store.remove(&p(path)?, recursive).map_err(|error| error.kind())) };
    same(remove("d", false)?, Err(Kind::NotEmpty), "a folder with something in it")?;
    same(remove("", true)?, Err(Kind::IsDirectory), "the home itself")?;
    same(remove("none", true)?, Err(Kind::NotFound), "nothing")?;
    same(remove("keep/x", true)?, Err(Kind::NotDirectory), "what is in a file")?;
    same(remove("d", true)?, Ok(Removed::new(2, 2)), "with all in it")?;
    same(list(&*store, "", true)?, names(&["d-like", "d0", "dd", "keep"]), "what is left")?;
    for (path, removed) in
        [("d-like", Removed::FOLDER), ("d0", Removed::FILE), ("dd", Removed::FOLDER), ("keep", Removed::FILE)]
    {
        same(remove(path, false)?, Ok(removed), path)?;
    }
    ensure(list(&*store, "", true)?.is_empty(), "nothing is left")
}

/// One folder, or all below it.
pub fn a_listing_has_each_entry_once_and_a_folder_before_what_is_in_it(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let store = home.open()?;
    store.make_dir(&p("a/b")?, true)?;
    // Beside the slash in every order that sorts bytes.
    for path in ["a-b", "a/b/c", "a/b-c", "a/x", "a0", "z", "a/b0"] {
        put(&*store, path, path.as_bytes())?;
    }
    let all = names(&["a", "a-b", "a/b", "a/b-c", "a/b/c", "a/b0", "a/x", "a0", "z"]);
    same(list(&*store, "", true)?, all, "all")?;
    same(list(&*store, "", false)?, names(&["a", "a-b", "a0", "z"]), "one folder")?;
    same(list(&*store, "a", true)?, names(&["b", "b-c", "b/c", "b0", "x"]), "all of a folder")?;
    same(list(&*store, "a", false)?, names(&["b", "b-c", "b0", "x"]), "a folder")?;
    let mut seen: Vec<Vec<u8>> = Vec::new();
    let mut listing = store.list(&p("")?, true)?;
    while let Some(entry) = listing.next() {
        let entry = entry.map_err(|unread| unread.error)?;
        let slash = entry.path.iter().rposition(|byte| *byte == b'/');
        let parent = slash.map(|slash| entry.path.get(..slash).unwrap_or_default());
        let known = parent.is_none_or(|parent| seen.iter().any(|path| path == parent));
        ensure(known, "a folder comes before what is in it")?;
        let is_right = entry.kind == EntryKind::Directory || entry.size == entry.path.len() as u64;
        ensure(is_right, "an entry has the size of its file")?;
        seen.push(entry.path);
    }
    refused(store.list(&p("none")?, false), Kind::NotFound, "of nothing")?;
    refused(store.list(&p("z")?, false), Kind::NotDirectory, "of a file")
}

/// Not by moving a folder either.
pub fn no_path_becomes_deeper_than_a_path_can_be(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let store = home.open()?;
    let deep = vec!["d"; limits::DEPTH_MAX - 1].join("/");
    store.make_dir(&p(&deep)?, true)?;
    store.make_dir(&p("top/two")?, true)?;
    put(&*store, "top/two/f", b"f")?;
    let (top, two) = (p("top")?, p("top/two")?);
    refused(store.rename(&top, &p(&format!("{deep}/x"))?, false), Kind::PathTooLong, "a folder with something in it")?;
    same(list(&*store, "top", true)?, names(&["two", "two/f"]), "what was to be moved")?;
    store.remove(&p("top/two/f")?, false)?;
    store.rename(&two, &p(&format!("{deep}/x"))?, false)?;
    store.remove(&p("d")?, true)?;
    same(list(&*store, "", true)?, names(&["top"]), "all of it can be removed")
}
