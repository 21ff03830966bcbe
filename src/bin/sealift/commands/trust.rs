//! `trust`: the keys of the servers a person trusts.

use std::ffi::OsStr;
use std::sync::Arc;

use sealift::client::{Endpoint, Known, Verification};
use sealift::escape::for_people;
use sealift::sync::Mutex;
use sealift::tls::Pin;
use sealift::{Client, Error, Kind, limits};

use crate::args::{TrustCommand, TrustMode};
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::login::Login;
use crate::output::{Event, Object};
use crate::verify::{known_servers, question, remember, remember_another, system_known_servers};

/// Runs the command.
///
/// # Errors
/// As it is documented.
pub async fn run(ctx: &Context, command: &TrustCommand) -> Outcome {
    match command {
        TrustCommand::Add { server, comment, also } => add(ctx, &login(ctx, server)?, comment.as_deref(), *also).await,
        TrustCommand::List => list(ctx),
        TrustCommand::Remove { server } => remove(ctx, &login(ctx, server)?.server),
    }
}

/// A server, written as in a target; a path after it is no harm.
fn login(ctx: &Context, typed: &OsStr) -> Outcome<Login> {
    ctx.login_for(&ctx.target(typed)?)
}

/// Several pins make several keys right; `also` keeps those that are known already.
async fn add(ctx: &Context, login: &Login, comment: Option<&str>, also: bool) -> Outcome {
    let server = &login.server;
    let pins = match ctx.common.pin.as_slice() {
        [] => vec![confirmed(ctx, login, also).await?],
        pins => pins.to_vec(),
    };
    let known = known_servers()?;
    for (at, pin) in pins.into_iter().enumerate() {
        let comment = comment.map(str::to_owned);
        let added = match also || at > 0 {
            true => remember_another(&known, server, pin, comment, ctx.out),
            false => remember(&known, server, pin, comment, ctx.out),
        };
        added.map_err(|err| is_known(err, server))?;
        ctx.out.json(|| Object::of(Event::Pin).text("server", server).text("pin", pin))?;
    }
    if !ctx.common.pin.is_empty() {
        compare(ctx, login).await?;
    }
    Ok(())
}

/// Says of keys that were given without a look at the server whether one of them is the one that it has. That it is not is no
/// failure: a right pin is right whoever answers for the server just now.
async fn compare(ctx: &Context, login: &Login) -> Outcome {
    let server = &login.server;
    let seen = Arc::new(Mutex::new(None));
    let found = seen.clone();
    let judge = move |pin: &Pin| {
        *found.lock() = Some(*pin);
        // It has been seen: nothing else is wanted of it.
        Err(Error::new(Kind::Untrusted, "only looked at"))
    };
    let mut options = ctx.connect_options(login, Verification::Ask(Box::new(judge)))?;
    options.connect_timeout = options.connect_timeout.min(limits::TRUST_LOOK);
    let looked = Client::connect(server, options).await.map(drop);
    match (*seen.lock(), looked) {
        (Some(pin), _) if known_servers()?.pins(server)?.contains(&pin) => ctx.out.step(&format!("{server} has that key")),
        (Some(pin), _) => ctx.out.warn(&format!(
            "{server} shows another key now, {pin}: the one given may be mistyped (`sealift trust remove {server}` forgets it), or the \
             server is to have it later; otherwise somebody may be intercepting the connection"
        )),
        (None, Ok(())) => {}
        (None, Err(err)) => {
            let why = for_people(err.text().as_bytes());
            ctx.out.note(&format!("Nobody compared it with the server's: {why}"));
        }
    }
    Ok(())
}

fn is_known(err: Error, server: &Endpoint) -> Failure {
    Failure::from(err).hinted(Kind::Exists, || {
        format!(
            "If the key was changed on purpose, run `sealift trust remove {server}` first; --also makes both right. Otherwise somebody may be intercepting the connection."
        )
    })
}

