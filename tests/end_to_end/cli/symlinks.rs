//! `--links` of `get` and `mirror`: what becomes of the symbolic links of a server.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::common::program::{World, names};

/// A tree of alice's with a link of each kind.
fn linked(world: &World) {
    let tree = world.remote("alice", "tree");
    fs::create_dir_all(tree.join("folder/inner")).unwrap();
    fs::create_dir_all(world.remote("alice", "beside")).unwrap();
    fs::write(tree.join("file"), "in the tree").unwrap();
    fs::write(tree.join("folder/inner/deep"), "deep").unwrap();
    fs::write(world.remote("alice", "beside/other"), "beside the tree").unwrap();
    symlink("../file", tree.join("folder/to-file")).unwrap();
    symlink("folder", tree.join("to-folder")).unwrap();
    symlink("..", tree.join("folder/loop")).unwrap();
    symlink("missing", tree.join("to-nothing")).unwrap();
    symlink("../beside", tree.join("to-beside")).unwrap();
    symlink("../beside/other", tree.join("to-other")).unwrap();
    symlink("/etc", tree.join("out")).unwrap();
    symlink("../../../../etc/passwd", tree.join("out-too")).unwrap();
}

fn text(path: PathBuf) -> PathBuf {
    fs::read_link(path).unwrap()
}

const PLAIN: [&str; 4] = ["file", "folder", "folder/inner", "folder/inner/deep"];

fn sorted(more: &[&str]) -> Vec<String> {
    let mut all: Vec<_> = PLAIN.iter().chain(more).map(|name| (*name).to_owned()).collect();
    all.sort();
    all
}

/// Both commands that fetch trees, each into a folder of its own.
fn fetch(world: &World, links: &[&str], into: &str) -> Vec<(PathBuf, String)> {
    let from = world.alice("tree");
    let (got, mirrored) = (format!("got-{into}"), format!("./mirrored-{into}"));
    let get = world.run([&["get", "-rT"], links, &[&from, &got]].concat()).code(0);
    let mirror = world.run([&["mirror"], links, &[&from, &mirrored]].concat()).code(0);
    vec![(world.local(got), get.stderr), (world.local(&mirrored), mirror.stderr)]
}

#[test]
fn without_a_word_the_files_that_links_lead_to_come_and_with_skip_they_do_not() {
    let world = World::trusting();
    linked(&world);
    for (folder, said) in fetch(&world, &[], "default") {
        assert_eq!(names(&folder), sorted(&["folder/to-file", "to-other"]), "{said}");
        assert!(fs::symlink_metadata(folder.join("to-other")).unwrap().is_file());
        assert!(said.contains("6 skipped (links)"), "{said}");
    }
    for (folder, said) in fetch(&world, &["--links", "skip"], "skip") {
        assert_eq!(names(&folder), sorted(&[]), "{said}");
        assert!(said.contains("8 skipped (links)"), "{said}");
    }
}

#[test]
fn followed_links_bring_folders_and_end_where_a_folder_is_in_itself() {
    let world = World::trusting();
    linked(&world);
    for (folder, said) in fetch(&world, &["--links", "follow"], "follow") {
        let more = ["folder/to-file", "to-other", "to-beside", "to-beside/other"];
        let again = ["to-folder", "to-folder/inner", "to-folder/inner/deep", "to-folder/to-file"];
        assert_eq!(names(&folder), sorted(&[&more[..], &again].concat()), "{said}");
        assert_eq!(fs::read(folder.join("to-folder/to-file")).unwrap(), b"in the tree");
        assert!(!fs::symlink_metadata(folder.join("to-folder")).unwrap().is_symlink());
    }
}

