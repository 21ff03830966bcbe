//! `admin top`: who moves how much right now.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use clap::Args;
use console::Term;
use sealift::client::{SessionId, SessionInfo, Status};
use sealift::escape::for_people;
use sealift::{Client, Error, Exit, Kind};

use super::keys::Keys;
use super::screen::{Picture, Row, lines};
use crate::commands::server::session_object;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::interrupt;
use crate::output::{Output, stdout_failed, writes};

/// Show who moves how much, live
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sealift admin top admin@files.example
  sealift admin top --every 3s admin@files.example
  sealift --json admin top admin@files.example

At a terminal it goes on until you press `q` or Ctrl-C. Elsewhere, and with --json, it looks twice and shows once what moved in between.")]
pub struct Top {
    /// The server
    #[arg(value_name = "TARGET")]
    pub target: OsString,
    /// How often it looks, like 2s
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = pause)]
    pub every: Duration,
}

/// Each look is a line of the server's audit.
fn pause(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if (Duration::from_millis(500)..=Duration::from_secs(3600)).contains(&time) => Ok(time),
        Ok(_) => Err("it looks every half second at most, and once an hour at least".to_owned()),
        Err(_) => Err(format!("`{text}` is not a time; write it like 2s")),
    }
}

/// Shows it.
///
/// # Errors
/// As [`Context::with_client`].
pub async fn run(ctx: &Context, args: &Top) -> Outcome {
    let login = ctx.login_for(&ctx.target(&args.target)?)?;
    let server = login.server.to_string();
    ctx.with_client(&login, async |client| {
        match ctx.out.stdout_is_terminal() && !ctx.out.is_json() && !console::is_dumb() {
            true => live(ctx.out, client, &server, args.every).await,
            false => once(ctx.out, client, &server, args.every).await,
        }
    })
    .await
}

/// What was seen at a moment.
struct Look {
    at: Instant,
    sessions: Vec<SessionInfo>,
    status: Status,
}

impl Look {
    async fn take(client: &mut Client) -> Outcome<Look> {
        let (sessions, status) = (client.who().await?, client.status().await?);
        Ok(Look { at: Instant::now(), sessions, status })
    }

    /// What moved since an earlier look, those first who moved most.
    fn since(&self, before: &Look) -> Vec<(&SessionInfo, u64)> {
        let time = self.at.duration_since(before.at).as_secs_f64().max(0.001);
        let then: HashMap<SessionId, u64> =
            before.sessions.iter().map(|session| (session.id, session.bytes.unwrap_or(0))).collect();
        let rate = |session: &SessionInfo| {
            // Who came in between has moved all of it since.
            let moved = session.bytes.unwrap_or(0).saturating_sub(then.get(&session.id).copied().unwrap_or(0));
            (moved as f64 / time) as u64
        };
        let mut rows: Vec<_> = self.sessions.iter().map(|session| (session, rate(session))).collect();
        rows.sort_by(|(a, fast), (b, slow)| {
            slow.cmp(fast).then_with(|| a.user.cmp(&b.user)).then(a.since.cmp(&b.since))
        });
        rows
    }

    /// To be shown. How fast somebody is can be said since an earlier look alone.
    fn picture(&self, before: Option<&Look>, server: &str) -> Picture {
        let now = std::time::SystemTime::now();
        let rows = self.since(before.unwrap_or(self)).into_iter().map(|(session, rate)| {
            let since =
                std::time::UNIX_EPOCH.checked_add(Duration::from_secs(session.since.secs.max(0).unsigned_abs()));
            let [user, peer, doing] =
                [&session.user, &session.peer, &session.doing].map(|text| for_people(text.as_bytes()));
            Row {
                user,
                peer,
                doing,
                rate: before.map(|_| rate),
                bytes: session.bytes.unwrap_or(0),
                age: since.and_then(|since| now.duration_since(since).ok()).unwrap_or_default(),
            }
        });
        Picture {
            server: for_people(server.as_bytes()),
            uptime: self.status.uptime,
            connections: self.status.connections,
            rows: rows.collect(),
        }
    }
}

/// Looks twice.
async fn once(out: Output, client: &mut Client, server: &str, every: Duration) -> Outcome {
    let before = Look::take(client).await?;
    interrupt::pause(every).await;
    if interrupt::is_stopping() {
        return Err(interrupted());
    }
    let now = Look::take(client).await?;
    if !out.is_json() {
        let picture = now.picture(Some(&before), server);
        return Ok(lines(&picture, None).into_iter().try_for_each(|line| out.line(line))?);
    }
    for (session, rate) in now.since(&before) {
        out.json(|| session_object(session).value("bytes", session.bytes.unwrap_or(0)).value("rate", rate))?;
    }
    Ok(())
}

/// Looks again and again.
async fn live(out: Output, client: &mut Client, server: &str, every: Duration) -> Outcome {
    let mut now = Look::take(client).await?;
    let keys = Keys::watch();
    interrupt::only_shows();
    let screen = Screen::open()?;
    let mut before = None;
    loop {
        screen.draw(&now.picture(before.as_ref(), server))?;
        let drawn = Instant::now();
        while drawn.elapsed() < every {
            interrupt::pause(Duration::from_millis(100)).await;
            if interrupt::is_stopping() {
                drop(screen);
                // Whoever looks at it wants to be rid of it: nothing is to be said, whoever of us sees it first.
                return Err(Failure::Shown(Exit::Interrupted));
            }
            if matches!(keys.pressed(), Some(b'q' | b'Q')) {
                drop(screen);
                out.step("that was enough");
                return Ok(());
            }
        }
        before = Some(std::mem::replace(&mut now, Look::take(client).await?));
    }
}

fn interrupted() -> Failure {
    Error::new(Kind::Interrupted, "interrupted").into()
}

/// The other screen of the terminal, until this is dropped: what was there before is there again then.
struct Screen(Term);

impl Screen {
    fn open() -> Outcome<Screen> {
        let screen = Screen(Term::stdout());
        screen.write("\x1b[?1049h\x1b[?25l")?;
        Ok(screen)
    }

    /// Draws all of it, in one write so that nothing flickers.
    fn draw(&self, picture: &Picture) -> Outcome {
        let (height, width) = self.0.size();
        let lines = lines(picture, Some((usize::from(width), usize::from(height))));
        self.write(&format!(
            "\x1b[H{}\x1b[J",
            lines.iter().map(|line| format!("{line}\x1b[K")).collect::<Vec<_>>().join("\n")
        ))
    }

    fn write(&self, text: &str) -> Outcome {
        writes();
        let mut stdout = io::stdout().lock();
        Ok(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(stdout_failed)?)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.write("\x1b[?25h\x1b[?1049l");
    }
}
