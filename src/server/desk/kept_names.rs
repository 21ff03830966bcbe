//! The names of copies that are built up beside their place. What has such a name is taken away if its copy fails, or gets its place if it does
//! not, whatever is in it: so nobody but whoever makes the copy puts anything there. Otherwise somebody who may rename a folder, and not
//! delete it, would have it deleted by giving it that name.

use super::op::{Op, Writes};
use super::running::Running;
use super::{Desk, Earlier};
use crate::error::{Error, Kind, Result};
use crate::files::RelPath;
use crate::files::aside;

impl Desk {
    /// Lets an operation pass that puts nothing where a copy is built up, unless its session makes that copy.
    pub(super) fn keep_names_of_copies(&mut self, op: &Op, running: Running, earlier: Earlier<'_>) -> Result<Running> {
        let Some(path) = put_at(op).filter(|path| is_of_copy(path) && !self.ticket().record().makes(path)) else {
            return Ok(running);
        };
        let text = format!("{path}: names of this kind are kept for copies that are not whole yet");
        self.commit(earlier);
        Err(self.failed(running, Error::new(Kind::BadPath, text)))
    }
}

/// Where an operation puts something under a name that it says, if it does.
fn put_at(op: &Op) -> Option<&RelPath> {
    let facts = op.facts();
    match (op, facts.writes) {
        // Of a name that is free it makes a file.
        (Op::Lock { path, .. }, _) | (_, Writes::Upload(path) | Writes::Member(path)) => Some(path),
        _ => facts.other_path,
    }
}

/// Whether this is a copy that is built up beside its place, or in one.
pub fn is_of_copy(path: &RelPath) -> bool {
    path.components().any(|name| aside::is_copy(name) && aside::before(name, std::iter::empty()).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_puts_something_at_the_name_of_a_copy_or_below_it_is_told_from_all_else() {
        let path = |text: &str| RelPath::parse(text.as_bytes()).unwrap();
        let copy = ".x.0123456789abcdef.sealift-copy";
        let rename = |from: &str, to: &str| Op::Rename { from: path(from), to: path(to), replace: false };
        let puts = |op: &Op| put_at(op).is_some_and(is_of_copy);
        assert!(puts(&rename("d/important", &format!("d/{copy}"))));
        assert!(puts(&rename("d/important", &format!("d/{copy}/sub/x"))));
        assert!(puts(&Op::MakeFolder { path: path(&format!("{copy}/a")), parents: true }));
        // What a killed server left can be named anew, and removed.
        assert!(!puts(&rename(copy, "found")));
        assert!(!puts(&Op::Remove { path: path(copy), recursive: true, for_good: false }));
        for other in [".x.sealift-copy", ".x.0123.sealift-copy", "x.sealift-copy", ".x.0123456789abcdef.sealift-aside"]
        {
            assert!(!puts(&rename("a", other)), "{other}");
        }
    }
}
