//! What the commands of the shell do that have commands of their own.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::slice;

use sealift::client::ServerTrash;

use super::ShellSession;
use crate::commands::{link, trash, trash_restore};
use crate::expand::{self, Named};
use crate::failure::{Outcome, Tally};
use crate::shell::line::{LinkCommand, LinkLine, TrashCommand};

impl ShellSession<'_> {
    /// The names in the trash below a folder, from there on, for completing them.
    ///
    /// # Errors
    /// As [`sealift::Client::trash`].
    pub async fn trashed_in(&mut self, typed: &[u8]) -> Outcome<BTreeSet<Vec<u8>>> {
        let (folder, _) = self.resolve(typed)?;
        let kept = self.client().await?.trash(&folder).await?;
        let inside = |thing: &ServerTrash| Some(thing.path.strip_prefix(&folder)?.as_bytes().to_vec());
        Ok(kept.entries.iter().filter_map(inside).filter(|name| !name.is_empty()).collect())
    }

    /// The names of one's links, for completing them.
    ///
    /// # Errors
    /// As [`sealift::Client::links`].
    pub async fn link_names(&mut self) -> Outcome<BTreeSet<Vec<u8>>> {
        Ok(self.client().await?.links().await?.into_iter().map(|link| link.name.into_bytes()).collect())
    }

    pub(super) async fn link(&mut self, line: &LinkLine) -> Outcome {
        let (ctx, login) = (self.ctx, self.login.clone());
        match &line.command {
            Some(LinkCommand::List(times)) => link::show(ctx.out, self.client().await?, &login, *times).await,
            Some(LinkCommand::Remove { names }) => link::end_all(ctx.out, self.client().await?, &login, names).await,
            None => {
                let target = self.target(line.make.target.as_deref().unwrap_or_default())?;
                link::make_in_shell(ctx, self.client().await?, &login, &target, &line.make).await
            }
        }
    }

    pub(super) async fn trash(&mut self, command: &TrashCommand) -> Outcome {
        let (out, login) = (self.ctx.out, self.login.clone());
        match command {
            TrashCommand::List { name, times } => {
                let name = name.clone().unwrap_or_else(|| OsString::from("."));
                let (meant, mut tally) = self.kept(&[name]).await?;
                if !meant.is_empty() {
                    tally.settle(trash::list(out, self.client().await?, &meant, *times).await, out)?;
                }
                tally.outcome()
            }
            TrashCommand::Restore { names, since: Some(since), .. } => {
                let (meant, mut tally) = self.kept(names).await?;
                let client = self.client().await?;
                tally.settle(trash_restore::restore_since(out, client, &meant, *since).await, out)?;
                tally.outcome()
            }
            TrashCommand::Restore { names, id, to, since: None } => {
                trash::refuse_several(names, id.is_some(), to.is_some())?;
                let to = to.as_deref().map(|to| self.target(to)).transpose()?.map(|to| to.path);
                let (meant, mut tally) = self.kept(names).await?;
                let client = self.client().await?;
                let restored = match meant.as_slice() {
                    [] => Ok(()),
                    [Named { target, .. }] => {
                        trash_restore::restore(out, client, &login, target, *id, to.as_ref()).await
                    }
                    // Nothing was said of one of them alone.
                    several => trash_restore::restore_named(out, client, &login, several).await,
                };
                if !meant.is_empty() {
                    tally.settle(restored, out)?;
                }
                tally.outcome()
            }
            TrashCommand::Empty { name, id, yes } => {
                trash::refuse_several(slice::from_ref(name), id.is_some(), false)?;
                let typed = self.target(name)?;
                let (meant, mut tally) = self.kept(slice::from_ref(name)).await?;
                if !meant.is_empty() {
                    let work = trash::empty(out, self.client().await?, (&typed, &meant), *id, *yes).await;
                    tally.settle(work, out)?;
                }
                tally.outcome()
            }
        }
    }

    /// What these words stand for in the trash; what they do not is shown and counted.
    async fn kept(&mut self, names: &[OsString]) -> Outcome<(Vec<Named>, Tally)> {
        let (out, words) = (self.ctx.out, self.words(names)?);
        let client = self.client().await?;
        let (mut all, mut tally) = (Vec::new(), Tally::default());
        for word in &words {
            let meant = match word.is_pattern {
                true => expand::expand_kept(client, &word.target, true).await?,
                false => expand::as_it_stands(&word.target),
            };
            meant.failures.into_iter().try_for_each(|failure| tally.show(failure, out))?;
            all.extend(meant.names);
        }
        Ok((all, tally))
    }
}
