//! Looking for text in messages: decoded, whatever they are encoded in, and without regard to case.

use imap::date::Date;
use mime::decode::{charset_to_utf8, header_text};
use mime::fold::{Needle, contains_folded};
use mime::header::{fields, header_end};
use mime::search;
use mime::walk::{Kind, Limits, structure};

/// Whether strings in this charset are understood.
pub(crate) fn is_known_charset(name: &[u8]) -> bool {
    mime::decode::is_known_charset(name)
}

/// A string of a command, as text.
pub(crate) fn decoded(text: &[u8], charset: &[u8]) -> String {
    charset_to_utf8(text, Some(charset)).into_owned()
}

/// Whether a field of that name contains the text, as it is shown or as it stands there. Nothing is
/// contained in every field that there is (RFC 3501 section 6.4.4).
pub(crate) fn header_contains(header: &[u8], name: &[u8], needle: &Needle) -> bool {
    fields(header)
        .filter(|field| field.is(name))
        .any(|field| needle.is_empty() || value_contains(field.value, needle))
}

/// White space counts as one space, as clients show it.
fn value_contains(value: &[u8], needle: &Needle) -> bool {
    let text = header_text(value);
    if contains_folded(&text, needle) {
        return true;
    }
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    contains_folded(&words.join(" "), needle)
}

/// Whether any field contains the text, or the line that it is.
fn any_field_contains(header: &[u8], needle: &Needle) -> bool {
    fields(header).any(|field| {
        value_contains(field.value, needle) || value_contains(field.raw, needle)
    })
}

/// Whether a text of the body contains it: those of all parts that are text, also of messages inside,
/// and the headers of these.
pub(crate) fn body_contains(message: &[u8], needle: &Needle) -> bool {
    if needle.is_empty() {
        return true;
    }
    let structure = structure(message, Limits::default());
    structure.parts.iter().enumerate().any(|(at, part)| {
        // The header of the message itself is no part of its body.
        if at > 0 && any_field_contains(&message[part.header.clone()], needle) {
            return true;
        }
        let is_text = part.kind == Kind::Leaf && part.type_.eq_ignore_ascii_case(b"text");
        is_text
            && search::body_contains(
                &message[part.body.clone()],
                part.transfer(),
                part.parameter("charset"),
                needle,
            )
    })
}

/// Whether header or body contain it.
pub(crate) fn text_contains(message: &[u8], needle: &Needle) -> bool {
    let end = header_end(message);
    any_field_contains(&message[..end], needle) || body_contains(message, needle)
}

/// The day of the Date field as it is written there, with no regard to its zone, in days since the
/// epoch.
pub(crate) fn sent_day(header: &[u8]) -> Option<i64> {
    let field = mime::header::first(header, b"Date")?;
    let (year, month, day) = mime::date::parse(field.value)?.day_as_written();
    Some(Date { year, month, day }.days())
}
