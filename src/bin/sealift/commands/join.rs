//! `join`: takes an invitation.

use std::ffi::OsString;
use std::io::{self, BufRead as _, Read as _};

use clap::Args;
use sealift::client::{Bookmark, Client, DEFAULT_PORT, Endpoint, InvitationLink, LinkUrl, Settings};
use sealift::escape::for_people;
use sealift::files::RelPath;
use sealift::proto::Feature;
use sealift::tls::Pin;
use sealift::{Error, Exit, Kind, limits};
use zeroize::Zeroizing;

use crate::commands::bookmark;
use crate::commands::login::{enrol_here, told};
use crate::config::config_file_to_change;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::identity::Credential;
use crate::login::Login;
use crate::output::{Event, Object};
use crate::password::{LONGER, hint_if_short, is_asked_again, warn_of_short};
use crate::verify::{known_servers, remember, system_known_servers};

/// Join a server that you were invited to
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sealift join 'sealift://alice@files.example:4456/#…'
  sealift join -
      Read the invitation from standard input: others can see what is on a command line.

It checks that the server has the key which the invitation names, remembers it, has you choose a password, and keeps a \
bookmark of the server. The address for a browser (`https://…/.sealift-web/join/alice#…`) is taken as well; it names no key, so that \
you are asked about a server that is not known yet. Then this machine logs in by a key of its own, as with `sealift login`. An invitation works once. \
With --password-stdin the password is the next line of standard input, with --password-file the first one of the file.")]
pub struct Join {
    /// The invitation, in quotes; `-` reads it from standard input
    #[arg(value_name = "INVITATION")]
    pub invitation: OsString,
}

/// Runs the command.
///
/// # Errors
/// As [`Context::dial`] and [`sealift::Client::redeem`].
pub async fn run(ctx: &Context, args: &Join) -> Outcome {
    let link = link(args)?;
    if !link.pins.is_empty() && (!ctx.common.pin.is_empty() || ctx.common.ca_file.is_some()) {
        let text = "an invitation already says which key the server has: leave out --pin and --ca-file";
        return Err(Error::new(Kind::Usage, text).into());
    }
    let pins = acceptable(&link.server, &link.pins)?;
    let changed_key = if pins.len() < link.pins.len() { KNOWN_BY_OLDER } else { CHANGED_KEY };
    let login = Login {
        user: Some(link.user.clone()),
        server: link.server.clone(),
        bookmark: None,
        settings: Settings { pins, ..Settings::default() },
    };
    let name = login.to_string();
    // What comes of the invitation is written down: if that cannot be, it is not used up.
    let unused = |err: Error| Failure::from(err).hinted(Kind::Denied, || UNUSED.to_owned());
    known_servers().and_then(|known| known.check_writable()).map_err(unused)?;
    config_file_to_change(&ctx.common).and_then(|config| config.check_writable()).map_err(unused)?;
    // Whoever cannot be reached, or is another one, is nobody to choose a password for.
    let mut reached = ctx.dial(&login).await.map_err(|failure| match failure.kind() {
        Some(Kind::PinMismatch) if !link.pins.is_empty() => failure.with_hint(changed_key),
        _ => failure,
    })?;
    // Nor is a password of any use where the invitation is not.
    if reached.features().has(Feature::Invited) {
        let looked = reached.look_at_invitation(&link.user, link.secret.clone()).await;
        looked.map_err(|error| not_usable(error, &name))?;
    }
    let least = reached.greeted().password_min;
    let (client, credential) = loop {
        let new = ctx.new_password(&name, least);
        let new =
            new.map_err(|failure| hint_if_short(failure, "Choose a longer one: the invitation can still be used."))?;
        // The person may have taken longer than a server waits for a login.
        let mut client = match reached.is_alive() {
            true => reached,
            false => ctx.dial(&login).await?,
        };
        let credential = Credential::Password(new.clone());
        match client.redeem(&link.user, link.secret.clone(), new.clone()).await {
            Ok(_) => {
                warn_of_short(&new, LONGER, ctx.out);
                break (client, credential);
            }
            Err(error) if is_asked_again(&error, ctx) => reached = client,
            // It may have been done all the same: then this password is right.
            Err(error) if error.exit() == Exit::Network => {
                match ctx.connect_with(&login, Some(credential.clone())).await {
                    Ok(again) => break (again.client, credential),
                    Err(failure) if failure.kind() == Some(Kind::LoginFailed) => {
                        let hint = "The connection was lost before it was done: the invitation can still be used.";
                        return Err(Failure::Error { error, hint: Some(hint.to_owned()) });
                    }
                    Err(failure) => return Err(failure),
                }
            }
            Err(error) => return Err(not_usable(error, &name)),
        }
    };
    // Where the invitation names none it is known by now: nobody else was reached.
    if !link.pins.is_empty()
        && let Some(pin) = client.pin()
    {
        remember(&known_servers()?, &link.server, pin, None, ctx.out)?;
    }
    joined(ctx, &link, &name)?;
    enrolled(ctx, &login, client, &credential).await
}

