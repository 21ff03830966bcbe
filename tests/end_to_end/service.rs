//! As a service manager runs it: told how the server is, asked to read again, and holding the sockets while it restarts.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code outside of a test function")]

use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::Stdio;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::common::{Builder, Daemon, HANG, RawClient, end_of, eventually, sealiftd, text};

/// A service manager's end of the socket.
struct Manager(UnixDatagram);

impl Manager {
    fn at(path: &Path) -> Manager {
        Manager::on(UnixDatagram::bind(path).unwrap())
    }

    fn on(socket: UnixDatagram) -> Manager {
        socket.set_read_timeout(Some(HANG)).unwrap();
        Manager(socket)
    }

    /// What it is told next.
    fn hears(&self) -> String {
        let mut buffer = [0; 4096];
        let len = self.0.recv(&mut buffer).expect("the service manager hears nothing");
        text(&buffer[..len])
    }

    /// What it is told up to and with this line.
    fn hears_until(&self, line: &str) -> String {
        let mut all = String::new();
        while !all.lines().any(|heard| heard == line) {
            all += &self.hears();
            all += "\n";
        }
        all
    }
}

#[test]
fn a_service_manager_is_told_of_start_reload_and_end() {
    let place = TempDir::new().unwrap();
    let manager = Manager::at(&place.path().join("notify"));
    let daemon = Daemon::builder().env("NOTIFY_SOCKET", place.path().join("notify").to_str().unwrap()).start();
    assert_eq!(manager.hears(), "READY=1\nSTATUS=Serving");
    daemon.signal(Signal::HUP);
    let reloading = manager.hears_until("READY=1");
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    let ended = daemon.stop();
    assert_eq!(ended.code, Some(0));
    let last = manager.hears_until("STOPPING=1");
    assert!(!last.contains("WATCHDOG"), "nobody asked for signs of life: {last}");
}

