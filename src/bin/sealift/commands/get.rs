//! `get`: files and folders from servers, as `cp -r` reads.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealift::client::{Config, Destination, Download, Observer as _, Skip, Summary, Target, Transfer};
use sealift::files::{Condition, EntryKind, RelPath};
use sealift::{Client, Error, Kind};

use super::cat::{self, Cat};
use super::look::warn_of_growing;
use super::sink::{Sink, cannot_sync};
use super::typed::{Through, Typed};
use crate::args::Get;
use crate::context::{Context, Login};
use crate::expand::{self, Meant, Named, may_be_pattern};
use crate::failure::{Failure, Outcome, Tally};
use crate::interrupt;
use crate::progress::{Direction, Progress};
use crate::transfer::{FlowArgs, How, Way, ask, transfer};

/// Runs the command.
///
/// # Errors
/// Of the first failure if it ends everything, otherwise as [`Tally::outcome`]; all have been shown by then.
pub async fn run(ctx: &Context, args: &Get) -> Outcome {
    let (remotes, local) = split(ctx.config()?, &args.names);
    let to_stdout = |how: &How| {
        let (growing, limit_rate) = (args.transfer.growing, args.transfer.flow.limit_rate);
        how.in_order("standard output").map(|()| Cat { targets: remotes.to_vec(), force: false, limit_rate, growing })
    };
    let how = How::new(&args.transfer, 0)?;
    if local.as_bytes() == b"-" {
        return cat::run(ctx, &to_stdout(&how)?).await;
    }
    let may_be_pattern = remotes.iter().map(|word| may_be_pattern(word));
    let targets: Vec<_> = ctx.targets(remotes)?.into_iter().zip(may_be_pattern).collect();
    let local = Local::resolve(local, targets.len(), how.exactly)
        .map_err(|failure| explain_missing(failure, remotes, local))?;
    if local == Local::Through(Through::Stdout) && how.condition == Condition::Any {
        return cat::run(ctx, &to_stdout(&how)?).await;
    }
    if let Local::Through(place) = &local {
        how.in_order(&place.shown())?;
    }
    ctx.set_rate(args.transfer.flow.limit_rate, args.transfer.streams)?;
    let mut fetch = Fetch::new(ctx, &local, args.recursive, &args.transfer.flow)?;
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

/// With two or more names the last is the local one, unless it can only be a remote one.
fn split<'a>(config: &Config, names: &'a [OsString]) -> (&'a [OsString], &'a OsStr) {
    let is_remote = |name: &OsStr| name.as_bytes().starts_with(b"sealift://") || config.is_named(name.as_bytes());
    match names {
        [remotes @ .., last] if !remotes.is_empty() && !is_remote(last) => (remotes, last),
        remotes => (remotes, OsStr::new(".")),
    }
}

/// A last name that reads like another remote one was probably meant as that.
fn explain_missing(failure: Failure, remotes: &[OsString], local: &OsStr) -> Failure {
    let server = |name: &OsStr| Target::parse(name.as_bytes()).ok().map(|target| (target.host, target.port));
    let named_alike = || remotes.iter().any(|remote| server(remote) == server(local));
    if failure.kind() == Some(Kind::NotFound) && local.as_bytes().contains(&b'/') && named_alike() {
        return failure.hinted(Kind::NotFound, || {
            "The last name is the local destination; add ` .` to fetch all of them to the current folder.".to_owned()
        });
    }
    failure
}

/// Several things cannot have one name.
pub fn one_name(shown: &str) -> Failure {
    Failure::new(Kind::Usage, format!("{shown}: several things cannot have one name"), "Leave -T away.")
}

/// Where downloads go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Local {
    /// Into this folder, under their own names.
    Folder {
        /// The folder.
        folder: PathBuf,
        /// It was written with a slash and is missing.
        make: bool,
    },
    /// Under another name.
    Name {
        /// The folder, which is there.
        folder: PathBuf,
        /// The name.
        name: RelPath,
    },
    /// Into what has the name typed and is no file: a device, a pipe, an open descriptor.
    Through(Through),
}

