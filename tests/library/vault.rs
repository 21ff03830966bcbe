//! A server over storage that is no folder of its machine.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::sync::Arc;

use async_std::task::block_on;
use sealift::Kind;
use sealift::files::{Hash, HomeTerms, Vault};
use sealift::limits;
use sealift::server::Storage;
use sealift::store::memory::MemoryVault;

use crate::common::running::{Running, bytes, p};

#[test]
fn a_server_over_a_vault_keeps_everything_there_and_nothing_on_the_disk() {
    block_on(async {
        let (vault, dir) = (MemoryVault::new(), tempfile::tempdir().unwrap());
        let server = Running::over(dir, Storage::Vault(Arc::new(vault.clone()))).await;
        let mut alice = server.client("alice").await;
        let large = bytes(usize::try_from(limits::RECORD_MIN).unwrap() * 3);
        alice.make_dir("d/e", true).await.unwrap();
        for n in 0..30 {
            alice.put(format!("d/{n}").as_str(), format!("small {n}").into_bytes()).await.unwrap();
        }
        alice.put("d/e/large", large.clone()).await.unwrap();
        alice.rename("d", "k", false).await.unwrap();
        alice.remove("k/29", false).await.unwrap();
        assert_eq!(alice.list("k", true).await.unwrap().entries.len(), 31);
        assert_eq!(alice.hash("k/e/large", None).await.unwrap().hash, Hash::of(&large));
        let mut read = Vec::new();
        alice.read("k/e/large", &mut read).await.unwrap();
        assert!(read == large);
        assert_eq!(alice.stat("d").await.unwrap_err().kind(), Kind::NotFound);
        alice.logout().await.unwrap();

        // Another session finds it, and so does whoever has the vault; somebody else does not.
        let mut again = server.client("alice").await;
        assert_eq!(again.stat("k/7").await.unwrap().size, 7);
        assert_eq!(server.client("bob").await.list("", false).await.unwrap_err().kind(), Kind::Denied);
        let home = vault.open("alice", HomeTerms::none()).unwrap();
        assert_eq!(home.stat(&p("k/e/large")).unwrap().size, large.len() as u64);
        assert!(vault.names().unwrap().contains("public"));
        let left: Vec<_> = fs::read_dir(server.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["users.toml"]);
    });
}
