//! The manual: documentation as modules, so that it is checked like code.
//!
//! | page | for whom |
//! |---|---|
//! | [`architecture`] | who wants to know where things are, and why there |
//! | [`liveness`] | who asks why a connection died at 925.6 s, or when one will |
//! | [`errors`] | who handles the errors |
//! | [`defaults`] | who tunes: every default with its reason, every limit with its name |
//! | [`conformance`] | who compares with the RFCs, or with a Linux machine |
//! | [`attacks`] | who exposes a port, and asks what may come |
//! | [`pitfalls`] | who wonders what can go wrong in a TCP's timers |
//!
//! A path in backticks with two colons names a test, and a test checks that it exists.

pub mod architecture;
#[doc = include_str!("attacks.md")]
pub mod attacks {}
pub mod conformance;
pub mod defaults;
pub mod errors;
pub mod liveness;
pub mod pitfalls;

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;
    use std::fs;

    const README: &str = include_str!("../../README.md");
    const PAGES: [&str; 6] = [
        include_str!("architecture.rs"),
        include_str!("conformance.rs"),
        include_str!("defaults.rs"),
        include_str!("errors.rs"),
        include_str!("liveness.rs"),
        include_str!("pitfalls.rs"),
    ];

    pub(super) fn source(path: &str) -> String {
        let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    #[cfg(all(feature = "alloc", target_pointer_width = "64"))]
    #[test]
    fn the_readme_tells_the_sizes_of_the_blocks() {
        use crate::tcp::{Conn, HalfOpen, TimeWait};
        let sizes = [
            ("tcp::Conn", size_of::<Conn>()),
            ("tcp::HalfOpen", size_of::<HalfOpen>()),
            ("tcp::TimeWait", size_of::<TimeWait>()),
            ("buf::chain::Streams", size_of::<crate::buf::chain::Streams>()),
        ];
        for (name, size) in sizes {
            let row = format!("| `{name}` | {size} |");
            assert!(README.contains(&row), "README.md should say: {row}");
        }
    }

    #[test]
    fn every_unit_test_that_the_manual_names_exists() {
        let mut named = 0;
        for page in PAGES {
            let prose = page.lines().filter_map(|line| line.strip_prefix("//!"));
            for cited in prose.flat_map(|line| line.split('`')).filter(|cited| cited.starts_with("src/")) {
                let Some((path, test)) = cited.split_once("::") else {
                    assert!(!source(cited).is_empty());
                    continue;
                };
                assert!(source(path).contains(&format!("fn {test}()")), "no such test: {cited}");
                named += 1;
            }
        }
        assert!(named > 30, "only {named} citations were found: has their form changed?");
    }

    #[test]
    fn the_readme_is_short() {
        let lines = README.lines().count();
        assert!(lines < 200, "{lines} lines");
    }
}
