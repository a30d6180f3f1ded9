use imap::command::SearchKey;
use imap::date::Date;
use imap::flag::Flag;
use imap::seq::{Number, SequenceSet};

use super::*;

const MESSAGE: &[u8] = b"Subject: plans\nDate: Wed, 1 Jan 2020 23:30:00 -1100\n\nthe body\n";

fn view() -> View<'static> {
    View {
        number: 3,
        uid: 30,
        flags: Flags::SEEN,
        is_recent: false,
        modseq: 7,
        keywords: Cow::Owned(vec![2, 5]),
    }
}

fn resolved(query: &Query) -> Resolved {
    // There are messages 1 to 4 with UIDs 10 to 40, and keyword 5 is called so.
    let saved = [30, 40];
    query.resolve_with(4, 40, &saved, 1000, &|name| (name == b"five").then_some(5))
}

/// What is at hand, by how much of it: nothing, the facts, the header, all.
fn at_hand(depth: usize) -> AtHand<'static> {
    AtHand {
        facts: (depth > 0).then_some((500, 900)),
        header: (depth > 1).then_some(MESSAGE),
        message: (depth > 2).then_some(MESSAGE),
    }
}

fn decide(key: &SearchKey, at_hand: &AtHand<'_>) -> Option<bool> {
    let query = Query::new(key, None).expect("a charset");
    query.decide(&view(), &resolved(&query), at_hand)
}

fn seen(yes: bool) -> SearchKey {
    match yes {
        true => SearchKey::Has(Flag::Seen),
        false => SearchKey::Has(Flag::Draft),
    }
}

fn subject(text: &str) -> SearchKey {
    SearchKey::Header(b"subject".to_vec(), text.as_bytes().to_vec())
}

fn not(key: SearchKey) -> SearchKey {
    SearchKey::Not(Box::new(key))
}

fn or(a: SearchKey, b: SearchKey) -> SearchKey {
    SearchKey::Or(Box::new(a), Box::new(b))
}

fn and(keys: &[SearchKey]) -> SearchKey {
    SearchKey::And(keys.to_vec())
}

#[test]
fn what_cannot_be_known_yet_is_undecided_and_so_is_its_contrary() {
    let open = subject("plans");
    for (key, decision) in [
        (open.clone(), None),
        (not(open.clone()), None),
        (not(not(open.clone())), None),
        (and(&[open.clone(), seen(true)]), None),
        (and(&[open.clone(), seen(false)]), Some(false)),
        (and(&[seen(false), open.clone()]), Some(false)),
        (not(and(&[open.clone(), seen(false)])), Some(true)),
        (or(open.clone(), seen(true)), Some(true)),
        (or(seen(true), open.clone()), Some(true)),
        (or(open.clone(), seen(false)), None),
        (not(or(seen(true), open.clone())), Some(false)),
        (or(open.clone(), not(open.clone())), None),
        (and(&[]), Some(true)),
    ] {
        assert_eq!(decide(&key, &at_hand(0)), decision, "{key:?}");
        assert!(decide(&key, &at_hand(2)).is_some(), "{key:?}");
    }
    for (key, depth) in [
        (SearchKey::Larger(1), 1),
        (subject("x"), 2),
        (SearchKey::SentOn(Date::FIRST), 2),
        (SearchKey::Body(b"x".to_vec()), 3),
        (SearchKey::Text(b"x".to_vec()), 3),
    ] {
        assert_eq!(decide(&key, &at_hand(depth - 1)), None, "{key:?}");
        assert!(decide(&key, &at_hand(depth)).is_some(), "{key:?}");
    }
}

#[test]
fn text_that_the_header_has_needs_no_body() {
    let text = |text: &str| SearchKey::Text(text.as_bytes().to_vec());
    assert_eq!(decide(&text("plans"), &at_hand(2)), Some(true));
    assert_eq!(decide(&text("subject: PLANS"), &at_hand(2)), Some(true));
    assert_eq!(decide(&text("the body"), &at_hand(2)), None);
    assert_eq!(decide(&text("the body"), &at_hand(3)), Some(true));
    assert_eq!(decide(&text("another"), &at_hand(3)), Some(false));
}

