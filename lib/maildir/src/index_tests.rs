use super::*;

fn record(hash: u64, inode: u64) -> Record {
    Record {
        hash,
        inode,
        modified: -5,
        size: 10,
        wire: 11,
    }
}

fn written(records: &[Record]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes, records.len() as u64, records.iter().copied()).expect("memory is enough");
    bytes
}

fn read_all(bytes: &[u8]) -> io::Result<(Header, Vec<Record>)> {
    let mut records = Vec::new();
    let header = read(bytes, bytes.len() as u64, |record| records.push(record))?;
    Ok((header, records))
}

/// The bytes with a checksum that fits.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - CHECKSUM_BYTES;
    let checksum = crc32fast::hash(&bytes[..end]);
    bytes[end..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

#[test]
fn what_was_written_is_read() {
    // More than one buffer, and none.
    for count in [0, 1, 2, 1637, 1638, 1639, 5000] {
        let records: Vec<_> = (0..count).map(|n| record(n / 2, n)).collect();
        let (header, read) = read_all(&written(&records)).expect("an index");
        assert_eq!(header.record_bytes, RECORD_BYTES);
        assert_eq!(read, records);
    }
}

#[test]
fn the_bytes_are_those_that_the_documentation_names() {
    let bytes = written(&[Record {
        hash: 0x0102_0304_0506_0708,
        inode: 9,
        modified: -1,
        size: 10,
        wire: 11,
    }]);
    let mut expected = b"superdIX".to_vec();
    expected.extend([1, 0, 40, 0, 0, 0, 0, 0]);
    expected.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    expected.extend([0; 8]);
    expected.extend([8, 7, 6, 5, 4, 3, 2, 1]);
    expected.extend([9, 0, 0, 0, 0, 0, 0, 0]);
    expected.extend([255; 8]);
    expected.extend([10, 0, 0, 0, 0, 0, 0, 0]);
    expected.extend([11, 0, 0, 0, 0, 0, 0, 0]);
    expected.extend(crc32fast::hash(&expected).to_le_bytes());
    assert_eq!(bytes, expected);
}

#[test]
fn a_file_that_is_cut_anywhere_is_no_index() {
    let bytes = written(&[record(1, 1), record(2, 1)]);
    for length in 0..bytes.len() {
        read_all(&bytes[..length]).expect_err("cut");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    read_all(&longer).expect_err("longer");
    // Shortened between the look at its length and the reading.
    for length in 0..bytes.len() {
        read(&bytes[..length], bytes.len() as u64, |_| {}).expect_err("cut");
    }
}

#[test]
fn a_changed_bit_anywhere_makes_it_no_index() {
    let bytes = written(&[record(1, 1), record(2, 1)]);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            read_all(&changed).expect_err("changed");
        }
    }
}

#[test]
fn a_count_that_is_too_large_takes_no_memory_and_no_time() {
    for count in [2, u64::MAX, u64::MAX / 40, 1 << 32] {
        let mut bytes = written(&[record(1, 1)]);
        bytes[16..24].copy_from_slice(&count.to_le_bytes());
        read_all(&sealed(bytes)).expect_err("too large");
    }
}

#[test]
fn records_out_of_order_or_twice_are_refused() {
    for records in [[record(2, 1), record(1, 1)], [record(1, 1), record(1, 1)]] {
        read_all(&written(&records)).expect_err("out of order");
    }
    read_all(&written(&[record(1, 1), record(1, 2)])).expect("two of one hash");
}

#[test]
fn wider_records_of_a_later_version_are_read_by_their_first_columns() {
    let mut bytes = Vec::new();
    let wide = Header {
        count: 2,
        record_bytes: 56,
    };
    bytes.extend(wide.to_bytes());
    for record in [record(1, 1), record(2, 1)] {
        bytes.extend(record.to_bytes());
        bytes.extend([0xff; 16]);
    }
    bytes.extend([0; CHECKSUM_BYTES]);
    let (header, records) = read_all(&sealed(bytes)).expect("an index");
    assert_eq!(header, wide);
    assert_eq!(records, [record(1, 1), record(2, 1)]);
}

#[test]
fn records_that_are_too_narrow_too_wide_or_no_multiple_of_eight_are_refused() {
    for record_bytes in [0_u16, 32, 41, 520] {
        let mut bytes = written(&[]);
        bytes[10..12].copy_from_slice(&record_bytes.to_le_bytes());
        read_all(&sealed(bytes)).expect_err("a wrong size");
    }
}
