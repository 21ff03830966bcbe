//! The shell's side of a session: who is logged in where, the current folder, and what each command does.

mod logins;
mod names;
mod servers;
mod several;
mod subcommands;
mod transfers;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::time::Instant;

use sealift::client::{Target, glob};
use sealift::escape::for_people;
use sealift::files::{Entry, EntryKind, RelPath};
use sealift::{Client, Error, Kind, Result, limits};

use self::names::{Word, or_here, protected, resolve};
use super::line::{self, Command};
use super::local::{self, expand_home};
use super::request::literal;
use super::say;
use crate::commands::change::{Act, Moving};
use crate::commands::{cat, change, df, du, find, look, server, tree, verify};
use crate::context::{Connected, Context};
use crate::expand::Named;
use crate::expand::without_dot;
use crate::failure::{Failure, Outcome, Tally};
use crate::identity::Credential;
use crate::interrupt;
use crate::login::Login;
use crate::output::{self, Event, Object};
use crate::voice;

/// What comes after a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another one.
    Go,
    /// The end.
    End,
}

/// A conversation with one server.
pub struct ShellSession<'a> {
    ctx: &'a Context,
    login: Login,
    credential: Credential,
    /// `None` once the connection is lost or a command was interrupted in the middle of it.
    client: Option<Client>,
    folder: RelPath,
    /// The folder before, to which `cd -` leads.
    folder_before: Option<RelPath>,
    /// The last command was one about files.
    is_about_files: bool,
    /// When the server last answered, as far as this knows.
    heard: Instant,
}