#[test]
fn sets_are_of_numbers_or_of_uids_and_what_is_saved_are_uids() {
    let set = |a: u32, b: Number| SequenceSet::Ranges(vec![(Number::Is(a), b)]);
    for (key, is_in) in [
        (SearchKey::Numbers(set(3, Number::Is(3))), true),
        (SearchKey::Numbers(set(30, Number::Is(30))), false),
        (SearchKey::Numbers(set(1, Number::Last)), true),
        (SearchKey::Numbers(set(4, Number::Last)), false),
        (SearchKey::Uids(set(3, Number::Is(3))), false),
        (SearchKey::Uids(set(30, Number::Is(30))), true),
        (SearchKey::Uids(set(31, Number::Last)), false),
        (SearchKey::Uids(set(99, Number::Last)), false),
        (SearchKey::Numbers(SequenceSet::Saved), true),
        (SearchKey::Uids(SequenceSet::Saved), true),
    ] {
        assert_eq!(decide(&key, &at_hand(0)), Some(is_in), "{key:?}");
        assert_eq!(
            decide(&not(key.clone()), &at_hand(0)),
            Some(!is_in),
            "{key:?}"
        );
        // Each has its own, wherever it stands and whatever was decided before it.
        let behind = and(&[
            or(seen(true), SearchKey::Numbers(set(4, Number::Is(4)))),
            or(SearchKey::Has(Flag::Keyword(b"none".to_vec())), key.clone()),
        ]);
        assert_eq!(decide(&behind, &at_hand(0)), Some(is_in), "{key:?}");
    }
}

#[test]
fn keywords_and_modification_sequences_are_known_without_a_file() {
    let keyword = |name: &[u8]| SearchKey::Has(Flag::Keyword(name.to_vec()));
    for (key, yes) in [
        (keyword(b"five"), true),
        (keyword(b"none"), false),
        (SearchKey::Modseq(7), true),
        (SearchKey::Modseq(8), false),
        (SearchKey::Modseq(0), true),
        (SearchKey::Recent, false),
    ] {
        assert_eq!(decide(&key, &at_hand(0)), Some(yes), "{key:?}");
    }
}

#[test]
fn sizes_and_ages_have_their_borders() {
    // 500 octets, 100 seconds old.
    for (key, yes) in [
        (SearchKey::Larger(499), true),
        (SearchKey::Larger(500), false),
        (SearchKey::Smaller(500), false),
        (SearchKey::Smaller(501), true),
        (SearchKey::Younger(99), false),
        (SearchKey::Younger(100), true),
        (SearchKey::Older(100), true),
        (SearchKey::Older(101), false),
    ] {
        assert_eq!(decide(&key, &at_hand(1)), Some(yes), "{key:?}");
    }
    let future = AtHand {
        facts: Some((0, 2000)),
        ..AtHand::default()
    };
    assert_eq!(decide(&SearchKey::Younger(1), &future), Some(true));
    assert_eq!(decide(&SearchKey::Older(1), &future), Some(false));
    for date in [i64::MIN, i64::MAX] {
        let odd = AtHand {
            facts: Some((0, date)),
            ..AtHand::default()
        };
        assert_eq!(decide(&SearchKey::Older(1), &odd), Some(date < 0));
    }
}

/// Whether a message of that second arrived before this day, on it, since.
fn by_arrival(second: i64, day: Date) -> [bool; 3] {
    let at_hand = AtHand {
        facts: Some((0, second)),
        ..AtHand::default()
    };
    [
        SearchKey::Before(day),
        SearchKey::On(day),
        SearchKey::Since(day),
    ]
    .map(|key| decide(&key, &at_hand).expect("decided"))
}

#[test]
fn a_day_begins_at_midnight_and_ends_before_the_next() {
    for (year, month, day) in [
        (1970, 1, 1),
        (1969, 12, 31),
        (2000, 2, 29),
        (1999, 12, 31),
        (2020, 3, 1),
        (2038, 1, 20),
        (9999, 12, 31),
        (0, 1, 1),
    ] {
        let date = Date::new(year, month, day).expect("a day");
        let midnight = date.days() * 86_400;
        for (second, expected) in [
            (midnight - 1, [true, false, false]),
            (midnight, [false, true, true]),
            (midnight + 86_399, [false, true, true]),
            (midnight + 86_400, [false, false, true]),
        ] {
            assert_eq!(by_arrival(second, date), expected, "{date:?} {second}");
        }
    }
}

