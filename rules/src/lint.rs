//! What is legal rules text and yet surely not what its writer meant.
//!
//! tcprules takes all of this without a word: a line without a colon, a range without a number in
//! it, an address that no client can have. None of it changes the database; here it is told.

use std::fmt;

use crate::shadows::Duplicate;
use crate::text::{Address, RANGE_TOP, Range, Rule};

/// Something to be told about a line that is no fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warning {
    /// No colon, so no rule.
    NoColon,
    /// No client has this key.
    Dead(Dead),
    /// The range ends before it begins.
    RangeReversed,
    /// The range begins above 255.
    RangeAbove,
    /// The range ends above 255 and is cut there.
    RangeCut,
    /// A number of the range is missing and read as 0.
    RangeAbsent,
    /// A number of the range is 2^64 or more.
    RangeWrapped,
    /// The name of a variable is empty or has blanks, quotes or commas in it.
    VariableName,
    /// Addresses that an earlier line decides already.
    Duplicate(Duplicate),
}

/// Why no client has a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dead {
    /// A space or a tab in it.
    Blank,
    /// Fewer than four numbers and no dot at the end.
    NoFinalDot,
    /// Four numbers and a dot at the end.
    FinalDot,
    /// A number with a leading zero.
    LeadingZero,
    /// A number above 255.
    Octet,
    /// A slash: CIDR.
    Cidr,
    /// An asterisk.
    Wildcard,
    /// Neither an address nor a part of one nor anything else that is known.
    NotAnAddress,
    /// Ident information with something other than a whole address or a whole host name.
    Info,
    /// A capital letter in a host name.
    Capital,
    /// A host name or suffix that ends in a dot.
    HostFinalDot,
    /// A host name with nothing between two dots.
    EmptyLabel,
    /// A host name without the `=` in front.
    NoEquals,
}

impl fmt::Display for Dead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Dead::Blank => "the address has a blank in it",
            Dead::NoFinalDot => "a part of an address needs a dot at its end (1.2. for all of 1.2)",
            Dead::FinalDot => "a whole address has no dot at its end",
            Dead::LeadingZero => "addresses have no leading zeros",
            Dead::Octet => "a number is above 255",
            Dead::Cidr => "networks are written with a dot at the end (10. for 10.0.0.0/8)",
            Dead::Wildcard => "an asterisk stands for itself only",
            Dead::NotAnAddress => "this is no address and no part of one",
            Dead::Info => "before @ goes with a whole address or = and a whole host name only",
            Dead::Capital => "host names are compared in lower case",
            Dead::HostFinalDot => "host names have no dot at their end",
            Dead::EmptyLabel => "the host name has two dots in a row",
            Dead::NoEquals => "a host name needs = before it",
        })
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::NoColon => f.write_str("no colon, so this is no rule and decides nothing"),
            Warning::Dead(why) => write!(f, "the rule matches no client: {why}"),
            Warning::RangeReversed => {
                f.write_str("the range ends before it begins: the rule matches no client")
            }
            Warning::RangeAbove => {
                f.write_str("the range begins above 255: the rule matches no client")
            }
            Warning::RangeCut => f.write_str("the range ends above 255 and is cut there"),
            Warning::RangeAbsent => f.write_str("a number is missing in the range and counts as 0"),
            Warning::RangeWrapped => {
                f.write_str("a number in the range is too large and wraps round at 2^64")
            }
            Warning::VariableName => f.write_str(
                "the name of a variable is empty or has a blank, a quote or a comma in it",
            ),
            Warning::Duplicate(Duplicate {
                earlier, keys: 1, ..
            }) => {
                write!(
                    f,
                    "line {earlier} has the same address and decides: this rule does not"
                )
            }
            Warning::Duplicate(Duplicate { earlier, keys, .. }) => write!(
                f,
                "{keys} addresses of this range stand in earlier lines, which decide: the first in \
                 line {earlier}"
            ),
        }
    }
}

