//! What the files of homes with a quota take.

use super::tree::{Tree, inside, is_within};
use crate::error::{Error, Kind, Result};
use crate::files::RelPath;

/// What the files of a home with a quota take.
#[derive(Default)]
pub(super) struct Account {
    files: u64,
    /// Bytes promised to uploads on their way.
    promised: u64,
}

impl Tree {
    /// From now on this home's bytes are counted, and no partials are kept in it: they are not.
    pub(super) fn count(&mut self, home: &[u8]) {
        self.forget_partials(home, None);
        self.accounts.entry(home.to_vec()).or_default();
        self.count_again();
    }

    /// Whether somebody counts what is at this path.
    pub(super) fn is_counted(&self, path: &[u8]) -> bool {
        self.accounts.keys().any(|home| is_within(path, home))
    }

    pub(super) fn count_again(&mut self) {
        for (home, account) in &mut self.accounts {
            account.files = self.nodes.range(inside(home)).map(|(_, node)| node.bytes()).sum();
        }
    }

    pub(super) fn change(&mut self, path: &[u8], before: u64, after: u64) {
        for (_, account) in self.accounts.iter_mut().filter(|(home, _)| is_within(path, home)) {
            account.files = account.files.saturating_add(after).saturating_sub(before);
        }
    }

    /// Promises so many bytes more to an upload into this home.
    pub(super) fn promise(&mut self, home: &RelPath, path: &RelPath, quota: u64, more: u64) -> Result<()> {
        let account = self.accounts.entry(home.as_bytes().to_vec()).or_default();
        if account.files.saturating_add(account.promised).saturating_add(more) > quota {
            let quota = crate::byte_size::render_size(quota);
            return Err(Error::new(Kind::Quota, path.said(format_args!("over your quota of {quota}"))));
        }
        account.promised += more;
        Ok(())
    }

    pub(super) fn give_back(&mut self, home: &RelPath, bytes: u64) {
        if let Some(account) = self.accounts.get_mut(home.as_bytes()) {
            account.promised = account.promised.saturating_sub(bytes);
        }
    }
}
