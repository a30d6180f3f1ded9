//! FETCH and STORE (RFC 3501 sections 6.4.5 and 6.4.6, RFC 7162 section 3.1).

use super::{LIST_LIMIT, flag, flag_list};
use crate::command::{By, Command, FetchItem, Section, SectionText, Shown, StoreHow};
use crate::cursor::Cursor;
use crate::fault::Fault;
use crate::seq;

/// FETCH.
pub(super) fn fetch(cursor: &mut Cursor<'_>, by: By) -> Result<Command, Fault> {
    cursor.sp("message set")?;
    let set = seq::set(cursor)?;
    cursor.sp("items of FETCH")?;
    let items = match cursor.peek() {
        Some(b'(') => cursor.some_list("items of FETCH", LIST_LIMIT, item)?,
        _ => match macro_items(cursor) {
            Some(items) => items,
            None => vec![item(cursor)?],
        },
    };
    let (mut changed_since, mut vanished) = (None, false);
    if !cursor.is_over() {
        cursor.sp("modifiers of FETCH")?;
        cursor.some_list("modifiers of FETCH", LIST_LIMIT, |cursor| {
            let word = cursor.atom("modifier of FETCH")?;
            if word.eq_ignore_ascii_case(b"CHANGEDSINCE") {
                cursor.sp("modification sequence")?;
                changed_since = Some(cursor.number64("modification sequence")?);
            } else if word.eq_ignore_ascii_case(b"VANISHED") {
                vanished = true;
            } else {
                return Err(Fault::unknown("modifier of FETCH", word));
            }
            Ok(())
        })?;
    }
    if vanished && (by == By::Number || changed_since.is_none()) {
        return Err(Fault::Refused("VANISHED needs UID FETCH and CHANGEDSINCE"));
    }
    Ok(Command::Fetch {
        by,
        set,
        items,
        changed_since,
        vanished,
    })
}

/// What ALL, FAST and FULL stand for; only alone.
fn macro_items(cursor: &mut Cursor<'_>) -> Option<Vec<FetchItem>> {
    let mut items = vec![FetchItem::Flags, FetchItem::InternalDate, FetchItem::Size];
    if cursor.eat_word(b"FAST") {
        return Some(items);
    }
    items.push(FetchItem::Envelope);
    if cursor.eat_word(b"ALL") {
        return Some(items);
    }
    items.push(FetchItem::Body);
    cursor.eat_word(b"FULL").then_some(items)
}