/// Hands each warning about a rule to `tell`; duplicates are seen by [`crate::shadows`] alone.
pub fn warnings(rule: &Rule<'_>, mut tell: impl FnMut(Warning)) {
    match rule.address() {
        Address::Literal(_) if rule.is_plain() => {}
        Address::Literal(key) => dead(key)
            .into_iter()
            .for_each(|why| tell(Warning::Dead(why))),
        Address::Range(range) => range_warnings(&range, &mut tell),
    }
    let odd = |name: &[u8]| {
        name.is_empty()
            || name
                .iter()
                .any(|byte| matches!(byte, b' ' | b'\t' | b'"' | b'\'' | b','))
    };
    if rule.variables().any(|(name, _)| odd(name)) {
        tell(Warning::VariableName);
    }
}

fn range_warnings(range: &Range<'_>, tell: &mut impl FnMut(Warning)) {
    let (low, high) = (range.low(), range.high());
    if low.wrapped || high.wrapped {
        tell(Warning::RangeWrapped);
    }
    if low.absent || high.absent {
        tell(Warning::RangeAbsent);
    }
    if low.value > high.value {
        tell(Warning::RangeReversed);
    } else if low.value > RANGE_TOP {
        tell(Warning::RangeAbove);
    } else {
        if high.value > RANGE_TOP {
            tell(Warning::RangeCut);
        }
        let mut key = Vec::new();
        range.key(low.value, &mut key);
        dead(&key)
            .into_iter()
            .for_each(|why| tell(Warning::Dead(why)));
    }
}

/// Why no client has this key, `None` where one may.
pub fn dead(key: &[u8]) -> Option<Dead> {
    if let Some(at) = key.iter().rposition(|byte| *byte == b'@')
        && key[0] != b'='
    {
        return match &key[at + 1..] {
            [] | b"=" | [b'=', b'.', ..] => Some(Dead::Info),
            [b'=', host @ ..] => dead_host(host),
            address => match dead_address(address) {
                None if !address.ends_with(b".") => None,
                None | Some(Dead::NoFinalDot) => Some(Dead::Info),
                why => why,
            },
        };
    }
    match key {
        [] | b"=" => None,
        [b'=', host @ ..] => dead_host(host.strip_prefix(b".").unwrap_or(host)),
        address => dead_address(address),
    }
}

/// A host name, or a suffix of one without its first dot.
fn dead_host(host: &[u8]) -> Option<Dead> {
    if host.iter().any(|byte| matches!(byte, b' ' | b'\t')) {
        Some(Dead::Blank)
    } else if host.iter().any(u8::is_ascii_uppercase) {
        Some(Dead::Capital)
    } else if host.contains(&b'*') {
        Some(Dead::Wildcard)
    } else if host.is_empty() || host.ends_with(b".") {
        Some(Dead::HostFinalDot)
    } else if host.starts_with(b".") || host.windows(2).any(|pair| pair == b"..") {
        Some(Dead::EmptyLabel)
    } else {
        None
    }
}

/// An IPv4 address, or its first one to three numbers with a dot after each.
fn dead_address(text: &[u8]) -> Option<Dead> {
    if text.iter().any(|byte| matches!(byte, b' ' | b'\t')) {
        return Some(Dead::Blank);
    }
    if text.contains(&b'/') {
        return Some(Dead::Cidr);
    }
    if text.contains(&b'*') {
        return Some(Dead::Wildcard);
    }
    if !text
        .iter()
        .all(|byte| byte.is_ascii_digit() || *byte == b'.')
    {
        let is_name = text
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(byte));
        return Some(if is_name {
            Dead::NoEquals
        } else {
            Dead::NotAnAddress
        });
    }
    let whole = text.strip_suffix(b".");
    let mut numbers = 0;
    for number in whole.unwrap_or(text).split(|byte| *byte == b'.') {
        numbers += 1;
        match number {
            [] => return Some(Dead::NotAnAddress),
            [b'0', _, ..] => return Some(Dead::LeadingZero),
            [_, _, _, _, ..] => return Some(Dead::Octet),
            [a, b, c] if [*a, *b, *c] > *b"255" => return Some(Dead::Octet),
            _ => {}
        }
    }
    match (numbers, whole) {
        (4, None) | (1..=3, Some(_)) => None,
        (4, Some(_)) => Some(Dead::FinalDot),
        (1..=3, None) => Some(Dead::NoFinalDot),
        _ => Some(Dead::NotAnAddress),
    }
}

#[cfg(test)]
mod tests;
