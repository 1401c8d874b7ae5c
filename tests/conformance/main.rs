//! The index of what is required, and which test shows it.
//!
//! Four tables stand beside this file, a row for each label: of the requirements of RFC 9293 (MUST, SHLD, MAY), of the
//! event rules that it leaves without labels, of 52 behaviours that a TCP shows from outside, and of 48 attacks. A row
//! without a test must say why. The pages `src/manual/conformance/*.md` and `src/manual/attacks.md` are written from
//! them: `LONGHAUL_BLESS=1 cargo test --test conformance`.
#![cfg(feature = "alloc")]

extern crate alloc;

#[path = "../common/generated.rs"]
mod generated;

use alloc::collections::BTreeMap;
use core::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

const REQUIREMENTS: &str = include_str!("requirements.txt");
const EVENTS: &str = include_str!("events.txt");
const BEHAVIOURS: &str = include_str!("behaviours.txt");
const ATTACKS: &str = include_str!("attacks.txt");

/// A row of a table.
struct Row<'t> {
    label: &'t str,
    section: Option<&'t str>,
    text: &'t str,
    verdict: &'t str,
    tests: Vec<&'t str>,
}

impl Row<'_> {
    /// Whether it asks nothing of this crate, and says why, or is an option that is not taken.
    fn is_excused(&self) -> bool {
        self.verdict.starts_with("not applicable: ")
            || (self.label.starts_with("MAY") && self.verdict.starts_with("no"))
    }
}

fn rows(table: &str, has_section: bool) -> Vec<Row<'_>> {
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    let row = |line| {
        let cells: Vec<&str> = str::split(line, '|').map(str::trim).collect();
        assert_eq!(cells.len(), if has_section { 5 } else { 4 }, "{line}");
        let (section, rest) = if has_section { (Some(cells[1]), &cells[2..]) } else { (None, &cells[1..]) };
        let tests = rest[2].split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        Row { label: cells[0], section, text: rest[0], verdict: rest[1], tests }
    };
    lines.map(row).collect()
}

/// Where each test is: functions by their names, scripts by their paths below `tests/packetdrill`.
fn known_tests() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut known = BTreeMap::new();
    for folder in ["src", "tests"] {
        for file in files_below(&root.join(folder)) {
            let path = file.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
            match file.extension().and_then(|extension| extension.to_str()) {
                Some("rs") => {
                    let text = fs::read_to_string(&file).expect("a readable file");
                    known.extend(test_functions(&text).map(|name| (name.to_owned(), path.clone())));
                }
                Some("pkt") => {
                    let name = path.trim_start_matches("tests/packetdrill/").to_owned();
                    known.insert(name, path);
                }
                _ => {}
            }
        }
    }
    known
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// The names of functions behind `#[test]`.
fn test_functions(text: &str) -> impl Iterator<Item = &str> {
    text.split("#[test]").skip(1).filter_map(|rest| {
        let line = rest.lines().map(str::trim).find(|line| line.starts_with("fn "))?;
        line["fn ".len()..].split('(').next()
    })
}

