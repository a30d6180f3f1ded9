//! SORT (RFC 5256, RFC 5957): keys of messages, and their order.
//!
//! Texts are compared without regard to case, character by character; RFC 5051's casemap would also
//! take characters apart into letter and accent.

use std::cmp::Ordering;

use imap::command::{SortBy, SortCriterion};
use mime::address::{self, Address};
use mime::encoded_word::header_text;
use mime::fold::fold;
use mime::header::first;
use mime::subject::{Base, base};

/// What a message is sorted by in one criterion.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// The header does not say it: it is for size and date of the file to say.
    Open,
    Number(i64),
    Text(Box<str>),
}

/// Whether the header has to be read for these.
pub(crate) fn needs_header(criteria: &[SortCriterion]) -> bool {
    criteria
        .iter()
        .any(|criterion| !matches!(criterion.by, SortBy::Arrival | SortBy::Size))
}

/// The keys of a message, one a criterion, as far as its header says them. A header that could not be
/// read is empty.
pub(crate) fn keys<'h>(
    criteria: &'h [SortCriterion],
    header: &'h [u8],
) -> impl Iterator<Item = Key> + use<'h> {
    criteria.iter().map(|criterion| match criterion.by {
        SortBy::Arrival | SortBy::Size => Key::Open,
        SortBy::Date => sent(header).map_or(Key::Open, Key::Number),
        SortBy::Subject => text(&subject(header).text),
        SortBy::From => mailbox(header, b"From"),
        SortBy::To => mailbox(header, b"To"),
        SortBy::Cc => mailbox(header, b"Cc"),
        SortBy::DisplayFrom => display(header, b"From"),
        SortBy::DisplayTo => display(header, b"To"),
    })
}

/// Fills the keys of a message that are open.
pub(crate) fn fill(criteria: &[SortCriterion], keys: &mut [Key], (size, date): (u64, i64)) {
    for (criterion, key) in criteria.iter().zip(keys) {
        if *key == Key::Open {
            *key = Key::Number(match criterion.by {
                SortBy::Size => i64::try_from(size).unwrap_or(i64::MAX),
                _ => date,
            });
        }
    }
}

/// When the message was sent, in seconds since the epoch.
pub(crate) fn sent(header: &[u8]) -> Option<i64> {
    let date = mime::date::parse(first(header, b"Date")?.value)?;
    Some(date.instant())
}

/// The base subject.
pub(crate) fn subject(header: &[u8]) -> Base {
    let value = first(header, b"Subject").map_or(&b""[..], |field| field.value);
    base(&header_text(value))
}

/// Case does not count, and letters stand where their capitals do (RFC 4790 section 9.2 and RFC 5051
/// section 2): before `_` and its like.
fn text(text: &str) -> Key {
    let folded = fold(text);
    Key::Text(match folded.is_ascii() {
        true => folded.to_ascii_uppercase().into(),
        false => folded.to_uppercase().into(),
    })
}

fn shown(value: &[u8]) -> Key {
    text(&header_text(value))
}

/// The mailbox part of the first address.
fn mailbox(header: &[u8], name: &[u8]) -> Key {
    let value = first(header, name).map_or(&b""[..], |field| field.value);
    match address::parse(value).first() {
        Some(Address::Mailbox(mailbox)) => shown(&mailbox.local),
        Some(Address::GroupStart(name)) => shown(name),
        _ => text(""),
    }
}

/// What a client shows of the first address (RFC 5957 section 3).
fn display(header: &[u8], name: &[u8]) -> Key {
    let value = first(header, name).map_or(&b""[..], |field| field.value);
    match address::parse(value).first() {
        Some(Address::Mailbox(mailbox)) => match &mailbox.name {
            Some(name) if !name.is_empty() => shown(name),
            _ => {
                let mut address = mailbox.local.to_vec();
                if let Some(domain) = &mailbox.domain {
                    address.push(b'@');
                    address.extend_from_slice(domain);
                }
                shown(&address)
            }
        },
        Some(Address::GroupStart(name)) => shown(name),
        _ => text(""),
    }
}

