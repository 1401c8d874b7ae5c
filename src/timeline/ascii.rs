//! A timeline in plain characters, for terminals, logs and test output.

use super::axis::Axis;
use super::place::Rows;
use super::text::{for_terminal, shorten};
use super::{How, Kind, Lane, Mark, Timeline};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

/// Columns that [`Timeline::ascii`] uses at least and at most.
const COLUMNS: core::ops::RangeInclusive<usize> = 60..=200;

impl Timeline {
    /// The timeline in printable ASCII, at most `columns` wide (60 to 200, others are taken for the nearest), with a
    /// legend of what occurs. Ends with a line break.
    ///
    /// ```text
    ///                         0  0.2 s 1 s      10 s       1 min    10 min
    ///                         +--+-----+--------+----------+--------+-----
    /// tcp_retries2 = 8        sr--r---r---r---r---r---r----r-----X 102.7 s
    ///                                                         ETIMEDOUT
    /// ```
    pub fn ascii(&self, columns: usize) -> String {
        let columns = columns.clamp(*COLUMNS.start(), *COLUMNS.end());
        let words = self.lanes.iter().flat_map(|lane| [&lane.label, &lane.detail]);
        let label_len = words.map(|words| words.chars().count()).max().unwrap_or_default().min(columns / 3);
        let room = columns - label_len - GAP.len();
        let axis = Axis::fitting(self, (room - 1) as u32, 1, |lane| lane.tail().len() as u32);

        let mut lines: Vec<String> = Vec::new();
        let titles = [&self.title, &self.axis_title].map(|words| shorten(words, columns, '~'));
        lines.extend(titles.into_iter().filter(|words| !words.is_empty()));
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(axis_lines(&axis, room).map(|line| format!("{:label_len$}{GAP}{line}", "")));
        for lane in &self.lanes {
            let drawn = lane.lines(&axis, room);
            let rows = drawn.len().max(if lane.detail.is_empty() { 1 } else { 2 });
            for row in 0..rows {
                let label = [&lane.label, &lane.detail].get(row).map_or("", |words| words.as_str());
                let label = shorten(label, label_len, '~');
                let line = drawn.get(row).map_or("", String::as_str);
                lines.push(format!("{label:label_len$}{GAP}{line}"));
            }
        }
        lines.push(String::new());
        lines.push(self.legend());
        let clean = lines.iter().map(|line| for_terminal(line).trim_end().to_string() + "\n");
        clean.collect()
    }

    /// What the characters mean that occur.
    fn legend(&self) -> String {
        let (kinds, any_lost) = self.kinds();
        let dies = self.lanes.iter().any(|lane| lane.death().is_some());
        let mut words: Vec<String> =
            kinds.iter().map(|kind| format!("{} {}", letter(*kind, false), kind.describe())).collect();
        words.extend(dies.then(|| "X dead".to_string()));
        words.extend(any_lost.then(|| "small letters: lost on the way".to_string()));
        words.extend(self.left_out());
        words.join(", ")
    }

    /// What the limits kept out.
    pub(super) fn left_out(&self) -> Option<String> {
        let marks: usize = self.lanes.iter().map(|lane| lane.marks_left_out).sum();
        let left_out = |count: usize, what: &str| (count > 0).then(|| format!("{count} more {what} not shown"));
        let both: Vec<_> = left_out(self.lanes_left_out, "lanes").into_iter().chain(left_out(marks, "marks")).collect();
        (!both.is_empty()).then(|| both.join(", "))
    }
}

/// Between label and line.
const GAP: &str = "  ";

/// What a mark looks like; small if it was lost and that can be said of it.
const fn letter(kind: Kind, lost: bool) -> char {
    let letter = match kind {
        Kind::Sent => 'S',
        Kind::Retransmission => 'R',
        Kind::Probe => 'P',
        Kind::Reset => '!',
        Kind::Received => '<',
        Kind::Note => '|',
    };
    if lost { letter.to_ascii_lowercase() } else { letter }
}

/// The labels of the ticks, and the ticks.
fn axis_lines(axis: &Axis, room: usize) -> [String; 2] {
    let (mut labels, mut line) = (vec![' '; room], vec!['-'; axis.width() as usize + 1]);
    for (at, label) in axis.ticks(|label| label.len() as u32, 1) {
        let at = at as usize;
        line[at] = '+';
        let start = at.saturating_sub(label.len() / 2).min(room.saturating_sub(label.len()));
        write(&mut labels, start, &label);
    }
    [labels.into_iter().collect(), line.into_iter().collect()]
}

