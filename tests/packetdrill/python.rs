//! The Python of `%{ ... }%`, as far as scripts use it: `assert`, `print`, `=`, `+=`, comparisons (chained), `and`,
//! `or`, `not`, `&`, `|`, `+`, `-`, `*`, `//`, `%`. Strings are only ever messages.

use alloc::collections::BTreeMap;

/// The names that snippets of one script share.
#[derive(Default)]
pub(crate) struct Python {
    names: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Int(i64),
    Text(String),
}

/// Looks up what the host knows: `tcpi_...` and constants.
pub(crate) type Lookup<'h> = dyn Fn(&str) -> Option<i64> + 'h;

impl Python {
    /// Runs a snippet; an assertion that does not hold is an error: its line, counted from 0, and what is wrong.
    pub(crate) fn run(&mut self, code: &str, host: &Lookup<'_>) -> Result<(), (usize, String)> {
        for (line, statement) in statements(code) {
            let shown = statement.split_whitespace().collect::<Vec<_>>().join(" ");
            self.statement(&statement, host).map_err(|message| (line, format!("{message} (in `{shown}`)")))?;
        }
        Ok(())
    }

    fn statement(&mut self, statement: &str, host: &Lookup<'_>) -> Result<(), String> {
        let mut parser = self.parser(statement, host);
        if parser.eat_word("print") || parser.eat_word("pass") {
            return Ok(());
        }
        if parser.eat_word("assert") {
            return match parser.or()? {
                _ if !parser.at_end() && !parser.eat(",") => Err(parser.unexpected()),
                value if value.is_true() => Ok(()),
                _ => Err(format!("the assertion does not hold{}", parser.seen())),
            };
        }
        let name = parser.name().ok_or("a statement that is not understood")?.to_owned();
        let add = parser.eat("+=");
        if !add && !parser.eat("=") {
            return Err("a statement that is not understood".into());
        }
        let value = parser.or()?;
        if !parser.at_end() {
            return Err(parser.unexpected());
        }
        let value = match self.names.get(&name) {
            Some(before) if add => Value::Int(before.int()?.wrapping_add(value.int()?)),
            None if add => return Err(format!("unknown name `{name}`")),
            _ => value,
        };
        self.names.insert(name, value);
        Ok(())
    }

    fn parser<'p>(&'p self, text: &'p str, host: &'p Lookup<'p>) -> Parser<'p> {
        Parser { rest: text, names: &self.names, host, seen: Vec::new(), depth: 0 }
    }
}

/// Statements and the lines they begin on, without comments; a bracket or a backslash keeps lines together.
fn statements(code: &str) -> Vec<(usize, String)> {
    let mut statements = Vec::new();
    let mut statement = String::new();
    let (mut begun, mut depth, mut quote, mut comment, mut escaped) = (0, 0, None, false, false);
    for (at, c) in code.char_indices() {
        let literal = escaped;
        escaped = c == '\\' && !literal && !comment;
        match (quote, c) {
            _ if comment && c != '\n' => continue,
            (_, '\n') if literal => {
                statement.pop();
            }
            (Some(open), _) if c == open && !literal => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '(' | '[') => depth += 1,
            (None, ')' | ']') => depth -= 1,
            (None, '#') => {
                comment = true;
                continue;
            }
            (None, '\n' | ';') if depth <= 0 => {
                comment = false;
                statements.push((begun, core::mem::take(&mut statement)));
                continue;
            }
            _ => {}
        }
        comment &= c != '\n';
        if statement.trim().is_empty() {
            begun = code[..at].matches('\n').count();
        }
        statement.push(if c == '\n' { ' ' } else { c });
    }
    statements.push((begun, statement));
    // A backslash at the very end continues into nothing.
    let trim = |(line, text): (usize, String)| (line, text.trim().trim_end_matches('\\').trim().to_owned());
    statements.into_iter().map(trim).filter(|(_, text)| !text.is_empty()).collect()
}

struct Parser<'p> {
    rest: &'p str,
    names: &'p BTreeMap<String, Value>,
    host: &'p Lookup<'p>,
    /// Names looked up, for the report.
    seen: Vec<(String, i64)>,
    depth: usize,
}

impl Value {
    fn int(&self) -> Result<i64, String> {
        match self {
            Self::Int(value) => Ok(*value),
            Self::Text(_) => Err("a string where a number is needed".into()),
        }
    }

    fn is_true(&self) -> bool {
        !matches!(self, Self::Int(0)) && *self != Self::Text(String::new())
    }
}

