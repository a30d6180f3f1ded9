//! ENVELOPE (RFC 3501 section 7.4.2): the fields of a header that a list of messages shows.
//!
//! Values are unfolded and encoded words left as they are. Of several fields of one name the last
//! counts where there is one value, and all where there are addresses. Sender and Reply-To are those
//! of From where they are missing or name nobody.

use mime::address::{self, Address, Mailbox};
use mime::header::fields;

use super::text::{STRING_BYTES, nstring, squashed, string, unfolded};

/// The fields with addresses, in the order of the envelope.
const LISTS: [&[u8]; 6] = [b"From", b"Sender", b"Reply-To", b"To", b"Cc", b"Bcc"];

/// The most bytes of the fields of one name that addresses are looked for in.
const LIST_BYTES: usize = 1024 * 1024;

/// The most fields of one name.
const LIST_FIELDS: usize = 1000;

/// The values of one name.
#[derive(Clone, Debug, Default)]
struct Values<'a> {
    first: Option<&'a [u8]>,
    more: Vec<&'a [u8]>,
}

impl<'a> Values<'a> {
    fn add(&mut self, value: &'a [u8]) {
        match self.first {
            None => self.first = Some(value),
            Some(_) if self.more.len() + 1 < LIST_FIELDS => self.more.push(value),
            Some(_) => {}
        }
    }
}

/// Adds the envelope of a message with this header; what is behind the header is not looked at.
pub(super) fn write(header: &[u8], out: &mut Vec<u8>) {
    let (mut date, mut subject, mut reply, mut id) = (None, None, None, None);
    let mut lists: [Values<'_>; LISTS.len()] = Default::default();
    for field in fields(header) {
        // By the length first: most fields are none of these.
        match field.name.len() {
            4 if field.is(b"Date") => date = Some(field.value),
            7 if field.is(b"Subject") => subject = Some(field.value),
            11 if field.is(b"In-Reply-To") => reply = Some(field.value),
            10 if field.is(b"Message-ID") => id = Some(field.value),
            2 | 3 | 4 | 6 | 8 => {
                if let Some(which) = LISTS.iter().position(|name| field.is(name)) {
                    lists[which].add(field.value);
                }
            }
            _ => {}
        }
    }
    out.push(b'(');
    line(out, date);
    out.push(b' ');
    match subject.map(cut) {
        Some(subject) => string(out, &squashed(subject)),
        None => out.extend_from_slice(b"NIL"),
    }
    let mut from = 0..0;
    for (n, list) in lists.iter().enumerate() {
        out.push(b' ');
        let start = out.len();
        let is_there = addresses(out, list);
        match n {
            0 => from = start..out.len(),
            1 | 2 if !is_there => {
                out.truncate(start);
                out.extend_from_within(from.clone());
            }
            _ => {}
        }
    }
    out.push(b' ');
    line(out, reply);
    out.push(b' ');
    line(out, id);
    out.push(b')');
}

/// So that an absurd value is not unfolded as a whole.
fn cut(value: &[u8]) -> &[u8] {
    &value[..value.len().min(2 * STRING_BYTES)]
}

fn line(out: &mut Vec<u8>, value: Option<&[u8]>) {
    nstring(out, value.map(cut).map(unfolded).as_deref());
}

/// Adds a list of addresses, or NIL and false where there is none.
fn addresses(out: &mut Vec<u8>, values: &Values<'_>) -> bool {
    let start = out.len();
    let mut left = LIST_BYTES;
    for value in values.first.iter().chain(&values.more) {
        let value = &value[..value.len().min(left)];
        left -= value.len();
        for address in address::parse(value) {
            if out.len() == start {
                out.push(b'(');
            }
            match address {
                Address::Mailbox(mailbox) => one(out, &mailbox),
                // RFC 3501 section 7.4.2: the host of a group is NIL, and so is all of its end.
                Address::GroupStart(name) => {
                    out.extend_from_slice(b"(NIL NIL ");
                    string(out, &squashed(&name));
                    out.extend_from_slice(b" NIL)");
                }
                Address::GroupEnd => out.extend_from_slice(b"(NIL NIL NIL NIL)"),
            }
        }
    }
    if out.len() == start {
        out.extend_from_slice(b"NIL");
        return false;
    }
    out.push(b')');
    true
}

/// One address. NIL for a mailbox or a host would make a group of it.
fn one(out: &mut Vec<u8>, mailbox: &Mailbox<'_>) {
    out.push(b'(');
    nstring(out, mailbox.name.as_deref().map(squashed).as_deref());
    out.push(b' ');
    nstring(out, mailbox.route.as_deref().map(unfolded).as_deref());
    out.push(b' ');
    match mailbox.local.is_empty() {
        true => out.extend_from_slice(b"\"MISSING_MAILBOX\""),
        false => string(out, &unfolded(&mailbox.local)),
    }
    out.push(b' ');
    match mailbox.domain.as_deref() {
        None | Some([]) => out.extend_from_slice(b"\"MISSING_DOMAIN\""),
        Some(domain) => string(out, &unfolded(domain)),
    }
    out.push(b')');
}
