//! The house rules of CONTRIBUTING.md that a compiler does not know, each as a test over the source itself.
//!
//! A rule is a function from one file to the lines it refuses. Comments, strings and character literals are blanked
//! before a rule reads code, so prose may say what code may not. The last tests feed each rule a line it must refuse:
//! a check that cannot fail checks nothing. What stands in a `#[cfg(test)]` module may break layers, floats and length.

#[path = "tidy/grammar.rs"]
mod grammar;

use core::fmt::Write as _;
use grammar::{code_of, float_literals, is_word_start, item_len, line_of, numbered, paths};
use std::fs;
use std::path::Path;

const COLUMNS: usize = 120;
const FUNCTION_LINES: usize = 70;
const SRC_FILE_LINES: usize = 400;
const OTHER_FILE_LINES: usize = 500;

/// The one file that may say `unsafe`, and how long it may grow.
const UNSAFE_FILE: &str = "src/net/sys.rs";
const UNSAFE_FILE_LINES: usize = 150;

/// Modules from the ground up, a floor a row. Each imports from lower floors only: neighbours are strangers.
const LAYERS: &[&[&str]] = &[
    &["time", "seq"],
    &["liveness", "congestion", "stats", "wire", "pcapng", "timeline"],
    &["buf", "config"],
    &["options", "error"],
    &["tcp"],
    &["forecast", "journal"],
    &["stack"],
    &["net", "sim", "http"],
];

/// What a module's floor would allow and its purpose does not.
const NEVER: &[(&str, &[&str])] = &[
    ("http", &["tcp", "stack", "wire", "buf", "config", "options", "error", "liveness", "congestion", "stats"]),
    ("pcapng", &["seq"]),
    ("timeline", &["seq"]),
    ("buf", &["liveness", "stats", "wire"]),
    ("config", &["wire"]),
];

/// Paths that one folder of `src` has to itself; a trailing `::` asks for something behind it.
const ONLY: &[(&str, &str)] = &[
    ("smoltcp", "src/wire/"),
    ("tun_tap", "src/net/"),
    ("rustix", "src/net/"),
    ("std::time", "src/net/"),
    ("Instant::now", "src/net/"),
    ("SystemTime", "src/net/"),
    ("std::thread", "src/net/"),
    ("thread::", "src/net/"),
];

/// Hash tables whose order differs from run to run.
const RANDOM_ORDER: &[&str] = &["std::collections", "std::hash", "RandomState"];

/// Marks of unfinished work, and paths that exist on one machine only. In pieces, so that this file does not say them.
const UNFINISHED_CODE: &[&str] = &["todo", "unimplemented", "dbg"];
const UNFINISHED_TEXT: &[&str] = &[concat!("FIX", "ME"), concat!("XX", "X")];
const MACHINE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/tmp", "/lh")];

/// What a rule refuses: the line (from 1) and why.
type Refused = (usize, String);

#[test]
fn no_line_is_wider_than_120_columns() {
    hold(columns);
}

#[test]
fn no_function_is_longer_than_70_lines() {
    hold(function_length);
}

#[test]
fn no_file_is_longer_than_one_idea() {
    hold(file_length);
}

#[test]
fn tests_come_last_in_a_file() {
    hold(tests_last);
}

#[test]
fn imports_go_down_the_layers_only() {
    hold(layers);
}

#[test]
fn wire_alone_names_smoltcp_and_net_alone_names_the_system() {
    hold(only_at_home);
}

#[test]
fn nothing_below_net_depends_on_hash_order_or_floats() {
    hold(random_order);
    hold(floats);
}

#[test]
fn unsafe_stays_in_one_short_file() {
    hold(unsafe_code);
}

#[test]
fn nothing_is_left_unfinished_or_silently_ignored() {
    hold(unfinished);
}

#[test]
fn every_source_file_opens_with_its_reason() {
    hold(opening);
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    hold_for(&files(""), machine_paths);
}

