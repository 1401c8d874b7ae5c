//! The arguments that every example takes.

use std::ffi::OsString;
use std::path::PathBuf;

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// Where the packets go.
    pub(crate) pcap: Option<PathBuf>,
    /// Where the picture goes.
    pub(crate) svg: Option<PathBuf>,
    /// Against a real kernel instead of in virtual time.
    pub(crate) tun: bool,
    pub(crate) help: bool,
}

impl Arguments {
    /// Reads what stands behind the program's name. An error is a sentence for the user.
    pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let mut arguments = Self::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            // Names of options are ASCII; a name of a file need not even be UTF-8, and then stands alone.
            let text = word.to_string_lossy().into_owned();
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, Some(OsString::from(value))),
                None => (text.as_str(), None),
            };
            match name {
                "--pcap" => set(&mut arguments.pcap, name, value.or_else(|| words.next()))?,
                "--svg" => set(&mut arguments.svg, name, value.or_else(|| words.next()))?,
                "--tun" if value.is_none() => arguments.tun = true,
                "--help" | "-h" if value.is_none() => arguments.help = true,
                _ => return Err(format!("`{text}` is no argument of this example; --help lists them")),
            }
        }
        Ok(arguments)
    }
}

fn set(slot: &mut Option<PathBuf>, name: &str, value: Option<OsString>) -> Result<(), String> {
    match value {
        Some(file) if !file.is_empty() && !file.to_string_lossy().starts_with("--") => {
            let twice = slot.replace(file.into()).is_some();
            if twice { Err(format!("`{name}` is given twice")) } else { Ok(()) }
        }
        _ => Err(format!("`{name}` needs the name of a file")),
    }
}
