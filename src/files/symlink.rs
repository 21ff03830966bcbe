//! Where a symbolic link leads, by its text alone.

use super::RelPath;
use crate::limits;

/// The path that a link in this folder leads to if its text says so plainly: relative, upwards first and downwards then, and at
/// no time out of the tree that `folder` is a path of. Nothing for any other text.
///
/// A text that goes up after it has gone down means another place when a folder on its way becomes a link, so it is none of these.
pub fn symlink_target(folder: &RelPath, text: &[u8]) -> Option<RelPath> {
    if text.is_empty() || text.starts_with(b"/") || text.len() > limits::PATH_MAX {
        return None;
    }
    let mut folder = folder.clone();
    let mut names = text.split(|b| *b == b'/').filter(|name| !matches!(*name, b"" | b".")).peekable();
    while names.next_if(|name| *name == b"..").is_some() {
        folder = folder.parent()?;
    }
    let below = names.collect::<Vec<_>>().join(&b'/');
    if below.is_empty() { Some(folder) } else { folder.join(&below).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_plainly_stays_in_the_tree_has_a_target() {
        let folder = RelPath::parse(b"a/b").unwrap();
        let target = |text: &[u8]| symlink_target(&folder, text).map(|path| path.to_string());
        for (text, path) in [
            ("f", "a/b/f"),
            ("./c/f", "a/b/c/f"),
            ("c/", "a/b/c"),
            ("../f", "a/f"),
            ("../../x/y", "x/y"),
            (".", "a/b"),
            ("../..", "."),
        ] {
            assert_eq!(target(text.as_bytes()).as_deref(), Some(path), "{text}");
        }
        for text in
            ["", "/", "/a/b/f", "../../..", "../../../x", "c/../f", "c/../../../../x", ".sealift/f", "x\ny", "x\0"]
        {
            assert_eq!(target(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(target(&b"x/".repeat(limits::PATH_MAX)), None);
    }
}
