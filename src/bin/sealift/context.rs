//! What every command works with: the options, the output, and the way to a logged-in connection.

use std::cell::{Cell, OnceCell, RefCell};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use async_std::task::sleep;
use sealift::client::keys::LoginKey;
use sealift::client::{
    Config, ConnectOptions, DEFAULT_PORT, Endpoint, Family, Patience, RateLimit, Target, Verification, Welcome,
    is_unreached,
};
use sealift::escape::for_people;
use sealift::secret::Secret;
use sealift::{Client, Error, Exit, Kind, limits};

use super::args::Common;
use super::ask;
use super::config::{self, config_file};
use super::failure::{Failure, Outcome};
use super::identity::{self, Credential, Identities, Unasked};
use super::interrupt;
use super::login::{ANONYMOUS, Login};
use super::netrc::Netrc;
use super::output::Output;
use super::password::{self, Passwords};
pub use super::repeat::Repeat;
use super::unreached;
use super::verify::{follow, verification};

/// A connection that is logged in.
#[derive(Debug)]
pub struct Connected {
    /// The connection.
    pub client: Client,
    /// What the server said to the login.
    pub welcome: Welcome,
    /// What logged in, for connecting again.
    pub credential: Credential,
}

/// The options and the output.
#[derive(Debug)]
pub struct Context {
    /// The options of every command.
    pub common: Common,
    /// How to talk.
    pub out: Output,
    passwords: RefCell<Passwords>,
    identities: Identities,
    config: OnceCell<Config>,
    netrc: OnceCell<Netrc>,
    /// What was asked for on the command line.
    rate: Cell<Option<u64>>,
    /// Connections that one command uses at once.
    connections: Cell<u32>,
    /// Shared by all connections of one rate.
    rate_limits: RefCell<Vec<(u64, RateLimit)>>,
    /// The servers that have answered, so that there is one.
    heard: RefCell<Vec<Endpoint>>,
}

impl Context {
    /// For these options.
    pub fn new(common: Common) -> Self {
        let (passwords, identities, config, netrc) = Default::default();
        let (rate, connections, rate_limits, heard) = Default::default();
        let out = Output::new(&common);
        Context { out, common, passwords, identities, config, netrc, rate, connections, rate_limits, heard }
    }

    /// What the person's configuration says. It is read once.
    ///
    /// # Errors
    /// As [`sealift::client::ConfigFile::read`], and if a file that was named is missing.
    pub fn config(&self) -> Outcome<&Config> {
        if let Some(config) = self.config.get() {
            return Ok(config);
        }
        let config = match config_file(self.common.config.as_deref())? {
            Some(file) => file.read()?,
            None => Config::default(),
        };
        Ok(self.config.get_or_init(|| config))
    }

    fn netrc(&self) -> Outcome<&Netrc> {
        if let Some(netrc) = self.netrc.get() {
            return Ok(netrc);
        }
        let netrc = Netrc::read()?;
        Ok(self.netrc.get_or_init(|| netrc))
    }

    /// How often in a row to try again at this server.
    pub fn retries(&self, login: &Login) -> u32 {
        self.common.retry.or(login.settings.retry).unwrap_or(limits::RETRIES)
    }

    /// When to try again at this server, and for how long.
    pub fn patience(&self, login: &Login) -> Patience {
        Patience::new(self.retries(login)).watched(self.out.stderr_is_terminal)
    }

    /// How often in a row to try again after this error of connecting: seldom at a server that has never answered and says nothing,
    /// unless a number was asked for.
    fn retries_after(&self, error: &Error, login: &Login) -> u32 {
        let is_asked_for = self.common.retry.is_some() || login.settings.retry.is_some();
        let is_unheard = error.kind() == Kind::Network && !self.heard.borrow().contains(&login.server);
        if is_unheard && !is_asked_for { limits::RETRIES_UNHEARD } else { self.retries(login) }
    }

