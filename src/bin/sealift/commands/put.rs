//! `put`: local files and folders to a server, as `cp -r` reads.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_std::future::timeout;
use async_std::task::spawn_blocking;
use sealift::client::{Observer as _, Summary, Target, Transfer, Upload};
use sealift::files::{EntryKind, RelPath};
use sealift::proto::escape::for_people;
use sealift::{Client, Error, Kind};

use super::local::one_name;
use crate::args::Put;
use crate::context::Context;
use crate::direction::refuse_get_as_put;
use crate::failure::{Failure, Outcome, Tally};
use crate::interrupt::{self, Moves};
use crate::list_args::{Listed, expects_folders};
use crate::login::Login;
use crate::progress::{Direction, Progress};
use crate::transfer::{FlowArgs, How, Links, Way, ask, transfer};

/// Runs the command.
///
/// # Errors
/// Of the first failure if it ends everything, otherwise as [`Tally::outcome`]; all have been shown by then.
pub async fn run(ctx: &Context, args: &Put) -> Outcome {
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
    send.links = args.how.links;
    let sources = send.sources(locals)?;
    if sources.is_empty() {
        return send.finish(None);
    }
    // However long it takes, no server waits for it.
    let first = sources.iter().find_map(|source| match source {
        Source::File { path, is_pipe: true } => Some(path),
        _ => None,
    });
    if let Some(path) = first
        && !send.how.is_dry_run()
    {
        send.opened = Some((path.clone(), open_pipe(ctx, path).await?));
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
    send.links = args.how.links;
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

/// A pipe that is opened sooner is not spoken of.
const SAY_AFTER: Duration = Duration::from_millis(300);

/// Something local to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file, or a pipe that a name leads to.
    File { path: PathBuf, is_pipe: bool },
    /// A folder with all below it.
    Tree(PathBuf),
    /// Standard input.
    Stdin,
}

impl Source {
    /// The name it has of its own. Standard input has none, and neither has what is in a folder written as `.`, `..`
    /// or `folder/.`.
    fn name(&self) -> Option<&OsStr> {
        match self {
            Source::File { path, .. } => path.file_name(),
            Source::Tree(path) if path.as_os_str().as_bytes().ends_with(b"/.") => None,
            Source::Tree(path) => path.file_name(),
            Source::Stdin => None,
        }
    }
}

/// What is sent, and where to.
#[derive(Default)]
pub struct Jobs {
    files: Vec<Upload>,
    pipes: Vec<(PathBuf, RelPath)>,
    trees: Vec<(PathBuf, RelPath)>,
    /// A folder gets the name of the target.
    gives_a_name: bool,
}

impl Jobs {
    fn add(&mut self, source: Source, to: RelPath) {
        match source {
            Source::Tree(path) => self.trees.push((path, to)),
            Source::Stdin => self.files.push(standard_input(to)),
            Source::File { path, is_pipe: true } => self.pipes.push((path, to)),
            Source::File { path, is_pipe: false } => self.files.push(Upload::file(path, to)),
        }
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
    /// What to do about links inside of folders.
    pub links: Links,
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
        let (how, summary, tally) = Default::default();
        let progress = Arc::new(Progress::new(ctx.out, Direction::Send, flow)?);
        Ok(Send { ctx, recursive, links: Links::default(), how, progress, summary, tally, opened: None })
    }

    /// What these local names are. Those that cannot be sent are shown and counted.
    ///
    /// # Errors
    /// Only what must stop everything.
    pub fn sources(&mut self, locals: &[OsString]) -> Outcome<Vec<Source>> {
        let mut sources = Vec::new();
        for local in locals {
            match source(local, self.recursive) {
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
        sources: Vec<Source>,
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
        let mut jobs = Jobs::default();
        for Listed { path, .. } in paths {
            let to = to.join(path.as_bytes())?;
            match source(folder.join(path.as_path()).as_os_str(), self.recursive) {
                Ok(source) => jobs.add(source, to),
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
        sources: Vec<Source>,
        target: &Target,
    ) -> Outcome {
        let several = sources.len() + usize::try_from(self.tally.failures()).unwrap_or(0) > 1;
        let how = (several, self.how.exactly, self.how.is_dry_run());
        let into_folder = receives_as_folder(client, way, target, how).await?;
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
            jobs.add(source, to);
        }
        self.send(client, way, jobs).await
    }

    /// Sends all of these.
    async fn send(&mut self, client: &mut Client, way: Option<&Way<'_>>, jobs: Jobs) -> Outcome {
        let (condition, options) = (self.how.condition, self.how.options());
        let Jobs { mut files, pipes, trees, gives_a_name } = jobs;
        // What came through a pipe does not come again.
        let is_file = |file: &Upload| matches!(file.from, sealift::client::Source::File(_));
        let can_go_on = files.iter().any(is_file) || !trees.is_empty();
        if can_go_on && !self.how.is_dry_run() {
            interrupt::moves(Moves::Send, files.len() > 1 || !trees.is_empty());
        }
        self.progress.parts_to_come(trees.len());
        if !files.is_empty() {
            for file in &mut files {
                file.condition = condition;
            }
            let work = Transfer::upload(files, options);
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
                None => open_pipe(self.ctx, &path).await?,
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
            let work = Transfer::put_tree(&path, &to, condition, options);
            let work = work.with_filter(&self.how.filter).following_links(self.links == Links::Follow);
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

/// Standard input as it was handed to this program, so that it can be known whether it has something.
fn standard_input(to: RelPath) -> Upload {
    match io::stdin().as_fd().try_clone_to_owned() {
        Ok(stdin) => Upload::stream(stdin.into(), to),
        Err(_) => Upload::reader(io::stdin(), to),
    }
}

/// Opens a pipe, which takes until somebody writes into it. A person is told what is waited for.
async fn open_pipe(ctx: &Context, path: &Path) -> Outcome<File> {
    let opening = path.to_owned();
    // Apart, so that an interruption is heard meanwhile.
    let mut opened = pin!(spawn_blocking(move || File::open(opening)));
    let opened = match timeout(SAY_AFTER, &mut opened).await {
        Ok(opened) => opened,
        Err(_) => {
            ctx.out.note(&format!("waiting until somebody writes into {}", for_people(path.as_os_str().as_bytes())));
            opened.await
        }
    };
    Ok(opened.map_err(|err| Error::file(path.display(), err))?)
}

fn source(local: &OsStr, recursive: bool) -> Outcome<Source> {
    if local == "-" {
        return Ok(Source::Stdin);
    }
    let path = PathBuf::from(local);
    let shown = path.display();
    let found = fs::metadata(&path).map_err(|err| {
        let missing = || "Check the name; a file whose name begins with a dash comes after `--`.".to_owned();
        Failure::from(Error::file(shown, err)).hinted(Kind::NotFound, missing)
    })?;
    if found.is_dir() {
        if !recursive {
            return Err(Error::new(Kind::IsDirectory, format!("{}: is a folder", path.display())).into());
        }
        return Ok(Source::Tree(path));
    }
    // A pipe named on the command line is meant, as in `put <(pg_dump db) host/db.sql`.
    let is_pipe = found.file_type().is_fifo();
    if !is_pipe && !found.is_file() {
        return Err(Error::new(Kind::NotRegular, format!("{}: not a regular file", path.display())).into());
    }
    Ok(Source::File { path, is_pipe })
}

/// Whether the target is a folder that receives things under their own names. One that ends in a slash is made.
async fn receives_as_folder(
    client: &mut Client,
    way: Option<&Way<'_>>,
    target: &Target,
    (several, exactly, dry_run): (bool, bool, bool),
) -> Outcome<bool> {
    match (exactly, several, target.path.is_root()) {
        (true, true, _) => return Err(one_name(&target.to_string())),
        (true, false, false) => return Ok(false),
        _ => {}
    }
    if target.path.is_root() {
        return Ok(true);
    }
    let found = match ask(client, way, async |client| Ok(client.stat(&target.path).await?.kind)).await {
        Ok(kind) => Some(kind),
        // Somebody who may only send cannot look either, and is believed.
        Err(failure) if failure.kind() == Some(Kind::Denied) => return Ok(target.is_folder || several),
        Err(failure) if failure.kind() == Some(Kind::NotFound) => None,
        Err(failure) => return Err(failure),
    };
    match found {
        Some(EntryKind::Directory) => Ok(true),
        Some(_) if target.is_folder || several => {
            Err(Error::new(Kind::NotDirectory, format!("{target}: not a folder")).into())
        }
        None if target.is_folder && dry_run => Ok(true),
        None if target.is_folder => {
            // Made by an attempt whose answer was lost, it is there already, which is as good.
            let made = ask(client, way, async |client| Ok(client.make_dir(&target.path, true).await?)).await;
            made.map_err(|failure| failure.about(&target.to_string()))?;
            Ok(true)
        }
        None if several => {
            let hint = "End it with a slash to have it made.";
            Err(Failure::new(Kind::NotFound, format!("{target}: no such folder on the server"), hint))
        }
        _ => Ok(false),
    }
}

fn place(source: &Source, target: &Target, into_folder: bool) -> Outcome<RelPath> {
    if !into_folder {
        return Ok(target.path.clone());
    }
    match (source.name(), source) {
        (Some(name), _) => Ok(target.path.join(name.as_bytes())?),
        (None, Source::Tree(_)) => Ok(target.path.clone()),
        (None, _) => {
            let hint = format!(
                "Write the name it gets, as in {}name.",
                target.to_string().trim_end_matches('/').to_owned() + "/"
            );
            Err(Failure::new(Kind::Usage, format!("{target}: is a folder, and standard input has no name"), hint))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Target {
        Target::parse(text.as_bytes()).unwrap()
    }

    fn placed(source: &Source, to: &str, into_folder: bool) -> Vec<u8> {
        place(source, &target(to), into_folder).unwrap().as_bytes().to_vec()
    }

    #[test]
    fn things_arrive_under_their_own_name_or_the_one_given() {
        let file = Source::File { path: "x/a b.txt".into(), is_pipe: false };
        assert_eq!(placed(&file, "h/", true), b"a b.txt");
        assert_eq!(placed(&file, "h/dir", true), b"dir/a b.txt");
        assert_eq!(placed(&file, "h/dir", false), b"dir");
        assert_eq!(placed(&Source::Tree("x/tree/".into()), "h/", true), b"tree");
        for unnamed in [".", "..", "x/tree/.", "/"] {
            assert_eq!(placed(&Source::Tree(unnamed.into()), "h/dir/", true), b"dir", "{unnamed}");
        }
        assert_eq!(placed(&Source::Stdin, "h/name", false), b"name");
        assert_eq!(place(&Source::Stdin, &target("h/dir"), true).unwrap_err().kind(), Some(Kind::Usage));
    }

    #[test]
    fn a_folder_needs_r_and_a_device_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let kind = |path: &Path, recursive| source(path.as_os_str(), recursive).map_err(|f| f.kind().unwrap());
        assert_eq!(kind(dir.path(), false), Err(Kind::IsDirectory));
        assert_eq!(kind(dir.path(), true), Ok(Source::Tree(dir.path().into())));
        assert_eq!(kind(Path::new("/dev/null"), false), Err(Kind::NotRegular));
        assert_eq!(kind(&dir.path().join("x"), false), Err(Kind::NotFound));
        assert_eq!(kind(Path::new("-"), false), Ok(Source::Stdin));
    }
}
