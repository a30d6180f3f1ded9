//! Lists of addresses (RFC 5322 section 3.4 and the obsolete forms of section 4.4).

use std::borrow::Cow;

use memchr::memchr3;

use crate::words::{comment, is_space, quoted};

/// How many entries a list may have; what follows is dropped.
pub const MOST: usize = 10_000;

/// One entry of a list. A group is its start, its members, its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address<'a> {
    /// An address.
    Mailbox(Mailbox<'a>),
    /// The name of a group, quotes undone; its members follow.
    GroupStart(Cow<'a, [u8]>),
    /// The end of the group. It is there even if the header forgot it.
    GroupEnd,
}

/// An address in its parts. Quotes are undone, encoded words (RFC 2047) are not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mailbox<'a> {
    /// The display name, or the comment that old mail has in its place.
    pub name: Option<Cow<'a, [u8]>>,
    /// The source route, as `@a,@b`, without the colon.
    pub route: Option<Cow<'a, [u8]>>,
    /// What stands before the `@`. Empty in `<>`.
    pub local: Cow<'a, [u8]>,
    /// What stands behind the `@`, brackets of a literal included; None if there is no `@`.
    pub domain: Option<Cow<'a, [u8]>>,
}

/// The addresses of a field's value, folded or not. Never fails: where the grammar is broken, what can
/// be told apart is. Addresses without a comma between them are told apart by their `@`; a quote or a
/// parenthesis that nothing closes is passed over; semicolons outside of a group separate like
/// commas. A word alone is an address without a domain.
///
/// ```
/// use mime::address::{Address, parse};
/// let Some(Address::Mailbox(from)) = parse(b"\"Q, John\" <john@example.org>").pop() else {
///     panic!("no address");
/// };
/// assert_eq!(from.name.as_deref(), Some(&b"Q, John"[..]));
/// assert_eq!((&from.local[..], from.domain.as_deref()), (&b"john"[..], Some(&b"example.org"[..])));
/// ```
pub fn parse(value: &[u8]) -> Vec<Address<'_>> {
    let mut list = List {
        value,
        at: 0,
        out: Vec::new(),
        tokens: Vec::new(),
        comment: None,
        angle: None,
        in_group: false,
        quotes_close: true,
        open_comments: 0,
        space: false,
    };
    list.run();
    list.out
}

/// How many words of one entry are kept; of more the first ones are forgotten.
const MOST_WORDS: usize = 1000;

/// How many comments that do not end are looked for: each is searched for to the end of the value.
const MOST_OPEN_COMMENTS: usize = 8;

/// How long the literal of a domain may be.
const MOST_LITERAL: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Atom,
    Quoted,
    AtSign,
}

#[derive(Debug)]
struct Token<'a> {
    text: Cow<'a, [u8]>,
    kind: Kind,
    /// Whether white space or a comment stands before it.
    space: bool,
}

#[derive(Debug)]
struct List<'a> {
    value: &'a [u8],
    at: usize,
    out: Vec<Address<'a>>,
    /// The words of the entry so far, since its last `<>`.
    tokens: Vec<Token<'a>>,
    /// The last comment of the entry.
    comment: Option<Cow<'a, [u8]>>,
    /// The address in `<>` that the entry had, as an index into `out`.
    angle: Option<usize>,
    in_group: bool,
    /// False once a quote was seen that nothing closes: then nothing closes a later one.
    quotes_close: bool,
    open_comments: usize,
    /// Whether white space stands before what comes next.
    space: bool,
}

impl<'a> List<'a> {
    fn run(&mut self) {
        while let Some(&byte) = self.value.get(self.at) {
            match byte {
                _ if self.is_full() => break,
                b',' | b';' => {
                    self.at += 1;
                    self.finish_entry();
                    if byte == b';' {
                        self.finish_group();
                    }
                }
                b':' if !self.in_group && self.angle.is_none() && !has_at_sign(&self.tokens) => {
                    self.at += 1;
                    let name = join(&self.tokens).unwrap_or_default();
                    self.out.push(Address::GroupStart(name));
                    self.in_group = true;
                    self.tokens.clear();
                    self.comment = None;
                }
                b'<' => {
                    self.at += 1;
                    self.angle();
                }
                b':' | b'>' => {
                    self.at += 1;
                    self.space = true;
                }
                _ => {
                    let mut tokens = std::mem::take(&mut self.tokens);
                    self.piece(&mut tokens);
                    self.tokens = tokens;
                }
            }
        }
        self.finish_entry();
        self.finish_group();
    }

