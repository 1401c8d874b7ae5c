//! What loss costs: 10 MB over a link of 100 Mbit/s and 50 ms, by us and by smoltcp (its CUBIC), through the same
//! link, with the same buffers and the same packets lost, in virtual time.
//!
//! `table.txt` is what comes out, number by number; `LONGHAUL_BLESS=1 cargo test --test goodput` writes it anew. The
//! promises below hold whatever it says.
#![cfg(feature = "alloc")]

extern crate alloc;

mod link;
mod ours;
mod race;
mod theirs;

use core::fmt::Write as _;
use link::Loss;
use race::{Outcome, race};
use std::path::Path;

/// What is lost, in the words of the table, and how far ahead we promise to be.
///
/// At 1 % both recover without waiting, and CUBIC's law says what is left: a window of about 12 segments. There we are
/// ahead because we count the segments that an ACK covers, not the ACKs, by about the square root of 2 and no more. A
/// kernel's CUBIC is no faster on the same losses (`benches/loss.rs`: 1.0).
const CELLS: [(&str, Loss, f64); 5] = [
    ("none", Loss::None, 1.0),
    ("0.1 %", Loss::Random { permille: 1 }, 1.5),
    ("1 %", Loss::Random { permille: 10 }, 1.3),
    ("3 %", Loss::Random { permille: 30 }, 1.5),
    ("one burst of 20", Loss::Burst { first: 3000, len: 20 }, 1.0),
];

/// Transfers of which the middle one counts, each with a seed of its own.
const SEEDS: u64 = 20;

struct Row {
    name: &'static str,
    ours: Outcome,
    theirs: Outcome,
    promised: f64,
}

#[test]
fn goodput_under_loss_is_ahead_of_smoltcp_in_every_cell() {
    let rows = CELLS.map(|(name, loss, promised)| Row {
        name,
        ours: median(|seed| race(&mut ours::pair(seed), loss, seed)),
        theirs: median(|seed| race(&mut theirs::pair(seed), loss, seed)),
        promised,
    });
    let table = render(&rows);
    println!("{table}");
    for row in &rows {
        let ratio = row.ours.goodput_mbit() / row.theirs.goodput_mbit();
        assert!(ratio >= row.promised, "{}: {ratio:.2} times smoltcp's, not {}\n{table}", row.name, row.promised);
    }
    compare(&table);
}

fn median(run: impl Fn(u64) -> Outcome) -> Outcome {
    let mut outcomes: Vec<Outcome> = (1..=SEEDS).map(run).collect();
    outcomes.sort_by_key(|outcome| outcome.micros);
    outcomes[outcomes.len() / 2]
}

fn render(rows: &[Row]) -> String {
    let mut table = String::from(
        "10 MB, 100 Mbit/s, 50 ms round trip, a queue of 625 kB, MTU 1500, buffers of 2 MiB; median of 20 seeds\n\n\
         lost              longhaul Mbit/s  resent/lost   smoltcp Mbit/s  resent/lost   ratio\n",
    );
    for row in rows {
        let (ours, theirs) = (row.ours, row.theirs);
        let ratio = ours.goodput_mbit() / theirs.goodput_mbit();
        let line = format!(
            "{:<17} {:>15.2} {:>12} {:>16.2} {:>12} {:>7.2}\n",
            row.name,
            ours.goodput_mbit(),
            ours.resent_per_lost(),
            theirs.goodput_mbit(),
            theirs.resent_per_lost(),
            ratio
        );
        table.write_str(&line).expect("a string takes everything");
    }
    table
}

fn compare(table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goodput/table.txt");
    if std::env::var_os("LONGHAUL_BLESS").is_some() {
        std::fs::write(&path, table).expect("the table can be written");
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(known == table, "not the table of {} (LONGHAUL_BLESS=1 writes it):\n{known}\n---\n{table}", path.display());
}