#[test]
fn the_day_on_which_a_message_was_sent_is_the_one_that_it_says() {
    let sent = |field: &str, day: u8| {
        let header = format!("{field}\n\n");
        let at_hand = AtHand {
            header: Some(header.as_bytes()),
            ..AtHand::default()
        };
        let date = Date::new(2020, 1, day).expect("a day");
        [
            SearchKey::SentBefore(date),
            SearchKey::SentOn(date),
            SearchKey::SentSince(date),
        ]
        .map(|key| decide(&key, &at_hand).expect("decided"))
    };
    // In universal time it is the 2nd or the 31st.
    for field in [
        "Date: Wed, 1 Jan 2020 23:30:00 -1100",
        "Date: Wed, 1 Jan 2020 00:30:00 +1100",
        "Date: Wed, 1 Jan 2020 00:00:00 +0000",
        "Date: Wed, 1 Jan 2020 23:59:59 +0000",
        "Date: Wed, 1 Jan 2020 12:00:00 +0000\nDate: Sun, 5 Jan 2020 12:00:00 +0000",
    ] {
        assert_eq!(sent(field, 1), [false, true, true], "{field}");
        assert_eq!(sent(field, 2), [true, false, false], "{field}");
    }
    // What says no day was sent on none.
    for field in ["Subject: x", "Date: yesterday", "Date:"] {
        assert_eq!(sent(field, 1), [false; 3], "{field}");
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % most
    }

    fn key(&mut self, depth: u64) -> SearchKey {
        let inner = depth.saturating_sub(1);
        match self.below(if depth == 0 { 6 } else { 9 }) {
            0 => seen(self.below(2) == 0),
            1 => SearchKey::Larger(499 + self.below(2)),
            2 => subject(["plan", "plot"][self.below(2) as usize]),
            3 => SearchKey::Body([&b"body"[..], b"bode"][self.below(2) as usize].to_vec()),
            4 => SearchKey::Uids(SequenceSet::Ranges(vec![(
                Number::Is(29 + self.below(3) as u32),
                Number::Last,
            )])),
            5 => SearchKey::Text([&b"plans"[..], b"the", b"none"][self.below(3) as usize].to_vec()),
            6 => not(self.key(inner)),
            7 => or(self.key(inner), self.key(inner)),
            _ => {
                let count = self.below(4);
                SearchKey::And((0..count).map(|_| self.key(inner)).collect())
            }
        }
    }
}

/// The same by what the RFC says, with everything at hand.
fn plainly(key: &SearchKey) -> bool {
    match key {
        SearchKey::Has(flag) => *flag == Flag::Seen,
        SearchKey::Larger(size) => 500 > *size,
        SearchKey::Header(_, text) => text == b"plan",
        SearchKey::Body(text) => text == b"body",
        SearchKey::Text(text) => text != b"none",
        SearchKey::Uids(SequenceSet::Ranges(ranges)) => {
            matches!(ranges[0].0, Number::Is(29 | 30))
        }
        SearchKey::Not(inner) => !plainly(inner),
        SearchKey::Or(a, b) => plainly(a) || plainly(b),
        SearchKey::And(keys) => keys.iter().all(plainly),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_decided_early_is_what_is_decided_with_everything_at_hand() {
    let mut random = Random(11);
    for _ in 0..3000 {
        let key = random.key(4);
        let wanted = Some(plainly(&key));
        assert_eq!(decide(&key, &at_hand(3)), wanted, "{key:?}");
        for depth in 0..3 {
            let decision = decide(&key, &at_hand(depth));
            assert!(decision.is_none() || decision == wanted, "{depth} {key:?}");
        }
    }
}

#[test]
fn a_charset_that_nobody_knows_is_refused() {
    let key = SearchKey::Body("\u{e9}".as_bytes().to_vec());
    for charset in [&b"UTF-8"[..], b"us-ascii", b"ISO-8859-1", b"koi8-r"] {
        assert!(
            Query::new(&key, Some(charset)).is_ok(),
            "{}",
            charset.escape_ascii()
        );
    }
    let refused = Query::new(&key, Some(b"X-NO\"NE\r\n")).expect_err("not known");
    let sentence = refused.to_string();
    assert!(
        sentence.contains("X-NO") && !sentence.contains('\n'),
        "{sentence}"
    );
    let long = Query::new(&key, Some(&[b'x'; 5000])).expect_err("not known");
    assert!(long.to_string().len() < 200);
}

#[test]
fn strings_are_read_in_the_charset_of_the_command() {
    let message = "Subject: =?utf-8?q?caf=C3=A9?=\n\n".as_bytes();
    let at_hand = AtHand {
        header: Some(message),
        ..AtHand::default()
    };
    for (charset, text, yes) in [
        (Some(&b"ISO-8859-1"[..]), &b"CAF\xc9"[..], true),
        (Some(b"UTF-8"), "CAF\u{c9}".as_bytes(), true),
        (None, "caf\u{e9}".as_bytes(), true),
        (Some(b"KOI8-R"), b"CAF\xc9", false),
    ] {
        let key = SearchKey::Header(b"Subject".to_vec(), text.to_vec());
        let query = Query::new(&key, charset).expect("known");
        let decision = query.decide(&view(), &resolved(&query), &at_hand);
        assert_eq!(decision, Some(yes), "{}", text.escape_ascii());
    }
}
