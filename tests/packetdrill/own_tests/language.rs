//! The scripts of `language/`, one a part of the language: each passes, and says itself how it can be made to fail.
//!
//! `//- FROM => TO => MESSAGE` replaces a text that stands in the script once; the script must then fail on that line
//! or after it, and say so.

use super::told;
use crate::runner::{self, Tolerance};
use libtest_mimic::{Failed, Trial};
use std::path::{Path, PathBuf};

pub(crate) fn trials(home: &Path) -> Vec<Trial> {
    let scripts = crate::scripts(&home.join("language"));
    let name = |path: &PathBuf| path.strip_prefix(home).unwrap_or(path).display().to_string();
    scripts.into_iter().map(|path| Trial::test(format!("interpreter::{}", name(&path)), move || judge(&path))).collect()
}

fn judge(path: &Path) -> Result<(), Failed> {
    let text = std::fs::read_to_string(path)?;
    let (script, alterations): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| !line.starts_with("//- "));
    let script = script.join("\n") + "\n";
    runner::run(&script, Tolerance::Original).map_err(|failure| told(&failure))?;
    for alteration in alterations {
        let parts: Vec<&str> = alteration[4..].split(" => ").collect();
        let [from, to, message] = parts[..] else { return Err(format!("not an alteration: {alteration}").into()) };
        altered(&script, &from.replace("\\n", "\n"), &to.replace("\\n", "\n"), message)?;
    }
    Ok(())
}

fn altered(script: &str, from: &str, to: &str, message: &str) -> Result<(), Failed> {
    let Some((before, after)) = script.split_once(from) else {
        return Err(format!("no `{from}` in the script").into());
    };
    if after.contains(from) {
        return Err(format!("`{from}` stands in the script more than once").into());
    }
    let line = before.matches('\n').count() + 1;
    match runner::run(&format!("{before}{to}{after}"), Tolerance::Original) {
        Ok(()) => Err(format!("the script passes with `{to}`").into()),
        Err(failure) if failure.error.line < line => Err(format!("too early: {}", told(&failure)).into()),
        Err(failure) if !failure.error.message.contains(message) => {
            Err(format!("with `{to}`: no `{message}` in:\n{}", told(&failure)).into())
        }
        Err(_) => Ok(()),
    }
}
