//! `put`: local files and folders to a server, as `cp -r` reads.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;

use async_std::future::timeout;
use async_std::task::spawn_blocking;
use sealift::client::{LocalBase, Observer as _, Skip, Summary, Target, Transfer, Upload};
use sealift::escape::for_people;
use sealift::files::{EntryKind, RelPath};
use sealift::limits;
use sealift::{Client, Error, Kind};

pub use self::item::LocalItem;
use self::item::{item, place};
use self::standard_input::standard_input;
use super::local::one_name;
use super::{put_link, room_left, seen};
use crate::args::Put;
use crate::context::Context;
use crate::direction::{is_local, refuse_get_as_put};
use crate::failure::{Failure, Outcome, Tally};
use crate::interrupt::{self, Moves};
use crate::list_args::{Listed, expects_folders, is_behind_link};
use crate::login::Login;
use crate::progress::{Direction, Progress};
use crate::transfer::{FlowArgs, How, Links, Way, ask, transfer};

mod item;
mod standard_input;

/// Runs the command.
///
/// # Errors
/// Of the first failure if it ends everything, otherwise as [`Tally::outcome`]; all have been shown by then.
pub async fn run(ctx: &Context, args: &Put) -> Outcome {
    if let Some(url) = put_link::meant(&args.names)? {
        return put_link::run(ctx, args, url).await;
    }
    if args.how.list.files_from.is_some() {
        return listed(ctx, args).await;
    }
    let (remote, locals) = match args.names.split_last() {
        Some((remote, locals)) if !locals.is_empty() => (remote, locals),
        _ => {
            let hint = "Name what to send and then where to: `sealift put FILE HOST/`.";
            return Err(Failure::new(Kind::Usage, "only one name is given, and two are needed", hint));
        }
    };
    refuse_get_as_put(ctx.config()?, &args.names)?;
    if is_local(remote) && Path::new(remote).is_file() {
        let text = format!("{} is on this machine", for_people(remote.as_bytes()));
        let hint = "The last name says where to on a server: `sealift put FILE HOST/`.";
        return Err(Failure::new(Kind::Usage, text, hint));
    }
    let target = ctx.target(remote).map_err(|failure| {
        failure.hinted(Kind::Usage, || "The last name says where to on a server: `sealift put FILE HOST/`.".to_owned())
    })?;
    let login = ctx.login_for(&target)?;
    if ctx.common.password_stdin && locals.iter().any(|local| local == "-") {
        let hint = "Give the password by --password-file or SEALIFT_PASSWORD_FILE.";
        let text = "standard input cannot be both the password and the file";
        return Err(Failure::new(Kind::Usage, text, hint));
    }
    ctx.set_rate(args.how.transfer.flow.limit_rate, args.how.transfer.connections())?;
    // Looked at before connecting: most mistakes are local.
    let mut send = Send::new(ctx, args.how.recursive, &args.how.transfer.flow)?;
    send.how = How::new(&args.how.transfer, ctx.retries(&login))?;
    send.obey(args.how.links)?;
    let sources = send.sources(locals)?;
    if sources.is_empty() {
        return send.finish(None);
    }
    // However long it takes, no server waits for it.
    let first = sources.iter().find_map(|source| match source {
        LocalItem::File { path, is_pipe: true } => Some(path),
        _ => None,
    });
    if let Some(path) = first
        && !send.how.is_dry_run()
    {
        send.opened = Some((path.clone(), open_pipe(ctx, path, None).await?));
    }
    let connected = ctx.connect(&login).await?;
    let way = Way::back_to(ctx, &login, &connected);
    ctx.over(connected.client, &login, async |client| {
        send.deliver(client, &login, Some(&way), sources, &target).await?;
        send.finish(Some(client))
    })
    .await
}

/// `--files-from`: what a list names below a local folder.
async fn listed(ctx: &Context, args: &Put) -> Outcome {
    let (folder, remote) = match args.names.as_slice() {
        [remote] => (Path::new("."), remote),
        [folder, remote] => (Path::new(folder), remote),
        _ => return Err(expects_folders("sealift put --files-from LIST [LOCAL] HOST/folder")),
    };
    let target = ctx.target(remote)?;
    let login = ctx.login_for(&target)?;
    let Some((paths, failures)) = args.how.list.read(folder, ctx.common.password_stdin)? else { return Ok(()) };
    ctx.set_rate(args.how.transfer.flow.limit_rate, args.how.transfer.connections())?;
    let mut send = Send::new(ctx, args.how.recursive, &args.how.transfer.flow)?;
    send.how = How::new(&args.how.transfer, ctx.retries(&login))?.parents();
    send.obey(args.how.links)?;
    send.missed(failures)?;
    let jobs = send.listed(folder, &target.path, paths)?;
    if jobs.is_empty() {
        return send.finish(None);
    }
    let connected = ctx.connect(&login).await?;
    let way = Way::back_to(ctx, &login, &connected);
    ctx.over(connected.client, &login, async |client| {
        send.deliver_listed(client, &login, &way, jobs).await?;
        send.finish(Some(client))
    })
    .await
}

