//! What an edit of shared folders makes of a text.

use super::super::hash::tests::cheap_hash;
use super::*;

fn people() -> String {
    let people = ["alice", "bob"].map(|user| format!("[users.{user}]\npassword = \"{}\"\n", cheap_hash("x")));
    format!("[anonymous]\nenabled = true\n{}[groups.editors]\nmembers = [\"bob\"]\n", people.concat())
}

fn given(access: &[(&str, Access)]) -> FolderChange {
    let access = access.iter().map(|(to, access)| ((*to).to_owned(), Some(*access))).collect();
    FolderChange { access, ..FolderChange::default() }
}

#[test]
fn a_folder_is_added_at_the_end_as_people_write_one() {
    let start = people() + "# The end.\n";
    let new = given(&[("anonymous", Access::READ), ("@editors", Access::FULL), ("*", Access::LIST)]);
    let (text, users) = add(&start, "f", "public", &new).unwrap();
    let section =
        "\n[folders.public]\naccess = { anonymous = \"read\", \"@editors\" = \"full\", \"*\" = [\"list\"] }\n";
    assert_eq!(text, format!("{start}{section}"));
    assert_eq!(users.grants_of("bob").unwrap().folders[0].access, Access::FULL);
    assert_eq!(remove(&text, "f", "public").unwrap(), start);
    let new = FolderChange {
        path: Some("/srv/isos".into()),
        at: Some("team/isos".into()),
        quota: Some(Some(10 << 30)),
        quota_files: Some(Some(7)),
        trash: Some(Some(Duration::from_secs(30 * 24 * 60 * 60))),
        umask: Some("002".parse().ok()),
        ..given(&[("alice", Access::READ)])
    };
    let (text, _) = add(&text, "f", "isos", &new).unwrap();
    let section = "\n[folders.isos]\npath = \"/srv/isos\"\nas = \"team/isos\"\naccess = { alice = \"read\" }\nquota = \"10 GiB\"\nquota_files = 7\ntrash = \"30d\"\numask = \"002\"\n";
    assert!(text.ends_with(section), "{text}");
    let lifted = FolderChange {
        path: Some("isos".into()),
        at: Some("isos".into()),
        quota: Some(None),
        quota_files: Some(None),
        trash: Some(None),
        umask: Some(None),
        access: vec![("alice".into(), None), ("bob".into(), Some(Access::NONE))],
    };
    let (text, _) = change(&text, "f", "isos", &lifted).unwrap();
    assert!(text.ends_with("\n[folders.isos]\naccess = { bob = [] }\n"), "{text}");
}

#[test]
fn every_layout_of_folders_is_changed_and_comments_stay() {
    let people = people();
    for folders in [
        "[folders.x]\naccess = { alice = \"read\", \"*\" = \"list\" }  # why\n# Another.\n[folders.y]\naccess = {}\n",
        "[folders.x.access]\n# Hers.\nalice = \"read\"  # why\n\"*\" = \"list\"\n# Another.\n[folders.y]\naccess = {}\n",
        "[folders]\n# Another.\ny.access = {}\nx.access.alice = \"read\"  # why\nx.access.\"*\" = \"list\"\n",
        "[folders]  # why\n# Another.\ny = { access = {} }\nx = { access = { alice = \"read\", \"*\" = \"list\" } }\n",
    ] {
        let text = format!("{people}{folders}");
        let more = FolderChange { quota: Some(Some(1 << 20)), ..given(&[("bob", Access::FULL)]) };
        let (more, users) = change(&text, "f", "x", &more).unwrap();
        assert!(more.contains("# why") && more.contains("# Another.\n") && !more.contains(" ,"), "{more}");
        assert_eq!(users.shares().folder("x").unwrap().access().len(), 3, "{more}");
        let less = FolderChange { access: vec![("alice".into(), None)], ..FolderChange::default() };
        let (less, users) = change(&more, "f", "x", &less).unwrap();
        assert_eq!(users.shares().folder("x").unwrap().access().len(), 2, "{less}");
        let third = add(&less, "f", "z", &given(&[("alice", Access::READ)])).unwrap().1;
        assert_eq!(third.shares().folders().len(), 3, "{less}");
        let without = remove(&less, "f", "x").unwrap();
        assert!(without.contains("# Another.\n") && !without.contains("bob = \"full\""), "{without}");
    }
    let inline = format!("folders = {{ x = {{ access = {{}} }} }}\n{people}");
    assert!(add(&inline, "f", "y", &given(&[("alice", Access::READ)])).unwrap().0.starts_with("folders = { x ="));
}

#[test]
fn mistakes_are_refused_in_words_without_a_line() {
    let (text, _) = add(&people(), "f", "public", &given(&[("alice", Access::FULL)])).unwrap();
    let change_of = |change: &dyn Fn(&mut FolderChange)| {
        let mut new = given(&[("alice", Access::READ)]);
        change(&mut new);
        new
    };
    for (name, new, kind, why) in [
        ("a/b", given(&[]), Kind::Usage, "holds a slash"),
        ("..", given(&[]), Kind::Usage, "`..`"),
        ("public", given(&[]), Kind::Exists, "shared already"),
        ("x", given(&[("alcie", Access::READ)]), Kind::NotFound, "no user 'alcie': did you mean 'alice'?"),
        ("x", given(&[("@editor", Access::READ)]), Kind::NotFound, "no group 'editor': did you mean 'editors'?"),
        ("x", given(&[("anonymous", Access::FULL)]), Kind::Usage, "anonymous only ever reads"),
        ("x", given(&[("FTP", Access::READ)]), Kind::Usage, "write \"anonymous\""),
        ("x", change_of(&|new| new.path = Some("../x".into())), Kind::Usage, "the path '../x' has a part"),
        ("x", change_of(&|new| new.path = Some("/".into())), Kind::Usage, "is the whole machine"),
        ("x", change_of(&|new| new.path = Some("public".into())), Kind::Usage, "are the same folder"),
        ("x", change_of(&|new| new.path = Some("public/in".into())), Kind::Usage, "is inside of [folders.public]"),
        ("x", change_of(&|new| new.at = Some("/x".into())), Kind::Usage, "the place '/x' in homes is absolute"),
        ("x", change_of(&|new| new.at = Some("public".into())), Kind::Usage, "alice would have"),
    ] {
        let err = add(&text, "f", name, &new).unwrap_err();
        assert!(err.kind() == kind && err.text().contains(why) && !err.text().starts_with("f:"), "{name}: {err:?}");
    }
    let gone = FolderChange { access: vec![("bob".into(), None)], ..FolderChange::default() };
    assert_eq!(change(&text, "f", "public", &gone).unwrap_err().kind(), Kind::NotFound);
    let err = change(&text, "f", "pubic", &given(&[])).unwrap_err();
    assert!(err.kind() == Kind::NotFound && err.text().contains("did you mean 'public'?"), "{err:?}");
    assert_eq!(remove(&text, "f", "x").unwrap_err().kind(), Kind::NotFound);
}
