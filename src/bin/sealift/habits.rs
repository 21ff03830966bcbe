//! What people type by habit who come from sftp, rsync, scp, rclone and curl, and what does the same here.

/// Commands of other programs, and what does the same here.
pub const COMMANDS: &[(&[&str], &str)] = &[
    (
        &["sync", "rsync"],
        "`sealift mirror SOURCE DESTINATION` makes one folder the same as another; with --delete it also removes what is not in SOURCE.",
    ),
    (
        &["copy", "scp", "copyto"],
        "`sealift get HOST/file .` fetches, `sealift put file HOST/` sends; -r takes folders, and `sealift mirror` moves only what \
         changed.",
    ),
    (&["mget"], "`sealift get 'HOST/*.txt' folder/` fetches everything that matches."),
    (&["mput"], "`sealift put *.txt HOST/folder/` sends everything that matches."),
    (
        &["cd", "lcd", "pwd", "lpwd", "lls"],
        "Each command names its path, as in `sealift ls HOST/folder`; `sealift shell HOST` has folders to be in.",
    ),
    (&["rmdir"], "`sealift rm HOST/folder` removes an empty folder, and with -r one with everything in it."),
    (&["curl", "wget"], "`sealift get HOST/file` fetches, `sealift put FILE HOST/folder/` sends."),
    (&["version"], "`sealift --version` shows it."),
    (&["whoami", "id"], "`sealift status HOST` shows who you are there and what you may do."),
    (&["quota", "free"], "`sealift df HOST` shows your quota, and how much room is left."),
    (
        &["undelete", "undo", "restore"],
        "`sealift trash restore HOST/file` brings back what was deleted, where the server keeps that.",
    ),
    (&["reload"], "`sealift admin reload ADMIN@HOST` has the server read its files again."),
    (&["top"], "`sealift admin top ADMIN@HOST` shows who moves how much."),
    (
        &["unban", "penalties"],
        "`sealift admin penalties ADMIN@HOST` shows who is held back, `sealift admin unban` lets them in.",
    ),
    (&["invite"], "Invitations are made where the server runs: `sealiftd invite NAME`."),
    (
        &["share", "publish"],
        "`sealift link HOST/file` makes a link that anybody can open. A folder for several users is made where the server runs: \
         `sealiftd folder add`.",
    ),
    (&["ssh", "telnet"], "`sealift HOST` opens a shell for the files there; programs of the server cannot be run."),
    (
        &[
            "user", "users", "useradd", "adduser", "usermod", "userdel", "deluser", "group", "groups", "folder",
            "folders",
        ],
        "Users, groups and shared folders are kept where the server runs: `sealiftd user`, `sealiftd group`, `sealiftd folder`.",
    ),
    (
        &["explain", "check", "audit", "cert", "config", "scrub", "serve", "start", "restart"],
        "That is done where the server runs: `sealiftd --help` shows how.",
    ),
    (&["stop"], "`sealift shutdown ADMIN@HOST` ends a server when running transfers are done."),
    (
        &["head", "tail", "less", "more", "view"],
        "`sealift cat HOST/file` writes a file to standard output, for another program: `sealift cat HOST/file | less`.",
    ),
    (
        &["diff", "cmp", "compare"],
        "`sealift mirror -n SOURCE DESTINATION` shows in which files two folders differ, with --checksum by every byte.",
    ),
    (
        &["vi", "vim", "nano", "edit"],
        "`sealift get HOST/file .` fetches it, and `sealift put FILE HOST/folder/` sends it back.",
    ),
    (&["exit", "quit", "bye"], "Nothing stays open here; a shell that `sealift HOST` opened is left by `exit`."),
    (
        &["mount", "umount", "sshfs"],
        "WebDAV mounts a folder of the server, as `gio mount davs://alice@HOST:4456/~alice/` does.",
    ),
    (&["touch"], "`printf '' | sealift put - HOST/name` makes an empty file."),
    (
        &["chmod", "chown", "ln"],
        "Modes, owners and links cannot be changed from here; the server's administrator can change them.",
    ),
];

