//! `ping`, `status`, `who`, `shutdown`: about a server as a whole.

use sealift::client::SessionInfo;
use sealift::escape::for_people;
use sealift::table::Table;
use sealift::{Client, Kind};

use crate::args::{Kick, OneServer, Ping, Who};
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::format;
use crate::output::{Event, Object, Output};
use crate::times::{TimeArgs, TimeStyle};

/// Asks for an answer, several times if wanted.
///
/// # Errors
/// As [`Context::with_client`].
pub async fn ping(ctx: &Context, args: &Ping) -> Outcome {
    let login = ctx.login_for(&ctx.target(&args.target)?)?;
    ctx.with_client(&login, async |client| {
        for _ in 0..args.count {
            ping_once(ctx.out, client, &login.server.to_string()).await?;
        }
        Ok(())
    })
    .await
}

/// Asks for one answer.
///
/// # Errors
/// As [`Client::ping`].
pub async fn ping_once(out: Output, client: &mut Client, server: &str) -> Outcome {
    let ping = client.ping().await?;
    let milliseconds = ping.round_trip.as_secs_f64() * 1000.0;
    let object =
        || Object::of(Event::Pong).text("server", server).value("round_trip_ms", milliseconds).ids(Some(ping.ids));
    if !out.json(object)? {
        let (pid, session) = (ping.ids.pid, ping.ids.session);
        out.words(&format!("{server} answered in {milliseconds:.2} ms (pid {pid}, session {session})"))?;
    }
    Ok(())
}

/// Shows the session and the server in figures.
///
/// # Errors
/// As [`Context::with_client`].
pub async fn status(ctx: &Context, args: &OneServer) -> Outcome {
    let login = ctx.login_for(&ctx.target(&args.target)?)?;
    ctx.with_client(&login, async |client| show_status(ctx.out, client).await).await
}

/// Shows over a connection the session and the server in figures.
///
/// # Errors
/// As [`Client::status`].
pub async fn show_status(out: Output, client: &mut Client) -> Outcome {
    let status = client.status().await?;
    let ids = client.last_ids();
    let object = || {
        let object = Object::of(Event::Status).text("user", &status.user).text("access", &status.access);
        let object = object.value("connections", status.connections).value("uptime", status.uptime.as_secs());
        let object = object.text("version", &status.version);
        let object = match &status.users {
            None => object,
            Some(users) => object.text("users", users),
        };
        let object = match &status.node {
            None => object,
            Some(node) => object.text("node", node),
        };
        let object = match &status.place {
            None => object,
            Some(place) => object.text("place", place),
        };
        let object = match &status.storage {
            None => object,
            Some(storage) => object.text("storage", storage),
        };
        let object = match status.storage_for {
            None => object,
            Some(time) => object.value("storage_seconds", time.as_secs()),
        };
        let object = match status.storage_failed {
            None => object,
            Some(failed) => object.value("storage_failed", failed),
        };
        match status.lost {
            None => object,
            Some(lost) => object.value("lost", lost),
        }
        .ids(ids)
    };
    if out.json(object)? {
        return Ok(());
    }
    let shown = |text: &str| for_people(text.as_bytes());
    out.line(format!("       user: {}", shown(&status.user)))?;
    out.line(format!("     access: {}", shown(&status.access)))?;
    if let Some(ids) = ids {
        out.line(format!("    session: {}", ids.session))?;
        out.line(format!("        pid: {}", ids.pid))?;
    }
    if let Some(node) = &status.node {
        let place = match status.place.as_deref() {
            Some("lost") => " (has lost its place among the servers of its folder, and changes nothing)",
            Some("unsure") => " (may not see what the other servers of its folder change)",
            Some(_) | None => "",
        };
        out.line(format!("       node: {}{place}", shown(node)))?;
    }
    out.line(format!("connections: {}", status.connections))?;
    out.line(format!("     uptime: {}", format::duration(status.uptime)))?;
    out.line(format!("    version: {}", shown(&status.version)))?;
    match status.users.as_deref() {
        None => Ok(()),
        Some("outdated") => {
            out.words("      users: outdated (the server cannot use its users file: an older one is in force)")
        }
        Some(users) => out.line(format!("      users: {}", shown(users))),
    }?;
    if let Some(storage) = &status.storage {
        let time = status.storage_for.map(|time| format!(" for {}", format::duration(time))).unwrap_or_default();
        let failed = status.storage_failed.filter(|failed| *failed > 0);
        let failed =
            failed.map(|failed| format!("; {} to it failed", format::count(failed, "request"))).unwrap_or_default();
        out.words(&format!("    storage: {}{time}{failed}", shown(storage)))?;
    }
    if let Some(lost) = status.lost {
        let back = "put the earlier one back if that was not intended";
        out.words(&format!("       lost: {lost} users, by the last change of the users file: {back}"))?;
    }
    Ok(())
}

