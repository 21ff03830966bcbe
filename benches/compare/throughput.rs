//! The main mode: how long each peer takes for each column.

use serde_json::{Value, json};

use crate::column::{Column, Set, Way};
use crate::data::{Amounts, Area, Data};
use crate::loopback;
use crate::options::Options;
use crate::peers::{self, Lineup};
use crate::report::Report;
use crate::steps::{self, Cell, median};
use crate::table::{NOTHING, Table, bytes, seconds};
use crate::trouble::Outcome;

/// Measures it all.
///
/// # Errors
/// When the data cannot be written, or when interrupted. What fails for one peer is in the report.
pub fn run(options: &Options) -> Outcome<Report> {
    let amounts = Amounts {
        file: options.or(options.size, 1024, 16) * 1024 * 1024,
        small: options.or(options.files, 10_000, 200),
        tree: options.or(options.tree_files, 8_000, 200),
    };
    let rounds = options.or(options.rounds, 5, 1);
    let area = Area::make(options.dir.as_deref(), amounts.room())?;
    let mut report = Report::new("throughput", &area, rounds);
    let data = Data::write(&area, amounts)?;
    let lineup = Lineup::start(&area, options)?;
    let columns: Vec<Column> = Column::ALL
        .into_iter()
        .filter(|column| options.wants_column(*column) && data.extent(column.set).is_some())
        .collect();
    report.versions.extend(lineup.versions.iter().cloned());
    report.failed.extend(lineup.failed.iter().cloned());
    report.missing.extend(data.missing.iter().chain(&lineup.missing).cloned());

    let mut rows: Vec<Row> = lineup
        .peers
        .iter()
        .map(|peer| Row {
            peer: peer.name(),
            rival: peer.is_rival(),
            cells: columns.iter().map(|_| Cell::default()).collect(),
        })
        .collect();
    let ceiling = Ceiling::new(&columns, amounts.file)?;
    let mut ceilings = Vec::new();
    for round in 1..=rounds {
        report.progress(&format!("round {round} of {rounds}"));
        ceilings.extend(ceiling.measure()?);
        for (at, column) in columns.iter().enumerate() {
            // Each begins once in a while: where memory has been idle, the first one pays for getting it back.
            let first = usize::try_from(round - 1).unwrap_or(0) % rows.len().max(1);
            rows.rotate_left(first);
            let peers = lineup.peers.iter().cycle().skip(first);
            for (peer, row) in peers.zip(&mut rows) {
                let Some(cell) = row.cells.get_mut(at).filter(|_| options.wants(*column, peer.name())) else {
                    continue;
                };
                let port = peer.server().map_or(0, |server| server.port);
                match peer.cannot(*column) {
                    Some(why) if round == 1 => report.missing.push(format!("{} {column}: {why}", peer.name())),
                    Some(_) => {}
                    None => cell.add(|| steps::run(&**peer, *column, &area, port))?,
                }
            }
            rows.rotate_right(first);
        }
    }
    for row in &rows {
        for (cell, column) in row.cells.iter().zip(&columns) {
            report.failed.extend(cell.failed.iter().map(|why| format!("{} {column}: {why}", row.peer)));
        }
    }
    let result = Throughput { columns, rows, ceiling: median(ceilings), data };
    report.text = result.render(area.in_memory(), rounds);
    report.result = result.json();
    Ok(report)
}

struct Throughput {
    columns: Vec<Column>,
    rows: Vec<Row>,
    /// Bytes a second.
    ceiling: Option<f64>,
    data: Data,
}

struct Row {
    peer: &'static str,
    rival: bool,
    cells: Vec<Cell>,
}

impl Row {
    fn wall(&self, at: usize) -> Option<f64> {
        self.cells.get(at).and_then(Cell::wall)
    }

    fn is_sealift(&self) -> bool {
        peers::sealift::NAMES.contains(&self.peer)
    }
}

impl Throughput {
    /// The rival that is fastest in a column, and its seconds.
    fn fastest(&self, at: usize) -> Option<(&'static str, f64)> {
        let rivals = self.rows.iter().filter(|row| row.rival);
        rivals.filter_map(|row| Some((row.peer, row.wall(at)?))).min_by(|one, other| one.1.total_cmp(&other.1))
    }

    fn all<T>(&self, make: impl Fn(usize) -> T) -> Vec<T> {
        (0..self.columns.len()).map(make).collect()
    }

    fn title(&self, set: Set) -> String {
        let extent = self.data.extent(set).unwrap_or_default();
        match set {
            Set::File => bytes(extent.bytes),
            Set::Small => format!("{} x 4 KiB", extent.files),
            Set::Tree => format!("{} source files", extent.files),
        }
    }