#[test]
fn every_test_that_prose_cites_exists() {
    let known = rust_files();
    hold_for(&files(""), |source| cited_tests(source, &known));
}

// ---- The rules ----

fn columns(source: &Source) -> Vec<Refused> {
    let wide = |(_, line): &(usize, &str)| line.chars().count() > COLUMNS;
    let lines = numbered(&source.text).filter(wide);
    lines.map(|(at, line)| (at, format!("{} columns, at most {COLUMNS}", line.chars().count()))).collect()
}

fn function_length(source: &Source) -> Vec<Refused> {
    let mut refused = Vec::new();
    for (at, _) in source.code.match_indices("fn ").filter(|&(at, _)| is_word_start(&source.code, at)) {
        let lines = source.code[at..at + item_len(&source.code[at..])].lines().count();
        if lines > FUNCTION_LINES {
            refused.push((line_of(&source.code, at), format!("a function of {lines} lines, at most {FUNCTION_LINES}")));
        }
    }
    refused
}

fn file_length(source: &Source) -> Vec<Refused> {
    let (text, most) =
        if source.is_in("src/") { (source.body(), SRC_FILE_LINES) } else { (source.text.as_str(), OTHER_FILE_LINES) };
    let lines = text.lines().count();
    if lines > most { vec![(most + 1, format!("a file of {lines} lines, at most {most}"))] } else { vec![] }
}

/// Code behind the tests would escape the rules that read only what stands before them.
fn tests_last(source: &Source) -> Vec<Refused> {
    let mut at = body_len(&source.code);
    while at < source.code.len() {
        at += source.code[at..].find("mod ").unwrap_or_default();
        at += item_len(&source.code[at..]);
        let more = body_len(&source.code[at..]);
        if let Some(code) = source.code[at..at + more].find(|c: char| !c.is_whitespace()) {
            return vec![(line_of(&source.code, at + code), "code below the tests".into())];
        }
        at += more;
    }
    vec![]
}

fn layers(source: &Source) -> Vec<Refused> {
    let Some(module) = source.module() else { return vec![] };
    let Some(floor) = floor_of(module) else { return vec![(1, format!("module `{module}` has no row in LAYERS"))] };
    let mut refused = Vec::new();
    for (line, path) in paths(source.body()) {
        let Some(target) = source.crate_path(&path) else { continue };
        let target = target.split("::").next().unwrap_or_default();
        let allowed = match floor_of(target) {
            _ if target == module => true,
            Some(below) => below < floor && !NEVER.iter().any(|(m, not)| *m == module && not.contains(&target)),
            // A re-export at the root would hide the floor it comes from.
            None => false,
        };
        if !allowed {
            refused.push((line, format!("`{module}` may not import `crate::{target}`")));
        }
    }
    refused
}

fn only_at_home(source: &Source) -> Vec<Refused> {
    if !source.is_in("src/") {
        return vec![];
    }
    let away = ONLY.iter().filter(|(_, home)| !source.is_in(home));
    away.flat_map(|(path, home)| mentions(&source.code, path, &format!("belongs to {home}"))).collect()
}

fn random_order(source: &Source) -> Vec<Refused> {
    if !source.is_in("src/") || source.is_in("src/net/") {
        return vec![];
    }
    RANDOM_ORDER.iter().flat_map(|path| mentions(source.body(), path, "differs from run to run")).collect()
}

fn floats(source: &Source) -> Vec<Refused> {
    if !source.is_in("src/") || source.is_in("src/net/") || source.is_in("src/sim/") {
        return vec![];
    }
    let types = ["f32", "f64"].iter().flat_map(|name| mentions(source.body(), name, "is a float"));
    let literals = float_literals(source.body()).into_iter().map(|line| (line, "a float literal".into()));
    types.chain(literals).collect()
}

