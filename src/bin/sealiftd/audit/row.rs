//! One line of an audit: what it says, whether it is looked for, and how a person reads it.

use std::fmt::Write as _;
use std::time::SystemTime;

use sealift::escape::for_people;
use sealift::files::RelPath;
use sealift::proto::percent::decode;
use sealift::readable::size;
use serde_json::{Map, Value};

use super::args::AuditArgs;
use super::sieve::Sieve;
use crate::failure::Failure;
use crate::output::counted;

/// The actions that take with a folder all that is in it.
pub const TAKES_ALL: [&str; 6] = ["delete", "rename", "supersede", "copy", "restore", "purge"];

/// Whether an event came to nothing that had this outcome.
pub fn failed(event: Option<&str>, outcome: Option<&str>) -> bool {
    match event {
        Some("refused" | "request" | "rot" | "lost" | "left-out") => true,
        Some("logout") => outcome.is_some(),
        _ => !matches!(outcome, None | Some("done" | "created" | "replaced" | "same")),
    }
}

/// A line that was understood.
pub struct Row {
    at: SystemTime,
    fields: Map<String, Value>,
}

/// What is looked for.
pub struct Wanted<'a> {
    args: &'a AuditArgs,
    path: Option<RelPath>,
}

impl<'a> Wanted<'a> {
    /// By these arguments.
    ///
    /// # Errors
    /// A path that is none.
    pub fn new(args: &'a AuditArgs) -> Result<Wanted<'a>, Failure> {
        let parse = |path: &str| RelPath::parse(path.trim_matches('/').as_bytes());
        let path = args.path.as_deref().map(parse).transpose().map_err(|error| Failure::usage(error.text()))?;
        Ok(Wanted { args, path })
    }

    /// What may be passed over without being parsed.
    pub fn sieve(&self) -> Sieve<'_> {
        Sieve::new(self.args, self.path.as_ref().map(RelPath::as_bytes))
    }

    /// Whether this is.
    pub fn has(&self, row: &Row) -> bool {
        let AuditArgs { user, session, events, actions, failed, since, until, .. } = self.args;
        let is = |key, asked: &Option<String>| asked.as_deref().is_none_or(|asked| row.text(key) == Some(asked));
        is("user", user)
            && is("session", session)
            && (events.is_empty() || events.iter().any(|event| row.text("event") == Some(event)))
            && (actions.is_empty() || actions.iter().any(|action| row.text("action") == Some(action)))
            && (!failed || row.failed())
            && since.is_none_or(|since| since <= row.at)
            && until.is_none_or(|until| row.at < until)
            && self.path.as_ref().is_none_or(|path| row.concerns(path))
    }
}

impl Row {
    /// None for what is no line of an audit.
    pub fn parse(line: &[u8]) -> Option<Row> {
        let fields: Map<String, Value> = serde_json::from_slice(line).ok()?;
        let at = humantime::parse_rfc3339(fields.get("time")?.as_str()?).ok()?;
        fields.get("event")?.as_str()?;
        Some(Row { at, fields })
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.fields.get(key)?.as_str()
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.fields.get(key)?.as_u64()
    }

    /// A path's exact bytes.
    fn path(&self, key: &str) -> Option<RelPath> {
        let bytes = match self.text(&format!("{key}_encoded")) {
            Some(encoded) => decode(encoded.as_bytes()).ok()?.into_owned(),
            None => self.text(key)?.as_bytes().to_vec(),
        };
        // A shared folder elsewhere on the machine has a path from its root.
        RelPath::parse(bytes.strip_prefix(b"/").unwrap_or(&bytes)).ok()
    }

    /// Where on the server that was: in the home of whom it was, unless it was in a shared folder.
    fn places(&self) -> impl Iterator<Item = RelPath> {
        let place = |key: &str, place: &str| {
            if self.text(place).is_some() {
                return self.path(place);
            }
            RelPath::parse(self.text("home")?.as_bytes()).ok()?.join(self.path(key)?.as_bytes()).ok()
        };
        [place("path", "place"), place("to", "place_to")].into_iter().flatten()
    }

    /// Whether it came to nothing.
    fn failed(&self) -> bool {
        failed(self.text("event"), self.text("outcome"))
    }

    /// Whether something was done to this path, to what is below it, or to a folder that it went away or came back with.
    fn concerns(&self, path: &RelPath) -> bool {
        let takes_all = self.text("action").is_some_and(|action| TAKES_ALL.contains(&action));
        let told = ["path", "to"].into_iter().filter_map(|key| self.path(key));
        told.chain(self.places()).any(|at| {
            at.strip_prefix(path).is_some() || (takes_all && !at.is_root() && path.strip_prefix(&at).is_some())
        })
    }