impl<'a> ShellSession<'a> {
    /// Connects and logs in, and says who answered.
    ///
    /// # Errors
    /// As [`Context::connect`].
    pub async fn open(ctx: &'a Context, login: Login) -> Outcome<ShellSession<'a>> {
        let connected = ctx.connect(&login).await?;
        welcome(ctx, &login, &connected);
        let Connected { client, credential, .. } = connected;
        Ok(ShellSession {
            ctx,
            login,
            credential,
            client: Some(client),
            folder: RelPath::root(),
            folder_before: None,
            is_about_files: false,
            heard: Instant::now(),
        })
    }

    /// Logs out.
    pub async fn close(&mut self) {
        if let Some(client) = self.client.take() {
            self.ctx.hang_up(client).await;
        }
    }

    /// Whether there is a connection.
    pub fn is_connected(&self) -> bool {
        self.client.is_some()
    }

    /// `alice@host:/folder> `, escaped.
    pub fn prompt(&self) -> String {
        let user = for_people(self.login.user.as_deref().unwrap_or("anonymous").as_bytes());
        format!("{user}@{}:{}> ", self.login.server.host, self.shown_folder())
    }

    /// Gives the connection up: it is lost, or in the middle of something. The next command makes a new one.
    pub fn forget_connection(&mut self) {
        self.client = None;
    }

    /// Connects and logs in again as before; the current folder stays.
    ///
    /// # Errors
    /// As [`Context::connect`].
    pub async fn reconnect(&mut self) -> Outcome {
        let connected = self.ctx.connect_with(&self.login, Some(self.credential.clone())).await?;
        self.ctx.out.step("connected again");
        self.client = Some(connected.client);
        Ok(())
    }

    /// Goes to a folder, which must be there.
    ///
    /// # Errors
    /// [`Kind::NotDirectory`], and as [`Client::stat`].
    pub async fn change_folder(&mut self, folder: RelPath) -> Outcome {
        let stat = self.client().await?.stat(&folder).await;
        let found = stat.map_err(|err| Failure::from(err).about(&folder.to_string()))?;
        if found.kind != EntryKind::Directory {
            let error = Error::new(Kind::NotDirectory, format!("{folder}: not a folder"));
            return Err(Failure::from(error).at_server(&folder));
        }
        voice::in_folder(&folder);
        self.folder_before = Some(std::mem::replace(&mut self.folder, folder));
        Ok(())
    }

    /// The entries of a folder, for completing names.
    ///
    /// # Errors
    /// As [`Client::list`].
    pub async fn names_in(&mut self, typed: &[u8]) -> Outcome<Vec<Entry>> {
        let (folder, _) = self.resolve(typed)?;
        // What could not be read cannot be completed.
        Ok(self.client().await?.list(&folder, false).await?.entries)
    }

    /// With -v, says which process and session answered, after a command about files, whatever became of it.
    pub fn tell_ids(&self) {
        if let Some(client) = self.client.as_ref().filter(|_| self.is_about_files) {
            self.ctx.out.step_ids("answered", client);
        }
    }

    /// Ends what a command tells a program, unless it has done so itself.
    pub fn sum_up(&self, done: &Outcome<Next>) {
        // A stdout that is gone is nobody to tell, and the next line of the shell is for it too.
        let _ = self.ctx.out.sum_up(matches!(done, Err(Failure::Error { .. })));
    }

    /// Does what a line says. What only asks is done over if its connection is lost on the way.
    ///
    /// # Errors
    /// Those of the command.
    pub async fn run(&mut self, command: &Command) -> Outcome<Next> {
        self.is_about_files = command.is_about_files();
        // Each command says its own.
        self.ctx.set_rate(None, 1)?;
        if command.needs_server() {
            self.see_whether_connected().await;
        }
        let mut patience = self.ctx.patience(&self.login);
        loop {
            let written = output::written();
            let failure = match self.dispatch(command).await {
                Ok(next) => {
                    self.heard = Instant::now();
                    return Ok(next);
                }
                Err(failure) => failure,
            };
            let is_over = !command.only_asks() || output::written() > written || interrupt::is_stopping();
            let Some(lost) = failure.lost_line().filter(|_| !is_over) else {
                let failure = self.leading_out(failure).await;
                return Err(failure.denied_by_server(|| self.login.denied_hint()));
            };
            self.client.take_if(|client| !failure.spares(client));
            let lost = (lost.retold(), self.client.as_ref());
            let again = self.ctx.again(&self.login, &mut patience, lost, &self.credential).await;
            if let Some(new) = again.map_err(|failure| failure.denied_by_server(|| self.login.denied_hint()))? {
                self.client = Some(new);
            }
        }
    }

    /// Says how to leave this folder if it is not there any more, or not open any more: nothing else can be done in it.
    async fn leading_out(&mut self, failure: Failure) -> Failure {
        if failure.kind() != Some(Kind::NotFound) || self.folder.is_root() {
            return failure;
        }
        let Some(client) = self.client.as_mut().filter(|client| client.is_usable()) else { return failure };
        let is_gone = client.stat(&self.folder).await.is_err_and(|error| error.kind() == Kind::NotFound);
        match is_gone {
            true => failure
                .with_hint("The folder that you are in is gone, or not open to you any more: `cd /` leads out of it."),
            false => failure,
        }
    }

    /// A server that nothing was asked of for a while may have hung up, and a command that acts should not be what finds
    /// that out.
    async fn see_whether_connected(&mut self) {
        if self.heard.elapsed() < limits::SHELL_QUIET {
            return;
        }
        if let Some(client) = &mut self.client
            && client.ping().await.is_err()
        {
            self.client = None;
        }
    }

    async fn dispatch(&mut self, command: &Command) -> Outcome<Next> {
        let out = self.ctx.out;
        match command {
            Command::Ls(line) => self.ls(line).await?,
            Command::Tree(line) => {
                let names = or_here(&line.names);
                self.each(&names, async |client, target| tree::draw(out, client, target, &line.how).await).await?;
            }
            Command::Du(line) => {
                let names = or_here(&line.names);
                self.each(&names, async |client, target| du::measure(out, client, target, &line.how).await.map(drop))
                    .await?;
            }
            Command::Df(line) => {
                let path = line.name.as_deref().map(|name| self.target(name)).transpose()?.map(|target| target.path);
                df::show(out, self.client().await?, path.as_ref().unwrap_or(&RelPath::root())).await?;
            }
            Command::Find(line) => {
                let (names, filter) = (or_here(&line.names), find::Filter::new(&line.wanted, out)?);
                self.each(&names, async |client, target| find::search(out, client, target, &filter).await).await?;
            }
            Command::Get(line) | Command::Mget(line) if line.how.list.files_from.is_some() => {
                self.get_listed(line).await?
            }
            Command::Put(line) | Command::Mput(line) if line.how.list.files_from.is_some() => {
                self.put_listed(line).await?
            }
            Command::Get(line) => {
                let (names, local) = match line.names.as_slice() {
                    [names @ .., local] if !names.is_empty() => (names, expand_home(&literal(local))),
                    names => (names, OsString::from(".")),
                };
                self.get(line, names, &local).await?;
            }
            Command::Mget(line) => self.get(line, &line.names, OsStr::new(".")).await?,
            Command::Put(line) => {
                let (locals, target) = match line.names.as_slice() {
                    [locals @ .., target] if !locals.is_empty() => (locals, self.target(target)?),
                    locals => (locals, self.target(OsStr::new("."))?),
                };
                self.put(line, locals, &target).await?;
            }
            Command::Mput(line) => {
                let here = self.target(OsStr::new("."))?;
                self.put(line, &line.names, &here).await?;
            }
            Command::Mirror(line) => self.mirror(line).await?,
            Command::Cat(line::Cat { names, force }) => {
                self.each(names, async |client, target| cat::write(out, client, target, *force).await).await?;
            }
            Command::More(line) => {
                self.each(&line.names, async |client, target| cat::write(out, client, target, false).await).await?;
            }
            Command::Trash(line) => self.trash(&line.command).await?,
            Command::Rm(line) => self.rm(line).await?,
            Command::Mkdir(line) => {
                // Nothing is a wildcard in what is to be made.
                let names: Vec<OsString> = line.names.iter().map(|name| protected(name)).collect();
                self.each(&names, async |client, target| change::make(out, client, target, &line.how).await).await?;
            }
            Command::Mv(line) => {
                self.carry(&line.names, Moving { force: line.how.force, several: false, act: Act::Move }).await?;
            }
            Command::Cp(line) => {
                let act = Act::Copy { recursive: line.how.recursive };
                self.carry(&line.names, Moving { force: line.how.force, several: false, act }).await?;
            }
            Command::Stat(line) => {
                self.each(&line.names, async |client, target| look::describe(out, client, target, line.times).await)
                    .await?;
            }
            Command::Hash(line) => {
                self.each(&line.names, async |client, target| look::digest(out, client, &target.path).await).await?;
            }
            Command::Verify(line) => {
                self.each(&line.names, async |client, target| verify::verify(out, client, target).await).await?;
            }
            Command::Accept(line) => {
                self.each(&line.names, async |client, target| verify::take(out, client, target).await).await?;
            }
            Command::Link(line) => self.link(line).await?,
            Command::Cd { folder } => self.cd(folder.as_deref()).await?,
            Command::Pwd => self.tell_folder()?,
            Command::Lcd { folder } => local::change_folder(folder.as_deref())?,
            Command::Lls { words } => local::list(words)?,
            Command::Lmkdir(line) => local::make_folders(&line.names, line.how.parents)?,
            Command::Lpwd => local::tell_folder(out)?,
            Command::Clear => local::clear(out),
            Command::Ping => {
                let server = self.login.server.to_string();
                server::ping_once(out, self.client().await?, &server).await?;
            }
            Command::Status => server::show_status(out, self.client().await?).await?,
            Command::Who(times) => server::show_who(out, self.client().await?, *times).await?,
            Command::Kick { whom } => server::end_sessions(out, self.client().await?, whom).await?,
            Command::Shutdown => server::end_server(out, self.client().await?).await?,
            Command::Login { who } => self.log_in(who.as_deref()).await?,
            Command::Logout { target: Some(target), here } => self.forget_key(target, *here).await?,
            Command::Open { target } => self.open_other(target).await?,
            Command::Logout { target: None, .. } => {
                self.tell_of_key();
                self.close().await;
                return Ok(Next::End);
            }
            Command::Exit => {
                self.close().await;
                return Ok(Next::End);
            }
        }
        Ok(Next::Go)
    }

    async fn cd(&mut self, folder: Option<&OsStr>) -> Outcome {
        let name = folder.unwrap_or(OsStr::new("/"));
        let folder = match name.as_bytes() {
            b"-" => {
                let nowhere = || Error::new(Kind::Usage, "there is no folder to go back to yet");
                let folder = self.folder_before.clone().ok_or_else(nowhere)?;
                return self.go_back(folder).await;
            }
            _ => self.target(name)?.path,
        };
        self.change_folder(folder).await
    }

    /// To the folder before, which is told.
    async fn go_back(&mut self, folder: RelPath) -> Outcome {
        self.change_folder(folder).await?;
        self.tell_folder()
    }

    fn tell_folder(&self) -> Outcome {
        let path: &[u8] = if self.folder.is_root() { b"." } else { self.folder.as_bytes() };
        let object = || Object::of(Event::Folder).text("side", "server").name("path", path);
        if self.ctx.out.json(object)? { Ok(()) } else { say(&self.shown_folder()) }
    }

    /// Goes to another server. Only when that answers is this one left.
    async fn open_other(&mut self, typed: &OsStr) -> Outcome {
        let target = self.ctx.target(typed)?;
        let login = self.ctx.login_for(&target)?;
        let connected = self.ctx.connect(&login).await?;
        self.take_over(login, connected).await;
        if target.path.is_root() { Ok(()) } else { self.change_folder(target.path).await }
    }

    /// Hangs up, and goes on with another connection in the folder that it begins in.
    async fn take_over(&mut self, login: Login, connected: Connected) {
        self.close().await;
        welcome(self.ctx, &login, &connected);
        let Connected { client, credential, .. } = connected;
        (self.login, self.credential, self.client) = (login, credential, Some(client));
        (self.folder, self.folder_before) = (RelPath::root(), None);
        voice::in_folder(&self.folder);
    }

    /// Does the same with all that several names stand for. What fails is shown and does not stop the others.
    async fn each(
        &mut self,
        names: &[OsString],
        mut work: impl AsyncFnMut(&mut Client, &Target) -> Outcome,
    ) -> Outcome {
        self.each_named(names, async |client, named| work(client, &named.target).await).await
    }

    /// As [`Session::each`], for work that has to know how a thing was named.
    async fn each_named(
        &mut self,
        names: &[OsString],
        mut work: impl AsyncFnMut(&mut Client, &Named) -> Outcome,
    ) -> Outcome {
        let words = self.words(names)?;
        let out = self.ctx.out;
        let client = self.client().await?;
        if let [Word { target, is_pattern: false, .. }] = words.as_slice() {
            let named = Named::plainly(target);
            return work(client, &named).await.map_err(|failure| failure.while_at(&target.path));
        }
        let mut tally = Tally::default();
        for word in &words {
            let meant = match word.meant(out, client).await {
                Ok(meant) => meant,
                Err(failure) if failure.ends_connection() => return Err(failure),
                Err(failure) => {
                    tally.show(failure, out)?;
                    continue;
                }
            };
            meant.failures.into_iter().try_for_each(|failure| tally.show(failure, out))?;
            for named in meant.names {
                match work(client, &named).await.map_err(|failure| failure.while_at(&named.target.path)) {
                    Ok(()) => tally.add_done(1),
                    Err(failure) if failure.ends_connection() => return Err(failure),
                    Err(failure) => tally.show(failure, out)?,
                }
            }
        }
        tally.outcome()
    }

    /// The names in the current folder, those with wildcards as patterns.
    fn words(&self, names: &[OsString]) -> Outcome<Vec<Word>> {
        names.iter().map(|name| self.word(name)).collect()
    }

    fn word(&self, name: &OsStr) -> Outcome<Word> {
        let name = &*self.without_server(name)?;
        if !glob::is_special(name.as_bytes()) {
            let (_, is_contents) = without_dot(name);
            return Ok(Word { target: self.target(name)?, is_pattern: false, is_contents });
        }
        // Nothing is a wildcard in the names of the folders one has gone to.
        let here = RelPath::parse(&glob::escape(self.folder.as_bytes()))?;
        let (path, is_folder) = resolve(&here, name.as_bytes())?;
        Ok(Word {
            target: Target { path, is_folder, ..self.target(OsStr::new("."))? },
            is_pattern: true,
            is_contents: false,
        })
    }

    /// The connection. One that an interrupted command has left behind is made anew.
    async fn client(&mut self) -> Outcome<&mut Client> {
        if self.client.as_ref().is_none_or(|client| !client.is_usable()) {
            self.reconnect().await?;
        }
        self.client.as_mut().ok_or_else(|| Error::new(Kind::Network, "there is no connection").into())
    }

    fn target(&self, name: &OsStr) -> Outcome<Target> {
        let name = self.without_server(name)?;
        let (path, is_folder) = self.resolve(literal(&name).as_bytes())?;
        let Login { user, server, .. } = &self.login;
        let (user, host) = (user.clone(), server.host.clone());
        Ok(Target { user, host, port: Some(server.port), path, is_folder, bookmark: None })
    }

    fn resolve(&self, typed: &[u8]) -> Result<(RelPath, bool)> {
        resolve(&self.folder, typed)
    }

    fn shown_folder(&self) -> String {
        format!("/{}", for_people(self.folder.as_bytes()))
    }
}

/// Says who answered.
fn welcome(ctx: &Context, login: &Login, connected: &Connected) {
    let welcome = &connected.welcome;
    let shown = |text: &str| for_people(text.as_bytes());
    voice::in_shell(&login.to_string());
    // How to log in need not be said any more.
    let greeting = connected.client.greeting();
    let greeting = greeting.split(" Log in with ").next().unwrap_or(greeting);
    ctx.out.note(&format!("{}: {}", login.server, shown(greeting)));
    ctx.out.note(&format!(
        "Logged in as {} ({}). Server's pid {}, session {}.",
        shown(&welcome.user),
        shown(&welcome.access),
        welcome.ids.pid,
        welcome.ids.session
    ));
}