    fn table(&self) -> Table {
        Table::new(self.columns.iter().map(|column| column.way.word().to_owned()).collect())
            .grouped(self.columns.iter().map(|column| self.title(column.set)))
    }

    fn render(&self, in_memory: bool, rounds: u64) -> String {
        let mut walls = self.table();
        for row in &self.rows {
            walls.row(row.peer, self.all(|at| seconds(row.wall(at))));
        }
        walls.row("", []);
        walls.row("fastest rival", self.all(|at| self.fastest(at).map_or(NOTHING, |(peer, _)| peer).to_owned()));
        for row in self.rows.iter().filter(|row| row.is_sealift()) {
            let ratio = |at| Some(format!("{:.2} x", self.fastest(at)?.1 / row.wall(at)?));
            walls.row(format!("ratio: {}", row.peer), self.all(|at| ratio(at).unwrap_or_else(|| NOTHING.to_owned())));
        }
        let mut lines =
            vec![format!("Seconds from the client's start to its end, median of {rounds}:"), walls.render()];
        lines.push("Ratio: seconds of the fastest rival / seconds of Sealift; above 1 Sealift is faster.".to_owned());
        if let Some(tree) = self.data.extent(Set::Tree) {
            lines.push(format!("The source files have {} together.", bytes(tree.bytes)));
        }
        if in_memory {
            lines.push("The files are in memory, where syncs cost nothing; --dir names a folder on a disk.".to_owned());
        }
        lines.extend(self.ceiling_line());
        let mut cpus = self.table();
        for row in &self.rows {
            let cell = |at: usize| {
                let cell = row.cells.get(at)?;
                let (client, server) = (cell.median(|taken| taken.client_cpu)?, cell.median(|taken| taken.server_cpu)?);
                Some(format!("{client:.2} + {server:.2}"))
            };
            cpus.row(row.peer, self.all(|at| cell(at).unwrap_or_else(|| NOTHING.to_owned())));
        }
        lines.push("\nCPU seconds of the client + of the server, medians:".to_owned());
        lines.push(cpus.render());
        lines.join("\n")
    }

    fn ceiling_line(&self) -> Option<String> {
        let ceiling = self.ceiling?;
        let mut line = format!("Ceiling: the same TLS layer, memory to memory: {:.2} GB/s", ceiling / 1e9);
        for row in self.rows.iter().filter(|row| row.is_sealift()) {
            for way in [Way::Down, Way::Up] {
                let wall = self.columns.iter().position(|column| *column == Column { set: Set::File, way });
                if let Some(wall) = wall.and_then(|at| row.wall(at)) {
                    let rate = self.data.extent(Set::File)?.bytes as f64 / wall;
                    line += &format!(
                        "\n  {} {}: {:.2} GB/s, {:.2} of it",
                        row.peer,
                        way.word(),
                        rate / 1e9,
                        rate / ceiling
                    );
                }
            }
        }
        Some(line)
    }

    fn json(&self) -> Value {
        let sets = self.columns.iter().filter(|column| column.way == Way::Down).map(|column| {
            let extent = self.data.extent(column.set).unwrap_or_default();
            json!({ "set": column.set.entry(), "files": extent.files, "bytes": extent.bytes })
        });
        let rows = self.rows.iter().flat_map(|row| {
            self.columns.iter().zip(&row.cells).enumerate().filter_map(|(at, (column, cell))| {
                let ratio = self.fastest(at).and_then(|(_, fastest)| Some(fastest / cell.wall()?));
                let tried = !cell.rounds.is_empty() || cell.failed.is_some();
                tried.then(|| {
                    json!({
                        "peer": row.peer, "column": column.to_string(), "median": cell.wall(),
                        "rounds": cell.rounds, "failed": cell.failed,
                        "ratio": ratio.filter(|_| row.is_sealift()),
                    })
                })
            })
        });
        json!({
            "data": sets.collect::<Vec<_>>(), "cells": rows.collect::<Vec<_>>(), "ceiling_bytes_per_second": self.ceiling,
        })
    }
}

/// The same bytes through the same TLS layer, with no file and no protocol at either end.
struct Ceiling {
    tls: Option<loopback::Tls>,
    pieces: usize,
}

impl Ceiling {
    /// Measures only if a column moves the large file.
    fn new(columns: &[Column], size: u64) -> Outcome<Ceiling> {
        let wanted = columns.iter().any(|column| column.set == Set::File);
        let tls = if wanted { Some(loopback::Tls::new()?) } else { None };
        Ok(Ceiling { tls, pieces: (size as usize / loopback::PIECE).max(1) })
    }

    /// Bytes a second.
    fn measure(&self) -> Outcome<Option<f64>> {
        let Some(tls) = &self.tls else { return Ok(None) };
        Ok(Some((self.pieces * loopback::PIECE) as f64 / tls.pump(self.pieces)?))
    }
}