/// Which keys the server may have: those that the invitation names, and of a server that is known no other than it is known by. Anybody can
/// make an invitation that names a key of theirs beside the right one.
fn acceptable(server: &Endpoint, named: &[Pin]) -> Outcome<Vec<Pin>> {
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let mut known = known_servers()?.pins(server)?;
    if known.is_empty() {
        known = system_known_servers().pins(server)?;
    }
    if known.is_empty() {
        return Ok(named.to_vec());
    }
    let both: Vec<Pin> = named.iter().filter(|pin| known.contains(pin)).copied().collect();
    if !both.is_empty() {
        return Ok(both);
    }
    let listed = |pins: &[Pin]| pins.iter().map(Pin::to_string).collect::<Vec<_>>().join(", ");
    let (known, named) = (listed(&known), listed(named));
    let text = format!("{server} is known by another key than the one this invitation names: {known}, not {named}");
    let hint = "Nothing was sent. Ask whoever invited you whether the key was changed; if so, `sealift trust remove` forgets the \
                old one.";
    Err(Failure::new(Kind::PinMismatch, text, hint))
}

/// No password was set then.
fn not_usable(error: Error, name: &str) -> Failure {
    let ask = || {
        format!(
            "If you have joined with it before, `sealift login {name}` has this machine log in too; else ask whoever invited you for \
             another one: `sealiftd invite` makes it."
        )
    };
    let longer = || "Choose another one: the invitation can still be used.".to_owned();
    Failure::from(error).about(name).hinted(Kind::LoginFailed, ask).hinted(Kind::BadCommand, longer)
}

/// What to do where the server has another key than the invitation names.
const CHANGED_KEY: &str = "Nothing was sent. The server's key was changed after the invitation was made, or this is another server: ask \
                           whoever invited you for another one.";

/// What to do where the invitation names more keys than the server is known by here, and it has none of these.
const KNOWN_BY_OLDER: &str = "Nothing was sent. The invitation names a newer key of this server than is known here. Ask whoever invited you \
                              whether the key was changed; if so, `sealift trust remove` forgets the old one, and the invitation can \
                              still be used.";

/// What was refused on this machine before anything was sent.
const UNUSED: &str = "Nothing was sent: the invitation can still be used.";

/// Has this machine log in by a key of its own. Who has joined has joined, also without one.
async fn enrolled(ctx: &Context, login: &Login, client: Client, credential: &Credential) -> Outcome {
    if !client.features().has(Feature::Enrol) {
        ctx.hang_up(client).await;
        return Ok(());
    }
    match enrol_here(ctx, login, client, credential, None).await {
        Ok((client, enrolled)) => {
            ctx.hang_up(client).await;
            told(ctx, login, &enrolled)
        }
        Err(Failure::Error { error, .. }) => {
            let why = for_people(error.text().as_bytes());
            ctx.out
                .warn(&format!("this machine will ask for the password: {why}; `sealift login {login}` tries again"));
            Ok(())
        }
        Err(shown) => Err(shown),
    }
}

/// Keeps a bookmark, and says what to do next.
fn joined(ctx: &Context, link: &InvitationLink, name: &str) -> Outcome {
    let object = || Object::of(Event::Joined).text("user", &link.user).text("server", &link.server);
    if !ctx.out.json(object)? {
        ctx.out.note(&format!("You have joined {name}."));
    }
    let bookmark = Bookmark {
        host: link.server.host.clone(),
        user: Some(link.user.clone()),
        path: RelPath::root(),
        settings: Settings { port: Some(link.server.port), ..Settings::default() },
    };
    let config = ctx.config()?;
    // Whoever joins again has it already. What else is set for it there stays; keys of its own may be those of before.
    let is_same = |other: &Bookmark| {
        let is_of_keys = !other.settings.pins.is_empty() || other.settings.ca_file.is_some();
        let port = other.settings.port.unwrap_or(DEFAULT_PORT);
        let place = |one: &Bookmark| (one.host.clone(), one.user.clone(), one.path.clone());
        !is_of_keys && port == link.server.port && place(other) == place(&bookmark)
    };
    match config.servers.iter().find(|(_, other)| is_same(other)) {
        Some((name, there)) => bookmark::tell(ctx, name, there),
        None => bookmark::save(ctx, &config.free_name(&link.server.host, &link.user), &bookmark, false),
    }
}

fn link(args: &Join) -> Outcome<InvitationLink> {
    if args.invitation != "-" {
        let text = args.invitation.to_str().ok_or_else(|| Error::new(Kind::Usage, "the invitation is no text"))?;
        return read(text);
    }
    let mut line = Zeroizing::new(String::new());
    let failed = |err| Error::file("standard input", err);
    io::stdin().lock().take(limits::LINE_MAX as u64).read_line(&mut line).map_err(failed)?;
    read(&line)
}

fn read(line: &str) -> Outcome<InvitationLink> {
    let typed = as_printed(line);
    if LinkUrl::is_meant(typed.as_bytes()) {
        let hint = "`sealift get 'URL'` fetches what a link gives; `sealift put FILE 'URL'` sends a file to one that receives files.";
        return Err(Failure::new(Kind::Usage, "this is a link, and no invitation", hint));
    }
    let copied = || "Copy the line that `sealiftd invite` printed, and put it in quotes.".to_owned();
    typed.parse().map_err(|error| Failure::from(error).hinted(Kind::Usage, copied))
}

/// The invitation in the line that `sealiftd invite` printed, which may be handed on as it stands.
fn as_printed(line: &str) -> &str {
    line.trim().trim_start_matches("sealift join ").trim_matches(['\'', '"', ' '])
}
