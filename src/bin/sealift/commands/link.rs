//! `link`: what others get without an account.

use std::ffi::OsString;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use sealift::byte_size::parse_size;
use sealift::client::{LinkExpiry, LinkInbox, LinkUrl, NewLink, ServerLink, Target};
use sealift::escape::for_people;
use sealift::files::RelPath;
use sealift::link_commands::{curl_get, curl_put};
use sealift::readable::{rfc3339, shell_word};
use sealift::secret::Secret;
use sealift::table::Table;
use sealift::{Client, Error, Kind, limits};

use crate::commands::login::named_login;
use crate::commands::one_line;
use crate::context::{Connected, Context};
use crate::failure::{Failure, Outcome, Tally};
use crate::login::Login;
use crate::output::{Event, Object, Output};
use crate::password::{Passwords, warn_of_short};
use crate::times::{TimeArgs, TimeStyle};
use crate::voice;

/// Make, show and remove links: URLs that need no account
#[derive(Debug, Args)]
#[command(subcommand_negates_reqs = true)]
#[command(
    override_usage = "sealift link [OPTIONS] <TARGET>\n       sealift link list <TARGET>\n       sealift link remove <TARGET> <NAME>"
)]
#[command(after_help = "\
Examples:
  sealift link alice@files.example/report.pdf
  sealift link --expires 2d --max-downloads 3 alice@files.example/photos
  sealift link --password alice@files.example/docs
  sealift link --drop --max-size 2G alice@files.example/docs
  sealift link list alice@files.example
  sealift link remove alice@files.example report.pdf

Whoever has the URL that is printed gets the file, or the folder with everything in it at that time, and nothing else of yours: with a \
browser, with curl, or with `sealift get 'URL'`. The link gives no more than you may read at that moment. It ends when you remove it, when its \
time is over, or with your account. Making one takes the right `link`.

With --drop, whoever has the URL can put files into that folder, with `sealift put FILE 'URL'`, a browser or curl, and sees nothing of what is \
there. The commands are printed with the URL; the one for curl checks the server's key. Nothing is ever replaced: a file whose name is taken \
gets a number. The files count in your quota, and you must be allowed to upload there.

With --max-downloads, each file and each archive of a folder counts that was sent to its end. One that breaks off does not count, nor do the \
pieces of one: it keeps a link from spreading, and is no lock against somebody who breaks off on purpose. To others than you a link that is over, withdrawn or \
used up looks as if there had never been one; `link list` shows you which it is.

Scripts: standard output has the URL and nothing else; what else is said goes to standard error. There the curl command of a link to a \
file is shown at a terminal, and that of a --drop link or one with --max-downloads always.")]
pub struct Link {
    #[command(subcommand)]
    pub command: Option<LinkCommand>,
    #[command(flatten)]
    pub make: Make,
}

/// What a link is to be.
#[derive(Debug, Args)]
pub struct Make {
    /// A file or folder on a server
    #[arg(required = true, value_name = "TARGET")]
    pub target: Option<OsString>,
    /// How long it is good, like 12h or 30d; `never` for no end
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = lifetime)]
    pub expires: Lifetime,
    /// Have the link ask for a password, too; you choose it now
    ///
    /// With --password-stdin it is the second line, after your own; the only one, where a key logs in that `sealift login` made or -i
    /// names.
    #[arg(long)]
    pub password: bool,
    /// Allow this many downloads
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_downloads: Option<u32>,
    /// Let others put files into this folder, and see nothing in it
    #[arg(long, conflicts_with = "max_downloads")]
    pub drop: bool,
    /// With --drop: take this many bytes in all, like 500M [default: 10 GiB]
    #[arg(long, value_name = "SIZE", value_parser = size, requires = "drop")]
    pub max_size: Option<u64>,
    /// With --drop: take this many files in all [default: 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), requires = "drop")]
    pub max_files: Option<u32>,
    /// Your name for the link [default: the name of what it leads to]
    #[arg(long)]
    pub name: Option<String>,
}

/// How long a link is good for.
#[derive(Debug, Clone, Copy)]
pub enum Lifetime {
    /// Until it is removed.
    Endless,
    /// So long.
    For(Duration),
}

fn lifetime(text: &str) -> Result<Lifetime, String> {
    if text == "never" {
        return Ok(Lifetime::Endless);
    }
    match humantime::parse_duration(text) {
        Ok(time) if time < Duration::from_secs(1) => Err("a link is good for a second at least".to_owned()),
        Ok(time) => Ok(Lifetime::For(time)),
        Err(_) => Err(format!("`{text}` is not a time; write it like 7d, 12h or 30min, or `never`")),
    }
}

fn size(text: &str) -> Result<u64, String> {
    parse_size(text).filter(|size| *size > 0).ok_or_else(|| format!("`{text}` is not a size; write it like 500M or 2G"))
}

