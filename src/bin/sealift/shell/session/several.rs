//! What the commands of the shell do that look at all of their names before they begin.

use std::ffi::OsString;

use sealift::Client;

use super::ShellSession;
use super::names::or_here;
use crate::commands::change::{self, Moving};
use crate::commands::lost_answer::Removals;
use crate::commands::ls;
use crate::expand::Named;
use crate::failure::{Outcome, Tally};
use crate::shell::line;

impl ShellSession<'_> {
    /// All that these names stand for. What cannot be found is shown and counted, unless it is the only one.
    async fn gather(&mut self, names: &[OsString], tally: &mut Tally) -> Outcome<Vec<Named>> {
        let (out, words) = (self.ctx.out, self.words(names)?);
        let client = self.client().await?;
        let mut all = Vec::new();
        for word in &words {
            match word.meant(out, client).await {
                Ok(meant) => {
                    meant.failures.into_iter().try_for_each(|failure| tally.show(failure, out))?;
                    all.extend(meant.names);
                }
                Err(failure) if failure.ends_connection() || words.len() == 1 => return Err(failure),
                Err(failure) => tally.show(failure, out)?,
            }
        }
        Ok(all)
    }

    pub(super) async fn ls(&mut self, line: &line::Ls) -> Outcome {
        let (out, names) = (self.ctx.out, or_here(&line.names));
        let headers = ls::Headers::new(out, names.len() > 1, self.folder.clone(), |target| target.path.to_string());
        let mut tally = Tally::default();
        let named = self.gather(&names, &mut tally).await?;
        if !named.is_empty() {
            let listed = ls::names(out, self.client().await?, &named, &line.look, &headers).await;
            if names.len() == 1 && tally.failures() == 0 {
                return listed;
            }
            tally.settle(listed, out)?;
        }
        tally.outcome()
    }

    pub(super) async fn rm(&mut self, line: &line::Rm) -> Outcome {
        let out = self.ctx.out;
        line.how.prove_possible()?;
        if !line.how.once {
            let how = &line.how;
            let removals = Removals::default();
            let work =
                async |client: &mut Client, named: &Named| change::remove(out, client, named, how, &removals).await;
            return self.each_named(&line.names, work).await;
        }
        let mut tally = Tally::default();
        let named = self.gather(&line.names, &mut tally).await?;
        if !named.is_empty() {
            let server = self.login.to_string();
            let removed = change::remove_all(out, self.client().await?, &named, &server, &line.how).await;
            tally.settle(removed, out)?;
        }
        tally.outcome()
    }

    /// Moves or copies all of these names but the last to where that says.
    pub(super) async fn carry(&mut self, names: &[OsString], how: Moving) -> Outcome {
        let out = self.ctx.out;
        let Some((to, from)) = names.split_last() else { return Ok(()) };
        let (to, words) = (self.target(to)?, self.words(from)?);
        let mut tally = Tally::default();
        let (mut sources, mut several) = (Vec::new(), from.len() > 1);
        let client = self.client().await?;
        for word in &words {
            let meant = match word.meant(out, client).await {
                Ok(meant) => meant,
                Err(failure) if failure.ends_connection() || words.len() == 1 => return Err(failure),
                Err(failure) => {
                    tally.show(failure, out)?;
                    continue;
                }
            };
            several |= meant.is_pattern;
            meant.failures.into_iter().try_for_each(|failure| tally.show(failure, out))?;
            sources.extend(meant.names.into_iter().map(|named| named.target));
        }
        if sources.is_empty() {
            return tally.outcome();
        }
        change::carry(out, client, None, &sources, &to, Moving { several, ..how }, tally).await
    }
}
