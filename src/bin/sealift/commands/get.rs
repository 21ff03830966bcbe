//! `get`: files and folders from servers, as `cp -r` reads.

mod look;
mod names;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use sealift::client::{Download, Observer as _, ServerLinks, Skip, Summary, Target, Transfer};
use sealift::files::{Condition, EntryKind, Mark, RelPath};
use sealift::{Client, Error, Kind};

use super::cat::{self, Cat};
use super::get_link;
use super::local::{Local, explain_missing};
use super::look::warn_of_growing;
use super::sink::{self, Sink, cannot_sync};
use super::typed::Through;
use crate::args::Get;
use crate::context::Context;
use crate::direction::refuse_put_as_get;
use crate::expand::{self, Meant, Named, Reads, reads};
use crate::failure::{Failure, Outcome, Tally};
use crate::interrupt::{self, Moves};
use crate::list_args::{Listed, expects_folders};
use crate::login::Login;
use crate::output;
use crate::progress::{Direction, Progress};
use crate::transfer::{FlowArgs, How, Links, Way, ask, transfer};
use names::{refuse_between_servers, refuse_remote_destination, split};

/// Runs the command.
///
/// # Errors
/// Of the first failure if it ends everything, otherwise as [`Tally::outcome`]; all have been shown by then.
pub async fn run(ctx: &Context, args: &Get) -> Outcome {
    if args.how.list.files_from.is_some() {
        return listed(ctx, args).await;
    }
    refuse_put_as_get(ctx.config()?, &args.names)?;
    if let Some(url) = get_link::meant(&args.names)? {
        return get_link::run(ctx, args, url).await;
    }
    if args.names.last().is_some_and(|local| local == "-") {
        output::hands_on_bytes();
    }
    refuse_between_servers(ctx, &args.names, args.how.recursive)?;
    let (remotes, local) = split(ctx.config()?, &args.names);
    let to_stdout = |how: &How| {
        let (growing, limit_rate) = (args.how.transfer.growing, args.how.transfer.flow.limit_rate);
        how.in_order("standard output").map(|()| Cat { targets: remotes.to_vec(), force: false, limit_rate, growing })
    };
    let how = How::new(&args.how.transfer, 0)?;
    if local.as_bytes() == b"-" {
        return cat::run(ctx, &to_stdout(&how)?).await;
    }
    let (words, reads): (Vec<_>, Vec<_>) = remotes.iter().map(|word| reads(word)).unzip();
    let targets: Vec<_> = ctx.targets(&words)?.into_iter().zip(reads).collect();
    refuse_remote_destination(remotes, local)?;
    let local = Local::resolve(local, targets.len(), how.exactly)
        .map_err(|failure| explain_missing(failure, remotes, local))?;
    if local == Local::Through(Through::Stdout) && how.condition == Condition::Any {
        return cat::run(ctx, &to_stdout(&how)?).await;
    }
    if let Local::Through(place) = &local {
        if *place == Through::Stdout {
            output::hands_on_bytes();
        }
        how.in_order(&place.shown())?;
    }
    ctx.set_rate(args.how.transfer.flow.limit_rate, args.how.transfer.connections())?;
    let mut fetch = Fetch::new(ctx, &local, args.how.recursive, &args.how.transfer.flow)?;
    fetch.obey(args.how.links);
    let mut used = None;
    for group in targets.chunk_by(|((a, _), _), ((b, _), _)| a == b) {
        let Some(((login, _), _)) = group.first() else { continue };
        let connected = match ctx.connect(login).await {
            Ok(connected) => connected,
            Err(failure) => {
                fetch.tally.show(failure, ctx.out)?;
                continue;
            }
        };
        fetch.how = how.clone().retries(ctx.retries(login));
        let way = Way::back_to(ctx, login, &connected);
        let mut client = connected.client;
        let names = fetch.names(&mut client, group).await?;
        fetch.collect(&mut client, login, Some(&way), &names).await?;
        ctx.out.step_ids("answered", &client);
        if let Some(earlier) = used.replace(client) {
            ctx.hang_up(earlier).await;
        }
    }
    let outcome = fetch.finish(used.as_ref());
    if let Some(client) = used {
        ctx.hang_up(client).await;
    }
    outcome
}

