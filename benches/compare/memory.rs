//! The mode `--memory`: what the server's resident memory grows by. Every measurement has a server of its own, because
//! memory that was given back to the allocator is not always given back to the system.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use async_std::task::block_on;
use futures::stream::{self, StreamExt as _};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sealift::tls::{Connector, Trust};
use serde_json::json;

use crate::column::{Column, Set, Way};
use crate::data::{Amounts, Area, Data, make_dir, noise, write_noise};
use crate::options::{Durability, Options};
use crate::peers::sealift::Sealift;
use crate::process;
use crate::procfs::{self, Memory};
use crate::raw::Raw;
use crate::report::Report;
use crate::steps;
use crate::table::{NOTHING, Table, bytes};
use crate::trouble::{Outcome, Trouble};

/// Bytes of the file that is downloaded many times at once.
const SHARED_FILE: u64 = 32 * 1024 * 1024;
/// Files in each directory of the listing.
const PER_DIRECTORY: u64 = 1000;
/// Inode and name of an empty file in memory.
const ENTRY_ROOM: u64 = 1200;
/// Connections that log in at the same time: fewer than the server would find suspicious.
const LOGINS: usize = 50;
/// Connections from one address: fewer than the server allows.
const PER_ADDRESS: usize = 500;
/// Open files that are needed for something else than connections.
const FILES_KEPT: u64 = 500;
/// Open files that the server reckons with for each session: three, and it keeps a tenth of the places for named users.
const FILES_PER_SESSION: u64 = 4;
/// How long the memory must have been the same to be called settled.
const SETTLED: Duration = Duration::from_secs(1);
/// When it is called settled in any case.
const SETTLE_LIMIT: Duration = Duration::from_secs(30);

/// Measures it all.
///
/// # Errors
/// When the data cannot be written, a server does not start, or when interrupted.
pub fn run(options: &Options) -> Outcome<Report> {
    let amounts = Amounts { file: options.or(options.size, 1024, 16) * 1024 * 1024, small: 0, tree: 0 };
    let downloads = options.or(options.downloads, 200, 20);
    let entries = options.or(options.entries, 1_000_000, 2000);
    let idle = options.or(options.idle, 8_000, 100);
    let area = Area::make(options.dir.as_deref(), amounts.room() + SHARED_FILE + entries * ENTRY_ROOM)?;
    let mut report = Report::new("memory", &area, 1);
    Data::write(&area, amounts)?;
    let data = area.path("data");
    area.link_home(&data)?;
    let public = data.join("public");
    make_dir(&public)?;
    write_noise(&public.join("shared.bin"), SHARED_FILE, &mut noise())?;
    let connections = open_files(downloads.max(idle))?;

    let mut run = Run { area, data, rows: Vec::new(), servers: 0 };
    report.progress("one login");
    report.note(run.measure("one login with a password".to_owned(), 1, |server, _| {
        server.log_in()?;
        Ok(Held::default())
    }))?;
    for way in [Way::Down, Way::Up] {
        report.progress(&format!("one transfer {}", way.word()));
        let title = format!("one transfer {}, {}", way.word(), bytes(amounts.file));
        let step = run.measure(title, 1, |server, area| {
            steps::run(server, Column { set: Set::File, way }, area, server.port())?;
            Ok(Held::default())
        });
        report.note(step)?;
    }
    let at_once = downloads.min(connections);
    report.progress(&format!("{at_once} downloads"));
    let size = bytes(SHARED_FILE);
    report.note(run.measure(format!("{at_once} downloads at once, {size} each"), at_once, |server, _| {
        read_all(server, at_once)
    }))?;
    report.note(
        run.measure(format!("{at_once} downloads that nobody reads"), at_once, |server, _| read_none(server, at_once)),
    )?;

    let held = idle.min(connections);
    if held < idle {
        let why = format!(
            "{idle} idle connections: RLIMIT_NOFILE (`ulimit -Hn`) allows {held}, as the server reckons with \
             three open files for each"
        );
        report.missing.push(why);
    }
    report.progress(&format!("{held} idle connections"));
    report.note(run.measure(format!("{held} idle connections"), held, |server, _| hold(server, held)))?;

    report.progress(&format!("a listing of {entries} entries"));
    plant(&public.join("list"), entries)?;
    report.note(run.measure(format!("recursive listing, {entries} entries"), 1, |server, _| list(server, entries)))?;

    report.text = run.render();
    let rows = run.rows.iter().map(|row| {
        json!({
            "what": row.title, "before": row.before.now, "after": row.after.now, "peak": row.after.peak,
            "count": row.count, "note": row.note,
        })
    });
    report.result = json!({ "servers": rows.collect::<Vec<_>>() });
    Ok(report)
}

