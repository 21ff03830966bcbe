//! A source without files, a disk that is not mounted, and more deletions than anybody asked for.

use super::*;
use crate::common::trees::fill;

/// A destination on the server and one here, each with this many files, and the arguments that mirror `e` there.
fn both_ways(world: &World, files: usize) -> [(std::path::PathBuf, [String; 2]); 2] {
    let (there, here) = (world.remote("alice", "m"), world.local("copy"));
    for n in 0..files {
        put(&there, &format!("d/f{n}"), "x", 1);
        put(&here, &format!("d/f{n}"), "x", 1);
    }
    fs::create_dir(world.local("e")).unwrap();
    fs::create_dir(world.remote("alice", "e")).unwrap();
    [(there, ["./e".into(), world.alice("m")]), (here, [world.alice("e"), "./copy".into()])]
}

#[test]
fn empty_source() {
    let world = World::trusting();
    for (root, args) in both_ways(&world, 3) {
        let args = ["mirror", "--delete", &args[0], &args[1]];
        let all = names(&root);
        world.run(args).code(11).said("the source has no files; 3 of 3 files would be deleted");
        world.run(args.iter().chain(&["--dry-run"])).code(11).said("--allow-empty-source");
        // Folders alone are no content either.
        world.run(args.iter().chain(&["--max-delete", "100%"])).code(11);
        assert_eq!(names(&root), all);
        world.run(args.iter().chain(&["--allow-empty-source"])).code(0).said("4 deleted");
        assert_eq!(names(&root), [""; 0]);
        // With nothing to delete there is nothing to refuse.
        world.run(args).code(0);
    }
}

#[test]
fn a_source_of_links_alone_empties_no_destination() {
    let world = World::trusting();
    for (root, [from, to]) in both_ways(&world, 3) {
        for source in [world.local("e"), world.remote("alice", "e")] {
            // Of a folder of links into a disk that is not mounted, this is left.
            for link in ["current", "latest"] {
                let _ = std::os::unix::fs::symlink("mounted/nowhere", source.join(link));
            }
        }
        let all = names(&root);
        let is_from_server = from.contains('@');
        for links in ["skip", "keep"].into_iter().filter(|links| is_from_server || *links == "skip") {
            let args = ["mirror", "--delete", "--links", links, &from, &to];
            for more in [&[][..], &["--dry-run"], &["--max-delete", "100%"]] {
                let ran = world.run(args.iter().chain(more)).code(11);
                ran.said("the source has no files; 3 of 3 files would be deleted").said("--allow-empty-source");
            }
            assert_eq!(names(&root), all, "{links}");
        }
        if is_from_server {
            world.run(["mirror", "--delete", "--links", "keep", "--allow-empty-source", &from, &to]).code(0);
            assert_eq!(names(&root), ["current", "latest"]);
            // Nothing to delete, nothing to refuse.
            world.run(["mirror", "--delete", "--links", "keep", &from, &to]).code(0);
        }
    }
}

#[test]
fn more_than_half_of_many_files_is_deleted_only_if_that_is_said() {
    let world = World::trusting();
    let both = both_ways(&world, 22);
    fill(&world.local("e"));
    fill(&world.remote("alice", "e"));
    for (root, args) in both {
        let args = ["mirror", "--delete", &args[0], &args[1]];
        let all = names(&root);
        world.run(args).code(11).said("22 of 22 files would be deleted").said("--max-delete");
        let dry = world.run(args.iter().chain(&["--dry-run"])).code(11).said("22 of 22 files would be deleted");
        assert!(dry.stdout().contains("d/f7\n"), "{}", dry.stdout());
        for few in ["21", "95%"] {
            world.run(args.iter().chain(&["--max-delete", few])).code(11);
        }
        assert_eq!(names(&root), all);
        world.run(args.iter().chain(&["--max-delete", "22"])).code(0).said("22 deleted");
        assert_eq!(names(&root), ["a", "d", "d/b", "empty"]);
    }
    world.run(["mirror", "--delete", "--max-delete", "some", "./e", &world.alice("m")]).code(2).said("like 50%");
    world.run(["mirror", "--max-delete", "5", "./e", &world.alice("m")]).code(2);
}
