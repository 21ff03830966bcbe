//! Several users who have one home.

use std::fs;

use sealift::files::Hash;
use sealift::limits;

use crate::common::{World, enter, eventually, half_an_upload};

/// What is left of alice's interrupted upload is nothing of carol's, who may only upload there; nor in a folder that is shared with both.
#[test]
fn partials_of_who_has_the_same_home() {
    let world = World::with(&[("alice", "\"full\"", "alice"), ("carol", "[\"upload\"]", "alice")]);
    let file = world.place().join("users.toml");
    let users = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{users}\n[folders.inbox]\naccess = {{ \"*\" = [\"upload\"] }}\n")).unwrap();
    let daemon = world.daemon().args(["--durability", "none"]).start();
    let bytes = vec![7; 17 << 20];
    let block = usize::try_from(limits::HASH_BLOCK).unwrap();
    let prefix = Hash::of(&bytes[..block]);
    let (mut alice, mut carol) = (enter(&daemon, "alice"), enter(&daemon, "carol"));
    for (path, home) in [("f", "alice"), ("inbox/f", "inbox")] {
        let ask = format!("HASH {path} partial=yes");
        half_an_upload(enter(&daemon, "alice"), path, &bytes, &world.home(home)).close();
        eventually("it is kept", || alice.ask(&ask).0 == 213);
        assert_eq!(carol.ask(&ask).1, "not-found", "{path}: size and hash are told to nobody else");
        let begin = format!("UPLOAD {path} size={block} offset={block} prefix={prefix}");
        assert_eq!(enter(&daemon, "carol").ask(begin).1, "changed", "{path}");
        assert_eq!(alice.ask(&ask).0, 213, "{path}: hers is there still");
    }
}