/// `--files-from`: what a list names below a folder of the server.
async fn listed(ctx: &Context, args: &Get) -> Outcome {
    let (folder, local) = match args.names.as_slice() {
        [folder] => (folder, OsStr::new(".")),
        [folder, local] => (folder, local.as_os_str()),
        _ => return Err(expects_folders("sealift get --files-from LIST HOST/folder [LOCAL]")),
    };
    let target = ctx.target(folder)?;
    let login = ctx.login_for(&target)?;
    let root = Path::new("/");
    let Some((paths, failures)) = args.how.list.read(root, ctx.common.password_stdin)? else { return Ok(()) };
    let local = Local::folder(local)?;
    ctx.set_rate(args.how.transfer.flow.limit_rate, args.how.transfer.connections())?;
    let mut fetch = Fetch::new(ctx, &local, args.how.recursive, &args.how.transfer.flow)?;
    fetch.obey(args.how.links);
    fetch.how = How::new(&args.how.transfer, ctx.retries(&login))?.parents();
    failures.into_iter().try_for_each(|failure| fetch.tally.show(failure, ctx.out))?;
    if paths.is_empty() {
        return fetch.finish(None);
    }
    let connected = ctx.connect(&login).await?;
    let way = Way::back_to(ctx, &login, &connected);
    ctx.over(connected.client, &login, async |client| {
        let done = fetch.collect_listed(client, &login, &way, &target.path, paths).await;
        done.and_then(|()| fetch.finish(Some(client)))
    })
    .await
}

/// A folder to fetch.
struct Folder {
    from: RelPath,
    to: RelPath,
    /// It was named, and not found by a pattern.
    is_named: bool,
}

/// Whether this was found by a pattern, and nothing in it may be downloaded.
fn may_not_download(named: &Named) -> bool {
    named.entry.as_ref().is_some_and(|entry| entry.mark == Some(Mark::SharedListOnly))
}

/// One command's downloads, over one connection after another.
pub struct Fetch<'a> {
    ctx: &'a Context,
    local: &'a Local,
    recursive: bool,
    /// How they are fetched.
    pub how: How,
    /// What is done about links inside of folders.
    pub links: ServerLinks,
    progress: Arc<Progress>,
    summary: Summary,
    tally: Tally,
    /// Names given away already: two sources never become one file.
    taken: HashSet<RelPath>,
}

impl<'a> Fetch<'a> {
    /// Into this place; `recursive` takes folders too.
    pub fn new(ctx: &'a Context, local: &'a Local, recursive: bool, flow: &FlowArgs) -> Outcome<Self> {
        let progress = Arc::new(Progress::new(ctx.out, Direction::Fetch, flow)?);
        if let Local::Folder { folder, .. } | Local::Name { folder, .. } = local {
            progress.set_folder(folder);
        }
        let (how, links, summary, tally) = Default::default();
        Ok(Fetch { ctx, local, recursive, how, links, progress, summary, tally, taken: HashSet::new() })
    }

    /// What is to be done about links inside of folders.
    pub fn obey(&mut self, links: Option<Links>) {
        self.links = Links::of_server(links);
    }

    /// What these targets stand for, those that may be patterns after a look at the server. What cannot be found is shown
    /// and counted.
    ///
    /// # Errors
    /// As [`expand::expand`], and for a pattern if only one thing can go to this place.
    pub async fn names(&mut self, client: &mut Client, targets: &[((Login, Target), Reads)]) -> Outcome<Vec<Named>> {
        let mut names = Vec::new();
        for ((_, target), reads) in targets {
            let meant = match reads {
                Reads::Pattern => expand::expand(self.ctx.out, client, target).await,
                Reads::Plainly => Ok(expand::as_it_stands(target)),
                Reads::Contents => Ok(expand::as_it_stands(target).contents()),
            };
            match meant {
                Ok(meant) => names.extend(self.take(meant)?),
                Err(failure) if failure.ends_connection() => return Err(failure),
                Err(failure) => self.tally.show(failure.while_at(&target.path), self.ctx.out)?,
            }
        }
        Ok(names)
    }

