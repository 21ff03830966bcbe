//! `sealiftd check`: what about files, users and limits would keep a server from starting, or should not be left so.
//! It looks and leaves everything as it was; what the file system of the data folder does is tried with hidden files.

mod disk;
mod files;
mod findings;
mod listening;
mod resources;
mod room;
#[cfg(feature = "s3")]
mod store;
mod users;
mod ways;

use std::path::Path;
use std::process::ExitCode;

use sealift::Exit;
use sealift::auth::{Users, UsersFile};

use self::findings::{Findings, Severity};
use crate::apart::Apart;
use crate::args::{CheckArgs, Places};
use crate::failure::Failure;
use crate::output::{say, tell};
use crate::settings::Settings;
use crate::{begun_anew, ground, hooks, logging, process};

/// Says what it finds, and ends with 0 (a server would start, and be safe) or 1.
///
/// # Errors
/// None of what it finds: those are findings. An account that there is not, or that only root could become.
pub fn run(places: &Places, args: &CheckArgs, settings: Option<&Settings>) -> Result<ExitCode, Failure> {
    let mut findings = Findings::default();
    // Ports below 1024 are root's, who gives itself up behind that.
    ways::addresses(places, &args.serve, &mut findings);
    // The server's account sees what the server will see.
    match process::account_to_assume(args.serve.user.as_deref())? {
        Some(account) => account.assume()?,
        None if process::is_root() => {
            let next = "--user NAME looks as the account that the server runs under";
            findings.add(Severity::Note, "this looks as root, whom no mode keeps out", next);
        }
        None => {}
    }
    let apart = Apart::new(places, &args.serve);
    for found in apart.in_data().into_iter().chain(apart.misplaced_port_file()) {
        findings.add_misplaced(found);
    }
    room::look(places, args.serve.audit_file(), &mut findings);
    files::look(places, args.serve.port_file.as_deref(), &mut findings);
    disk::look(places, args.serve.durability.into(), args.serve.nodes.shared, &mut findings);
    #[cfg(feature = "s3")]
    store::look(places, args, &mut findings);
    ways::look(places, &args.serve, &mut findings);
    let log = logging::prove_filter(args.serve.log_level.as_deref());
    for failure in log.err().into_iter().chain(args.serve.nodes.name().err()) {
        findings.add(Severity::Error, failure.text(), failure.next_step());
    }
    let mut refused = |key: &str, value: &Path, failure: &Failure| {
        let place = Settings::place(settings, key, value);
        findings.add(Severity::Error, format!("{place}{}", failure.text()), failure.next_step());
    };
    if let Some(audit) = args.serve.audit_file()
        && let Err(failure) = ground::prove_apart(audit, places)
    {
        refused("audit", audit, &failure);
    }
    for root in &args.serve.roots {
        if let Err(failure) = apart.refuse_root(root) {
            refused("roots", root, &failure);
        }
    }
    let changed = hooks::changed_by_server(places, &args.serve);
    for program in &args.serve.hooks.on_upload {
        if let Some(why) = hooks::obstacle(program, &changed) {
            let place = Settings::place(settings, "on_upload", program);
            findings.add(Severity::Error, format!("{place}on_upload: {}: {why}", program.display()), hooks::NEXT);
        }
    }
    let has_data = args.serve.store.store.is_none();
    if let Err(failure) = begun_anew::refuse(places, has_data) {
        findings.add(Severity::Error, failure.text(), failure.next_step());
    }
    if has_data && begun_anew::is_data_empty(places) {
        let what = format!("{} is empty, though a server has run here", places.data.display());
        findings.add(Severity::Warning, what, "see whether its disk is mounted");
    }
    users::as_served(places, &mut findings);
    match places.users.symlink_metadata() {
        // Said above.
        Err(err) if err.kind() == std::io::ErrorKind::NotFound && begun_anew::has_run(places) => {}
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => findings.add(
            Severity::Note,
            format!("{} is not there", places.users.display()),
            "the first start makes it, with anonymous reading",
        ),
        _ => match Users::load(&places.users) {
            Ok(users) => {
                if let Some(found) = apart.misplaced_folder(&users) {
                    findings.add_misplaced(found);
                }
                let homes = users.iter().map(|user| user.grants().home.as_str()).chain(users.anonymous_home());
                ways::others(places, &args.serve, homes, &mut findings);
                users::look(places, &users, &mut findings);
                resources::look(&args.serve.limits, &users, &mut findings);
            }
            Err(_) => {
                for error in UsersFile::new(&places.users).mistakes() {
                    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
                    let has_place = error.text().split(':').any(is_number);
                    let next = if has_place { "mend it at the place named" } else { "put back the one of before" };
                    findings.add(Severity::Error, error.text(), next);
                }
            }
        },
    }
    match args.json {
        true => say(&findings.as_json()),
        false => tell(&findings.as_text()),
    }
    // A server starts in spite of warnings, and so does what is run behind a check.
    let bad = if args.strict { Severity::Warning } else { Severity::Error };
    Ok(if findings.worst() < Some(bad) { ExitCode::SUCCESS } else { ExitCode::from(Exit::Other as u8) })
}
