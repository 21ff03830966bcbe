//! Doing the same with several things on servers, over one connection where neighbours share one.

use std::ffi::OsString;

use sealift::Client;
use sealift::client::{Patience, Target};

use super::context::{Context, Repeat};
use super::expand::{self, Meant, Named, Names, may_be_pattern};
use super::failure::{Failure, Outcome, Tally};
use super::login::Login;
use super::output;
use super::transfer::{Way, over_again};

/// A target, who reaches it, and whether it may stand for others.
struct Word {
    login: Login,
    target: Target,
    may_be_pattern: bool,
}

/// A connection that is made anew when it is lost in the middle of what can be repeated.
struct Line<'a> {
    way: Way<'a>,
    client: Client,
}

impl Line<'_> {
    async fn run<T>(&mut self, repeat: Repeat<'_>, work: impl AsyncFnMut(&mut Client) -> Outcome<T>) -> Outcome<T> {
        if !self.client.is_usable() {
            // It was broken off from this side, in the middle of what nobody wanted any more.
            self.client = self.way.anew().await?;
        }
        let (written, mut before) = (output::written(), 0);
        let may_be_repeated = |failure: &Failure, patience: &mut Patience| match repeat {
            Repeat::Asks => output::written() == written,
            Repeat::GoesOn(steps) => {
                if steps.get() > before {
                    before = steps.get();
                    patience.renew();
                }
                true
            }
            Repeat::Acts => failure.is_unbegun(),
            Repeat::ActsKnowingly => failure.is_unbegun() || failure.is_unanswered(),
            Repeat::ActsOften => false,
        };
        over_again(&mut self.client, Some(&self.way), may_be_repeated, work).await
    }
}

impl Context {
    /// Does the same with all that several words stand for. What fails is shown and does not stop the others.
    ///
    /// # Errors
    /// That of a single one, otherwise as [`Tally::outcome`].
    pub async fn for_each(
        &self,
        typed: &[OsString],
        names: Names,
        repeat: Repeat<'_>,
        mut work: impl AsyncFnMut(&mut Client, &Target) -> Outcome,
    ) -> Outcome {
        self.for_each_named(typed, names, repeat, async |client, named| work(client, &named.target).await).await
    }

    /// As [`Context::for_each`], for work that has to know how a thing was named.
    ///
    /// # Errors
    /// As [`Context::for_each`].
    pub async fn for_each_named(
        &self,
        typed: &[OsString],
        names: Names,
        repeat: Repeat<'_>,
        mut work: impl AsyncFnMut(&mut Client, &Named) -> Outcome,
    ) -> Outcome {
        let one = async |client: &mut Client, named: &[Named]| match named {
            [one] => work(client, one).await.map_err(|failure| failure.while_at(&one.target.path)),
            _ => Ok(()),
        };
        self.with_words(typed, names, repeat, false, one).await
    }

    /// As [`Context::for_each`], with all at once that neighbouring words of one login stand for.
    ///
    /// # Errors
    /// As [`Context::for_each`].
    pub async fn for_each_login(
        &self,
        typed: &[OsString],
        names: Names,
        repeat: Repeat<'_>,
        work: impl AsyncFnMut(&mut Client, &[Named]) -> Outcome,
    ) -> Outcome {
        self.with_words(typed, names, repeat, true, work).await
    }

    async fn with_words(
        &self,
        typed: &[OsString],
        names: Names,
        repeat: Repeat<'_>,
        at_once: bool,
        mut work: impl AsyncFnMut(&mut Client, &[Named]) -> Outcome,
    ) -> Outcome {
        let may_be_pattern = typed.iter().map(|word| names != Names::New && may_be_pattern(word));
        let words: Vec<Word> = self.targets(typed)?.into_iter().zip(may_be_pattern).map(word).collect();
        let mut tally = Tally::default();
        for group in words.chunk_by(|a, b| a.login == b.login) {
            let Some(Word { login, .. }) = group.first() else { continue };
            let mut line = match self.connect(login).await {
                Ok(connected) => Line { way: Way::back_to(self, login, &connected), client: connected.client },
                Err(failure) => {
                    let exit = failure.exit();
                    tally.show(failure, self.out)?;
                    group.iter().skip(1).for_each(|_| tally.add_failed(exit));
                    continue;
                }
            };
            let (mut lost, mut together) = (None, Vec::new());
            for word in group {
                if let Some(exit) = lost {
                    tally.add_failed(exit);
                    continue;
                }
                let found = match (word.may_be_pattern, names) {
                    (false, _) => Ok(expand::as_it_stands(&word.target)),
                    (true, Names::Kept) => {
                        line.run(Repeat::Asks, async |client| expand::expand_kept(client, &word.target, false).await)
                            .await
                    }
                    (true, _) => {
                        line.run(Repeat::Asks, async |client| expand::expand(self.out, client, &word.target).await)
                            .await
                    }
                };
                let Meant { names: meant, failures, .. } = match found {
                    Ok(meant) => meant,
                    Err(failure) => {
                        lost = self.tell(failure.while_at(&word.target.path), &line, &mut tally)?;
                        continue;
                    }
                };
                for failure in failures {
                    if names != Names::Possible || failure.kind() != Some(sealift::Kind::NotFound) {
                        tally.show(failure, self.out)?;
                    }
                }
                if at_once {
                    together.extend(meant);
                    continue;
                }
                for one in meant.chunks(1) {
                    lost = self.done(&mut line, repeat, async |client| work(client, one).await, &mut tally).await?;
                    if lost.is_some() {
                        break;
                    }
                }
            }
            if !together.is_empty() && lost.is_none() {
                lost = self.done(&mut line, repeat, async |client| work(client, &together).await, &mut tally).await?;
            }
            if lost.is_none() {
                self.hang_up(line.client).await;
            }
        }
        tally.outcome()
    }

    /// Does one thing and counts it; gives the exit code of a failure if the connection is of no more use after it.
    async fn done(
        &self,
        line: &mut Line<'_>,
        repeat: Repeat<'_>,
        work: impl AsyncFnMut(&mut Client) -> Outcome,
        tally: &mut Tally,
    ) -> Outcome<Option<sealift::Exit>> {
        match line.run(repeat, work).await {
            Ok(()) => {
                self.out.step_ids("answered", &line.client);
                tally.add_done(1);
                Ok(None)
            }
            Err(failure) => self.tell(failure, line, tally),
        }
    }

    /// Shows and counts a failure; gives its exit code if the connection is of no more use after it.
    fn tell(&self, failure: Failure, line: &Line<'_>, tally: &mut Tally) -> Outcome<Option<sealift::Exit>> {
        let lost = failure.ends_connection().then(|| failure.exit());
        tally.show(failure.denied_by_server(|| line.way.login().denied_hint()), self.out)?;
        self.out.step_ids("answered", &line.client);
        Ok(lost)
    }
}

fn word(((login, target), may_be_pattern): ((Login, Target), bool)) -> Word {
    Word { login, target, may_be_pattern }
}
