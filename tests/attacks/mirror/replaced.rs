//! What stands in the way of something of another type: moved aside, put back on failure, removed last.

use super::*;
use crate::common::program::without_override;
use crate::common::trees::read;

#[test]
fn a_folder_in_the_way_of_a_file_that_fails_is_put_back() {
    let world = World::trusting_through(without_override());
    let lock = |path: std::path::PathBuf| {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    };
    let (src, there) = (world.local("src"), world.remote("alice", "m"));
    put(&src, "a", "file", 1);
    put(&src, "b/c", "file", 1);
    lock(src.join("a"));
    put(&there, "a/deep/only", "copy", 1);
    put(&there, "b", "only copy", 1);
    put(&there, "stray", "x", 1);
    let args = ["mirror", "--delete", "./src", &world.alice("m")];
    world.run_through(without_override(), args).code(10).said("nothing was deleted");
    assert_eq!(names(&there), ["a", "a/deep", "a/deep/only", "b", "stray"]);
    assert_eq!((read(there.join("a/deep/only")), read(there.join("b"))), ("copy".into(), "only copy".into()));

    let (pub_, here) = (world.remote("alice", "pub"), world.local("copy"));
    put(&pub_, "a", "file", 1);
    put(&pub_, "b/c", "file", 1);
    lock(pub_.join("a"));
    put(&here, "a/deep/only", "copy", 1);
    put(&here, "b", "only copy", 1);
    put(&here, "stray", "x", 1);
    let args = ["mirror", "--delete", &world.alice("pub"), "./copy"];
    world.run(args).code(10).said("nothing was deleted");
    assert_eq!(names(&here), ["a", "a/deep", "a/deep/only", "b", "stray"]);
    assert_eq!((read(here.join("a/deep/only")), read(here.join("b"))), ("copy".into(), "only copy".into()));
}

#[test]
fn what_is_in_the_way_stays_if_anything_else_failed() {
    let world = World::trusting();
    let (src, there) = (world.local("src"), world.remote("alice", "m"));
    put(&src, "a", "file", 1);
    put(&src, "x\ty", "cannot be named", 1);
    put(&there, "a/only", "copy", 1);
    world.run(["mirror", "-v", "--delete", "./src", &world.alice("m")]).code(10).said("kept m/a/only");
    assert_eq!(names(&there), ["a", "a/only"]);
    fs::remove_file(src.join("x\ty")).unwrap();
    assert_eq!(counts(&world, &["--delete", "./src", &world.alice("m")], 0), [1, 0, 1, 0]);
    assert_eq!(names(&there), ["a"]);
}

#[test]
fn who_may_not_rename_replaces_nothing_and_loses_nothing() {
    let world = World::trusting();
    edit_alice(&world, |_| ());
    let (src, there) = (world.local("src"), world.remote("alice", "m"));
    put(&src, "a", "file", 1);
    put(&there, "a/only", "copy", 1);
    world.run(["mirror", "--delete", "./src", &world.alice("m")]).code(10);
    assert_eq!(names(&there), ["a", "a/only"]);
}

#[test]
fn a_stray_that_no_path_can_name_is_removed_here_and_named_on_a_server() {
    let world = World::trusting();
    put(&world.remote("alice", "pub"), "a", "x", 1);
    let here = world.local("copy");
    put(&here, "old/a\tb", "x", 1);
    put(&here, "a\nb", "x", 1);
    assert_eq!(counts(&world, &[&world.alice("pub"), "./copy"], 0), [1, 0, 0, 0]);
    assert_eq!(names(&here), ["a", "a\nb", "old", "old/a\tb"]);
    let dry = world.run(["mirror", "-n", "--delete", &world.alice("pub"), "./copy"]).code(0);
    assert!(dry.stdout().contains("delete ./copy/old\n") && dry.stderr.contains("3 deleted"), "{dry:?}");
    assert_eq!(counts(&world, &["--delete", &world.alice("pub"), "./copy"], 0), [0, 1, 3, 0]);
    assert_eq!(names(&here), ["a"]);
    // A folder of such a name is not emptied by a program that cannot say what is in it.
    put(&here, "c\td/x", "x", 1);
    world.run(["mirror", "--delete", &world.alice("pub"), "./copy"]).code(10).said("c\\x09d: the folder is not empty");

    put(&world.remote("alice", "pub"), "x\ty", "x", 1);
    put(&world.remote("alice", "pub"), "old", "x", 1);
    put(&world.local("src"), "a", "x", 1);
    let done = world.run(["mirror", "--delete", "./src", &world.alice("pub")]).code(10);
    done.said("x\\x09y").said("only the server's administrator can remove it");
    assert_eq!(names(&world.remote("alice", "pub")), ["a", "x\ty"]);
}

#[test]
fn a_name_kept_for_unfinished_files_stays_and_is_told_both_ways() {
    let world = World::trusting();
    let (src, there) = (world.local("src"), world.remote("alice", "m"));
    put(&src, "a", "x", 1);
    put(&src, ".x.sealift-part", "x", 1);
    put(&there, ".y.sealift-part", "x", 1);
    let said = "a name that Sealift keeps for itself";
    let done = world.run(["mirror", "--delete", "./src", &world.alice("m")]).code(0);
    assert!(done.said(said).stderr.contains("2 skipped"));
    assert_eq!(names(&there), [".y.sealift-part", "a"]);
    let done = world.run(["mirror", "--delete", &world.alice("m"), "./src"]).code(0);
    assert!(done.said(said).stderr.contains("2 skipped"));
    assert_eq!(names(&src), [".x.sealift-part", "a"]);
}
