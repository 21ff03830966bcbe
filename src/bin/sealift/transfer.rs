//! The options of `get` and `put` about what is there already and about lost connections, and the way back to a server.

use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use sealift::client::{
    Filter, Patience, RateLimit, ServerLinks, Summary, Transfer, TransferOptions, Verification, is_lost_line,
};
use sealift::files::Condition;
use sealift::tls::Pin;
use sealift::{Client, Error, Kind, Result, limits};
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use crate::context::{Connected, Context};
use crate::failure::{Failure, Outcome};
use crate::filter_args::FilterArgs;
use crate::identity::Credential;
use crate::interrupt;
use crate::login::Login;
use crate::progress::{Progress, ProgressArgs};
use crate::verify::verification;

/// What to do about a target that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IfExists {
    /// Replace it
    Overwrite,
    /// Leave it alone, and count it as skipped
    Skip,
    /// Leave it alone, and fail (exit code 11; 10 if others worked)
    Fail,
}

/// What to do about a link inside of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Links {
    /// Leave it out, and count it as skipped
    Skip,
    /// Move what it leads to; a link to a folder that contains it is skipped
    Follow,
    /// From a server: make the same link here if it stays within what is fetched, else skip it
    Keep,
}

impl Links {
    /// Whether what the links of a local folder lead to is sent.
    ///
    /// # Errors
    /// [`Kind::Usage`] for links that are to be kept.
    pub fn to_server(links: Option<Links>) -> Outcome<bool> {
        match links {
            None | Some(Links::Skip) => Ok(false),
            Some(Links::Follow) => Ok(true),
            Some(Links::Keep) => {
                let hint = "`--links follow` sends what they lead to.";
                Err(Failure::new(Kind::Usage, "a server stores no links, so none can be kept there", hint))
            }
        }
    }

    /// What is done about the links of a server.
    pub fn of_server(links: Option<Links>) -> ServerLinks {
        match links {
            None => ServerLinks::Files,
            Some(Links::Skip) => ServerLinks::Skip,
            Some(Links::Follow) => ServerLinks::Follow,
            Some(Links::Keep) => ServerLinks::Keep,
        }
    }
}

/// Options of everything that moves files, one way or the other.
#[derive(Debug, Clone, Default, Args)]
pub struct FlowArgs {
    /// Move at most this many bytes a second, like 500K or 5M
    ///
    /// This is for all connections of the command together, and for each direction. 16K for each connection is the least: a
    /// server ends slower ones.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub limit_rate: Option<u64>,

    /// Write the BLAKE3 of every file moved and verified into this file, for `b3sum --check`
    #[arg(long, value_name = "FILE")]
    pub checksum_file: Option<PathBuf>,

    #[command(flatten)]
    pub progress: ProgressArgs,
}

/// Reads a rate that one connection may have.
///
/// # Errors
/// A sentence for the person.
pub fn rate(text: &str) -> std::result::Result<u64, String> {
    let rate = RateLimit::parse(text).and_then(|rate| RateLimit::new(rate, 1).map(|_| rate));
    rate.map_err(|error| error.text().to_owned())
}

/// Options of a transfer.
#[derive(Debug, Clone, Args)]
pub struct TransferArgs {
    /// Resume files that were cut off, and leave alone those that are complete
    ///
    /// Hashes prove both. A file of the same size, time and BLAKE3 on both sides is not moved again. Others resume at a multiple
    /// of 16 MiB; what is smaller, or has changed, starts over. A `get` that was interrupted or lost its connection leaves the part
    /// as `.NAME.sealift-part` beside the target, with or without -c. A server keeps the part of an interrupted upload for seven days.
    #[arg(short = 'c', long = "continue")]
    pub resume: bool,

    /// Move each file of 64 MiB and more over this many connections at once
    ///
    /// For lines on which one connection alone does not reach full speed. The password is checked once, and the file is hashed
    /// as a whole. With -r each large file of the tree is moved like this, after the small ones. If the server takes fewer
    /// connections, fewer are used.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = connections())]
    pub streams: u32,

    /// Move this many files at once, each over its own connection
    ///
    /// For many files over a line that is long, or gives one connection only a share. The password is checked once. If the server
    /// takes fewer connections, fewer are used. --streams, which can be given too, is for single large files.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = connections())]
    pub transfers: u32,

    /// Keep who may read, write and run each file and folder (all nine mode bits), whatever the umask, also when a file is replaced
    ///
    /// A server may allow less (`sealiftd --max-mode`). Set-user-id bits and owners are never kept. Without this, a new file
    /// is open to no more than its source, and on a server only to its account and group: one that was 0644 is stored as
    /// 0640, and comes back as that.
    #[arg(long)]
    pub perms: bool,

