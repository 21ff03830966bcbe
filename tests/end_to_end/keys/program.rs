//! `sealift` and `sealiftd` with the keys of ssh, by file and by a real agent.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

use super::openssh::{keygen, openssh, public};
use crate::common::{COPIES, Daemon, eventually, text};

/// Somebody with a home of their own, and a server.
pub struct Scene {
    pub daemon: Daemon,
    pub home: TempDir,
}

impl Scene {
    pub fn new() -> Scene {
        let home = TempDir::new().unwrap();
        std::fs::create_dir(home.path().join(".ssh")).unwrap();
        Scene { daemon: Daemon::start(), home }
    }

    pub fn sealiftd(&self, args: &[&str]) {
        let done = self.daemon.command(args).output().unwrap();
        assert!(done.status.success(), "{}", text(&done.stderr));
    }

    /// Runs the client without a terminal; `agent` is its socket.
    pub fn sealift(&self, args: &[&str], agent: Option<&Path>) -> Output {
        self.command(args, agent).output().unwrap()
    }

    fn command(&self, args: &[&str], agent: Option<&Path>) -> Command {
        let mut command = Command::new("setsid");
        command.args(["-w", env!("CARGO_BIN_EXE_sealift"), "--pin", self.daemon.pin(), "--port"]);
        command.arg(self.daemon.port().to_string()).args(args).current_dir(self.home.path());
        command
            .env_clear()
            .env(COPIES.0, COPIES.1)
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.home.path());
        command.envs(agent.map(|socket| ("SSH_AUTH_SOCK", socket)));
        command.stdin(Stdio::null());
        command
    }

    pub fn ls(&self, before: &[&str], agent: Option<&Path>) -> Option<i32> {
        let done = self.sealift(&[before, &["ls", "alice@127.0.0.1/"]].concat(), agent);
        done.status.code()
    }
}

/// An `ssh-agent` of this test alone.
pub struct RealAgent(Child);

impl RealAgent {
    pub fn start(socket: &Path) -> RealAgent {
        RealAgent::trusting(socket, &[])
    }

    /// With options of its own, such as which tokens' libraries it may load.
    fn trusting(socket: &Path, options: &[&str]) -> RealAgent {
        let mut command = Command::new("ssh-agent");
        command.args(options).arg("-D").arg("-a").arg(socket).stdout(Stdio::null());
        let agent = RealAgent(command.spawn().unwrap());
        // It has its name before anybody listens on it.
        eventually("the agent listens", || UnixStream::connect(socket).is_ok());
        agent
    }
}

impl Drop for RealAgent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn add(socket: &Path, key: &Path) {
    let mut command = Command::new("ssh-add");
    command.arg("-q").arg(key).env("SSH_AUTH_SOCK", socket);
    assert!(command.status().unwrap().success());
}

#[test]
fn a_key_of_ssh_logs_in_unasked_and_by_name_and_an_agent_signs_for_it() {
    let scene = Scene::new();
    let place = TempDir::new().unwrap();
    let (key, other) = (keygen(place.path(), &["ed25519"], ""), keygen(place.path(), &["ecdsa", "-b", "256"], ""));
    let file = |path: &Path| path.to_str().unwrap().to_owned();
    scene.sealiftd(&["user", "add", "alice", "--key", &format!("{}.pub", file(&key))]);
    assert_eq!(scene.ls(&[], None), Some(4), "no key is known");
    assert_eq!(scene.ls(&["-i", &file(&other)], None), Some(4), "another key");
    assert_eq!(scene.ls(&["-i", &file(&key)], None), Some(0));
    assert_eq!(scene.ls(&["-i", &file(&other), "-i", &file(&key)], None), Some(0), "one of them");
    // Which one that was the server says.
    let fingerprint = |key: &Path| {
        let out = Command::new("ssh-keygen").arg("-lf").arg(key).output().unwrap();
        text(&out.stdout).split(' ').nth(1).unwrap().to_owned()
    };
    let told = |args: &[&str], agent: Option<&Path>| {
        text(&scene.sealift(&[&["-v"], args, &["ls", "alice@127.0.0.1/"]].concat(), agent).stderr)
    };
    let by = format!("logged in as alice by the key alice@laptop ({}, ", fingerprint(&key));
    let said = told(&["-i", &file(&other), "-i", &file(&key)], None);
    assert!(said.contains(&format!("{by}{}): ", file(&key))), "{said}");

    let unasked = scene.home.path().join(".ssh/id_ed25519");
    std::fs::rename(&key, &unasked).unwrap();
    assert_eq!(scene.ls(&[], None), Some(0), "the usual place");
    let socket = place.path().join("agent");
    let _agent = RealAgent::start(&socket);
    add(&socket, &other);
    add(&socket, &unasked);
    std::fs::remove_file(&unasked).unwrap();
    assert_eq!(scene.ls(&[], Some(&socket)), Some(0), "the agent, unasked");
    let said = told(&[], Some(&socket));
    assert!(said.contains(&format!("{by}of the agent): ")), "{said}");
    assert_eq!(scene.ls(&["-i", &format!("{}.pub", file(&key))], Some(&socket)), Some(0), "a key in the agent by name");
    assert_eq!(scene.ls(&["-i", &format!("{}.pub", file(&other))], Some(&socket)), Some(4), "no other one then");
    let log = scene.daemon.log_with(&["key=\"alice@laptop\"", "login refused"]);
    assert_eq!(log.matches("login refused").count(), 2, "however many keys an agent has, it is one attempt: {log}");
    scene.sealiftd(&["user", "key", "remove", "alice", "alice@laptop"]);
    assert_eq!(scene.ls(&[], Some(&socket)), Some(4));
}