/// What is sent, and where to.
#[derive(Default)]
pub struct Jobs {
    files: Vec<Upload>,
    pipes: Vec<(PathBuf, RelPath)>,
    trees: Vec<(PathBuf, RelPath)>,
    /// A folder gets the name of the target.
    gives_a_name: bool,
    /// All of it lies below this folder, and not behind links.
    base: Option<LocalBase>,
}

impl Jobs {
    fn add(&mut self, source: LocalItem, to: RelPath) -> Outcome {
        match source {
            LocalItem::Tree(path) => self.trees.push((path, to)),
            LocalItem::Stdin => self.files.push(standard_input(to)?),
            LocalItem::File { path, is_pipe: true } => self.pipes.push((path, to)),
            LocalItem::File { path, is_pipe: false } => self.files.push(Upload::file(path, to)),
        }
        Ok(())
    }

    /// Whether nothing is sent.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.pipes.is_empty() && self.trees.is_empty()
    }
}

/// One command's uploads.
pub struct Send<'a> {
    ctx: &'a Context,
    recursive: bool,
    /// What the links inside of folders lead to is sent.
    pub follows_links: bool,
    /// How they are sent.
    pub how: How,
    progress: Arc<Progress>,
    summary: Summary,
    tally: Tally,
    /// The first pipe, which was waited for before connecting.
    opened: Option<(PathBuf, File)>,
}

impl<'a> Send<'a> {
    /// `recursive` takes folders too.
    pub fn new(ctx: &'a Context, recursive: bool, flow: &FlowArgs) -> Outcome<Self> {
        Ok(Self::telling(ctx, recursive, Progress::new(ctx.out, Direction::Send, flow)?.for_put()))
    }

    /// Sends by somebody's link, which takes no folders.
    pub fn by_link(ctx: &'a Context, flow: &FlowArgs) -> Outcome<Self> {
        Ok(Self::telling(ctx, false, Progress::new(ctx.out, Direction::Send, flow)?.by_link()))
    }

    fn telling(ctx: &'a Context, recursive: bool, progress: Progress) -> Self {
        let (how, summary, tally) = Default::default();
        let progress = Arc::new(progress);
        Send { ctx, recursive, follows_links: false, how, progress, summary, tally, opened: None }
    }

    /// What is to be done about links inside of folders.
    ///
    /// # Errors
    /// As [`Links::to_server`].
    pub fn obey(&mut self, links: Option<Links>) -> Outcome {
        self.follows_links = Links::to_server(links)?;
        Ok(())
    }

    /// What these local names are. Those that cannot be sent are shown and counted.
    ///
    /// # Errors
    /// Only what must stop everything.
    pub fn sources(&mut self, locals: &[OsString]) -> Outcome<Vec<LocalItem>> {
        let mut sources = Vec::new();
        for local in locals {
            match item(local, self.recursive) {
                Ok(source) => sources.push(source),
                Err(failure) => self.tally.show(failure, self.ctx.out)?,
            }
        }
        Ok(sources)
    }

    /// Shows and counts what kept sources from being found.
    ///
    /// # Errors
    /// As [`Tally::show`].
    pub fn missed(&mut self, failures: Vec<Failure>) -> Outcome {
        failures.into_iter().try_for_each(|failure| self.tally.show(failure, self.ctx.out))
    }

    /// Sends sources to a target; on the way back, if there is one, when the connection is lost. What fails alone is
    /// shown and counted.
    ///
    /// # Errors
    /// What ends the connection, or a target that cannot receive them.
    pub async fn deliver(
        &mut self,
        client: &mut Client,
        login: &Login,
        way: Option<&Way<'_>>,
        sources: Vec<LocalItem>,
        target: &Target,
    ) -> Outcome {
        self.progress.set_login(login);
        let sent = self.try_deliver(client, way, sources, target).await;
        self.settle(sent)
    }

    /// Shows what ended it all no more if it was shown.
    fn settle(&self, sent: Outcome) -> Outcome {
        self.progress.stop();
        match sent {
            Err(Failure::Error { error, .. }) if self.progress.has_shown(&error) => Err(Failure::Shown(error.exit())),
            sent => sent,
        }
    }

