//! Calls: `name(arguments) = result ERRNO (note)`. Any call with any arguments parses; what can be run is `sockets`'s
//! to say.

use crate::ast::{Call, Expr, ScriptError};
use crate::lexer::Cursor;

pub(crate) fn call(cursor: &mut Cursor<'_>) -> Result<Call, ScriptError> {
    let name = cursor.word()?.ok_or_else(|| cursor.expected("a packet, a call or a command"))?.to_owned();
    cursor.expect("(")?;
    let args = sequence(cursor, ")", DEPTH_MAX)?;
    let mut call = Call { name, args, result: None, errno: None };
    if !cursor.eat("=")? {
        return Ok(call);
    }
    if !cursor.eat("...")? {
        call.result = Some(expr(cursor, DEPTH_MAX)?);
    }
    // A look ahead, so that a comment behind the call is none of it.
    let mut ahead = *cursor;
    if let Some(errno) = ahead.word()? {
        call.errno = Some(errno.to_owned());
        *cursor = ahead;
    }
    if ahead.eat("(")? {
        ahead.up_to(")")?;
        *cursor = ahead;
    }
    Ok(call)
}

/// Expressions between commas, up to `close`.
fn sequence(cursor: &mut Cursor<'_>, close: &str, depth: usize) -> Result<Vec<Expr>, ScriptError> {
    let mut items = Vec::new();
    if depth == 0 {
        return Err(cursor.error("nested too deeply"));
    }
    while !cursor.eat(close)? {
        items.push(expr(cursor, depth - 1)?);
        if !cursor.eat(",")? {
            cursor.expect(close)?;
            break;
        }
    }
    Ok(items)
}

fn expr(cursor: &mut Cursor<'_>, depth: usize) -> Result<Expr, ScriptError> {
    let first = primary(cursor, depth)?;
    if !matches!(cursor.peek()?, Some('|')) {
        return Ok(first);
    }
    let mut parts = vec![first];
    while cursor.eat("|")? {
        parts.push(primary(cursor, depth)?);
    }
    Ok(Expr::Or(parts))
}

fn primary(cursor: &mut Cursor<'_>, depth: usize) -> Result<Expr, ScriptError> {
    if cursor.eat("...")? {
        return Ok(Expr::Any);
    }
    if cursor.eat("[")? {
        return Ok(Expr::List(sequence(cursor, "]", depth)?));
    }
    if cursor.eat("{")? {
        return Ok(Expr::Struct(sequence(cursor, "}", depth)?));
    }
    if cursor.eat("\"")? {
        return Ok(Expr::Text(cursor.up_to("\"")?.to_owned()));
    }
    let Some(word) = cursor.word()? else { return Ok(Expr::Int(cursor.integer()?)) };
    let word = word.to_owned();
    let value = if cursor.eat("(")? {
        Expr::Apply(word.clone(), sequence(cursor, ")", depth)?)
    } else {
        Expr::Word(word.clone())
    };
    if cursor.eat("=")? {
        if depth == 0 {
            return Err(cursor.error("nested too deeply"));
        }
        return Ok(Expr::Field(word, Box::new(expr(cursor, depth - 1)?)));
    }
    Ok(value)
}

/// Arguments within arguments at most: a script must not be able to overflow the stack.
const DEPTH_MAX: usize = 32;
