//! Words that people type from the habit of other programs, and what does that here.

use sealift::auth::UsersFile;
use sealift::escape::for_people;

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
        "`sealiftd folder add NAME --path DIR --access WHO=RIGHTS` shares a folder, `sealiftd folder list` lists those that are.",
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
    (
        &["list", "ls", "show"],
        "`sealiftd user list` lists the users, `sealiftd group list` the groups, `sealiftd folder list` the shared folders.",
    ),
    (&["lock", "disable", "suspend", "block", "deactivate"], KEPT_OUT),
    (&["unlock", "enable", "unblock", "activate"], LET_IN),
];

const KEPT_OUT: &str =
    "`sealiftd user set NAME --enabled no` keeps a user out and ends open sessions; files, password and keys stay.";
const LET_IN: &str = "`sealiftd user set NAME --enabled yes` lets a user in again.";

/// Words that are no command behind one that has others of its own, and what does the same in ours: a full sentence.
const BELOW: &[(&str, &[&str], &str)] = &[
    ("user", &["lock", "disable", "suspend", "block", "deactivate", "ban"], KEPT_OUT),
    ("user", &["unlock", "enable", "unblock", "activate", "unban"], LET_IN),
    ("user", &["invite"], "`sealiftd invite NAME` invites somebody."),
    (
        "user",
        &["rename"],
        "A user cannot be renamed: `sealiftd user add NEW --home OLD` adds another one for the same folder, `sealiftd user remove OLD` \
         removes the first.",
    ),
    (
        "user",
        &["chpasswd", "setpassword", "set-password", "reset", "reset-password", "pass", "passwords"],
        "`sealiftd user passwd NAME` gives a user another password.",
    ),
    (
        "user",
        &["quota", "access", "rights", "perms", "role", "limit", "expire", "chage", "rule", "rules", "admin", "home"],
        "`sealiftd user set NAME` changes what a user may, and `sealiftd user set --help` says what that is; `sealiftd user show NAME` \
         shows it.",
    ),
    (
        "user",
        &["group", "groups"],
        "`sealiftd user set NAME --groups LIST` says which groups a user is a member of; `sealiftd group list` lists them.",
    ),
    (
        "user",
        &["kick", "logout", "sessions", "who"],
        "`sealift who ADMIN@HOST` shows who is connected, `sealift admin --help` has what ends a session.",
    ),
    (
        "group",
        &["join", "adduser", "add-user", "add-member", "addmember", "put"],
        "`sealiftd group set NAME --add MEMBER` puts somebody into a group.",
    ),
    (
        "group",
        &["leave", "deluser", "remove-user", "remove-member", "removemember", "take"],
        "`sealiftd group set NAME --remove MEMBER` takes somebody out of a group.",
    ),
    ("group", &["members", "users"], "`sealiftd group show NAME` shows who is in a group."),
    (
        "folder",
        &["share", "grant", "allow", "give", "access", "chmod"],
        "`sealiftd folder add NAME --access WHO=RIGHTS` shares a folder, `sealiftd folder set NAME --access WHO=RIGHTS` gives one that is \
         shared to somebody else, too.",
    ),
    (
        "folder",
        &["revoke", "deny", "ungrant", "take"],
        "`sealiftd folder set NAME --without WHO` takes it from somebody; --access WHO=none says that somebody has nothing there.",
    ),
    ("folder", &["unshare"], "`sealiftd folder remove NAME` shares it no more; what is in it stays."),
];

/// Rights as other programs call them, and what they are here.
const RIGHTS: &[(&[&str], &str)] = &[
    (&["rw", "write", "readwrite", "read-write", "rwx", "w", "all", "everything", "owner", "modify", "any"], "full"),
    (&["r", "ro", "readonly", "read-only", "view", "viewer"], "read"),
    (&["wo", "write-only", "writeonly", "upload-only", "put", "create", "add"], "upload"),
    (&["get", "fetch"], "download"),
    (&["ls", "see"], "list"),
    (&["rm", "remove"], "delete"),
    (&["mv", "move"], "rename"),
    (&["replace"], "overwrite"),
    (&["share", "links"], "link"),
    (&["no", "nothing", "deny"], "none"),
];

/// Names of people in general, which are nobody's here.
const EVERYBODY: &[&str] =
    &["all", "any", "anybody", "anyone", "everybody", "everyone", "guest", "guests", "public", "users", "world"];

/// What does here what this word does elsewhere, if that is known: a full sentence.
pub fn meant(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    COMMANDS.iter().find(|(words, _)| words.contains(&word.as_str())).map(|(_, hint)| *hint)
}

/// What does here what this word does elsewhere behind this command, if that is known: a full sentence.
pub fn meant_below(command: &str, word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    BELOW.iter().find(|(above, words, _)| *above == command && words.contains(&word.as_str())).map(|(.., hint)| *hint)
}

/// What a right is called here that is called so elsewhere, if that is known.
pub fn right(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    RIGHTS.iter().find(|(words, _)| words.contains(&word.as_str())).map(|(_, right)| *right)
}

/// How people in general are named here, if this word is meant to: a full sentence.
pub fn everybody(word: &str) -> Option<&'static str> {
    EVERYBODY.contains(&word.to_ascii_lowercase().as_str()).then_some(
        "'*', in quotes, is everybody who has a login; anonymous is everybody, also without one. A group is written with @ before its name.",
    )
}

/// How a group of this name is written where a user is looked for, if there is one: a full sentence.
pub fn group(file: &UsersFile, name: &str) -> Option<String> {
    let users = file.list().ok()?;
    users.shares().group(name)?;
    let name = for_people(name.as_bytes());
    Some(format!("{name} is a group, and a group is written with @ before its name: @{name}."))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use sealift::auth::Access;

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
        for (command, words, _) in BELOW {
            let command = definition.find_subcommand(command).unwrap();
            for word in *words {
                assert!(command.find_subcommand(word).is_none(), "{word}");
                let hints =
                    BELOW.iter().filter(|(above, words, _)| *above == command.get_name() && words.contains(word));
                assert_eq!(hints.count(), 1, "{word}");
            }
        }
        for (words, right) in RIGHTS {
            assert!(
                right.parse::<Access>().is_ok() && words.iter().all(|word| word.parse::<Access>().is_err()),
                "{right}"
            );
        }
        let hints = COMMANDS.iter().map(|(_, hint)| hint).chain(BELOW.iter().map(|(.., hint)| hint));
        for hint in hints {
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
