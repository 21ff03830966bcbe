//! The journal of systemd, by its own protocol (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>): one datagram for each entry, of a
//! name and a value for each field. What is too long for a datagram goes as a file in memory that is sealed, whose handle is all
//! that the datagram carries.

use std::fs::File;
use std::io::{self, IoSlice, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::error::{Error, Result};
use crate::limits;

/// A line to the journal.
pub struct Journal {
    path: PathBuf,
    socket: UnixDatagram,
}

/// Fields that have a name of their own in the journal, by their keys in a line: what one looks for there.
const FIELDS: [(&str, &str); 6] = [
    ("event", "SEALIFT_EVENT"),
    ("user", "SEALIFT_USER"),
    ("peer", "SEALIFT_PEER"),
    ("action", "SEALIFT_ACTION"),
    ("path", "SEALIFT_PATH"),
    ("outcome", "SEALIFT_OUTCOME"),
];

impl Journal {
    /// The one that listens there.
    ///
    /// # Errors
    /// That none does.
    pub fn open(path: &Path) -> Result<Journal> {
        let socket =
            connect(path).map_err(|err| Error::file(format_args!("the journal's socket {}", path.display()), err))?;
        Ok(Journal { path: path.to_owned(), socket })
    }

    /// What it is called in errors.
    pub fn name(&self) -> String {
        format!("the journal ({})", self.path.display())
    }

    /// Another one listens there by now, maybe.
    pub fn reopen(&mut self) {
        if let Ok(socket) = connect(&self.path) {
            self.socket = socket;
        }
    }

    /// Hands over as many of these lines as go, and says how many bytes that was.
    pub fn write(&mut self, lines: &[u8]) -> (usize, io::Result<()>) {
        let mut written = 0;
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let entry = entry(line.strip_suffix(b"\n").unwrap_or(line));
            match self.send(&entry) {
                Ok(()) => written += line.len(),
                Err(err) => return (written, Err(err)),
            }
        }
        (written, Ok(()))
    }

    fn send(&mut self, entry: &[u8]) -> io::Result<()> {
        match self.socket.send(entry).map_err(|err| (Errno::from_io_error(&err), err)) {
            Ok(_) => Ok(()),
            Err((Some(Errno::MSGSIZE | Errno::NOBUFS), _)) => self.send_file(entry),
            // It was started anew.
            Err((Some(Errno::CONNREFUSED | Errno::NOTCONN | Errno::PIPE), _)) => {
                self.socket = connect(&self.path)?;
                self.socket.send(entry).map(drop)
            }
            Err((_, err)) => Err(err),
        }
    }

    fn send_file(&self, entry: &[u8]) -> io::Result<()> {
        let memory = memfd_create("sealift-audit", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        let mut file = File::from(memory);
        file.write_all(entry)?;
        // The journal takes nothing that could still be changed.
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let files = [file.as_fd()];
        control.push(SendAncillaryMessage::ScmRights(&files));
        sendmsg(&self.socket, &[IoSlice::new(&[])], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    // Who reads nothing makes nobody wait for good.
    socket.set_write_timeout(Some(limits::AUDIT_PAUSE))?;
    Ok(socket)
}

/// The entry for a line of the audit: the line itself as the message, and what one looks for as fields.
fn entry(line: &[u8]) -> Vec<u8> {
    let mut entry = Vec::with_capacity(line.len().saturating_mul(2));
    let text = String::from_utf8_lossy(line);
    put(&mut entry, "MESSAGE", line);
    put(&mut entry, "SYSLOG_IDENTIFIER", b"sealiftd-audit");
    let event = value_of(&text, "event").unwrap_or_default();
    put(&mut entry, "PRIORITY", if matches!(&*event, "rot" | "lost") { b"3" } else { b"6" });
    for (key, name) in FIELDS {
        if let Some(value) = value_of(&text, key) {
            put(&mut entry, name, value.as_bytes());
        }
    }
    entry
}

/// A field: as text where it is one line, else with its length.
fn put(entry: &mut Vec<u8>, name: &str, value: &[u8]) {
    entry.extend_from_slice(name.as_bytes());
    if value.iter().all(|byte| !byte.is_ascii_control()) {
        entry.push(b'=');
    } else {
        entry.push(b'\n');
        entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    }
    entry.extend_from_slice(value);
    entry.push(b'\n');
}

/// The text under this key of a line as [`super::line`] writes it. No value can look like a key: in values a quote has a backslash.
fn value_of(line: &str, key: &str) -> Option<String> {
    let (_, rest) = line.split_once(&format!(",\"{key}\":\""))?;
    let mut units: Vec<u16> = Vec::new();
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return Some(String::from_utf16_lossy(&units)),
            '\\' => match chars.next()? {
                'u' => {
                    let digits: String = chars.by_ref().take(4).collect();
                    units.push(u16::from_str_radix(&digits, 16).ok()?);
                }
                plain => units.extend(plain.encode_utf16(&mut [0; 2]).iter()),
            },
            plain => units.extend(plain.encode_utf16(&mut [0; 2]).iter()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{IoSliceMut, Read as _, Seek as _};

    use proptest::prelude::*;
    use rustix::fs::fcntl_get_seals;
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

    use super::*;

    /// The fields of an entry, as the journal reads them.
    fn fields(mut entry: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut fields = Vec::new();
        while !entry.is_empty() {
            let end = entry.iter().position(|byte| matches!(byte, b'=' | b'\n')).unwrap();
            let (name, rest) = entry.split_at(end);
            let (length, start) = match rest[0] {
                b'=' => (rest.iter().position(|byte| *byte == b'\n').unwrap() - 1, 1),
                _ => (usize::try_from(u64::from_le_bytes(rest[1..9].try_into().unwrap())).unwrap(), 9),
            };
            fields.push((String::from_utf8(name.to_vec()).unwrap(), rest[start..start + length].to_vec()));
            assert_eq!(rest[start + length], b'\n');
            entry = &rest[start + length + 1..];
        }
        fields
    }

    fn journal() -> (tempfile::TempDir, UnixDatagram, Journal) {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("socket");
        let listens = UnixDatagram::bind(&path).unwrap();
        let journal = Journal::open(&path).unwrap();
        (place, listens, journal)
    }

    #[test]
    fn a_line_is_the_message_with_what_one_looks_for_beside_it() {
        let (_place, listens, mut journal) = journal();
        let line = "{\"time\":\"t\",\"event\":\"change\",\"user\":\"eve\\u000aMESSAGE=forged \\\",\\\"outcome\\\":\\\"done\",\"path\":\"\\ud83e\\udd9c\",\"outcome\":\"denied\"}";
        let lost = "{\"time\":\"t\",\"event\":\"lost\",\"lines\":3}";
        let both = format!("{line}\n{lost}\n");
        let (written, result) = journal.write(both.as_bytes());
        assert!(written == both.len() && result.is_ok());
        let mut bytes = vec![0; 4096];
        let mut next = || {
            let length = listens.recv(&mut bytes).unwrap();
            fields(&bytes[..length])
        };
        let field = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        assert_eq!(
            next(),
            [
                field("MESSAGE", line),
                field("SYSLOG_IDENTIFIER", "sealiftd-audit"),
                field("PRIORITY", "6"),
                field("SEALIFT_EVENT", "change"),
                field("SEALIFT_USER", "eve\nMESSAGE=forged \",\"outcome\":\"done"),
                field("SEALIFT_PATH", "\u{1f99c}"),
                field("SEALIFT_OUTCOME", "denied"),
            ]
        );
        assert_eq!(next()[2..], [field("PRIORITY", "3"), field("SEALIFT_EVENT", "lost")]);
    }

    #[test]
    fn a_long_entry_comes_as_a_sealed_file() {
        let (_place, listens, mut journal) = journal();
        let line = format!("{{\"time\":\"t\",\"event\":\"change\",\"path\":\"{}\"}}\n", "x".repeat(4 << 20));
        assert_eq!(journal.write(line.as_bytes()).0, line.len());
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = [0; 16];
        let got = recvmsg(&listens, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC).unwrap();
        assert_eq!(got.bytes, 0);
        let mut files = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut files) => files.next(),
            _ => None,
        });
        let mut file = File::from(files.next().unwrap());
        assert!(fcntl_get_seals(&file).unwrap().contains(SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW));
        let mut entry = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut entry).unwrap();
        assert_eq!(fields(&entry)[0].1, line.trim_end().as_bytes());
    }

    #[test]
    fn a_journal_that_is_started_anew_is_found_again_and_one_that_is_gone_is_waited_for() {
        let (place, listens, mut journal) = journal();
        let path = place.path().join("socket");
        drop(listens);
        std::fs::remove_file(&path).unwrap();
        let line = b"{\"time\":\"t\",\"event\":\"start\"}\n";
        let (written, result) = journal.write(line);
        assert!(written == 0 && result.is_err());
        let listens = UnixDatagram::bind(&path).unwrap();
        assert_eq!(journal.write(line).0, line.len());
        assert!(listens.recv(&mut [0; 4096]).unwrap() > 0);
    }

    proptest! {
        #[test]
        fn every_name_has_its_field(user in ".*") {
            let event = crate::server::events::Event {
                at: std::time::SystemTime::UNIX_EPOCH,
                peer: None,
                protocol: None,
                session: None,
                user: Some(&user),
                what: crate::server::events::What::Started,
            };
            let line = super::super::line::render(&event);
            let kept: String = user.chars().take(limits::AUDIT_NAME).collect();
            prop_assert_eq!(value_of(std::str::from_utf8(&line).unwrap(), "user"), Some(kept.clone()));
            let entry = entry(line.trim_ascii_end());
            let has_it = fields(&entry).into_iter().any(|(name, value)| name == "SEALIFT_USER" && value == kept.as_bytes());
            prop_assert!(has_it);
        }
    }
}