/// Words of other programs' shells, and what does the same in ours. Those of [`COMMANDS`] are for a command line.
pub const SHELL_COMMANDS: &[(&[&str], &str)] = &[
    (&["pass", "password"], "`login USER` asks for the password; it is never part of the line."),
    (
        &["passwd", "key", "join", "bookmark", "trust", "admin", "health"],
        "That is not part of a session: `!sealift --help` shows the commands outside of the shell.",
    ),
    (&["invite"], "Invitations are made where the server runs: `sealiftd invite NAME`."),
    (
        &["undelete", "undo", "restore"],
        "`trash restore NAME` brings back what was deleted, where the server keeps that.",
    ),
    (&["reget"], "`get -c NAME` resumes a file that was cut off."),
    (&["reput"], "`put -c NAME` resumes a file that was cut off."),
    (&["chmod", "chown", "chgrp", "umask", "ln", "symlink"], "Modes, owners and links cannot be changed from here."),
    (
        &["sync", "rsync"],
        "`mirror SOURCE DESTINATION` makes a local folder like one on the server; with -R the other way round.",
    ),
    (&["rmdir"], "`rm FOLDER` removes an empty folder, and with -r one with everything in it."),
    (&["mdelete", "mrm"], "`rm *.tmp` removes everything that matches."),
    (&["ll"], "`ls -l` shows type, size and time too."),
    (&["ldir"], "`lls` lists a local folder."),
    (&["lrm", "lmv", "lcat", "lcp"], "`!rm FILE` and the like run a program of this machine."),
    (&["close", "disconnect"], "`exit` logs out and ends; `open HOST` goes to another server."),
    (
        &["ascii", "binary", "bin", "passive", "prompt", "hash", "verbose", "progress"],
        "There is nothing to set: all bytes arrive as they are, and nothing asks.",
    ),
    (&["clear", "cls"], "Ctrl-L clears the screen."),
    (&["history"], "The arrow keys and Ctrl-R find earlier commands."),
    (&["touch"], "`!touch NAME` makes an empty file on this machine, `put NAME` sends it."),
    (&["version"], "`status` shows the server's, `!sealift --version` that of this program."),
    (&["whoami", "id"], "`status` shows who you are there and what you may do."),
    (&["quota", "free"], "`df` shows your quota, and how much room is left."),
    (&["vi", "vim", "nano", "edit"], "`get` the file, `!vi` it, and `put` it back."),
];

