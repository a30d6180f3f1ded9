//! Sessions while another thread delivers, changes flags and removes.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::mailbox::Mailbox;
use crate::test_support::{INDEX, NO_INDEX, TestBox};

/// Messages that stay and have their flags changed all the time.
const LASTING: u64 = 150;
/// Messages that come, and of which every second goes again.
const COMING: u64 = 600;

/// What has been done so far: everything up to these numbers.
#[derive(Default)]
struct Done {
    delivered: AtomicU64,
    removed: AtomicU64,
    ended: AtomicBool,
}

fn lasting(n: u64) -> String {
    format!("{n}.lasting.h")
}

fn coming(n: u64) -> String {
    format!("{n}.coming.h")
}

fn flags(round: u64) -> &'static str {
    ["", "S", "FS", "RS"][(round % 4) as usize]
}

fn change(test: &TestBox, done: &Done) {
    for round in 0..COMING {
        for n in 0..LASTING {
            let name = |round| format!("cur/{}:2,{}", lasting(n), flags(round));
            test.rename(&name(round), &name(round + 1));
        }
        let tmp = test.path(&format!("tmp/{}", coming(round)));
        fs::write(&tmp, "coming\n").expect("written");
        let new = format!("new/{}", coming(round));
        fs::hard_link(&tmp, test.path(&new)).expect("linked");
        fs::remove_file(&tmp).expect("removed");
        done.delivered.store(round + 1, Ordering::SeqCst);
        // Ten rounds later a reader takes it to cur, and every second one is removed then.
        if let Some(old) = round.checked_sub(10) {
            let cur = format!("cur/{}:2,", coming(old));
            test.rename(&format!("new/{}", coming(old)), &cur);
            if old % 2 == 0 {
                test.remove(&cur);
                done.removed.store(old + 1, Ordering::SeqCst);
            }
        }
    }
    done.ended.store(true, Ordering::SeqCst);
}

fn check(mailbox: &Mailbox, delivered: u64, removed: u64) {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for n in 0..mailbox.len() {
        let unique = String::from_utf8_lossy(mailbox.unique(n)).into_owned();
        let size = if unique.contains("coming") { 8 } else { 9 };
        assert_eq!(mailbox.wire_size(n), size, "{unique}");
        *times.entry(unique).or_default() += 1;
    }
    for (unique, times) in &times {
        assert_eq!(*times, 1, "{unique} is told {times} times");
    }
    for n in 0..LASTING {
        assert!(times.contains_key(&lasting(n)), "{} is lost", lasting(n));
    }
    for n in 0..delivered {
        let name = coming(n);
        match n % 2 == 0 && n < removed {
            true => assert!(!times.contains_key(&name), "{name} is gone and told"),
            // One that could be removed during the scan may be told or not.
            false if n % 2 == 0 => {}
            false => assert!(times.contains_key(&name), "{name} is lost"),
        }
    }
}

fn race(options: &crate::Options) {
    let test = TestBox::new();
    for n in 0..LASTING {
        test.put(&format!("cur/{}:2,", lasting(n)), "lasting\n", n);
    }
    let done = Done::default();
    thread::scope(|scope| {
        scope.spawn(|| change(&test, &done));
        let mut scans = 0;
        while !done.ended.load(Ordering::SeqCst) || scans == 0 {
            let delivered = done.delivered.load(Ordering::SeqCst);
            let removed = done.removed.load(Ordering::SeqCst);
            check(&test.open(options), delivered, removed);
            scans += 1;
        }
    });
    check(&test.open(options), COMING, COMING - 10);
}

#[test]
fn a_scan_without_index_loses_and_doubles_nothing() {
    race(&NO_INDEX);
}

#[test]
fn a_scan_with_the_index_loses_and_doubles_nothing() {
    race(&INDEX);
}

#[test]
fn messages_are_opened_and_removed_under_names_that_change_all_the_time() {
    let test = TestBox::new();
    for n in 0..LASTING {
        test.put(&format!("cur/{}:2,", lasting(n)), "lasting\n", n);
    }
    let ended = AtomicBool::new(false);
    let mut mailbox = test.open(&NO_INDEX);
    let commit = thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0;
            while !ended.load(Ordering::SeqCst) {
                for n in 0..LASTING {
                    let path = |round| test.path(&format!("cur/{}:2,{}", lasting(n), flags(round)));
                    // Once removed, there is nothing to rename.
                    let _ = fs::rename(path(round), path(round + 1));
                }
                round += 1;
            }
        });
        for n in 0..mailbox.len() {
            mailbox.open_message(n).expect("it is there all the time");
        }
        let commit = mailbox.commit(&|n| n % 2 == 0, false);
        ended.store(true, Ordering::SeqCst);
        commit
    });
    assert!(commit.failed.is_empty(), "{:?}", commit.failed);
    assert_eq!(commit.removed as u64, LASTING / 2);
    assert_eq!(test.open(&NO_INDEX).len() as u64, LASTING - LASTING / 2);
}
