//! Scripts with something wrong in them, by the thousand: each ends, and none panics. Where it goes wrong is printed.

use crate::runner::{self, Tolerance};
use libtest_mimic::Failed;
use std::path::Path;

/// Runs of mutated scripts.
const RUNS: u64 = 1500;

pub(super) fn no_mutation_panics() -> Result<(), Failed> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packetdrill");
    let rooms = ["core", "language", "own", "liveness/icmp"];
    let paths = rooms.iter().flat_map(|room| crate::scripts(&home.join(room)));
    let texts: Vec<String> = paths.filter_map(|path| std::fs::read_to_string(path).ok()).collect();
    for seed in 0..RUNS {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1);
        let mut text = random.pick(&texts).clone();
        for _ in 0..=random.below(3) {
            let other = random.pick(&texts);
            text = mutated(&mut random, &text, other);
        }
        // What it says is no matter.
        let ended = std::panic::catch_unwind(|| drop(runner::run(&text, Tolerance::Original)));
        if ended.is_err() {
            return Err(format!("seed {seed}: a panic in\n{text}").into());
        }
    }
    Ok(())
}

/// What may turn one thing into another.
const MARKS: &[&str] =
    &["*", "+0", "...", "<", ">", "`", "%{", "}%", "(", "[", "-1", "0x", "~", "//", "\"", "\u{e9}", "=", ","];

/// A line gone, doubled, moved or taken from another script; a number, a word or a character changed.
fn mutated(random: &mut Random, text: &str, other: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if lines.is_empty() {
        return other.to_owned();
    }
    let (at, to) = (random.below(lines.len()), random.below(lines.len()));
    match random.below(8) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, lines[to].clone()),
        2 => lines.swap(at, to),
        3 => {
            let foreign: Vec<&str> = other.lines().collect();
            lines.insert(at, foreign.get(random.below(foreign.len().max(1))).copied().unwrap_or("").to_owned());
        }
        4 | 5 => lines[at] = with_another_number(random, &lines[at]),
        6 => {
            let chars: Vec<char> = lines[at].chars().collect();
            let gone = random.below(chars.len().max(1));
            lines[at] = chars.iter().enumerate().filter(|(index, _)| *index != gone).map(|(_, c)| c).collect();
        }
        _ => {
            let place = lines[at].char_indices().map(|(place, _)| place).nth(random.below(lines[at].len().max(1)));
            let mark: &str = random.pick::<&str>(MARKS);
            lines[at].insert_str(place.unwrap_or(0), mark);
        }
    }
    lines.join("\n")
}

/// A run of digits replaced by one that is hard to take.
fn with_another_number(random: &mut Random, line: &str) -> String {
    const NUMBERS: &[&str] = &[
        "0",
        "1",
        "2",
        "65535",
        "65536",
        "2147483647",
        "2147483648",
        "4294967295",
        "4294967296",
        "-1",
        "9223372036854775807",
        "9223372036854775808",
        "3000000000",
        "0.000001",
    ];
    let digits: Vec<usize> = line.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(|(at, _)| at).collect();
    if digits.is_empty() {
        return line.to_owned();
    }
    let at = *random.pick(&digits);
    let end = line[at..].find(|c: char| !c.is_ascii_digit()).map_or(line.len(), |len| at + len);
    format!("{}{}{}", &line[..at], random.pick(NUMBERS), &line[end..])
}

/// Xorshift: enough to choose with.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }

    fn pick<'i, T>(&mut self, items: &'i [T]) -> &'i T {
        &items[self.below(items.len())]
    }
}
