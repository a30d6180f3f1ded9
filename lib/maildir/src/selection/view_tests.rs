use super::super::stamps::MailboxStamps;
use super::*;

fn new(uid: u32, suffix: &[u8]) -> Op {
    Op::New(NewOp {
        uid,
        modseq: u64::from(uid),
        size: NO_SIZE,
        date: NO_DATE,
        place: Place::Cur,
        unique: format!("{uid}.m.h").into_bytes(),
        suffix: suffix.to_vec(),
        words: Vec::new(),
    })
}

fn gone(modseq: u64, time: u32, uids: &[(u32, u32)]) -> Op {
    let uids = uids.to_vec();
    Op::Gone { modseq, time, uids }
}

fn flags(modseq: u64, suffix: &[u8], uids: &[(u32, u32)]) -> Op {
    Op::State {
        modseq,
        place: Place::Cur,
        suffix: suffix.to_vec(),
        words: Vec::new(),
        uids: uids.to_vec(),
    }
}

/// Of messages with these UIDs, told to the client.
fn view(uids: impl IntoIterator<Item = u32>) -> View {
    let mut view = View::new(Summary {
        validity: 1,
        next: 1,
        ..Summary::default()
    });
    assert!(view.apply(uids.into_iter().map(|uid| new(uid, b":2,")).collect(), true));
    view.tell_all();
    view
}

fn saved(view: &View, now: u32) -> View {
    let bytes = view.snapshot(9, now).expect("fits").concat();
    let length = bytes.len();
    let (view, read) = View::of_bytes(&bytes).expect("a snapshot");
    assert_eq!(read, length);
    view
}

fn uids(view: &View) -> Vec<u32> {
    view.told().iter().map(|message| message.uid).collect()
}

#[test]
fn a_message_takes_40_bytes_beside_its_name() {
    assert_eq!(size_of::<Message>(), 40);
}

#[test]
fn what_others_did_is_told_once() {
    let mut view = view(1..=5);
    assert!(view.apply(
        vec![
            flags(10, b":2,S", &[(2, 3), (9, 9)]),
            gone(11, 0, &[(1, 1), (5, 5)]),
            new(6, b":2,F"),
            flags(12, b":2,S", &[(6, 6)]),
        ],
        false
    ));
    let news = view.take_news(true);
    let expunged: Vec<_> = news
        .expunged
        .iter()
        .map(|gone| (gone.n, gone.uid))
        .collect();
    assert_eq!(expunged, [(4, 5), (0, 1)]);
    assert_eq!((news.changed, news.exists), (vec![0, 1], Some(4)));
    assert_eq!(uids(&view), [2, 3, 4, 6]);
    assert_eq!(view.summary.highest, 12);
    assert_eq!(view.take_news(true), News::default());
}

#[test]
fn what_cannot_have_happened_is_refused() {
    for op in [
        new(3, b""),
        new(u32::MAX, b""),
        Op::Keyword {
            id: FIRST_WORD + 1,
            name: b"later".to_vec(),
        },
        Op::Keyword {
            id: 25,
            name: b"letter".to_vec(),
        },
        Op::State {
            modseq: 9,
            place: Place::Cur,
            suffix: Vec::new(),
            words: vec![FIRST_WORD],
            uids: vec![(1, 1)],
        },
    ] {
        let mut view = view(1..=3);
        assert!(!view.apply(vec![op.clone()], false), "{op:?}");
    }
}

#[test]
fn the_expunged_are_known_for_30_days() {
    let mut view = view(1..=4);
    let day = 24 * 60 * 60;
    let ops = vec![gone(10, 0, &[(1, 1)]), gone(20, 10 * day, &[(2, 3)])];
    assert!(view.apply(ops, true));
    assert_eq!(view.vanished_since(9), Some(vec![(1, 3)]));
    assert_eq!(view.vanished_since(10), Some(vec![(2, 3)]));
    let kept = saved(&view, 30 * day);
    assert_eq!(kept.vanished_since(0), Some(vec![(1, 3)]));
    let kept = saved(&kept, 30 * day + 1);
    assert_eq!(kept.vanished_since(9), None);
    assert_eq!(kept.vanished_since(10), Some(vec![(2, 3)]));
}

#[test]
fn not_more_of_the_expunged_are_known_than_the_limit() {
    let count = HISTORY_MOST as u32 + 2;
    let mut view = view([]);
    for uid in 1..=count {
        let ops = vec![new(uid, b""), gone(u64::from(uid), 0, &[(uid, uid)])];
        assert!(view.apply(ops, true));
    }
    let kept = saved(&view, 1);
    assert_eq!(kept.vanished_since(1), None);
    assert_eq!(kept.vanished_since(2), Some(vec![(3, count)]));
}

#[test]
fn a_newer_snapshot_is_taken_over_and_what_was_told_keeps_its_place() {
    let mut ours = view(1..=5);
    ours.set_marks(1, mark::RECENT);
    ours.learn(3, 100, 7, false);
    let mut theirs = saved(&ours, 0);
    assert!(theirs.apply(
        vec![
            flags(10, b":2,F", &[(2, 2)]),
            gone(11, 0, &[(3, 3), (5, 5)]),
            new(6, b""),
            new(7, b""),
            gone(12, 0, &[(6, 6)]),
        ],
        false
    ));
    assert!(ours.adopt(saved(&theirs, 0), false));
    assert_eq!(uids(&ours), [1, 2, 3, 4, 5]);
    assert!(ours.messages[2].is(mark::GONE) && ours.is_recent(&ours.messages[1]));
    assert_eq!(ours.messages[3].size, 100);
    assert_eq!(ours.unique(&ours.messages[3]), b"4.m.h");
    let news = ours.take_news(true);
    let expunged: Vec<_> = news.expunged.iter().map(|gone| gone.uid).collect();
    assert_eq!(expunged, [5, 3]);
    assert_eq!((news.changed, news.exists), (vec![1], Some(4)));
    assert_eq!(uids(&ours), [1, 2, 4, 7]);
    assert_eq!(ours.vanished_since(10), Some(vec![(3, 3), (5, 6)]));
}

#[test]
fn an_older_snapshot_gives_no_uid_free_brings_nothing_back_and_takes_nothing_away() {
    let mut ours = view(1..=3);
    let old = saved(&ours, 0);
    let ops = vec![gone(50, 0, &[(2, 2)]), new(4, b"")];
    assert!(ours.apply(ops, true));
    ours.tell_all();
    assert!(!ours.adopt(old, false));
    assert_eq!((ours.summary.next, ours.summary.highest), (5, 50));
    assert_eq!(ours.summary.stamps.cur.trust, Trust::None);
    assert_eq!(ours.vanished_since(49), None);
    let _ = ours.take_news(true);
    assert_eq!(uids(&ours), [1, 3, 4]);
    assert_eq!(ours.unique(&ours.messages[2]), b"4.m.h");
}

#[test]
fn what_is_still_growing_is_not_written_down() {
    let mut view = view(1..=2);
    view.learn(0, 10, 1, true);
    view.learn(1, 20, 2, false);
    let kept = saved(&view, 0);
    assert_eq!(
        (kept.messages[0].size, kept.messages[1].size),
        (NO_SIZE, 20)
    );
    let op = Op::Stamps {
        stamps: MailboxStamps::default(),
        next: 9,
        highest: 99,
    };
    assert!(view.apply(vec![op], true));
    assert_eq!((view.summary.next, view.summary.highest), (9, 99));
}
