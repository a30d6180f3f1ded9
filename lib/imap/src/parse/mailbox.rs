//! SELECT, CREATE, STATUS and what else takes the name of a mailbox.

use super::LIST_LIMIT;
use crate::command::{Command, Qresync, Select, StatusItem};
use crate::cursor::Cursor;
use crate::fault::Fault;
use crate::seq;

/// A space and a `mailbox`.
pub(super) fn name(cursor: &mut Cursor<'_>) -> Result<Vec<u8>, Fault> {
    cursor.sp("mailbox name")?;
    cursor.astring("mailbox name")
}

/// SELECT and EXAMINE (RFC 3501, RFC 7162 section 7).
pub(super) fn select(cursor: &mut Cursor<'_>, read_only: bool) -> Result<Command, Fault> {
    let mut select = Select {
        mailbox: name(cursor)?,
        read_only,
        condstore: false,
        qresync: None,
    };
    if cursor.is_over() {
        return Ok(Command::Select(select));
    }
    cursor.sp("parameters of SELECT")?;
    cursor.some_list("parameters of SELECT", LIST_LIMIT, |cursor| {
        let word = cursor.atom("parameter of SELECT")?;
        if word.eq_ignore_ascii_case(b"CONDSTORE") {
            select.condstore = true;
        } else if word.eq_ignore_ascii_case(b"QRESYNC") {
            cursor.sp("parameters of QRESYNC")?;
            select.qresync = Some(qresync(cursor)?);
        } else {
            return Err(Fault::unknown("parameter of SELECT", word));
        }
        Ok(())
    })?;
    Ok(Command::Select(select))
}

/// `(uidvalidity modseq [known-uids] [(known-numbers known-uids)])`. A modification sequence of 0,
/// which the RFC does not have, is one before all others.
fn qresync(cursor: &mut Cursor<'_>) -> Result<Qresync, Fault> {
    cursor.need(b'(', "parameters of QRESYNC")?;
    let validity = cursor.nz_number("UIDVALIDITY")?;
    cursor.sp("modification sequence")?;
    let modseq = cursor.number64("modification sequence")?;
    let mut known = Qresync {
        validity,
        modseq,
        known_uids: None,
        pairs: None,
    };
    if cursor.eat(b' ') {
        if cursor.peek() != Some(b'(') {
            known.known_uids = Some(seq::known_set(cursor)?);
        }
        if known.known_uids.is_none() || cursor.eat(b' ') {
            cursor.need(b'(', "message sets")?;
            let numbers = seq::known_set(cursor)?;
            cursor.sp("set of UIDs")?;
            let uids = seq::known_set(cursor)?;
            cursor.need(b')', "closing parenthesis")?;
            known.pairs = Some((numbers, uids));
        }
    }
    cursor.need(b')', "closing parenthesis")?;
    Ok(known)
}

/// CREATE (RFC 3501, RFC 6154 section 3).
pub(super) fn create(cursor: &mut Cursor<'_>) -> Result<Command, Fault> {
    let mailbox = name(cursor)?;
    let mut uses = Vec::new();
    if !cursor.is_over() {
        cursor.sp("parameters of CREATE")?;
        cursor.some_list("parameters of CREATE", 1, |cursor| {
            let word = cursor.atom("parameter of CREATE")?;
            if !word.eq_ignore_ascii_case(b"USE") {
                return Err(Fault::unknown("parameter of CREATE", word));
            }
            cursor.sp("special uses")?;
            uses = cursor.list("special uses", LIST_LIMIT, |cursor| {
                cursor.need(b'\\', "special use with its backslash")?;
                Ok(cursor.atom("special use")?.to_vec())
            })?;
            Ok(())
        })?;
    }
    Ok(Command::Create { mailbox, uses })
}

/// STATUS.
pub(super) fn status(cursor: &mut Cursor<'_>) -> Result<Command, Fault> {
    let mailbox = name(cursor)?;
    cursor.sp("items of STATUS")?;
    let items = status_items(cursor)?;
    Ok(Command::Status { mailbox, items })
}

/// A list of items of STATUS, which stands in LIST, too (RFC 5819).
pub(super) fn status_items(cursor: &mut Cursor<'_>) -> Result<Vec<StatusItem>, Fault> {
    cursor.some_list("items of STATUS", LIST_LIMIT, |cursor| {
        let word = cursor.atom("item of STATUS")?;
        Ok(match word.to_ascii_uppercase().as_slice() {
            b"MESSAGES" => StatusItem::Messages,
            b"RECENT" => StatusItem::Recent,
            b"UIDNEXT" => StatusItem::UidNext,
            b"UIDVALIDITY" => StatusItem::UidValidity,
            b"UNSEEN" => StatusItem::Unseen,
            b"DELETED" => StatusItem::Deleted,
            b"SIZE" => StatusItem::Size,
            b"HIGHESTMODSEQ" => StatusItem::HighestModseq,
            b"APPENDLIMIT" => StatusItem::AppendLimit,
            _ => return Err(Fault::unknown("item of STATUS", word)),
        })
    })
}
