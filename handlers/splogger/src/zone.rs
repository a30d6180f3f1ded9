//! Local time, which the header of a syslog message is in (RFC 3164 section 4.1.2).
//!
//! A static program gets it wrong or not at all from some C libraries, and what it takes is little:
//! a file of the form TZif (RFC 9636), whose last line is a rule in the form of POSIX's TZ.

use crate::rule::Rule;

/// The most bytes of a zone's file: the largest of the zone database has a few thousand.
pub const FILE_LIMIT: u64 = 1 << 18;

/// How far local time is from UTC, and when that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Before the first change, in seconds east.
    first: i32,
    /// From each of these moments on.
    changes: Vec<(i64, i32)>,
    /// After the last change.
    rule: Option<Rule>,
}

impl Zone {
    /// The zone that $TZ means, as glibc reads it: without it `/etc/localtime`; else a file below
    /// `/usr/share/zoneinfo`, or a rule. UTC where there is no such thing. `read` reads a file.
    pub fn find(tz: Option<&[u8]>, read: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Zone {
        let file = |path: &[u8]| Zone::parse(&read(path)?);
        let found = match tz {
            None => file(b"/etc/localtime"),
            Some(tz) => match tz.strip_prefix(b":").unwrap_or(tz) {
                b"" => None,
                name => {
                    let path = if name.starts_with(b"/") {
                        name.to_vec()
                    } else {
                        [b"/usr/share/zoneinfo/", name].concat()
                    };
                    file(&path).or_else(|| Zone::of_rule(name))
                }
            },
        };
        found.unwrap_or(Zone::UTC)
    }

    /// Local time is UTC.
    pub const UTC: Zone = Zone {
        first: 0,
        changes: Vec::new(),
        rule: None,
    };

    /// A zone that has had one rule for ever.
    fn of_rule(text: &[u8]) -> Option<Zone> {
        let rule = Rule::parse(text)?;
        Some(Zone {
            first: rule.standard(),
            changes: Vec::new(),
            rule: Some(rule),
        })
    }

    /// Reads a TZif file; `None` where it is none.
    pub fn parse(file: &[u8]) -> Option<Zone> {
        let mut rest = file;
        let mut counts = Counts::take(&mut rest)?;
        let mut wide = 4;
        if counts.version > 0 {
            // The same again in 64 bits follows, which is what counts.
            take(&mut rest, counts.size(wide)?)?;
            counts = Counts::take(&mut rest)?;
            wide = 8;
        }
        let block = take(&mut rest, counts.size(wide)?)?;
        let (times, block) = block.split_at_checked(counts.times.checked_mul(wide)?)?;
        let (kinds, block) = block.split_at_checked(counts.times)?;
        let (types, _) = block.split_at_checked(counts.types.checked_mul(6)?)?;
        let offset = |kind: usize| {
            let entry = types.chunks_exact(6).nth(kind)?;
            // A day and a bit is the most that the standard allows.
            let offset = i32::from_be_bytes(*entry.first_chunk()?);
            (-100_000..=100_000).contains(&offset).then_some(offset)
        };
        let mut changes = Vec::with_capacity(counts.times);
        for (time, kind) in times.chunks_exact(wide).zip(kinds) {
            let time = match wide {
                4 => i64::from(i32::from_be_bytes(*time.first_chunk()?)),
                _ => i64::from_be_bytes(*time.first_chunk()?),
            };
            changes.push((time, offset(usize::from(*kind))?));
        }
        if !changes.is_sorted_by_key(|change| change.0) {
            return None;
        }
        let footer = rest.strip_prefix(b"\n").unwrap_or_default();
        let footer = footer.split(|&byte| byte == b'\n').next();
        Some(Zone {
            first: offset(0)?,
            changes,
            rule: footer.and_then(Rule::parse),
        })
    }

    /// Seconds that local time is ahead of UTC at `time`, seconds since the epoch.
    pub fn offset_at(&self, time: i64) -> i32 {
        let passed = self.changes.partition_point(|change| change.0 <= time);
        match (&self.rule, passed) {
            (Some(rule), passed) if passed == self.changes.len() => rule.offset_at(time),
            (_, 0) => self.first,
            (_, passed) => self.changes[passed - 1].1,
        }
    }
}

/// What the head of a TZif block says of its size.
struct Counts {
    version: u8,
    is_ut: usize,
    is_standard: usize,
    leaps: usize,
    times: usize,
    types: usize,
    characters: usize,
}

impl Counts {
    fn take(rest: &mut &[u8]) -> Option<Counts> {
        let head = take(rest, 44)?;
        if !head.starts_with(b"TZif") {
            return None;
        }
        let mut numbers = head[20..].chunks_exact(4).map(|bytes| {
            let bytes = bytes.first_chunk().copied().unwrap_or_default();
            usize::try_from(u32::from_be_bytes(bytes)).unwrap_or(usize::MAX)
        });
        Some(Counts {
            version: head[4],
            is_ut: numbers.next()?,
            is_standard: numbers.next()?,
            leaps: numbers.next()?,
            times: numbers.next()?,
            types: numbers.next()?,
            characters: numbers.next()?,
        })
    }

