//! Who listens on an address that cannot be had.
//!
//! A socket unit has systemd listen, which hands the socket to the server that it starts. The system tells everybody of which user a
//! socket is, and root alone in which process.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use sealift::server::Listeners;

/// Who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listening {
    /// The first process, which is systemd.
    Systemd,
    /// That, or another one of root's.
    RootOrSystemd,
    /// Another one.
    Program,
}

/// The state of a socket that is listened on.
const LISTENS: &str = "0A";

impl Listening {
    /// Who listens where it keeps others from listening on this address.
    pub fn at(address: &SocketAddr) -> Listening {
        Listening::by(Path::new("/proc"), address)
    }

    fn by(proc: &Path, address: &SocketAddr) -> Listening {
        let is_systemd = fs::read_to_string(proc.join("1/comm")).is_ok_and(|comm| comm.trim_end() == "systemd");
        let tables = ["tcp", "tcp6"].map(|table| fs::read_to_string(proc.join("self/net").join(table)));
        let rows: Vec<Row> = tables.iter().flatten().flat_map(|table| table.lines().filter_map(Row::read)).collect();
        let there: Vec<&Row> = rows.iter().filter(|row| Listeners::meet(&row.address, address)).collect();
        if !is_systemd || there.is_empty() || there.iter().any(|row| row.user != 0) {
            return Listening::Program;
        }
        let Ok(files) = fs::read_dir(proc.join("1/fd")) else { return Listening::RootOrSystemd };
        let open: Vec<_> = files.flatten().filter_map(|file| fs::read_link(file.path()).ok()).collect();
        let has = |row: &&Row| open.iter().any(|file| *file == Path::new(&format!("socket:[{}]", row.inode)));
        if there.iter().all(has) { Listening::Systemd } else { Listening::Program }
    }
}

/// A socket that somebody listens on.
struct Row {
    address: SocketAddr,
    user: u32,
    inode: u64,
}

impl Row {
    /// As the system tells it: number, address, that of the other side, state, two queues, timer, retransmissions, user, time-out, inode.
    fn read(line: &str) -> Option<Row> {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (address, state) = (words.next()?, words.nth(1)?);
        let (user, inode) = (words.nth(3)?, words.nth(1)?);
        let (ip, port) = address.split_once(':').filter(|_| state == LISTENS)?;
        // Words of four bytes each, in the machine's own order.
        let word = |at: usize| u32::from_str_radix(ip.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
        let ip = match ip.len() {
            8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
            _ => {
                let bytes = [word(0)?, word(8)?, word(16)?, word(24)?].concat();
                IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?))
            }
        };
        let address = SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?);
        Some(Row { address, user: user.parse().ok()?, inode: inode.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    /// What the system says of this machine, where the first process is called so and has these sockets, or may not be looked at.
    fn proc(comm: &str, tables: [&str; 2], sockets: Option<&[u64]>) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("self/net")).unwrap();
        fs::create_dir_all(dir.path().join("1")).unwrap();
        fs::write(dir.path().join("1/comm"), format!("{comm}\n")).unwrap();
        for (name, table) in ["tcp", "tcp6"].iter().zip(tables) {
            fs::write(dir.path().join("self/net").join(name), format!("{HEAD}{table}\n")).unwrap();
        }
        if let Some(sockets) = sockets {
            fs::create_dir(dir.path().join("1/fd")).unwrap();
            for (number, socket) in sockets.iter().enumerate() {
                symlink(format!("socket:[{socket}]"), dir.path().join("1/fd").join(number.to_string())).unwrap();
            }
        }
        dir
    }

    #[test]
    fn whoever_listens_is_systemd_another_program_or_unknown() {
        // 127.0.0.1:4456 of root, as a machine of this kind says it; a connection there is nobody who listens.
        let local = u32::from_ne_bytes([127, 0, 0, 1]);
        let row = |user: u32| {
            format!(
                "   0: {local:08X}:1168 00000000:0000 0A 00000000:00000000 00:00000000 00000000 {user:5}        0 4711 1 0000000000000000 100 0 0 10 0"
            )
        };
        let connection = format!(
            "   1: {local:08X}:1168 {local:08X}:D431 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0000000000000000 20 4 30 10 -1"
        );
        let address = "127.0.0.1:4456".parse().unwrap();
        let by = |comm: &str, user: u32, sockets: Option<&[u64]>| {
            let (row, connection) = (row(user), &connection);
            Listening::by(proc(comm, [&format!("{row}\n{connection}"), ""], sockets).path(), &address)
        };
        assert_eq!(by("systemd", 0, Some(&[1, 4711])), Listening::Systemd);
        assert_eq!(by("systemd", 0, Some(&[1])), Listening::Program);
        assert_eq!(by("systemd", 0, None), Listening::RootOrSystemd);
        assert_eq!(by("systemd", 1000, None), Listening::Program);
        assert_eq!(by("init", 0, Some(&[4711])), Listening::Program);
        // All addresses of both families, as a socket unit has them by default.
        let all = "   0: 00000000000000000000000000000000:1168 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 100 0 0 10 0";
        assert_eq!(Listening::by(proc("systemd", ["", all], Some(&[4711])).path(), &address), Listening::Systemd);
    }

    #[test]
    fn the_table_of_this_machine_is_read() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let table = fs::read_to_string("/proc/self/net/tcp").unwrap();
        let row = table.lines().filter_map(Row::read).find(|row| row.address == address).unwrap();
        let inode =
            fs::metadata(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&listener))).unwrap().ino();
        assert_eq!((row.user, row.inode), (rustix::process::geteuid().as_raw(), inode));
    }
}
