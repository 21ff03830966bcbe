//! `get` and `put` of the shell.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use sealift::client::Target;
use sealift::escape::for_people;
use sealift::{Client, Kind};

use super::ShellSession;
use crate::commands::cat;
use crate::commands::get::Fetch;
use crate::commands::local::Local;
use crate::commands::mirror::{self, Way};
use crate::commands::put::Send;
use crate::failure::{Failure, Outcome};
use crate::list_args::{ListArgs, Listed, expects_folders};
use crate::login::Login;
use crate::shell::request::literal;
use crate::shell::{line, local};
use crate::transfer::{FlowArgs, How, TransferArgs, Way as BackTo};

impl ShellSession<'_> {
    /// Mirrors over a connection of its own, so that this one stays as it is. One of the two may be written with its server, as on
    /// a command line, and then says which way it goes.
    pub(super) async fn mirror(&mut self, line: &line::MirrorLine) -> Outcome {
        refuse_stdin(&line.how.list)?;
        let (source, destination) = (&line.how.source, &line.how.destination);
        let is_push = match (self.is_addressed(source)?, self.is_addressed(destination)?) {
            (true, true) => {
                let hint = "One side of a mirror is a local folder; `cp -r` copies on the server.";
                return Err(Failure::new(Kind::Usage, "both are on a server", hint));
            }
            (true, false) if line.reverse => {
                let text =
                    format!("-R makes the folder on the server like a local one, and {} is there", shown(source));
                return Err(Failure::new(Kind::Usage, text, "Leave -R away."));
            }
            (_, there) => line.reverse || there,
        };
        if !is_push {
            self.refuse_turned(line).await?;
        }
        let (local, remote) = if is_push { (source, destination) } else { (destination, source) };
        let (local, remote) = (PathBuf::from(local::expand_home(&literal(local))), self.target(remote)?);
        let way = match is_push {
            true => Way::Push { from: local, to: remote },
            false => Way::Pull { from: remote, to: local },
        };
        mirror::carry_out(self.ctx, &line.how, way, &self.login, Some(self.credential.clone())).await
    }

    /// Refuses a mirror that was meant the other way round: what it is to be made from is here, and not there.
    async fn refuse_turned(&mut self, line: &line::MirrorLine) -> Outcome {
        let (source, destination) = (&line.how.source, &line.how.destination);
        let local = PathBuf::from(local::expand_home(&literal(source)));
        if !local.is_dir() {
            return Ok(());
        }
        let remote = self.target(source)?.path;
        match self.client().await?.stat(&remote).await {
            Err(error) if error.kind() == Kind::NotFound => {}
            _ => return Ok(()),
        }
        let text =
            format!("mirror makes a local folder like one on the server, and {} is on this machine", shown(source));
        let hint = format!("`mirror -R {} {}` makes the one on the server like it.", shown(source), shown(destination));
        Err(Failure::new(Kind::Usage, text, hint))
    }

    pub(super) async fn get(&mut self, line: &line::Get, names: &[OsString], local: &OsStr) -> Outcome {
        let how = How::new(&line.how.transfer, self.ctx.retries(&self.login))?;
        if local == "-" {
            how.in_order("standard output")?;
            refuse_rate(&line.how.transfer.flow)?;
            let out = self.ctx.out;
            let growing = how.options().growing;
            return self.each(names, async |client, target| cat::show(out, client, target, false, growing).await).await;
        }
        let words = self.words(names)?;
        self.refuse_as_local(
            local,
            "The last of several names is the local destination: write ./ before it if it is meant. `cp` copies on the server.",
        )?;
        let local = Local::resolve(local, words.len(), how.exactly)?;
        let ctx = self.ctx;
        let fetching = async |client: &mut Client, login: &Login, way: &BackTo<'_>| {
            let mut fetch = Fetch::new(ctx, &local, line.how.recursive, &line.how.transfer.flow)?;
            fetch.obey(line.how.links);
            fetch.how = how;
            let mut names = Vec::new();
            for word in &words {
                match word.meant(ctx.out, client).await {
                    Ok(meant) => names.extend(fetch.take(meant)?),
                    Err(failure) if failure.ends_connection() => return Err(failure),
                    Err(failure) => fetch.missed(failure)?,
                }
            }
            fetch.collect(client, login, Some(way), &names).await?;
            fetch.finish(Some(client))
        };
        self.over_one(&line.how.transfer, fetching).await
    }

    pub(super) async fn put(&mut self, line: &line::Put, locals: &[OsString], target: &Target) -> Outcome {
        let (locals, failures) = local::expand(locals)?;
        let mut send = Send::new(self.ctx, line.how.recursive, &line.how.transfer.flow)?;
        send.how = How::new(&line.how.transfer, self.ctx.retries(&self.login))?;
        send.obey(line.how.links)?;
        let sources = send.sources(&locals)?;
        send.missed(failures)?;
        if sources.is_empty() {
            return send.finish(None);
        }
        let moving = async |client: &mut Client, login: &Login, way: &BackTo<'_>| {
            send.deliver(client, login, Some(way), sources, target).await?;
            send.finish(Some(client))
        };
        self.over_one(&line.how.transfer, moving).await
    }

    /// `get --files-from`: what a list names below a folder of the server.
    pub(super) async fn get_listed(&mut self, line: &line::Get) -> Outcome {
        let (folder, local) = match line.names.as_slice() {
            [folder] => (folder, OsString::from(".")),
            [folder, local] => (folder, local::expand_home(&literal(local))),
            _ => return Err(expects_folders("get --files-from LIST FOLDER [LOCAL]")),
        };
        let folder = self.target(folder)?.path;
        let Some((paths, failures)) = read(&line.how.list, Path::new("/"))? else { return Ok(()) };
        let local = Local::folder(&local)?;
        let mut fetch = Fetch::new(self.ctx, &local, line.how.recursive, &line.how.transfer.flow)?;
        fetch.obey(line.how.links);
        fetch.how = How::new(&line.how.transfer, self.ctx.retries(&self.login))?.parents();
        failures.into_iter().try_for_each(|failure| fetch.missed(failure))?;
        if paths.is_empty() {
            return fetch.finish(None);
        }
        let moving = async |client: &mut Client, login: &Login, way: &BackTo<'_>| {
            fetch.collect_listed(client, login, way, &folder, paths).await?;
            fetch.finish(Some(client))
        };
        self.over_one(&line.how.transfer, moving).await
    }

    /// `put --files-from`: what a list names below a local folder.
    pub(super) async fn put_listed(&mut self, line: &line::Put) -> Outcome {
        let (folder, target) = match line.names.as_slice() {
            [folder] => (folder, self.target(OsStr::new("."))?),
            [folder, target] => (folder, self.target(target)?),
            _ => return Err(expects_folders("put --files-from LIST LOCAL [FOLDER]")),
        };
        let folder = PathBuf::from(local::expand_home(&literal(folder)));
        let Some((paths, failures)) = read(&line.how.list, &folder)? else { return Ok(()) };
        let mut send = Send::new(self.ctx, line.how.recursive, &line.how.transfer.flow)?;
        send.how = How::new(&line.how.transfer, self.ctx.retries(&self.login))?.parents();
        send.obey(line.how.links)?;
        send.missed(failures)?;
        let jobs = send.listed(&folder, &target.path, paths)?;
        if jobs.is_empty() {
            return send.finish(None);
        }
        let moving = async |client: &mut Client, login: &Login, way: &BackTo<'_>| {
            send.deliver_listed(client, login, way, jobs).await?;
            send.finish(Some(client))
        };
        self.over_one(&line.how.transfer, moving).await
    }

    /// Moves something over the connection of the shell, or over one of its own where the command has a rate of its own.
    async fn over_one(
        &mut self,
        args: &TransferArgs,
        moving: impl AsyncFnOnce(&mut Client, &Login, &BackTo<'_>) -> Outcome,
    ) -> Outcome {
        let (ctx, login, credential) = (self.ctx, self.login.clone(), self.credential.clone());
        let mut own = self.limited(args).await?;
        let client = match &mut own {
            Some(own) => own,
            None => self.client().await?,
        };
        let way = BackTo::new(ctx, &login, &credential, client.pin());
        let done = moving(client, &login, &way).await;
        // What comes after has the rate of before.
        if let Some(own) = own.filter(|_| !done.as_ref().is_err_and(Failure::ends_connection)) {
            ctx.hang_up(own).await;
        }
        done
    }

    /// A connection of its own for a command with a rate of its own: that of the shell keeps the one that it began with.
    async fn limited(&self, args: &TransferArgs) -> Outcome<Option<Client>> {
        let Some(rate) = args.flow.limit_rate else { return Ok(None) };
        self.ctx.set_rate(Some(rate), args.connections())?;
        let connected = self.ctx.connect_with(&self.login, Some(self.credential.clone())).await;
        Ok(Some(connected?.client))
    }
}

fn shown(name: &OsStr) -> String {
    for_people(literal(name).as_bytes())
}

/// The paths of a list, which is a file: the shell reads its commands from standard input.
fn read(list: &ListArgs, below: &Path) -> Outcome<Option<(Vec<Listed>, Vec<Failure>)>> {
    refuse_stdin(list)?;
    list.read(below, false)
}

fn refuse_stdin(list: &ListArgs) -> Outcome {
    if list.files_from.as_deref() != Some(OsStr::new("-")) {
        return Ok(());
    }
    let text = "standard input is where the shell's commands come from";
    Err(Failure::new(Kind::Usage, text, "Name a file with the list."))
}

/// A rate is a connection's from its beginning, and what goes to standard output comes over that of the shell.
fn refuse_rate(flow: &FlowArgs) -> Outcome {
    if flow.limit_rate.is_none() {
        return Ok(());
    }
    let hint = "Name a file, or use `sealift get --limit-rate …` beside the shell.";
    Err(Failure::new(Kind::Usage, "the rate of the shell's connection cannot be changed while it lasts", hint))
}