fn write(cells: &mut [char], start: usize, text: &str) {
    cells.iter_mut().skip(start).zip(text.chars()).for_each(|(cell, char)| *cell = char);
}

impl Lane {
    /// The line of the lane, and below it the rows of what is to be read.
    fn lines(&self, axis: &Axis, room: usize) -> Vec<String> {
        let mut line = vec![' '; room];
        let last = axis.place(self.last()) as usize;
        line[..=last].fill('-');
        for span in &self.spans {
            line[axis.place(span.from) as usize..=axis.place(span.to) as usize].fill('~');
        }
        let mut marks: Vec<&Mark> = self.marks.iter().collect();
        marks.sort_by_key(|mark| mark.kind.rank());
        for mark in marks {
            line[axis.place(mark.at) as usize] = letter(mark.kind, mark.lost);
        }
        if let Some(end) = &self.end {
            line[last] = match end.how {
                How::Dies => 'X',
                How::Ends => ']',
                How::Lives => '>',
            };
            write(&mut line, last + 1, &self.tail());
        }

        let mut rows = Rows::new(room as u32, 2);
        let mut below: Vec<Vec<char>> = Vec::new();
        for (anchor, words) in self.words(axis).chain(self.span_words(axis)) {
            let words = shorten(words, room, '~');
            let Some((row, start)) = rows.place(anchor, words.chars().count() as u32) else { continue };
            below.resize(below.len().max(row + 1), vec![' '; room]);
            write(&mut below[row], start as usize, &words);
        }
        core::iter::once(line).chain(below).map(|cells| cells.into_iter().collect()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scale;
    use super::*;
    use crate::time::Duration;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_timeline_in_letters() {
        let mut idle = Lane::new("peer crashed").with_detail("10 s, 2 s, 3");
        (0..3).for_each(|probe| idle.mark(Mark::new(secs(10 + 2 * probe), Kind::Probe).lost()));
        idle.mark(Mark::new(secs(16), Kind::Reset).lost());
        idle.dies(secs(16), "ETIMEDOUT");
        let mut answered = Lane::new("peer alive");
        answered.mark(Mark::new(secs(10), Kind::Probe));
        answered.mark(Mark::new(secs(11), Kind::Received));
        answered.mark(Mark::new(secs(4), Kind::Note).with_text("a note"));
        answered.span(secs(4), secs(10), "silent");
        answered.lives(secs(20), "");
        let mut timeline =
            Timeline::new("Keepalive").with_axis_title("time since the last packet").with_scale(Scale::Linear);
        timeline.push(idle);
        timeline.push(answered);
        let golden = "\
Keepalive
time since the last packet

              0         5 s       10 s       15 s       20 s
              +----------+----------+----------+-----------+
peer crashed  ----------------------p----p---p----X 16 s
10 s, 2 s, 3                                  ETIMEDOUT
peer alive    ---------|~~~~~~~~~~~~P-<-------------------->
                    a note   silent

< received, P probe, ! reset, | note, X dead, small letters: lost on the way
";
        assert_eq!(timeline.ascii(60), golden);
    }

    #[test]
    fn no_line_is_wider_than_asked_for_and_none_says_anything_but_ascii() {
        let mut timeline = Timeline::new(&"é".repeat(500));
        for lane in 0..70_u64 {
            let mut dying = Lane::new("a label that is much too long for its column, \u{1b}[2J as it were");
            (0..2000).for_each(|at| dying.mark(Mark::new(secs(at * lane), Kind::Note).with_text("words")));
            dying.span(secs(5), secs(1), "backwards");
            dying.dies(secs(lane * lane), &"why ".repeat(50));
            timeline.push(dying);
        }
        for columns in [0, 60, 100, 1000] {
            let drawn = timeline.ascii(columns);
            let most = columns.clamp(60, 200);
            let lines = drawn.lines().skip(1);
            assert!(lines.clone().all(|line| line.len() <= most.max(100)), "{columns}: {drawn}");
            assert!(drawn.bytes().all(|byte| byte == b'\n' || byte == b' ' || byte.is_ascii_graphic()));
            assert!(drawn.ends_with("6 more lanes not shown, 62464 more marks not shown\n"), "{drawn}");
        }
    }

    #[test]
    fn an_empty_timeline_is_no_reason_to_panic() {
        let mut timeline = Timeline::new("");
        assert!(!timeline.ascii(80).is_empty());
        timeline.push(Lane::new(""));
        assert!(timeline.ascii(80).contains('+'));
    }
}
