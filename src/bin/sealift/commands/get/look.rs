//! A look at what is to be fetched, before anything is made for it.

use sealift::client::Download;
use sealift::files::RelPath;
use sealift::{Client, Kind};

use super::Fetch;
use crate::failure::{Failure, Outcome};
use crate::transfer::{Way, ask};

impl Fetch<'_> {
    /// All of these files, if any of them is there; else what is missing is shown, before a folder is made for it.
    pub(super) async fn of_what_is_there(
        &mut self,
        client: &mut Client,
        way: Option<&Way<'_>>,
        files: Vec<Download>,
    ) -> Outcome<Vec<Download>> {
        let paths: Vec<RelPath> = files.iter().map(|file| file.from.clone()).collect();
        let found = ask(client, way, async |client| Ok(client.stats(paths.clone()).await?)).await?;
        let is_missing = |found: &sealift::Result<_>| matches!(found, Err(error) if error.kind() == Kind::NotFound);
        if !found.iter().all(is_missing) {
            return Ok(files);
        }
        for (path, error) in paths.iter().zip(found.into_iter().filter_map(Result::err)) {
            let failure = Failure::from(error).about(&path.to_string()).at_server(path);
            self.tally.show(failure, self.ctx.out)?;
        }
        Ok(Vec::new())
    }
}
