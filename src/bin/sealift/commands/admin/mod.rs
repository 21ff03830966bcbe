//! `admin`: what administrators ask of a server.

mod keys;
mod screen;
pub mod top;

use std::ffi::OsString;
use std::net::IpAddr;

use clap::{Args, Subcommand};
use sealift::Kind;
use sealift::escape::for_people;

use self::top::Top;
use super::server;
use crate::args::{Kick, OneServer, Who};
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::format;
use crate::output::{Event, Object};

/// Look after a server as its administrator
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sealift admin top admin@files.example
  sealift admin penalties admin@files.example
  sealift admin unban admin@files.example 192.0.2.7
  sealift admin reload admin@files.example

All of these need a user with `admin = true`, and are recorded in the server's audit. `who`, `kick` and `shutdown` are commands of their \
own, too.")]
pub struct Admin {
    #[command(subcommand)]
    pub command: AdminCommand,
}

#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Show who is connected, and what they are doing
    Who(Who),
    Top(Top),
    /// End a session, or all sessions of a user
    Kick(Kick),
    /// Show the addresses that are held back, and for how long
    Penalties(OneServer),
    /// Stop holding an address back
    Unban(Unban),
    /// Have the server read users, settings and certificates again, as SIGHUP does
    Reload(OneServer),
    /// Stop the server when running transfers are done
    Shutdown(OneServer),
}

// A comment and not documentation: the command has its own words.
#[derive(Debug, Args)]
pub struct Unban {
    /// The server
    #[arg(value_name = "TARGET")]
    pub target: OsString,
    /// The address, as `admin penalties` shows it
    #[arg(value_name = "ADDRESS", value_parser = address)]
    pub address: IpAddr,
}

/// An address; the network that an IPv6 address is held back with stands for it.
fn address(text: &str) -> Result<IpAddr, String> {
    let parsed = match text.strip_suffix("/64") {
        Some(network) => network.parse().ok().filter(IpAddr::is_ipv6),
        None => text.parse().ok(),
    };
    parsed.ok_or_else(|| "write an IP address, such as 192.0.2.7, or 2001:db8::7".to_owned())
}

/// Runs the command.
///
/// # Errors
/// As [`Context::with_client`] and those of the server.
pub async fn run(ctx: &Context, args: &Admin) -> Outcome {
    match &args.command {
        AdminCommand::Who(args) => server::who(ctx, args).await,
        AdminCommand::Top(args) => top::run(ctx, args).await,
        AdminCommand::Kick(args) => server::kick(ctx, args).await,
        AdminCommand::Penalties(args) => penalties(ctx, args).await,
        AdminCommand::Unban(args) => unban(ctx, args).await,
        AdminCommand::Reload(args) => reload(ctx, args).await,
        AdminCommand::Shutdown(args) => server::shutdown(ctx, args).await,
    }
}

async fn penalties(ctx: &Context, args: &OneServer) -> Outcome {
    let login = ctx.login_for(&ctx.target(&args.target)?)?;
    ctx.with_client(&login, async |client| {
        let penalties = client.penalties().await?;
        for penalty in &penalties.listed {
            let object = || {
                let object = Object::of(Event::Penalty).text("address", &penalty.address);
                object.value("seconds", penalty.left.as_secs())
            };
            if !ctx.out.json(object)? {
                let address = for_people(penalty.address.as_bytes());
                ctx.out.line(format!("{address:<26}  {}", format::duration(penalty.left)))?;
            }
        }
        let more = penalties.all.saturating_sub(penalties.listed.len() as u64);
        match penalties.all {
            0 => ctx.out.note("Nobody is held back."),
            _ if more > 0 => ctx.out.note(&format!("and {more} more, for a shorter time")),
            _ => {}
        }
        Ok(())
    })
    .await
}

async fn unban(ctx: &Context, args: &Unban) -> Outcome {
    let login = ctx.login_for(&ctx.target(&args.target)?)?;
    ctx.with_client(&login, async |client| {
        let lifted = client.unban(args.address).await.map_err(|error| {
            Failure::from(error)
                .hinted(Kind::NotFound, || "`sealift admin penalties HOST` shows who is held back.".to_owned())
        })?;
        let object = || {
            let object = Object::of(Event::Unbanned).text("address", &lifted.address);
            object.value("seconds", lifted.left.as_secs()).ids(client.last_ids())
        };
        if !ctx.out.json(object)? {
            let address = for_people(lifted.address.as_bytes());
            ctx.out.note(&format!("{address} may connect again, {} early.", format::duration(lifted.left)));
        }
        Ok(())
    })
    .await
}

async fn reload(ctx: &Context, args: &OneServer) -> Outcome {
    let login = ctx.login_for(&ctx.target(&args.target)?)?;
    let read = ctx.with_client(&login, async |client| Ok(client.reload().await?)).await?;
    for part in &read {
        let object = || {
            let object = Object::of(Event::Reloaded).text("what", &part.what).text("outcome", &part.outcome);
            if part.text.is_empty() { object } else { object.text("text", &part.text) }
        };
        if ctx.out.json(object)? {
            continue;
        }
        let [what, outcome, text] = [&part.what, &part.outcome, &part.text].map(|text| for_people(text.as_bytes()));
        let says = match part.outcome.as_str() {
            "current" => "as it is there".to_owned(),
            "changed" => "counts from now on, for new connections".to_owned(),
            "restart" => "takes a restart to count".to_owned(),
            "failed" => "cannot be used; what counted before stays".to_owned(),
            _ => outcome,
        };
        let text = if text.is_empty() { text } else { format!(": {text}") };
        ctx.out.words(&format!("{what:<12} {says}{text}"))?;
    }
    if read.iter().any(|part| part.outcome == "failed") {
        let text = "the server cannot use all that it has read";
        return Err(Failure::new(
            Kind::BadConfig,
            text,
            "Mend what is named above on the server; it looks again by itself.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_as_it_is_shown() {
        assert_eq!(address("192.0.2.7"), Ok(IpAddr::from([192, 0, 2, 7])));
        assert_eq!(address("2001:db8::/64").unwrap().to_string(), "2001:db8::");
        for odd in ["", "192.0.2.0/24", "192.0.2.7/64", "010.0.0.1", "fe80::1%eth0", "localhost", "1", "2001:db8::/48"]
        {
            assert!(address(odd).is_err(), "{odd}");
        }
    }
}
