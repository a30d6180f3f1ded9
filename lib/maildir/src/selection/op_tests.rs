use super::*;

fn some() -> Vec<Op> {
    vec![
        Op::New(NewOp {
            uid: 7,
            modseq: 1 << 40,
            size: 100,
            date: -3,
            place: Place::New,
            unique: b"1.a.h,S=98".to_vec(),
            suffix: b":2,S".to_vec(),
            words: vec![26, 300],
        }),
        Op::State {
            modseq: 2,
            place: Place::Cur,
            suffix: Vec::new(),
            words: Vec::new(),
            uids: vec![(1, 5), (9, 9)],
        },
        Op::Gone {
            modseq: 3,
            time: 4,
            uids: vec![(5, u32::MAX)],
        },
        Op::Keyword {
            id: 26,
            name: b"later".to_vec(),
        },
        Op::Stamps {
            stamps: MailboxStamps::default(),
            next: 8,
            highest: 9,
        },
        Op::Facts(vec![(7, 100, 5), (8, NO_SIZE, NO_DATE)]),
    ]
}

fn read(bytes: &[u8], generation: u64, at: u64) -> (Vec<Op>, usize) {
    let mut all = Vec::new();
    let good = read_frames(bytes, generation, at, |ops| {
        all.extend(ops);
        true
    });
    (all, good)
}

#[test]
fn what_happened_is_written_and_read() {
    let bytes = frames(&some(), 77, 4096);
    assert_eq!(read(&bytes, 77, 4096), (some(), bytes.len()));
    assert_eq!(read(&bytes, 78, 4096).1, 0);
    assert_eq!(read(&bytes, 77, 4097).1, 0);
}

#[test]
fn a_frame_that_is_not_whole_or_was_changed_is_none() {
    let first = frames(&some(), 1, 0);
    let mut bytes = first.clone();
    bytes.extend(frames(&some()[3..], 1, first.len() as u64));
    for end in first.len()..bytes.len() {
        assert_eq!(read(&bytes[..end], 1, 0).1, first.len(), "{end}");
    }
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        let good = if at < first.len() { 0 } else { first.len() };
        assert_eq!(read(&changed, 1, 0).1, good, "{at}");
    }
}

#[test]
fn much_is_written_in_several_frames() {
    let ops: Vec<Op> = (0..20_000).flat_map(|_| some()).collect();
    let bytes = frames(&ops, 5, 16);
    let mut count = 0;
    let mut all = Vec::new();
    let good = read_frames(&bytes, 5, 16, |ops| {
        count += 1;
        all.extend(ops);
        true
    });
    assert_eq!((good, all.len()), (bytes.len(), ops.len()));
    assert!(count > 1);
}

#[test]
fn reading_ends_where_it_is_refused() {
    let first = frames(&some(), 1, 0);
    let mut bytes = first.clone();
    bytes.extend(frames(&some(), 1, first.len() as u64));
    let mut count = 0;
    let good = read_frames(&bytes, 1, 0, |_| {
        count += 1;
        count == 1
    });
    assert_eq!(good, first.len());
}

#[test]
fn the_largest_operation_fits_a_frame() {
    let portion: Vec<(u32, u32)> = (1..=RANGES as u32).map(|n| (2 * n, 2 * n)).collect();
    let large = Op::State {
        modseq: 1,
        place: Place::Cur,
        suffix: vec![b':'; 255],
        words: vec![7; 4096],
        uids: portion,
    };
    let bytes = frames(std::slice::from_ref(&large), 1, 0);
    assert!(BODY_GOAL + bytes.len() <= BODY_BYTES);
    assert_eq!(read(&bytes, 1, 0).0, [large]);
}

#[test]
fn ascending_uids_are_ranges() {
    assert_eq!(ranges_of([1, 2, 3, 7, 9, 10]), [(1, 3), (7, 7), (9, 10)]);
    assert_eq!(ranges_of([u32::MAX]), [(u32::MAX, u32::MAX)]);
    let many: Vec<(u32, u32)> = (1..=RANGES as u32 + 1).map(|n| (2 * n, 2 * n)).collect();
    let portions: Vec<_> = portions(&many).collect();
    assert_eq!(portions.len(), 2);
    assert_eq!(portions.concat(), many);
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for (unique, suffix) in [
        (&b""[..], &b""[..]),
        (b".1", b""),
        (b"../1", b""),
        (b"1:2", b""),
        (b"1", b"2,"),
        (b"1", b":2,/../x"),
    ] {
        let Op::New(mut new) = some().remove(0) else {
            panic!("another operation");
        };
        (new.unique, new.suffix) = (unique.to_vec(), suffix.to_vec());
        let bytes = frames(&[Op::New(new)], 1, 0);
        assert_eq!(read(&bytes, 1, 0).1, 0, "{unique:?} {suffix:?}");
    }
}
