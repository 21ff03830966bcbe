//! Links: what one may make for others, of what one may do oneself.

use std::sync::Arc;

use super::Desk;
use super::gate::{self, Demand, Demands, Extent, Need};
use super::running::Running;
use super::spot::Spot;
use crate::auth::{Access, Link, LinkTerms, LinkTo};
use crate::error::{Error, Kind, Result};
use crate::files::{EntryKind, RelPath};
use crate::machine::turns;
use crate::secret::Secret;

impl Desk {
    /// It is about a link to this path.
    pub fn about_link_to(&self, path: &RelPath, running: Running) -> Running {
        running.at(Spot::new(path.clone(), self.principal().grants()))
    }

    /// What a link to this path would lead to, and the path without links of what is there, since rules are about that, and another link on the disk must not lead it elsewhere later.
    ///
    /// # Errors
    /// [`Kind::Denied`] where the user may not do what the link would give; [`Kind::NotFound`]; [`Kind::NotRegular`].
    pub fn link_to(&self, path: &RelPath, running: &Running) -> Result<(LinkTo, RelPath)> {
        let needs = |path: &RelPath, rights, extent| {
            let at = Demand { rights, path: Some(path), extent };
            gate::check(self.principal(), Need::Rights(Demands { at, to: None }), running.name())
        };
        let may_begin = |at: &RelPath| {
            if self.principal().grants().folder_at(at).is_some() {
                let text =
                    format!("{path}: a link leads into your own folder, and not into one that is shared with you");
                return Err(Error::new(Kind::Denied, text));
            }
            // Which of both it is is nobody's to know who may do neither.
            needs(at, Access::LINK.union(Access::DOWNLOAD), Extent::Itself)
        };
        may_begin(path)?;
        let real = turns::block_in_place(|| self.store.real_path(path));
        if let Ok(real) = &real {
            may_begin(real)?;
        }
        // Where nothing is, or a link leads out, this says so.
        let kind = self.store.stat(path)?.kind;
        match kind {
            EntryKind::File => Ok((LinkTo::File, real?)),
            EntryKind::Directory => {
                let real = real?;
                let all = Access::LINK.union(Access::READ);
                needs(path, all, Extent::Tree)?;
                needs(&real, all, Extent::Tree)?;
                Ok((LinkTo::Folder, real))
            }
            EntryKind::Link | EntryKind::Other => {
                Err(Error::new(Kind::NotRegular, format!("{path}: neither a file nor a folder")))
            }
        }
    }

    /// Makes a link, which is on the disk then: its secret, which is nowhere else.
    ///
    /// # Errors
    /// As [`Users::make_link`](crate::auth::Users::make_link).
    pub fn make_link(&self, terms: LinkTerms) -> Result<(Secret, Arc<Link>)> {
        turns::block_in_place(|| self.users().latest().make_link(self.principal(), terms))
    }

    /// Withdraws a link.
    ///
    /// # Errors
    /// As [`Users::remove_link`](crate::auth::Users::remove_link).
    pub fn remove_link(&self, name: &str) -> Result<Arc<Link>> {
        turns::block_in_place(|| self.users().remove_link(self.principal(), name))
    }
}
