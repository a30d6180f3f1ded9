//! A whole command, understood: its tag and a [`Command`], or the one sentence that says what is
//! wrong with it.
//!
//! Words ignore case. Arguments have one space between them; spaces at the end are let pass, anything
//! else behind the last argument is refused.

mod fetch;
mod list;
mod mailbox;
mod search;

use crate::append;
use crate::command::{By, Command};
use crate::cursor::Cursor;
pub use crate::fault::Fault;
use crate::flag::Flag;
use crate::frame::Frame;
use crate::seq;

/// The longest name of a command that is looked up.
const NAME_BYTES: usize = 16;

/// The most elements of a list of words: items, flags, header fields, patterns.
const LIST_LIMIT: usize = 1000;

/// The most pairs of ID (RFC 2971 section 3.3).
const ID_LIMIT: usize = 30;

/// A command that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The tag; `*` where there is none that could be repeated.
    pub tag: Vec<u8>,
    /// The rest.
    pub command: Result<Command, Fault>,
}

/// Reads a collected command. What was wrong while it was collected is its fault, the tag still the
/// client's.
pub fn parse(frame: &Frame) -> Parsed {
    let mut cursor = Cursor::of(frame);
    let tag = match cursor.tag() {
        Ok(tag) if matches!(cursor.peek(), None | Some(b' ')) => tag,
        _ => {
            return Parsed {
                tag: b"*".to_vec(),
                command: Err(frame.fault().cloned().unwrap_or(Fault::Tag)),
            };
        }
    };
    let command = match frame.fault() {
        Some(fault) => Err(fault.clone()),
        None if frame.is_refused() => Err(Fault::Refused("this command was refused half-way")),
        None => name(&mut cursor).and_then(|name| command(name, &mut cursor)),
    };
    Parsed {
        tag: tag.to_vec(),
        command,
    }
}

/// Reads the tag and the name of a command, and leaves the cursor at what follows it.
pub fn head<'a>(cursor: &mut Cursor<'a>) -> Result<(&'a [u8], &'a [u8]), Fault> {
    let tag = cursor.tag()?;
    Ok((tag, name(cursor)?))
}

fn name<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], Fault> {
    cursor.sp("command")?;
    cursor.atom("command")
}

/// The command of that name, with its arguments.
fn command(name: &[u8], cursor: &mut Cursor<'_>) -> Result<Command, Fault> {
    let mut upper = [0; NAME_BYTES];
    let upper = capitals(name, &mut upper);
    let command = match upper {
        b"UID" => uid(cursor)?,
        b"EXPUNGE" => Command::Expunge(None),
        b"LOGIN" | b"AUTHENTICATE" | b"STARTTLS" => return Ok(Command::Login),
        b"CAPABILITY" => Command::Capability,
        b"NOOP" => Command::Noop,
        b"LOGOUT" => Command::Logout,
        b"NAMESPACE" => Command::Namespace,
        b"IDLE" => Command::Idle,
        b"CHECK" => Command::Check,
        b"CLOSE" => Command::Close,
        b"UNSELECT" => Command::Unselect,
        b"ID" => identify(cursor)?,
        b"ENABLE" => enable(cursor)?,
        b"COMPRESS" => compress(cursor)?,
        b"SELECT" => mailbox::select(cursor, false)?,
        b"EXAMINE" => mailbox::select(cursor, true)?,
        b"CREATE" => mailbox::create(cursor)?,
        b"DELETE" => Command::Delete(mailbox::name(cursor)?),
        b"RENAME" => Command::Rename {
            from: mailbox::name(cursor)?,
            to: mailbox::name(cursor)?,
        },
        b"SUBSCRIBE" => Command::Subscribe(mailbox::name(cursor)?),
        b"UNSUBSCRIBE" => Command::Unsubscribe(mailbox::name(cursor)?),
        b"STATUS" => mailbox::status(cursor)?,
        b"LIST" => list::list(cursor)?,
        b"LSUB" => list::lsub(cursor)?,
        b"APPEND" => Command::Append {
            mailbox: mailbox::name(cursor)?,
            messages: append::messages(cursor)?,
        },
        other => by_messages(other, cursor, By::Number)?
            .ok_or_else(|| Fault::UnknownCommand(crate::fault::beginning(name)))?,
    };
    cursor.end()?;
    Ok(command)
}

