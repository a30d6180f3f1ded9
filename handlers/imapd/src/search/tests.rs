//! Searches, orders and threads of mailboxes with files.

use std::convert::Infallible;
use std::fs;

use imap::command::{SearchKey, SortBy, SortCriterion, ThreadAlgorithm};
use imap::date::Date;
use imap::flag::Flag;
use imap::seq::{Number, SequenceSet};
use maildir::selection::Selection;

use super::test_support::{mailbox, name, open};
use super::{Found, Query, sort, thread};

const NOW: i64 = 1_700_000_000;

fn run(selection: &mut Selection, key: &SearchKey, saved: &[u32]) -> Found {
    let query = Query::new(key, None).expect("a charset");
    let found = query.run(selection, saved, NOW, &mut || Ok::<(), Infallible>(()));
    found.unwrap_or_else(|never| match never {})
}

fn subject(text: &str) -> SearchKey {
    SearchKey::Header(b"Subject".to_vec(), text.as_bytes().to_vec())
}

fn not(key: SearchKey) -> SearchKey {
    SearchKey::Not(Box::new(key))
}

struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % most
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
}

/// What is known of a message without looking into its file.
#[derive(Debug)]
struct Plain {
    letters: String,
    subject: &'static str,
    /// The day of January 2020 on which it was sent.
    sent: Option<i64>,
    body: &'static str,
    /// In days and in seconds since the epoch.
    arrived: i64,
    second: i64,
    size: usize,
}

const SUBJECTS: [&str; 3] = ["plans", "Re: Plans", "=?utf-8?q?caf=C3=A9?="];
const BODIES: [&str; 3] = ["one word", "two words", "3"];

/// A mailbox of messages that chance has made.
fn made(dir: &std::path::Path, random: &mut Random, count: usize) -> (Selection, Vec<Plain>) {
    drop(mailbox(dir, []));
    let mut all = Vec::new();
    for n in 0..count {
        let plain = Plain {
            letters: ["F", "S"]
                .iter()
                .filter(|_| random.below(2) == 0)
                .copied()
                .collect(),
            subject: random.of(&SUBJECTS),
            sent: (random.below(5) > 0).then(|| 1 + random.below(4) as i64),
            body: random.of(&BODIES),
            arrived: 18_000 + random.below(4) as i64,
            second: 0,
            size: 0,
        };
        let date = plain.sent.map_or(String::new(), |day| {
            let zone = random.of(&["+0000", "-1100", "+1300"]);
            format!("Date: {day} Jan 2020 23:59:59 {zone}\n")
        });
        let text = format!("Subject: {}\n{date}\n{}\n", plain.subject, plain.body);
        let path = dir.join(name(n, &plain.letters));
        fs::write(&path, &text).expect("written");
        // The first or the last second of the day.
        let second = plain.arrived * 86_400 + random.of(&[0, 86_399]);
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(second as u64);
        let file = fs::File::options().write(true).open(&path).expect("open");
        file.set_modified(time).expect("dated");
        let size = text.len() + text.matches('\n').count();
        all.push(Plain {
            second,
            size,
            ..plain
        });
    }
    (open(dir), all)
}

fn date(days: i64) -> Date {
    Date::of_days(days)
}

/// 1 January 2020.
const JANUARY: i64 = 18_262;

