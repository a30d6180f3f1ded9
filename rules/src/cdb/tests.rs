#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use super::*;

/// An open file with these bytes and no name.
fn file(bytes: &[u8]) -> File {
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file
}

fn open(bytes: &[u8]) -> io::Result<Cdb> {
    Cdb::open(file(bytes))
}

fn bytes_of(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// A database as the `cdb` crate makes it.
fn made<K: AsRef<[u8]>, V: AsRef<[u8]>>(records: &[(K, V)]) -> Vec<u8> {
    let file = tempfile::tempfile().unwrap();
    let mut make = ::cdb::CDBMake::new(file.try_clone().unwrap()).unwrap();
    for (key, value) in records {
        make.add(key.as_ref(), value.as_ref()).unwrap();
    }
    make.finish().unwrap();
    bytes_of(&file)
}

const SMALL: [(&str, &str); 5] = [
    ("1.2.3.4", "D\0"),
    ("1.2.", "+A=x\0"),
    ("=", "D\0"),
    ("1.2.", "D\0"),
    ("", "+B=y\0"),
];

fn small() -> Vec<u8> {
    made(&SMALL)
}

fn reason(result: io::Result<Cdb>) -> String {
    os::reason(&result.unwrap_err()).into_owned()
}

/// Asks everything there is to ask. Whatever the answers: no panic, no end of patience.
fn use_it(bytes: &[u8]) -> io::Result<()> {
    let cdb = open(bytes)?;
    let mut first = Ok(());
    for key in ["1.2.3.4", "1.2.", "=", "", "9.9.9.9", "no such key"] {
        let found = cdb.get(key.as_bytes());
        first = first.and(found.map(|_| ()));
    }
    let mut records = cdb.records();
    while let Ok(Some(_)) = records.next() {}
    first.and(cdb.validate())
}

#[test]
fn a_database_without_records_is_a_database() {
    let none: [(&str, &str); 0] = [];
    let bytes = made(&none);
    assert_eq!(bytes.len(), 2048);
    let cdb = open(&bytes).unwrap();
    assert_eq!(cdb.get(b"").unwrap(), None);
    assert_eq!(cdb.records().next().unwrap(), None);
    cdb.validate().unwrap();
}

#[test]
fn an_empty_file_is_told_as_the_originals_tell_it() {
    assert_eq!(reason(open(b"")), "invalid argument");
}

#[test]
fn a_file_shorter_than_a_header_and_one_of_zeros_are_garbage() {
    assert_eq!(reason(open(b"x")), "protocol error");
    assert_eq!(reason(open(&[b'x'; 2047])), "protocol error");
    assert_eq!(reason(open(&[0; 2048])), "protocol error");
    assert_eq!(reason(open(&[b'x'; 4096])), "protocol error");
}

#[test]
fn a_directory_is_no_database_and_no_crash() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(reason(Cdb::open_path(directory.path())), "is a directory");
    assert_eq!(
        reason(Cdb::open(File::open(directory.path()).unwrap())),
        "is a directory"
    );
}

#[test]
fn what_is_no_regular_file_is_refused() {
    assert_eq!(
        reason(Cdb::open_path(Path::new("/dev/zero"))),
        "invalid argument"
    );
    assert_eq!(
        reason(Cdb::open(File::open("/dev/zero").unwrap())),
        "invalid argument"
    );
}

#[test]
fn a_missing_file_is_told_in_the_originals_words() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(
        reason(Cdb::open_path(&directory.path().join("none"))),
        "file does not exist"
    );
}

#[test]
fn of_several_records_with_one_key_the_first_in_the_file_is_found() {
    let cdb = open(&small()).unwrap();
    assert_eq!(cdb.get(b"1.2.3.4").unwrap().unwrap(), b"D\0");
    assert_eq!(cdb.get(b"1.2.").unwrap().unwrap(), b"+A=x\0");
    assert_eq!(cdb.get(b"").unwrap().unwrap(), b"+B=y\0");
    assert_eq!(cdb.get(b"1.2").unwrap(), None);
    let many: Vec<(String, String)> = (0..300).map(|n| ("k".into(), n.to_string())).collect();
    let cdb = open(&made(&many)).unwrap();
    assert_eq!(cdb.get(b"k").unwrap().unwrap(), b"0");
    assert_eq!(cdb.get(b"l").unwrap(), None);
    cdb.validate().unwrap();
}

#[test]
fn records_come_in_the_order_of_the_file() {
    let bytes = small();
    let cdb = open(&bytes).unwrap();
    let mut records = cdb.records();
    let mut keys = Vec::new();
    while let Some((key, _)) = records.next().unwrap() {
        keys.push(String::from_utf8(key.to_vec()).unwrap());
    }
    assert_eq!(keys, ["1.2.3.4", "1.2.", "=", "1.2.", ""]);
}

