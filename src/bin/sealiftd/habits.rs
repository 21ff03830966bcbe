//! Words that people type from the habit of other programs, and what does that here.

/// Words that are no command, and what does the same in ours: a full sentence.
const COMMANDS: &[(&[&str], &str)] = &[
    (
        &["users", "accounts", "logins"],
        "`sealiftd user list` lists the users, `sealiftd user --help` says what can be done with them.",
    ),
    (
        &["adduser", "useradd", "add", "newuser"],
        "`sealiftd user add NAME` adds a user, `sealiftd invite NAME` invites one.",
    ),
    (
        &["deluser", "userdel", "remove", "delete", "rm", "rmuser"],
        "`sealiftd user remove NAME` removes a user; the files stay.",
    ),
    (
        &["usermod", "moduser", "chage", "set"],
        "`sealiftd user set NAME` changes what a user may: `sealiftd user set --help`.",
    ),
    (
        &["passwd", "password", "chpasswd", "htpasswd", "smbpasswd"],
        "`sealiftd user passwd NAME` gives a user another password; users change their own by `sealift passwd NAME@HOST`.",
    ),
    (
        &["groups", "groupadd", "addgroup"],
        "`sealiftd group add NAME MEMBER…` makes a group, `sealiftd group list` lists them.",
    ),
    (&["groupdel", "delgroup"], "`sealiftd group remove NAME` removes a group."),
    (
        &["folders", "share", "shares", "mount"],
        "`sealiftd folder add NAME --access WHO=RIGHTS` shares a folder, `sealiftd folder list` lists those that are.",
    ),
    (
        &["invites", "invitations"],
        "`sealiftd invite NAME` invites somebody, `sealiftd invite --list` shows what can be used.",
    ),
    (
        &["who", "w", "sessions", "connections", "top", "last"],
        "`sealift who ADMIN@HOST` shows who is connected, `sealift admin top ADMIN@HOST` who moves how much; `sealiftd audit` searches \
         what was recorded (--audit).",
    ),
    (
        &["kick", "ban", "unban"],
        "`sealift admin --help` has what an administrator does to sessions: kick, penalties, unban.",
    ),
    (
        &["status", "health", "info", "ping"],
        "`sealift health HOST` asks the server itself, `sealift status ADMIN@HOST` how it is, `systemctl status sealiftd` the service; \
         `sealiftd check` looks at its files.",
    ),
    (
        &["stop", "quit", "exit", "shutdown", "kill"],
        "Ctrl-C or SIGTERM ends a server (`systemctl stop sealiftd`), and from elsewhere `sealift shutdown ADMIN@HOST`.",
    ),
    (
        &["start", "run", "daemon", "server"],
        "`sealiftd` alone serves; the service is started by `systemctl start sealiftd`.",
    ),
    (
        &["restart", "upgrade", "update"],
        "`systemctl restart sealiftd` starts the service anew; `sealiftd reload` has the files read again, with --binary another program \
         take over (--supervise).",
    ),
    (
        &["log", "logs", "journal"],
        "The log goes to standard error, of the service to `journalctl -u sealiftd`; `sealiftd audit` searches what was recorded \
         (--audit).",
    ),
    (
        &["pin", "key", "keys", "keygen", "fingerprint", "certs", "certificate", "tls"],
        "`sealiftd cert` shows the server's key and certificate, `sealiftd cert pin` its pin; users' keys are `sealiftd user key`.",
    ),
    (&["init", "setup", "install"], "The first start makes all that is missing: `sealiftd`."),
    (&["settings", "options", "env"], "`sealiftd config show` prints the settings, and where each comes from."),
    (
        &["test", "configtest", "doctor", "verify", "lint"],
        "`sealiftd check` looks for what would keep a server from starting.",
    ),
    (&["links", "link"], "Links are their makers': `sealift link list USER@HOST`."),
    (
        &["trash", "restore", "undelete"],
        "`sealift trash list USER@HOST` shows what was deleted, where that is kept (--trash).",
    ),
    (&["version"], "`sealiftd --version` shows it."),
];

/// What does here what this word, behind `user`, does elsewhere, if that is known: a full sentence.
pub fn meant_of_user(word: &str) -> Option<&'static str> {
    Some(match word {
        "rename" => {
            "A user cannot be renamed: `sealiftd user add NEW --home OLD` adds another one for the same folder, `sealiftd user \
             remove OLD` removes the first."
        }
        "disable" | "lock" | "block" | "suspend" | "ban" => {
            "`sealiftd user set NAME --enabled no` keeps a user from logging in, and ends open sessions; the files stay."
        }
        "enable" | "unlock" | "unblock" | "unban" => "`sealiftd user set NAME --enabled yes` lets a user log in again.",
        _ => return None,
    })
}

/// What does here what this word does elsewhere, if that is known: a full sentence.
pub fn meant(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    COMMANDS.iter().find(|(words, _)| words.contains(&word.as_str())).map(|(_, hint)| *hint)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::args::Cli;

    #[test]
    fn no_word_is_there_twice_or_is_a_command_and_what_is_named_is_one() {
        let definition = Cli::command();
        let mut words: Vec<&str> = COMMANDS.iter().flat_map(|(words, _)| words.iter().copied()).collect();
        for word in &words {
            assert!(definition.find_subcommand(word).is_none(), "{word}");
        }
        let count = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), count);
        for (_, hint) in COMMANDS {
            assert!(hint.ends_with('.'), "{hint}");
            for typed in hint.split('`').filter_map(|typed| typed.strip_prefix("sealiftd ")) {
                let mut words =
                    typed.split(' ').take_while(|word| word.starts_with(|first: char| first.is_ascii_lowercase()));
                let named = words.try_fold(&definition, |command, word| command.find_subcommand(word));
                assert!(named.is_some(), "{typed}");
            }
        }
    }
}
