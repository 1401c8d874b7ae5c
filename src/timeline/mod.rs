//! Timelines for people: when was what sent, and how did it end? A plain model, and two drawings of it.
//!
//! A [`Timeline`] has lanes below one another, all on one time axis. A [`Lane`] is mostly the life of one connection as
//! one end saw it: its packets as [`Mark`]s, stretches worth a word, and an end. Nothing in here knows of TCP; whoever
//! recorded the packets fills the model (`sim::Sim::timeline` does). [`Timeline::ascii`] is for terminals and test
//! output, [`Timeline::svg`] for pages; both compute in integers, so equal timelines are equal bytes on every machine.
//!
//! Everything is bounded ([`LANES_MAX`], [`MARKS_MAX`], [`SPANS_MAX`], [`TEXT_MAX`]), and text is made harmless where
//! it is drawn: it may come from a peer.
//!
//! ```
//! use longhaul::time::Duration;
//! use longhaul::timeline::{Kind, Lane, Mark, Timeline};
//!
//! let mut lane = Lane::new("keepalive 10 s, 2 s, 3").with_detail("the peer is silent");
//! for probe in 0..3 {
//!     lane.mark(Mark::new(Duration::from_secs(10 + 2 * probe), Kind::Probe).lost());
//! }
//! lane.dies(Duration::from_secs(16), "ETIMEDOUT");
//!
//! let mut timeline = Timeline::new("An idle connection");
//! timeline.push(lane);
//! let drawn = timeline.ascii(80);
//! assert!(drawn.contains("X 16 s"), "{drawn}");
//! assert!(timeline.svg().starts_with("<svg "));
//! ```
//!
//! | room | question it answers |
//! |---|---|
//! | `axis` | where on the axis is an instant, and which instants are worth a tick? |
//! | `place` | where does a text go, so that it touches no other? |
//! | `text` | how is a time said, and what of a text may be drawn? |
//! | `ascii`, `svg` | how does it look? |

mod ascii;
mod axis;
mod place;
mod svg;
mod text;

use crate::time::Duration;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use axis::Axis;

pub use axis::Scale;
pub use text::in_words;

/// Lanes of one timeline: more than fit a page. Further ones are counted, and the drawings say how many.
pub const LANES_MAX: usize = 64;

/// Marks of one lane: more than a line of 1,000 pixels can tell apart. Further ones are counted as above.
pub const MARKS_MAX: usize = 1024;

/// Spans of one lane; further ones are left out, since their words would not find room either.
pub const SPANS_MAX: usize = 32;

/// Characters of any one text; the rest is cut off.
pub const TEXT_MAX: usize = 160;

/// Lanes on one time axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    title: String,
    axis_title: String,
    scale: Scale,
    first: Option<Duration>,
    lanes: Vec<Lane>,
    lanes_left_out: usize,
}

impl Timeline {
    /// No lane yet, on [`Scale::Logarithmic`].
    pub fn new(title: &str) -> Self {
        Self {
            title: text::cut(title),
            axis_title: String::new(),
            scale: Scale::default(),
            first: None,
            lanes: Vec::new(),
            lanes_left_out: 0,
        }
    }

    /// What time counts from, in words: "time since the wire was cut". Default: nothing is said.
    #[must_use]
    pub fn with_axis_title(mut self, words: &str) -> Self {
        self.axis_title = text::cut(words);
        self
    }

    /// How time becomes distance.
    #[must_use]
    pub fn with_scale(mut self, scale: Scale) -> Self {
        self.scale = scale;
        self
    }

    /// From where on a logarithmic axis is one; what is earlier crowds at its beginning. Default: the first instant
    /// that is told, rounded down. A recording of a real machine begins with microseconds that nobody wants to see.
    #[must_use]
    pub fn with_first(mut self, first: Duration) -> Self {
        self.first = Some(first);
        self
    }

    /// Adds a lane below the others.
    pub fn push(&mut self, lane: Lane) {
        if self.lanes.len() < LANES_MAX {
            self.lanes.push(lane);
        } else {
            self.lanes_left_out += 1;
        }
    }

