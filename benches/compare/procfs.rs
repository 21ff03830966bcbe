//! What the kernel tells about processes under /proc.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// The fields of /proc/PID/stat that matter here.
struct Stat {
    parent: u32,
    /// User and system time of the process and of its children that it has waited for.
    cpu: Duration,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name stands in brackets and may hold anything; the numbered fields start behind it with the third.
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let ticks = field(14)? + field(15)? + field(16)? + field(17)?;
    let cpu = Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64);
    Some(Stat { parent: u32::try_from(field(4)?).ok()?, cpu })
}

/// The children of this process, theirs and so on.
pub fn descendants(pid: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let child = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some((child, stat)) = child.and_then(|child| Some((child, stat(child)?))) {
            children.entry(stat.parent).or_default().push(child);
        }
    }
    let mut found = Vec::new();
    let mut unseen = vec![pid];
    while let Some(parent) = unseen.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            found.push(child);
            unseen.push(child);
        }
    }
    found
}

/// CPU time so far of a process, its descendants, and those that they have waited for. Works for a process that has
/// ended and was not waited for. Counted in clock ticks of mostly 10 ms.
pub fn cpu(pid: u32) -> Duration {
    let all = descendants(pid).into_iter().chain([pid]);
    all.filter_map(stat).map(|stat| stat.cpu).sum()
}

/// Resident memory of a process in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Now.
    pub now: u64,
    /// The most it ever was.
    pub peak: u64,
}

/// The memory of this process, if it lives.
pub fn memory(pid: u32) -> Option<Memory> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(Memory { now: kib(&text, "VmRSS:")? * 1024, peak: kib(&text, "VmHWM:")? * 1024 })
}

/// Bytes of memory that programs can still get without swapping.
pub fn memory_available() -> Option<u64> {
    Some(kib(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")? * 1024)
}

/// How many programs wanted to run at once, on average of the last minute.
pub fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// The processor's name, the kernel's version, and how TCP paces what is sent: over loopback, too, it matters.
pub fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':')).map(|(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model = model.unwrap_or("unknown processor").trim();
    let (linux, pace) = (read("/proc/sys/kernel/osrelease"), read("/proc/sys/net/ipv4/tcp_congestion_control"));
    format!("{model}, {cores} cores, Linux {}, TCP {}", linux.trim(), pace.trim())
}

fn kib(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key))?.split_whitespace().next()?.parse().ok()
}