#[test]
fn kept_links_are_made_where_they_stay_in_the_tree_and_others_are_skipped() {
    let world = World::trusting();
    linked(&world);
    for (folder, said) in fetch(&world, &["--links", "keep"], "keep") {
        for (name, leads_to) in
            [("folder/to-file", "../file"), ("to-folder", "folder"), ("folder/loop", ".."), ("to-nothing", "missing")]
        {
            assert_eq!(text(folder.join(name)), Path::new(leads_to), "{said}");
        }
        for name in ["to-beside", "to-other", "out", "out-too"] {
            assert!(fs::symlink_metadata(folder.join(name)).is_err(), "{name}: {said}");
        }
        assert!(said.contains("; 4 links; 4 skipped (links)"), "{said}");
    }
    // Once more nothing is to be done, and a link that changed is changed.
    fs::remove_file(world.remote("alice", "tree/to-folder")).unwrap();
    symlink("folder/inner", world.remote("alice", "tree/to-folder")).unwrap();
    for (folder, said) in fetch(&world, &["--links", "keep"], "keep") {
        assert_eq!(text(folder.join("to-folder")), Path::new("folder/inner"), "{said}");
        assert!(said.contains("; 1 link"), "{said}");
    }
}

#[test]
fn a_kept_link_takes_the_place_of_a_file_and_a_mirror_removes_it_again() {
    let world = World::trusting();
    linked(&world);
    let keep = ["--links", "keep"];
    for folder in ["got-place", "mirrored-place"] {
        fs::create_dir_all(world.local(folder).join("to-nothing")).unwrap();
        fs::write(world.local(folder).join("to-folder"), "in the way").unwrap();
    }
    let from = world.alice("tree");
    // A folder is replaced by a mirror alone, and an empty one at that.
    world.run([&["get", "-rT"], &keep[..], &[&from, "got-place"]].concat()).code(10).said("to-nothing");
    world.run([&["mirror"], &keep[..], &[&from, "./mirrored-place"]].concat()).code(0);
    for folder in ["got-place", "mirrored-place"] {
        assert_eq!(text(world.local(folder).join("to-folder")), Path::new("folder"));
    }
    assert_eq!(text(world.local("mirrored-place/to-nothing")), Path::new("missing"));
    // Nothing is replaced where that was said.
    fs::create_dir(world.local("spared")).unwrap();
    fs::write(world.local("spared/to-folder"), "mine").unwrap();
    world.run([&["get", "-rT", "--if-exists", "skip"], &keep[..], &[&from, "spared"]].concat()).code(0);
    assert_eq!(fs::read(world.local("spared/to-folder")).unwrap(), b"mine");

    fs::remove_file(world.remote("alice", "tree/to-folder")).unwrap();
    world.run([&["mirror", "--delete"], &keep[..], &[&from, "./mirrored-place"]].concat()).code(0);
    assert!(fs::symlink_metadata(world.local("mirrored-place/to-folder")).is_err());
    assert!(world.local("mirrored-place/folder/inner/deep").exists());
}

#[test]
fn a_dry_run_makes_no_link_and_a_server_keeps_none() {
    let world = World::trusting();
    linked(&world);
    let from = world.alice("tree");
    world.run(["get", "-rn", "--links", "keep", &from, "here/"]).code(0);
    world.run(["mirror", "-n", "--links", "keep", &from, "./here"]).code(0);
    assert!(!world.local("here").exists());
    // What is counted is as in earnest, and what is there already is not done again.
    for (_, said) in fetch(&world, &["-n", "--links", "keep"], "planned") {
        assert!(said.contains("Would be: 2 files, ") && said.contains("; 4 links; 4 skipped (links)"), "{said}");
    }
    fetch(&world, &["--links", "keep"], "planned");
    for (_, said) in fetch(&world, &["-n", "--links", "keep"], "planned") {
        assert!(said.contains("; 4 skipped (links)") && !said.contains("; 4 links"), "{said}");
    }
    fs::create_dir(world.local("src")).unwrap();
    for words in [["put", "-r"], ["mirror", "--delete"]] {
        let done = world.run([&words[..], &["--links", "keep", "./src", &world.alice("new")]].concat());
        done.code(2).said("a server stores no links");
    }
    assert!(!world.remote("alice", "new").exists());
}

