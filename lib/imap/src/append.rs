//! APPEND (RFC 3501 section 6.3.11), also of several messages (RFC 3502), whole and half-way.

use crate::command::AppendMessage;
use crate::cursor::Cursor;
use crate::date;
use crate::fault::Fault;
use crate::frame::Frame;
use crate::parse;

/// What an APPEND is known to be when it announces a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendHead {
    /// The mailbox.
    pub mailbox: Vec<u8>,
    /// So many messages came before this one.
    pub before: usize,
    /// The message that comes.
    pub message: AppendMessage,
}

/// What the literal is that a command has just announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// One of another command, or of none.
    NotAppend,
    /// The name of the mailbox.
    Other,
    /// A message.
    Message(AppendHead),
    /// What there is of this APPEND is wrong already.
    Bad(Fault),
}

/// Looks at a command that has just announced a literal ([`crate::frame::Next::Literal`]).
pub fn append_head(frame: &Frame) -> Head {
    let mut cursor = Cursor::of(frame);
    match parse::head(&mut cursor) {
        Ok((_, name)) if name.eq_ignore_ascii_case(b"APPEND") => {}
        _ => return Head::NotAppend,
    }
    let mailbox = match mailbox(&mut cursor) {
        Ok(Some(mailbox)) => mailbox,
        Ok(None) => return Head::Other,
        Err(fault) => return Head::Bad(fault),
    };
    match messages(&mut cursor) {
        Ok(mut messages) => match messages.pop() {
            Some(message) => Head::Message(AppendHead {
                mailbox,
                before: messages.len(),
                message,
            }),
            None => Head::NotAppend,
        },
        Err(fault) => Head::Bad(fault),
    }
}

/// The name of the mailbox; None where it is a literal that has not come yet.
fn mailbox(cursor: &mut Cursor<'_>) -> Result<Option<Vec<u8>>, Fault> {
    cursor.sp("mailbox name")?;
    if cursor.clone().literal_is_awaited() {
        return Ok(None);
    }
    cursor.astring("mailbox name").map(Some)
}

/// Everything behind the mailbox, to the end of the command.
pub(crate) fn messages(cursor: &mut Cursor<'_>) -> Result<Vec<AppendMessage>, Fault> {
    let mut messages = Vec::new();
    loop {
        cursor.sp("message")?;
        let mut flags = Vec::new();
        if cursor.peek() == Some(b'(') {
            flags = parse::flag_list(cursor)?;
            cursor.sp("message")?;
        }
        let mut date = None;
        if cursor.peek() == Some(b'"') {
            date = Some(date::date_time(cursor)?);
            cursor.sp("message")?;
        }
        let octets = cursor.message("message as a literal")?;
        messages.push(AppendMessage {
            flags,
            date,
            octets,
        });
        if cursor.is_over() {
            return Ok(messages);
        }
    }
}