    /// How to connect: with the time-outs that were asked for.
    ///
    /// # Errors
    /// If the rate is too low for the connections.
    pub fn connect_options(&self, login: &Login, verification: Verification) -> Outcome<ConnectOptions> {
        let mut options = ConnectOptions::new(verification);
        options.family = match (self.common.ipv4, self.common.ipv6) {
            (true, _) => Some(Family::V4),
            (_, true) => Some(Family::V6),
            _ => None,
        };
        options.rate_limit = self.rate_limit(login)?;
        if let Some(timeout) = self.common.timeout.or(login.settings.timeout) {
            options.connect_timeout = timeout;
            options.io_timeout = timeout;
        }
        Ok(options)
    }

    /// Moves no more than `rate` bytes a second from now on, whatever the configuration says, over so many connections at
    /// once.
    ///
    /// # Errors
    /// If that is too little.
    pub fn set_rate(&self, rate: Option<u64>, connections: u32) -> Outcome {
        self.rate.set(rate);
        self.connections.set(connections);
        rate.map_or(Ok(()), |rate| RateLimit::new(rate, connections).map(drop))?;
        Ok(())
    }

    fn rate_limit(&self, login: &Login) -> Outcome<Option<RateLimit>> {
        let Some(rate) = self.rate.get().or(login.settings.rate) else { return Ok(None) };
        let mut limits = self.rate_limits.borrow_mut();
        if let Some((_, limit)) = limits.iter().find(|(known, _)| *known == rate) {
            return Ok(Some(limit.clone()));
        }
        let limit = RateLimit::new(rate, self.connections.get())?;
        limits.push((rate, limit.clone()));
        Ok(Some(limit))
    }

    /// The password that was given to this command, if one was.
    ///
    /// # Errors
    /// If it was to be read and could not be.
    pub fn given_password(&self) -> Outcome<Option<Secret>> {
        self.passwords.borrow_mut().given(&self.common, self.out)
    }

