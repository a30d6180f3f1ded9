//! Sequence sets (RFC 3501 section 9, `sequence-set`; RFC 5182, `$`).

use crate::cursor::Cursor;
use crate::fault::Fault;

/// A number of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// This one, never 0.
    Is(u32),
    /// `*`: the last one.
    Last,
}

/// A set as a client wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SequenceSet {
    /// Ranges, in the order in which they came; a single number is a range of one.
    Ranges(Vec<(Number, Number)>),
    /// `$`: what the last SEARCH saved.
    Saved,
}

impl SequenceSet {
    /// The ranges with `*` for `last`, each from the lesser to the greater, in ascending order and
    /// without overlaps. Empty for `$` and where `last` is 0 and no number is named.
    pub fn resolve(&self, last: u32) -> Vec<(u32, u32)> {
        let SequenceSet::Ranges(ranges) = self else {
            return Vec::new();
        };
        let value = |number: Number| match number {
            Number::Is(value) => value,
            Number::Last => last,
        };
        let mut all: Vec<(u32, u32)> = ranges
            .iter()
            .map(|&(a, b)| (value(a), value(b)))
            .map(|(a, b)| (a.min(b), a.max(b)))
            .filter(|&(_, b)| b > 0)
            .map(|(a, b)| (a.max(1), b))
            .collect();
        merge(&mut all);
        all
    }
}

/// Sorts ranges and joins those that overlap or touch.
pub fn merge(ranges: &mut Vec<(u32, u32)>) {
    ranges.sort_unstable();
    let mut kept: usize = 0;
    for at in 0..ranges.len() {
        let (start, end) = ranges[at];
        if kept > 0 && start <= ranges[kept - 1].1.saturating_add(1) {
            ranges[kept - 1].1 = ranges[kept - 1].1.max(end);
        } else {
            ranges[kept] = (start, end);
            kept += 1;
        }
    }
    ranges.truncate(kept);
}

/// Numbers in ascending order as ranges.
pub fn ranges_of(numbers: impl IntoIterator<Item = u32>) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some(last) if number == last.1.saturating_add(1) => last.1 = number,
            _ => ranges.push((number, number)),
        }
    }
    ranges
}

/// What two lists of ranges have in common; both sorted and without overlaps.
pub fn intersect(a: &[(u32, u32)], b: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let (mut i, mut j) = (0, 0);
    let mut both = Vec::new();
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        let range = (x.0.max(y.0), x.1.min(y.1));
        if range.0 <= range.1 {
            both.push(range);
        }
        match x.1 < y.1 {
            true => i += 1,
            false => j += 1,
        }
    }
    both
}

/// Whether sorted ranges without overlaps contain a number.
pub fn contains(ranges: &[(u32, u32)], number: u32) -> bool {
    let at = ranges.partition_point(|&(_, end)| end < number);
    ranges.get(at).is_some_and(|&(start, _)| start <= number)
}

/// Reads a `sequence-set`: numbers and ranges with commas between them, or `$`. As many as fit in a
/// line.
pub fn set(cursor: &mut Cursor<'_>) -> Result<SequenceSet, Fault> {
    if cursor.eat(b'$') {
        return Ok(SequenceSet::Saved);
    }
    let mut ranges = Vec::new();
    loop {
        let start = one(cursor)?;
        let end = match cursor.eat(b':') {
            true => one(cursor)?,
            false => start,
        };
        ranges.push((start, end));
        if !cursor.eat(b',') {
            return Ok(SequenceSet::Ranges(ranges));
        }
    }
}

/// Reads a set in which neither `*` nor `$` may be: `known-uids` and its like (RFC 7162 section 7).
pub fn known_set(cursor: &mut Cursor<'_>) -> Result<SequenceSet, Fault> {
    let before = cursor.clone();
    let set = set(cursor)?;
    let is_plain = |&(a, b): &(Number, Number)| a != Number::Last && b != Number::Last;
    match &set {
        SequenceSet::Ranges(ranges) if ranges.iter().all(is_plain) => Ok(set),
        _ => Err(before.expected("set of numbers without * and $")),
    }
}

fn one(cursor: &mut Cursor<'_>) -> Result<Number, Fault> {
    match cursor.eat(b'*') {
        true => Ok(Number::Last),
        false => cursor.nz_number("message set").map(Number::Is),
    }
}

#[cfg(test)]
#[path = "seq_tests.rs"]
mod tests;