#[test]
fn a_password_that_was_given_goes_before_keys_that_were_not_named_and_behind_those_that_were() {
    let scene = Scene::new();
    let key = keygen(&scene.home.path().join(".ssh"), &["ed25519"], "");
    std::fs::rename(&key, scene.home.path().join(".ssh/id_ed25519")).unwrap();
    scene.daemon.add_user("alice", "right horse", "full");
    std::fs::write(scene.home.path().join("pw"), "right horse\n").unwrap();
    assert_eq!(scene.ls(&["--password-file", "pw"], None), Some(0));
    assert!(!scene.daemon.log().contains("login refused"), "no key was tried");
    assert_eq!(scene.ls(&["--password-file", "pw", "-i", ".ssh/id_ed25519"], None), Some(0), "the password helps");
    eventually("the key was tried", || scene.daemon.log().contains("login refused"));
}

#[test]
fn an_encrypted_key_without_a_terminal_and_one_that_does_not_log_in_are_said_plainly() {
    let scene = Scene::new();
    let place = TempDir::new().unwrap();
    let encrypted = keygen(place.path(), &["ed25519"], "open sesame");
    let rsa = keygen(place.path(), &["rsa", "-b", "1024"], "");
    scene.sealiftd(&["user", "add", "alice", "--key", &public(&encrypted)]);
    for (key, what) in [(&encrypted, "is encrypted"), (&rsa, "RSA keys of fewer than 2048 bits do not log in")] {
        let done = scene.sealift(&["-i", key.to_str().unwrap(), "ls", "alice@127.0.0.1/"], None);
        assert_eq!(done.status.code(), Some(4));
        assert!(text(&done.stderr).contains(what), "{}", text(&done.stderr));
    }
    let done = scene.daemon.command(&["user", "add", "bob", "--key", &public(&rsa)]).output().unwrap();
    assert!(!done.status.success() && text(&done.stderr).contains("RSA keys of fewer than 2048 bits"));
}

#[test]
fn a_key_that_sealift_makes_logs_in_when_the_server_knows_its_line() {
    let scene = Scene::new();
    let made = scene.sealift(&["key", "new", "--name", "alice@desk"], None);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let line = text(&made.stdout).trim().to_owned();
    assert!(line.starts_with("ssh-ed25519 ") && line.ends_with(" alice@desk"), "{line}");
    assert_eq!(text(&scene.sealift(&["key", "list"], None).stdout).trim(), line);
    scene.sealiftd(&["user", "add", "alice", "--key", &line]);
    assert_eq!(scene.ls(&[], None), Some(0));
    assert_eq!(scene.sealift(&["key", "new"], None).status.code(), Some(11), "it never replaces one");
    let (listed, _) = openssh("ssh-keygen", &["-l", "-f", "/dev/stdin"], line.as_bytes());
    assert!(listed);
}

