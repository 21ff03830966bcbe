//! `trust`: the keys of the servers a person trusts.

use std::ffi::OsStr;
use std::sync::{Arc, Mutex, PoisonError};

use sealift::client::{ConnectOptions, Endpoint, Verification};
use sealift::proto::escape::for_people;
use sealift::tls::Pin;
use sealift::{Client, Error, Kind};

use crate::args::{TrustCommand, TrustMode};
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::Object;
use crate::verify::{known_servers, question, remember};

/// Runs the command.
///
/// # Errors
/// As it is documented.
pub async fn run(ctx: &Context, command: &TrustCommand) -> Outcome {
    match command {
        TrustCommand::Add { server, comment } => add(ctx, &endpoint(ctx, server)?, comment.clone()).await,
        TrustCommand::List => list(ctx),
        TrustCommand::Remove { server } => remove(ctx, &endpoint(ctx, server)?),
    }
}

/// A server, written as in a target; a path after it is no harm.
fn endpoint(ctx: &Context, typed: &OsStr) -> Outcome<Endpoint> {
    Ok(ctx.login_for(&ctx.target(typed)?)?.server)
}

async fn add(ctx: &Context, server: &Endpoint, comment: Option<String>) -> Outcome {
    let pin = match ctx.common.pin.as_slice() {
        [] => confirmed(ctx, server).await?,
        [pin] => *pin,
        _ => return Err(Error::new(Kind::Usage, "a server is remembered by one key; give --pin once").into()),
    };
    remember(&known_servers()?, server, pin, comment, ctx.out).map_err(|err| {
        let remove = || format!("If the key was changed on purpose, run `sealift trust remove {server}` first.");
        Failure::from(err).hinted(Kind::Exists, remove)
    })?;
    ctx.out.json(|| Object::new().text("server", server).text("pin", pin))?;
    Ok(())
}

/// Connects to see the server's pin, and asks about it unless new servers are to be accepted.
async fn confirmed(ctx: &Context, server: &Endpoint) -> Outcome<Pin> {
    let seen = Arc::new(Mutex::new(None));
    let found = seen.clone();
    let asked = server.clone();
    let accept = ctx.common.trust == Some(TrustMode::AcceptNew);
    let known = known_servers()?.pins(server)?;
    let judge = move |pin: &Pin| {
        *found.lock().unwrap_or_else(PoisonError::into_inner) = Some(*pin);
        if accept || known.contains(pin) { Ok(()) } else { question(&asked, pin) }
    };
    let mut options = ConnectOptions::new(Verification::Ask(Box::new(judge)));
    if let Some(timeout) = ctx.common.timeout {
        options.connect_timeout = timeout;
        options.io_timeout = timeout;
    }
    drop(Client::connect(server, options).await?);
    let pin = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
    Ok(pin.ok_or_else(|| Error::new(Kind::Tls, format!("{server} showed no key")))?)
}

fn list(ctx: &Context) -> Outcome {
    let servers = known_servers()?;
    let all = servers.all()?;
    for known in &all {
        let object = || {
            let object = Object::new().text("server", &known.server).text("pin", known.pin);
            object.value("comment", known.comment.clone())
        };
        if !ctx.out.json(object)? {
            ctx.out.line(known.to_string())?;
        }
    }
    if all.is_empty() {
        let file = for_people(servers.file().as_os_str().as_encoded_bytes());
        ctx.out.note(&format!("No server is known yet ({file})."));
    }
    Ok(())
}

fn remove(ctx: &Context, server: &Endpoint) -> Outcome {
    if known_servers()?.remove(server)? == 0 {
        let hint = "`sealift trust list` shows those that are.";
        return Err(Failure::new(Kind::NotFound, format!("{server} is not known"), hint));
    }
    if !ctx.out.json(|| Object::new().text("event", "removed").text("server", server))? {
        ctx.out.note(&format!("Forgot the key of {server}."));
    }
    Ok(())
}
