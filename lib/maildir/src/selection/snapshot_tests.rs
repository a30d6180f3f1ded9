use super::*;
use crate::folder::Place;

fn summary() -> Summary {
    Summary {
        generation: 1 << 60,
        validity: 7,
        next: 100,
        highest: 1 << 50,
        floor: 1 << 49,
        stamps: MailboxStamps::default(),
    }
}

fn record(uid: u32) -> Record {
    Record {
        uid,
        state: 0,
        modseq: u64::from(uid) << 20,
        size: 100,
        date: 1_700_000_000,
        name_at: 0,
        name_len: 0,
    }
}

fn written(records: &[(Record, &[u8])]) -> Vec<u8> {
    let mut writer = Writer::default();
    for (record, unique) in records {
        assert!(writer.message(record, unique));
    }
    writer.gone(Gone {
        uid: 3,
        time: 4,
        modseq: 5,
    });
    let mut states = States::default();
    states.number(Place::Cur, b":2,S", &[26]).expect("counted");
    states.number(Place::New, b"", &[]).expect("counted");
    writer.states(&states);
    writer.word(b"later");
    writer.finish(&summary()).concat()
}

/// A snapshot at the beginning of bytes, and its second half.
fn read(bytes: &[u8]) -> Option<(Snapshot<'_>, &[u8])> {
    let header = Header::read(bytes)?;
    let (first, second) = (header.first_half(), header.second_half());
    let (records, rest) = bytes[HEADER_BYTES..].split_at_checked(first)?;
    let rest = &rest[..second.min(rest.len())];
    Some((Snapshot::read(header, records, rest)?, rest))
}

fn uids(bytes: &[u8]) -> Option<Vec<u32>> {
    let (snapshot, rest) = read(bytes)?;
    let records = snapshot.records(rest);
    records.map(|record| Some(record?.uid)).collect()
}

#[test]
fn a_snapshot_is_written_and_read() {
    let bytes = written(&[(record(1), b"1.a.h"), (record(99), b"2.b.h")]);
    let mut longer = bytes.clone();
    longer.extend_from_slice(b"and a log");
    let (snapshot, rest) = read(&longer).expect("a snapshot");
    assert_eq!(snapshot.summary, summary());
    let header = Header::read(&longer).expect("a header");
    assert_eq!((header.length(), snapshot.count()), (bytes.len(), 2));
    assert_eq!(snapshot.words, [b"later".to_vec()]);
    assert_eq!(snapshot.states.get(0).flags, super::super::Flags::SEEN);
    let second = snapshot.records(rest).nth(1).expect("two").expect("good");
    assert_eq!((second.uid, second.modseq), (99, 99 << 20));
    let names = &rest[snapshot.names.clone()];
    assert_eq!(&names[second.name_at as usize..], b"2.b.h");
    let history: Vec<Gone> = read_history(&rest[snapshot.history.clone()]).collect();
    assert_eq!((history.len(), history[0].modseq), (1, 5));
}

#[test]
fn what_was_cut_or_changed_is_no_snapshot() {
    let bytes = written(&[(record(1), b"1.a.h")]);
    for end in 0..bytes.len() {
        assert!(read(&bytes[..end]).is_none(), "{end}");
    }
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(read(&changed).is_none(), "{at}");
    }
}

#[test]
fn records_that_cannot_be_are_refused_whatever_the_checksum() {
    for records in [
        [(record(2), &b"a"[..]), (record(2), b"b")],
        [(record(2), b"a"), (record(1), b"b")],
        [(record(1), b"a"), (record(100), b"b")],
        [(record(1), b"a"), (record(2), b"")],
        [(record(1), b"a"), (record(2), b"../b")],
        [
            (record(1), b"a"),
            (
                Record {
                    state: 2,
                    ..record(2)
                },
                b"b",
            ),
        ],
    ] {
        assert_eq!(uids(&written(&records)), None, "{records:?}");
    }
    assert_eq!(uids(&written(&[])), Some(vec![]));
}

#[test]
fn longer_records_of_a_later_version_are_read() {
    let mut bytes = written(&[(record(1), b"1.a.h"), (record(2), b"2.b.h")]);
    for n in [1, 0] {
        let end = HEADER_BYTES + (n + 1) * RECORD_BYTES;
        bytes.splice(end..end, [9; 8]);
    }
    bytes[10] = RECORD_BYTES as u8 + 8;
    let body = crc32fast::hash(&bytes[HEADER_BYTES..]);
    let at = HEADER_BYTES - 8;
    bytes[at..at + 4].copy_from_slice(&body.to_le_bytes());
    let head = crc32fast::hash(&bytes[..HEADER_BYTES - 4]);
    bytes[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&head.to_le_bytes());
    assert_eq!(uids(&bytes), Some(vec![1, 2]));
}
