//! From text to a [`Script`]: options, events and their times. Packets and calls have files of their own.

use crate::ast::{Action, Command, Event, Moment, Script, ScriptError, Time};
use crate::lexer::Cursor;
use crate::{parse_call, parse_packet};

pub(crate) fn parse(text: &str) -> Result<Script, ScriptError> {
    let options = options(&mut Cursor::new(text))?;
    let text = substitute(text, &options)?;
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
fn options(cursor: &mut Cursor<'_>) -> Result<Vec<(String, String)>, ScriptError> {
    let mut options = Vec::new();
    loop {
        if cursor.eat("-D")? {
            let (name, value) = pair(cursor)?;
            options.push((format!("-D{name}"), value));
        } else if cursor.eat("--")? {
            options.push(pair(cursor)?);
        } else {
            return Ok(options);
        }
    }
}

fn pair(cursor: &mut Cursor<'_>) -> Result<(String, String), ScriptError> {
    let word = cursor.run(|c| !c.is_whitespace())?;
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    if name.is_empty() { Err(cursor.expected("the name of an option")) } else { Ok((name.into(), value.into())) }
}

/// Replaces the names that `-D` defines, wherever they stand as whole words.
fn substitute(text: &str, options: &[(String, String)]) -> Result<String, ScriptError> {
    let mut text = text.to_owned();
    for (name, value) in options.iter().filter_map(|(name, value)| Some((name.strip_prefix("-D")?, value))) {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(ScriptError::new(1, format!("-D {name}: not a name")));
        }
        let mut replaced = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(at) = rest.find(name) {
            let (before, after) = (&rest[..at], &rest[at + name.len()..]);
            let whole = !before.ends_with(is_name) && !after.starts_with(is_name) && !before.ends_with("-D ");
            replaced.push_str(before);
            replaced.push_str(if whole { value } else { name });
            rest = after;
        }
        replaced.push_str(rest);
        text = replaced;
    }
    Ok(text)
}

fn command(cursor: &mut Cursor<'_>) -> Result<Command, ScriptError> {
    cursor.expect("`")?;
    let line = cursor.line();
    Ok(Command { line, text: cursor.up_to("`")?.to_owned() })
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
        Some('%') => {
            cursor.expect("%{")?;
            Action::Code(cursor.up_to("}%")?.to_owned())
        }
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
    if cursor.rest().starts_with("...") {
        cursor.expect("...")?;
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
