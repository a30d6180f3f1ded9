//! What the process that asks tells the one that waits: the verdict in the first line, and in each
//! further line what there is to be told of the look-ups. Without a verdict the first line is empty.

use crate::verdict::{TEXT_LIMIT, Verdict};

/// No record is longer.
pub const RECORD_LIMIT: usize = 16 * 1024;

/// No line of a record that is not the verdict is longer.
const LINE_LIMIT: usize = 4 * TEXT_LIMIT;

/// The bytes of a record. What does not fit is left out.
pub fn write(verdict: Option<&Verdict>, told: &[String]) -> Vec<u8> {
    let mut record = verdict.map(Verdict::to_record).unwrap_or_default();
    for line in told {
        let line = line.as_bytes();
        let line = &line[..line.len().min(LINE_LIMIT)];
        if record.len() + 1 + line.len() <= RECORD_LIMIT {
            record.push(b'\n');
            record.extend_from_slice(line);
        }
    }
    record
}

/// Reads any bytes as a record: there is a verdict only where one was written, and every line can be
/// shown.
pub fn read(record: &[u8]) -> (Option<Verdict>, Vec<String>) {
    let mut lines = record.split(|&byte| byte == b'\n');
    let verdict = lines.next().and_then(Verdict::from_record);
    let shown = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => '?',
    };
    let told = lines.map(|line| line.iter().take(LINE_LIMIT).map(shown).collect());
    (verdict, told.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let verdict = Verdict::of_variable(b"-go");
        let told = vec!["one".to_owned(), "two words".to_owned()];
        let record = write(Some(&verdict), &told);
        assert_eq!(record, b"553 go\none\ntwo words");
        assert_eq!(read(&record), (Some(verdict.clone()), told.clone()));
        assert_eq!(read(&write(Some(&verdict), &[])), (Some(verdict), vec![]));
        assert_eq!(read(&write(None, &told)), (None, told));
        assert_eq!(read(b""), (None, vec![]));
    }

    #[test]
    fn a_record_is_bounded_and_its_verdict_is_never_cut() {
        let verdict = Verdict::of_variable(&[b'x'; TEXT_LIMIT]);
        let told = vec!["y".repeat(LINE_LIMIT + 1); 1000];
        let record = write(Some(&verdict), &told);
        assert!(record.len() <= RECORD_LIMIT && record.len() > RECORD_LIMIT - LINE_LIMIT - 1);
        let (read, lines) = read(&record);
        assert_eq!(read, Some(verdict));
        assert!(lines.iter().all(|line| line.len() == LINE_LIMIT));
    }

    #[test]
    fn bytes_that_are_no_record_can_be_shown_and_are_no_verdict() {
        let (verdict, lines) = read(b"553\xff go\nfatal: \x1b[31m\xe9");
        assert_eq!(verdict, None);
        assert_eq!(lines, ["fatal: ?[31m?"]);
    }
}