/// What stands behind UID.
fn uid(cursor: &mut Cursor<'_>) -> Result<Command, Fault> {
    cursor.sp("command behind UID")?;
    let name = cursor.atom("command behind UID")?;
    let mut upper = [0; NAME_BYTES];
    match capitals(name, &mut upper) {
        b"EXPUNGE" => {
            cursor.sp("message set")?;
            Ok(Command::Expunge(Some(seq::set(cursor)?)))
        }
        other => by_messages(other, cursor, By::Uid)?
            .ok_or_else(|| Fault::unknown("command behind UID", name)),
    }
}

/// The commands that have two forms.
fn by_messages(name: &[u8], cursor: &mut Cursor<'_>, by: By) -> Result<Option<Command>, Fault> {
    Ok(Some(match name {
        b"FETCH" => fetch::fetch(cursor, by)?,
        b"STORE" => fetch::store(cursor, by)?,
        b"SEARCH" => search::search(cursor, by)?,
        b"SORT" => search::sort(cursor, by)?,
        b"THREAD" => search::thread(cursor, by)?,
        b"COPY" | b"MOVE" => {
            cursor.sp("message set")?;
            let set = seq::set(cursor)?;
            let mailbox = mailbox::name(cursor)?;
            match name {
                b"COPY" => Command::Copy { by, set, mailbox },
                _ => Command::Move { by, set, mailbox },
            }
        }
        _ => return Ok(None),
    }))
}

/// A word in capitals; as it is where it is longer than any that is known.
fn capitals<'a>(word: &'a [u8], into: &'a mut [u8; NAME_BYTES]) -> &'a [u8] {
    let Some(into) = into.get_mut(..word.len()) else {
        return word;
    };
    into.copy_from_slice(word);
    into.make_ascii_uppercase();
    into
}

/// ID (RFC 2971).
fn identify(cursor: &mut Cursor<'_>) -> Result<Command, Fault> {
    cursor.sp("list of pairs or NIL")?;
    if cursor.eat_word(b"NIL") {
        return Ok(Command::Id(Vec::new()));
    }
    let pairs = cursor.list("pairs", ID_LIMIT, |cursor| {
        let field = cursor.string("name of a pair")?;
        cursor.sp("value of a pair")?;
        Ok((field, cursor.nstring("value of a pair")?))
    });
    pairs.map(Command::Id)
}

/// ENABLE (RFC 5161).
fn enable(cursor: &mut Cursor<'_>) -> Result<Command, Fault> {
    let mut names = Vec::new();
    while names.is_empty() || !cursor.is_over() {
        if names.len() == LIST_LIMIT {
            return Err(Fault::TooMany {
                what: "names of capabilities",
                limit: LIST_LIMIT,
            });
        }
        cursor.sp("name of a capability")?;
        names.push(cursor.atom("name of a capability")?.to_vec());
    }
    Ok(Command::Enable(names))
}

/// COMPRESS (RFC 4978).
fn compress(cursor: &mut Cursor<'_>) -> Result<Command, Fault> {
    cursor.sp("mechanism of compression")?;
    let mechanism = cursor.atom("mechanism of compression")?;
    match mechanism.eq_ignore_ascii_case(b"DEFLATE") {
        true => Ok(Command::CompressDeflate),
        false => Err(Fault::unknown("mechanism of compression", mechanism)),
    }
}

/// A `flag` that can be set. \Recent cannot (RFC 3501 section 2.3.2).
fn flag(cursor: &mut Cursor<'_>) -> Result<Flag, Fault> {
    if !cursor.eat(b'\\') {
        return Ok(Flag::Keyword(cursor.atom("flag")?.to_vec()));
    }
    let mut name = b"\\".to_vec();
    name.extend_from_slice(cursor.atom("name of a flag")?);
    if name.eq_ignore_ascii_case(b"\\Recent") {
        return Err(Fault::Refused("\\Recent cannot be set"));
    }
    Flag::system(&name).ok_or_else(|| Fault::unknown("flag", &name))
}

/// `flag-list`.
pub(crate) fn flag_list(cursor: &mut Cursor<'_>) -> Result<Vec<Flag>, Fault> {
    cursor.list("flags", LIST_LIMIT, flag)
}

#[cfg(test)]
#[path = "../parse_tests.rs"]
mod tests;