    /// The lanes, from the top down.
    pub fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    /// The last instant that has to be on the axis.
    fn last(&self) -> Duration {
        self.lanes.iter().flat_map(Lane::instants).max().unwrap_or_default()
    }

    /// The first instant after zero.
    fn first(&self) -> Option<Duration> {
        self.first.or_else(|| self.lanes.iter().flat_map(Lane::instants).filter(|at| !at.is_zero()).min())
    }

    /// The kinds of marks in use, each once, and whether any of them was lost.
    fn kinds(&self) -> (Vec<Kind>, bool) {
        let marks = || self.lanes.iter().flat_map(|lane| &lane.marks);
        let kinds = Kind::ALL.into_iter().filter(|kind| marks().any(|mark| mark.kind == *kind)).collect();
        (kinds, marks().any(|mark| mark.lost))
    }
}

/// A life on the time axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    label: String,
    detail: String,
    marks: Vec<Mark>,
    marks_left_out: usize,
    spans: Vec<Span>,
    end: Option<End>,
}

impl Lane {
    /// Nothing happened yet. `label` stands at its beginning.
    pub fn new(label: &str) -> Self {
        Self {
            label: text::cut(label),
            detail: String::new(),
            marks: Vec::new(),
            marks_left_out: 0,
            spans: Vec::new(),
            end: None,
        }
    }

    /// A second, fainter line below the label.
    #[must_use]
    pub fn with_detail(mut self, detail: &str) -> Self {
        self.detail = text::cut(detail);
        self
    }

    /// Another label than it was made with.
    #[must_use]
    pub fn with_label(mut self, label: &str) -> Self {
        self.label = text::cut(label);
        self
    }

    /// Something happened; the order of calls does not matter.
    pub fn mark(&mut self, mut mark: Mark) {
        if self.marks.len() < MARKS_MAX {
            mark.text = text::cut(&mark.text);
            self.marks.push(mark);
        } else {
            self.marks_left_out += 1;
        }
    }

    /// A stretch that deserves a word, such as "RTO 402 ms" or "silent".
    pub fn span(&mut self, from: Duration, to: Duration, words: &str) {
        if self.spans.len() < SPANS_MAX {
            self.spans.push(Span { from: from.min(to), to: to.max(from), text: text::cut(words) });
        }
    }

    /// It ended here: a cross, the time, and why.
    pub fn dies(&mut self, at: Duration, why: &str) {
        self.end = Some(End { at, why: text::cut(why), how: How::Dies });
    }

    /// It ended here in order: a bar, and perhaps a word.
    pub fn ends(&mut self, at: Duration, words: &str) {
        self.end = Some(End { at, why: text::cut(words), how: How::Ends });
    }

    /// It goes on beyond here: an arrow, and perhaps a word.
    pub fn lives(&mut self, at: Duration, words: &str) {
        self.end = Some(End { at, why: text::cut(words), how: How::Lives });
    }

    /// What stands at its beginning.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// What happened, in the order of being told.
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// When it died, if it did.
    pub fn death(&self) -> Option<Duration> {
        self.end.as_ref().filter(|end| end.how == How::Dies).map(|end| end.at)
    }