/// Options of other programs, with the commands of ours that they are about (of all, if none is named).
pub const OPTIONS: &[(&[&str], &[&str], &str)] = &[
    (&["-u"], &["get", "put", "mirror"], "--update moves only what is newer."),
    (&["-c"], &["mirror"], "--checksum compares the bytes of files; what was cut off is resumed anyway."),
    (&["-L", "--copy-links", "--dereference"], &["put", "mirror"], "--links follow moves what links lead to."),
    (
        &["-L", "--copy-links", "--dereference"],
        &["get"],
        "Files that links on the server lead to are fetched anyway; with --links follow folders are, too.",
    ),
    (&["-l"], &["put"], "A server stores no links: --links follow sends what they lead to. A rate is --limit-rate 5M."),
    (
        &["-l"],
        &["mirror"],
        "--links keep makes links like those of a server, which stores none that are sent: --links follow sends what they lead to. A \
         rate is --limit-rate 5M.",
    ),
    (&["-l"], &["get"], "--links keep makes links like those of the server. A rate is --limit-rate 5M."),
    (&["--bwlimit", "--limit", "--max-rate"], &[], "--limit-rate 5M moves at most that much a second."),
    (
        &["--del", "--delete-before", "--delete-during", "--delete-delay", "--delete-after", "--delete-excluded"],
        &["mirror"],
        "--delete removes what is not in SOURCE, at the end, if all else succeeded. What is left out by --exclude is never removed.",
    ),
    (
        &["--delete", "--del", "--delete-before", "--delete-after", "--delete-excluded"],
        &["get", "put"],
        "`sealift mirror --delete SOURCE DESTINATION` removes what is not in SOURCE.",
    ),
    (
        &["--partial", "--append", "--append-verify", "--inplace", "--partial-dir"],
        &["mirror"],
        "What was cut off is kept and resumed anyway, and every file appears whole.",
    ),
    (
        &["--partial", "--append", "--append-verify", "--inplace", "--partial-dir"],
        &["get", "put"],
        "What was cut off is kept; -c resumes it. Every file appears whole.",
    ),
    (&["--ignore-existing"], &["get", "put"], "--if-exists skip leaves alone what is there."),
    (&["--size-only", "--ignore-times", "-I"], &["mirror"], "--checksum compares the bytes of files of the same size."),
    (
        &["--info", "--stats", "-i", "--itemize-changes"],
        &["get", "put", "mirror"],
        "-v shows each step, -n what would be done.",
    ),
    (
        &["-e", "--rsh"],
        &["get", "put", "mirror"],
        "There is no ssh in between: the port is part of the target, HOST:4456/path.",
    ),
    (
        &[
            "-o",
            "-g",
            "-H",
            "-A",
            "-X",
            "--owner",
            "--group",
            "--acls",
            "--xattrs",
            "--hard-links",
            "--chmod",
            "--chown",
        ],
        &["put", "mirror"],
        "Owners, ACLs and hard links are not kept; --perms keeps who may read, write and run.",
    ),
    (
        &["--remove-source-files"],
        &["get", "put", "mirror"],
        "Nothing is removed at the source; `sealift rm` and `rm` do that.",
    ),
    (
        &["-b", "--backup"],
        &["get", "put", "mirror"],
        "What is replaced is kept only by a server that has a trash, which `sealift trash list HOST` shows; --if-exists skip leaves it \
         alone.",
    ),
    (
        &["-p"],
        &["get", "put"],
        "Times are kept anyway. The port is --port 4456, -P 4456, or part of the target: HOST:4456/path.",
    ),
    (&["-p"], &[], "The port is --port 4456, -P 4456, or part of the target: HOST:4456/path."),
    (&["-l", "--long"], &["list"], "A list says all that is known of each anyway."),
    (&["-u", "-l", "--user", "--username", "--login"], &[], "The user goes before the host: alice@HOST/path."),
    (
        &["--password", "--pass", "--passwd"],
        &[],
        "A password is never given on a command line. Leave it out to be asked for it, or use --password-file or --password-stdin.",
    ),
    (&["-k", "--block-size"], &["du", "df"], "Sizes are shown in readable units; `sealift du --bytes` shows bytes."),
    (
        &["-k", "--insecure", "--no-check-certificate", "--no-verify"],
        &[],
        "Servers are always checked. --pin names the right key, `sealift trust add HOST` remembers it.",
    ),
    (
        &["-a", "--archive"],
        &["get", "put", "mirror"],
        "-r takes folders (`mirror` always does); times are kept anyway.",
    ),
    (&["-C", "--continue-at"], &["get", "put"], "-c resumes what was cut off. Nothing is compressed on the way."),
    (&["-z", "-C", "--compress"], &["get", "put", "mirror", "cat"], "Nothing is compressed on the way."),
    (&["-T", "--upload-file"], &[], "`sealift put FILE HOST/folder/` sends a file."),
    (&["-t", "--times"], &["get", "put", "mirror"], "Times are kept anyway."),
    (
        &["-o"],
        &["get", "cat"],
        "Name the destination last: `sealift get HOST/file NAME`, with `-` for standard output.",
    ),
    (
        &["-O", "--output"],
        &["get", "cat"],
        "Name the destination last: `sealift get HOST/file NAME`, with `-` for standard output.",
    ),
    (
        &["-f", "--force"],
        &["get", "put"],
        "What is there is replaced anyway; --if-exists skip or fail leaves it alone.",
    ),
    (&["-n", "--no-clobber"], &["get", "put"], "--if-exists skip leaves alone what is there."),
    (&["-h"], &["get", "put", "mirror"], "--help shows how it is written."),
];