/// The places of messages, whose keys follow each other, in their order; where all keys are the same,
/// that in which they came.
pub(crate) fn order(criteria: &[SortCriterion], keys: &[Key]) -> Vec<u32> {
    let width = criteria.len().max(1);
    let count = u32::try_from(keys.len() / width).unwrap_or(u32::MAX);
    let of = |at: u32| &keys[at as usize * width..][..width];
    let mut places: Vec<u32> = (0..count).collect();
    places.sort_unstable_by(|&a, &b| {
        let by_keys = criteria.iter().zip(of(a).iter().zip(of(b)));
        by_keys
            .map(|(criterion, (a, b))| match criterion.reverse {
                true => b.cmp(a),
                false => a.cmp(b),
            })
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
            .then(a.cmp(&b))
    });
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(by: SortBy, reverse: bool) -> SortCriterion {
        SortCriterion { reverse, by }
    }

    /// The message at place n has n octets and arrived at second n.
    fn sorted(criteria: &[SortCriterion], headers: &[&str]) -> Vec<u32> {
        let mut all = Vec::new();
        for (n, header) in headers.iter().enumerate() {
            let mut keys: Vec<Key> = keys(criteria, header.as_bytes()).collect();
            fill(criteria, &mut keys, (n as u64, n as i64));
            all.extend(keys);
        }
        order(criteria, &all)
    }

    #[test]
    fn the_first_criterion_decides_and_the_mailbox_order_where_all_are_equal() {
        let headers = [
            "Subject: b\r\nFrom: z@x\r\n",
            "Subject: Re: A\r\nFrom: y@x\r\n",
            "Subject: a\r\nFrom: Y@x\r\n",
            "From: a@x\r\n",
        ];
        let subject = by(SortBy::Subject, false);
        assert_eq!(sorted(&[subject], &headers), [3, 1, 2, 0]);
        assert_eq!(sorted(&[by(SortBy::Subject, true)], &headers), [0, 1, 2, 3]);
        assert_eq!(sorted(&[by(SortBy::From, false)], &headers), [3, 1, 2, 0]);
        assert_eq!(sorted(&[by(SortBy::Size, true)], &headers), [3, 2, 1, 0]);
    }

    #[test]
    fn a_message_without_a_date_is_sorted_by_its_arrival() {
        let headers = [
            "Date: Thu, 1 Jan 1970 00:00:05 +0000\r\n",
            "Date: never\r\n",
            "\r\n",
        ];
        assert_eq!(sorted(&[by(SortBy::Date, false)], &headers), [1, 2, 0]);
    }

    #[test]
    fn what_is_displayed_is_the_name_or_else_the_address() {
        let headers = [
            "From: zoe@x\r\n",
            "From: =?utf-8?q?=C3=84nne?= <a@x>\r\n",
            "From: Bob <z@x>\r\n",
            "From: friends: al@x;\r\n",
        ];
        let criteria = [by(SortBy::DisplayFrom, false)];
        assert_eq!(sorted(&criteria, &headers), [2, 3, 0, 1]);
    }

    #[test]
    fn case_does_not_count_and_letters_stand_before_underscores() {
        let from = [by(SortBy::From, false)];
        let headers = [
            "From: a_b@x\n",
            "From: aab@x\n",
            "From: AAC@x\n",
            "From: A1@x\n",
        ];
        assert_eq!(sorted(&from, &headers), [3, 1, 2, 0]);
        let subject = [by(SortBy::Subject, false)];
        let headers = [
            "Subject: stra\u{df}e b\n",
            "Subject: STRASSE A\n",
            "Subject: =?utf-8?q?=C3=B6l?=\n",
            "Subject: \u{d6}K\n",
        ];
        assert_eq!(sorted(&subject, &headers), [1, 0, 3, 2]);
    }

    #[test]
    fn reverse_turns_one_criterion_and_leaves_equals_in_their_order() {
        let headers = ["From: b@x\n", "From: a@x\n", "From: b@y\n", "From: a@y\n"];
        let from = by(SortBy::From, true);
        assert_eq!(sorted(&[from], &headers), [0, 2, 1, 3]);
        let criteria = [from, by(SortBy::Arrival, true)];
        assert_eq!(sorted(&criteria, &headers), [2, 0, 3, 1]);
        assert_eq!(sorted(&[], &[]), [0; 0]);
    }

    #[test]
    fn the_zone_counts_where_messages_are_sorted_by_date() {
        let headers = [
            "Date: Wed, 1 Jan 2020 12:00:00 +0000\n",
            "Date: Wed, 1 Jan 2020 12:30:00 +0100\n",
            "Date: Wed, 1 Jan 2020 01:00:00 -1200\n",
        ];
        assert_eq!(sorted(&[by(SortBy::Date, false)], &headers), [1, 0, 2]);
    }

    #[test]
    fn a_message_that_nothing_is_known_of_comes_first() {
        let criteria = [by(SortBy::Date, false)];
        assert_eq!(
            order(&criteria, &[Key::Number(i64::MIN), Key::Open]),
            [1, 0]
        );
    }

    #[test]
    fn of_many_addresses_the_first_counts() {
        let headers = [
            "To: z@x, a@x\n",
            "To: b@x\n",
            "To: (note) <y@x>, <a@x>\n",
            "Cc: c@x\n",
        ];
        assert_eq!(sorted(&[by(SortBy::To, false)], &headers), [3, 1, 2, 0]);
    }

    #[test]
    fn headers_are_read_only_for_what_stands_in_them() {
        assert!(!needs_header(&[
            by(SortBy::Arrival, true),
            by(SortBy::Size, false)
        ]));
        assert!(needs_header(&[
            by(SortBy::Size, true),
            by(SortBy::Date, false)
        ]));
    }
}