    /// What a list names below this folder, each with its place below `to`. What cannot be sent is shown and counted.
    ///
    /// # Errors
    /// For a path that is too long.
    pub fn listed(&mut self, folder: &Path, to: &RelPath, paths: Vec<Listed>) -> Outcome<Jobs> {
        // Opened before anything in it is looked at, so that nothing is sent but what is below it.
        let base = (!self.follows_links).then(|| LocalBase::open(folder)).transpose()?;
        let mut jobs = Jobs { base, ..Jobs::default() };
        for Listed { path, .. } in paths {
            let to = to.join(path.as_bytes())?;
            let local = folder.join(path.as_path());
            // A list is of what is in the folder, as a tree is.
            if !self.follows_links && (is_behind_link(folder, &path) || !path.is_root() && local.is_symlink()) {
                self.progress.skipped(&local, Skip::Link);
                self.summary.skipped += 1;
                continue;
            }
            match item(local.as_os_str(), self.recursive) {
                Ok(source) => jobs.add(source, to)?,
                Err(failure) => self.tally.show(failure, self.ctx.out)?,
            }
        }
        Ok(jobs)
    }

    /// Sends what a list names; on the way back when the connection is lost.
    ///
    /// # Errors
    /// As [`Send::deliver`].
    pub async fn deliver_listed(&mut self, client: &mut Client, login: &Login, way: &Way<'_>, jobs: Jobs) -> Outcome {
        self.progress.set_login(login);
        let sent = self.send(client, Some(way), jobs).await;
        self.settle(sent)
    }

    /// Tells what came of it all.
    ///
    /// # Errors
    /// As [`Tally::outcome`].
    pub fn finish(&mut self, client: Option<&Client>) -> Outcome {
        let tally = std::mem::take(&mut self.tally);
        self.progress.finish(&self.summary, tally, client, self.how.is_dry_run())
    }

    async fn try_deliver(
        &mut self,
        client: &mut Client,
        way: Option<&Way<'_>>,
        sources: Vec<LocalItem>,
        target: &Target,
    ) -> Outcome {
        let several = sources.len() + usize::try_from(self.tally.failures()).unwrap_or(0) > 1;
        // Before a folder is made for it: what has no name can be in none.
        if let [source] = sources.as_slice()
            && target.is_folder
            && !self.how.exactly
        {
            place(source, target, true)?;
        }
        let how = (several, self.how.exactly, self.how.is_dry_run());
        let into_folder = match receives(client, way, target, how).await? {
            Receives::Folder => true,
            Receives::Name => false,
            Receives::Unseen => {
                self.progress.makes_no_folders();
                true
            }
        };
        let mut taken = HashSet::new();
        let mut jobs = Jobs { gives_a_name: !into_folder, ..Jobs::default() };
        for source in sources {
            let to = match place(&source, target, into_folder) {
                Ok(to) => to,
                Err(failure) => {
                    self.tally.show(failure, self.ctx.out)?;
                    continue;
                }
            };
            if !taken.insert(to.clone()) {
                let hint = "Send it to another folder, or under another name.";
                self.tally
                    .show(Failure::new(Kind::Usage, format!("two of them are called {to}"), hint), self.ctx.out)?;
                continue;
            }
            jobs.add(source, to)?;
        }
        // How much a single file is, everybody sees.
        if !jobs.trees.is_empty() && !self.how.is_dry_run() {
            let above = target.path.parent().filter(|_| !into_folder).unwrap_or_default();
            let folder = if into_folder { &target.path } else { &above };
            let left = ask(client, way, async |client| room_left::left(client, folder).await).await?;
            left.iter().for_each(|left| self.progress.has_room(*left));
        }
        self.send(client, way, jobs).await
    }

    /// Sends all of these.
    async fn send(&mut self, client: &mut Client, way: Option<&Way<'_>>, jobs: Jobs) -> Outcome {
        let (condition, options) = (self.how.condition, self.how.options());
        let Jobs { mut files, pipes, trees, gives_a_name, base } = jobs;
        let based = |work: Transfer| base.iter().fold(work, Transfer::below);
        // What came through a pipe does not come again.
        let is_file = |file: &Upload| matches!(file.from, sealift::client::UploadSource::File(_));
        let can_go_on = files.iter().any(is_file) || !trees.is_empty();
        if can_go_on && !self.how.is_dry_run() {
            interrupt::moves(Moves::Send, files.len() > 1 || !trees.is_empty());
        }
        self.progress.parts_to_come(trees.len());
        if !files.is_empty() {
            for file in &mut files {
                file.condition = condition;
            }
            let work = based(Transfer::upload(files, options));
            transfer(work, client, way, &self.progress, &mut self.summary).await?;
        }
        // One after the other, as `cat` opens them: whoever writes into them may do so in order.
        for (path, to) in pipes {
            if self.how.is_dry_run() {
                self.progress.planned(&path, &to, 0);
                self.summary.files += 1;
                continue;
            }
            let pipe = match self.opened.take_if(|(opened, _)| *opened == path) {
                Some((_, pipe)) => pipe,
                None => open_pipe(self.ctx, &path, base.as_ref()).await?,
            };
            let mut upload = Upload::stream(pipe, to);
            upload.condition = condition;
            let work = Transfer::upload(vec![upload], options);
            transfer(work, client, way, &self.progress, &mut self.summary).await?;
        }
        let mut left = trees.len();
        if !trees.is_empty() && gives_a_name {
            interrupt::gives_a_name();
        }
        for (path, to) in trees {
            left -= 1;
            self.progress.next_part(left);
            self.progress.sends_tree(&path);
            let work = based(Transfer::put_tree(&path, &to, condition, options));
            let work = work.with_filter(&self.how.filter).following_links(self.follows_links);
            if let Err(failure) = transfer(work, client, way, &self.progress, &mut self.summary).await {
                let failure = failure.about(&path.display().to_string());
                if failure.ends_connection() {
                    return Err(failure);
                }
                self.tally.show(failure, self.ctx.out)?;
            }
        }
        Ok(())
    }
}