    fn instants(&self) -> impl Iterator<Item = Duration> + '_ {
        let spans = self.spans.iter().flat_map(|span| [span.from, span.to]);
        self.marks.iter().map(|mark| mark.at).chain(spans).chain(self.end.iter().map(|end| end.at))
    }

    /// Up to where its line is drawn.
    fn last(&self) -> Duration {
        self.end.as_ref().map(|end| end.at).or_else(|| self.instants().max()).unwrap_or_default()
    }

    /// What stands behind the end of its line.
    fn tail(&self) -> String {
        self.death().map_or_else(String::new, |at| format!(" {}", in_words(at)))
    }

    /// The texts below its line, each with the place it belongs to; what may not be missing comes first.
    fn words<'a>(&'a self, axis: &'a Axis) -> impl Iterator<Item = (u32, &'a str)> {
        let end = self.end.iter().map(|end| (axis.place(end.at), end.why.as_str()));
        let notes = self.marks.iter().filter(|mark| mark.kind == Kind::Note);
        let notes = notes.map(|mark| (axis.place(mark.at), mark.text.as_str()));
        end.chain(notes).filter(|(_, words)| !words.is_empty())
    }

    /// The words of its spans, each with the middle of the span.
    fn span_words<'a>(&'a self, axis: &'a Axis) -> impl Iterator<Item = (u32, &'a str)> {
        let middle = |span: &Span| axis.place(span.from).midpoint(axis.place(span.to));
        self.spans.iter().map(move |span| (middle(span), span.text.as_str())).filter(|(_, words)| !words.is_empty())
    }

    /// The lane as a sentence, for those who cannot see it.
    fn sentence(&self) -> String {
        let mut parts = vec![self.label.clone()];
        for kind in Kind::ALL {
            let of_kind = || self.marks.iter().filter(|mark| mark.kind == kind);
            let lost = match of_kind().filter(|mark| mark.lost).count() {
                0 => String::new(),
                lost => format!(" ({lost} lost)"),
            };
            let count = of_kind().count();
            parts.extend((count > 0).then(|| format!("{count} × {}{lost}", kind.describe())));
        }
        parts.extend(self.end.as_ref().map(|End { at, why, how }| {
            let colon = if why.is_empty() { "" } else { ": " };
            format!("{} at {}{colon}{why}", how.describe(), in_words(*at))
        }));
        parts.join("; ") + "."
    }
}

/// Something that happened at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    at: Duration,
    kind: Kind,
    lost: bool,
    text: String,
}

impl Mark {
    /// `at` counts from the beginning of the timeline.
    pub const fn new(at: Duration, kind: Kind) -> Self {
        Self { at, kind, lost: false, text: String::new() }
    }

    /// It did not arrive: drawn hollow, or as a small letter.
    #[must_use]
    pub const fn lost(mut self) -> Self {
        self.lost = true;
        self
    }

    /// Words about it. Those of a [`Kind::Note`] are drawn; those of a packet show where the pointer rests on it.
    #[must_use]
    pub fn with_text(mut self, words: &str) -> Self {
        self.text = words.into();
        self
    }

    /// When.
    pub const fn at(&self) -> Duration {
        self.at
    }

    /// What.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether it did not arrive.
    pub const fn is_lost(&self) -> bool {
        self.lost
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A packet left, the first time.
    Sent,
    /// A packet left once more.
    Retransmission,
    /// A packet left that asks for an answer and carries nothing new.
    Probe,
    /// A reset left.
    Reset,
    /// A packet arrived.
    Received,
    /// Something that is no packet: a write, a cut, an error told. Its text is drawn.
    Note,
}

impl Kind {
    /// In the order of a legend; where two meet in one place of a drawing, the later hides the earlier.
    const ALL: [Self; 6] = [Self::Received, Self::Sent, Self::Probe, Self::Retransmission, Self::Reset, Self::Note];

    /// Plain words, for a legend.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Retransmission => "retransmission",
            Self::Probe => "probe",
            Self::Reset => "reset",
            Self::Received => "received",
            Self::Note => "note",
        }
    }

    /// How strongly it insists on being seen.
    fn rank(self) -> usize {
        Self::ALL.iter().position(|kind| *kind == self).unwrap_or_default()
    }
}

/// A stretch with a word.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Span {
    from: Duration,
    to: Duration,
    text: String,
}

/// How a lane ends.
#[derive(Clone, Debug, PartialEq, Eq)]
struct End {
    at: Duration,
    why: String,
    how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Dies,
    Ends,
    Lives,
}

impl How {
    const fn describe(self) -> &'static str {
        match self {
            Self::Dies => "dead",
            Self::Ends => "closed",
            Self::Lives => "alive",
        }
    }
}
