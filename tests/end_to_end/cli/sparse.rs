//! Holes of sparse files, there and back again.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use crate::common::program::World;

const MIB: u64 = 1 << 20;
/// Large enough to come over several connections.
const SIZE: u64 = 160 * MIB;

/// A file of [`SIZE`] bytes with 1 MiB of data in its middle, a few bytes at odd places, and a hole at its end.
fn sparse(path: &Path) {
    let file = File::create(path).unwrap();
    file.set_len(SIZE).unwrap();
    let data: Vec<u8> = (0..MIB).map(|n| (n % 251) as u8 | 1).collect();
    file.write_all_at(&data, 100 * MIB).unwrap();
    for place in [1, 33 * MIB - 1, 150 * MIB + 4097] {
        file.write_all_at(b"here", place).unwrap();
    }
    file.sync_all().unwrap();
    assert!(taken(path) < 2 * MIB, "the tests' own file system must keep holes");
}

fn taken(path: &Path) -> u64 {
    fs::metadata(path).unwrap().blocks() * 512
}

#[track_caller]
fn assert_same_and_sparse(path: &Path, original: &Path) {
    assert_eq!(fs::metadata(path).unwrap().len(), SIZE, "{path:?}");
    assert!(fs::read(path).unwrap() == fs::read(original).unwrap(), "{path:?} has other bytes");
    File::open(path).unwrap().sync_all().unwrap();
    assert!(taken(path) < 2 * MIB, "{path:?} takes {} bytes", taken(path));
}

#[test]
fn holes_stay_holes_on_both_ends_with_every_command_that_moves_files() {
    let world = World::trusting();
    fs::create_dir_all(world.local("src/deep")).unwrap();
    let original = world.local("src/deep/image");
    sparse(&original);
    for (name, args) in [("put", vec![]), ("several", vec!["--streams", "3"])] {
        let there = world.alice(name);
        world.run([&["put"], &args[..], &["src/deep/image", &there]].concat()).code(0);
        assert_same_and_sparse(&world.remote("alice", name), &original);
        world.run([&["get"], &args[..], &[&there, name]].concat()).code(0);
        assert_same_and_sparse(&world.local(name), &original);
        let (tree, back) = (world.alice(&format!("{name}-tree")), format!("{name}-back"));
        world.run([&["put", "-r"], &args[..], &["src", &tree]].concat()).code(0);
        world.run([&["get", "-r"], &args[..], &[&tree, &back]].concat()).code(0);
        for path in [world.remote("alice", format!("{name}-tree/deep/image")), world.local(&back).join("deep/image")] {
            assert_same_and_sparse(&path, &original);
        }
    }
    world.run(["mirror", "./src", &world.alice("m")]).code(0);
    assert_same_and_sparse(&world.remote("alice", "m/deep/image"), &original);
    world.run(["mirror", &world.alice("m"), "./mirrored"]).code(0);
    assert_same_and_sparse(&world.local("mirrored/deep/image"), &original);
}

#[test]
fn a_file_of_written_zeros_stays_written() {
    let world = World::trusting();
    fs::write(world.local("zeros"), vec![0; 20 * MIB as usize]).unwrap();
    File::open(world.local("zeros")).unwrap().sync_all().unwrap();
    world.run(["put", "zeros", &world.alice("zeros")]).code(0);
    world.run(["get", &world.alice("zeros"), "back"]).code(0);
    for path in [world.remote("alice", "zeros"), world.local("back")] {
        File::open(&path).unwrap().sync_all().unwrap();
        assert!(taken(&path) >= 20 * MIB, "{path:?} takes {} bytes", taken(&path));
    }
}

#[test]
fn a_quota_counts_the_length_of_a_sparse_file_and_not_what_it_takes() {
    let world = World::trusting();
    sparse(&world.local("image"));
    for name in ["a", "b"] {
        world.server.add_user_with(&format!("small-{name}"), crate::common::program::PASSWORD, &["--quota", "170 MiB"]);
    }
    let target = |name: &str| format!("small-a@{}/{name}", world.server.address());
    world.run(["put", "image", &target("one")]).code(0);
    world.run(["put", "image", &target("two")]).code(9).said("quota");
    assert!(taken(&world.remote("small-a", "one")) < 2 * MIB);
}

#[test]
fn an_interrupted_sparse_transfer_goes_on_and_stays_sparse() {
    let world = World::trusting();
    sparse(&world.local("image"));
    // What a killed client leaves beside its target: whole blocks, with their holes.
    let part = world.local(".down.sealift-part");
    sparse(&part);
    File::options().write(true).open(&part).unwrap().set_len(112 * MIB).unwrap();
    fs::copy(world.local("image"), world.remote("alice", "image")).unwrap();
    sparse(&world.remote("alice", "image"));
    world.run(["get", "-v", "-c", &world.alice("image"), "down"]).code(0).said("112");
    assert_same_and_sparse(&world.local("down"), &world.local("image"));
}
