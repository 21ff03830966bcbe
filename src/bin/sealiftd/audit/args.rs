//! The command line of `sealiftd audit`.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Args;
use clap::builder::PossibleValuesParser;
use sealift::server::Action;

pub const EXAMPLES: &str = "\
Examples:
  sealiftd audit --file audit/audit.jsonl --path docs/report.txt --since 7d
      Who has read, changed or deleted this file in the last seven days.
  sealiftd audit --path docs --action delete
      Who has deleted it, something in it, or a folder that it was in, in the audit that `audit` of sealiftd.toml names.
  sealiftd audit --file audit/audit.jsonl --user bob --event change --since 2026-11-24
  sealiftd audit --event refused
      Logins that were refused.
  zcat audit/*.gz | sealiftd audit --file - --json --since 1h
      Files that were moved away and compressed, as their original lines.

A path is written as its user sees it, or as it is on the server: below the data folder, as in alice/docs, or from the \
root for a shared folder elsewhere. It is also found if a folder that it was in was renamed, deleted or restored.
Events: start, stop, login, refused, logout, transfer, change, look, account, admin, request, talk, rot, lost, left-out.
Actions: upload, download, delete, rename, make-folder, copy, restore, purge, list, and others that `action` of the lines says.";

/// The events there are.
const EVENTS: [&str; 15] = [
    "start", "stop", "login", "refused", "logout", "transfer", "change", "look", "account", "admin", "request", "talk",
    "rot", "lost", "left-out",
];

/// What to look for, and where.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// The audit; may be given more than once, for rotated files. `-` reads standard input
    /// [default: what the server's settings say as `audit`]
    #[arg(id = "audit", long = "file", value_name = "FILE", env = "SEALIFT_AUDIT", hide_env_values = true)]
    pub files: Vec<PathBuf>,
    /// Only what was about this path, or about something below it
    #[arg(long, value_name = "PATH")]
    pub path: Option<String>,
    /// Only what this user did
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// Only this session
    #[arg(long, value_name = "ID")]
    pub session: Option<String>,
    /// Only events of this name; may be given more than once
    #[arg(long = "event", value_name = "EVENT", value_parser = parse_event)]
    pub events: Vec<String>,
    /// Only what was done so, such as delete or upload; may be given more than once
    #[arg(
        long = "action",
        value_name = "ACTION",
        value_parser = PossibleValuesParser::new(Action::ALL.map(Action::word)),
        hide_possible_values = true
    )]
    pub actions: Vec<String>,
    /// Only what failed or was refused
    #[arg(long)]
    pub failed: bool,
    /// Only what happened after this: 7d, 12h, a date (UTC), or a time such as 2026-11-24T10:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub since: Option<SystemTime>,
    /// Only what happened before this
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub until: Option<SystemTime>,
    /// Write the lines as they are, one JSON object each
    #[arg(long)]
    pub json: bool,
}

fn parse_event(text: &str) -> Result<String, String> {
    if EVENTS.contains(&text) {
        return Ok(text.to_owned());
    }
    match Action::ALL.iter().any(|action| action.word() == text) {
        true => Err(format!("that is an action: write --action {text}")),
        false => Err(format!("there are these: {}", EVENTS.join(", "))),
    }
}

fn parse_time(text: &str) -> Result<SystemTime, String> {
    let ago = |time: Duration| SystemTime::now().checked_sub(time);
    let by_length = humantime::parse_duration(text).ok().and_then(ago);
    let by_name =
        || humantime::parse_rfc3339_weak(text).or_else(|_| humantime::parse_rfc3339_weak(&format!("{text} 00:00:00")));
    by_length.or_else(|| by_name().ok()).ok_or_else(|| {
        "write how long ago, such as 7d or 12h, or a date or time in UTC, such as 2026-11-24 or 2026-11-24T10:00:00Z".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_help_names_every_event() {
        assert!(EXAMPLES.contains(&format!("Events: {}.\n", EVENTS.join(", "))));
        let named = EXAMPLES.split_once("Actions: ").unwrap().1.split_once(", and others").unwrap().0;
        for action in named.split(", ") {
            assert!(Action::ALL.iter().any(|known| known.word() == action), "{action}");
        }
    }

    #[test]
    fn an_action_is_not_taken_for_an_event() {
        assert_eq!(parse_event("change"), Ok("change".to_owned()));
        assert_eq!(parse_event("delete"), Err("that is an action: write --action delete".to_owned()));
        assert!(parse_event("deletion").unwrap_err().contains("refused"));
    }

    #[test]
    fn a_time_is_a_length_a_date_or_a_time() {
        let at = |text| parse_time(text).unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        assert_eq!(at("2001-09-09"), 999_993_600);
        assert_eq!(at("2001-09-09T01:46:40Z"), 1_000_000_000);
        assert!(at("7d") < at("1h"));
        assert!(["", "tuesday", "2001-13-01", "7"].iter().all(|text| parse_time(text).is_err()));
    }
}