    /// Accept files that grow meanwhile, like logs, at the length that they had at the beginning
    #[arg(long)]
    pub growing: bool,

    /// Take the last name as that of the file or folder itself, even if there is a folder of that name
    #[arg(short = 'T', long = "no-target-directory")]
    pub exactly: bool,

    /// What to do about a file that is there already [default: overwrite]
    #[arg(long, value_name = "WHAT", value_enum)]
    pub if_exists: Option<IfExists>,

    /// Move a file only if it is newer than the one in its place
    #[arg(long)]
    pub update: bool,

    /// Only show what would be moved
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub filters: FilterArgs,

    #[command(flatten)]
    pub flow: FlowArgs,
}

/// So many connections at once.
pub fn connections() -> RangedU64ValueParser<u32> {
    RangedU64ValueParser::new().range(1..=u64::from(limits::STREAMS_MAX))
}

impl TransferArgs {
    /// The most connections that it takes.
    pub fn connections(&self) -> u32 {
        self.streams.max(self.transfers)
    }
}

/// How one command transfers.
#[derive(Debug, Clone, Default)]
pub struct How {
    options: TransferOptions,
    /// What must hold for a target.
    pub condition: Condition,
    /// What of trees is taken.
    pub filter: Filter,
    /// The last name is that of the file or folder itself.
    pub exactly: bool,
}

impl How {
    /// As the options say.
    ///
    /// # Errors
    /// For what is no filter.
    pub fn new(args: &TransferArgs, retries: u32) -> Outcome<Self> {
        let skip_existing = args.if_exists == Some(IfExists::Skip);
        let TransferArgs { resume, streams, transfers, perms, growing, update, dry_run, .. } = *args;
        let options =
            TransferOptions::new().resume(resume).skip_existing(skip_existing).update(update).dry_run(dry_run);
        let options = options.retries(retries).streams(streams).transfers(transfers).growing(growing).perms(perms);
        let options = options.watched(std::io::stderr().is_terminal());
        let condition = match args.if_exists {
            None | Some(IfExists::Overwrite) => Condition::Any,
            Some(IfExists::Skip | IfExists::Fail) => Condition::Absent,
        };
        Ok(How { options, condition, filter: args.filters.filter()?, exactly: args.exactly })
    }

    /// Refuses what only makes sense for a file: this destination takes bytes once, from the first to the last.
    ///
    /// # Errors
    /// [`Kind::Usage`].
    pub fn in_order(&self, destination: &str) -> Outcome {
        let option = match self.options {
            TransferOptions { resume: true, .. } => "-c",
            TransferOptions { streams: 2.., .. } => "--streams",
            TransferOptions { transfers: 2.., .. } => "--transfers",
            TransferOptions { update: true, .. } => "--update",
            TransferOptions { dry_run: true, .. } => "--dry-run",
            _ => return Ok(()),
        };
        let hint = "Leave the option away, or fetch to a file.";
        let text = format!("{destination} takes bytes in order and once: {option} cannot be used");
        Err(Failure::new(Kind::Usage, text, hint))
    }

    /// With so many tries in a row after a lost connection.
    pub fn retries(mut self, retries: u32) -> Self {
        self.options.retries = retries;
        self
    }

    /// With the folders made that files go into.
    pub fn parents(mut self) -> Self {
        self.options.parents = true;
        self
    }

    /// Whether nothing is to be changed.
    pub fn is_dry_run(&self) -> bool {
        self.options.dry_run
    }

    /// The options of the library's transfers.
    pub fn options(&self) -> TransferOptions {
        self.options
    }
}

/// The way back to a server: the same user and password, and the same key.
pub struct Way<'a> {
    ctx: &'a Context,
    login: &'a Login,
    credential: Credential,
    pin: Option<Pin>,
}

impl<'a> Way<'a> {
    /// Back to where this connection leads.
    pub fn back_to(ctx: &'a Context, login: &'a Login, connected: &Connected) -> Self {
        Way::new(ctx, login, &connected.credential, connected.client.pin())
    }

    /// Back to a server with this key.
    pub fn new(ctx: &'a Context, login: &'a Login, credential: &Credential, pin: Option<Pin>) -> Self {
        Way { ctx, login, credential: credential.clone(), pin }
    }