    /// Counts what could not be found, and gives the rest.
    ///
    /// # Errors
    /// For a pattern, if only one thing can go to this place.
    pub fn take(&mut self, meant: Meant) -> Outcome<Vec<Named>> {
        match self.local {
            Local::Name { folder, name, .. } if meant.is_pattern => {
                return Err(expand::needs_folder(&folder.join(name.as_path()).display().to_string()));
            }
            Local::Through(place) if meant.is_pattern => return Err(expand::needs_folder(&place.shown())),
            _ => {}
        }
        meant.failures.into_iter().try_for_each(|failure| self.tally.show(failure, self.ctx.out))?;
        Ok(meant.names)
    }

    /// Shows and counts what could not be found.
    ///
    /// # Errors
    /// As [`Tally::show`].
    pub fn missed(&mut self, failure: Failure) -> Outcome {
        self.tally.show(failure, self.ctx.out)
    }

    /// Fetches targets over their connection; on the way back, if there is one, when it is lost. What fails alone is shown and counted.
    ///
    /// # Errors
    /// What ends the connection, or nothing but its exit code if it has been shown.
    pub async fn collect(
        &mut self,
        client: &mut Client,
        login: &Login,
        way: Option<&Way<'_>>,
        targets: &[Named],
    ) -> Outcome {
        self.progress.set_login(login);
        if self.how.options().growing {
            warn_of_growing(self.ctx.out, client);
        }
        let done = self.try_collect(client, way, targets).await;
        self.settle(done)
    }

    /// Fetches what a list names below this folder of the server, each to the same path here.
    ///
    /// # Errors
    /// As [`Fetch::collect`].
    pub async fn collect_listed(
        &mut self,
        client: &mut Client,
        login: &Login,
        way: &Way<'_>,
        folder: &RelPath,
        listed: Vec<Listed>,
    ) -> Outcome {
        self.progress.set_login(login);
        let done = self.try_collect_listed(client, way, folder, listed).await;
        self.settle(done)
    }

    /// Shows what ended it all no more if it was shown.
    fn settle(&self, done: Outcome) -> Outcome {
        match done {
            Ok(()) => Ok(()),
            Err(failure) => {
                self.progress.stop();
                match &failure {
                    Failure::Error { error, .. } if self.progress.has_shown(error) => Err(Failure::Shown(error.exit())),
                    _ => Err(failure),
                }
            }
        }
    }

    /// Tells what came of it all.
    ///
    /// # Errors
    /// As [`Tally::outcome`].
    pub fn finish(self, client: Option<&Client>) -> Outcome {
        self.progress.finish(&self.summary, self.tally, client, self.how.is_dry_run())
    }

    async fn try_collect(&mut self, client: &mut Client, way: Option<&Way<'_>>, targets: &[Named]) -> Outcome {
        let condition = self.how.condition;
        let mut files = Vec::new();
        let mut trees = Vec::new();
        for target in targets {
            match self.job(client, way, target).await {
                Ok((from, _, true)) if may_not_download(target) => self.skip(&from, Skip::ListOnly),
                Ok((from, to, true)) => trees.push(Folder { from, to, is_named: target.entry.is_none() }),
                Ok((from, to, false)) => files.push(Download::new(from, to).condition(condition)),
                Err(failure) if failure.ends_connection() => return Err(failure),
                Err(failure) => self.tally.show(failure.while_at(&target.target.path), self.ctx.out)?,
            }
        }
        self.fetch(client, way, files, trees).await
    }

