//! A timeline as a picture: SVG that stands alone, follows light and dark, and tells its story to those who cannot see
//! it.
//!
//! Lengths are tenths of a pixel. How wide a text is depends on fonts that are not known here; what is assumed errs on
//! the wide side, so that texts keep apart.

use super::axis::Axis;
use super::place::Rows;
use super::text::{for_xml, in_words, shorten};
use super::{Kind, Lane, Mark, Timeline};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Write};

impl Timeline {
    /// The timeline as an SVG document, 860 pixels wide and as high as it needs to be; without scripts, fonts or
    /// anything else from outside. Ends with a line break.
    pub fn svg(&self) -> String {
        let mut svg = String::with_capacity(8192);
        // Writing to a string cannot fail.
        let _ = self.write_svg(&mut svg);
        svg
    }

    fn write_svg(&self, svg: &mut String) -> fmt::Result {
        let frame = Frame::new(self);
        let lanes: Vec<LaneLayout> = self.lanes.iter().map(|lane| LaneLayout::new(lane, &frame)).collect();
        let mut tops = Vec::with_capacity(lanes.len());
        let mut y = frame.lanes_top;
        for lane in &lanes {
            tops.push(y);
            y += lane.height;
        }
        let legend = self.legend_items();
        let rows = legend_rows(&legend);
        let height = y + LEGEND_TOP + LEGEND_ROW * rows.len() as u32;

        self.write_head(svg, height)?;
        self.write_axis(svg, &frame, y)?;
        for ((lane, layout), top) in self.lanes.iter().zip(&lanes).zip(tops) {
            lane.write_svg(svg, &frame, layout, top)?;
        }
        write_legend(svg, &rows, y + LEGEND_TOP)?;
        svg.push_str("</svg>\n");
        Ok(())
    }