/// Opens a pipe, which takes until somebody writes into it. A person is told what is waited for.
async fn open_pipe(ctx: &Context, path: &Path, base: Option<&LocalBase>) -> Outcome<File> {
    let (opening, base) = (path.to_owned(), base.cloned());
    let open = move || match base {
        Some(base) => base.open_waiting(&opening),
        None => File::open(&opening).map_err(|err| Error::file(opening.display(), err)),
    };
    // Apart, so that an interruption is heard meanwhile.
    let mut opened = pin!(spawn_blocking(open));
    let opened = match timeout(limits::PIPE_SAID_AFTER, &mut opened).await {
        Ok(opened) => opened,
        Err(_) => {
            ctx.out.note(&format!("waiting until somebody writes into {}", for_people(path.as_os_str().as_bytes())));
            opened.await
        }
    };
    Ok(opened?)
}

/// What a target is to what is sent.
enum Receives {
    /// A folder that takes things under their own names.
    Folder,
    /// A folder that takes things under their own names if it is there: who sends may neither see nor make it.
    Unseen,
    /// The name of what is sent.
    Name,
}

/// What the target is. One that ends in a slash is made.
async fn receives(
    client: &mut Client,
    way: Option<&Way<'_>>,
    target: &Target,
    (several, exactly, dry_run): (bool, bool, bool),
) -> Outcome<Receives> {
    match (exactly, several, target.path.is_root()) {
        (true, true, _) => return Err(one_name(&target.to_string())),
        (true, false, false) => return Ok(Receives::Name),
        _ => {}
    }
    if target.path.is_root() {
        return Ok(Receives::Folder);
    }
    // Made by an attempt whose answer was lost, it is there already, which is as good.
    let make = async |client: &mut Client| {
        ask(client, way, async |client| Ok(client.make_dir(&target.path, true).await?)).await.map(drop)
    };
    let found = match ask(client, way, async |client| Ok(client.stat(&target.path).await?.kind)).await {
        Ok(kind) => Some(kind),
        // Somebody who may only send cannot look either, and is believed.
        Err(failure) if failure.kind() == Some(Kind::Denied) => {
            return match (target.is_folder, several) {
                _ if seen::from_around(client, way, &target.path).await? == Some(EntryKind::Directory) => {
                    Ok(Receives::Folder)
                }
                (true, _) if dry_run => Ok(Receives::Folder),
                (true, _) => match make(client).await {
                    Ok(()) => Ok(Receives::Folder),
                    Err(failure) if failure.ends_connection() => Err(failure),
                    Err(_) => Ok(Receives::Unseen),
                },
                (false, true) => Ok(Receives::Unseen),
                (false, false) => Ok(Receives::Name),
            };
        }
        Err(failure) if failure.kind() == Some(Kind::NotFound) => None,
        Err(failure) => return Err(failure),
    };
    match found {
        Some(EntryKind::Directory) => Ok(Receives::Folder),
        Some(_) if target.is_folder || several => {
            Err(Failure::from(Error::new(Kind::NotDirectory, format!("{target}: not a folder")))
                .at_server(&target.path))
        }
        None if target.is_folder && dry_run => Ok(Receives::Folder),
        None if target.is_folder => {
            make(client).await.map_err(|failure| failure.about(&target.to_string()))?;
            Ok(Receives::Folder)
        }
        None if several => {
            let hint = "End it with a slash to have it made.";
            let text = format!("{target}: no such folder on the server");
            Err(Failure::new(Kind::NotFound, text, hint).at_server(&target.path))
        }
        _ => Ok(Receives::Name),
    }
}
