//! The mode `--rtt`: how often each peer waits for an answer before it goes on.

use std::time::Duration;

use serde_json::json;

use crate::column::{Column, Set};
use crate::data::{Amounts, Area, Data};
use crate::options::Options;
use crate::peers::Lineup;
use crate::proxy::Proxy;
use crate::report::Report;
use crate::steps::{self, Cell};
use crate::table::{NOTHING, Table, bytes, seconds};
use crate::trouble::Outcome;

/// The same step through a line without delay and through a long one.
struct Pair {
    peer: &'static str,
    column: Column,
    near: Cell,
    far: Cell,
}

/// Measures it all, through a round trip of `rtt`.
///
/// # Errors
/// When the data cannot be written, or when interrupted. What fails for one peer is in the report.
pub fn run(options: &Options, rtt: Duration) -> Outcome<Report> {
    let amounts = Amounts {
        file: options.or(options.size, 256, 16) * 1024 * 1024,
        small: options.or(options.files, 1000, 20),
        tree: 0,
    };
    let rounds = options.or(options.rounds, 1, 1);
    let area = Area::make(options.dir.as_deref(), amounts.room())?;
    let mut report = Report::new("rtt", &area, rounds);
    Data::write(&area, amounts)?;
    let lineup = Lineup::start(&area, options)?;
    report.versions.extend(lineup.versions.iter().cloned());
    report.failed.extend(lineup.failed.iter().cloned());
    report.missing.extend(lineup.missing.iter().cloned());

    let columns: Vec<Column> =
        Column::ALL.into_iter().filter(|column| column.set != Set::Tree && options.wants_column(*column)).collect();
    let mut pairs = Vec::new();
    for peer in lineup.peers.iter().filter(|peer| peer.server().is_some()) {
        for column in columns.iter().copied().filter(|column| options.wants(*column, peer.name())) {
            match peer.cannot(column) {
                Some(why) => report.missing.push(format!("{} {column}: {why}", peer.name())),
                None => pairs.push(Pair { peer: peer.name(), column, near: Cell::default(), far: Cell::default() }),
            }
        }
    }
    for round in 1..=rounds {
        for pair in &mut pairs {
            report.progress(&format!("round {round} of {rounds}: {} {}", pair.peer, pair.column));
            let Some(peer) = lineup.peers.iter().find(|peer| peer.name() == pair.peer) else { continue };
            let Some(server) = peer.server() else { continue };
            for (cell, rtt) in [(&mut pair.near, Duration::ZERO), (&mut pair.far, rtt)] {
                let proxy = Proxy::start(server.port, rtt)?;
                cell.add(|| steps::run(&**peer, pair.column, &area, proxy.port()))?;
            }
        }
    }
    for pair in &pairs {
        let failed = pair.near.failed.iter().chain(&pair.far.failed);
        report.failed.extend(failed.map(|why| format!("{} {}: {why}", pair.peer, pair.column)));
    }
    report.text = render(&pairs, &columns, amounts, rtt, rounds);
    let cells = pairs.iter().map(|pair| {
        json!({
            "peer": pair.peer, "column": pair.column.to_string(), "without_delay": pair.near, "with_delay": pair.far,
            "round_trips": pair.round_trips(rtt),
        })
    });
    report.result = json!({ "rtt_ms": rtt.as_secs_f64() * 1e3, "cells": cells.collect::<Vec<_>>() });
    Ok(report)
}

impl Pair {
    /// Round trips that the step waited for.
    fn round_trips(&self, rtt: Duration) -> Option<f64> {
        Some((self.far.wall()? - self.near.wall()?) / rtt.as_secs_f64())
    }
}

fn render(pairs: &[Pair], columns: &[Column], amounts: Amounts, rtt: Duration, rounds: u64) -> String {
    let title = |column: &Column| match column.set {
        Set::File => format!("{} {}", bytes(amounts.file), column.way.word()),
        _ => format!("{} x 4 KiB {}", amounts.small, column.way.word()),
    };
    let heads = ["0 ms".to_owned(), format!("{} ms", rtt.as_millis()), "trips".to_owned()];
    let mut table = Table::new(columns.iter().flat_map(|_| heads.clone()).collect())
        .grouped(columns.iter().flat_map(|column| vec![title(column); heads.len()]));
    let mut names: Vec<&str> = pairs.iter().map(|pair| pair.peer).collect();
    names.dedup();
    for name in names {
        let cells = columns.iter().flat_map(|column| {
            let pair = pairs.iter().find(|pair| pair.peer == name && pair.column == *column);
            let trips = pair.and_then(|pair| pair.round_trips(rtt)).map(|trips| format!("{trips:.0}"));
            [
                seconds(pair.and_then(|pair| pair.near.wall())),
                seconds(pair.and_then(|pair| pair.far.wall())),
                trips.unwrap_or_else(|| NOTHING.to_owned()),
            ]
        });
        table.row(name, cells);
    }
    format!(
        "Seconds through a proxy without delay and with a round trip of {} ms, median of {rounds}, and how many round\n\
         trips the difference is:\n{}",
        rtt.as_millis(),
        table.render()
    )
}