#[test]
fn an_administrator_sees_all_keys_and_what_each_may_do() {
    let scene = Scene::new();
    scene.daemon.add_user("alice", "correct horse", "full");
    let dir = TempDir::new().unwrap();
    let line = public(&keygen(dir.path(), &["ed25519"], ""));
    scene.sealiftd(&["user", "key", "add", "alice", line.trim()]);
    std::fs::write(scene.home.path().join("pw"), "correct horse\n").unwrap();
    let done = scene.sealift(&["login", "--name", "laptop", "--password-file", "pw", "alice@127.0.0.1"], None);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let shown = |args: &[&str]| {
        let output = scene.daemon.command(args).output().unwrap();
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    let (code, listed) = shown(&["user", "key", "list", "alice"]);
    assert!(
        code == Some(0) && listed.contains("laptop") && listed.contains("enrolled") && listed.contains("users file")
    );
    assert_eq!(shown(&["user", "key", "list", "alice", "--json"]).1.lines().count(), 2);
    let (code, told) = shown(&["user", "key", "remove", "alice", "laptop"]);
    assert!(code == Some(3) && told.contains("sealift key remove"), "{told}");
    // What a key is bounded to is what its sessions may do.
    let users = scene.daemon.place().join("users.toml");
    let text_of_users = std::fs::read_to_string(&users).unwrap();
    let bounded = |bounds: &str| {
        let given = format!("{{ key = \"{}\", name = \"given\"{bounds} }}", line.trim());
        std::fs::write(&users, text_of_users.replace(&format!("\"{}\"", line.trim()), &given)).unwrap();
    };
    bounded(", access = \"read\"");
    let explain = |key: &str| shown(&["explain", "alice", "UPLOAD", "x", "--key", key]);
    let (code, told) = explain("given");
    assert!(code == Some(5) && told.contains("key given of [users.alice]") && told.contains("only read"), "{told}");
    let (code, told) = explain("laptop");
    assert!(code == Some(0) && told.contains("That is of the key laptop"), "{told}");
    assert_eq!(explain("nothing").0, Some(3));
    bounded(", expires = 2020-01-31");
    assert!(explain("given").1.contains("has expired"));
    let (_, told) = shown(&["check"]);
    assert!(told.contains("the key given of alice has expired"), "{told}");
    // One key, two users; a record that cannot be read.
    scene.sealiftd(&["user", "add", "bob", "--key", line.trim()]);
    std::fs::write(scene.daemon.place().join("server_state/users/alice.toml"), "half").unwrap();
    let (code, told) = shown(&["check"]);
    assert!(
        code == Some(1) && told.contains("logs in as alice and bob") && told.contains("alice.toml: is not whole"),
        "{told}"
    );
}

/// OpenSSH's token of software, which its own tests use: the helper that talks to tokens loads it as it does any other.
const TOKEN: &str = "/usr/lib/openssh/regress/misc/sk-dummy/sk-dummy.so";

#[test]
fn keys_of_a_token_log_in_through_opensshs_helper_by_file_and_by_agent() {
    assert!(Path::new(TOKEN).exists(), "{TOKEN} is missing: it is in Debian's package openssh-tests");
    let scene = Scene::new();
    let place = TempDir::new().unwrap();
    for (user, kind) in [("alice", "ed25519-sk"), ("bob", "ecdsa-sk")] {
        let key = place.path().join(kind);
        let mut made = Command::new("ssh-keygen");
        made.args(["-q", "-N", "", "-C", "token", "-t", kind, "-f"]).arg(&key).env("SSH_SK_PROVIDER", TOKEN);
        assert!(made.status().unwrap().success(), "{kind}");
        scene.sealiftd(&["user", "add", user, "--key", &format!("{}.pub", key.display())]);
        let target = format!("{user}@127.0.0.1/");
        let by_file = |provider: &str| {
            let mut command = scene.command(&["-i", key.to_str().unwrap(), "ls", &target], None);
            command.env("SSH_SK_PROVIDER", provider).output().unwrap()
        };
        let done = by_file(TOKEN);
        assert!(done.status.success(), "{kind}: {}", text(&done.stderr));
        assert!(text(&done.stderr).contains("user presence"), "{}", text(&done.stderr));
        assert_eq!(by_file("/nonexistent").status.code(), Some(4), "without its token");

        let socket = place.path().join(format!("{kind}.socket"));
        let _agent = RealAgent::trusting(&socket, &["-P", TOKEN]);
        let mut added = Command::new("ssh-add");
        added.args(["-q", "-S", TOKEN]).arg(&key).env("SSH_AUTH_SOCK", &socket);
        assert!(added.status().unwrap().success());
        let done = scene.sealift(&["ls", &target], Some(&socket));
        assert!(done.status.success(), "{kind} by agent: {}", text(&done.stderr));
    }
}

/// As an administrator moves people here from sftp: with the file that has let them in so far.
#[test]
fn all_keys_of_an_authorized_keys_file_log_in_with_what_bounds_them() {
    let scene = Scene::new();
    let place = TempDir::new().unwrap();
    let made: Vec<_> = ["laptop", "desk", "elsewhere", "robot"]
        .map(|name| {
            let folder = place.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            keygen(&folder, &["ed25519"], "")
        })
        .into();
    let [laptop, desk, elsewhere, robot] = made.as_slice() else { panic!() };
    let rsa = keygen(place.path(), &["rsa", "-b", "1024"], "");
    let line = |key: &Path| std::fs::read_to_string(format!("{}.pub", key.display())).unwrap();
    let file = place.path().join("authorized_keys");
    let text_of_file = format!(
        "# hers\n{}\nno-pty,no-port-forwarding {}from=\"192.0.2.0/24\" {}command=\"/usr/bin/backup\" {}{}",
        line(laptop),
        line(desk),
        line(elsewhere),
        line(robot),
        line(&rsa)
    );
    std::fs::write(&file, text_of_file).unwrap();
    let done = scene.daemon.command(&["user", "add", "alice", "--key", file.to_str().unwrap()]).output().unwrap();
    let said = text(&done.stderr);
    assert!(done.status.success(), "{said}");
    assert!(said.contains("authorized_keys:6: this key was not taken: its command="), "{said}");
    assert!(said.contains("authorized_keys:7: this key was not taken: RSA keys of fewer than 2048 bits"), "{said}");
    let logs_in = |key: &Path| scene.ls(&["-i", key.to_str().unwrap()], None);
    assert_eq!([laptop, desk, elsewhere, robot].map(|key| logs_in(key)), [Some(0), Some(0), Some(4), Some(4)]);

    // What is there already is no obstacle, unless nothing is new.
    let add = || scene.daemon.command(&["user", "key", "add", "alice", file.to_str().unwrap()]).output().unwrap();
    assert_eq!(add().status.code(), Some(11), "{}", text(&add().stderr));
    std::fs::write(&file, line(desk) + &line(robot)).unwrap();
    let done = add();
    assert!(done.status.success() && text(&done.stdout).starts_with("The key "), "{}", text(&done.stderr));
    assert_eq!(logs_in(robot), Some(0));
    let listed = text(&scene.daemon.command(&["user", "key", "list", "alice"]).output().unwrap().stdout);
    assert_eq!(listed.lines().count(), 4, "{listed}");
    assert!(listed.contains("only from 192.0.2.0/24"), "{listed}");
}

/// What bounds a key for sshd bounds it here, or the key is not taken, from whatever line.
#[test]
fn no_line_of_an_authorized_keys_file_opens_more_here_than_sshd_lets_it() {
    let scene = Scene::new();
    let place = TempDir::new().unwrap();
    let folder = place.path().join("ann lee");
    std::fs::create_dir(&folder).unwrap();
    let [reader, robot, desk] = ["reader", "robot", "desk"].map(|name| {
        let folder = place.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        keygen(&folder, &["ed25519"], "")
    });
    let (file, line) = (folder.join("authorized_keys"), |key: &Path| public(key) + "\n");
    let write = |text: String| std::fs::write(&file, text).unwrap();
    let sealiftd = |args: &[&str]| {
        let done = scene.daemon.command(&[args, &[file.to_str().unwrap()]].concat()).output().unwrap();
        (done.status.code(), text(&done.stdout) + &text(&done.stderr))
    };
    write(format!(
        "command=\"internal-sftp -R\",restrict {}command=\"internal-sftp -P remove\" {}{}",
        line(&reader),
        line(&robot),
        line(&robot)
    ));
    let (code, said) = sealiftd(&["user", "add", "alice", "--key"]);
    assert!(code == Some(0), "{said}");
    for (at, why) in [(2, "its command="), (3, "a line before it bounds this key")] {
        let named = format!("ann lee/authorized_keys:{at}: this key was not taken: {why}");
        assert!(said.contains(&named), "{said}");
    }
    let try_to =
        |key: &Path, args: &[&str]| scene.sealift(&[&["-i", key.to_str().unwrap()], args].concat(), None).status.code();
    assert_eq!(try_to(&robot, &["ls", "alice@127.0.0.1/"]), Some(4));
    assert_eq!(try_to(&reader, &["ls", "alice@127.0.0.1/"]), Some(0));
    assert_eq!(try_to(&reader, &["mkdir", "alice@127.0.0.1/x"]), Some(5), "read-only there, and here");

    // None of a file's lines: each is named.
    write(format!("# his\ncommand=\"x\" {}verify-required {}", line(&robot), line(&desk)));
    let (code, said) = sealiftd(&["user", "key", "add", "alice"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("authorized_keys:2: ") && said.contains("authorized_keys:3: "), "{said}");
    write(format!("\ncommand=\"x\" {}", line(&robot)));
    assert!(sealiftd(&["user", "key", "add", "alice"]).1.contains("authorized_keys:2: the key cannot be used: "));

    // Bounds of a key that is there already are not taken over, which is said.
    write(format!("{}{}", line(&reader), line(&desk)));
    let (code, said) = sealiftd(&["user", "key", "add", "alice"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("already, with other bounds") && said.contains("alice@laptop"), "{said}");
    assert_eq!(try_to(&reader, &["mkdir", "alice@127.0.0.1/x"]), Some(5));
    assert_eq!(try_to(&desk, &["mkdir", "alice@127.0.0.1/x"]), Some(0));
}
