//! What fails in a shared folder is told of by the path that its user knows, whatever was asked for.

use std::time::Duration;

use super::*;
use crate::files::{SourceMode, TrashId};
use crate::server::desk::locks::{Scope, Terms};
use crate::server::desk::op::Hashing;
use crate::store::{JoinedStore, Lease, Mount};

/// Every operation that has a path, at this one; where there are two, at each of both.
fn at(there: &RelPath, other: &RelPath) -> Vec<Op> {
    let (there, other) = (|| there.clone(), || other.clone());
    let (id, lasts) = (TrashId::now().unwrap(), Duration::ZERO);
    let terms = Terms { scope: Scope::Exclusive, deep: false, owner: String::new(), lasts };
    let spec = UploadSpec { size: Some(1), ..UploadSpec::default() };
    let mode = SourceMode { mode: FileMode::of(0o640), perms: false };
    let of = Hashing::Bytes;
    let ops = vec![
        Op::Stat(there()),
        Op::StatWithRoom(there()),
        Op::List { path: there(), recursive: true, rotten: false, modes: false, marks: false },
        Op::Read { path: there(), offset: 0, length: None, growing: false },
        Op::Hash { path: there(), length: None, of },
        Op::FindPartial(there()),
        Op::Accept(there()),
        Op::Put { path: there(), spec, resume: None },
        Op::Stage { path: there(), spec, resume: None },
        Op::SetMode { path: there(), mode, mtime: None },
        Op::SetMode { path: there(), mode, mtime: Some(std::time::SystemTime::UNIX_EPOCH.into()) },
        Op::Remove { path: there(), recursive: false, for_good: false },
        Op::Remove { path: there(), recursive: true, for_good: true },
        Op::MakeFolder { path: there(), parents: false },
        Op::MakeFolder { path: there(), parents: true },
        Op::Rename { from: there(), to: other(), replace: true },
        Op::Rename { from: other(), to: there(), replace: true },
        Op::Supersede { from: there(), to: other() },
        Op::Supersede { from: other(), to: there() },
        Op::ListTrash(there()),
        Op::Restore { path: there(), id, to: other() },
        Op::Purge { path: there(), id: Some(id) },
        Op::Copy { from: there(), to: other(), over: over(true) },
        Op::Copy { from: other(), to: there(), over: over(true) },
        Op::SetProperties { path: there(), changes: vec![("a".to_owned(), Some("b".to_owned()))], mtime: None },
        Op::Lock { path: there(), terms },
    ];
    for op in &ops {
        // One that is new belongs above, if it has a path.
        match op {
            Op::Stat(_) | Op::StatWithRoom(_) | Op::List { .. } | Op::Read { .. } | Op::Hash { .. } => {}
            Op::FindPartial(_) | Op::Accept(_) | Op::Put { .. } | Op::Stage { .. } | Op::SetMode { .. } => {}
            Op::Remove { .. } | Op::MakeFolder { .. } | Op::Rename { .. } | Op::Supersede { .. } => {}
            Op::ListTrash(_) | Op::Restore { .. } | Op::Purge { .. } | Op::Copy { .. } => {}
            Op::SetProperties { .. } | Op::Lock { .. } => {}
            // Of locks, which are in no store; and of what is found by its id.
            Op::RenewLock { .. } | Op::Unlock { .. } | Op::Part { .. } | Op::Commit { .. } | Op::Discard(_) => {}
        }
    }
    ops
}

/// Two stores of this machine, one of which shows in the other.
fn shared() -> (TempDir, Bench) {
    let options = LocalOptions { durability: Durability::None, staging: Staging::Hidden };
    let open = |dir: &std::path::Path| Arc::new(LocalStore::open_path(dir, options).unwrap());
    let (team, mut bench) = (tempfile::tempdir().unwrap(), Bench::new("full"));
    let mount = Mount { at: path("our/team"), store: Ok(Lease::of(open(team.path()))) };
    bench.desk.store = Arc::new(JoinedStore::new(open(bench.dir.path()), vec![mount]));
    (team, bench)
}

impl Bench {
    /// Why this operation fails, if it does.
    fn failure(&mut self, op: Op) -> Option<Error> {
        match self.desk.begin(op, "ASKED", &mut nobody) {
            Begun::Done(result) => result.err(),
            Begun::Work(work) => self.go_on(work).err(),
            Begun::Waits(_) => {
                let mut told = None;
                self.desk.commit(&mut |_, result| told = result.err());
                told
            }
            Begun::List(_) | Begun::Download(_) | Begun::Put(_) | Begun::Part(_) => None,
        }
    }
}

#[test]
fn what_fails_in_a_shared_folder_names_the_path_that_its_user_knows() {
    let (team, mut bench) = shared();
    std::fs::write(team.path().join("file"), b"there").unwrap();
    std::fs::write(team.path().join("other"), b"there").unwrap();
    // Below a file there is nothing, and nothing can be.
    let (below, known) = (path("our/team/file/x"), "our/team/file");
    let mut failed = 0;
    for op in at(&below, &path("our/team/other")) {
        let asked = format!("{op:?}");
        let Some(error) = bench.failure(op) else { continue };
        failed += 1;
        let (_, text) = error.told_by_server();
        let unknown = text.replace(known, "").replace("our/team/other", "");
        assert!(text.contains(known), "{asked}: {text}");
        assert!(!unknown.contains("file/") && !unknown.contains("other"), "{asked}: {text}");
    }
    // All but a look into the trash, where it could be nothing else.
    assert_eq!(failed, at(&below, &below).len() - 1);
}
