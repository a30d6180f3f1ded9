//! Rules text in, database out: the whole of superd-rules but for its command line.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::digest;
use crate::lines::Lines;
use crate::lint::{self, Warning};
use crate::record;
use crate::replace::{CommitError, Replacement};
use crate::shadows::Shadows;
use crate::text::{self, Address, Fault, FaultKind, Line};
use crate::write::Maker;

/// Whom to tell about the lines that are not as they should be.
pub trait Report {
    /// A line that cannot be read: its number, counted from 1, its text as far as it is held, and
    /// why.
    fn fault(&mut self, line: u64, text: &[u8], fault: Fault);

    /// A line that can be read but does something unexpected. Duplicates are told after all else.
    fn warning(&mut self, line: u64, warning: Warning);
}

/// What there was in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines that cannot be read.
    pub faults: u64,
    /// Keys, each with its data: one a rule, but for ranges.
    pub records: u64,
}

/// Why there is no new database.
#[derive(Debug)]
pub enum Failure {
    /// The temporary file cannot be created.
    Create(io::Error),
    /// The text cannot be read.
    Read(io::Error),
    /// Lines cannot be read as rules; each has been reported.
    Faults,
    /// The temporary file cannot be written, or does not read back as it was written.
    Write(io::Error),
    /// It cannot take the old one's place.
    Move(io::Error),
    /// It has taken the old one's place, but a crash may undo that.
    Sync(io::Error),
}

/// Reads the whole text and reports what is wrong with it. Writes nothing.
pub fn check(input: impl Read, report: &mut impl Report) -> Result<Counts, Failure> {
    let (counts, shadows) = read_rules(input, report, |_, _, _| Ok(()))?;
    tell_of(shadows, report);
    if counts.faults == 0 {
        Ok(counts)
    } else {
        Err(Failure::Faults)
    }
}

/// Compiles the text into the database `target` by way of the file `temporary`
/// ([`Replacement::create`] says what becomes of an old one). On any failure but
/// [`Failure::Sync`] `target` is as it was and `temporary` is gone.
///
/// Reads to the end of the text even if a line is at fault, to report all that are. Memory is
/// that of one line, and of each record 16 bytes to find duplicates and 8 to 40 for the database's
/// tables.
pub fn compile(
    input: impl Read,
    target: &Path,
    temporary: &Path,
    report: &mut impl Report,
) -> Result<Counts, Failure> {
    compile_with(input, std::iter::empty(), target, temporary, report)
}

/// [`compile`] with further records, (key, data) as [`record::encode`] makes it, behind those of
/// the text: a key that the text has is the text's.
pub fn compile_with(
    input: impl Read,
    further: impl Iterator<Item = (Vec<u8>, Vec<u8>)>,
    target: &Path,
    temporary: &Path,
    report: &mut impl Report,
) -> Result<Counts, Failure> {
    let replacement = Replacement::create(target, temporary).map_err(Failure::Create)?;
    let counts = fill(input, further, replacement.file(), report)?;
    replacement.commit().map_err(|error| match error {
        CommitError::Move(error) => Failure::Move(error),
        CommitError::Sync(error) => Failure::Sync(error),
    })?;
    Ok(counts)
}

/// Fills the empty `file`, syncs it and reads it back.
fn fill(
    input: impl Read,
    further: impl Iterator<Item = (Vec<u8>, Vec<u8>)>,
    file: &File,
    report: &mut impl Report,
) -> Result<Counts, Failure> {
    let maker = file.try_clone().and_then(Maker::new);
    let mut maker = maker.map_err(Failure::Write)?;
    let add = |key: &[u8], hash, data: &[u8]| maker.add(key, hash, data);
    let (mut counts, shadows) = read_rules(input, report, add)?;
    if counts.faults > 0 {
        tell_of(shadows, report);
        return Err(Failure::Faults);
    }
    for (key, data) in further {
        let added = maker.add(&key, digest::of(&key), &data);
        added.map_err(Failure::Write)?;
        counts.records += 1;
    }
    let written = maker.finish().map_err(Failure::Write)?;
    std::thread::scope(|scope| {
        // The disk works while the rest is done.
        let sync = scope.spawn(|| file.sync_all());
        tell_of(shadows, report);
        let compared = file.try_clone().and_then(|file| written.compare(file));
        let synced = sync
            .join()
            .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
        synced.and(compared).map_err(Failure::Write)?;
        Ok(counts)
    })
}

fn tell_of(shadows: Shadows, report: &mut impl Report) {
    shadows.each_duplicate(|found| report.warning(found.line, Warning::Duplicate(found)));
}

/// Reads all lines; gives `add` each key, its hash and its data, until a line is at fault.
fn read_rules(
    input: impl Read,
    report: &mut impl Report,
    mut add: impl FnMut(&[u8], u64, &[u8]) -> io::Result<()>,
) -> Result<(Counts, Shadows), Failure> {
    let mut lines = Lines::new(input);
    let mut shadows = Shadows::default();
    let mut counts = Counts::default();
    let (mut key, mut data) = (Vec::new(), Vec::new());
    while lines.advance().map_err(Failure::Read)? {
        let number = lines.number();
        let rule = match parse(&lines) {
            Ok(Line::Rule(rule)) => rule,
            Ok(Line::Nothing) => continue,
            Ok(Line::NoColon) => {
                report.warning(number, Warning::NoColon);
                continue;
            }
            Err(fault) => {
                report.fault(number, lines.text(), fault);
                counts.faults += 1;
                continue;
            }
        };
        lint::warnings(&rule, |warning| report.warning(number, warning));
        record::encode(rule.verdict, rule.variables(), &mut data);
        let mut put = |key: &[u8], nth| {
            let hash = digest::of(key);
            shadows.note(hash, number, nth);
            counts.records += 1;
            if counts.faults == 0 {
                add(key, hash, &data)
            } else {
                Ok(())
            }
        };
        match rule.address() {
            Address::Literal(key) => put(key, 0).map_err(Failure::Write)?,
            Address::Range(range) => {
                for (nth, number) in (0..=u8::MAX).zip(range.numbers()) {
                    range.key(number, &mut key);
                    put(&key, nth).map_err(Failure::Write)?;
                }
            }
        }
    }
    Ok((counts, shadows))
}

/// [`text::parse`] for a line that may have been cut: a comment may be of any length.
fn parse<R: Read>(line: &Lines<R>) -> Result<Line<'_>, Fault> {
    let fault = |at, kind| {
        Err(Fault {
            column: at + 1,
            kind,
        })
    };
    let text = line.text();
    if let Some(at) = line.nul() {
        return fault(at, FaultKind::Nul);
    }
    if line.is_cut() && !text.starts_with(b"#") {
        return fault(text.len(), FaultKind::TooLong);
    }
    text::parse_without_nul(text)
}

#[cfg(test)]
mod tests;