#[test]
fn a_mirror_loses_nothing_for_a_link_that_cannot_be_made() {
    let world = World::trusting();
    let tree = world.remote("alice", "tree");
    fs::create_dir_all(tree.join("d")).unwrap();
    fs::write(tree.join("d/x"), "x").unwrap();
    // Comes first, and is made.
    symlink("missing", tree.join("a")).unwrap();
    symlink("d/x", tree.join("l")).unwrap();
    // Here `d` is a link of one's own, and what leads into it leads out.
    fs::create_dir_all(world.local("outside")).unwrap();
    fs::create_dir_all(world.local("here")).unwrap();
    symlink(world.local("outside"), world.local("here/d")).unwrap();
    for name in ["a", "l"] {
        fs::create_dir(world.local("here").join(name)).unwrap();
        fs::write(world.local("here").join(name).join("mine"), name).unwrap();
    }
    fs::write(world.local("here/only"), "only").unwrap();
    let from = world.alice("tree");
    // Of the source links alone are left, and that is meant.
    let meant = ["--exclude", "d", "--allow-empty-source"];
    let mirror =
        || world.run(["mirror", "--delete", "--links", "keep"].iter().chain(&meant).chain(&[from.as_str(), "./here"]));
    let done = mirror();
    let all = ["a", "a/mine", "d", "l", "l/mine", "only"];
    assert_eq!(names(&world.local("here")), all, "{done:?}");
    done.code(10).said("l: a link that leads out of the folder, by a link that is here on the way");

    // Where it replaces nothing it is a failure too, because there is something to remove.
    fs::remove_dir_all(world.local("here/l")).unwrap();
    let done = mirror();
    assert_eq!(names(&world.local("here")), ["a", "a/mine", "d", "only"], "{done:?}");
    done.code(10).said("nothing was deleted");
    // And else it is only skipped.
    fs::remove_dir_all(world.local("here/a")).unwrap();
    let done = world.run(["mirror", "--links", "keep", "--exclude", "d", &from, "./here"]);
    assert_eq!(names(&world.local("here")), ["a", "d", "only"], "{done:?}");
    done.code(0).said("1 link; 1 skipped (link)");
}

#[test]
fn with_update_no_link_takes_the_place_of_a_file_that_is_newer() {
    let world = World::trusting();
    linked(&world);
    let write = |path: PathBuf, time: SystemTime| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "mine").unwrap();
        fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    };
    for folder in ["got-update", "mirrored-update"] {
        write(world.local(folder).join("to-folder"), SystemTime::now() + Duration::from_secs(1000));
        write(world.local(folder).join("to-nothing"), SystemTime::UNIX_EPOCH);
    }
    for (folder, said) in fetch(&world, &["--update", "--links", "keep", "-n"], "update") {
        assert_eq!(fs::read(folder.join("to-nothing")).unwrap(), b"mine", "{said}");
    }
    for (folder, said) in fetch(&world, &["--update", "--links", "keep"], "update") {
        assert!(fs::symlink_metadata(folder.join("to-folder")).unwrap().is_file(), "{said}");
        assert_eq!(fs::read(folder.join("to-folder")).unwrap(), b"mine", "{said}");
        assert_eq!(text(folder.join("to-nothing")), Path::new("missing"), "{said}");
        assert!(said.contains("1 unchanged"), "{said}");
    }
}

#[test]
fn with_update_no_folder_takes_the_place_of_a_file_that_is_newer() {
    let world = World::trusting();
    fs::create_dir_all(world.local("src/name")).unwrap();
    fs::write(world.local("src/name/f"), "f").unwrap();
    fs::create_dir_all(world.remote("alice", "there")).unwrap();
    fs::write(world.remote("alice", "there/name"), "theirs").unwrap();
    let newer = SystemTime::now() + Duration::from_secs(1000);
    let file = fs::File::options().write(true).open(world.remote("alice", "there/name")).unwrap();
    file.set_modified(newer).unwrap();
    let done = world.run(["mirror", "--update", "--delete", "./src", &world.alice("there")]);
    assert_eq!(fs::read(world.remote("alice", "there/name")).unwrap(), b"theirs", "{done:?}");
    done.code(11).said("a file that is newer than this folder");
    // Which says it, and does what is asked without it.
    world.run(["mirror", "./src", &world.alice("there")]).code(0);
    assert_eq!(names(&world.remote("alice", "there")), ["name", "name/f"]);
}