impl<'p> Parser<'p> {
    fn or(&mut self) -> Result<Value, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("nested too deeply".into());
        }
        let mut left = self.and()?;
        while self.eat_word("or") {
            let right = self.and()?;
            left = if left.is_true() { left } else { right };
        }
        self.depth -= 1;
        Ok(left)
    }

    fn and(&mut self) -> Result<Value, String> {
        let mut left = self.not()?;
        while self.eat_word("and") {
            let right = self.not()?;
            left = if left.is_true() { right } else { left };
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Value, String> {
        let mut negate = false;
        let mut negated = false;
        while self.eat_word("not") {
            negate = !negate;
            negated = true;
        }
        let value = self.comparison()?;
        Ok(if negated { Value::Int(i64::from(value.is_true() != negate)) } else { value })
    }

    fn comparison(&mut self) -> Result<Value, String> {
        let mut left = self.bits()?;
        let mut holds = None;
        while let Some(operator) = ["==", "!=", "<=", ">=", "<", ">"].into_iter().find(|operator| self.eat(operator)) {
            let right = self.bits()?;
            let holds_now = match operator {
                "==" => left == right,
                "!=" => left != right,
                _ => {
                    let (a, b) = (left.int()?, right.int()?);
                    match operator {
                        "<=" => a <= b,
                        ">=" => a >= b,
                        "<" => a < b,
                        _ => a > b,
                    }
                }
            };
            holds = Some(holds.unwrap_or(true) && holds_now);
            left = right;
        }
        Ok(holds.map_or(left, |holds| Value::Int(i64::from(holds))))
    }

    fn bits(&mut self) -> Result<Value, String> {
        let mut left = self.sum()?;
        while let Some(operator) = ["&", "|"].into_iter().find(|operator| self.eat(operator)) {
            let (a, b) = (left.int()?, self.sum()?.int()?);
            left = Value::Int(if operator == "&" { a & b } else { a | b });
        }
        Ok(left)
    }

    fn sum(&mut self) -> Result<Value, String> {
        let mut left = self.product()?;
        while let Some(operator) = ["+", "-"].into_iter().find(|operator| self.eat(operator)) {
            let right = self.product()?;
            if matches!((&left, &right, operator), (Value::Text(_), Value::Text(_), "+")) {
                continue;
            }
            let (a, b) = (left.int()?, right.int()?);
            let sum = if operator == "+" { a.checked_add(b) } else { a.checked_sub(b) };
            left = Value::Int(sum.ok_or("a number that is too large")?);
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Value, String> {
        let mut left = self.primary()?;
        while let Some(operator) = ["*", "//", "/", "%"].into_iter().find(|operator| self.eat(operator)) {
            let right = self.primary()?;
            if matches!(left, Value::Text(_)) && matches!(operator, "%" | "*") {
                // A message: nobody reads it.
                continue;
            }
            let (a, b) = (left.int()?, right.int()?);
            let result = match operator {
                "*" => a.checked_mul(b),
                "%" => a.checked_rem_euclid(b),
                _ => a.checked_div_euclid(b),
            };
            left = Value::Int(result.ok_or("a number that is too large, or a division by zero")?);
        }
        Ok(left)
    }

    fn primary(&mut self) -> Result<Value, String> {
        let mut negative = false;
        while self.eat("-") {
            negative = !negative;
        }
        if negative {
            return Ok(Value::Int(self.primary()?.int()?.wrapping_neg()));
        }
        if self.eat("(") {
            let mut value = self.or()?;
            while self.eat(",") {
                value = self.or()?;
            }
            return if self.eat(")") { Ok(value) } else { Err(self.unexpected()) };
        }
        if let Some(quote) = ['"', '\''].into_iter().find(|&quote| self.eat(quote.encode_utf8(&mut [0; 4]))) {
            return self.string(quote).map(Value::Text);
        }
        if let Some(name) = self.name() {
            return match name {
                "True" => Ok(Value::Int(1)),
                "False" => Ok(Value::Int(0)),
                "abs" | "int" | "str" if self.eat("(") => self.function(name),
                name => self.look_up(name),
            };
        }
        let len = self.rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(len);
        let value = match digits.strip_prefix("0x") {
            Some(hex) => i64::from_str_radix(hex, 16),
            None => digits.parse(),
        };
        let value = value.map_err(|_| self.unexpected())?;
        self.rest = rest;
        Ok(Value::Int(value))
    }

    /// The rest of a string, and strings that follow at once: Python takes them for one.
    fn string(&mut self, first: char) -> Result<String, String> {
        let mut text = String::new();
        let mut quote = first;
        loop {
            let mut escaped = false;
            let end = self.rest.find(|c| {
                let ends = c == quote && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            let end = end.ok_or("a string without end")?;
            text.push_str(&self.rest[..end]);
            self.rest = self.rest[end + 1..].trim_start();
            match self.rest.chars().next() {
                Some(next @ ('"' | '\'')) => quote = next,
                _ => return Ok(text),
            }
            self.rest = &self.rest[1..];
        }
    }

    fn function(&mut self, name: &str) -> Result<Value, String> {
        let value = self.or()?;
        if !self.eat(")") {
            return Err(self.unexpected());
        }
        match name {
            "abs" => Ok(Value::Int(value.int()?.saturating_abs())),
            "int" => value.int().map(Value::Int),
            _ => Ok(Value::Text(String::new())),
        }
    }

    fn look_up(&mut self, name: &str) -> Result<Value, String> {
        if let Some(value) = self.names.get(name) {
            if let Value::Int(value) = value {
                self.seen.push((name.into(), *value));
            }
            return Ok(value.clone());
        }
        match (self.host)(name) {
            Some(value) => {
                self.seen.push((name.into(), value));
                Ok(Value::Int(value))
            }
            None if name.starts_with("tcpi_") || name.starts_with("SK_") => {
                let connected = (self.host)("tcpi_state").is_some();
                let why = if connected { "not supported" } else { "no connection that could tell" };
                Err(format!("{why}: {name}"))
            }
            None => Err(format!("unknown name `{name}`")),
        }
    }

    fn name(&mut self) -> Option<&'p str> {
        self.rest = self.rest.trim_start();
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let len = self.rest.find(|c| !is_name(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(len);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        self.rest = rest;
        Some(name)
    }

    fn eat(&mut self, mark: &str) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(mark) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let before = self.rest;
        let there = self.name() == Some(word);
        if !there {
            self.rest = before;
        }
        there
    }

    fn at_end(&self) -> bool {
        self.rest.trim().is_empty()
    }

    fn unexpected(&self) -> String {
        format!("not understood from `{}`", self.rest.trim())
    }

    /// The values that a condition read.
    fn seen(&self) -> String {
        let seen: Vec<String> = self.seen.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        if seen.is_empty() { String::new() } else { format!(": {}", seen.join(", ")) }
    }
}

/// Brackets within brackets at most.
const DEPTH_MAX: usize = 64;