    fn source_of(&self, password: &Secret) -> Option<&'static str> {
        self.passwords.borrow().source(password, &self.common)
    }

    /// Whether nothing comes behind the password that was given to this command.
    ///
    /// # Errors
    /// As [`Passwords::is_last`].
    pub fn is_last_password(&self) -> Outcome<bool> {
        Ok(Passwords::is_of_command(&self.common) && self.passwords.borrow_mut().is_last(&self.common)?)
    }

    /// A new password of so many characters at least for somebody, from where this command takes them.
    ///
    /// # Errors
    /// As [`Passwords::choose`].
    pub fn new_password(&self, who: &str, least: usize) -> Outcome<Secret> {
        self.passwords.borrow_mut().choose(who, least, &self.common, self.out)
    }

    /// Reads a target from the command line.
    ///
    /// # Errors
    /// As [`Config::target`] and [`Context::config`].
    pub fn target(&self, typed: &OsStr) -> Outcome<Target> {
        super::commands::by_link::refuse(typed)?;
        let config = self.config()?;
        let target = config.target(typed.as_bytes()).map_err(Failure::from);
        let first = typed.as_bytes().split(|byte| *byte == b'/').next().unwrap_or_default();
        if let (Err(_), Some(name)) = (&target, first.strip_suffix(b":"))
            && !name.is_empty()
            && !config.is_named(typed.as_bytes())
            && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && typed.as_bytes().get(first.len()..).is_none_or(|rest| !rest.starts_with(b"//"))
        {
            return Err(config::unknown_name(&for_people(name), self.common.config.is_some()));
        }
        let target = target.map_err(|failure| {
            failure.hinted(Kind::BadPath, || {
                "Write the path from your own folder on, without `..`, empty names and control characters.".to_owned()
            })
        });
        target.map_err(|failure| match first.contains(&b':') {
            // The table's step for this kind is about options.
            true => failure.hinted(Kind::Usage, || {
                "A server is written [user@]host[:port]/path, or NAME:path if it has a name: `sealift bookmark list` shows \
                 those."
                    .to_owned()
            }),
            false => failure,
        })
    }

    /// The port of a server that is named without one.
    ///
    /// # Errors
    /// If a port file is named and cannot be used, and as [`Context::config`].
    pub fn default_port(&self) -> Outcome<u16> {
        let Some(file) = &self.common.port_file else {
            let set = self.config()?.defaults.port;
            return Ok(self.common.port.or(set).unwrap_or(DEFAULT_PORT));
        };
        let text = fs::read_to_string(file).map_err(|err| {
            let missing = || format!("{} appears when the server is ready: start it with --port-file.", file.display());
            Failure::from(Error::file(file.display(), err)).hinted(Kind::NotFound, missing)
        })?;
        let port = text.trim().parse().ok().filter(|port| *port != 0);
        Ok(port.ok_or_else(|| Error::new(Kind::BadConfig, format!("{}: there is no port in it", file.display())))?)
    }

    /// Who has to log in where to reach this target.
    ///
    /// # Errors
    /// As [`Context::default_port`].
    pub fn login_for(&self, target: &Target) -> Outcome<Login> {
        let port = target.port.map_or_else(|| self.default_port(), Ok)?;
        let settings = self.config()?.settings(target.bookmark.as_deref());
        let (typed, bookmark) = (target.user.clone(), target.bookmark.clone());
        let mut user = typed.clone().filter(|user| user != ANONYMOUS);
        if typed.is_none() && self.common.netrc {
            let found = self.netrc()?.find(&target.host, None).and_then(|entry| entry.login.clone());
            user = found.filter(|user| user != ANONYMOUS);
        }
        Ok(Login { user, server: Endpoint::new(&target.host, port), bookmark, settings })
    }

    /// The targets with the connection each one needs.
    ///
    /// # Errors
    /// Of the first that is no target, before anything is connected to.
    pub fn targets(&self, typed: &[OsString]) -> Outcome<Vec<(Login, Target)>> {
        let one = |word: &OsString| self.target(word).and_then(|target| Ok((self.login_for(&target)?, target)));
        typed.iter().map(one).collect()
    }

    /// Connects and logs in.
    ///
    /// # Errors
    /// As [`Client::connect`] and [`Client::login`], with next steps that name this server.
    pub async fn connect(&self, login: &Login) -> Outcome<Connected> {
        // Before connecting, so that an unreadable password file is not reported after a long wait.
        let given = match &login.user {
            None => Some(Secret::new(Vec::new())),
            Some(user) => match self.passwords.borrow_mut().given(&self.common, self.out)? {
                None if self.common.netrc => {
                    self.netrc()?.find(&login.server.host, Some(user)).and_then(|entry| entry.password.clone())
                }
                given => given,
            },
        };
        // Of somebody who gives a password, other keys are used only if they are named too: each refusal counts.
        let unasked = match &given {
            None => Unasked::All,
            Some(_) if Passwords::is_of_command(&self.common) || self.common.netrc => Unasked::None,
            Some(_) => Unasked::OfLogin,
        };
        let keys = self.identities.of(&self.common, login, unasked, self.out)?;
        self.connect_by(login, keys, given.map(Credential::Password)).await
    }

    /// Connects with what is known to log in already, or with `None` by the keys that there are, and else asks for a password.
    ///
    /// # Errors
    /// As [`Context::connect`].
    pub async fn connect_with(&self, login: &Login, given: Option<Credential>) -> Outcome<Connected> {
        let keys = match given {
            None => self.identities.of(&self.common, login, Unasked::All, self.out)?,
            Some(_) => Vec::new(),
        };
        self.connect_by(login, keys, given).await
    }

    /// Connects, and tries these keys first. A connection that is lost before the login is done is made again: at once if it was
    /// while a person was asked, else after a pause.
    async fn connect_by(
        &self,
        login: &Login,
        keys: Vec<Vec<LoginKey>>,
        given: Option<Credential>,
    ) -> Outcome<Connected> {
        let mut keys = keys;
        let mut patience = self.patience(login);
        let mut answered = given.clone();
        loop {
            let asked = ask::asked();
            let failure = match self.try_connect(login, &mut keys, &mut answered, given.is_none()).await {
                Err(failure) if !interrupt::is_stopping() => failure,
                done => return done,
            };
            let lost = failure.lost_line().filter(|error| !is_unreached(error));
            let Some(error) = lost else { return Err(failure) };
            if ask::asked() > asked {
                self.out.step("the server gave up meanwhile: connecting again");
                continue;
            }
            if patience.is_spent(self.retries_after(error, login)) {
                return Err(failure);
            }
            let Some(pause) = patience.pause()? else { return Err(failure) };
            self.out.lost(error, pause, 0, false);
            sleep(pause).await;
        }
    }

    /// One try. The password that was typed is in `answered` afterwards, so that nobody has to type it twice; keys that were
    /// refused are in `keys` no more.
    async fn try_connect(
        &self,
        login: &Login,
        keys: &mut Vec<Vec<LoginKey>>,
        answered: &mut Option<Credential>,
        asks: bool,
    ) -> Outcome<Connected> {
        let mut client = self.dial(login).await?;
        let user = login.name();
        let mut attempt = 1;
        while let Some(group) = keys.first().filter(|_| client.takes_keys()) {
            let (tried, left) = client.keys_at_once(group);
            let untried = identity::untried(&left, &client);
            // Of what the server is too old for nothing is said to it.
            let of_names = if tried.is_empty() { group } else { &tried };
            let names = identity::named(of_names);
            let credential = Credential::Keys(tried);
            match credential.log_in(&mut client, user).await {
                Ok(welcome) => return Ok(self.welcomed(login, client, welcome, credential)),
                Err(err) if err.kind() == Kind::LoginFailed => {
                    self.out.step(&format!("no key logs in ({names}): {}", for_people(err.text().as_bytes())));
                    keys.remove(0);
                    if asks && answered.is_none() && keys.is_empty() {
                        self.out.note(&format!("None of your keys logs in as {login} ({names}).{untried}"));
                    }
                    // The refusal counts as one of the attempts that a connection has.
                    attempt += 1;
                }
                Err(err) => return Err(Failure::from(err).about(&login.to_string())),
            }
        }
        loop {
            let credential = match &*answered {
                Some(credential) => credential.clone(),
                None => Credential::Password(password::ask(&login.to_string(), attempt > 1)?),
            };
            *answered = Some(credential.clone());
            match credential.log_in(&mut client, user).await {
                Ok(welcome) => return Ok(self.welcomed(login, client, welcome, credential)),
                Err(err) if asks && err.kind() == Kind::LoginFailed && attempt < limits::LOGIN_FAILURES_MAX => {
                    attempt += 1;
                    *answered = None;
                    self.out.note("That was not right; try again.");
                }
                Err(err) => {
                    let failure = Failure::from(err).about(&login.to_string());
                    let failure =
                        failure.hinted_if(Kind::LoginFailed, || unreached::user_meant(self.config().ok()?, login));
                    let failure = match credential {
                        Credential::Keys(_) => failure.hinted(Kind::LoginFailed, || password::NO_KEY.to_owned()),
                        _ => failure,
                    };
                    return Err(match login.user {
                        Some(_) => match credential.password().and_then(|given| self.source_of(given)) {
                            Some(source) => failure.hinted(Kind::LoginFailed, || {
                                format!(
                                    "The password came from {source}: check that it is that of {login}. {}",
                                    password::KEPT_OUT
                                )
                            }),
                            None => failure,
                        },
                        // Whoever fetches it says what may be wrong with a link.
                        None if matches!(credential, Credential::Link { .. }) => failure,
                        None => failure.hinted(Kind::LoginFailed, || {
                            format!("Nobody reads anonymously there; name a user, as in alice@{}", login.server)
                        }),
                    });
                }
            }
        }
    }

    fn welcomed(&self, login: &Login, client: Client, welcome: Welcome, credential: Credential) -> Connected {
        follow(&self.common, login, &client, &welcome, self.out);
        interrupt::server_keeps_uploads(welcome.keeps_uploads);
        let by = identity::by(login, &credential, welcome.key.as_deref());
        self.out.step(&format!("logged in as {}{by}: {}", login.name(), for_people(welcome.text.as_bytes())));
        self.out.step(&format!("answered (pid {}, session {})", welcome.ids.pid, welcome.ids.session));
        Connected { client, welcome, credential }
    }

    /// A new connection after one that was lost, as soon as there is one and as long as there is patience. None, after a pause, if
    /// the one that there is will do ([`Failure::spares`]).
    ///
    /// # Errors
    /// Why the last one was lost or could not be made, if that did not help.
    pub async fn again(
        &self,
        login: &Login,
        patience: &mut Patience,
        (lost, client): (Error, Option<&Client>),
        credential: &Credential,
    ) -> Outcome<Option<Client>> {
        let mut failure = Failure::from(lost);
        let is_spared = client.is_some_and(|client| failure.spares(client));
        loop {
            let Failure::Error { error, .. } = &failure else { return Err(failure) };
            if interrupt::is_stopping() {
                return Err(failure);
            }
            let Some(pause) = patience.pause()? else { return Err(failure) };
            self.out.lost(error, pause, 0, false);
            interrupt::pause(pause).await;
            if interrupt::is_stopping() {
                return Err(failure);
            }
            if is_spared {
                return Ok(None);
            }
            match self.try_connect(login, &mut Vec::new(), &mut Some(credential.clone()), false).await {
                Err(next) if next.exit() == Exit::Network => failure = next,
                done => return done.map(|connected| Some(connected.client)),
            }
        }
    }

    /// Connects and checks who the server is. Nothing has been sent then.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub async fn dial(&self, login: &Login) -> Outcome<Client> {
        let server = &login.server;
        let options = self.connect_options(login, verification(&self.common, login, self.out)?)?;
        self.out.step(&format!("connecting to {server}"));
        let connected = Client::connect(server, options).await;
        let is_name = || self.config.get().is_some_and(|config| config.servers.contains_key(&server.host));
        let client = connected.map_err(|err| unreached::explained(err, login, &self.common, is_name))?;
        self.heard.borrow_mut().push(server.clone());
        interrupt::stop_on_signal(client.stopper());
        if let Some(pin) = client.pin() {
            self.out.step(&format!("the server's key is {pin}"));
        }
        self.out.step(&format!("greeting: {}", for_people(client.greeting().as_bytes())));
        Ok(client)
    }

    /// Ends a connection politely. What was asked for is done by then, so a failure here is none.
    pub async fn hang_up(&self, client: Client) {
        if let Err(err) = client.logout().await {
            self.out.step(&format!("closing: {}", for_people(err.text().as_bytes())));
        }
    }

    /// Does one thing over one connection.
    ///
    /// # Errors
    /// That of the connection or of the thing.
    pub async fn with_client<T>(&self, login: &Login, work: impl AsyncFnOnce(&mut Client) -> Outcome<T>) -> Outcome<T> {
        let client = self.connect(login).await?.client;
        self.over(client, login, work).await
    }

    /// Does one thing over a connection that is there, and ends it.
    ///
    /// # Errors
    /// That of the thing.
    pub async fn over<T>(
        &self,
        mut client: Client,
        login: &Login,
        work: impl AsyncFnOnce(&mut Client) -> Outcome<T>,
    ) -> Outcome<T> {
        let outcome = work(&mut client).await.map_err(|failure| failure.denied_by_server(|| login.denied_hint()));
        self.out.step_ids("answered", &client);
        if outcome.as_ref().err().is_none_or(|failure| !failure.ends_connection()) {
            self.hang_up(client).await;
        }
        outcome
    }
}