#[test]
fn every_record_of_many_is_found_and_nothing_else() {
    let mut random = 7_u64;
    let mut next = |below: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) % below
    };
    for count in [1, 2, 100, 5000] {
        let record = |n: u64, next: &mut dyn FnMut(u64) -> u64| {
            let long = usize::try_from(next(4) * next(300)).unwrap();
            (
                format!("{n}.{}", "k".repeat(long)),
                vec![b'v'; usize::try_from(next(600)).unwrap()],
            )
        };
        let records: Vec<_> = (0..count).map(|n| record(n, &mut next)).collect();
        let cdb = open(&made(&records)).unwrap();
        cdb.validate().unwrap();
        for (key, value) in &records {
            assert_eq!(cdb.get(key.as_bytes()).unwrap().as_ref(), Some(value));
            let longer = format!("{key}x");
            assert_eq!(cdb.get(longer.as_bytes()).unwrap(), None);
        }
        let mut walk = cdb.records();
        for (key, value) in &records {
            assert_eq!(walk.next().unwrap(), Some((key.as_bytes(), &value[..])));
        }
        assert_eq!(walk.next().unwrap(), None);
    }
}

#[test]
fn another_reader_finds_the_same() {
    let records: Vec<(String, String)> = (0..2000)
        .map(|n| (format!("10.0.{}.{}", n / 250, n % 250), format!("+N={n}\0")))
        .collect();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cdb");
    std::fs::write(&path, made(&records)).unwrap();
    let other = ::cdb::CDB::open(&path).unwrap();
    let ours = Cdb::open_path(&path).unwrap();
    for n in 0..3000 {
        let key = format!("10.0.{}.{}", n / 250, n % 250);
        let theirs = other.get(key.as_bytes()).map(Result::unwrap);
        assert_eq!(ours.get(key.as_bytes()).unwrap(), theirs, "{key}");
    }
}

#[test]
fn a_value_of_the_limit_is_read_and_one_byte_more_is_an_error() {
    let limit = usize::try_from(VALUE_LIMIT).unwrap();
    let cdb = open(&made(&[("k", vec![b'v'; limit])])).unwrap();
    assert_eq!(cdb.get(b"k").unwrap().unwrap().len(), limit);
    cdb.validate().unwrap();
    let cdb = open(&made(&[("k", vec![b'v'; limit + 1])])).unwrap();
    assert_eq!(os::reason(&cdb.get(b"k").unwrap_err()), "protocol error");
    assert!(cdb.validate().is_err());
    assert!(cdb.records().next().is_err());
}

#[test]
fn a_key_of_the_limit_is_walked_over_and_one_byte_more_is_an_error() {
    let limit = usize::try_from(KEY_LIMIT).unwrap();
    let cdb = open(&made(&[(vec![b'k'; limit], "v")])).unwrap();
    cdb.validate().unwrap();
    assert_eq!(cdb.get(&vec![b'k'; limit]).unwrap().unwrap(), b"v");
    assert_eq!(cdb.get(&vec![b'k'; limit - 1]).unwrap(), None);
    let cdb = open(&made(&[(vec![b'k'; limit + 1], "v")])).unwrap();
    assert!(cdb.validate().is_err());
}

#[test]
fn a_file_that_is_cut_short_is_never_sound_and_never_a_crash() {
    let bytes = small();
    use_it(&bytes).unwrap();
    for length in 0..bytes.len() {
        assert!(
            use_it(&bytes[..length]).is_err(),
            "{length} of {} bytes",
            bytes.len()
        );
    }
}

#[test]
fn a_changed_byte_is_no_crash_and_is_noticed_unless_it_is_a_values() {
    let sound = small();
    let mut values = Vec::new();
    let mut end = 2048;
    for (key, value) in SMALL {
        let start = end + 8 + key.len();
        end = start + value.len();
        values.extend(start..end);
    }
    for at in 0..sound.len() {
        // A table without slots may be anywhere.
        let table = at / 8 * 8;
        let of_no_table = at < table + 4 && sound[table + 4..table + 8] == [0; 4];
        for change in [0x01, 0x80, 0xff] {
            let mut bytes = sound.clone();
            bytes[at] ^= change;
            let noticed = use_it(&bytes).is_err();
            if at < 2048 && of_no_table {
                continue;
            }
            assert_eq!(
                noticed,
                !values.contains(&at),
                "byte {at} changed by {change}"
            );
        }
    }
}

#[test]
fn random_garbage_with_a_good_header_is_no_crash() {
    let mut random = 99_u64;
    for _ in 0..2000 {
        let mut bytes = small();
        for _ in 0..8 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let at = 2048 + usize::try_from(random >> 40).unwrap() % (bytes.len() - 2048);
            bytes[at] = random.to_le_bytes()[3];
        }
        let _ = use_it(&bytes);
    }
}

