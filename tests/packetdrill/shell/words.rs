//! A command as words: quotes, continuations, comments, arithmetic, separators and redirections.

/// One command, or a pipeline of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// Lines of the text before it.
    pub(super) number: usize,
    /// As written, for reports.
    pub(super) text: String,
    /// The words of each command between `|`.
    pub(super) stages: Vec<Vec<String>>,
    /// The file that the output goes to, if any.
    pub(super) output: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Pipe,
    Redirection,
    /// `;`, `&&` or a new line. Every command must succeed, so all mean the same.
    End,
}

/// The commands of a text, in order.
pub(super) struct Lines<'t> {
    text: &'t str,
    rest: &'t str,
}

impl<'t> Lines<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, rest: text }
    }

    /// The next command that has words; an error tells the number of its line, too.
    pub(super) fn next(&mut self) -> Result<Option<Line>, (usize, String)> {
        while !self.rest.is_empty() {
            self.rest = self.rest.trim_start();
            let before = self.rest;
            let number = self.text[..self.text.len() - before.len()].matches('\n').count();
            let mut line = line(&mut self.rest).map_err(|message| (number, message))?;
            let text = before[..before.len() - self.rest.len()].replace("\\\n", " ");
            text.trim_matches([' ', '\t', '\n', ';', '&']).clone_into(&mut line.text);
            line.number = number;
            if line.stages.len() > 1 && line.stages.iter().any(Vec::is_empty) {
                return Err((number, format!("nothing beside a | (in `{}`)", line.text)));
            }
            if line.stages.iter().any(|words| !words.is_empty()) {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }
}

fn line(rest: &mut &str) -> Result<Line, String> {
    let mut line = Line { stages: vec![Vec::new()], ..Line::default() };
    loop {
        let stage = line.stages.last_mut().ok_or("no command")?;
        let adjacent = rest.starts_with('>');
        match token(rest)? {
            Token::End => return Ok(line),
            Token::Pipe => line.stages.push(Vec::new()),
            Token::Word(word) => stage.push(word),
            Token::Redirection => {
                // `2>`, `1>`: which of the two is no matter.
                if adjacent && stage.last().is_some_and(|word| word == "1" || word == "2") {
                    stage.pop();
                }
                let Token::Word(path) = token(rest)? else { return Err("a file after > expected".into()) };
                if path != "/dev/null" && !path.starts_with('&') {
                    line.output = Some(path);
                }
            }
        }
    }
}

fn token(rest: &mut &str) -> Result<Token, String> {
    loop {
        *rest = rest.trim_start_matches([' ', '\t']);
        if !eat(rest, "\\\n") {
            break;
        }
    }
    if rest.starts_with('#') {
        *rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
    }
    for (mark, token) in [("&&", Token::End), (";", Token::End), ("\n", Token::End), (">>", Token::Redirection)] {
        if eat(rest, mark) {
            return Ok(token);
        }
    }
    if rest.is_empty() {
        return Ok(Token::End);
    }
    if rest.starts_with("||") {
        return Err("not supported: ||".into());
    }
    match (eat(rest, "|"), eat(rest, ">")) {
        (true, _) => Ok(Token::Pipe),
        (_, true) => Ok(Token::Redirection),
        _ => word(rest).map(Token::Word),
    }
}

/// A word: at least one character, up to a blank or mark outside quotes.
fn word(rest: &mut &str) -> Result<String, String> {
    let mut word = String::new();
    while let Some(c) = rest.chars().next() {
        if !word.is_empty() && ends_word(c) || rest.starts_with("&&") {
            break;
        }
        if eat(rest, "$((") {
            word.push_str(&up_to(rest, "))").and_then(arithmetic)?.to_string());
        } else if eat(rest, "'") {
            word.push_str(up_to(rest, "'")?);
        } else if eat(rest, "\"") {
            word.push_str(&expanded(up_to(rest, "\"")?)?);
        } else {
            let literal = if eat(rest, "\\") { rest.chars().next().ok_or("a backslash at the end")? } else { c };
            *rest = &rest[literal.len_utf8()..];
            // A line that is continued goes on with a blank.
            if literal == '\n' {
                break;
            }
            word.push(literal);
            continue;
        }
        // Quotes may have held nothing.
        if rest.starts_with(ends_word) {
            break;
        }
    }
    Ok(word)
}

fn ends_word(c: char) -> bool {
    [' ', '\t', '\n', ';', '|', '>'].contains(&c)
}

/// The text between double quotes, arithmetic replaced by its value.
fn expanded(text: &str) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("$((") {
        rest = after;
        expanded.push_str(before);
        expanded.push_str(&up_to(&mut rest, "))").and_then(arithmetic)?.to_string());
    }
    Ok(expanded + rest)
}

/// The value of a sum of products.
fn arithmetic(text: &str) -> Result<i64, String> {
    let wrong = || format!("not supported: the arithmetic of `{text}`");
    let mut sum = 0i64;
    for term in text.replace('-', "+-").split('+').filter(|term| !term.trim().is_empty()) {
        let mut product = 1i64;
        for factor in term.split('*') {
            let (times, over) = factor.split_once('/').map_or((factor, None), |(times, over)| (times, Some(over)));
            let number = |text: &str| text.replace("- ", "-").trim().parse::<i64>().map_err(|_| wrong());
            product = product.checked_mul(number(times)?).ok_or_else(wrong)?;
            if let Some(over) = over {
                product = product.checked_div(number(over)?).ok_or_else(wrong)?;
            }
        }
        sum = sum.checked_add(product).ok_or_else(wrong)?;
    }
    if text.trim().is_empty() { Err(wrong()) } else { Ok(sum) }
}

fn eat(rest: &mut &str, mark: &str) -> bool {
    match rest.strip_prefix(mark) {
        Some(after) => {
            *rest = after;
            true
        }
        None => false,
    }
}

fn up_to<'t>(rest: &mut &'t str, end: &str) -> Result<&'t str, String> {
    let (before, after) = rest.split_once(end).ok_or_else(|| format!("no {end} follows"))?;
    *rest = after;
    Ok(before)
}
