//! What the examples share: arguments, printing, files, and how a run ends.
//!
//! An example is an [`Example`]: a story in virtual time, and perhaps the same against a real kernel. It ends with 0 if
//! everything went as promised, 1 if not, and 2 if it was called wrongly.

// Each example uses its own part of this.
#![allow(dead_code)]

pub(crate) mod arguments;
pub(crate) mod pair;
#[cfg(target_os = "linux")]
pub(crate) mod tun;

use arguments::Arguments;
use longhaul::timeline::Timeline;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Anything that keeps an example from telling its story.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// What a step comes to.
pub(crate) type Outcome = Result<(), Failure>;

/// One example.
pub(crate) struct Example {
    /// As in `cargo run --example NAME`.
    pub(crate) name: &'static str,
    /// What it shows, for `--help`.
    pub(crate) about: &'static str,
    /// In virtual time.
    pub(crate) story: fn(&mut Files) -> Outcome,
    /// Against the kernel of a private namespace, where there is one.
    pub(crate) on_tun: Option<fn(&mut Files) -> Outcome>,
}

impl Example {
    /// The whole program.
    pub(crate) fn main(&self) -> ExitCode {
        let wrongly_called = |why: &str| {
            eprintln!("{}: {why}", self.name);
            ExitCode::from(2)
        };
        let arguments = match Arguments::parse(std::env::args_os().skip(1)) {
            Ok(arguments) if arguments.help => {
                say(self.help());
                return ExitCode::SUCCESS;
            }
            Ok(arguments) => arguments,
            Err(why) => return wrongly_called(&why),
        };
        let story = match (arguments.tun, self.on_tun) {
            (false, _) => self.story,
            (true, Some(on_tun)) => on_tun,
            (true, None) => return wrongly_called("--tun needs Linux"),
        };
        let outcome = match Files::create(arguments) {
            Ok(mut files) => story(&mut files).and_then(|()| files.finish()),
            Err(why) => return wrongly_called(&why),
        };
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("\n{}: not as promised: {error}", self.name);
                ExitCode::FAILURE
            }
        }
    }

    fn help(&self) -> String {
        let mut help = format!(
            "{}\n\n    cargo run --example {} -- [ARGUMENTS]\n\n    --pcap FILE   write the packets for Wireshark\n    \
             --svg FILE    write the timeline as a picture\n",
            self.about, self.name
        );
        if self.on_tun.is_some() {
            help += "    --tun         in real time against the kernel of a private namespace, without root\n";
        }
        help + "    --help        say this"
    }
}

/// The files that were asked for. They are made before the story begins, so that a wrong name costs no time.
#[derive(Default)]
pub(crate) struct Files {
    pcap: Option<(PathBuf, File)>,
    svg: Option<(PathBuf, File)>,
}

impl Files {
    pub(crate) fn create(arguments: Arguments) -> Result<Self, String> {
        let create = |path: PathBuf| match File::create(&path) {
            Ok(file) => Ok((path, file)),
            Err(error) => Err(format!("cannot write {}: {error}", path.display())),
        };
        Ok(Self { pcap: arguments.pcap.map(create).transpose()?, svg: arguments.svg.map(create).transpose()? })
    }

    /// Adds a capture, a section of its own: a file of several sections is a pcapng file too.
    pub(crate) fn add_capture(&mut self, pcapng: &[u8]) -> io::Result<()> {
        self.pcap.as_mut().map_or(Ok(()), |(_, file)| file.write_all(pcapng))
    }

    /// The capture file, for whoever writes it packet by packet.
    pub(crate) fn capture_file(&self) -> io::Result<Option<File>> {
        self.pcap.as_ref().map(|(_, file)| file.try_clone()).transpose()
    }

    /// Prints a timeline; the picture is of the last one.
    pub(crate) fn show(&mut self, timeline: &Timeline) -> io::Result<()> {
        say(timeline.ascii(COLUMNS));
        self.draw(timeline)
    }

    /// Keeps the picture of a timeline, and prints nothing.
    pub(crate) fn draw(&mut self, timeline: &Timeline) -> io::Result<()> {
        let Some((_, file)) = &mut self.svg else { return Ok(()) };
        io::Seek::rewind(file)?;
        file.set_len(0)?;
        file.write_all(timeline.svg().as_bytes())
    }

    /// Says what was written.
    pub(crate) fn finish(self) -> Outcome {
        for (what, file) in [("The packets", self.pcap), ("The picture", self.svg)] {
            if let Some((path, mut file)) = file {
                file.flush()?;
                say(format!("{what}: {}", path.display()));
            }
        }
        Ok(())
    }
}

/// As wide as a terminal is that was made a little wider.
pub(crate) const COLUMNS: usize = 110;

/// Prints a paragraph, indented and broken into lines.
pub(crate) fn tell(paragraph: impl Display) {
    let mut line = String::new();
    for word in paragraph.to_string().split_whitespace() {
        if !line.is_empty() && line.len() + word.len() + 3 > COLUMNS {
            say(std::mem::take(&mut line));
        }
        line += if line.is_empty() { "  " } else { " " };
        line += word;
    }
    say(line);
}

/// Prints a line. Whoever reads may stop reading (`| head`), which is no failure.
pub(crate) fn say(line: impl Display) {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => eprintln!("cannot print: {error}"),
        Ok(()) => {}
    }
}