impl Local {
    /// What a person means by this local name, given so many things to put there. `exactly`: it is the name that a file or
    /// folder gets, also if a folder has it.
    ///
    /// # Errors
    /// If it cannot receive them.
    pub fn resolve(local: &OsStr, sources: usize, exactly: bool) -> Outcome<Local> {
        let path = Path::new(local);
        let shown = path.display();
        let has_slash = local.as_bytes().ends_with(b"/");
        match fs::metadata(path) {
            _ if exactly && sources > 1 => return Err(one_name(&shown.to_string())),
            Ok(found) if found.is_dir() && !exactly => return Ok(Local::Folder { folder: path.into(), make: false }),
            Ok(found) if (has_slash && !found.is_dir()) || sources > 1 => {
                return Err(Error::new(Kind::NotDirectory, format!("{shown}: not a folder")).into());
            }
            // `file/`, where `file` is one.
            Err(err) if err.kind() == io::ErrorKind::NotADirectory => {
                return Err(Error::file(&shown, err).into());
            }
            Err(err) if err.kind() == io::ErrorKind::NotFound && has_slash && !exactly => {
                return Ok(Local::Folder { folder: path.into(), make: true });
            }
            Err(err) if err.kind() == io::ErrorKind::NotFound && sources > 1 => {
                let hint = "End it with a slash to have it made.";
                return Err(Failure::new(Kind::NotFound, format!("{shown}: no such folder"), hint));
            }
            _ => {}
        }
        // Only now: a folder may be reached by a link, and is not replaced.
        let followed = match exactly && path.is_dir() {
            true => path.to_owned(),
            false => match Typed::look(path)? {
                Typed::Through(place) => return Ok(Local::Through(place)),
                Typed::File(path) => path,
            },
        };
        let path = followed.as_path();
        let name = path.file_name().ok_or_else(|| Error::new(Kind::Usage, format!("{shown}: no file's name")))?;
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            return Err(Error::new(Kind::NotFound, format!("{}: no such folder", folder.display())).into());
        }
        Ok(Local::Name { folder: folder.into(), name: RelPath::parse(name.as_bytes())? })
    }

    fn open(&self) -> Outcome<Destination> {
        let (Local::Folder { folder, .. } | Local::Name { folder, .. }) = self else {
            return Err(Error::new(Kind::NotDirectory, "a folder is needed for what is to be fetched").into());
        };
        if let Local::Folder { make: true, .. } = self {
            fs::create_dir_all(folder).map_err(|err| Error::file(folder.display(), err))?;
        }
        Ok(Destination::open(folder)?)
    }

    /// The nearest folder that is there, and the way from it, for a look at what would be done.
    fn nearest(&self) -> Outcome<(Destination, RelPath)> {
        let folder = match self {
            Local::Folder { folder, .. } | Local::Name { folder, .. } => folder.as_path(),
            Local::Through(_) => Path::new("."),
        };
        let there = folder.ancestors().find(|above| above.is_dir()).unwrap_or(Path::new(""));
        let below = folder.strip_prefix(there).unwrap_or(Path::new(""));
        let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
        let below =
            if below.as_os_str().is_empty() { RelPath::root() } else { RelPath::parse(below.as_os_str().as_bytes())? };
        Ok((Destination::open(there)?, below))
    }

    /// Where this remote file or folder goes. The user's own folder has no name: what is in it goes straight in.
    fn place(&self, from: &RelPath) -> Outcome<RelPath> {
        match self {
            Local::Name { name, .. } => Ok(name.clone()),
            Local::Folder { .. } | Local::Through(_) => Ok(RelPath::parse(from.file_name().unwrap_or_default())?),
        }
    }

    /// Refuses to replace a device or pipe in a folder by a file that happens to be called alike.
    fn check_place(&self, to: &RelPath) -> Outcome {
        let Local::Folder { folder, .. } = self else { return Ok(()) };
        let path = folder.join(to.as_path());
        match fs::symlink_metadata(&path).map(|found| found.file_type()) {
            Ok(kind) if !kind.is_file() && !kind.is_dir() && !kind.is_symlink() => {
                let shown = path.display();
                let hint = format!("To write into it, name it: `sealift get … {shown}`.");
                Err(Failure::new(Kind::NotRegular, format!("{shown}: a device or pipe has this name"), hint))
            }
            _ => Ok(()),
        }
    }
}