fn unsafe_code(source: &Source) -> Vec<Refused> {
    if source.path == UNSAFE_FILE {
        let lines = source.text.lines().count();
        let long = lines > UNSAFE_FILE_LINES;
        return if long { vec![(UNSAFE_FILE_LINES + 1, format!("{lines} lines of unsafe code"))] } else { vec![] };
    }
    mentions(&source.code, "unsafe", &format!("belongs to {UNSAFE_FILE}"))
}

fn unfinished(source: &Source) -> Vec<Refused> {
    let mut refused = Vec::new();
    for ((at, line), code) in numbered(&source.text).zip(source.code.lines()) {
        let calls = |name: &&&str| {
            let call = format!("{name}!");
            code.match_indices(&call).any(|(start, _)| is_word_start(code, start))
        };
        let marks = UNFINISHED_TEXT.iter().filter(|mark| line.contains(**mark));
        refused.extend(UNFINISHED_CODE.iter().filter(calls).chain(marks).map(|mark| (at, format!("`{mark}`"))));
        if code.contains("#[ignore]") || code.contains(", ignore)") {
            refused.push((at, "a test ignored without a reason: `#[ignore = \"why\"]`".into()));
        }
    }
    refused
}

fn opening(source: &Source) -> Vec<Refused> {
    let silent = source.is_in("src/") && !source.text.starts_with("//! ");
    if silent { vec![(1, "a file opens with `//!`: why it exists, what it follows".into())] } else { vec![] }
}

fn machine_paths(source: &Source) -> Vec<Refused> {
    let says = |line: &str, path: &str| line.match_indices(path).any(|(at, _)| is_word_start(line, at));
    let lines = numbered(&source.text).filter(|(_, line)| MACHINE_PATHS.iter().any(|path| says(line, path)));
    lines.map(|(at, _)| (at, "a path that exists on one machine only".into())).collect()
}

/// Prose cites a test between backticks: its file below `tests`, two colons, its name.
fn cited_tests(source: &Source, known: &[Source]) -> Vec<Refused> {
    let mut refused = Vec::new();
    for (at, line) in numbered(&source.text) {
        for cited in line.split('`').filter(|cited| cited.starts_with("tests/")) {
            let Some((file, name)) = cited.split_once(".rs::") else { continue };
            let exists = |test: &Source| {
                test.path == format!("{file}.rs") && test.code.contains(&format!("fn {}(", name.trim_end_matches("()")))
            };
            if !known.iter().any(exists) {
                refused.push((at, format!("no such test: {cited}")));
            }
        }
    }
    refused
}

/// The lines on which `code` says `path` in whole names.
fn mentions(code: &str, path: &str, why: &str) -> Vec<Refused> {
    let end = if path.ends_with("::") { "" } else { "::" };
    let says = |said: &str| format!("::{said}{end}").contains(&format!("::{path}{end}"));
    paths(code).into_iter().filter(|(_, said)| says(said)).map(|(at, _)| (at, format!("`{path}` {why}"))).collect()
}

// ---- What the rules read ----

/// One file, twice: as it is, and with everything but code blanked (same lines, other offsets).
struct Source {
    /// Relative to the package, with `/`.
    path: String,
    text: String,
    code: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into(), code: code_of(text) }
    }

    fn is_in(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    /// The code before the tests; nothing at all of a file that holds only tests.
    fn body(&self) -> &str {
        let only_tests = self.is_in("src/") && self.path.ends_with("/tests.rs");
        if only_tests { "" } else { &self.code[..body_len(&self.code)] }
    }

    /// The top module a layer rule applies to: not the crate root, and not the manual, which is prose.
    fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let module = inside.split('/').next()?.trim_end_matches(".rs");
        (module != "lib" && module != "manual").then_some(module)
    }

    /// What `path` says from the crate root, whether through `crate::` or by climbing out with `super::`.
    fn crate_path<'a>(&self, path: &'a str) -> Option<&'a str> {
        if let Some(rest) = path.strip_prefix("crate::") {
            return Some(rest);
        }
        let depth = self.path.trim_end_matches("/mod.rs").split('/').count() - 1;
        let mut rest = path;
        for _ in 0..depth {
            rest = rest.strip_prefix("super::")?;
        }
        Some(rest)
    }
}

