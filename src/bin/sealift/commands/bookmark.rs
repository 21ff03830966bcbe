//! `bookmark`: names for servers.

use std::os::unix::ffi::OsStrExt as _;
use std::path;

use sealift::client::{Bookmark, Settings, Target};
use sealift::escape::for_people;
use sealift::{Error, Kind};

use crate::bookmark_args::{self, Add, BookmarkCommand};
use crate::config::config_file_to_change;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{Event, Object};

/// Runs the command.
///
/// # Errors
/// As it is documented.
pub fn run(ctx: &Context, args: &bookmark_args::Bookmark) -> Outcome {
    match &args.command {
        Some(BookmarkCommand::Add(args)) => add(ctx, args),
        None | Some(BookmarkCommand::List) => list(ctx),
        Some(BookmarkCommand::Remove { name }) => remove(ctx, name),
    }
}

fn add(ctx: &Context, args: &Add) -> Outcome {
    // Of a host, not by the name of another bookmark, which may go.
    let target = Target::parse(args.target.as_bytes())?;
    let common = &ctx.common;
    let absolute = |file: &path::PathBuf| path::absolute(file).map_err(|err| Error::file(file.display(), err));
    let settings = Settings {
        port: target.port.or(common.port),
        pins: common.pin.clone(),
        ca_file: common.ca_file.as_ref().map(absolute).transpose()?,
        retry: common.retry,
        timeout: common.timeout,
        ..Settings::default()
    };
    let bookmark = Bookmark { host: target.host, user: target.user, path: target.path, settings };
    save(ctx, &args.name, &bookmark, args.force)
}

/// Keeps a bookmark and says so.
///
/// # Errors
/// As [`sealift::client::ConfigFile::add`].
pub fn save(ctx: &Context, name: &str, bookmark: &Bookmark, replace: bool) -> Outcome {
    config_file_to_change(&ctx.common)?.add(name, bookmark, replace).map_err(|err| {
        let replace = || "Choose another name, or add --force to replace it.".to_owned();
        Failure::from(err).hinted(Kind::Exists, replace)
    })?;
    tell(ctx, name, bookmark)
}

/// Says what a bookmark is.
///
/// # Errors
/// If stdout cannot be written to.
pub fn tell(ctx: &Context, name: &str, bookmark: &Bookmark) -> Outcome {
    if !ctx.out.json(|| object(name, bookmark))? {
        ctx.out.note(&format!("{name}: is {} now; `sealift ls {name}:` shows what is there.", shown(bookmark)));
    }
    Ok(())
}

fn list(ctx: &Context) -> Outcome {
    let config = ctx.config()?;
    let width = config.names().map(str::len).max().unwrap_or_default() + 1;
    for (name, bookmark) in &config.servers {
        if !ctx.out.json(|| object(name, bookmark))? {
            ctx.out.line(format!("{:width$}  {}", format!("{name}:"), shown(bookmark)))?;
        }
    }
    if config.servers.is_empty() {
        let file = config_file_to_change(&ctx.common)?;
        let file = for_people(file.path().as_os_str().as_bytes());
        ctx.out.note(&format!("There are no bookmarks yet ({file})."));
    }
    Ok(())
}

fn remove(ctx: &Context, name: &str) -> Outcome {
    let name = name.strip_suffix(':').unwrap_or(name);
    config_file_to_change(&ctx.common)?.remove(name).map_err(|err| {
        Failure::from(err).hinted(Kind::NotFound, || "`sealift bookmark list` shows those that are.".to_owned())
    })?;
    if !ctx.out.json(|| Object::of(Event::Removed).text("name", name))? {
        ctx.out.note(&format!("Forgot the bookmark {name}."));
    }
    Ok(())
}

/// What it stands for, escaped.
fn shown(bookmark: &Bookmark) -> String {
    let Bookmark { host, user, path, settings } = bookmark;
    let (host, user, path, port) = (host.clone(), user.clone(), path.clone(), settings.port);
    Target { host, user, port, path, is_folder: true, bookmark: None }.to_string()
}

fn object(name: &str, bookmark: &Bookmark) -> Object {
    let Bookmark { host, user, path, settings } = bookmark;
    let pins: Vec<String> = settings.pins.iter().map(ToString::to_string).collect();
    let object = Object::of(Event::Bookmark).text("name", name).text("host", host).value("port", settings.port);
    object.value("user", user.clone()).name("path", path.as_bytes()).value("pins", pins)
}
