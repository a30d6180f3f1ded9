//! Looking for text in messages: decoded, whatever they are encoded in, and without regard to case.

use imap::date::Date;
use mime::address::{self, Address};
use mime::decode::charset_to_utf8;
use mime::encoded_word::header_text;
use mime::fold::{Needle, contains_folded};
use mime::header::fields;
use mime::search;
use mime::walk::{Kind, Structure};

/// Whether strings in this charset are understood.
pub(crate) fn is_known_charset(name: &[u8]) -> bool {
    mime::decode::is_known_charset(name)
}

/// A string of a command, as text.
pub(crate) fn decoded(text: &[u8], charset: &[u8]) -> String {
    charset_to_utf8(text, Some(charset)).into_owned()
}

/// Fields of addresses, in which these are looked for as the envelope has them (RFC 3501 section 6.4.4).
const ADDRESS_FIELDS: [&[u8]; 6] = [b"From", b"To", b"Cc", b"Bcc", b"Sender", b"Reply-To"];

/// Whether a field of that name contains the text, as it is shown: with its encoded words decoded, and
/// addresses also without the comments in them. Nothing is contained in every field that there is (RFC
/// 3501 section 6.4.4).
pub(crate) fn header_contains(header: &[u8], name: &[u8], needle: &Needle) -> bool {
    let is_of_addresses = ADDRESS_FIELDS
        .iter()
        .any(|field| field.eq_ignore_ascii_case(name));
    fields(header).filter(|field| field.is(name)).any(|field| {
        needle.is_empty()
            || shown_contains(&header_text(field.value), needle)
            || (is_of_addresses && addresses_contain(field.value, needle))
    })
}

/// Whether an address of the list contains the text, as `local@domain`. Without a comment it stands in
/// the field like that.
fn addresses_contain(value: &[u8], needle: &Needle) -> bool {
    memchr::memchr(b'(', value).is_some()
        && address::parse(value).iter().any(|address| match address {
            Address::Mailbox(mailbox) => {
                let mut text = mailbox.local.to_vec();
                text.push(b'@');
                text.extend_from_slice(mailbox.domain.as_deref().unwrap_or_default());
                contains_folded(&charset_to_utf8(&text, None), needle)
            }
            Address::GroupStart(_) | Address::GroupEnd => false,
        })
}

/// White space counts as one space, as clients show it, or as what it is.
fn shown_contains(text: &str, needle: &Needle) -> bool {
    if contains_folded(text, needle) {
        return true;
    }
    let is_space = |byte: &u8| byte.is_ascii_whitespace();
    let is_even = text
        .as_bytes()
        .iter()
        .all(|byte| !is_space(byte) || *byte == b' ')
        && !text.contains("  ");
    if is_even {
        return false;
    }
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    contains_folded(&words.join(" "), needle)
}

/// Whether any field contains the text, in its name or behind it.
pub(crate) fn any_field_contains(header: &[u8], needle: &Needle) -> bool {
    fields(header).any(|field| {
        let value = header_text(field.value);
        if field.name.is_empty() {
            return shown_contains(&value, needle);
        }
        let mut text = charset_to_utf8(field.name, None).into_owned();
        text.push(':');
        if field.value.first().is_some_and(u8::is_ascii_whitespace) {
            text.push(' ');
        }
        text.push_str(&value);
        shown_contains(&text, needle)
    })
}

/// Whether a text of the body contains it: those of all parts that are text, also of messages inside,
/// and the headers of parts and of these messages.
pub(crate) fn body_contains(message: &[u8], structure: &Structure<'_>, needle: &Needle) -> bool {
    if needle.is_empty() {
        return true;
    }
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

/// The day of the Date field as it is written there, with no regard to its zone, in days since the
/// epoch.
pub(crate) fn sent_day(header: &[u8]) -> Option<i64> {
    let field = mime::header::first(header, b"Date")?;
    let (year, month, day) = mime::date::parse(field.value)?.day_as_written();
    Some(Date { year, month, day }.days())
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