/// The length of `code` before the attributes of its first module for tests.
fn body_len(code: &str) -> usize {
    let (mut at, mut attributes, mut for_tests) = (0, None, false);
    for line in code.split_inclusive('\n') {
        if line.starts_with("#[") {
            attributes.get_or_insert(at);
            for_tests |= line.contains("cfg(test)") || line.contains("cfg(all(test,");
        } else if for_tests && line.contains("mod ") && line.contains('{') {
            return attributes.unwrap_or(at);
        } else if !line.trim().is_empty() {
            (attributes, for_tests) = (None, false);
        }
        at += line.len();
    }
    code.len()
}

fn floor_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

#[track_caller]
fn hold(rule: fn(&Source) -> Vec<Refused>) {
    hold_for(&rust_files(), rule);
}

#[track_caller]
fn hold_for(sources: &[Source], rule: impl Fn(&Source) -> Vec<Refused>) {
    assert!(sources.iter().any(|source| source.path == "src/lib.rs"), "the walk missed src/lib.rs");
    let mut report = String::new();
    for source in sources {
        for (line, why) in rule(source) {
            let _ = writeln!(report, "{}:{line}: {why}", source.path);
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

fn rust_files() -> Vec<Source> {
    let mut sources: Vec<_> = ["src", "tests", "examples", "benches"].into_iter().flat_map(files).collect();
    sources.retain(|source| Path::new(&source.path).extension().is_some_and(|kind| kind == "rs"));
    sources
}

/// Every text file below `folder`, hidden ones too; not git's own, nor what cargo built.
fn files(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        if root.join(&folder).join("CACHEDIR.TAG").exists() {
            continue;
        }
        for entry in fs::read_dir(root.join(&folder)).into_iter().flatten().flatten() {
            let name = entry.file_name().into_string().expect("a file name in UTF-8");
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            match entry.file_type() {
                _ if name == ".git" || path == "target" => {}
                Ok(kind) if kind.is_dir() => folders.push(path),
                _ => sources.extend(fs::read_to_string(entry.path()).map(|text| Source::new(&path, &text))),
            }
        }
    }
    sources
}

// ---- The checks can fail ----

type Rule = fn(&Source) -> Vec<Refused>;

/// A rule, a file it must refuse, and on which line.
fn bad_files() -> Vec<(Rule, &'static str, String, usize)> {
    let lines = |count: usize| "    step();\n".repeat(count);
    let long_function = format!("//! Doc.\n\nimpl A {{\n    fn f(x: [u8; 2]) {{\n{}    }}\n}}\n", lines(69));
    let tests = "#[cfg(test)]\n#[allow(x)]\nmod tests {\n}\n";
    vec![
        (columns, "src/a.rs", format!("\n//{}", "=".repeat(119)), 2),
        (function_length, "src/a.rs", long_function, 4),
        (file_length, "src/a.rs", "\n".repeat(401) + tests, 401),
        (file_length, "tests/a.rs", "\n".repeat(501), 501),
        (tests_last, "src/a.rs", tests.repeat(2) + "fn b() {}", 9),
        (tests_last, "src/a.rs", format!("fn a() {{}}\n{tests}\nfn b() {{}}\n"), 7),
        (layers, "src/tcp/conn.rs", "use crate::wire::Flow;\nuse crate::stack::Stack;".into(), 2),
        (layers, "src/tcp/conn.rs", "use super::{conn, super::net};".replace("super::{", "super::super::{"), 1),
        (layers, "src/buf/mod.rs", "use crate::{\n    time::Instant,\n    wire::{self, Flow},\n};".into(), 3),
        (layers, "src/liveness/rto.rs", "fn f(o: super::super::options::Options) {}".into(), 1),
        (layers, "src/time.rs", "use super::seq;".into(), 1),
        (layers, "src/http/mod.rs", "use crate::wire::Flow;".into(), 1),
        (layers, "src/pcapng.rs", "use crate::seq::SeqNum;".into(), 1),
        (layers, "src/stack/mod.rs", "use crate::Error;".into(), 1),
        (layers, "src/novelty.rs", String::new(), 1),
        (only_at_home, "src/tcp/mod.rs", "\nuse smoltcp::wire::TcpPacket;".into(), 2),
        (only_at_home, "src/stack/mod.rs", "fn f() { rustix::io::read() }".into(), 1),
        (only_at_home, "src/sim/mod.rs", "use std::{io, time::Duration};".into(), 1),
        (only_at_home, "src/sim/mod.rs", "let now = Instant::now();".into(), 1),
        (only_at_home, "src/sim/mod.rs", "thread::sleep(tick);".into(), 1),
        (random_order, "src/stack/mod.rs", "use std::collections::{HashMap, VecDeque};".into(), 1),
        (floats, "src/tcp/mod.rs", "\nfn f(x: f64) {}".into(), 2),
        (floats, "src/tcp/mod.rs", "let srtt = rtt * 0.125;".into(), 1),
        (floats, "src/tcp/mod.rs", "let cells = 1e6 as usize;".into(), 1),
        (unsafe_code, "src/net/tun.rs", "let fd = unsafe { OwnedFd::from_raw_fd(fd) };".into(), 1),
        (unsafe_code, UNSAFE_FILE, "\n".repeat(151), 151),
        (unfinished, "src/a.rs", "\nfn f() { todo!() }".into(), 2),
        (unfinished, "src/a.rs", UNFINISHED_TEXT.concat(), 1),
        (unfinished, "tests/a.rs", "#[test]\n#[ignore]\nfn f() {}".into(), 2),
        (opening, "src/a.rs", "use core::fmt;".into(), 1),
        (machine_paths, "README.md", format!("see {}shared", MACHINE_PATHS[0]), 1),
        (|source| cited_tests(source, &[]), "src/manual/a.rs", ["//! `tests", "/a.rs::gone`"].concat(), 1),
    ]
}

#[test]
fn every_rule_refuses_its_bad_file_by_line() {
    for (rule, path, text, line) in bad_files() {
        let refused = rule(&Source::new(path, &text));
        assert_eq!(refused.iter().map(|(at, _)| *at).next(), Some(line), "{path}: {text:?} gave {refused:?}");
    }
}

#[test]
fn prose_and_neighbouring_words_are_innocent() {
    let text = r#"//! smoltcp, unsafe, f64, std::time: prose.
use crate::time::{self, Instant};
use core::time::Duration;
fn f<'a>(thread: &'a Thread, unsafe_looking: u8) -> &'static str {
    for i in 0..8 { thread.wake(i.0.1) }
    "crate::stack, dbg!, Instant::now() and 0.5"
}
"#;
    let rules: [Rule; 6] = [layers, only_at_home, floats, unsafe_code, unfinished, function_length];
    for rule in rules {
        assert_eq!(rule(&Source::new("src/tcp/a.rs", text)), []);
    }
}

#[test]
fn tests_at_the_end_are_exempt_from_layers_and_length() {
    let tests = format!("#[cfg(test)]\nmod tests {{\n    use crate::stack::Stack;\n{}}}\n", "    // 1.5\n".repeat(500));
    let source = Source::new("src/time.rs", &format!("//! Doc.\n{tests}\n{tests}"));
    for rule in [layers, floats, file_length, tests_last] {
        assert_eq!(rule(&source), []);
    }
    assert_eq!(source.body().lines().count(), 1);
}