impl Report {
    /// Keeps a failure and goes on; only an interruption ends the run.
    fn note(&mut self, step: Outcome<()>) -> Outcome<()> {
        match step {
            Err(Trouble::Failed(why)) => self.failed.push(why),
            other => return other,
        }
        Ok(())
    }
}

struct Run {
    area: Area,
    /// What each server is given, one after the other.
    data: PathBuf,
    rows: Vec<Row>,
    servers: u32,
}

struct Row {
    title: String,
    before: Memory,
    after: Memory,
    /// Transfers or connections that share the growth.
    count: u64,
    note: String,
}

impl Run {
    /// Starts a server, does something with it, and adds a row. `work` returns what else is worth saying.
    fn measure(
        &mut self,
        title: String,
        count: u64,
        work: impl FnOnce(&Sealift, &Area) -> Outcome<Held>,
    ) -> Outcome<()> {
        self.servers += 1;
        let named = |trouble| match trouble {
            Trouble::Failed(why) => Trouble::new(format!("{title}: {why}")),
            interrupted => interrupted,
        };
        let folder = format!("server-{}", self.servers);
        let (server, _) = Sealift::start(&self.area, &folder, self.data.clone(), Durability::Full).map_err(named)?;
        let gone = || named(Trouble::new("the server is gone"));
        let before = procfs::memory(server.pid()).ok_or_else(gone)?;
        let held = work(&server, &self.area).map_err(named)?;
        let after = procfs::memory(server.pid()).ok_or_else(gone)?;
        drop(held.connections);
        self.rows.push(Row { title, before, after, count, note: held.note });
        Ok(())
    }

    fn render(&self) -> String {
        let heads = ["before", "after", "peak", "growth of the peak", "for each", ""];
        let mut table = Table::new(heads.map(str::to_owned).to_vec());
        for row in &self.rows {
            let growth = row.after.peak.saturating_sub(row.before.now);
            let each = if row.count > 1 { bytes(growth / row.count) } else { NOTHING.to_owned() };
            let numbers = [row.before.now, row.after.now, row.after.peak, growth].map(bytes);
            table.row(row.title.clone(), numbers.into_iter().chain([each, row.note.clone()]));
        }
        format!("Resident memory of the server (VmRSS, VmHWM), each row a new one:\n{}", table.render())
    }
}

/// What stays open until the memory was read, and what is to be said.
#[derive(Default)]
struct Held {
    connections: Vec<Raw>,
    note: String,
}

fn connect(server: &Sealift, count: u64) -> Outcome<Vec<Raw>> {
    let pin = server.pin().parse()?;
    let connector = Connector::new(Trust::Pins(vec![pin]))?;
    let address = |at: usize| Ipv4Addr::from_bits(Ipv4Addr::new(127, 0, 1, 1).to_bits() + (at / PER_ADDRESS) as u32);
    let logins = (0..count as usize).map(|at| {
        let connector = &connector;
        async move {
            process::check()?;
            Raw::login(connector, address(at), server.port()).await
        }
    });
    let mut connections = Vec::new();
    let mut logins = stream::iter(logins).buffer_unordered(LOGINS);
    block_on(async {
        while let Some(login) = logins.next().await {
            connections.push(login.map_err(|err| match err {
                Trouble::Failed(why) => Trouble::new(format!("connection {}: {why}", connections.len() + 1)),
                interrupted => interrupted,
            })?);
        }
        Ok(connections)
    })
}