    fn write_head(&self, svg: &mut String, height: u32) -> fmt::Result {
        let (w, h) = (Px(WIDTH), Px(height));
        write!(svg, r#"<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}""#)?;
        writeln!(svg, r#" role="img" aria-labelledby="title desc">"#)?;
        writeln!(svg, r#"<title id="title">{}</title>"#, for_xml(&self.title))?;
        let sentences: Vec<String> = self.lanes.iter().map(|lane| for_xml(&lane.sentence())).collect();
        writeln!(svg, r#"<desc id="desc">{}</desc>"#, sentences.join("\n"))?;
        writeln!(svg, "<style>{STYLE}</style>")?;
        writeln!(svg, "<defs>{SHAPES}</defs>")?;
        let (w, h) = (Px(WIDTH - 10), Px(height - 10));
        writeln!(svg, r#"<rect class="page" x=".5" y=".5" width="{w}" height="{h}" rx="8"/>"#)?;
        let title = for_xml(&shorten(&self.title, fitting(WIDTH - 2 * MARGIN, TITLE), '…'));
        writeln!(svg, r#"<text class="title" x="{}" y="{}">{title}</text>"#, Px(MARGIN), Px(TITLE_Y))
    }

    /// Labels, and a line down to `bottom` for each.
    fn write_axis(&self, svg: &mut String, frame: &Frame, bottom: u32) -> fmt::Result {
        let y = frame.axis_y;
        let title = for_xml(&shorten(&self.axis_title, fitting(WIDTH - 2 * MARGIN, SMALL), '…'));
        if !title.is_empty() {
            writeln!(svg, r#"<text class="small" x="{}" y="{}">{title}</text>"#, Px(MARGIN), Px(AXIS_TITLE_Y))?;
        }
        let (mut lines, mut labels) = (String::new(), String::new());
        for (at, label) in frame.axis.ticks(|label| width_of(label, SMALL), 50) {
            let x = Px(frame.left + at);
            write!(lines, "M{x} {}V{}", Px(y + 60), Px(bottom))?;
            writeln!(labels, r#"<text class="small mid" x="{x}" y="{}">{label}</text>"#, Px(y))?;
        }
        write!(svg, "<path class=\"grid\" d=\"{lines}\"/>\n{labels}")
    }

    /// What the shapes mean that occur: a shape's name and class, and words.
    fn legend_items(&self) -> Vec<(String, String)> {
        let (kinds, any_lost) = self.kinds();
        let item = |shape: &str, words: &str| (shape.to_string(), words.to_string());
        // A note explains itself.
        let mut items: Vec<_> =
            kinds.iter().filter(|kind| **kind != Kind::Note).map(|kind| item(kind.shape(), kind.describe())).collect();
        items.extend(any_lost.then(|| item("sent lost", "hollow: lost on the way")));
        items.extend(self.lanes.iter().any(|lane| lane.death().is_some()).then(|| item("dead", "dead")));
        items.extend(self.left_out().map(|words| item("", &words)));
        items
    }
}

/// What all lanes share.
struct Frame {
    axis: Axis,
    /// Where the lines begin.
    left: u32,
    axis_y: u32,
    lanes_top: u32,
}

impl Frame {
    fn new(timeline: &Timeline) -> Self {
        let label_width = |lane: &Lane| width_of(&lane.label, LABEL).max(width_of(&lane.detail, SMALL));
        let labels = timeline.lanes.iter().map(label_width).max().unwrap_or_default().min(LABELS_MAX);
        let left = MARGIN + labels + 160;
        let axis = Axis::fitting(timeline, WIDTH - MARGIN - left, 10, tail_width);
        let axis_y = if timeline.axis_title.is_empty() { TITLE_Y + 280 } else { AXIS_TITLE_Y + 280 };
        Self { axis, left, axis_y, lanes_top: axis_y + 120 }
    }
}

fn tail_width(lane: &Lane) -> u32 {
    let tail = lane.tail();
    if tail.is_empty() { 60 } else { 90 + width_of(tail.trim(), LABEL) }
}

/// Where a lane's texts go.
struct LaneLayout {
    height: u32,
    /// The middle of the line, from the top of the lane.
    line: u32,
    /// Words above the line: x, row counted from it, text.
    above: Vec<(u32, usize, String)>,
    /// Words below it.
    below: Vec<(u32, usize, String)>,
}

impl LaneLayout {
    fn new(lane: &Lane, frame: &Frame) -> Self {
        let room = WIDTH - MARGIN - frame.left;
        let place = |rows: &mut Rows, (anchor, words): (u32, &str)| {
            let words = shorten(words, fitting(room, SMALL), '…');
            let (row, start) = rows.place(anchor, width_of(&words, SMALL))?;
            // Estimates err on the wide side, so the middle is where a text sits best.
            Some((frame.left + start + width_of(&words, SMALL) / 2, row, words))
        };
        let (mut over, mut under) = (Rows::new(room, 60), Rows::new(room, 60));
        let above: Vec<_> = lane.span_words(&frame.axis).filter_map(|words| place(&mut over, words)).collect();
        let below: Vec<_> = lane.words(&frame.axis).filter_map(|words| place(&mut under, words)).collect();
        let line = 190 + TEXT_ROW * over.count() as u32;
        let texts = under.count().max(usize::from(!lane.detail.is_empty()));
        Self { height: line + 165 + TEXT_ROW * texts as u32, line, above, below }
    }
}

impl Lane {
    fn write_svg(&self, svg: &mut String, frame: &Frame, layout: &LaneLayout, top: u32) -> fmt::Result {
        let y = top + layout.line;
        let x = |at| Px(frame.left + frame.axis.place(at));
        let labels = frame.left - 160 - MARGIN;
        let label = for_xml(&shorten(&self.label, fitting(labels, LABEL), '…'));
        let detail = for_xml(&shorten(&self.detail, fitting(labels, SMALL), '…'));
        writeln!(svg, r#"<text class="label" x="{}" y="{}">{label}</text>"#, Px(MARGIN), Px(y + 45))?;
        if !detail.is_empty() {
            writeln!(svg, r#"<text class="small" x="{}" y="{}">{detail}</text>"#, Px(MARGIN), Px(y + DROP + TEXT_ROW))?;
        }
        for span in &self.spans {
            let (from, to) = (frame.axis.place(span.from), frame.axis.place(span.to));
            let (from, width) = (Px(frame.left + from), Px((to - from).max(10)));
            writeln!(svg, r#"<rect class="span" x="{from}" y="{}" width="{width}" height="12" rx="3"/>"#, Px(y - 60))?;
        }
        writeln!(svg, r#"<path class="line" d="M{} {}H{}"/>"#, Px(frame.left), Px(y), x(self.last()))?;
        self.write_marks(svg, frame, y)?;
        if let Some(end) = &self.end {
            write_shape(svg, end.how.describe(), x(end.at), y, "")?;
            let tail = self.tail();
            if !tail.is_empty() {
                let behind = Px(frame.left + frame.axis.place(end.at) + 100);
                writeln!(svg, r#"<text class="tail" x="{behind}" y="{}">{}</text>"#, Px(y + 45), tail.trim())?;
            }
        }
        for (x, row, words) in &layout.above {
            let y = y - 110 - TEXT_ROW * *row as u32;
            writeln!(svg, r#"<text class="small mid" x="{}" y="{}">{}</text>"#, Px(*x), Px(y), for_xml(words))?;
        }
        for (x, row, words) in &layout.below {
            let y = y + DROP + TEXT_ROW * (*row as u32 + 1);
            writeln!(svg, r#"<text class="small mid" x="{}" y="{}">{}</text>"#, Px(*x), Px(y), for_xml(words))?;
        }
        Ok(())
    }

    /// The marks, those last that must be seen; of those that look the same in the same place, the first.
    fn write_marks(&self, svg: &mut String, frame: &Frame, y: u32) -> fmt::Result {
        let place = |mark: &Mark| frame.left + frame.axis.place(mark.at);
        let mut marks: Vec<&Mark> = self.marks.iter().collect();
        marks.sort_by_key(|mark| (mark.kind.rank(), place(mark), mark.lost));
        marks.dedup_by_key(|mark| (mark.kind, place(mark), mark.lost));
        for mark in marks {
            let class = if mark.lost && mark.kind != Kind::Note { " lost" } else { "" };
            let class = format!("{}{class}", mark.kind.shape());
            let at = in_words(mark.at);
            let words = if mark.text.is_empty() { String::new() } else { format!("{at}: {}", mark.text) };
            write_shape(svg, &class, Px(place(mark)), y, &words)?;
        }
        Ok(())
    }
}

impl Kind {
    /// Its shape's name, which is its class as well.
    const fn shape(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Retransmission => "again",
            Self::Probe => "probe",
            Self::Reset => "reset",
            Self::Received => "received",
            Self::Note => "note",
        }
    }
}

/// `class` starts with the name of the shape; the words show where a pointer rests.
fn write_shape(svg: &mut String, class: &str, x: Px, y: u32, words: &str) -> fmt::Result {
    let shape = class.split(' ').next().unwrap_or_default();
    write!(svg, r##"<use href="#{shape}" class="{class}" x="{x}" y="{}""##, Px(y))?;
    if words.is_empty() { svg.write_str("/>\n") } else { writeln!(svg, "><title>{}</title></use>", for_xml(words)) }
}

/// The items of a legend, broken into rows: where each begins.
fn legend_rows(items: &[(String, String)]) -> Vec<Vec<(u32, &(String, String))>> {
    let mut rows: Vec<Vec<(u32, &(String, String))>> = Vec::new();
    let mut x = WIDTH;
    for item in items {
        let width = 160 + width_of(&item.1, SMALL);
        if x + width > WIDTH - MARGIN {
            rows.push(Vec::new());
            x = MARGIN;
        }
        if let Some(row) = rows.last_mut() {
            row.push((x, item));
        }
        x += width + 160;
    }
    rows
}

fn write_legend(svg: &mut String, rows: &[Vec<(u32, &(String, String))>], top: u32) -> fmt::Result {
    for (row, items) in (0..).zip(rows) {
        let y = top + LEGEND_ROW * row;
        for (x, (class, words)) in items {
            if !class.is_empty() {
                // What is received hangs below its line, where nothing that is sent hides it.
                let y = if class == Kind::Received.shape() { y - 65 } else { y };
                write_shape(svg, class, Px(x + 50), y, "")?;
            }
            writeln!(svg, r#"<text class="small" x="{}" y="{}">{}</text>"#, Px(x + 150), Px(y + 40), for_xml(words))?;
        }
    }
    Ok(())
}

/// A length in tenths of a pixel, written in pixels.
#[derive(Clone, Copy)]
struct Px(u32);

impl fmt::Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 % 10 {
            0 => write!(f, "{}", self.0 / 10),
            tenth => write!(f, "{}.{tenth}", self.0 / 10),
        }
    }
}

/// What a text is taken to need, at a font size in pixels: 0.58 of it for each Latin character, and all of it for wide
/// ones (from Hangul and CJK up).
fn width_of(text: &str, size: u32) -> u32 {
    text.chars().map(|char| if char < '\u{1100}' || char == '…' { size * 58 / 10 } else { size * 10 }).sum()
}

/// How many characters surely fit into a width.
const fn fitting(width: u32, size: u32) -> usize {
    (width / (size * 58 / 10)) as usize
}

const WIDTH: u32 = 8600;
const MARGIN: u32 = 240;
/// Labels get this much at most; longer ones are cut off.
const LABELS_MAX: u32 = 2400;
const TITLE_Y: u32 = 340;
const AXIS_TITLE_Y: u32 = 540;
const TEXT_ROW: u32 = 155;
/// From the middle of a line to the base of its label, and a little more.
const DROP: u32 = 60;
const LEGEND_TOP: u32 = 200;
const LEGEND_ROW: u32 = 200;

// Font sizes, as in the style below.
const TITLE: u32 = 17;
const LABEL: u32 = 13;
const SMALL: u32 = 11;

/// Colours have a contrast of 4.5 and more to the page in both schemes, and no meaning hangs on colour alone.
const STYLE: &str = "\
text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;fill:#1f2328}
.title{font-size:17px;font-weight:600}.label{font-size:13px}.small{font-size:11px;fill:#59636e}
.mid{text-anchor:middle}.tail{font-size:13px;font-weight:600;fill:#cf222e}
.page{fill:#fff;stroke:#d1d9e0}.grid{stroke:#e6eaef;fill:none}.line{stroke:#818b98;stroke-width:2;fill:none}
.span{fill:#818b98;opacity:.22}
.sent{fill:#0969da;stroke:#0969da}.again{fill:#bc4c00;stroke:#bc4c00}.probe{fill:#8250df;stroke:#8250df}
.reset{fill:#cf222e;stroke:#cf222e}.received{fill:#1a7f37;stroke:#1a7f37}.lost{fill:#fff}
.note{stroke:#59636e}.dead{stroke:#cf222e}.alive{fill:#818b98}.closed{stroke:#818b98}
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.small{fill:#9198a1}.tail{fill:#ff7b72}
.page{fill:#0d1117;stroke:#3d444d}.grid{stroke:#21262d}.line{stroke:#656c76}.span{fill:#9198a1}
.sent{fill:#4493f8;stroke:#4493f8}.again{fill:#f0883e;stroke:#f0883e}.probe{fill:#ab7df8;stroke:#ab7df8}
.reset{fill:#f85149;stroke:#f85149}.received{fill:#3fb950;stroke:#3fb950}.lost{fill:#0d1117}
.note{stroke:#9198a1}.dead{stroke:#f85149}.alive{fill:#656c76}.closed{stroke:#656c76}}";

/// Around the origin; colours come from the class of whoever uses them.
const SHAPES: &str = "\
<circle id=\"sent\" r=\"4\" stroke-width=\"1.6\"/>\
<circle id=\"again\" r=\"4\" stroke-width=\"1.6\"/>\
<path id=\"probe\" d=\"M0-5 5 0 0 5-5 0Z\" stroke-width=\"1.6\"/>\
<path id=\"reset\" d=\"M-4-4H4V4H-4Z\" stroke-width=\"1.6\"/>\
<path id=\"received\" d=\"M0 3 3.5 9H-3.5Z\" stroke-width=\"1.2\"/>\
<path id=\"note\" d=\"M0-8V8\" stroke-width=\"2\"/>\
<path id=\"dead\" d=\"M-6-6 6 6M6-6-6 6\" stroke-width=\"3\" stroke-linecap=\"round\"/>\
<path id=\"closed\" d=\"M0-6V6\" stroke-width=\"2\"/>\
<path id=\"alive\" d=\"M-1-5 7 0-1 5Z\"/>";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;

    fn drawn() -> String {
        let mut lane = Lane::new("<script>").with_detail("a & b");
        lane.mark(Mark::new(Duration::ZERO, Kind::Sent));
        lane.mark(Mark::new(Duration::from_millis(201), Kind::Retransmission).lost().with_text("</title>"));
        lane.mark(Mark::new(Duration::from_millis(201), Kind::Retransmission).lost().with_text("hidden"));
        lane.span(Duration::from_millis(201), Duration::from_millis(603), "RTO 402 ms");
        lane.dies(Duration::from_millis(925_623), "ETIMEDOUT");
        let mut timeline = Timeline::new("A \"black hole\"").with_axis_title("time since the write");
        timeline.push(lane);
        timeline.svg()
    }

    #[test]
    fn text_never_becomes_markup_and_every_element_is_closed() {
        let svg = drawn();
        assert!(!svg.contains("<script") && svg.contains("&lt;script&gt;") && svg.contains("a &amp; b"));
        assert!(svg.contains("<title>201 ms: &lt;/title&gt;</title>"), "{svg}");
        let mut open: Vec<&str> = Vec::new();
        for tag in svg.split('<').skip(1).map(|tag| &tag[..tag.find('>').expect("an end")]) {
            let name = tag.split([' ', '/']).find(|word| !word.is_empty()).unwrap();
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name));
            } else if !tag.ends_with('/') {
                open.push(name);
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn what_cannot_be_seen_is_told() {
        let svg = drawn();
        let told = "&lt;script&gt;; 1 × sent; 2 × retransmission (2 lost); dead at 925.6 s: ETIMEDOUT.";
        assert!(svg.contains(&format!("<desc id=\"desc\">{told}</desc>")), "{svg}");
        assert!(svg.contains("<title id=\"title\">A &quot;black hole&quot;</title>"));
    }

    #[test]
    fn marks_in_one_place_are_drawn_once_and_lost_ones_hollow() {
        let svg = drawn();
        assert_eq!(svg.matches("href=\"#again\"").count(), 2, "one on the lane, one in the legend");
        assert_eq!(svg.matches("class=\"again lost\"").count(), 1);
        assert!(svg.contains("RTO 402 ms") && svg.contains(">925.6 s</text>") && svg.contains(">ETIMEDOUT</text>"));
    }

    #[test]
    fn a_full_timeline_is_bounded_and_says_what_is_missing() {
        let mut timeline = Timeline::new("full");
        for _ in 0..100 {
            let mut lane = Lane::new(&"x".repeat(1000));
            (0..5000).for_each(|at| lane.mark(Mark::new(Duration::from_micros(at), Kind::Note).with_text("words")));
            timeline.push(lane);
        }
        let svg = timeline.svg();
        assert!(svg.contains("36 more lanes not shown"), "the limit is told");
        assert!(svg.len() < 10_000_000, "{}", svg.len());
    }
}
