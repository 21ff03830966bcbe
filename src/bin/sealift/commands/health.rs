//! `health`: whether a server serves, for programs that watch servers. Nobody logs in.

use std::ffi::OsString;
use std::time::{Instant, SystemTime};

use clap::Args;
use sealift::escape::for_people;
use sealift::{Client, Exit};

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::format;
use crate::login::Login;
use crate::output::{Event, Object, Output};

/// Check that a server serves, without logging in
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sealift health files.example
  sealift --json health --min-days 14 files.example
  sealift --timeout 5s health files.example

It connects once, checks the server's key, reads its greeting and says goodbye: no login, no password, no penalty, no second \
attempt.
Exit codes: 0 it serves, 1 a certificate ends too soon (--min-days), 6 it does not answer, 7 another key, or one that is not known.")]
pub struct Health {
    /// The server
    #[arg(value_name = "TARGET")]
    pub target: OsString,
    /// Fail if a certificate of the server ends in fewer days
    #[arg(long, value_name = "N")]
    pub min_days: Option<i64>,
}

/// When a certificate ends.
struct End {
    at: SystemTime,
    /// Whole days from now; less than none if it has ended.
    days: i64,
}

impl End {
    fn new(at: SystemTime) -> End {
        const DAY: u64 = 24 * 60 * 60;
        let days = |time: u64| i64::try_from(time / DAY).unwrap_or(i64::MAX);
        let days = match at.duration_since(SystemTime::now()) {
            Ok(left) => days(left.as_secs()),
            Err(past) => -1 - days(past.duration().as_secs()),
        };
        End { at, days }
    }

    fn for_people(&self) -> String {
        let day = format::utc(self.at.into());
        let day = day.split(' ').next().unwrap_or_default();
        match u64::try_from(self.days) {
            Err(_) => format!("ended {day}"),
            Ok(days) => format!("ends {day}, in {}", format::count(days, "day")),
        }
    }
}

/// Asks once.
///
/// # Errors
/// As [`Context::dial`]; a certificate that ends too soon.
pub async fn run(ctx: &Context, args: &Health) -> Outcome {
    let login = ctx.login_for(&ctx.target(&args.target)?)?;
    let asked = Instant::now();
    let client = ctx.dial(&login).await?;
    let milliseconds = asked.elapsed().as_secs_f64() * 1000.0;
    let greeted = client.greeted();
    let ends = [greeted.certificate_ends, greeted.web_certificate_ends].map(|end| end.map(End::new));
    let is_soon = |end: &Option<End>| args.min_days.zip(end.as_ref()).is_some_and(|(least, end)| end.days < least);
    let [pinned, web] = ends.each_ref().map(is_soon);
    tell(ctx.out, &client, &login, (milliseconds, &ends, pinned || web))?;
    // An answer to the goodbye: it reads what it is sent, too. Whoever says it is not taken for one who only knocks.
    client.logout().await.map_err(|error| Failure::from(error).about(&login.server.to_string()))?;
    if pinned {
        ctx.out.note(
            "The server's own certificate ends soon: `sealiftd cert renew` there makes a new one over the same key.",
        );
    }
    if web {
        ctx.out.note(
            "The certificate for browsers ends soon: what got it from its authority (certbot, lego) has to renew it. The server \
             takes the new one by itself.",
        );
    }
    if pinned || web { Err(Failure::Shown(Exit::Other)) } else { Ok(()) }
}

fn tell(
    out: Output,
    client: &Client,
    login: &Login,
    (milliseconds, ends, soon): (f64, &[Option<End>; 2], bool),
) -> Outcome {
    let (server, greeted) = (login.server.to_string(), client.greeted());
    let [pinned, web] = ends;
    let object = || {
        let object =
            Object::of(Event::Health).text("server", &server).text("status", if soon { "expiring" } else { "ok" });
        let object = object.value("answered_ms", milliseconds);
        let object = greeted.pid.iter().fold(object, |object, pid| object.value("pid", *pid));
        let object = client.pin().iter().fold(object, |object, pin| object.text("pin", pin));
        let end = |object: Object, (at, days): (&'static str, &'static str), end: &Option<End>| match end {
            None => object,
            Some(end) => object.text(at, format::rfc3339(end.at.into())).value(days, end.days),
        };
        let object = end(object, ("certificate_ends", "certificate_days"), pinned);
        end(object, ("web_certificate_ends", "web_certificate_days"), web)
    };
    if out.json(object)? {
        return Ok(());
    }
    let pid = greeted.pid.map_or(String::new(), |pid| format!(" (pid {pid})"));
    out.line(format!("{} serves: it answered in {milliseconds:.1} ms{pid}", for_people(server.as_bytes())))?;
    if let Some(pin) = client.pin() {
        out.line(format!("        key: {pin}"))?;
    }
    for (what, end) in [("certificate", pinned), ("  browsers'", web)] {
        if let Some(end) = end {
            out.line(format!("{what}: {}", end.for_people()))?;
        }
    }
    Ok(())
}