/// Every label once and in order, none without a test or a reason, and no test that does not exist.
#[track_caller]
fn check(rows: &[Row<'_>], labels: &[String], known: &BTreeMap<String, String>) {
    assert_eq!(rows.iter().map(|row| row.label).collect::<Vec<_>>(), *labels);
    let mut faults = Vec::new();
    for row in rows {
        for test in row.tests.iter().filter(|test| !known.contains_key(**test)) {
            faults.push(format!("{}: there is no test {test}", row.label));
        }
        if row.tests.is_empty() && !row.is_excused() {
            faults.push(format!("{}: no test, and no reason", row.label));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

fn numbered(prefix: &str, count: u32) -> impl Iterator<Item = String> {
    (1..=count).map(move |number| format!("{prefix}{number}"))
}

fn two_digits(count: u32) -> Vec<String> {
    (1..=count).map(|number| format!("{number:02}")).collect()
}

/// A table in Markdown.
fn page(title: &str, about: &str, rows: &[Row<'_>], known: &BTreeMap<String, String>) -> String {
    let mut page = format!("{title}\n\n{about}\n\n| | what is asked | here | tests |\n|---|---|---|---|\n");
    for row in rows {
        let label = row.section.map_or_else(|| row.label.to_owned(), |section| format!("{} ({section})", row.label));
        let place = |test: &&str| match known.get(*test) {
            Some(path) if Path::new(path).extension().is_some_and(|extension| extension == "pkt") => {
                format!("`{path}`")
            }
            Some(path) => format!("`{path}::{test}`"),
            None => String::new(),
        };
        let tests: Vec<String> = row.tests.iter().map(place).collect();
        writeln!(page, "| {label} | {} | {} | {} |", row.text, row.verdict, tests.join(", ")).expect("it grows");
    }
    page
}

#[test]
fn every_requirement_of_rfc_9293_has_a_test_or_a_reason() {
    let (rows, known) = (rows(REQUIREMENTS, true), known_tests());
    let labels = numbered("MUST-", 69).chain(numbered("SHLD-", 31)).chain(numbered("MAY-", 18));
    check(&rows, &labels.chain(numbered("REC-", 1)).collect::<Vec<_>>(), &known);
    // What does not apply is counted, so that nothing slips away under that name.
    let excused = |prefix: &str| rows.iter().filter(|row| row.label.starts_with(prefix) && row.is_excused()).count();
    assert_eq!((excused("MUST-"), excused("SHLD-")), (3, 2), "source routes, and what only an application can do");
    let about = "The labels are those of RFC 9293's appendix B. Where the verdict names Linux, the default follows \
                 Linux; what numbers can say the other way stands in `Sysctl::RFC9293`.";
    let text = page("# Requirements of RFC 9293", about, &rows, &known);
    generated::compare("src/manual/conformance/requirements.md", &text);
}

#[test]
fn every_event_rule_has_a_test_or_a_reason() {
    let (rows, known) = (rows(EVENTS, false), known_tests());
    check(&rows, &two_digits(84), &known);
    let about = "What RFC 9293 3.5, 3.9 and 3.10 say of events without giving it a label, in their order.";
    let text = page("# Event rules of RFC 9293", about, &rows, &known);
    generated::compare("src/manual/conformance/events.md", &text);
}

#[test]
fn every_behaviour_has_a_test_or_a_reason() {
    let (rows, known) = (rows(BEHAVIOURS, false), known_tests());
    check(&rows, &two_digits(52), &known);
    let about = "What can be seen of a TCP from outside, after the list of the packetimpact suite.";
    let text = page("# Behaviours", about, &rows, &known);
    generated::compare("src/manual/conformance/behaviours.md", &text);
}

/// The tests of an attack are those that have its row in their names, and what the table names beside them.
#[test]
fn every_attack_has_a_test() {
    let known = known_tests();
    let of = |label: &str| {
        let prefix = format!("attack_{}_", label.to_lowercase());
        known.keys().filter(move |name| name.starts_with(&prefix)).map(String::as_str).collect::<Vec<_>>()
    };
    let lines = ATTACKS.lines().filter(|line| !line.starts_with('#'));
    let rows: Vec<Row<'_>> = lines
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let (label, text, verdict, others) = match cells[..] {
                [label, text, verdict] => (label, text, verdict, ""),
                [label, text, verdict, others] => (label, text, verdict, others),
                _ => panic!("{line}"),
            };
            let others = others.split(',').map(str::trim).filter(|name| !name.is_empty());
            Row { label, section: None, text, verdict, tests: of(label).into_iter().chain(others).collect() }
        })
        .collect();
    let labels: Vec<String> = two_digits(48).iter().map(|number| format!("A{number}")).collect();
    check(&rows, &labels, &known);
    let without: Vec<&str> = rows.iter().filter(|row| of(row.label).is_empty()).map(|row| row.label).collect();
    assert!(without.is_empty(), "no test of its own: {without:?}");
    let about = "Each is met in virtual time, and costs are counted as work, not as time.";
    generated::compare("src/manual/attacks.md", &page("# Attacks, and what meets them", about, &rows, &known));
}

/// The labels that a test's name begins with: `rfc9293_must_4_shld_5_ev_01_to_05_...`.
fn labels_in(name: &str) -> Vec<String> {
    let (mut labels, mut kind, mut from) = (Vec::new(), "", None);
    let mut upto = false;
    for word in name.split('_').skip(1) {
        match word {
            "must" | "shld" | "may" | "ev" => kind = word,
            "to" => upto = true,
            _ => {
                let Ok(number) = word.parse::<u32>() else { break };
                let first = if core::mem::take(&mut upto) { from.map_or(number, |from| from + 1) } else { number };
                from = Some(number);
                labels.extend((first..=number).map(|number| match kind {
                    "ev" => format!("{number:02}"),
                    kind => format!("{}-{number}", kind.to_uppercase()),
                }));
            }
        }
    }
    labels
}

/// The other way round: a test that has a label in its name stands in the row of that label.
#[test]
fn a_test_with_a_label_in_its_name_stands_in_its_row() {
    let tables = rows(REQUIREMENTS, true).into_iter().chain(rows(EVENTS, false));
    let tables: BTreeMap<&str, Vec<&str>> = tables.map(|row| (row.label, row.tests)).collect();
    let mut faults = Vec::new();
    for name in known_tests().keys().filter(|name| name.starts_with("rfc9293_")) {
        let labels = labels_in(name);
        if labels.is_empty() {
            faults.push(format!("{name} has no label"));
        }
        for label in labels {
            match tables.get(label.as_str()) {
                None => faults.push(format!("{name}: there is no {label}")),
                Some(tests) if !tests.contains(&name.as_str()) => faults.push(format!("{label} does not name {name}")),
                Some(_) => {}
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