    async fn try_collect_listed(
        &mut self,
        client: &mut Client,
        way: &Way<'_>,
        folder: &RelPath,
        listed: Vec<Listed>,
    ) -> Outcome {
        let condition = self.how.condition;
        let mut kinds = vec![None; listed.len()];
        if self.recursive {
            let paths = listed.iter().map(|one| Ok(folder.join(one.path.as_bytes())?)).collect::<Outcome<Vec<_>>>()?;
            let found = ask(client, Some(way), async |client| Ok(client.stats(paths.clone()).await?)).await?;
            // What is refused is so again, and told then.
            kinds = found.into_iter().map(|found| found.ok().map(|found| found.kind)).collect();
        }
        let (mut files, mut trees) = (Vec::new(), Vec::new());
        for (Listed { path, is_folder }, kind) in listed.into_iter().zip(kinds) {
            let from = folder.join(path.as_bytes())?;
            match kind {
                Some(EntryKind::Directory) => trees.push(Folder { from, to: path, is_named: true }),
                None if is_folder && !self.recursive => {
                    let error = Error::new(Kind::IsDirectory, format!("{from}: is a folder"));
                    self.tally.show(Failure::from(error).at_server(&from), self.ctx.out)?;
                }
                _ => match self.local.check_place(&path) {
                    Ok(()) => files.push(Download::new(from, path).condition(condition)),
                    Err(failure) => self.tally.show(failure, self.ctx.out)?,
                },
            }
        }
        self.fetch(client, Some(way), files, trees).await
    }

    /// Fetches files and trees.
    async fn fetch(
        &mut self,
        client: &mut Client,
        way: Option<&Way<'_>>,
        mut files: Vec<Download>,
        mut trees: Vec<Folder>,
    ) -> Outcome {
        let (condition, options) = (self.how.condition, self.how.options());
        if files.is_empty() && trees.is_empty() {
            return Ok(());
        }
        if let Local::Through(place) = self.local {
            if let Some(Folder { from, .. }) = trees.first() {
                let text = format!("{}: is no folder, and {from} is one", place.shown());
                return Err(Error::new(Kind::NotDirectory, text).into());
            }
            for file in files {
                self.write_into(client, place, &file).await?;
            }
            return Ok(());
        }
        if self.local.is_made() && trees.is_empty() && !self.how.is_dry_run() {
            files = self.of_what_is_there(client, way, files).await?;
            if files.is_empty() {
                return Ok(());
            }
        }
        let into = match self.how.is_dry_run() {
            true => {
                let (into, below) = self.local.nearest()?;
                let of_files = files.iter_mut().map(|file| &mut file.to);
                for to in of_files.chain(trees.iter_mut().map(|tree| &mut tree.to)) {
                    *to = below.join(to.as_bytes())?;
                }
                into
            }
            false => self.local.open()?,
        };
        if !self.how.is_dry_run() {
            interrupt::moves(Moves::Fetch, files.len() > 1 || !trees.is_empty());
        }
        if !trees.is_empty() && matches!(self.local, Local::Name { .. }) {
            interrupt::gives_a_name();
        }
        self.progress.parts_to_come(trees.len());
        if !self.how.is_dry_run() {
            sink::look_at_kept(self.ctx.out, &files, &into, options.resume);
        }
        if !files.is_empty() {
            let work = Transfer::download(files, &into, options);
            transfer(work, client, way, &self.progress, &mut self.summary).await?;
        }
        let mut left = trees.len();
        for Folder { from, to, is_named } in trees {
            left -= 1;
            self.progress.next_part(left);
            let work = Transfer::get_tree(&from, &into, &to, condition, options).with_filter(&self.how.filter);
            let work = work.with_server_links(self.links);
            if let Err(failure) = transfer(work, client, way, &self.progress, &mut self.summary).await {
                // One's own folder, and what a link leads to, has no name.
                let named = if from.is_root() { &to } else { &from };
                let failure = failure.about(&named.to_string()).while_at(&from);
                if failure.ends_connection() {
                    return Err(failure);
                }
                // What a pattern found was not asked for by its name.
                match failure.is_denied_by_server() && !is_named {
                    true => self.skip(&from, Skip::Unlistable),
                    false => self.tally.show(failure, self.ctx.out)?,
                }
            }
        }
        Ok(())
    }

