//! Every command that a verb can carry a path in, made from the table of verbs: a new verb does not compile without a
//! line here.

use sealift::proto::Verb;

use super::raw::{Answer, RawClient, part_bytes, upload_bytes};

/// The bytes an UPLOAD or PART of [`Ask::send`] carries.
pub const PAYLOAD: &[u8] = b"payload of an upload";

/// A command, ready to be sent.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The verb.
    pub verb: Verb,
    /// The line, without its ending.
    pub line: String,
}

impl Ask {
    /// The bytes on the wire: an UPLOAD or PART with its frames, and its trailer if it has one.
    pub fn bytes(&self) -> Vec<u8> {
        match self.verb {
            Verb::Upload => upload_bytes(self.line.strip_prefix("UPLOAD ").unwrap(), PAYLOAD),
            Verb::Part => part_bytes(self.line.strip_prefix("PART ").unwrap(), PAYLOAD),
            _ => format!("{}\r\n", self.line).into_bytes(),
        }
    }

    /// Sends it and reads up to its final reply; also the data that came before that, if any did. What was staged is
    /// given up again: there can be only so many.
    pub fn send(&self, client: &mut RawClient) -> (Answer, Vec<u8>) {
        client.send(self.bytes());
        let outcome = self.outcome(client);
        give_up_staged(client, &outcome.0);
        outcome
    }

    /// Reads up to the final reply of this command, which was sent before.
    pub fn outcome(&self, client: &mut RawClient) -> (Answer, Vec<u8>) {
        let mut data = Vec::new();
        loop {
            let answer = client.reply();
            match answer.0 {
                150 => data = client.frames().unwrap_or_default(),
                100..200 => {}
                _ => return (answer, data),
            }
        }
    }
}

/// Gives up what this answer says was staged, if it says so.
pub fn give_up_staged(client: &mut RawClient, answer: &Answer) {
    if answer.1 == "staged" {
        assert_eq!(client.ask(format!("DISCARD {}", answer.2["id"])).1, "done");
    }
}

/// Every way to put this path, as it is on the wire, into a command of this verb. `good` is a path that nothing is
/// wrong with, for the other place of a verb that has two. Empty for a verb without paths.
pub fn asks_of(verb: Verb, path: &str, good: &str) -> Vec<Ask> {
    let arguments: Vec<String> = match verb {
        Verb::Help
        | Verb::User
        | Verb::Pass
        | Verb::Key
        | Verb::Token
        | Verb::Join
        | Verb::Passwd
        | Verb::Nonce
        | Verb::Keys
        | Verb::Enrol
        | Verb::Revoke
        | Verb::Redeem
        | Verb::Links
        | Verb::Unlink
        | Verb::Visit
        | Verb::Part
        | Verb::Commit
        | Verb::Discard
        | Verb::Ping
        | Verb::Status
        | Verb::Who
        | Verb::Kick
        | Verb::Penalties
        | Verb::Unban
        | Verb::Reload
        | Verb::Shutdown
        | Verb::Logout => Vec::new(),
        Verb::List => vec![path.to_owned(), format!("{path} recursive=yes")],
        Verb::Stat => vec![path.to_owned(), format!("{path} usage=yes")],
        Verb::Accept => vec![path.to_owned()],
        Verb::Hash => ["", " length=1", " recorded=yes", " growing=yes", " partial=yes"]
            .map(|options| format!("{path}{options}"))
            .to_vec(),
        Verb::Download => vec![path.to_owned(), format!("{path} offset=1 length=1")],
        Verb::Upload => vec![path.to_owned(), format!("{path} if=absent"), format!("{path} size={}", PAYLOAD.len())],
        Verb::Stage => {
            let nothing = sealift::files::Hash::of(b"");
            [" size=20", " size=0 if=absent", &format!(" size=20 offset=0 prefix={nothing}")]
                .map(|options| format!("{path}{options}"))
                .to_vec()
        }
        Verb::Chmod => vec![format!("{path} mode=644"), format!("{path} mode=666 perms=yes")],
        Verb::Link | Verb::Trash => vec![path.to_owned()],
        Verb::Restore => vec![
            format!("{path} id=0000000000000000-0000000000000000"),
            format!("{good} id=0000000000000000-0000000000000000 to={path}"),
        ],
        Verb::Purge => vec![path.to_owned(), format!("{path} id=0000000000000000-0000000000000000")],
        Verb::Delete => vec![path.to_owned(), format!("{path} recursive=yes")],
        Verb::Mkdir => vec![path.to_owned(), format!("{path} parents=yes")],
        Verb::Rename | Verb::Copy => vec![
            format!("{path} {good}"),
            format!("{good} {path}"),
            format!("{path} {good} replace=yes"),
            format!("{good} {path} replace=yes"),
        ],
    };
    arguments.into_iter().map(|rest| Ask { verb, line: format!("{} {rest}", verb.name()) }).collect()
}

/// [`asks_of`] every verb.
pub fn all_asks(path: &str, good: &str) -> Vec<Ask> {
    Verb::ALL.iter().flat_map(|verb| asks_of(*verb, path, good)).collect()
}
