//! Uploads under way while how a home is kept changes.

use std::net::Ipv4Addr;

use super::locks::Shared;
use super::*;
use crate::error::Kind;

/// The session that began it has ended, and another one goes on with it, over a store that cannot change how it is kept.
#[test]
fn where_a_store_cannot_go_by_the_terms_of_now_an_upload_does_not_go_on_by_those_of_before() {
    let hash = hash_password(&Secret::new("secret")).unwrap();
    let users = |more: &str| {
        let text = format!("[users.alice]\npassword = \"{hash}\"\naccess = \"full\"\n{more}");
        Users::parse(&text, "users.toml").unwrap()
    };
    let now = users("quota = \"1 MiB\"\n").verify("alice", &Secret::new("secret"), Ipv4Addr::LOCALHOST.into()).unwrap();
    let shared = Shared::of(users(""));
    let begun = |name: &str| {
        let op = Op::Put { path: path(name), spec: UploadSpec::default(), resume: None };
        let Begun::Put(put) = shared.desk("alice").begin(op, "PUT", &mut nobody) else { panic!("bytes are to come") };
        put
    };
    let mut same = shared.desk("alice");
    let put = same.append(begun("same"), b"text", &mut nobody).unwrap();
    let Worked::Done(Ok(_)) = same.finish_at_once(put, &mut nobody) else { panic!("nothing has changed") };
    let mut desk = shared.desk("alice");
    desk.renew(now);
    let kind = |error: Error| error.kind();
    assert_eq!(desk.append(begun("more"), b"text", &mut nobody).map(drop).map_err(kind), Err(Kind::NotFound));
    let Worked::Done(Err(error)) = desk.finish_at_once(begun("all"), &mut nobody) else { panic!("it is refused") };
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(desk.store.stat(&path("all")).is_err() && desk.store.stat(&path("same")).is_ok());
}
