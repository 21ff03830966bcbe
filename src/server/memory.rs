//! What memory there is, what it is for, and whose it is.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Weak};

use rustix::process::{Resource, getrlimit};
use tracing::warn;

use crate::budget::{Account, Budget, BudgetUse, Portion};
use crate::limits;
use crate::machine::source::{Network, Source};
use crate::machine::turns::{Places, cores};
use crate::sync::Mutex;

/// What a server does with the memory that it may take, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryPlan {
    /// All of it.
    pub all: u64,
    /// For checking passwords, as many at once as there are.
    pub logins: u64,
    /// For full buffers, shared by all who move files.
    pub buffers: u64,
    /// Connections that there is room for, each with small buffers and what TLS takes.
    pub connections: usize,
    /// Whether that is less than a server needs for anything.
    pub is_short: bool,
}

impl MemoryPlan {
    /// Says in the log what there is too little memory for, where so many connections are wanted.
    pub(super) fn warn(&self, connections: usize) {
        let mib = |bytes: u64| bytes / (1024 * 1024);
        if self.is_short {
            warn!(
                memory_mib = mib(self.all),
                logins_mib = mib(self.logins),
                "too little memory to be safe from its end"
            );
        }
        if self.connections >= connections {
            return;
        }
        warn!(
            wanted = connections,
            connections = self.connections,
            memory_mib = mib(self.all),
            "fewer connections at once than wanted: there is no memory for more"
        );
    }

    /// Divides `all` bytes of which logins may take `logins`.
    pub fn new(all: u64, logins: u64) -> MemoryPlan {
        let rest = all.saturating_sub(limits::MEMORY_FIXED).saturating_sub(logins);
        let planned = rest.max(limits::MEMORY_MIN);
        // Half for what every connection must have, a quarter for what makes them fast, and a quarter is left over: for
        // the gaps between what is allocated, and for listings and commits.
        let connections = usize::try_from(planned / 2 / limits::CONNECTION_MEMORY).unwrap_or(usize::MAX);
        MemoryPlan { all, logins, buffers: planned / 4, connections, is_short: rest < limits::MEMORY_MIN }
    }
}

/// The memory that this process may take: what is available on the machine, and not more than its control group and its
/// resource limits leave. None where the system says nothing.
pub fn memory_available() -> Option<u64> {
    let found = [of_machine(), of_control_groups(), of_limit(Resource::As), of_limit(Resource::Data)];
    found.into_iter().flatten().min()
}

fn of_machine() -> Option<u64> {
    kib("/proc/meminfo", "MemAvailable:")
}

/// The least that one of its control groups leaves, version 1 or 2.
fn of_control_groups() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    groups.lines().flat_map(|line| left_by_groups(line, Path::new("/sys/fs/cgroup"))).min()
}

/// What a line of `/proc/self/cgroup` (`0::/path` or `4:memory:/path`) and all groups above it leave, which are found
/// below this folder.
fn left_by_groups(line: &str, groups: &Path) -> Vec<u64> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { return Vec::new() };
    let (root, files) = match controllers {
        "" => (groups.to_owned(), &GroupFiles::V2),
        "memory" => (groups.join("memory"), &GroupFiles::V1),
        _ => return Vec::new(),
    };
    // In a container the path may be one of the machine outside; its own group is then the root.
    let groups = Path::new(path.trim_start_matches('/')).ancestors();
    groups.filter_map(|group| files.left(&root.join(group))).collect()
}

/// Where a control group says what it may take and what it has taken.
struct GroupFiles {
    limits: &'static [&'static str],
    usage: &'static str,
    /// In `memory.stat`: contents of files, which the kernel gives back when it needs the memory.
    cached: [&'static str; 2],
}

impl GroupFiles {
    const V1: GroupFiles = GroupFiles {
        limits: &["memory.limit_in_bytes"],
        usage: "memory.usage_in_bytes",
        cached: ["total_inactive_file", "total_active_file"],
    };
    const V2: GroupFiles = GroupFiles {
        // Above the second one all who allocate are slowed down.
        limits: &["memory.max", "memory.high"],
        usage: "memory.current",
        cached: ["inactive_file", "active_file"],
    };

    /// What this group leaves; none if it has no limit. All of its limit if it does not say what is taken.
    fn left(&self, group: &Path) -> Option<u64> {
        let number = |file: &str| fs::read_to_string(group.join(file)).ok()?.trim().parse::<u64>().ok();
        let limit = self.limits.iter().filter_map(|file| number(file)).min()?;
        let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
        let rows = stat.lines().filter_map(|line| line.split_once(' '));
        let cached = rows.filter(|(key, _)| self.cached.contains(key)).filter_map(|(_, bytes)| bytes.parse().ok());
        let taken = number(self.usage).unwrap_or(0).saturating_sub(cached.fold(0, u64::saturating_add));
        Some(limit.saturating_sub(taken))
    }
}

/// What a limit on the address space or the data leaves, after what is used already and what threads will.
fn of_limit(resource: Resource) -> Option<u64> {
    let limit = getrlimit(resource).current?;
    let (used, heaps) = match resource {
        Resource::As => ("VmSize:", heaps()),
        _ => ("VmData:", 0),
    };
    let used = kib("/proc/self/status", used).unwrap_or(0);
    let threads = Places::of_sessions().all() + 2 * cores() + limits::LOGIN_THREADS_BESIDE + limits::HOME_THREADS;
    let threads = threads as u64 * limits::THREAD_STACK + heaps * limits::THREAD_HEAP;
    Some(limit.saturating_sub(used).saturating_sub(threads))
}