    /// One place is kept for the end of a group.
    fn is_full(&self) -> bool {
        self.out.len() + 1 >= MOST
    }

    /// Reads white space, a comment, or a word onto `tokens`.
    fn piece(&mut self, tokens: &mut Vec<Token<'a>>) {
        let rest = &self.value[self.at..];
        let after_at = tokens
            .last()
            .is_some_and(|token| token.kind == Kind::AtSign);
        let token = match rest[0] {
            b'@' => Some((Cow::Borrowed(&rest[..1]), Kind::AtSign, self.at + 1)),
            b'"' if self.quotes_close => {
                let found = quoted(self.value, self.at);
                self.quotes_close = found.is_some();
                found.map(|(text, end)| (text, Kind::Quoted, end))
            }
            b'(' if self.open_comments < MOST_OPEN_COMMENTS => {
                if let Some((text, end)) = comment(self.value, self.at) {
                    self.comment = Some(text);
                    self.at = end - 1;
                } else {
                    self.open_comments += 1;
                }
                None
            }
            b'"' | b'(' | b')' => None,
            byte if is_space(byte) => None,
            byte => {
                let literal = if byte == b'[' && after_at {
                    literal(rest)
                } else {
                    None
                };
                let text = literal.unwrap_or_else(|| atom(rest));
                Some((Cow::Borrowed(text), Kind::Atom, self.at + text.len()))
            }
        };
        let Some((text, kind, end)) = token else {
            self.at += 1;
            self.space = true;
            return;
        };
        if tokens.len() >= MOST_WORDS {
            tokens.drain(..MOST_WORDS / 2);
        }
        let space = std::mem::replace(&mut self.space, false);
        tokens.push(Token { text, kind, space });
        self.at = end;
    }

    /// Reads what stands behind a `<`, its `>` included. Without one it ends where the entry does.
    fn angle(&mut self) {
        self.name_by_comment();
        let start = self.at;
        let behind = self.value[start..].trim_ascii_start();
        let mut route = None;
        if behind.starts_with(b"@")
            && let Some(end) = memchr3(b':', b'<', b'>', behind)
            && behind[end] == b':'
        {
            route = Some(without_space(&behind[..end]));
            self.at = self.value.len() - behind.len() + end + 1;
        }
        let mut inside = Vec::new();
        self.space = false;
        while let Some(&byte) = self.value.get(self.at) {
            match byte {
                b'>' => {
                    self.at += 1;
                    break;
                }
                b',' | b';' | b'<' => break,
                b':' => {
                    self.at += 1;
                    self.space = true;
                }
                _ => self.piece(&mut inside),
            }
        }
        self.space = false;
        let name = join(&self.tokens);
        self.tokens.clear();
        let (local, domain) = split(&inside);
        self.angle = self.push(Mailbox {
            name,
            route,
            local,
            domain,
        });
    }

    /// The end of an entry, which may be empty.
    fn finish_entry(&mut self) {
        let tokens = std::mem::take(&mut self.tokens);
        if has_at_sign(&tokens) {
            self.bare(&tokens);
        } else if self.angle.is_none()
            && let Some(local) = join(&tokens)
        {
            self.angle = self.push(Mailbox {
                local,
                ..Mailbox::default()
            });
        }
        self.name_by_comment();
        self.space = false;
        self.tokens = tokens;
        self.tokens.clear();
    }

