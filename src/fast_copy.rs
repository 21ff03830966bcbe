//! Memory copies at full speed on processors where the C library's choice is slow.
//!
//! On AMD's Zen 3 and 4 the instruction `rep movsb` falls from some 60 GB/s to 2 when the destination lies 1 to 36 bytes
//! further into its page than the source does. glibc copied everything from 2 KiB on with it until 2.40 (glibc bugs 30994
//! and 30995), and the distributions in use have older ones. The TLS engine copies each record three times, and one of the
//! copies lies just so: measured with glibc 2.36 on Zen 3, one connection carried 1.0 GB/s, and 1.7 to 2.3 without the
//! instruction.
//!
//! And few heaps where the address space is limited (`ulimit -v`): glibc sets 64 MiB of it apart for the heap of each thread,
//! up to eight heaps for each core, and what is left of a limit of 1 GiB would then hold no server.
//!
//! Which way glibc copies is settled when a program starts, by a variable of its environment, as are its heaps. So the program starts
//! itself anew with that variable, once, before it does anything else. That takes a millisecond.

use std::process::Command;

/// Starts the running program anew with fast copies, if it runs where they are slow. To be called first of all.
///
/// Comes back where there is nothing to do, and also if it fails: then the copies stay slow. Process id, arguments, open
/// files and the rest of the environment stay as they are.
pub fn ensure() {
    #[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
    glibc::ensure();
}

/// Keeps the setting from a program about to be started: it is to run as it would without us.
pub fn keep_from(command: &mut Command) {
    if std::env::var_os(DONE).is_some() {
        command.env_remove(TUNABLES).env_remove(DONE);
    }
}

/// glibc's own settings, `name=value` with a colon between them.
const TUNABLES: &str = "GLIBC_TUNABLES";
/// Set in what was started anew. The setting itself is no sign: glibc takes it away from programs with capabilities.
const DONE: &str = "SEALIFT_FAST_COPY";

#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
mod glibc {
    use std::env;
    use std::fs::File;
    use std::io::Read;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use rustix::process::{Resource, getrlimit};

    use super::{DONE, TUNABLES};
    use crate::limits;

    const THRESHOLD: &str = "glibc.cpu.x86_rep_movsb_threshold";
    /// More than any copy: 1 GiB.
    const NEVER: &str = "0x40000000";
    pub fn ensure() {
        let tunables = env::var(TUNABLES).unwrap_or_default();
        if env::var_os(DONE).is_some() {
            return;
        }
        let needed = [
            (THRESHOLD, NEVER.to_owned(), processor_is_slow as fn() -> bool),
            (limits::HEAPS_SETTING, limits::HEAPS_FEW.to_string(), || getrlimit(Resource::As).current.is_some()),
        ];
        // What somebody has set is left alone.
        let missing = needed.iter().filter(|(name, _, is_needed)| !tunables.contains(name) && is_needed());
        let settings = missing.fold(tunables.clone(), |all, (name, value, _)| with(&all, name, value));
        if settings == tunables {
            return;
        }
        let mut arguments = env::args_os();
        let (Ok(program), Some(name)) = (env::current_exe(), arguments.next()) else { return };
        let _only_if_it_failed =
            Command::new(program).arg0(name).args(arguments).env(TUNABLES, settings).env(DONE, "1").exec();
    }

    fn with(tunables: &str, name: &str, value: &str) -> String {
        let separator = if tunables.is_empty() { "" } else { ":" };
        format!("{tunables}{separator}{name}={value}")
    }

    /// Whether it is one of AMD's that claim to be fast at this (`fsrm`, "fast short rep mov"): glibc believes them.
    fn processor_is_slow() -> bool {
        // The first processor's part is enough, and fits.
        let mut head = String::new();
        let read = File::open("/proc/cpuinfo").and_then(|file| file.take(4096).read_to_string(&mut head));
        read.is_ok() && head.contains("AuthenticAMD") && head.split_ascii_whitespace().any(|flag| flag == "fsrm")
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn other_settings_of_glibc_stay() {
            assert_eq!(with("", THRESHOLD, NEVER), "glibc.cpu.x86_rep_movsb_threshold=0x40000000");
            assert_eq!(with("a.b=1", THRESHOLD, NEVER), "a.b=1:glibc.cpu.x86_rep_movsb_threshold=0x40000000");
        }
    }
}
