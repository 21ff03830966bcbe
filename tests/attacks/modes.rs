//! Who may read and run a file, there and back again.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::common::program::World;

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_program_stays_one_and_a_new_file_is_never_open_to_more_than_its_source() {
    let world = World::trusting();
    let umask = 0o777
        & !{
            fs::write(world.local("probe"), "").unwrap();
            mode(world.local("probe")) | 0o111
        };
    let modes = [("program", 0o755), ("mine", 0o700), ("secret", 0o600), ("plain", 0o644), ("read-only", 0o400)];
    fs::create_dir(world.local("src")).unwrap();
    for (name, bits) in modes {
        // One that is large enough to wait under a name too.
        for (name, size) in [(name.to_owned(), 3), (format!("{name}-large"), 17 << 20)] {
            fs::write(world.local("src").join(&name), vec![b'x'; size]).unwrap();
            fs::set_permissions(world.local("src").join(&name), Permissions::from_mode(bits)).unwrap();
        }
    }
    world.run(["put", "-r", "src", &world.alice("up")]).code(0);
    world.run(["get", "-r", &world.alice("up"), "back"]).code(0);
    world.run(["mirror", &world.alice("up"), "./mirrored"]).code(0);
    for (name, bits) in modes {
        for name in [name.to_owned(), format!("{name}-large")] {
            let there = mode(world.remote("alice", "up").join(&name));
            assert_eq!(there & !0o750, 0, "{name}: {there:o}");
            for here in ["back", "mirrored"] {
                let here = mode(world.local(here).join(&name));
                // The owner may always read and write; nobody else may do more than at the source or the umask lets them.
                assert_eq!(here, there & !umask | 0o600, "{name}: {here:o}");
                assert_eq!(here & !(bits | 0o600), 0, "{name}: {here:o}");
                assert_eq!(here & 0o100, bits & 0o100, "{name}: {here:o}");
            }
        }
    }
    // What is there already keeps its mode, as if it had been written in place.
    fs::set_permissions(world.remote("alice", "up/plain"), Permissions::from_mode(0o600)).unwrap();
    fs::write(world.local("src/plain"), "another").unwrap();
    world.run(["put", "src/plain", &world.alice("up/plain")]).code(0);
    assert_eq!(mode(world.remote("alice", "up/plain")), 0o600);
}

#[test]
fn a_large_file_that_comes_over_several_connections_has_the_mode_of_its_source() {
    let world = World::trusting();
    fs::create_dir(world.remote("alice", "d")).unwrap();
    for (name, bits) in [("d/secret", 0o600), ("d/program", 0o700)] {
        let file = fs::File::create(world.remote("alice", name)).unwrap();
        file.set_len(65 << 20).unwrap();
        file.set_permissions(Permissions::from_mode(bits)).unwrap();
    }
    for name in ["secret", "program"] {
        world.run(["get", "-v", "--streams", "2", &world.alice(&format!("d/{name}")), name]).code(0).said("2 of 2");
    }
    world.run(["get", "-v", "-r", "--streams", "2", &world.alice("d"), "all"]).code(0).said("2 of 2");
    for folder in ["", "all"] {
        assert_eq!(mode(world.local(folder).join("secret")), 0o600, "{folder}");
        assert_eq!(mode(world.local(folder).join("program")), 0o700, "{folder}");
    }
}

#[test]
fn with_perms_all_nine_bits_come_and_go_with_every_command_and_nothing_beyond_them_does() {
    let world = World::trusting();
    fs::create_dir(world.local("src")).unwrap();
    let modes = [0o666, 0o777, 0o604, 0o444, 0o755, 0o640, 0o6755];
    // Small ones, and some that wait under a name or come over several connections.
    let name = |bits: u32, size: usize| format!("{bits:o}-{size}");
    let sizes = [3, 17 << 20, 65 << 20];
    for bits in modes {
        for size in sizes {
            let path = world.local("src").join(name(bits, size));
            fs::File::create(&path).unwrap().set_len(size as u64).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(bits)).unwrap();
        }
    }
    world.run(["put", "-r", "--perms", "--streams", "2", "src", &world.alice("up")]).code(0);
    world.run(["get", "-r", "--perms", &world.alice("up"), "back"]).code(0);
    world.run(["get", "-r", "--perms", "--streams", "2", &world.alice("up"), "several"]).code(0);
    for bits in modes {
        for size in sizes {
            let name = name(bits, size);
            for path in [world.remote("alice", "up"), world.local("back"), world.local("several")] {
                let mode = fs::metadata(path.join(&name)).unwrap().permissions().mode() & 0o7777;
                assert_eq!(mode, bits & 0o777, "{name} in {path:?}: {mode:o}");
            }
        }
    }
    // A file that is replaced has its source's mode too, and one that is gone on with.
    fs::set_permissions(world.remote("alice", "up").join(name(0o777, 3)), Permissions::from_mode(0o600)).unwrap();
    world.run(["put", "--perms", &format!("src/{}", name(0o777, 3)), &world.alice("up/")]).code(0);
    assert_eq!(mode(world.remote("alice", "up").join(name(0o777, 3))), 0o777);
    let part = fs::File::create(world.local(".down.sealift-part")).unwrap();
    part.set_len(16 << 20).unwrap();
    world.run(["get", "-v", "-c", "--perms", &world.alice(&format!("up/{}", name(0o604, 17 << 20))), "down"]).code(0);
    assert_eq!(mode(world.local("down")), 0o604);
}

#[test]
fn an_administrator_bounds_what_perms_may_keep() {
    let world = World::with(|server| server.args(["--max-mode", "750"])).trusted();
    fs::write(world.local("open"), "content").unwrap();
    fs::set_permissions(world.local("open"), Permissions::from_mode(0o777)).unwrap();
    world.run(["put", "--perms", "open", &world.alice("open")]).code(0);
    assert_eq!(mode(world.remote("alice", "open")), 0o750);
}

#[test]
fn a_file_that_is_replaced_becomes_a_program_if_its_source_is_one() {
    let world = World::trusting();
    fs::write(world.remote("alice", "f"), "old").unwrap();
    fs::set_permissions(world.remote("alice", "f"), Permissions::from_mode(0o640)).unwrap();
    fs::write(world.local("f"), "new").unwrap();
    for (bits, there) in [(0o755, 0o750), (0o644, 0o640), (0o700, 0o740)] {
        fs::set_permissions(world.local("f"), Permissions::from_mode(bits)).unwrap();
        world.run(["put", "f", &world.alice("f")]).code(0);
        assert_eq!(mode(world.remote("alice", "f")), there, "{bits:o}");
    }
}
