//! What killed servers leave behind, and what nobody went on with, is gone after the next start.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use sealift::limits;

use super::{Dice, until};
use crate::common::{PASSWORD, World, enter, half_an_upload, staged};

#[test]
fn a_starting_server_sweeps_every_home_and_saves_what_can_be_resumed() {
    let world = World::of(&["alice"]);
    let (alices, bobs, carols) = (world.home("alice"), world.home("team/bob"), world.home("carol"));
    let large = Dice::new().bytes(limits::HASH_BLOCK + 70_000);
    let daemon = world.start();
    daemon.add_user_with("bob", PASSWORD, &["--home", "team/bob"]);
    let cut_off = [
        half_an_upload(enter(&daemon, "alice"), "small", b"small", &alices),
        half_an_upload(enter(&daemon, "alice"), "large", &large, &alices),
        half_an_upload(enter(&daemon, "bob"), "small", b"bob's", &bobs),
    ];
    daemon.kill();
    drop(cut_off);
    // carol is no user any more. One partial is too old to be kept, with the values of its blocks; one is not.
    fs::create_dir_all(carols.join(".sealift")).unwrap();
    let too_old = SystemTime::now() - limits::PARTIAL_MAX_AGE - Duration::from_secs(60);
    for (name, modified) in [("p-0", too_old), ("b-0", SystemTime::now()), ("p-1", SystemTime::now())] {
        let file = fs::File::create(carols.join(".sealift").join(name)).unwrap();
        file.set_modified(modified).unwrap();
    }
    fs::create_dir(carols.join(".sealift/s-dead")).unwrap();
    fs::write(carols.join(".sealift/s-dead/0"), "left over").unwrap();
    fs::remove_file(world.place().join("log")).unwrap();

    let daemon = world.start();
    until("swept", || daemon.log().contains(" swept "));
    assert!(daemon.log().contains("saved=1"), "{}", daemon.log());
    assert_eq!(staged(&bobs), Vec::<&Path>::new());
    assert_eq!(staged(&carols), [Path::new("p-1")]);
    assert_eq!(staged(&alices).len(), 1, "the partial alone");
    let mut alice = enter(&daemon, "alice");
    let (_, word, fields) = alice.ask("HASH large partial=yes");
    assert_eq!((word.as_str(), fields["size"].as_str()), ("hash", &*limits::HASH_BLOCK.to_string()));
    assert_eq!(alice.list("").unwrap(), Vec::<String>::new(), "no half file has a name");
}
