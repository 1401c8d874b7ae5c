//! Just enough of Rust's grammar to tell code from prose, an item from the next, and a path from its group.
//!
//! It reads files that rustfmt has been over and that compile; anything stranger may be read wrongly but never panics.

use core::mem;

pub(crate) fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines())
}

pub(crate) fn line_of(text: &str, at: usize) -> usize {
    1 + text[..at].matches('\n').count()
}

fn is_name(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

pub(crate) fn is_word_start(text: &str, at: usize) -> bool {
    !text[..at].ends_with(is_name)
}

/// `text` with each character of a comment, string or character literal replaced by a space; lines stay.
pub(crate) fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let len = opaque_len(rest);
        code.extend(rest[..len].chars().map(|c| if c == '\n' { c } else { ' ' }));
        rest = &rest[len..];
        if len == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    code
}

/// The length of the comment or literal that `text` starts with; 0 if it starts with code.
fn opaque_len(text: &str) -> usize {
    let hashes = text.strip_prefix('r').map_or(0, |rest| rest.len() - rest.trim_start_matches('#').len());
    if text.starts_with("//") {
        text.find('\n').unwrap_or(text.len())
    } else if text.starts_with("/*") {
        comment_len(text)
    } else if text.starts_with('"') {
        quoted_len(text, '"')
    } else if text.starts_with('r') && text[1 + hashes..].starts_with('"') {
        let close = format!("\"{}", "#".repeat(hashes));
        text[hashes + 2..].find(&close).map_or(text.len(), |at| hashes + 2 + at + close.len())
    } else if text.starts_with("'\\") || (text.starts_with('\'') && text.chars().nth(2) == Some('\'')) {
        quoted_len(text, '\'')
    } else {
        0
    }
}

fn comment_len(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let (opens, closes) = (text[at..].starts_with("/*"), text[at..].starts_with("*/"));
        depth = depth + usize::from(opens) - usize::from(closes);
        at += if opens || closes { 2 } else { text[at..].chars().next().map_or(1, char::len_utf8) };
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted_len(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

/// The length of the item that `code` starts with: to its closing brace, or to its semicolon if it has no body.
pub(crate) fn item_len(code: &str) -> usize {
    let (mut braces, mut brackets) = (0_usize, 0_usize);
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets = brackets.saturating_sub(1),
            '{' => braces += 1,
            '}' => braces = braces.saturating_sub(1),
            _ => {}
        }
        if braces == 0 && brackets == 0 && (c == '}' || c == ';') {
            return at + 1;
        }
    }
    code.len()
}

/// Every path in `code` with its line, groups taken apart: `a::{b, c::d}` is `a::b` and `a::c::d`.
pub(crate) fn paths(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut prefixes = Vec::new();
    let (mut path, mut line) = (String::new(), 1);
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let name = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        if name > 0 {
            path.push_str(&rest[..name]);
            rest = &rest[name..];
        } else if let Some(after) = rest.strip_prefix("::") {
            path.push_str("::");
            rest = after;
        } else {
            match first {
                '{' => prefixes.push(mem::take(&mut path)),
                _ if !path.is_empty() => found.push((line, prefix(&prefixes) + &mem::take(&mut path))),
                _ => {}
            }
            if first == '}' {
                prefixes.pop();
            }
            line += usize::from(first == '\n');
            rest = &rest[first.len_utf8()..];
        }
    }
    found.extend((!path.is_empty()).then_some((line, path)));
    found
}

/// The start of a path inside groups: only a brace right behind `::` opens one, every other holds statements.
fn prefix(open: &[String]) -> String {
    let groups = open.iter().rev().take_while(|prefix| prefix.ends_with("::")).count();
    open[open.len() - groups..].concat()
}

/// The lines with a number that has a fraction, an exponent or a float's suffix. `pair.0.1` is none.
pub(crate) fn float_literals(code: &str) -> Vec<usize> {
    let starts = |&(at, c): &(usize, char)| c.is_ascii_digit() && !code[..at].ends_with(|c| c == '.' || is_name(c));
    let is_float = |at: usize| {
        let number = &code[at..];
        let (whole, rest) = number.split_at(number.find(|c| !is_name(c)).unwrap_or(number.len()));
        let fraction = rest.strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        let is_radix = ["0x", "0b", "0o"].iter().any(|radix| whole.starts_with(radix));
        fraction || (!is_radix && (whole.contains('e') || whole.ends_with("f32") || whole.ends_with("f64")))
    };
    code.char_indices().filter(starts).filter(|&(at, _)| is_float(at)).map(|(at, _)| line_of(code, at)).collect()
}

#[cfg(test)]
mod tests {
    use super::{code_of, float_literals, item_len, paths};

    #[test]
    fn comments_and_literals_become_blanks_of_the_same_shape() {
        let text = "a /* b /* c */ d */ e // f\n\"g \\\" h\" i r#\"j \" k\"# l b\"m\" '\\'' '\"' n '{' <'o>\n";
        let code = code_of(text);
        assert_eq!(code.split_whitespace().collect::<String>(), "aeilbn<'o>");
        assert_eq!((code.len(), code.lines().count()), (text.len(), text.lines().count()));
    }

    #[test]
    fn an_item_ends_at_its_brace_or_its_semicolon() {
        for item in ["fn a(x: [u8; 2]) -> [u8; 2] where A: B;", "fn a() {}", "fn a() {\n    if b { c; }\n    d\n}"] {
            assert_eq!(item_len(&format!("{item}\nfn next() {{}}")), item.len(), "{item}");
        }
    }

    #[test]
    fn groups_of_paths_are_taken_apart() {
        let said = |code: &str| paths(code).into_iter().map(|(_, path)| path).collect::<Vec<_>>();
        assert_eq!(said("use a::{b, c::{d, self}, ::e}; f"), ["use", "a::b", "a::c::d", "a::c::self", "a::::e", "f"]);
        assert_eq!(said("mod m { a::b { c } }"), ["mod", "m", "a::b", "c"]);
    }

    #[test]
    fn a_float_is_told_from_a_tuple_field_a_range_and_a_hex_number() {
        assert_eq!(float_literals("a.0.1\n0..5\n0x1e\n1_000\n1.max(2)\nx1e5\n0xf64"), []);
        assert_eq!(float_literals("0.5\n1e6\n1f64\n(2.0,)"), [1, 2, 3, 4]);
    }
}
