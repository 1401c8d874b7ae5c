//! Times in words, and text made harmless.

use super::TEXT_MAX;
use crate::time::{Duration, micros};
use alloc::format;
use alloc::string::{String, ToString};

/// A time as people say it, in at most two significant pieces: `201 ms`, `1.407 s`, `925.6 s`, `2 h 11 min 15 s`.
///
/// Rounded to the nearest: to a millisecond below ten seconds, to a tenth of a second below an hour, else to a second.
pub fn in_words(time: Duration) -> String {
    let us = micros(time);
    match us {
        0 => "0 s".into(),
        1..1000 => format!("{us} us"),
        1000..999_500 => format!("{} ms", rounded(us, 1000)),
        999_500..9_999_500 => decimal(rounded(us, 1000), 1000),
        9_999_500..3_599_950_000 => decimal(rounded(us, 100_000), 10),
        _ => hours(rounded(us, 1_000_000)),
    }
}

/// The label of a tick: as short as it can be.
pub(super) fn tick(time: Duration) -> String {
    let us = micros(time);
    let exactly = |unit: u64| us >= unit && us.is_multiple_of(unit);
    for (unit, name) in [(DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s")] {
        if exactly(unit) {
            return format!("{} {name}", us / unit);
        }
    }
    if exactly(SECOND / 10) { decimal(us * 10 / SECOND, 10) } else { in_words(time) }
}

pub(super) const SECOND: u64 = 1_000_000;
pub(super) const MINUTE: u64 = 60 * SECOND;
pub(super) const HOUR: u64 = 60 * MINUTE;
pub(super) const DAY: u64 = 24 * HOUR;

const fn rounded(value: u64, unit: u64) -> u64 {
    value.saturating_add(unit / 2) / unit
}

/// `parts` of a second, `of` to a second, without zeros at the end.
fn decimal(parts: u64, of: u64) -> String {
    let digits = of.ilog10() as usize;
    let fraction = format!("{:0digits$}", parts % of);
    match fraction.trim_end_matches('0') {
        "" => format!("{} s", parts / of),
        fraction => format!("{}.{fraction} s", parts / of),
    }
}

fn hours(seconds: u64) -> String {
    let pieces = [(seconds / 3600, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let said = pieces.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count} {unit}"));
    said.collect::<alloc::vec::Vec<_>>().join(" ")
}

/// At most [`TEXT_MAX`] characters.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}

/// At most `len` characters, the last of them `mark` if something is missing.
pub(super) fn shorten(text: &str, len: usize, mark: char) -> String {
    if text.chars().count() <= len {
        return text.to_string();
    }
    let kept = text.chars().take(len.saturating_sub(1));
    kept.chain(core::iter::once(mark)).collect()
}

/// For a terminal: what is not printable ASCII, control sequences first of all, becomes a question mark.
pub(super) fn for_terminal(text: &str) -> String {
    text.chars().map(|char| if char == ' ' || char.is_ascii_graphic() { char } else { '?' }).collect()
}

/// For XML: markup as entities; what XML forbids, and what would turn the direction of writing, is replaced.
pub(super) fn for_xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            control if control.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_as_people_say_them() {
        let said = [
            (0, "0 s"),
            (850, "850 us"),
            (201_000, "201 ms"),
            (999_500, "1 s"),
            (1_407_000, "1.407 s"),
            (9_999_600, "10 s"),
            (30_201_000, "30.2 s"),
            (925_623_000, "925.6 s"),
            (3_599_949_999, "3599.9 s"),
            (3_599_950_000, "1 h"),
            (7_875_000_000, "2 h 11 min 15 s"),
            (90_000_000_000, "25 h"),
        ];
        for (us, words) in said {
            assert_eq!(in_words(Duration::from_micros(us)), words);
        }
        assert_eq!(in_words(Duration::MAX), "5124095576 h 1 min 49 s");
    }

    #[test]
    fn ticks_are_said_in_their_largest_unit() {
        let said = [(200_000, "0.2 s"), (20_000, "20 ms"), (MINUTE, "1 min"), (90 * SECOND, "90 s"), (7 * DAY, "7 d")];
        for (us, words) in said {
            assert_eq!(tick(Duration::from_micros(us)), words);
        }
    }

    #[test]
    fn text_can_neither_steer_a_terminal_nor_become_markup() {
        assert_eq!(for_terminal("a\u{1b}[31m é\n"), "a?[31m ??");
        assert_eq!(for_xml("<a href='x'>&\"\u{0}\u{202e}é"), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;\u{fffd}\u{fffd}é");
        assert_eq!(cut(&"é".repeat(200)).chars().count(), TEXT_MAX);
        assert_eq!((shorten("abcdef", 4, '~'), shorten("abcd", 4, '~')), ("abc~".into(), "abcd".into()));
    }
}