/// Heaps that glibc makes for threads.
fn heaps() -> u64 {
    let are_few = std::env::var("GLIBC_TUNABLES").is_ok_and(|settings| settings.contains(limits::HEAPS_SETTING));
    if are_few { limits::HEAPS_FEW } else { (8 * cores() as u64).min(limits::HEAPS_MAX) }
}

/// A value of such a file in bytes.
fn kib(file: &str, key: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(key))?;
    value.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The budget of buffers, and who has a part of it.
pub struct Memory {
    budget: Arc<Budget>,
    portions: Mutex<HashMap<Network, Weak<Portion>>>,
}

impl Memory {
    /// So many bytes for full buffers.
    pub fn new(buffers: u64) -> Memory {
        Memory { budget: Budget::new(usize::try_from(buffers).unwrap_or(usize::MAX / 2)), portions: Mutex::default() }
    }

    /// Bytes of the budget that are held now, and all of them.
    pub fn budget(&self) -> BudgetUse {
        self.budget.used()
    }

    /// The account of one more connection of this source.
    pub fn account(&self, source: &Source) -> Arc<Account> {
        let network = source.network();
        let mut portions = self.portions.lock();
        let kept = portions.get(&network).and_then(Weak::upgrade);
        let portion = kept.unwrap_or_else(|| {
            portions.retain(|_, portion| portion.strong_count() > 0);
            let portion = self.budget.portion();
            portions.insert(network, Arc::downgrade(&portion));
            portion
        });
        portion.account()
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn the_parts_of_a_plan_are_no_more_than_the_whole() {
        for all in [0, 64 * MIB, 128 * MIB, 512 * MIB, 1024 * MIB, 1 << 40] {
            for logins in [0, 38 * MIB, 300 * MIB] {
                let plan = MemoryPlan::new(all, logins);
                let parts =
                    limits::MEMORY_FIXED + logins + plan.buffers + plan.connections as u64 * limits::CONNECTION_MEMORY;
                assert!(plan.is_short || parts <= all, "{plan:?}");
                assert!(plan.connections > 0 && plan.buffers > 0, "{plan:?}");
            }
        }
    }

    #[test]
    fn two_gib_have_room_for_thousands_of_connections() {
        let plan = MemoryPlan::new(2048 * MIB, 38 * MIB);
        assert!(plan.connections > 4000 && plan.buffers > 480 * MIB && !plan.is_short, "{plan:?}");
    }

    #[test]
    fn a_line_that_names_no_memory_group_limits_nothing() {
        for line in ["9:name=systemd:/", "3:cpuset:/", "nonsense", "", "0::/no/such/group/anywhere"] {
            // The root of a version 2 tree has no limit, unless it is a container's own.
            let found = left_by_groups(line, Path::new("/sys/fs/cgroup"));
            assert!(found.len() <= 1, "{line}: {found:?}");
        }
    }

    #[test]
    fn a_group_leaves_what_its_limits_allow_and_nobody_has_taken() {
        let groups = tempfile::TempDir::new().unwrap();
        let write = |group: &str, file: &str, text: &str| {
            let folder = groups.path().join(group);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(file), text).unwrap();
        };
        let left = |line| left_by_groups(line, groups.path());
        write("a/b", "memory.max", "1000\n");
        assert_eq!(left("0::/a/b"), [1000], "as long as nothing is known of what is taken");
        write("a/b", "memory.current", "700\n");
        write("a/b", "memory.stat", "anon 400\nfile 300\ninactive_file 200\nactive_file 50\nnonsense\n");
        assert_eq!(left("0::/a/b"), [550], "what is only cached is not taken");
        write("a/b", "memory.high", "800\n");
        assert_eq!(left("0::/a/b"), [350]);
        write("a/b", "memory.high", "max\n");
        write("a", "memory.max", "2000\n");
        write("a", "memory.current", "3000\n");
        assert_eq!(left("0::/a/b"), [550, 0], "those above count too, and more than all of it is all of it");
        assert!(!left("0::/c").contains(&550));
        write("a", "memory.max", "max\n");
        assert!(left("0::/a").is_empty(), "no limit");

        write("memory/v1", "memory.limit_in_bytes", "1000\n");
        write("memory/v1", "memory.usage_in_bytes", "600\n");
        write("memory/v1", "memory.stat", "inactive_file 1\ntotal_inactive_file 60\ntotal_active_file 40\n");
        assert_eq!(left("4:memory:/v1"), [500]);
        assert!(left("4:cpuset:/v1").is_empty());
        // However little is left, a server begins with something, and says that it is short.
        let plan = MemoryPlan::new(0, 0);
        assert!(plan.is_short && plan.buffers >= limits::MEMORY_MIN / 4 && plan.connections > 0, "{plan:?}");
    }

    #[test]
    fn a_process_knows_what_it_may_take() {
        let available = memory_available().unwrap();
        assert!(available <= of_machine().unwrap() && available > 0);
    }

    #[test]
    fn connections_of_one_network_share_a_portion_until_the_last_is_gone() {
        let memory = Memory::new(1000);
        let somebody = |last| Source::from(IpAddr::from([192, 0, 2, last]));
        let (one, two) = (memory.account(&somebody(1)), memory.account(&somebody(1)));
        let held = (one.claim(300), two.claim(300));
        assert!(held.0.is_some() && held.1.is_none(), "half of it is for the others");
        assert!(memory.account(&somebody(2)).claim(200).is_some());
        drop((one, two, held));
        let _other = memory.account(&somebody(3));
        assert_eq!(memory.portions.lock().len(), 1);
    }
}
