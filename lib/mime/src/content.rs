//! What the Content- fields of a header say (RFC 2045, RFC 2183, RFC 3282).

use std::borrow::Cow;

use memchr::memchr;

use crate::header::{fields, unfold};
use crate::part::{Disposition, Parameter};
use crate::words::{Cursor, is_space};

/// How many parameters of one field, and tags of Content-Language, are read; more are ignored.
const MOST: usize = 64;

/// The fields, without `Content-`.
const NAMES: [&[u8]; 8] = [
    b"type",
    b"id",
    b"description",
    b"transfer-encoding",
    b"md5",
    b"disposition",
    b"language",
    b"location",
];

type Text<'a> = Cow<'a, [u8]>;

/// The Content- fields of one header. Of two fields with one name the first counts.
#[derive(Debug, Default)]
pub(crate) struct Content<'a> {
    /// None if there is no Content-Type, or one that does not begin with a type and a subtype.
    pub(crate) media: Option<Media<'a>>,
    pub(crate) id: Option<Text<'a>>,
    pub(crate) description: Option<Text<'a>>,
    pub(crate) encoding: Option<Text<'a>>,
    pub(crate) md5: Option<Text<'a>>,
    pub(crate) disposition: Option<Disposition<'a>>,
    pub(crate) languages: Vec<Text<'a>>,
    pub(crate) location: Option<Text<'a>>,
    /// Whether there was a Content-Type, whatever stood in it.
    pub(crate) typed: bool,
}

/// A media type.
#[derive(Debug)]
pub(crate) struct Media<'a> {
    pub(crate) type_: &'a [u8],
    pub(crate) subtype: &'a [u8],
    pub(crate) parameters: Vec<Parameter<'a>>,
}

/// Reads a header.
pub(crate) fn read(header: &[u8]) -> Content<'_> {
    let mut content = Content::default();
    let mut seen = [false; NAMES.len()];
    for field in fields(header) {
        let Some(name) = field
            .name
            .split_at_checked(8)
            .filter(|(prefix, _)| prefix.eq_ignore_ascii_case(b"content-"))
            .map(|(_, name)| name)
        else {
            continue;
        };
        let Some(which) = NAMES.iter().position(|of| of.eq_ignore_ascii_case(name)) else {
            continue;
        };
        if std::mem::replace(&mut seen[which], true) {
            continue;
        }
        match which {
            0 => content.media = media(field.value),
            1 => content.id = line(field.value),
            2 => content.description = line(field.value),
            3 => content.encoding = word(field.value),
            4 => content.md5 = line(field.value),
            5 => content.disposition = disposition(field.value),
            6 => content.languages = languages(field.value),
            _ => content.location = line(field.value),
        }
    }
    content.typed = seen[0];
    content
}

/// The value as it is, None if it is empty.
fn line(value: &[u8]) -> Option<Text<'_>> {
    Some(unfold(value)).filter(|value| !value.is_empty())
}

/// The first word.
fn word(value: &[u8]) -> Option<Text<'_>> {
    let mut cursor = Cursor::new(value);
    cursor.skip_space();
    let word = if cursor.peek() == Some(b'"') {
        cursor.quoted()
    } else {
        Cow::Borrowed(cursor.token(b""))
    };
    Some(word).filter(|word| !word.is_empty())
}

fn media(value: &[u8]) -> Option<Media<'_>> {
    let mut cursor = Cursor::new(value);
    cursor.skip_space();
    let type_ = cursor.token(b"/");
    cursor.skip_space();
    if !cursor.eat(b'/') {
        return None;
    }
    cursor.skip_space();
    let subtype = cursor.token(b"");
    if type_.is_empty() || subtype.is_empty() {
        return None;
    }
    Some(Media {
        type_,
        subtype,
        parameters: parameters(&mut cursor),
    })
}

fn disposition(value: &[u8]) -> Option<Disposition<'_>> {
    let mut cursor = Cursor::new(value);
    cursor.skip_space();
    let kind = if cursor.peek() == Some(b'"') {
        cursor.quoted()
    } else {
        Cow::Borrowed(cursor.token(b""))
    };
    if kind.is_empty() {
        return None;
    }
    Some(Disposition {
        kind,
        parameters: parameters(&mut cursor),
    })
}

fn languages(value: &[u8]) -> Vec<Text<'_>> {
    let mut cursor = Cursor::new(value);
    let mut tags = Vec::new();
    while tags.len() < MOST {
        cursor.skip_space();
        if cursor.peek().is_none() {
            break;
        }
        let tag = cursor.token(b",");
        if tag.is_empty() {
            cursor.skip(1);
        } else {
            tags.push(Cow::Borrowed(tag));
        }
    }
    tags
}

/// The parameters that follow. A semicolon may be missing, or there may be too many; a name without
/// a value is passed over.
fn parameters<'a>(cursor: &mut Cursor<'a>) -> Vec<Parameter<'a>> {
    let mut parameters = Vec::new();
    while parameters.len() < MOST {
        cursor.skip_space();
        if cursor.peek().is_none() {
            break;
        }
        let name = cursor.token(b"=");
        if name.is_empty() {
            cursor.skip(1);
            continue;
        }
        cursor.skip_space();
        if !cursor.eat(b'=') {
            continue;
        }
        cursor.skip_space();
        let value = if cursor.peek() == Some(b'"') {
            cursor.quoted()
        } else {
            unquoted(cursor)
        };
        parameters.push((Cow::Borrowed(name), value));
    }
    parameters
}

/// A value without quotes, which ends at a semicolon. Boundaries with `=` in them and file names
/// with blanks should have had quotes, and are written without; but what looks like the next
/// parameter, or a comment, is no part of it.
fn unquoted<'a>(cursor: &mut Cursor<'a>) -> Text<'a> {
    let rest = cursor.rest();
    let all = &rest[..memchr(b';', rest).unwrap_or(rest.len())];
    let first = all.iter().position(|&byte| is_space(byte));
    let length = match first {
        Some(first) => {
            let behind = all[first..].trim_ascii_start();
            if behind.starts_with(b"(") || memchr(b'=', behind).is_some() {
                first
            } else {
                all.len()
            }
        }
        None => all.len(),
    };
    cursor.skip(length);
    unfold(&all[..length])
}