fn any_key(random: &mut Random, count: usize, depth: usize) -> SearchKey {
    let set = |random: &mut Random| {
        let number = |random: &mut Random| match random.below(6) {
            0 => Number::Last,
            _ => Number::Is(1 + random.below(count + 3) as u32),
        };
        let ranges = 1 + random.below(3);
        SequenceSet::Ranges(
            (0..ranges)
                .map(|_| (number(random), number(random)))
                .collect(),
        )
    };
    let day = date(17_999 + random.below(6) as i64);
    let sent = date(JANUARY - 1 + random.below(6) as i64);
    let text = random.of(&["plan", "Caf\u{e9}", "", "word", "re: p", "subject", "none"]);
    let text = text.as_bytes().to_vec();
    match random.below(if depth == 0 { 18 } else { 24 }) {
        0 => SearchKey::All,
        1 => SearchKey::Has(Flag::Seen),
        2 => SearchKey::Has(Flag::Flagged),
        3 => SearchKey::Numbers(set(random)),
        4 => SearchKey::Uids(set(random)),
        5 => SearchKey::Numbers(SequenceSet::Saved),
        6 => SearchKey::Before(day),
        7 => SearchKey::On(day),
        8 => SearchKey::Since(day),
        9 => SearchKey::SentBefore(sent),
        10 => SearchKey::SentOn(sent),
        11 => SearchKey::SentSince(sent),
        12 => SearchKey::Header(b"SUBJECT".to_vec(), text),
        13 => SearchKey::Body(text),
        14 => SearchKey::Text(text),
        15 => SearchKey::Larger(50 + random.below(20) as u64),
        16 => SearchKey::Smaller(50 + random.below(20) as u64),
        17 => {
            let age = (NOW - 18_002 * 86_400) as u32 + random.of(&[0, 1]);
            random.of(&[SearchKey::Older(age), SearchKey::Younger(age)])
        }
        18 | 19 => not(any_key(random, count, depth - 1)),
        20 | 21 => SearchKey::Or(
            Box::new(any_key(random, count, depth - 1)),
            Box::new(any_key(random, count, depth - 1)),
        ),
        _ => SearchKey::And(
            (0..=random.below(3))
                .map(|_| any_key(random, count, depth - 1))
                .collect(),
        ),
    }
}

