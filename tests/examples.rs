//! The examples: their arguments, the figure of the README that one of them draws, and that all of them are listed.
#![cfg(all(feature = "sim", feature = "tun"))]
// Examples are programs with an operating system: the library's care to name `core` and `alloc` is not needed there.
#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

#[path = "../examples/common/mod.rs"]
mod common;
#[allow(dead_code)]
#[path = "../examples/black_hole/figure.rs"]
mod figure;

use common::arguments::Arguments;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

const UPDATE: &str = "cargo run --example black_hole -- --svg docs/timeline.svg";

fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_figure_of_the_readme_is_what_the_library_draws() {
    let (timeline, _) = figure::figure().unwrap();
    assert!(timeline.svg() == file("docs/timeline.svg"), "another figure; look at it, and if it is right: {UPDATE}");
    assert!(file("README.md").contains("](docs/timeline.svg)"));
}

/// Linux's times with exact timers and a first timeout of 201 ms, each 201 ms later for the tail loss probe before it:
/// `tcp_retries2` = 15 and 8, a user timeout that counts from the first retransmission. Keepalive counts from the
/// handshake, a millisecond before the figure begins.
#[test]
fn every_lane_of_the_figure_ends_when_linux_says() {
    let (_, cures) = figure::figure().unwrap();
    let deaths: Vec<_> = cures.iter().map(|cure| cure.death.map(|death| death.after.as_millis())).collect();
    let default = Some(201 + 925_623);
    let patient = Some(201 + 201 + 30_000);
    let idle = Some(20_000 + 3 * 5_000 - 1);
    let expected = [default, Some(201 + 102_711), patient, default, default, idle, Some(20_000 - 1), None];
    assert_eq!(deaths, expected);
}

#[test]
fn the_figure_fits_a_page_and_both_colour_schemes() {
    let svg = file("docs/timeline.svg");
    assert!(svg.len() < 24 * 1024, "{} bytes", svg.len());
    assert!(svg.contains("prefers-color-scheme:dark") && svg.contains("<title id=") && svg.contains("<desc id="));
    assert!(!svg.contains("http://www.w3.org/1999/xlink") && !svg.contains("<script") && !svg.contains("url("));
}

fn parse(words: &[&str]) -> Result<Arguments, String> {
    Arguments::parse(words.iter().map(OsString::from))
}

#[test]
fn arguments_are_read_in_any_order_and_both_forms() {
    let both = Arguments { pcap: Some("a b".into()), svg: Some("c".into()), tun: true, help: false };
    assert_eq!(parse(&["--tun", "--pcap", "a b", "--svg=c"]), Ok(both));
    assert_eq!(parse(&[]), Ok(Arguments::default()));
    assert!(parse(&["-h"]).unwrap().help && parse(&["--help"]).unwrap().help);
    let dash = Arguments { svg: Some(PathBuf::from("-")), ..Arguments::default() };
    assert_eq!(parse(&["--svg", "-"]), Ok(dash), "an odd name, but a name");
}

#[test]
fn wrong_arguments_are_named() {
    for (words, named) in [
        (&["--pcap"][..], "`--pcap` needs"),
        (&["--svg", "--tun"], "`--svg` needs"),
        (&["--svg="], "`--svg` needs"),
        (&["--svg=a", "--svg=b"], "`--svg` is given twice"),
        (&["--tun=yes"], "`--tun=yes` is no argument"),
        (&["figure.svg"], "`figure.svg` is no argument"),
        (&["--verbose"], "--help lists them"),
    ] {
        let error = parse(words).unwrap_err();
        assert!(error.contains(named), "{words:?}: {error}");
    }
}

#[test]
fn every_example_is_in_the_readme_and_nothing_else_is() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<String> = entries
        .filter(|path| path.join("main.rs").exists() || path.extension().is_some_and(|kind| kind == "rs"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    found.sort();
    let readme = file("README.md");
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| [`")?.split_once("`](examples/"));
    let mut listed: Vec<String> = rows.map(|(name, _)| name.to_owned()).collect();
    listed.sort();
    assert_eq!(listed, found);
    let manifest = file("Cargo.toml");
    assert!(found.iter().all(|name| manifest.contains(&format!("[[example]]\nname = \"{name}\""))), "{found:?}");
}