#[test]
fn a_table_without_an_empty_slot_ends_a_look_up_after_one_round() {
    // Two slots, both taken, by two records whose hashes begin to look at the second.
    let mut bytes = vec![0; 2048];
    let mut slots = Vec::new();
    let keys: Vec<String> = (0..)
        .map(|n| n.to_string())
        .filter(|key| hash(key.as_bytes()).is_multiple_of(256))
        .take(3)
        .collect();
    for key in &keys[..2] {
        let position = u32::try_from(bytes.len()).unwrap();
        bytes.extend(1_u32.to_le_bytes().map(|_| 0));
        let at = bytes.len() - 4;
        bytes[at..].copy_from_slice(&u32::try_from(key.len()).unwrap().to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend(key.as_bytes());
        bytes.push(b'v');
        slots.extend(hash(key.as_bytes()).to_le_bytes());
        slots.extend(position.to_le_bytes());
    }
    let table = u32::try_from(bytes.len()).unwrap();
    for number in 0..256 {
        bytes[number * 8..][..4].copy_from_slice(&table.to_le_bytes());
    }
    bytes[4] = 2;
    bytes.extend(slots);
    let cdb = open(&bytes).unwrap();
    cdb.validate().unwrap();
    assert_eq!(cdb.get(keys[0].as_bytes()).unwrap().unwrap(), b"v");
    assert_eq!(cdb.get(keys[1].as_bytes()).unwrap().unwrap(), b"v");
    assert_eq!(cdb.get(keys[2].as_bytes()).unwrap(), None);
}

#[test]
fn a_file_that_shrinks_under_an_open_database_is_an_error() {
    let file = file(&small());
    let cdb = Cdb::open(file.try_clone().unwrap()).unwrap();
    file.set_len(2050).unwrap();
    let error = cdb.get(b"1.2.3.4").unwrap_err();
    assert_eq!(os::reason(&error), "protocol error");
    assert!(cdb.validate().is_err());
}

/// Takes the tables of `bytes` apart: where each slot is and what is in it.
fn slots(bytes: &[u8]) -> Vec<(usize, u32, u32)> {
    let mut slots = Vec::new();
    for number in 0..256 {
        let (position, count) = pair_at(bytes, number).unwrap();
        for slot in 0..count {
            let at = usize::try_from(position + 8 * slot).unwrap();
            let (hash, record) = pair_at(&bytes[at..], 0).unwrap();
            slots.push((at, hash, record));
        }
    }
    slots
}

#[test]
fn a_record_without_a_slot_and_a_slot_without_a_record_are_noticed() {
    let sound = small();
    let taken = slots(&sound).into_iter().filter(|slot| slot.2 != 0);
    let taken: Vec<_> = taken.collect();
    assert_eq!(taken.len(), 5);
    for (at, _, _) in &taken {
        let mut bytes = sound.clone();
        bytes[*at..at + 8].fill(0);
        assert!(
            open(&bytes).unwrap().validate().is_err(),
            "the slot at {at} is gone"
        );
    }
    for (at, _, record) in &taken {
        for wrong in [record + 1, record - 1, 2048 + 1, u32::MAX] {
            let mut bytes = sound.clone();
            bytes[at + 4..at + 8].copy_from_slice(&wrong.to_le_bytes());
            assert!(
                open(&bytes).unwrap().validate().is_err(),
                "the slot at {at} is {wrong}"
            );
        }
    }
}

#[test]
fn a_slot_that_no_look_up_reaches_is_noticed() {
    let sound = made(&[("1.2.3.4", "D\0")]);
    let table = slots(&sound);
    assert_eq!(table.len(), 2);
    // The two slots change places: the hash looks at the wrong one first, finds it empty, stops.
    let mut bytes = sound.clone();
    let (one, other) = (table[0].0, table[1].0);
    let (first, second) = (
        sound[one..one + 8].to_vec(),
        sound[other..other + 8].to_vec(),
    );
    bytes[one..one + 8].copy_from_slice(&second);
    bytes[other..other + 8].copy_from_slice(&first);
    let cdb = open(&bytes).unwrap();
    assert_eq!(cdb.get(b"1.2.3.4").unwrap(), None);
    assert!(cdb.validate().is_err());
    open(&sound).unwrap().validate().unwrap();
}

#[test]
fn bytes_behind_the_last_table_are_noticed() {
    let mut bytes = small();
    bytes.push(0);
    assert!(open(&bytes).unwrap().validate().is_err());
    let none: [(&str, &str); 0] = [];
    let mut bytes = made(&none);
    bytes.push(0);
    assert!(open(&bytes).unwrap().validate().is_err());
}

#[test]
fn a_large_database_is_validated_in_passing() {
    let records: Vec<(String, &str)> = (0..60_000)
        .map(|n| {
            (
                format!("10.{}.{}.{}", n / 65536, n / 256 % 256, n % 256),
                "D\0",
            )
        })
        .collect();
    let mut seen = 0;
    let cdb = open(&made(&records)).unwrap();
    cdb.validate_records(|key, value| {
        assert_eq!((key, value), (records[seen].0.as_bytes(), &b"D\0"[..]));
        seen += 1;
    })
    .unwrap();
    assert_eq!(seen, records.len());
}
