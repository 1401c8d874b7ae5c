//! A cursor over the text of a script. What a character means depends on where it stands (`.5` is half a second, and
//! an ACK with an accurate-ECN count), so there are no tokens: the parser asks for what it expects.

use crate::ast::ScriptError;

#[derive(Clone, Copy)]
pub(crate) struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    pub(crate) const fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// What has not been read.
    pub(crate) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// What was read since `start`.
    pub(crate) fn since(&self, start: &Self) -> &'t str {
        self.text[start.at..self.at].trim()
    }

    /// The line of the cursor, counted from 1.
    pub(crate) fn line(&self) -> usize {
        self.text[..self.at].matches('\n').count() + 1
    }

    pub(crate) fn error(&self, message: impl Into<String>) -> ScriptError {
        ScriptError::new(self.line(), message)
    }

    /// "WHAT expected", and what stands there instead.
    pub(crate) fn expected(&self, what: &str) -> ScriptError {
        let found: String = self.rest().chars().take_while(|&c| c != '\n').take(24).collect();
        self.error(format!("{what} expected, not `{found}`"))
    }

    /// Steps over white space and comments.
    pub(crate) fn skip(&mut self) -> Result<(), ScriptError> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if trimmed.starts_with("//") {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if trimmed.starts_with("/*") {
                let end = trimmed.find("*/").ok_or_else(|| self.error("a comment without end"))?;
                self.at += end + 2;
            } else {
                return Ok(());
            }
        }
    }

    /// The next character that is not blank, if any; not stepped over.
    pub(crate) fn peek(&mut self) -> Result<Option<char>, ScriptError> {
        self.skip()?;
        Ok(self.rest().chars().next())
    }

    /// Steps over `mark` if it is next.
    pub(crate) fn eat(&mut self, mark: &str) -> Result<bool, ScriptError> {
        self.skip()?;
        let there = self.rest().starts_with(mark);
        self.at += if there { mark.len() } else { 0 };
        Ok(there)
    }

    pub(crate) fn expect(&mut self, mark: &str) -> Result<(), ScriptError> {
        if self.eat(mark)? { Ok(()) } else { Err(self.expected(&format!("`{mark}`"))) }
    }

    /// As many characters as `belongs` accepts, after blanks; perhaps none.
    pub(crate) fn run(&mut self, belongs: impl Fn(char) -> bool) -> Result<&'t str, ScriptError> {
        self.skip()?;
        let rest = self.rest();
        let len = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        self.at += len;
        Ok(&rest[..len])
    }

    /// A name, if one is next.
    pub(crate) fn word(&mut self) -> Result<Option<&'t str>, ScriptError> {
        match self.peek()? {
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                Ok(Some(self.run(|c| c.is_ascii_alphanumeric() || c == '_')?))
            }
            _ => Ok(None),
        }
    }

    /// Steps over the name `name` if it is next.
    pub(crate) fn eat_word(&mut self, name: &str) -> Result<bool, ScriptError> {
        let mut ahead = *self;
        let there = ahead.word()? == Some(name);
        if there {
            *self = ahead;
        }
        Ok(there)
    }

    /// A number: decimal, or hexadecimal after `0x`; perhaps negative.
    pub(crate) fn integer(&mut self) -> Result<i64, ScriptError> {
        let negative = self.eat("-")?;
        let start = *self;
        let (digits, radix) = if self.eat("0x")? || self.eat("0X")? {
            (self.run(|c| c.is_ascii_hexdigit())?, 16)
        } else {
            (self.run(|c| c.is_ascii_digit())?, 10)
        };
        let Ok(value) = i64::from_str_radix(digits, radix) else {
            return Err(start.expected("a number"));
        };
        Ok(if negative { -value } else { value })
    }

    /// A number that fits.
    pub(crate) fn number<T: TryFrom<i64>>(&mut self) -> Result<T, ScriptError> {
        let start = *self;
        let value = self.integer()?;
        T::try_from(value).map_err(|_| start.error(format!("{value} is out of range")))
    }

    /// Seconds with up to six decimals, as microseconds; more decimals are rounded.
    pub(crate) fn seconds(&mut self) -> Result<u64, ScriptError> {
        let start = *self;
        let whole = self.run(|c| c.is_ascii_digit())?;
        let mut fraction = "";
        let rest = self.rest();
        // `0...1` is a zero and an ellipsis.
        if rest.starts_with('.') && !rest.starts_with("..") {
            self.at += 1;
            let digits = self.rest();
            fraction = &digits[..digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len())];
            self.at += fraction.len();
        }
        if whole.is_empty() && fraction.is_empty() {
            return Err(start.expected("a time"));
        }
        let too_long = || start.error("a time that is too long");
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| too_long())? };
        let digit = |index: usize| fraction.as_bytes().get(index).map_or(0, |&byte| u64::from(byte - b'0'));
        let micros = (0..6).fold(0, |sum, index| sum * 10 + digit(index)) + u64::from(digit(6) >= 5);
        let total = whole.checked_mul(1_000_000).and_then(|whole| whole.checked_add(micros));
        total.filter(|&total| total < TIME_MAX).ok_or_else(too_long)
    }

    /// Everything up to `end`, which is stepped over, too.
    pub(crate) fn up_to(&mut self, end: &str) -> Result<&'t str, ScriptError> {
        let rest = self.rest();
        let len = rest.find(end).ok_or_else(|| self.error(format!("no `{end}` follows")))?;
        self.at += len + end.len();
        Ok(&rest[..len])
    }
}

/// A hundred years, in microseconds.
const TIME_MAX: u64 = 100 * 365 * 86_400 * 1_000_000;