/// Gives whoever could not be asked the command that asks nothing.
fn unanswered(failure: Failure, server: &Endpoint, pin: Option<Pin>) -> Failure {
    let is_unknown = matches!(&failure, Failure::Error { error, .. } if error.text().contains("is not known; its key"));
    match pin.filter(|_| is_unknown) {
        Some(pin) => failure.hinted(Kind::Untrusted, || {
            format!(
                "Compare the pin with the one the server printed; if it is the same, `sealift trust add {server} --pin {pin}` \
                 remembers it."
            )
        }),
        None => failure,
    }
}

/// Connects to see the server's pin, and asks about it unless new servers are to be accepted. Another key than the one that is
/// known is asked about only if both are to be right.
async fn confirmed(ctx: &Context, login: &Login, also: bool) -> Outcome<Pin> {
    let server = &login.server;
    let seen = Arc::new(Mutex::new(None));
    let found = seen.clone();
    let asked = server.clone();
    let accept = ctx.common.trust == Some(TrustMode::AcceptNew);
    let known = known_servers()?.pins(server)?;
    let judge = move |pin: &Pin| {
        *found.lock() = Some(*pin);
        match known.first() {
            _ if known.contains(pin) => Ok(()),
            Some(other) if !also => {
                let text = format!("{asked} is known by another key, {other}; the one it has now is {pin}");
                Err(Error::new(Kind::Exists, text))
            }
            _ if accept => Ok(()),
            other => question(&asked, pin, other),
        }
    };
    let options = ctx.connect_options(login, Verification::Ask(Box::new(judge)))?;
    let connected = Client::connect(server, options).await.map_err(|err| is_known(err, server));
    let pin_seen = *seen.lock();
    drop(connected.map_err(|failure| unanswered(failure, server, pin_seen))?);
    let pin = seen.lock().take();
    Ok(pin.ok_or_else(|| Error::new(Kind::Tls, format!("{server} showed no key")))?)
}

fn list(ctx: &Context) -> Outcome {
    let (own, system) = (known_servers()?, system_known_servers());
    let all = own.all()?;
    // What a person's own file says of a server counts alone.
    let is_own = |known: &Known| all.iter().any(|own| own.server == known.server);
    let vouched: Vec<Known> = system.all()?.into_iter().filter(|known| !is_own(known)).collect();
    for (file, known) in all.iter().map(|known| (&own, known)).chain(vouched.iter().map(|known| (&system, known))) {
        let object = || {
            let object = Object::of(Event::Pin).text("server", &known.server).text("pin", known.pin);
            let object = object.value("after", known.after.map(|pin| pin.to_string()));
            let object = object.value("comment", known.comment.clone());
            object.name("file", file.file().as_os_str().as_encoded_bytes())
        };
        if !ctx.out.json(object)? {
            ctx.out.line(known.to_string())?;
        }
    }
    if all.is_empty() && vouched.is_empty() {
        let file = for_people(own.file().as_os_str().as_encoded_bytes());
        ctx.out.note(&format!("No server is known yet ({file})."));
    }
    Ok(())
}

fn remove(ctx: &Context, server: &Endpoint) -> Outcome {
    let system = system_known_servers();
    let vouched = || system.pins(server).is_ok_and(|pins| !pins.is_empty());
    let removed = match ctx.common.pin.as_slice() {
        [] => known_servers()?.remove(server)?,
        pins => known_servers()?.remove_pins(server, pins)?,
    };
    if removed == 0 {
        let hint = match vouched() {
            true => format!("An administrator of this machine vouches for it in {}.", system.file().display()),
            false => "`sealift trust list` shows those that are.".to_owned(),
        };
        let by = if ctx.common.pin.is_empty() { "" } else { " by that key" };
        return Err(Failure::new(Kind::NotFound, format!("{server} is not known{by}"), hint));
    }
    if !ctx.out.json(|| Object::of(Event::Removed).text("server", server).value("keys", removed as u64))? {
        let keys = if removed == 1 { "the key".to_owned() } else { format!("{removed} keys") };
        ctx.out.note(&format!("Forgot {keys} of {server}."));
        if vouched() {
            ctx.out
                .note(&format!("It is still known from {}.", for_people(system.file().as_os_str().as_encoded_bytes())));
        }
    }
    Ok(())
}
