//! Which claims are tried: all, one, or those with a word.

use crate::experiments::Myth;
use std::ffi::OsString;

#[derive(Debug, Default)]
pub(crate) struct Selection {
    only: Option<usize>,
    /// In small letters.
    words: Vec<String>,
    list: bool,
}

impl Selection {
    /// Takes what is about claims (of which there are `count`) from the command line, and hands back the rest.
    pub(crate) fn parse(
        mut arguments: impl Iterator<Item = OsString>,
        count: usize,
    ) -> Result<(Self, Vec<OsString>), String> {
        let (mut selection, mut rest) = (Self::default(), Vec::new());
        while let Some(argument) = arguments.next() {
            let text = argument.to_string_lossy().into_owned();
            match text.split_once('=').unwrap_or((text.as_str(), "")) {
                ("--list", "") => selection.list = true,
                ("--only", value) => {
                    let value = if text.contains('=') {
                        value.to_owned()
                    } else {
                        arguments.next().unwrap_or_default().to_string_lossy().into_owned()
                    };
                    let number = value.parse().ok().filter(|number| (1..=count).contains(number));
                    selection.only = Some(number.ok_or(format!("`--only` needs a number from 1 to {count}"))?);
                }
                ("--pcap" | "--svg", _) if !text.contains('=') => {
                    rest.push(argument);
                    rest.extend(arguments.next());
                }
                _ if text.starts_with('-') => rest.push(argument),
                _ => selection.words.push(text.to_lowercase()),
            }
        }
        Ok((selection, rest))
    }

    pub(crate) fn takes(&self, (number, myth): &(usize, &Myth)) -> bool {
        let text = format!("{} {}", myth.claim, myth.verdict).to_lowercase();
        self.only.is_none_or(|only| only == *number) && self.words.iter().all(|word| text.contains(word))
    }

    pub(crate) const fn lists_only(&self) -> bool {
        self.list
    }

    /// For one claim a picture helps; twenty are a wall.
    pub(crate) const fn shows_timelines(&self) -> bool {
        self.only.is_some()
    }
}
