//! SORT (RFC 5256, RFC 5957): keys of messages, and their order.
//!
//! Texts are compared in their folded form, character by character; RFC 5051's casemap would also
//! take compatibility characters apart.

use std::cmp::Ordering;

use imap::command::{SortBy, SortCriterion};
use mime::address::{self, Address};
use mime::decode::header_text;
use mime::fold::fold;
use mime::header::first;

/// What a message is sorted by, one entry a criterion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Number(i64),
    Text(Box<str>),
}

impl Key {
    fn order(&self, other: &Key) -> Ordering {
        match (self, other) {
            (Key::Number(a), Key::Number(b)) => a.cmp(b),
            (Key::Text(a), Key::Text(b)) => a.cmp(b),
            // Keys of one criterion are of one kind.
            _ => Ordering::Equal,
        }
    }
}

/// Whether the header has to be read for these.
pub(crate) fn needs_header(criteria: &[SortCriterion]) -> bool {
    criteria
        .iter()
        .any(|criterion| !matches!(criterion.by, SortBy::Arrival | SortBy::Size))
}

/// The keys of a message. A header that could not be read is empty.
pub(crate) fn keys(
    criteria: &[SortCriterion],
    header: &[u8],
    (size, date): (u64, i64),
) -> Box<[Key]> {
    criteria
        .iter()
        .map(|criterion| match criterion.by {
            SortBy::Arrival => Key::Number(date),
            SortBy::Size => Key::Number(i64::try_from(size).unwrap_or(i64::MAX)),
            SortBy::Date => Key::Number(sent(header).unwrap_or(date)),
            SortBy::Subject => Key::Text(subject(header).text.into()),
            SortBy::From => mailbox(header, b"From"),
            SortBy::To => mailbox(header, b"To"),
            SortBy::Cc => mailbox(header, b"Cc"),
            SortBy::DisplayFrom => display(header, b"From"),
            SortBy::DisplayTo => display(header, b"To"),
        })
        .collect()
}

/// When the message was sent, in seconds since the epoch.
pub(crate) fn sent(header: &[u8]) -> Option<i64> {
    let date = mime::date::parse(first(header, b"Date")?.value)?;
    Some(date.instant())
}

/// The base subject, folded.
pub(crate) fn subject(header: &[u8]) -> mime::subject::Base {
    let value = first(header, b"Subject").map_or(&b""[..], |field| field.value);
    let mut base = mime::subject::base(&header_text(value));
    base.text = fold(&base.text);
    base
}

fn text(text: &[u8]) -> Key {
    Key::Text(fold(&header_text(text)).into())
}

/// The mailbox part of the first address.
fn mailbox(header: &[u8], name: &[u8]) -> Key {
    let value = first(header, name).map_or(&b""[..], |field| field.value);
    match address::parse(value).first() {
        Some(Address::Mailbox(mailbox)) => text(&mailbox.local),
        Some(Address::GroupStart(name)) => text(name),
        _ => text(b""),
    }
}

/// What a client shows of the first address (RFC 5957 section 3).
fn display(header: &[u8], name: &[u8]) -> Key {
    let value = first(header, name).map_or(&b""[..], |field| field.value);
    match address::parse(value).first() {
        Some(Address::Mailbox(mailbox)) => match &mailbox.name {
            Some(name) if !name.is_empty() => text(name),
            _ => {
                let mut address = mailbox.local.to_vec();
                address.push(b'@');
                address.extend_from_slice(mailbox.domain.as_deref().unwrap_or_default());
                text(&address)
            }
        },
        Some(Address::GroupStart(name)) => text(name),
        _ => text(b""),
    }
}

/// Puts messages, each with its keys, into order; where all keys are the same, that of the mailbox.
pub(crate) fn order(criteria: &[SortCriterion], mut messages: Vec<(usize, Box<[Key]>)>) -> Vec<usize> {
    messages.sort_unstable_by(|(a_at, a), (b_at, b)| {
        let by_keys = criteria.iter().zip(a.iter().zip(b.iter()));
        by_keys
            .map(|(criterion, (a, b))| match criterion.reverse {
                true => b.order(a),
                false => a.order(b),
            })
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
            .then(a_at.cmp(b_at))
    });
    messages.into_iter().map(|(n, _)| n).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(by: SortBy, reverse: bool) -> SortCriterion {
        SortCriterion { reverse, by }
    }

    fn sorted(criteria: &[SortCriterion], headers: &[&str]) -> Vec<usize> {
        let messages = headers
            .iter()
            .enumerate()
            .map(|(n, header)| (n, keys(criteria, header.as_bytes(), (n as u64, n as i64))))
            .collect();
        order(criteria, messages)
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
}