    /// One line.
    pub fn for_people(&self) -> String {
        let shown = |text: &str| for_people(text.as_bytes());
        let mut line = format!("{}  ", sealift::readable::rfc3339(self.at));
        let user = self.text("user").map_or_else(|| "-".to_owned(), shown);
        let _ = write!(
            line,
            "{user:<12}  {:<10}",
            shown(self.text("verb").or_else(|| self.text("event")).unwrap_or_default())
        );
        for (key, before) in [("path", " "), ("to", " -> ")] {
            if let Some(path) = self.path(key) {
                let path = if path.is_root() { "/".to_owned() } else { path.to_string() };
                let _ = write!(line, "{before}{path}");
            }
        }
        for (key, place) in [("place", "place"), ("place_to", "place")] {
            if let Some(path) = self.path(key) {
                let _ = write!(line, " [{place} {path}]");
            }
        }
        self.text("url").iter().for_each(|url| {
            let _ = write!(line, " {}", shown(url));
        });
        self.text("about").iter().for_each(|about| {
            let _ = write!(line, " {}", shown(about));
        });
        let mut facts: Vec<String> = self.text("outcome").map(shown).into_iter().collect();
        facts.extend(self.number("bytes").filter(|bytes| *bytes > 0).map(size));
        facts.extend(self.number("files").map(|files| counted(files, "file")));
        facts.extend(self.number("folders").map(|folders| counted(folders, "folder")));
        let what = if self.text("event") == Some("left-out") { "not written" } else { "found no room" };
        facts.extend(self.number("lines").map(|lines| format!("{} {what}", counted(lines, "line"))));
        facts.extend(self.text("with").map(|with| format!("by {}", shown(with))));
        facts.extend(self.text("key").map(shown));
        facts.extend(self.text("why").map(shown));
        facts.extend(self.text("protocol").map(shown));
        facts.extend(self.text("peer").map(|peer| format!("from {}", shown(peer))));
        facts.extend(self.text("from").map(|from| format!("from {}", shown(from))));
        facts.extend(self.text("session").map(|session| format!("session {}", shown(session))));
        if !facts.is_empty() {
            let _ = write!(line, "  ({})", facts.join(", "));
        }
        line.push('\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    const DELETED: &str = r#"{"time":"2026-11-24T10:00:01.500Z","event":"change","user":"bob","peer":"192.0.2.1:5","session":"7b430352ecddde17","protocol":"sealift/1","action":"delete","verb":"DELETE","home":"team","path":"docs","outcome":"done","bytes":0,"ms":3}"#;

    fn found(line: &str, args: &str) -> bool {
        let words = format!("sealiftd audit --file - {args}");
        let Some(Command::Audit(args)) = Cli::try_parse_from(words.split_whitespace()).unwrap().command else {
            panic!("another command")
        };
        Wanted::new(&args).unwrap().has(&Row::parse(line.as_bytes()).unwrap())
    }

    #[test]
    fn who_deleted_a_folder_deleted_what_was_in_it() {
        for action in ["restore", "purge", "rename", "supersede", "copy"] {
            assert!(found(&DELETED.replace("delete", action), "--path docs/x"), "{action}");
        }
        assert!(found(DELETED, "--action delete") && found(DELETED, "--action delete --action upload"));
        assert!(!found(DELETED, "--action upload"));
        assert!(found(DELETED, "--path docs/x/y --since 2026-11-24 --until 2026-11-25 --user bob --event change"));
        assert!(found(DELETED, "--path /docs"));
        for other in
            ["--path docs2", "--path other/docs", "--user alice", "--event look", "--failed", "--until 2026-11-24"]
        {
            assert!(!found(DELETED, other), "{other}");
        }
        let read = DELETED.replace("delete", "list");
        assert!(found(&read, "--path docs") && !found(&read, "--path docs/x"));
    }

    #[test]
    fn a_path_is_found_as_its_user_has_it_and_as_it_lies_on_the_server() {
        assert!(
            found(DELETED, "--path team/docs") && found(DELETED, "--path team") && !found(DELETED, "--path team/other")
        );
        let shared = DELETED.replace("\"path\":\"docs\"", "\"path\":\"in/docs\",\"place\":\"inbox/docs\"");
        for asked in ["in/docs", "inbox/docs", "inbox/docs/x", "/inbox"] {
            assert!(found(&shared, &format!("--path {asked}")), "{asked}");
        }
        assert!(!found(&shared, "--path team/in/docs"), "it is not in the home");
        let elsewhere = DELETED.replace("\"path\":\"docs\"", "\"path\":\"in/docs\",\"place\":\"/srv/inbox/docs\"");
        assert!(
            found(&elsewhere, "--path /srv/inbox")
                && Row::parse(elsewhere.as_bytes()).unwrap().for_people().contains("[place srv/inbox/docs]")
        );
    }

    #[test]
    fn a_line_is_shown_with_what_a_person_asks_first() {
        let shown = Row::parse(DELETED.as_bytes()).unwrap().for_people();
        assert_eq!(
            shown,
            "2026-11-24T10:00:01Z  bob           DELETE     docs  (done, sealift/1, from 192.0.2.1:5, session 7b430352ecddde17)\n"
        );
        let counted = DELETED.replace("\"ms\":3", "\"files\":1,\"folders\":2,\"ms\":3");
        assert!(Row::parse(counted.as_bytes()).unwrap().for_people().contains("(done, 1 file, 2 folders, "));
        let odd = DELETED.replace("\"docs\"", "\"a\\ufffd\\u009b31m\",\"path_encoded\":\"a%FF%C2%9B31m\"");
        assert!(Row::parse(odd.as_bytes()).unwrap().for_people().contains(r"a\xff\u{9b}31m  (done"));
    }

    #[test]
    fn what_is_no_line_of_an_audit_is_none() {
        for line in
            ["", "{", "[]", "{\"time\":\"yesterday\",\"event\":\"login\"}", "{\"time\":\"2026-11-24T10:00:01Z\"}"]
        {
            assert!(Row::parse(line.as_bytes()).is_none(), "{line}");
        }
    }
}