    /// Bytes of the block behind this head, where a time has `wide` bytes.
    fn size(&self, wide: usize) -> Option<usize> {
        let parts = [
            self.times.checked_mul(wide + 1)?,
            self.types.checked_mul(6)?,
            self.characters,
            self.leaps.checked_mul(wide + 4)?,
            self.is_standard,
            self.is_ut,
        ];
        parts
            .into_iter()
            .try_fold(0, |sum: usize, part| sum.checked_add(part))
    }
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of version 2 with two changes and a rule behind them.
    fn file() -> Vec<u8> {
        let head = |times: u32, types: u32| {
            let mut head = b"TZif2".to_vec();
            head.resize(20, 0);
            for count in [0, 0, 0, times, types, 4] {
                head.extend(count.to_be_bytes());
            }
            head
        };
        let mut file = head(0, 1);
        file.extend([0; 6 + 4]);
        file.extend(head(2, 2));
        file.extend([1000_i64, 2000].map(i64::to_be_bytes).concat());
        file.extend([1, 0]);
        for offset in [3600_i32, 7200] {
            file.extend(offset.to_be_bytes());
            file.extend([0, 0]);
        }
        file.extend(b"ABC\0\nXYZ-3\n");
        file
    }

    #[test]
    fn a_files_changes_count_and_then_its_rule() {
        let zone = Zone::parse(&file()).expect("a zone");
        let offsets = [999, 1000, 1999, 2000].map(|time| zone.offset_at(time) / 3600);
        assert_eq!(offsets, [1, 2, 2, 3]);
    }

    #[test]
    fn a_file_that_is_cut_anywhere_is_refused_or_lacks_its_rule() {
        let file = file();
        let data = file.len() - b"\nXYZ-3\n".len();
        for length in 0..file.len() {
            let zone = Zone::parse(&file[..length]);
            assert_eq!(zone.is_some(), length >= data, "{length}");
        }
        assert_eq!(Zone::parse(b"#!/bin/sh\n"), None);
    }

    #[test]
    fn tz_names_a_file_or_is_a_rule_and_without_it_there_is_the_systems() {
        let read = |path: &[u8]| match path {
            b"/etc/localtime" | b"/usr/share/zoneinfo/Some/Where" | b"/there" => Some(file()),
            _ => None,
        };
        let zone = |tz: Option<&[u8]>| Zone::find(tz, read).offset_at(5000) / 3600;
        for tz in [
            None,
            Some(&b"Some/Where"[..]),
            Some(b":Some/Where"),
            Some(b"/there"),
        ] {
            assert_eq!(zone(tz), 3, "{tz:?}");
        }
        assert_eq!(zone(Some(b"XYZ5")), -5);
        for tz in [&b""[..], b":", b"No/Where"] {
            assert_eq!(zone(Some(tz)), 0, "{tz:?}");
        }
    }
}