    /// Who goes it.
    pub fn login(&self) -> &'a Login {
        self.login
    }

    /// Another connection in the place of one that was given up.
    ///
    /// # Errors
    /// As [`Context::connect_with`].
    pub async fn anew(&self) -> Outcome<Client> {
        Ok(self.ctx.connect_with(self.login, Some(self.credential.clone())).await?.client)
    }

    async fn again(&self) -> Result<Client> {
        if interrupt::is_stopping() {
            return Err(Error::new(Kind::Interrupted, "interrupted"));
        }
        self.once_more().await
    }

    /// How often a new one is tried.
    pub fn patience(&self) -> Patience {
        self.ctx.patience(self.login)
    }

    /// Makes this connection one over which the same can be asked once more after this error, as [`Context::again`].
    ///
    /// # Errors
    /// As [`Context::again`].
    pub async fn as_soon_as_possible(&self, client: &mut Client, patience: &mut Patience, lost: Error) -> Outcome {
        if let Some(new) = self.ctx.again(self.login, patience, (lost, Some(&*client)), &self.credential).await? {
            *client = new;
        }
        Ok(())
    }

    /// A new connection, also for what an interrupted command has to put in order.
    ///
    /// # Errors
    /// As [`Client::connect`] and [`Client::login`].
    pub async fn once_more(&self) -> Result<Client> {
        let verification = match self.pin {
            Some(pin) => Verification::Pins(vec![pin]),
            None => verification(&self.ctx.common, self.login, self.ctx.out).map_err(cause)?,
        };
        let options = self.ctx.connect_options(self.login, verification).map_err(cause)?;
        let mut client = Client::connect(&self.login.server, options).await?;
        interrupt::stop_on_signal(client.stopper());
        self.credential.log_in(&mut client, self.login.name()).await?;
        Ok(client)
    }
}

fn cause(failure: Failure) -> Error {
    match failure {
        Failure::Error { error, .. } => error,
        Failure::Shown(_) => Error::new(Kind::Interrupted, "given up"),
    }
}

/// Asks something of a server before anything is done there. When the line is lost it is asked again over a new one, which
/// `client` is afterwards; without a way back it is not.
///
/// # Errors
/// Those of the question, and of connecting again.
pub async fn ask<T>(
    client: &mut Client,
    way: Option<&Way<'_>>,
    question: impl AsyncFnMut(&mut Client) -> Outcome<T>,
) -> Outcome<T> {
    over_again(client, way, |_, _| true, question).await
}

/// Does something over this connection, and on the way back once more whenever the line was lost, as long as there is patience and
/// this says so.
///
/// # Errors
/// Those of the work, and of connecting again.
pub async fn over_again<T>(
    client: &mut Client,
    way: Option<&Way<'_>>,
    mut may_be_repeated: impl FnMut(&Failure, &mut Patience) -> bool,
    mut work: impl AsyncFnMut(&mut Client) -> Outcome<T>,
) -> Outcome<T> {
    let mut patience = way.map(|way| (way, way.patience()));
    loop {
        let failure = match work(client).await {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        let Some((way, patience)) = &mut patience else { return Err(failure) };
        let may_be = may_be_repeated(&failure, patience) && !interrupt::is_stopping();
        let Some(lost) = failure.lost_line().filter(|_| may_be) else { return Err(failure) };
        way.as_soon_as_possible(client, patience, lost.retold()).await?;
    }
}

/// Does a transfer over `client`, which is another one afterwards if the connection was lost on the way. Without a way
/// back nothing is tried again. What became of single files is added to `summary` in any case.
///
/// # Errors
/// What ended the last connection.
pub async fn transfer(
    mut transfer: Transfer,
    client: &mut Client,
    way: Option<&Way<'_>>,
    progress: &Arc<Progress>,
    summary: &mut Summary,
) -> Outcome {
    let observer: Arc<Progress> = Arc::clone(progress);
    let done = match way {
        Some(way) => transfer.run(client, async || way.again().await, observer).await.map(|part| summary.add(part)),
        None => {
            let observer: Arc<dyn sealift::client::Observer> = observer;
            transfer.attempt(client, &observer).await
        }
    };
    summary.add(transfer.summary());
    if done.is_err() {
        interrupt::keeps(transfer.kept());
    }
    done.map_err(|error| {
        // However it ended: who has a part of a large file is told how to go on with it.
        let (kind, goes_on) = (error.kind(), is_lost_line(&error) || transfer.kept() > 0);
        match interrupt::way_on().filter(|_| goes_on) {
            Some(way_on) => Failure::from(error).hinted(kind, || way_on),
            None => error.into(),
        }
    })
}