/// Shows who is connected.
///
/// # Errors
/// As [`Context::with_client`].
pub async fn who(ctx: &Context, args: &Who) -> Outcome {
    let login = ctx.login_for(&ctx.target(&args.target)?)?;
    ctx.with_client(&login, async |client| show_who(ctx.out, client, args.times).await).await
}

/// Shows over a connection who is connected.
///
/// # Errors
/// As [`Client::who`].
pub async fn show_who(out: Output, client: &mut Client, times: TimeArgs) -> Outcome {
    let clock = times.clock(TimeStyle::LongIso, out.stdout_is_terminal());
    let mut sessions = client.who().await?;
    sessions.sort_by_cached_key(|session| (session.since, session.id.to_string()));
    let mut table = Table::new(["SESSION", "USER", "FROM", "SINCE", "DOING"]);
    for session in sessions {
        if !out.json(|| session_object(&session))? {
            let [user, peer, doing] = [&session.user, &session.peer, &session.doing].map(|t| for_people(t.as_bytes()));
            let key = session.key.as_ref().map(|key| format!("  (key {})", for_people(key.as_bytes())));
            let doing = format!("{doing}{}", key.unwrap_or_default());
            table.push([session.id.to_string(), user, peer, clock.show(session.since), doing]);
        }
    }
    Ok(out.table(&table)?)
}

/// What programs are told of a session.
pub fn session_object(session: &SessionInfo) -> Object {
    let object = Object::of(Event::Session).text("session", session.id).text("user", &session.user);
    let object = object.text("peer", &session.peer).text("since", format::rfc3339(session.since));
    let object = session.key.iter().fold(object, |object, key| object.text("key", key));
    let object = object.text("doing", &session.doing);
    session.bytes.iter().fold(object, |object, bytes| object.value("bytes", *bytes))
}

/// Ends sessions.
///
/// # Errors
/// As [`Context::with_client`].
pub async fn kick(ctx: &Context, args: &Kick) -> Outcome {
    let login = ctx.login_for(&ctx.target(&args.target)?)?;
    ctx.with_client(&login, async |client| end_sessions(ctx.out, client, &args.whom).await).await
}

/// Ends sessions over a connection.
///
/// # Errors
/// As [`Client::kick`].
pub async fn end_sessions(out: Output, client: &mut Client, whom: &str) -> Outcome {
    let sessions = client.kick(whom).await.map_err(|error| {
        Failure::from(error).hinted(Kind::NotFound, || "`sealift who HOST` shows who is connected.".to_owned())
    })?;
    let object = || Object::of(Event::Kicked).text("whom", whom).value("sessions", sessions);
    if !out.json(|| object().ids(client.last_ids()))? {
        let what = match sessions {
            0 => "No session is connected; what the user logged in with in browsers is void.".to_owned(),
            1 => "1 session ends.".to_owned(),
            _ => format!("{sessions} sessions end."),
        };
        out.note(&what);
    }
    Ok(())
}

/// Ends a server.
///
/// # Errors
/// As [`Context::with_client`].
pub async fn shutdown(ctx: &Context, args: &OneServer) -> Outcome {
    let login = ctx.login_for(&ctx.target(&args.target)?)?;
    ctx.with_client(&login, async |client| end_server(ctx.out, client).await).await
}

/// Ends a server over a connection.
///
/// # Errors
/// As [`Client::shutdown`].
pub async fn end_server(out: Output, client: &mut Client) -> Outcome {
    client.shutdown().await?;
    if !out.json(|| Object::of(Event::Stopping).ids(client.last_ids()))? {
        out.note("The server ends when running transfers are done.");
    }
    Ok(())
}