/// Downloads the shared file on many connections at once, each as fast as it goes.
fn read_all(server: &Sealift, count: u64) -> Outcome<Held> {
    let mut connections = connect(server, count)?;
    let start = Instant::now();
    let transfers = connections.iter_mut().map(|connection| async move {
        connection.begin("DOWNLOAD shared.bin").await?;
        process::check()?;
        connection.receive().await
    });
    for received in block_on(futures::future::join_all(transfers)) {
        let received = received?;
        if received.bytes != SHARED_FILE {
            return Err(Trouble::new(format!("{} bytes came, not {SHARED_FILE}", received.bytes)));
        }
    }
    let rate = (count * SHARED_FILE) as f64 / start.elapsed().as_secs_f64() / 1e9;
    Ok(Held { connections, note: format!("{rate:.2} GB/s together") })
}

/// Asks for the shared file on many connections and reads nothing of it.
fn read_none(server: &Sealift, count: u64) -> Outcome<Held> {
    let mut connections = connect(server, count)?;
    let begun = connections.iter_mut().map(|connection| connection.begin("DOWNLOAD shared.bin"));
    block_on(futures::future::join_all(begun)).into_iter().collect::<Outcome<Vec<()>>>()?;
    settle(server)?;
    Ok(Held { connections, note: String::new() })
}

/// Opens connections that say nothing more.
fn hold(server: &Sealift, count: u64) -> Outcome<Held> {
    let connections = connect(server, count)?;
    settle(server)?;
    Ok(Held { connections, note: String::new() })
}

fn list(server: &Sealift, entries: u64) -> Outcome<Held> {
    let mut connections = connect(server, 1)?;
    let start = Instant::now();
    let mut listed = None;
    if let Some(connection) = connections.first_mut() {
        listed = block_on(async {
            connection.begin("LIST list recursive=yes").await?;
            connection.receive().await
        })?
        .entries;
    }
    if listed != Some(entries) {
        return Err(Trouble::new(format!("{listed:?} entries came, not {entries}")));
    }
    Ok(Held { connections, note: format!("{:.2} s", start.elapsed().as_secs_f64()) })
}

/// Makes directories and empty files, this many together.
fn plant(root: &Path, entries: u64) -> Outcome<()> {
    let mut left = entries;
    for directory in 0.. {
        if left == 0 {
            break;
        }
        process::check()?;
        let directory = root.join(format!("d{directory:05}"));
        make_dir(&directory)?;
        left -= 1;
        for file in 0..left.min(PER_DIRECTORY) {
            let path = directory.join(format!("file-{file:03}"));
            File::create(&path).map_err(|err| Trouble::at(&path, err))?;
            left -= 1;
        }
    }
    Ok(())
}

/// Waits until the server's memory stays the same.
fn settle(server: &Sealift) -> Outcome<()> {
    let start = Instant::now();
    let mut last = (0, start);
    while last.1.elapsed() < SETTLED && start.elapsed() < SETTLE_LIMIT {
        process::check()?;
        let now = procfs::memory(server.pid()).map_or(0, |memory| memory.now);
        if now != last.0 {
            last = (now, Instant::now());
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Allows this process as many open files as it may, and returns how many connections of those wanted fit. The server
/// does the same for itself.
fn open_files(wanted: u64) -> Outcome<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).map_err(|err| Trouble::new(format!("RLIMIT_NOFILE: {err}")))?;
    Ok(limit.maximum.map_or(wanted, |most| most.saturating_sub(FILES_KEPT) / FILES_PER_SESSION).min(wanted))
}