    /// Addresses without `<>`. There should be one, alone; but what stands before it is a name, and if
    /// there are several they are several.
    fn bare(&mut self, tokens: &[Token<'a>]) {
        let (mut name, mut start) = (0, 0);
        for end in 1..=tokens.len() {
            if end < tokens.len() && are_joined(&tokens[end - 1], &tokens[end]) {
                continue;
            }
            if has_at_sign(&tokens[start..end]) {
                let (local, domain) = split(&tokens[start..end]);
                self.angle = self.push(Mailbox {
                    name: join(&tokens[name..start]),
                    route: None,
                    local,
                    domain,
                });
                name = end;
            }
            start = end;
        }
    }

    fn finish_group(&mut self) {
        if std::mem::replace(&mut self.in_group, false) {
            self.out.push(Address::GroupEnd);
        }
    }

    fn push(&mut self, mailbox: Mailbox<'a>) -> Option<usize> {
        if self.is_full() {
            return None;
        }
        self.out.push(Address::Mailbox(mailbox));
        Some(self.out.len() - 1)
    }

    /// Before there were display names, the name stood in a comment behind the address.
    fn name_by_comment(&mut self) {
        let comment = self.comment.take();
        if let Some(index) = self.angle.take()
            && let Some(Address::Mailbox(mailbox)) = self.out.get_mut(index)
            && mailbox.name.is_none()
        {
            mailbox.name = comment.filter(|comment| !comment.is_empty());
        }
    }
}

/// A run of bytes without a special one; at least the first.
fn atom(rest: &[u8]) -> &[u8] {
    let is_end = |&byte: &u8| is_space(byte) || b",;:<>@\"()".contains(&byte);
    let length = rest.iter().skip(1).position(is_end);
    &rest[..length.map_or(rest.len(), |length| length + 1)]
}

/// `[127.0.0.1]`, with its brackets.
fn literal(rest: &[u8]) -> Option<&[u8]> {
    let window = &rest[..rest.len().min(MOST_LITERAL)];
    let end = memchr3(b']', b'<', b',', window)?;
    (rest[end] == b']').then(|| &rest[..=end])
}

fn has_at_sign(tokens: &[Token<'_>]) -> bool {
    tokens.iter().any(|token| token.kind == Kind::AtSign)
}

/// Whether two neighbours belong to one address: obsolete syntax has white space around dots.
fn are_joined(one: &Token<'_>, two: &Token<'_>) -> bool {
    let joins = |token: &Token<'_>, byte: Option<&u8>| {
        token.kind == Kind::AtSign || token.kind == Kind::Atom && byte == Some(&b'.')
    };
    !two.space || joins(one, one.text.last()) || joins(two, two.text.first())
}

/// Local part and domain, by the last `@`.
fn split<'a>(tokens: &[Token<'a>]) -> (Cow<'a, [u8]>, Option<Cow<'a, [u8]>>) {
    let Some(at) = tokens.iter().rposition(|token| token.kind == Kind::AtSign) else {
        return (join(tokens).unwrap_or_default(), None);
    };
    let local = join_with(&tokens[..at], |one, two| !are_joined(one, two));
    let domain = join_with(&tokens[at + 1..], |_, _| false);
    (local.unwrap_or_default(), domain)
}

/// The words with a blank where white space was. None if that is nothing.
fn join<'a>(tokens: &[Token<'a>]) -> Option<Cow<'a, [u8]>> {
    join_with(tokens, |_, two| two.space)
}

fn join_with<'a>(
    tokens: &[Token<'a>],
    blank: impl Fn(&Token<'a>, &Token<'a>) -> bool,
) -> Option<Cow<'a, [u8]>> {
    let (first, rest) = tokens.split_first()?;
    let mut text = first.text.clone();
    let mut before = first;
    for token in rest {
        let text = text.to_mut();
        if blank(before, token) {
            text.push(b' ');
        }
        text.extend_from_slice(&token.text);
        before = token;
    }
    Some(text).filter(|text| !text.is_empty())
}

fn without_space(bytes: &[u8]) -> Cow<'_, [u8]> {
    if bytes.iter().any(|&byte| is_space(byte)) {
        Cow::Owned(
            bytes
                .iter()
                .copied()
                .filter(|&byte| !is_space(byte))
                .collect(),
        )
    } else {
        Cow::Borrowed(bytes)
    }
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