    /// Leaves a folder out.
    fn skip(&mut self, folder: &RelPath, why: Skip) {
        self.summary.skipped += 1;
        self.progress.skipped(folder.as_path(), why);
    }

    /// Fetches one file into what is no file. The bytes go there as they come, and are verified at the end.
    async fn write_into(&mut self, client: &mut Client, place: &Through, file: &Download) -> Outcome {
        let (shown, path) = (place.shown(), file.from.as_path());
        if self.how.condition == Condition::Absent {
            if self.how.options().skip_existing {
                self.summary.skipped += 1;
                self.progress.skipped(path, Skip::Exists);
                return Ok(());
            }
            return Err(Error::new(Kind::Exists, format!("{shown}: already exists")).at(path).into());
        }
        let (out, opened) = (self.ctx.out, place.clone());
        let opened = async_std::task::spawn_blocking(move || opened.open(out)).await?;
        self.progress.expected(1, 0);
        self.progress.started(path, None);
        let mut sink = Sink { file: opened, path, progress: &self.progress, failed: None };
        let read = match self.how.options().growing {
            true => client.read_growing(&file.from, &mut sink).await,
            false => client.read(&file.from, &mut sink).await,
        };
        // A cable's end is no end of a file: what a disk has not taken yet may still fail.
        let written = match (sink.failed.take(), sink.file.sync_data()) {
            (Some(err), _) => Err(err),
            (None, Err(err)) if !cannot_sync(&err) => Err(err),
            _ => Ok(()),
        };
        let done = match (read, written) {
            // Whoever closed the pipe too early has not all of it, so it is not the silent end of `| head`.
            (_, Err(err)) => return Err(Error::file(&shown, err).retold().at(path).into()),
            (Ok(done), Ok(())) => done,
            (Err(error), Ok(())) if error.kind() == Kind::Integrity => {
                let error = error.about(format!("{shown}: do not use what was written there"));
                return Err(Failure::from(error).while_at(&file.from));
            }
            (Err(error), Ok(())) => return Err(Failure::from(error).about(&file.from.to_string())),
        };
        self.progress.finished(path, &file.to, &done);
        self.summary.files += 1;
        self.summary.bytes = self.summary.bytes.saturating_add(done.size);
        Ok(())
    }

    /// From where, to where, and whether it is a folder.
    async fn job(
        &mut self,
        client: &mut Client,
        way: Option<&Way<'_>>,
        named: &Named,
    ) -> Outcome<(RelPath, RelPath, bool)> {
        let Named { target, entry, is_contents } = named;
        let from = target.path.clone();
        let known = entry.as_ref().map(|entry| entry.kind == EntryKind::Directory);
        let is_folder = match self.recursive {
            true if from.is_root() => true,
            true if known.is_some() => known == Some(true),
            true => {
                let found = ask(client, way, async |client| Ok(client.stat(&from).await?.kind)).await;
                found.map_err(|failure| failure.about(&from.to_string()))? == EntryKind::Directory
            }
            false if target.is_folder || known == Some(true) => {
                let error = Error::new(Kind::IsDirectory, format!("{target}: is a folder"));
                return Err(Failure::from(error).at_server(&from));
            }
            false => false,
        };
        if target.is_folder && !is_folder {
            let error = Error::new(Kind::NotDirectory, format!("{target}: not a folder"));
            return Err(Failure::from(error).at_server(&from));
        }
        let to = match is_contents {
            true => self.local.place(&RelPath::root())?,
            false => self.local.place(&from)?,
        };
        if !self.taken.insert(to.clone()) {
            let hint = "Fetch it to another folder, or under another name.";
            return Err(Failure::new(Kind::Usage, format!("{target}: another one is called {to} too"), hint));
        }
        if !is_folder {
            self.local.check_place(&to)?;
        }
        Ok((from, to, is_folder))
    }
}
