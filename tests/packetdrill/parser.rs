//! From text to a [`Script`]: options, events and their times. Packets and calls have files of their own.

use crate::ast::{Action, Block, Event, Moment, Script, ScriptError, Setting, Time};
use crate::lexer::Cursor;
use crate::{parse_call, parse_packet};

pub(crate) fn parse(text: &str) -> Result<Script, ScriptError> {
    let text = text.replace("\r\n", "\n");
    let mut cursor = Cursor::new(&text);
    let options = options(&mut cursor)?;
    let text = substitute(&text, text.len() - cursor.rest().len(), &options);
    let mut cursor = Cursor::new(&text);
    let mut script = Script { options: self::options(&mut cursor)?, ..Script::default() };
    if cursor.peek()? == Some('`') {
        script.init = Some(command(&mut cursor)?);
    }
    while let Some(next) = cursor.peek()? {
        if next == '`' {
            script.cleanup = Some(command(&mut cursor)?);
            if cursor.peek()?.is_some() {
                return Err(cursor.error("an event without time, or something after the closing command"));
            }
            break;
        }
        script.events.push(event(&mut cursor)?);
    }
    check_times(&script.events)?;
    Ok(script)
}

/// `--name=value`, `--name` and `-D NAME=value`, one after another.
fn options(cursor: &mut Cursor<'_>) -> Result<Vec<Setting>, ScriptError> {
    let mut options = Vec::new();
    loop {
        if cursor.eat("-D")? {
            options.push(setting(cursor, true)?);
        } else if cursor.eat("--")? {
            options.push(setting(cursor, false)?);
        } else {
            return Ok(options);
        }
    }
}

/// `name=value`; a value in quotes, or back quotes, may hold blanks and keeps its quotes.
fn setting(cursor: &mut Cursor<'_>, is_definition: bool) -> Result<Setting, ScriptError> {
    let name = cursor.run(|c| !c.is_whitespace() && c != '=')?.to_owned();
    let line = cursor.line();
    if name.is_empty() || (is_definition && !name.chars().all(is_name)) {
        return Err(cursor.expected("the name of an option"));
    }
    if !cursor.rest().starts_with('=') {
        return Ok(Setting { line, is_definition, name, value: String::new() });
    }
    cursor.expect("=")?;
    let start = *cursor;
    match cursor.rest().chars().next() {
        Some(quote @ ('"' | '`')) => {
            let quote = quote.to_string();
            cursor.expect(&quote)?;
            cursor.up_to(&quote)?;
        }
        Some(c) if !c.is_whitespace() => drop(cursor.run(|c| !c.is_whitespace())?),
        _ => {}
    }
    Ok(Setting { line, is_definition, name, value: cursor.since(&start).into() })
}

/// Replaces the names that `-D` defines, wherever they stand as whole words after `start`; within quotes, commands,
/// code and comments nothing is a name.
fn substitute(text: &str, start: usize, options: &[Setting]) -> String {
    let definitions: Vec<&Setting> = options.iter().filter(|option| option.is_definition).collect();
    let (header, mut rest) = text.split_at(start);
    let mut replaced = header.to_owned();
    while let Some(first) = rest.chars().next() {
        let verbatim = VERBATIM
            .iter()
            .find(|(open, _)| rest.starts_with(open))
            .map(|(open, close)| rest[open.len()..].find(close).map_or(rest.len(), |at| open.len() + at + close.len()));
        let word_len = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let (len, value) = match verbatim {
            Some(len) => (len, None),
            None if word_len == 0 => (first.len_utf8(), None),
            None => {
                let meant = definitions.iter().find(|definition| definition.name == rest[..word_len]);
                (word_len, meant.map(|definition| definition.value.as_str()))
            }
        };
        replaced.push_str(value.unwrap_or(&rest[..len]));
        rest = &rest[len..];
    }
    replaced
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Beginnings and ends of what holds no names to replace.
const VERBATIM: [(&str, &str); 5] = [("//", "\n"), ("/*", "*/"), ("`", "`"), ("%{", "}%"), ("\"", "\"")];

fn command(cursor: &mut Cursor<'_>) -> Result<Block, ScriptError> {
    block(cursor, "`", "`")
}

fn block(cursor: &mut Cursor<'_>, open: &str, close: &str) -> Result<Block, ScriptError> {
    cursor.expect(open)?;
    let line = cursor.line();
    Ok(Block { line, text: cursor.up_to(close)?.to_owned() })
}

fn event(cursor: &mut Cursor<'_>) -> Result<Event, ScriptError> {
    cursor.skip()?;
    let line = cursor.line();
    let time = time(cursor)?;
    cursor.skip()?;
    let start = *cursor;
    let action = match cursor.peek()? {
        Some('<') => Action::Inbound(parse_packet::packet(cursor)?),
        Some('>') => Action::Outbound(parse_packet::packet(cursor)?),
        Some('`') => Action::Command(command(cursor)?),
        Some('%') => Action::Code(block(cursor, "%{", "}%")?),
        _ => Action::Call(parse_call::call(cursor)?.into()),
    };
    let outbound = matches!(action, Action::Outbound(_));
    if matches!(time, Time::Any | Time::Window(..)) && !outbound {
        return Err(ScriptError::new(line, "only an expected packet may come at any time, or within a window"));
    }
    if matches!(time, Time::Span(..)) && !matches!(action, Action::Call(_)) {
        return Err(ScriptError::new(line, "only a call may block"));
    }
    Ok(Event { line, time, action, text: cursor.since(&start).to_owned() })
}

fn time(cursor: &mut Cursor<'_>) -> Result<Time, ScriptError> {
    if cursor.eat("*")? {
        return Ok(Time::Any);
    }
    let start = *cursor;
    let first = moment(cursor)?;
    // Blanks may stand around an ellipsis; one before a call's name would be an error anyway.
    if cursor.eat("...")? {
        cursor.skip()?;
        let end = moment(cursor)?;
        let end = Moment { relative: first.relative || end.relative, ..end };
        return if end.micros < first.micros {
            Err(start.error("a call that returns before it begins"))
        } else {
            Ok(Time::Span(first, end))
        };
    }
    if !cursor.eat("~")? {
        return Ok(Time::At(first));
    }
    let last = moment(cursor)?;
    if first.relative != last.relative || first.micros > last.micros {
        return Err(start.error("a window whose ends do not fit together"));
    }
    Ok(Time::Window(first, last))
}

fn moment(cursor: &mut Cursor<'_>) -> Result<Moment, ScriptError> {
    let relative = cursor.eat("+")?;
    Ok(Moment { relative, micros: cursor.seconds()? })
}

/// The first event is at time 0, and absolute times do not go back.
fn check_times(events: &[Event]) -> Result<(), ScriptError> {
    let mut latest = 0;
    for (index, event) in events.iter().enumerate() {
        let (Time::At(start) | Time::Window(start, _) | Time::Span(start, _)) = event.time else { continue };
        if index == 0 && start.micros != 0 {
            return Err(ScriptError::new(event.line, "the first event must be at time 0"));
        }
        if !start.relative {
            if start.micros < latest {
                return Err(ScriptError::new(event.line, "time goes backwards"));
            }
            latest = start.micros;
        }
    }
    Ok(())
}
