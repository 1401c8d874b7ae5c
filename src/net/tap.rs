//! Who watches the wire: an observer of the caller's, and a capture file.

use alloc::boxed::Box;
use alloc::format;
use core::fmt;
use std::io::{self, Write};

use crate::pcapng::{self, Direction};
use crate::tcp::EmitKind;
use crate::time::Instant;

/// A packet that an observer is shown.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Seen<'a> {
    /// When, on the clock of [`super::Net::now`].
    pub at: Instant,
    /// Which way.
    pub direction: Direction,
    /// The whole IP packet.
    pub packet: &'a [u8],
    /// Why our stack sent it; `None` for what it received, and for an immediate answer that belongs to no connection.
    pub kind: Option<EmitKind>,
    /// It went no further: the wire is cut, or the device refused it.
    pub lost: bool,
    /// What there is to say about it, such as `retransmission` or `lost: the wire is cut`; empty if nothing. The
    /// capture carries it as a comment.
    pub note: &'a str,
}

/// What [`super::Builder::with_observer`] takes.
pub(super) type Observer = Box<dyn FnMut(&Seen<'_>) + Send>;

/// The watchers of one wire, perhaps none.
#[derive(Default)]
pub(super) struct Tap {
    observer: Option<Observer>,
    capture: Option<Box<dyn Write + Send>>,
}

impl Tap {
    /// Begins the capture, if there is one, with the header of its file.
    pub(super) fn new(
        observer: Option<Observer>,
        mut capture: Option<Box<dyn Write + Send>>,
        interface: &str,
    ) -> io::Result<Self> {
        if let Some(capture) = &mut capture {
            capture.write_all(&pcapng::header("longhaul", interface))?;
        }
        Ok(Self { observer, capture })
    }

    /// Whether anybody watches: nothing need be prepared for nobody.
    pub(super) fn is_watched(&self) -> bool {
        self.observer.is_some() || self.capture.is_some()
    }

    /// Shows a packet that went no further, with the reason behind what else there is to say.
    pub(super) fn show_lost(&mut self, seen: &Seen<'_>, why: &str) {
        if self.is_watched() {
            let note = if seen.note.is_empty() { why.into() } else { format!("{}, {why}", seen.note) };
            self.show(&Seen { lost: true, note: &note, ..*seen });
        }
    }

    /// Shows a packet to whoever watches. A capture that cannot be written to ends; the connections go on.
    pub(super) fn show(&mut self, seen: &Seen<'_>) {
        if let Some(observer) = &mut self.observer {
            observer(seen);
        }
        let Some(capture) = &mut self.capture else { return };
        let block = pcapng::packet(seen.at, Some(seen.direction), seen.packet, seen.note);
        if let Err(error) = capture.write_all(&block) {
            log::warn!("the capture ends here: {error}");
            self.capture = None;
        }
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tap")
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.capture.as_mut().map(Write::flush) {
            log::warn!("the end of the capture is missing: {error}");
        }
    }
}
