//! LIST in its old and extended forms (RFC 3501, RFC 5258, RFC 5819, RFC 6154), and LSUB.
//!
//! What stands in parentheses before the reference selects names; what stands behind RETURN is only
//! said of them. SUBSCRIBED and SPECIAL-USE may be either.

use super::LIST_LIMIT;
use super::mailbox::{name, status_items};
use crate::command::{Command, List};
use crate::cursor::Cursor;
use crate::fault::Fault;

/// LIST.
pub(super) fn list(cursor: &mut Cursor<'_>) -> Result<Command, Fault> {
    let mut list = List {
        extended: false,
        select_subscribed: false,
        select_remote: false,
        select_recursive: false,
        select_special_use: false,
        reference: Vec::new(),
        patterns: Vec::new(),
        return_subscribed: false,
        return_children: false,
        return_special_use: false,
        return_status: None,
    };
    cursor.sp("reference")?;
    if cursor.peek() == Some(b'(') {
        list.extended = true;
        selection(cursor, &mut list)?;
        cursor.sp("reference")?;
    }
    list.reference = cursor.astring("reference")?;
    cursor.sp("pattern")?;
    if cursor.peek() == Some(b'(') {
        list.extended = true;
        let pattern = |cursor: &mut Cursor<'_>| cursor.list_mailbox("pattern");
        list.patterns = cursor.some_list("patterns", LIST_LIMIT, pattern)?;
    } else {
        list.patterns.push(cursor.list_mailbox("pattern")?);
    }
    if !cursor.is_over() {
        cursor.sp("RETURN")?;
        if !cursor.eat_word(b"RETURN") {
            return Err(cursor.expected("RETURN"));
        }
        cursor.sp("options of RETURN")?;
        list.extended = true;
        returned(cursor, &mut list)?;
    }
    Ok(Command::List(list))
}

fn selection(cursor: &mut Cursor<'_>, list: &mut List) -> Result<(), Fault> {
    cursor.list("options of LIST", LIST_LIMIT, |cursor| {
        let word = cursor.atom("option of LIST")?;
        match word.to_ascii_uppercase().as_slice() {
            b"SUBSCRIBED" => list.select_subscribed = true,
            b"REMOTE" => list.select_remote = true,
            b"RECURSIVEMATCH" => list.select_recursive = true,
            b"SPECIAL-USE" => list.select_special_use = true,
            _ => return Err(Fault::unknown("option of LIST", word)),
        }
        Ok(())
    })?;
    // RFC 5258 section 3.1: it says how to select, not what.
    if list.select_recursive && !list.select_subscribed && !list.select_special_use {
        return Err(Fault::Refused("RECURSIVEMATCH without another option"));
    }
    Ok(())
}

fn returned(cursor: &mut Cursor<'_>, list: &mut List) -> Result<(), Fault> {
    cursor.list("options of RETURN", LIST_LIMIT, |cursor| {
        let word = cursor.atom("option of RETURN")?;
        match word.to_ascii_uppercase().as_slice() {
            b"SUBSCRIBED" => list.return_subscribed = true,
            b"CHILDREN" => list.return_children = true,
            b"SPECIAL-USE" => list.return_special_use = true,
            b"STATUS" => {
                cursor.sp("items of STATUS")?;
                list.return_status = Some(status_items(cursor)?);
            }
            _ => return Err(Fault::unknown("option of RETURN", word)),
        }
        Ok(())
    })?;
    Ok(())
}

/// LSUB.
pub(super) fn lsub(cursor: &mut Cursor<'_>) -> Result<Command, Fault> {
    let reference = name(cursor)?;
    cursor.sp("pattern")?;
    let pattern = cursor.list_mailbox("pattern")?;
    Ok(Command::Lsub { reference, pattern })
}