#[derive(Debug, Subcommand)]
pub enum LinkCommand {
    /// Show your links on a server
    List {
        /// You on the server: user@host[:port], or NAME: of a bookmark
        #[arg(value_name = "TARGET")]
        target: OsString,
        #[command(flatten)]
        times: TimeArgs,
    },
    /// Withdraw a link
    #[command(visible_alias = "revoke")]
    Remove {
        /// You on the server: user@host[:port], or NAME: of a bookmark
        #[arg(value_name = "TARGET")]
        target: OsString,
        /// Their names, as `link list` shows them
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
}

/// Runs the command.
///
/// # Errors
/// As [`Context::connect`] and those of the server.
pub async fn run(ctx: &Context, args: &Link) -> Outcome {
    match &args.command {
        None => make(ctx, &args.make).await,
        Some(LinkCommand::List { target, times }) => list(ctx, target, *times).await,
        Some(LinkCommand::Remove { target, names }) => remove(ctx, target, names).await,
    }
}

async fn make(ctx: &Context, args: &Make) -> Outcome {
    let typed = args.target.as_ref().ok_or_else(|| Error::new(Kind::Usage, "a file or folder is missing"))?;
    let target = ctx.target(typed)?;
    let login = ctx.login_for(&target)?;
    refuse_anonymous(&login)?;
    let explained = |failure| explain_two_lines(ctx, args, failure);
    let Connected { client, credential, .. } = match args.password {
        true => one_line::connect(ctx, &login).await.map_err(explained)?,
        false => ctx.connect(&login).await?,
    };
    let password = args.password.then(|| match one_line::given(ctx, &credential)? {
        Some(only) => Passwords::judge(only, limits::PASSWORD_MIN),
        None => ctx.new_password("the link", limits::PASSWORD_MIN).map_err(explained),
    });
    let password = password.transpose()?;
    ctx.over(client, &login, async |client| make_there(ctx, client, (&login, &target), args, password).await).await
}

/// What to do about a short password: that of a link cannot be changed.
const LONGER: &str = "a link with a longer one can be made in its place";

/// Links have somebody who made them.
fn refuse_anonymous(login: &Login) -> Outcome {
    if login.user.is_some() {
        return Ok(());
    }
    let hint = format!("Write who you are there, as in alice@{}.", login.server);
    Err(Failure::new(Kind::Usage, "anonymous makes no links", hint))
}

/// Makes a link from the shell, over its connection.
///
/// # Errors
/// Those of the server.
pub async fn make_in_shell(ctx: &Context, client: &mut Client, login: &Login, target: &Target, args: &Make) -> Outcome {
    refuse_anonymous(login)?;
    let password = args.password.then(|| ctx.new_password("the link", limits::PASSWORD_MIN)).transpose()?;
    make_there(ctx, client, (login, target), args, password).await
}

/// Makes a link, shows it, and says what it is.
async fn make_there(
    ctx: &Context,
    client: &mut Client,
    (login, target): (&Login, &Target),
    args: &Make,
    password: Option<Secret>,
) -> Outcome {
    let expires = match args.expires {
        Lifetime::Endless => LinkExpiry::Never,
        Lifetime::For(time) => LinkExpiry::At(SystemTime::now().checked_add(time).ok_or_else(|| {
            Error::new(Kind::Usage, "--expires: so far away that no clock shows it; `never` says that it does not end")
        })?),
    };
    let has_password = password.is_some();
    if let Some(password) = &password {
        warn_of_short(password, LONGER, ctx.out);
    }
    let new = NewLink::to(target.path.clone())
        .inbox(args.drop.then(|| LinkInbox { bytes: args.max_size, files: args.max_files.map(u64::from) }))
        .name(args.name.clone())
        .expires(Some(expires))
        .password(password)
        .downloads(args.max_downloads.map(u64::from));
    let pins = client.pins();
    // Whom the server shows another certificate sees another key, too.
    let pins_of_curl = if client.greeted().web_certificate_ends.is_none() { pins.clone() } else { Vec::new() };
    let made = client.make_link(new).await.map_err(|error| {
        let failure = Failure::from(error).about(&target.path.to_string());
        let failure = match args.drop {
            true => failure.hinted(Kind::NotFound, || {
                voice::here(&format!("`sealift mkdir -p {}` makes the folder.", shell_word(&target.to_string()))).into_owned()
            }),
            false => failure,
        };
        let failure =
            failure.hinted(Kind::Exists, || "Choose another name with --name, or remove that link first.".to_owned());
        let failure = failure.hinted(Kind::BadCommand, || "`sealift link --help` shows how one is made.".to_owned());
        failure.denied_by_server(|| {
            "Making one takes the right `link` there, which the server's administrator gives (in a shared folder by its \
             `access`), and a file or folder that you may read; for --drop, one that you may put files into."
                .to_owned()
        })
    })?;
    let url = LinkUrl { server: login.server.clone(), secret: made.secret, pins }.reveal();
    let object = || {
        let object = Object::of(Event::Link).text("url", &url).text("name", &made.name).text("kind", &made.kind);
        made.expires.iter().fold(object, |object, end| object.text("expires", rfc3339(*end)))
    };
    if !ctx.out.json(object)? {
        ctx.out.line(&url)?;
        let until = made.expires.map_or("until you remove it".to_owned(), |end| {
            format!("until {}", minute(end, ctx.out.stderr_is_terminal, TimeArgs::default()))
        });
        let can = match (args.drop, args.max_downloads) {
            (true, _) => "put files there, and see nothing,".to_owned(),
            (false, None) => "read it".to_owned(),
            (false, Some(1)) => "read it once,".to_owned(),
            (false, Some(most)) => format!("read it {most} times,"),
        };
        let name = for_people(made.name.as_bytes());
        ctx.out.note(&voice::here(&format!(
            "Whoever has this link can {can} {until}. `sealift link remove {login} '{name}'` ends it."
        )));
        // Not for the shell that this one may have been made in: others type it. The URL stands above, and in no log of errors.
        match args.drop {
            true => {
                let curl = curl_put(&pins_of_curl, has_password);
                ctx.out.note("With Sealift they send a file like this:\n  sealift put FILE 'URL'");
                ctx.out.note(&format!("And with curl:\n  {curl} 'URL'"));
            }
            false => ctx.out.note("With Sealift they fetch it like this:\n  sealift get 'URL'"),
        }
        // What only looks at a link, as programs for messages do, uses up no download: the file itself has to be asked for. Of others
        // who have no Sealift a person thinks who has just made one.
        let is_wanted = args.max_downloads.is_some() || ctx.out.stderr_is_terminal;
        if is_wanted && made.kind == "file" {
            let curl = curl_get(&pins_of_curl, has_password);
            ctx.out.note(&format!("And with curl:\n  {curl} 'URL'"));
        }
        if is_this_machine(&login.server.host) {
            ctx.out.note("It names the server as only this machine does: others need its name or address there.");
        }
    }
    Ok(())
}

/// Where two passwords are needed and no terminal asks for them, one given alone is taken for the other.
fn explain_two_lines(ctx: &Context, args: &Make, failure: Failure) -> Failure {
    let is_of_login = failure.kind() == Some(Kind::LoginFailed) && Passwords::is_of_command(&ctx.common);
    match failure {
        Failure::Error { error, .. } if args.password && (is_of_login || error.kind() == Kind::Usage) => {
            let hint = "With --password-stdin give two lines on standard input: the password that you log in with, then the \
                        link's; the link's alone, where a key logs in that `sealift login` made or -i names. --password-file takes the \
                        same.";
            Failure::Error { error, hint: Some(hint.to_owned()) }
        }
        other => other,
    }
}

/// Whether a host is a name of this machine for itself.
fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// To the minute: where it goes to a terminal as the clock there goes, else in UTC.
fn minute(time: SystemTime, is_terminal: bool, times: TimeArgs) -> String {
    if is_terminal || times.time_style.is_some() {
        return times.clock(TimeStyle::LongIso, true).show(time.into()).trim().to_owned();
    }
    let text = rfc3339(time);
    format!("{} UTC", text.get(..16).unwrap_or(&text).replace('T', " "))
}

async fn list(ctx: &Context, target: &OsString, times: TimeArgs) -> Outcome {
    let login = named_login(ctx, target)?;
    ctx.with_client(&login, async |client| show(ctx.out, client, &login, times).await).await
}

/// Shows one's links; without any, how one is made.
///
/// # Errors
/// Those of the server.
pub async fn show(out: Output, client: &mut Client, login: &Login, times: TimeArgs) -> Outcome {
    let mut links = client.links().await?;
    links.sort_by(|a, b| a.name.cmp(&b.name));
    let gone = gone(client, &links).await?;
    let mut table = Table::new(["NAME", "KIND", "PATH", "GOOD"]);
    for (link, is_gone) in links.iter().zip(gone) {
        if !out.json(|| link_object(link).value("gone", is_gone))? {
            let (name, kind) = (for_people(link.name.as_bytes()), for_people(link.kind.as_bytes()));
            // As other lists have it; the own folder itself has no name.
            let path = if link.path.is_empty() { "/".to_owned() } else { for_people(&voice::path(&link.path)) };
            table.push([name, kind, path, words(link, is_gone, out, times)]);
        }
    }
    if links.is_empty() {
        out.note(&voice::here(&format!("You have no links there. `sealift link {login}/FILE` makes one.")));
    }
    Ok(out.table(&table)?)
}

/// Which of these lead to nothing that is there. What cannot be looked at counts as there.
async fn gone(client: &mut Client, links: &[ServerLink]) -> Outcome<Vec<bool>> {
    let paths: Vec<_> = links.iter().map(|link| RelPath::parse(&link.path)).collect();
    let asked: Vec<RelPath> = paths.iter().filter_map(|path| path.as_ref().ok().cloned()).collect();
    let mut found = if asked.is_empty() { Vec::new() } else { client.stats(asked).await? }.into_iter();
    let is_gone = |path: &sealift::Result<RelPath>| {
        path.is_ok() && found.next().is_some_and(|found| found.is_err_and(|error| error.kind() == Kind::NotFound))
    };
    Ok(paths.iter().map(is_gone).collect())
}

fn link_object(link: &ServerLink) -> Object {
    let object = Object::of(Event::Link).text("name", &link.name).text("kind", &link.kind);
    let object = object.text("path", String::from_utf8_lossy(&link.path)).value("password", link.has_password);
    let object = if link.is_void { object.value("void", true) } else { object };
    let object = link.added.iter().fold(object, |object, added| object.text("added", rfc3339(*added)));
    let object = link.expires.iter().fold(object, |object, end| object.text("expires", rfc3339(*end)));
    let object = match link.downloads {
        Some((done, most)) => object.value("downloads", done).value("max_downloads", most),
        None => object,
    };
    let object = match link.came {
        Some((files, bytes)) => object.value("files", files).value("bytes", bytes),
        None => object,
    };
    match link.may_come {
        Some((files, bytes)) => object.value("max_files", files).value("max_bytes", bytes),
        None => object,
    }
}

/// What bounds it.
fn words(link: &ServerLink, is_gone: bool, out: Output, times: TimeArgs) -> String {
    let is_full = link.came.zip(link.may_come).is_some_and(|(came, most)| came.0 >= most.0 || came.1 >= most.1);
    let is_used_up = link.downloads.is_some_and(|(done, most)| done >= most);
    let mut words = vec![match link.expires {
        // One that is over says nothing of how long it would have been good.
        Some(end) if end <= SystemTime::now() => {
            format!("no more: over since {}", minute(end, out.stdout_is_terminal(), times))
        }
        _ if is_used_up => "no more: used up".to_owned(),
        _ if is_full => "no more: full".to_owned(),
        _ if is_gone => "no more: nothing is there".to_owned(),
        _ if link.is_void => "not now: you may not give that at present".to_owned(),
        None => "until it is removed".to_owned(),
        Some(end) => format!("until {}", minute(end, out.stdout_is_terminal(), times)),
    }];
    words.extend(link.came.map(|(files, _)| match link.may_come {
        Some((most, _)) => format!("{files} came ({most} at most)"),
        None => format!("{files} came"),
    }));
    words.extend(link.downloads.map(|(done, most)| format!("{done} of {most} downloads")));
    words.extend(link.has_password.then(|| "password".to_owned()));
    words.join(", ")
}

async fn remove(ctx: &Context, target: &OsString, names: &[String]) -> Outcome {
    let login = named_login(ctx, target)?;
    ctx.with_client(&login, async |client| end_all(ctx.out, client, &login, names).await).await
}

/// Has these links give nothing any more. What fails is shown and does not stop the others.
///
/// # Errors
/// That of a single one, otherwise as [`Tally::outcome`].
pub async fn end_all(out: Output, client: &mut Client, login: &Login, names: &[String]) -> Outcome {
    if let [name] = names {
        return end(out, client, login, name).await;
    }
    let mut tally = Tally::default();
    for name in names {
        let ended = end(out, client, login, name).await;
        tally.settle(ended.map_err(|failure| failure.about(&for_people(name.as_bytes()))), out)?;
    }
    tally.outcome()
}

/// Has a link give nothing any more.
///
/// # Errors
/// Those of the server.
async fn end(out: Output, client: &mut Client, login: &Login, name: &str) -> Outcome {
    let list = || format!("`sealift link list {login}` shows your links by their names.");
    if LinkUrl::is_meant(name.as_bytes()) {
        return Err(Failure::new(Kind::Usage, "a link is removed by its name, and not by its URL", list()));
    }
    let removed = client.remove_link(name).await;
    removed.map_err(|error| Failure::from(error).hinted(Kind::NotFound, list).hinted(Kind::BadCommand, list))?;
    let object = || Object::of(Event::Removed).text("name", name);
    if !out.json(object)? {
        out.note(&format!("The link {} gives nothing any more.", for_people(name.as_bytes())));
    }
    Ok(())
}