fn item(cursor: &mut Cursor<'_>) -> Result<FetchItem, Fault> {
    let before = cursor.clone();
    // An atom would go on into the section.
    let word = cursor.run(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    let whole = |shown, peek, text| {
        FetchItem::Section(Section {
            shown,
            peek,
            part: Vec::new(),
            text,
            partial: None,
        })
    };
    Ok(match word.to_ascii_uppercase().as_slice() {
        b"" => return Err(before.expected("item of FETCH")),
        b"FLAGS" => FetchItem::Flags,
        b"INTERNALDATE" => FetchItem::InternalDate,
        b"RFC822.SIZE" => FetchItem::Size,
        b"ENVELOPE" => FetchItem::Envelope,
        b"BODYSTRUCTURE" => FetchItem::BodyStructure,
        b"UID" => FetchItem::Uid,
        b"MODSEQ" => FetchItem::Modseq,
        b"RFC822" => whole(Shown::Rfc822, false, SectionText::All),
        b"RFC822.HEADER" => whole(Shown::Rfc822Header, true, SectionText::Header),
        b"RFC822.TEXT" => whole(Shown::Rfc822Text, false, SectionText::Text),
        b"BODY" if cursor.peek() != Some(b'[') => FetchItem::Body,
        b"BODY" => FetchItem::Section(section(cursor, false)?),
        b"BODY.PEEK" => FetchItem::Section(section(cursor, true)?),
        _ => return Err(Fault::unknown("item of FETCH", word)),
    })
}

/// `section` and what may follow it: `[1.2.HEADER.FIELDS (Subject)]<0.100>`.
fn section(cursor: &mut Cursor<'_>, peek: bool) -> Result<Section, Fault> {
    cursor.need(b'[', "section")?;
    let mut part = Vec::new();
    let mut has_text = cursor.peek() != Some(b']');
    while cursor.peek().is_some_and(|byte| byte.is_ascii_digit()) {
        part.push(cursor.nz_number("number of a part")?);
        has_text = cursor.eat(b'.');
        if !has_text {
            break;
        }
    }
    let text = match has_text {
        true => section_text(cursor, !part.is_empty())?,
        false => SectionText::All,
    };
    cursor.need(b']', "end of the section")?;
    let partial = match cursor.eat(b'<') {
        true => Some(partial(cursor)?),
        false => None,
    };
    Ok(Section {
        shown: Shown::Body,
        peek,
        part,
        text,
        partial,
    })
}

fn section_text(cursor: &mut Cursor<'_>, in_part: bool) -> Result<SectionText, Fault> {
    let before = cursor.clone();
    let word = cursor.run(|byte| byte.is_ascii_alphabetic() || byte == b'.');
    Ok(match word.to_ascii_uppercase().as_slice() {
        b"HEADER" => SectionText::Header,
        b"HEADER.FIELDS" => SectionText::Fields(fields(cursor)?),
        b"HEADER.FIELDS.NOT" => SectionText::FieldsNot(fields(cursor)?),
        b"TEXT" => SectionText::Text,
        // A message has no MIME header but that in its header.
        b"MIME" if in_part => SectionText::Mime,
        _ => return Err(before.expected("text of a section")),
    })
}

fn fields(cursor: &mut Cursor<'_>) -> Result<Vec<Vec<u8>>, Fault> {
    cursor.sp("names of header fields")?;
    let field = |cursor: &mut Cursor<'_>| cursor.astring("name of a header field");
    cursor.some_list("names of header fields", LIST_LIMIT, field)
}

/// `0.100>`. The length is not 0.
fn partial(cursor: &mut Cursor<'_>) -> Result<(u64, u64), Fault> {
    let start = cursor.number64("first octet")?;
    cursor.need(b'.', "length of a part")?;
    let before = cursor.clone();
    let length = cursor.number64("length of a part")?;
    if length == 0 {
        return Err(before.expected("length of a part"));
    }
    cursor.need(b'>', "end of a partial section")?;
    Ok((start, length))
}

/// STORE. Its flags may stand without parentheses, and then there is at least one.
pub(super) fn store(cursor: &mut Cursor<'_>, by: By) -> Result<Command, Fault> {
    cursor.sp("message set")?;
    let set = seq::set(cursor)?;
    cursor.sp("FLAGS")?;
    let mut unchanged_since = None;
    if cursor.peek() == Some(b'(') {
        cursor.some_list("modifiers of STORE", 1, |cursor| {
            let word = cursor.atom("modifier of STORE")?;
            if !word.eq_ignore_ascii_case(b"UNCHANGEDSINCE") {
                return Err(Fault::unknown("modifier of STORE", word));
            }
            cursor.sp("modification sequence")?;
            unchanged_since = Some(cursor.number64("modification sequence")?);
            Ok(())
        })?;
        cursor.sp("FLAGS")?;
    }
    let how = if cursor.eat(b'+') {
        StoreHow::Add
    } else if cursor.eat(b'-') {
        StoreHow::Remove
    } else {
        StoreHow::Replace
    };
    let silent = cursor.eat_word(b"FLAGS.SILENT");
    if !silent && !cursor.eat_word(b"FLAGS") {
        return Err(cursor.expected("FLAGS"));
    }
    cursor.sp("flags")?;
    let mut flags = Vec::new();
    if cursor.peek() == Some(b'(') {
        flags = flag_list(cursor)?;
    } else {
        flags.push(flag(cursor)?);
        while !cursor.is_over() {
            if flags.len() == LIST_LIMIT {
                return Err(Fault::TooMany {
                    what: "flags",
                    limit: LIST_LIMIT,
                });
            }
            cursor.sp("flag")?;
            flags.push(flag(cursor)?);
        }
    }
    Ok(Command::Store {
        by,
        set,
        unchanged_since,
        how,
        silent,
        flags,
    })
}