/// Whether message `n` is meant, read off from what it was made of.
fn is_meant(key: &SearchKey, n: usize, all: &[Plain], saved: &[u32]) -> bool {
    let it = &all[n];
    let own = n as u32 + 1;
    let last = all.len() as u32;
    let is_in = |set: &SequenceSet| match set {
        SequenceSet::Saved => saved.contains(&own),
        SequenceSet::Ranges(ranges) => ranges.iter().any(|(a, b)| {
            let [a, b] = [a, b].map(|number| match number {
                Number::Is(number) => *number,
                Number::Last => last,
            });
            (a.min(b)..=a.max(b)).contains(&own)
        }),
    };
    let shown = it
        .subject
        .replace("=?utf-8?q?caf=C3=A9?=", "caf\u{e9}")
        .to_lowercase();
    let text = |text: &[u8]| {
        String::from_utf8(text.to_vec())
            .expect("UTF-8")
            .to_lowercase()
    };
    let sent = it.sent.map(|day| JANUARY + day - 1);
    match key {
        SearchKey::All => true,
        SearchKey::Has(Flag::Seen) => it.letters.contains('S'),
        SearchKey::Has(Flag::Flagged) => it.letters.contains('F'),
        SearchKey::Numbers(set) | SearchKey::Uids(set) => is_in(set),
        SearchKey::Before(day) => it.arrived < day.days(),
        SearchKey::On(day) => it.arrived == day.days(),
        SearchKey::Since(day) => it.arrived >= day.days(),
        SearchKey::SentBefore(day) => sent.is_some_and(|sent| sent < day.days()),
        SearchKey::SentOn(day) => sent == Some(day.days()),
        SearchKey::SentSince(day) => sent.is_some_and(|sent| sent >= day.days()),
        SearchKey::Header(_, value) => shown.contains(&text(value)),
        SearchKey::Body(value) => it.body.contains(&text(value)),
        SearchKey::Text(value) => {
            let value = text(value);
            format!("subject: {shown}").contains(&value) || it.body.contains(&value)
        }
        SearchKey::Larger(size) => it.size as u64 > *size,
        SearchKey::Smaller(size) => (it.size as u64) < *size,
        SearchKey::Older(age) => NOW - it.second >= i64::from(*age),
        SearchKey::Younger(age) => NOW - it.second <= i64::from(*age),
        SearchKey::Not(inner) => !is_meant(inner, n, all, saved),
        SearchKey::Or(a, b) => is_meant(a, n, all, saved) || is_meant(b, n, all, saved),
        SearchKey::And(keys) => keys.iter().all(|key| is_meant(key, n, all, saved)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_found_is_what_a_plain_reading_of_the_keys_finds() {
    let mut random = Random(5);
    for count in [0, 1, 7, 40, 150] {
        let home = tempfile::tempdir().expect("a directory");
        let (mut selection, all) = made(home.path(), &mut random, count);
        assert_eq!(selection.len(), count);
        for _ in 0..150 {
            let key = any_key(&mut random, count, 3);
            let saved: Vec<u32> = (1..=count as u32)
                .filter(|_| random.below(3) == 0)
                .collect();
            let expected: Vec<usize> = (0..count)
                .filter(|&n| is_meant(&key, n, &all, &saved))
                .collect();
            let found = run(&mut selection, &key, &saved);
            assert_eq!(found.which, expected, "{key:?} {saved:?}");
            assert_eq!(found.highest_modseq, None);
        }
    }
}

#[test]
fn what_is_gone_is_found_by_what_is_known_without_it_alone() {
    let home = tempfile::tempdir().expect("a directory");
    drop(mailbox(
        home.path(),
        vec![b"Subject: plans\n\nx\n".to_vec(); 5],
    ));
    // Both a message that is known to be gone and one that turns out to be.
    for syncs in [true, false] {
        let mut selection = open(home.path());
        let count = selection.len();
        fs::remove_file(selection.path(1)).expect("removed");
        if syncs {
            selection.sync().expect("in step");
            assert!(selection.is_gone(1));
        }
        let mut which = |key: &SearchKey| run(&mut selection, key, &[]).which;
        let rest: Vec<usize> = (0..count).filter(|&n| n != 1).collect();
        for key in [
            subject("plans"),
            not(subject("other")),
            SearchKey::Body(b"x".to_vec()),
        ] {
            assert_eq!(which(&key), rest, "{key:?}");
        }
        for key in [
            SearchKey::Larger(1),
            not(SearchKey::Larger(1000)),
            not(subject("x")),
        ] {
            assert_eq!(which(&key), rest, "{key:?}");
        }
        let all: Vec<usize> = (0..count).collect();
        let seen = SearchKey::Has(Flag::Seen);
        let or = SearchKey::Or(Box::new(subject("other")), Box::new(seen));
        for key in [SearchKey::All, or, not(SearchKey::Recent)] {
            assert_eq!(which(&key), all, "{key:?}");
        }
    }
}

#[test]
fn the_highest_modification_sequence_is_that_of_what_was_found() {
    let home = tempfile::tempdir().expect("a directory");
    let mut selection = mailbox(home.path(), vec![b"x\n".to_vec(); 4]);
    let change = maildir::selection::Change {
        how: maildir::selection::How::Add,
        flags: maildir::selection::Flags::FLAGGED,
        keywords: Vec::new(),
    };
    for n in [2, 0] {
        selection.store(&[n], &change, None).expect("stored");
    }
    let [first, third] = [selection.modseq(0), selection.modseq(2)];
    let found = run(&mut selection, &SearchKey::Modseq(third), &[]);
    assert_eq!(
        (found.which, found.highest_modseq),
        (vec![0, 2], Some(first))
    );
    let key = SearchKey::And(vec![
        SearchKey::Modseq(1),
        SearchKey::Numbers(SequenceSet::Ranges(vec![(Number::Is(3), Number::Is(3))])),
    ]);
    assert_eq!(run(&mut selection, &key, &[]).highest_modseq, Some(third));
    let found = run(&mut selection, &SearchKey::Modseq(first + 1), &[]);
    assert_eq!(found, Found::default());
    // Asked for in whatever way.
    let found = run(&mut selection, &not(SearchKey::Modseq(first + 1)), &[]);
    assert_eq!(found.highest_modseq, Some(first));
}

#[test]
fn the_same_large_set_many_times_takes_no_more_than_once() {
    let home = tempfile::tempdir().expect("a directory");
    let mut selection = mailbox(home.path(), vec![b"x\n".to_vec(); 3]);
    // If each had its own these would be 8 GB.
    let saved: Vec<u32> = (0..100_000).map(|n| 2 * n + 1).collect();
    let key = SearchKey::And(vec![SearchKey::Numbers(SequenceSet::Saved); 10_000]);
    assert_eq!(run(&mut selection, &key, &saved).which, [0, 2]);
}

#[test]
fn keys_may_stand_in_each_other_as_deep_as_the_grammar_lets_them() {
    let home = tempfile::tempdir().expect("a directory");
    let mut selection = mailbox(home.path(), vec![b"Subject: a\n\nx\n".to_vec(); 300]);
    let mut key = SearchKey::Body(b"x".to_vec());
    for _ in 0..100 {
        key = not(SearchKey::And(vec![subject("a"), key]));
    }
    assert_eq!(run(&mut selection, &key, &[]).which.len(), 300);
}

#[test]
fn a_search_ends_when_the_client_is_gone() {
    let home = tempfile::tempdir().expect("a directory");
    let mut selection = mailbox(home.path(), vec![b"Subject: a\n\nx\n".to_vec(); 300]);
    let query = Query::new(&subject("a"), None).expect("a charset");
    let result = query.run(&mut selection, &[], NOW, &mut || Err("gone"));
    assert_eq!(result, Err("gone"));
    let which: Vec<usize> = (0..300).collect();
    let by = SortCriterion {
        reverse: false,
        by: SortBy::Subject,
    };
    assert_eq!(
        sort(&mut selection, &which, &[by], &mut || Err("gone")),
        Err("gone")
    );
    let threads = thread(
        &mut selection,
        &which,
        ThreadAlgorithm::References,
        &mut || Err("gone"),
    );
    assert_eq!(threads.err(), Some("gone"));
}

#[test]
fn orders_are_those_of_a_plain_sort() {
    let mut random = Random(9);
    for count in [0, 1, 30, 200] {
        let home = tempfile::tempdir().expect("a directory");
        let (mut selection, all) = made(home.path(), &mut random, count);
        let dates: Vec<i64> = (0..count)
            .map(|n| selection.date(n).expect("there"))
            .collect();
        let subject = |n: usize| match all[n].subject {
            "plans" | "Re: Plans" => 1,
            _ => 0,
        };
        for reverse in [false, true] {
            for (by, key) in [
                (
                    SortBy::Arrival,
                    &(|n: usize| dates[n]) as &dyn Fn(usize) -> i64,
                ),
                (SortBy::Size, &|n| all[n].size as i64),
                // "CAFÉ" stands before "PLANS".
                (SortBy::Subject, &subject),
                (SortBy::From, &|_| 0),
            ] {
                let which: Vec<usize> = (0..count).filter(|_| random.below(4) > 0).collect();
                let mut expected = which.clone();
                expected.sort_by_key(|&n| if reverse { -key(n) } else { key(n) });
                let criterion = SortCriterion { reverse, by };
                let alive = &mut || Ok::<(), Infallible>(());
                let sorted = sort(&mut selection, &which, &[criterion], alive);
                assert_eq!(sorted, Ok(expected), "{by:?}");
            }
        }
    }
}

#[test]
fn a_date_that_the_header_does_not_have_is_the_one_of_arrival() {
    let home = tempfile::tempdir().expect("a directory");
    let dated = |year: u32| format!("Date: 1 Jan {year} 00:00 +0000\n\n").into_bytes();
    let mut selection = mailbox(
        home.path(),
        [dated(2031), b"Subject: x\n\n".to_vec(), dated(2001)],
    );
    let path = selection.path(1);
    let file = fs::File::options().write(true).open(&path).expect("open");
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(NOW as u64))
        .expect("dated");
    let by = SortCriterion {
        reverse: false,
        by: SortBy::Date,
    };
    let alive = &mut || Ok::<(), Infallible>(());
    assert_eq!(
        sort(&mut selection, &[0, 1, 2], &[by], alive),
        Ok(vec![2, 1, 0])
    );
    for algorithm in [ThreadAlgorithm::References, ThreadAlgorithm::OrderedSubject] {
        let threads = thread(&mut selection, &[0, 1, 2], algorithm, alive);
        let mut out = Vec::new();
        threads
            .unwrap_or_else(|never| match never {})
            .write(&mut out, &|n| n as u32);
        let expected = match algorithm {
            ThreadAlgorithm::References => "(2)(1)(0)",
            // None of them has a subject but the second.
            ThreadAlgorithm::OrderedSubject => "(2 0)(1)",
        };
        assert_eq!(String::from_utf8(out).expect("ASCII"), expected);
    }
}
