//! What a list names of the folders of a mirror.

use std::path::{Path, PathBuf};

use sealift::client::Filter;
use sealift::files::RelPath;
use sealift::{Client, Error, Kind};

use super::mirror::Way;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::list_args::{Listed, is_behind_link};
use crate::mirror_args::Mirror;
use crate::transfer::{Way as BackTo, ask};

/// What `--files-from` names, and what of it there is not.
pub struct Listing {
    listed: Vec<Listed>,
    /// What of it there is not.
    pub missing: Vec<Failure>,
    /// What lies behind links that are not followed.
    pub skipped: Vec<PathBuf>,
}

impl Listing {
    /// None if no list is named.
    ///
    /// # Errors
    /// As [`crate::list_args::ListArgs::read`].
    pub fn read(ctx: &Context, args: &Mirror, way: &Way) -> Outcome<Option<Listing>> {
        let below = match way {
            Way::Push { from, .. } => from.as_path(),
            Way::Pull { .. } => Path::new("/"),
        };
        let read = args.list.read(below, ctx.common.password_stdin)?;
        Ok(read.map(|(listed, missing)| Listing { listed, missing, skipped: Vec::new() }))
    }

    /// Takes only these. Who names the folder itself names all of it.
    pub fn narrow(&self, filter: &mut Filter) {
        if !self.listed.iter().any(|one| one.path.is_root()) {
            filter.only(self.listed.iter().map(|one| one.path.clone()));
        }
    }

    /// Who names the folder itself in a list, as `find .` does, hardly means all else at the destination to go.
    ///
    /// # Errors
    /// [`Kind::Usage`].
    pub fn check(&self, deletes: bool) -> Outcome {
        if !deletes || !self.listed.iter().any(|one| one.path.is_root()) {
            return Ok(());
        }
        let text = "the list names the folder itself, and --delete would remove all that is not in it";
        Err(Failure::new(Kind::Usage, text, "Leave `.` out of the list; or leave out the list, if you mean all of it."))
    }

    /// What lies behind links is skipped.
    pub fn drop_behind_links(&mut self, from: &Path) {
        let skipped = &mut self.skipped;
        self.listed.retain(|one| {
            let is_behind = is_behind_link(from, &one.path);
            if is_behind {
                skipped.push(from.join(one.path.as_path()));
            }
            !is_behind
        });
    }

    /// What is not there is neither moved nor, at the destination, deleted.
    pub fn drop_missing_here(&mut self, from: &Path) {
        let missing = &mut self.missing;
        self.listed.retain(|one| {
            let path = from.join(one.path.as_path());
            let found = path.symlink_metadata().map_err(|err| Failure::from(Error::file(path.display(), err)));
            found.map_err(|failure| missing.push(failure)).is_ok()
        });
    }

    /// What is not on the server is neither moved nor, at the destination, deleted.
    ///
    /// # Errors
    /// What ends the connection.
    pub async fn drop_missing_there(&mut self, client: &mut Client, back: &BackTo<'_>, from: &RelPath) -> Outcome {
        let paths = self.listed.iter().map(|one| Ok(from.join(one.path.as_bytes())?)).collect::<Outcome<Vec<_>>>()?;
        let found = ask(client, Some(back), async |client| Ok(client.stats(paths.clone()).await?)).await?;
        let listed = std::mem::take(&mut self.listed);
        for ((one, path), found) in listed.into_iter().zip(paths).zip(found) {
            match found {
                Ok(_) => self.listed.push(one),
                Err(error) => self.missing.push(Failure::from(error).about(&path.to_string())),
            }
        }
        Ok(())
    }
}
