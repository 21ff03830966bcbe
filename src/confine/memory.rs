//! What is in memory stays there.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Forbids core dumps: passwords and the private key must not reach the disk by way of a crash. The limit alone does not
/// bind a program that the kernel pipes them to (core(5)); not being dumpable does, and keeps debuggers of the same
/// account out, too.
///
/// To be called before the first secret comes. A change of account undoes it in part; [`Account::assume`] does it again.
/// A system that refuses leaves everything as it is.
///
/// [`Account::assume`]: super::Account::assume
pub fn forbid_dumps() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
