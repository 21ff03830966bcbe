//! Which process holds the lock of a data directory, as it is written down in the lock file.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::FileExt as _;

use rustix::fs::{Advice, fadvise};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use crate::limits;

/// The process that holds a lock, as it is written down.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Owner {
    /// This boot of this machine.
    pub(super) boot: String,
    /// The namespace in which the number counts.
    pub(super) namespace: String,
    pub(super) pid: i32,
    /// When it began, in ticks since the boot: numbers are used again.
    pub(super) began: String,
    /// How often it has said that it lives; none if it does not.
    pub(super) beat: Option<u64>,
    /// When it did, by its own clock, in seconds since 1970: others tell by it that clocks differ. Older servers do not say.
    pub(super) at: Option<u64>,
}

impl Owner {
    /// This process.
    pub(super) fn own() -> Owner {
        Owner::of(rustix::process::getpid().as_raw_nonzero().get())
    }

    pub(super) fn of(pid: i32) -> Owner {
        Owner {
            boot: boot(),
            namespace: namespace(),
            pid,
            began: Process::of(&pid.to_string()).began,
            beat: None,
            at: None,
        }
    }

    pub(super) fn read(file: &mut File) -> Option<Owner> {
        let mut text = String::new();
        file.rewind().ok()?;
        // What the kernel keeps of a file that is open may be older than what another machine has written.
        let _ = fadvise(&*file, 0, None, Advice::DontNeed);
        file.take(limits::LOCK_FILE_MAX).read_to_string(&mut text).ok()?;
        let mut words = text.split_whitespace();
        let mut next = || words.next().map(str::to_owned);
        let (boot, namespace, pid, began) = (next()?, next()?, next()?.parse().ok()?, next()?);
        let mut number = || next().and_then(|number| number.parse().ok());
        Some(Owner { boot, namespace, pid, began, beat: number(), at: number() })
    }

    /// In one write, and as long each time: whoever reads meanwhile finds one state or the other.
    pub(super) fn write(&self, file: &File) -> io::Result<()> {
        let Owner { boot, namespace, pid, began, beat, at } = self;
        let number = |number: Option<u64>| number.map_or(String::new(), |number| format!(" {number:020}"));
        let (beat, at) = (number(*beat), number(at.filter(|_| beat.is_some())));
        let text = format!("{boot} {namespace} {pid} {began}{beat}{at}\n");
        file.write_all_at(text.as_bytes(), 0)?;
        file.set_len(text.len() as u64)
    }

    /// Whether it counts its processes as we do: then it is seen whether it lives, and else it has to say so.
    pub(super) fn is_near(&self) -> bool {
        self.boot == boot() && self.namespace == namespace()
    }

    /// Whether it is a process that runs, here and now. One that has ended and was not asked for by its parent yet has
    /// neither locks nor files.
    pub(super) fn lives(&self) -> bool {
        let Some(pid) = Pid::from_raw(self.pid) else { return false };
        let there = !matches!(test_kill_process(pid), Err(Errno::SRCH));
        let process = Process::of(&self.pid.to_string());
        there && !process.has_ended && self.is_near() && self.began == process.began
    }
}

/// Where numbers of processes are what they are here: this boot of this machine, and the namespace of this process.
pub fn process_numbering() -> String {
    format!("{} {}", boot(), namespace())
}

fn boot() -> String {
    word(std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok())
}

fn namespace() -> String {
    word(std::fs::read_link("/proc/self/ns/pid").ok().map(|link| link.to_string_lossy().into_owned()))
}

/// What the system tells of a process.
struct Process {
    /// When it began, in ticks since the boot.
    began: String,
    has_ended: bool,
}

impl Process {
    /// The third and the 22nd field of its line; the second is its name in parentheses, which may hold anything.
    fn of(pid: &str) -> Process {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        Process {
            began: word(fields.get(19).map(|began| (*began).to_owned())),
            has_ended: fields.first().is_some_and(|state| matches!(*state, "Z" | "X" | "x")),
        }
    }
}

/// One word of a line, whatever it is.
fn word(text: Option<String>) -> String {
    let text = text.map(|text| text.split_whitespace().collect::<String>());
    text.filter(|text| !text.is_empty()).unwrap_or_else(|| "-".to_owned())
}
