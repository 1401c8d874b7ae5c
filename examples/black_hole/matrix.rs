//! Everything that can be set, with everything else.

use crate::common::pair::keepalive;
use crate::common::{Failure, Outcome, say, tell};
use crate::figure::{Busy, PATIENCE, die};
use longhaul::config::Sysctl;
use longhaul::options::Options;
use longhaul::timeline::in_words;

pub(crate) fn story() -> Outcome {
    let patience = in_words(PATIENCE);
    say("Dead after, by what is set");
    say(format!("{:30}{:>34}{:>34}", "", "user timeout off", format!("user timeout {patience}")));
    let keepalive = ["keepalive off", "20 s, 5 s, 3"].map(|words| format!("{words:>17}")).concat();
    say(format!("{:30}{}", "", keepalive.repeat(2)));
    let mut last = [String::new(), String::new()];
    for retries2 in [15, 8, 5, 3] {
        last = row(&format!("tcp_retries2 = {retries2}, in flight"), retries2, Busy::InFlight)?;
    }
    row("any, nothing in flight", 15, Busy::Idle)?;
    let [without, with] = last;
    tell(format!(
        "A user timeout takes the place of tcp_retries2, both ways: in the last row but one {without} became {with}."
    ));
    say("");
    Ok(())
}

/// Prints a row. Returns its cells without keepalive.
fn row(label: &str, tcp_retries2: u8, busy: Busy) -> Result<[String; 2], Failure> {
    let mut cells = Vec::new();
    for user_timeout in [None, Some(PATIENCE)] {
        for options in [Options::new(), keepalive(20, 5, 3)?] {
            cells.push(cell(options.with_tcp_user_timeout(user_timeout)?, tcp_retries2, busy)?);
        }
    }
    let [a, b, c, d] = &cells[..] else { return Err("four cells a row".into()) };
    say(format!("{label:30}{a:>17}{b:>17}{c:>17}{d:>17}"));
    Ok([a.clone(), c.clone()])
}

fn cell(options: Options, tcp_retries2: u8, busy: Busy) -> Result<String, Failure> {
    Ok(die(Sysctl { tcp_retries2, ..Sysctl::LINUX }, options, busy)?.when())
}