#[test]
fn an_administrator_s_shutdown_is_told_too_and_an_abstract_socket_is_reached_from_the_sandbox() {
    let name = format!("sealift-{}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let manager = Manager::on(socket);
    let daemon = Daemon::builder().env("NOTIFY_SOCKET", format!("@{name}")).start();
    daemon.add_user_with("root", "correct-horse", &["--admin"]);
    let mut root = RawClient::logged_in(&daemon, "root", "correct-horse");
    root.line("SHUTDOWN");
    manager.hears_until("STOPPING=1");
}

#[test]
fn a_process_ends_only_when_the_service_manager_knows_that_it_stops() {
    let place = TempDir::new().unwrap();
    let notify = place.path().join("notify");
    let manager = Manager::at(&notify);
    let mut daemon = Daemon::builder().env("NOTIFY_SOCKET", notify.to_str().unwrap()).start();
    manager.hears_until("READY=1");
    // So much is waiting for the manager that nobody can tell it anything.
    let others = UnixDatagram::unbound().unwrap();
    others.set_nonblocking(true).unwrap();
    while others.send_to(b"", &notify).is_ok() {}
    daemon.signal(Signal::TERM);
    eventually("the server is through", || daemon.log().contains(" stopped connections="));
    manager.hears_until("STOPPING=1");
    assert_eq!(daemon.wait().code, Some(0));
}

#[test]
fn a_service_manager_that_is_named_and_not_there_is_an_error() {
    let place = TempDir::new().unwrap();
    let mut command = sealiftd(place.path());
    command.args(["--listen", "127.0.0.1:0"]).env("NOTIFY_SOCKET", place.path().join("nobody"));
    let output = end_of(command, "");
    assert!(!output.status.success() && text(&output.stderr).contains("NOTIFY_SOCKET"), "{}", text(&output.stderr));
}

/// What holds a server up. It cannot even be killed meanwhile, so this ends first.
struct Tracer(Pid);

impl Tracer {
    fn of(daemon: &Daemon) -> Tracer {
        let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
        let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:")).unwrap().trim().parse().unwrap();
        Tracer(Pid::from_raw(tracer).expect("nobody traces the server"))
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        kill_process(self.0, Signal::KILL).unwrap();
    }
}

#[test]
fn signs_of_life_end_when_the_server_accepts_nothing_more() {
    let place = TempDir::new().unwrap();
    let manager = Manager::at(&place.path().join("notify"));
    // The first looks at the empty queue are let pass, and then one takes for ever. (A door looks anew when it was asked.)
    let hanging = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=accept4", "-e"];
    let daemon = Daemon::builder()
        .through(hanging)
        .through(["inject=accept4:delay_enter=600000000:when=4+"])
        .env("NOTIFY_SOCKET", place.path().join("notify").to_str().unwrap())
        .env("WATCHDOG_USEC", "1500000")
        .start();
    let _ends_before_the_server = Tracer::of(&daemon);
    for _ in 0..3 {
        manager.hears_until("WATCHDOG=1");
    }
    let said = |times| daemon.log().matches("does not answer itself").count() >= times;
    eventually("the server notices", || said(1));
    manager.0.set_nonblocking(true).unwrap();
    while manager.0.recv(&mut [0; 4096]).is_ok() {}
    eventually("the server notices again", || said(3));
    assert!(manager.0.recv(&mut [0; 4096]).is_err(), "a sign of life of a server that accepts nothing");
}

#[test]
fn another_process_s_watchdog_is_none_of_ours() {
    let place = TempDir::new().unwrap();
    let manager = Manager::at(&place.path().join("notify"));
    let daemon = Daemon::builder()
        .env("NOTIFY_SOCKET", place.path().join("notify").to_str().unwrap())
        .env("WATCHDOG_USEC", "300000")
        .env("WATCHDOG_PID", "1")
        .start();
    manager.hears_until("READY=1");
    daemon.stop();
    let heard = manager.hears_until("STOPPING=1");
    assert!(!heard.contains("WATCHDOG"), "{heard}");
}

/// A server that gets this socket as a service manager hands it over.
fn handed(socket: &TcpListener, place: &Path) -> Builder {
    let script = "export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\" 3<&0 </dev/null";
    let socket: OwnedFd = socket.try_clone().unwrap().into();
    Daemon::builder().within(place).through(["sh", "-c", script, "sh"]).stdin(Stdio::from(socket))
}

#[test]
fn a_restart_loses_no_connection_where_a_service_manager_holds_the_socket() {
    let place = TempDir::new().unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let first = handed(&socket, place.path()).start();
    assert_eq!(first.port(), port);
    fs::write(first.public().join("f"), "x").unwrap();
    let mut daemon = first;
    for _ in 0..3 {
        daemon.stop();
        // Nobody serves: they wait in the socket that stays.
        let waiting: Vec<_> = (0..8).map(|_| thread::spawn(move || RawClient::try_silent(port))).collect();
        std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        daemon = handed(&socket, place.path()).start();
        for client in waiting {
            let mut client = client.join().unwrap().expect("a connection was lost");
            assert_eq!(client.reply().0, 220);
            client.login("anonymous", "");
            assert_eq!(client.download("f").unwrap(), b"x");
        }
    }
}

#[test]
fn what_is_handed_over_and_does_not_listen_for_tcp_is_refused() {
    let place = TempDir::new().unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = std::net::TcpStream::connect(socket.local_addr().unwrap()).unwrap();
    let (pair, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    for (handed, what) in [(OwnedFd::from(connected), "does not listen"), (pair.into(), "is none of TCP")] {
        let server = sealiftd(place.path());
        let mut command = std::process::Command::new("sh");
        let script = "export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" 3<&0 </dev/null";
        let output = command
            .args(["-c", script])
            .arg(server.get_program())
            .current_dir(place.path())
            .stdin(handed)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(what), "{}", text(&output.stderr));
    }
}
