//! Another mode: HTTP. GET and PUT of a large file, and of many small ones, with curl in HTTP/1.1 and HTTP/2, against nginx and dufs;
//! and a PROPFIND of a folder of many entries.

use std::fs;

use serde_json::json;

use crate::column::{Column, Set};
use crate::data::{Amounts, Area, Data, SOURCE};
use crate::options::Options;
use crate::peers::web::WebPeer;
use crate::peers::{Peer as _, web};
use crate::report::Report;
use crate::steps::{self, Cell, Taken};
use crate::table::{NOTHING, Table, bytes, seconds};
use crate::trouble::{Outcome, Trouble};

/// The folder of many entries, among what is fetched.
const MANY: &str = "many";

/// Measures it all.
///
/// # Errors
/// When the data cannot be written, Sealift or curl does not start, or when interrupted. What fails later is in the report.
pub fn run(options: &Options) -> Outcome<Report> {
    let amounts = Amounts {
        file: options.or(options.size, 1024, 16) * 1024 * 1024,
        small: options.or(options.files, 10_000, 200),
        tree: 0,
    };
    let rounds = options.or(options.rounds, 5, 1);
    let area = Area::make(options.dir.as_deref(), amounts.room())?;
    let mut report = Report::new("web", &area, rounds);
    Data::write(&area, amounts)?;
    let many = area.source().join(MANY);
    fs::create_dir(&many).map_err(|err| Trouble::at(&many, err))?;
    for n in 0..amounts.small {
        let file = many.join(format!("entry number {n}"));
        fs::write(&file, "x").map_err(|err| Trouble::at(&file, err))?;
    }
    let (peers, versions, missing) = web::start(&area)?;
    report.versions = versions;
    report.missing = missing;
    let columns: Vec<Column> = Column::ALL.into_iter().filter(|column| column.set != Set::Tree).collect();
    let mut rows: Vec<(Vec<Cell>, Cell)> =
        peers.iter().map(|_| (columns.iter().map(|_| Cell::default()).collect(), Cell::default())).collect();
    for round in 1..=rounds {
        report.progress(&format!("round {round} of {rounds}"));
        for (at, column) in columns.iter().enumerate() {
            // Each begins once in a while, as in the main mode.
            let first = usize::try_from(round).unwrap_or(0) % peers.len().max(1);
            for n in (0..peers.len()).map(|n| (n + first) % peers.len()) {
                let (Some(peer), Some((cells, _))) = (peers.get(n), rows.get_mut(n)) else { continue };
                let (Some(cell), Some(server)) = (cells.get_mut(at), peer.server()) else { continue };
                cell.add(|| steps::run(peer, *column, &area, server.port))?;
            }
        }
        for (peer, (_, cell)) in peers.iter().zip(&mut rows) {
            cell.add(|| find(peer, &area, amounts.small))?;
        }
    }
    for (peer, (cells, found)) in peers.iter().zip(&rows) {
        let all = columns.iter().map(Column::to_string).chain(["propfind".to_owned()]);
        for (cell, what) in cells.iter().chain([found]).zip(all) {
            // That it is not offered is no failure.
            let failed = cell.failed.iter().filter(|why| *why != NOT_OFFERED);
            report.failed.extend(failed.map(|why| format!("{} {what}: {why}", peer.name())));
        }
    }
    let heads = columns.iter().map(|column| column.way.word().to_owned()).chain(["PROPFIND".to_owned()]);
    let title = |set| match set {
        Set::File => bytes(amounts.file),
        Set::Small | Set::Tree => format!("{} x 4 KiB", amounts.small),
    };
    let groups = columns.iter().map(|column| title(column.set)).chain([format!("{} entries", amounts.small)]);
    let mut table = Table::new(heads.collect()).grouped(groups);
    let walls = |(cells, found): &(Vec<Cell>, Cell)| -> Vec<Option<f64>> {
        cells.iter().chain([found]).map(Cell::wall).collect()
    };
    for (peer, row) in peers.iter().zip(&rows) {
        table.row(peer.name(), walls(row).into_iter().map(seconds));
    }
    table.row("", []);
    let is_sealift = |peer: &WebPeer| peer.name().starts_with("sealift");
    for (ours, our) in peers.iter().zip(&rows).filter(|(peer, _)| is_sealift(peer)) {
        let others = peers.iter().zip(&rows).filter(|(peer, _)| !is_sealift(peer) && peer.version() == ours.version());
        for (theirs, their) in others {
            let ratio = |(our, their): (Option<f64>, Option<f64>)| Some(format!("{:.2} x", their? / our?));
            let ratios = walls(our).into_iter().zip(walls(their)).map(ratio);
            let shown = ratios.map(|ratio| ratio.unwrap_or_else(|| NOTHING.to_owned()));
            table.row(format!("{} / {}", theirs.name(), ours.name()), shown);
        }
    }
    report.text = format!(
        "Seconds from curl's start to its end, median of {rounds}:\n{}\nRatio: seconds of the other / seconds of Sealift; above \
         1 Sealift is faster. What Sealift says is stored is synced; nginx and dufs sync nothing.",
        table.render()
    );
    let cells = peers.iter().zip(&rows).map(|(peer, row)| json!({ "peer": peer.name(), "medians": walls(row) }));
    let columns: Vec<String> = columns.iter().map(Column::to_string).chain(["propfind".to_owned()]).collect();
    report.result = json!({ "columns": columns, "rows": cells.collect::<Vec<_>>() });
    Ok(report)
}

/// What a cell says that nobody fills.
const NOT_OFFERED: &str = "not offered";

fn find(peer: &WebPeer, area: &Area, entries: u64) -> Outcome<Taken> {
    let job = peer.find(&format!("{SOURCE}/{MANY}")).ok_or_else(|| Trouble::new(NOT_OFFERED))?;
    let finished = job.run(&area.path("client.log"))?;
    // An entry takes more than its name.
    if peer.told()? < entries * 100 {
        return Err(Trouble::new("not all entries were told"));
    }
    Ok(Taken { wall: finished.wall.as_secs_f64(), client_cpu: finished.cpu.as_secs_f64(), server_cpu: 0.0 })
}