/// One command's downloads, over one connection after another.
pub struct Fetch<'a> {
    ctx: &'a Context,
    local: &'a Local,
    recursive: bool,
    /// How they are fetched.
    pub how: How,
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
        let (how, summary, tally) = Default::default();
        Ok(Fetch { ctx, local, recursive, how, progress, summary, tally, taken: HashSet::new() })
    }

    /// What these targets stand for, those that may be patterns after a look at the server. What cannot be found is shown
    /// and counted.
    ///
    /// # Errors
    /// As [`expand::expand`], and for a pattern if only one thing can go to this place.
    pub async fn names(&mut self, client: &mut Client, targets: &[((Login, Target), bool)]) -> Outcome<Vec<Named>> {
        let mut names = Vec::new();
        for ((_, target), may_be_pattern) in targets {
            let meant = match may_be_pattern {
                true => expand::expand(client, target).await,
                false => Ok(expand::as_it_stands(target)),
            };
            match meant {
                Ok(meant) => names.extend(self.take(meant)?),
                Err(failure) if failure.ends_connection() => return Err(failure),
                Err(failure) => self.tally.show(failure, self.ctx.out)?,
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
            Local::Name { folder, name } if meant.is_pattern => {
                return Err(expand::needs_folder(&folder.join(name.as_path()).display().to_string()));
            }
            Local::Through(place) if meant.is_pattern => return Err(expand::needs_folder(&place.shown())),
            _ => {}
        }
        meant.failures.into_iter().try_for_each(|failure| self.tally.show(failure, self.ctx.out))?;
        Ok(meant.names)
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
        match self.try_collect(client, way, targets).await {
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
        let (condition, options) = (self.how.condition, self.how.options());
        let mut files = Vec::new();
        let mut trees = Vec::new();
        for target in targets {
            match self.job(client, way, target).await {
                Ok((from, to, true)) => trees.push((from, to)),
                Ok((from, to, false)) => files.push(Download { from, to, condition }),
                Err(failure) if failure.ends_connection() => return Err(failure),
                Err(failure) => self.tally.show(failure, self.ctx.out)?,
            }
        }
        if files.is_empty() && trees.is_empty() {
            return Ok(());
        }
        if let Local::Through(place) = self.local {
            if let Some((from, _)) = trees.first() {
                let text = format!("{}: is no folder, and {from} is one", place.shown());
                return Err(Error::new(Kind::NotDirectory, text).into());
            }
            for file in files {
                self.write_into(client, place, &file).await?;
            }
            return Ok(());
        }
        let into = match self.how.is_dry_run() {
            true => {
                let (into, below) = self.local.nearest()?;
                let of_files = files.iter_mut().map(|file| &mut file.to);
                for to in of_files.chain(trees.iter_mut().map(|(_, to)| to)) {
                    *to = below.join(to.as_bytes())?;
                }
                into
            }
            false => self.local.open()?,
        };
        if files.len() > 1 || !trees.is_empty() {
            interrupt::moves_several();
        }
        if !trees.is_empty() && matches!(self.local, Local::Name { .. }) {
            interrupt::gives_a_name();
        }
        self.progress.parts_to_come(trees.len());
        if !files.is_empty() {
            let work = Transfer::download(files, &into, options);
            transfer(work, client, way, &self.progress, &mut self.summary).await?;
        }
        let mut left = trees.len();
        for (from, to) in trees {
            left -= 1;
            self.progress.next_part(left);
            let work = Transfer::get_tree(&from, &into, &to, condition, options).with_filter(&self.how.filter);
            if let Err(failure) = transfer(work, client, way, &self.progress, &mut self.summary).await {
                let failure = failure.about(&from.to_string());
                if failure.ends_connection() {
                    return Err(failure);
                }
                self.tally.show(failure, self.ctx.out)?;
            }
        }
        Ok(())
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
            return Err(Error::new(Kind::Exists, format!("{shown}: already exists")).into());
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
            (_, Err(err)) => return Err(Error::file(&shown, err).retold().into()),
            (Ok(done), Ok(())) => done,
            (Err(error), Ok(())) if error.kind() == Kind::Integrity => {
                let error = error.about(&format!("{shown}: what was written there is not to be used"));
                return Err(Failure::from(error));
            }
            (Err(error), Ok(())) => return Err(Failure::from(error).about(&file.from.to_string())),
        };
        self.progress.finished(path, &file.to, &done);
        self.summary.files += 1;
        self.summary.bytes += done.bytes;
        Ok(())
    }

    /// From where, to where, and whether it is a folder.
    async fn job(
        &mut self,
        client: &mut Client,
        way: Option<&Way<'_>>,
        named: &Named,
    ) -> Outcome<(RelPath, RelPath, bool)> {
        let Named { target, entry } = named;
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
                return Err(Error::new(Kind::IsDirectory, format!("{target}: is a folder")).into());
            }
            false => false,
        };
        if target.is_folder && !is_folder {
            return Err(Error::new(Kind::NotDirectory, format!("{target}: not a folder")).into());
        }
        let to = self.local.place(&from)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(local: &Path, sources: usize) -> Result<Local, Kind> {
        Local::resolve(local.as_os_str(), sources, false).map_err(|failure| failure.kind().unwrap())
    }

    #[test]
    fn the_last_name_is_local_unless_it_is_alone_or_a_url() {
        let names = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        for (words, remotes, local) in [
            (&["h/a"][..], 1, "."),
            (&["h/a", "h/b"], 1, "h/b"),
            (&["h/a", "h/b", "."], 2, "."),
            (&["h/a", "sealift://h/b"], 2, "."),
        ] {
            let names = names(words);
            let (found, last) = split(&Config::default(), &names);
            assert_eq!((found.len(), last), (remotes, OsStr::new(local)));
        }
    }

    #[test]
    fn a_local_name_reads_as_cp_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("there")).unwrap();
        fs::write(at("file"), "").unwrap();
        let folder = |name: &str, make| Ok(Local::Folder { folder: at(name), make });
        let name =
            |name: &str| Ok(Local::Name { folder: dir.path().into(), name: RelPath::parse(name.as_bytes()).unwrap() });
        assert_eq!(resolve(&at("there"), 2), folder("there", false));
        assert_eq!(Local::resolve(at("there").as_os_str(), 1, true).unwrap(), name("there").unwrap());
        assert_eq!(Local::resolve(at("there").as_os_str(), 2, true).unwrap_err().kind(), Some(Kind::Usage));
        assert_eq!(resolve(&at("new/"), 1), folder("new/", true));
        assert_eq!(resolve(&at("new"), 1), name("new"));
        assert_eq!(resolve(&at("file"), 1), name("file"));
        assert_eq!(resolve(&at("new"), 2), Err(Kind::NotFound));
        assert_eq!(resolve(&at("file"), 2), Err(Kind::NotDirectory));
        assert_eq!(resolve(&at("file/"), 1), Err(Kind::NotDirectory));
        assert_eq!(resolve(&at("missing/new"), 1), Err(Kind::NotFound));
        assert!(!at("new").exists());
    }

    #[test]
    fn a_forgotten_destination_is_explained() {
        let remotes = [OsString::from("me@h:1/a")];
        let local = OsStr::new("h:1/b");
        let failure = explain_missing(Local::resolve(local, 1, false).unwrap_err(), &remotes, local);
        assert!(matches!(failure, Failure::Error { hint: Some(hint), .. } if hint.contains("add ` .`")));
    }
}
