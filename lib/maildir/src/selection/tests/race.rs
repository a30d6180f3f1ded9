//! Sessions, deliveries and other programs, all at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::support::*;
use crate::selection::{Access, How, Selection};
use crate::test_support::{TestBox, files};

/// What a client knows: it is told, and has to get all of it right.
#[derive(Default)]
struct Client {
    uids: Vec<u32>,
    /// All that it ever knew.
    known: BTreeMap<u32, Vec<u8>>,
    expunged: BTreeSet<u32>,
}

impl Client {
    fn new(selection: &Selection) -> Client {
        let mut client = Client::default();
        client.exists(selection, selection.len());
        client
    }

    fn exists(&mut self, selection: &Selection, count: usize) {
        for n in self.uids.len()..count {
            let uid = selection.uid(n);
            assert!(self.uids.last().is_none_or(|&last| last < uid), "{uid}");
            self.uids.push(uid);
            let unique = selection.view.unique(&selection.view.messages[n]).to_vec();
            assert!(self.known.insert(uid, unique).is_none(), "{uid} came twice");
        }
    }

    fn hear(&mut self, selection: &mut Selection) {
        selection.sync().expect("synced");
        let news = selection.take_news(true);
        for gone in news.expunged {
            assert_eq!(self.uids.remove(gone.n), gone.uid);
            assert!(self.expunged.insert(gone.uid));
        }
        if let Some(count) = news.exists {
            self.exists(selection, count);
        }
        assert_eq!(self.uids.len(), selection.len());
        for n in news.changed {
            assert!(n < self.uids.len());
        }
        assert!((0..selection.len()).all(|n| selection.uid(n) == self.uids[n]));
    }
}

fn unique(name: &str) -> &str {
    name.split(':').next().expect("a part")
}

#[test]
fn sessions_agree_on_uids_and_nothing_is_lost_doubled_or_expunged_in_error() {
    const DELIVERIES: usize = 150;
    const LASTING: u64 = 40;
    let test = TestBox::with(LASTING);
    let (ended, writers) = (AtomicBool::new(false), AtomicUsize::new(4));
    let clients: Vec<Client> = thread::scope(|scope| {
        // A delivery agent.
        scope.spawn(|| {
            for n in 0..DELIVERIES {
                let name = format!("{}.come.h", 1000 + n);
                fs::write(test.path(&format!("tmp/{name}")), "coming\n").expect("written");
                test.rename(&format!("tmp/{name}"), &format!("new/{name}"));
                thread::sleep(std::time::Duration::from_millis(2));
            }
            writers.fetch_sub(1, Ordering::SeqCst);
        });
        // Another program changes the flag F of messages that nobody removes, and tells nobody.
        scope.spawn(|| {
            for round in 0..60 {
                for name in files(&test.path("cur")) {
                    let n: u64 = name.split('.').next().unwrap_or("").parse().unwrap_or(1000);
                    if n >= LASTING / 2 || round % 3 == 2 {
                        continue;
                    }
                    let flags: String = match name.contains('F') {
                        true => name.replace('F', ""),
                        false => name.replace(":2,", ":2,F"),
                    };
                    // Somebody else may have renamed it.
                    let from = test.path(&format!("cur/{name}"));
                    let _ = os::file::rename_noreplace(&from, &test.path(&format!("cur/{flags}")));
                }
                thread::sleep(std::time::Duration::from_millis(5));
            }
            writers.fetch_sub(1, Ordering::SeqCst);
        });
        let mut sessions = Vec::new();
        for session in 0..2 {
            let (test, ended, writers) = (&test, &ended, &writers);
            sessions.push(scope.spawn(move || {
                let mut selection = select(&test.dir);
                let mut client = Client::new(&selection);
                // This session's own flag on its own messages, which must be there at the end.
                let (letter, own) = [("S", 0), ("R", 1)][session];
                for round in 0..80 {
                    client.hear(&mut selection);
                    let own = (0..selection.len()).filter(|&n| {
                        u64::from(selection.uid(n)) <= LASTING && selection.uid(n) % 2 == own
                    });
                    let own: Vec<usize> = own.collect();
                    let how = if round % 2 == 1 {
                        How::Add
                    } else {
                        How::Remove
                    };
                    let stored = selection.store(&own, &change(how, letter, &[]), None);
                    assert!(stored.expect("stored").gone.is_empty());
                    // What was delivered lately goes again, by both.
                    let coming: Vec<usize> = (0..selection.len())
                        .filter(|&n| u64::from(selection.uid(n)) > LASTING)
                        .filter(|&n| selection.uid(n).is_multiple_of(3))
                        .collect();
                    selection.store(&coming, &add("T"), None).expect("stored");
                    selection.expunge(None).expect("expunged");
                }
                writers.fetch_sub(1, Ordering::SeqCst);
                while !ended.load(Ordering::SeqCst) {
                    client.hear(&mut selection);
                }
                client.hear(&mut selection);
                (client, shown(&selection).replace('*', ""))
            }));
        }
        // One that only looks.
        let looker = scope.spawn(|| {
            let mut selection = examine(&test.dir);
            let mut client = Client::new(&selection);
            while !ended.load(Ordering::SeqCst) {
                client.hear(&mut selection);
                thread::sleep(std::time::Duration::from_millis(3));
            }
            client.hear(&mut selection);
            (client, shown(&selection).replace('*', ""))
        });
        sessions.push(looker);
        while writers.load(Ordering::SeqCst) > 0 {
            thread::sleep(std::time::Duration::from_millis(5));
        }
        // The last looks, when all has come to rest and our own changes are old enough.
        thread::sleep(std::time::Duration::from_millis(1300));
        ended.store(true, Ordering::SeqCst);
        let ends: Vec<_> = sessions
            .into_iter()
            .map(|session| session.join().expect("no panic"))
            .collect();
        let shown: BTreeSet<_> = ends.iter().map(|end| end.1.clone()).collect();
        assert_eq!(shown.len(), 1, "{shown:?}");
        ends.into_iter().map(|end| end.0).collect()
    });
    let last = select(&test.dir);
    for client in &clients {
        assert!((0..last.len()).all(|n| client.uids.get(n) == Some(&last.uid(n))));
        for (uid, unique) in &client.known {
            for other in &clients {
                let theirs = other.known.get(uid);
                assert!(theirs.is_none_or(|theirs| theirs == unique), "{uid}");
            }
            // Only what both sessions expunge may be gone.
            let is_gone = client.expunged.contains(uid);
            assert!(
                !is_gone || (u64::from(*uid) > LASTING && uid % 3 == 0),
                "{uid}"
            );
        }
    }
    let names = files(&test.path("cur"));
    let uniques: BTreeSet<&str> = names.iter().map(|name| unique(name)).collect();
    assert_eq!(uniques.len(), names.len());
    assert_eq!(names.len(), last.len());
    for n in 0..last.len() {
        let letter = match last.uid(n) {
            uid if u64::from(uid) > LASTING => continue,
            uid if uid % 2 == 0 => "S",
            _ => "R",
        };
        let flags = crate::selection::Flags::from_letters(letter.as_bytes());
        assert!(last.flags(n).contains(flags), "{}", shown(&last));
    }
}

#[test]
fn no_message_is_lost_between_two_mailboxes_that_move_into_each_other() {
    const COUNT: u64 = 30;
    let test = TestBox::with(COUNT);
    let other = test.path(".other");
    crate::Maildir::at(other.clone()).create().expect("made");
    thread::scope(|scope| {
        for (from, to) in [(&test.dir, &other), (&other, &test.dir)] {
            scope.spawn(move || {
                let mut selection = select(from);
                for round in 0..60 {
                    selection.sync().expect("synced");
                    selection.take_news(true);
                    let which: Vec<usize> = (0..selection.len())
                        .filter(|n| (n + round) % 3 == 0)
                        .collect();
                    let moved = with(to, Access::ReadWrite, |open| {
                        selection.move_to(&which, open)
                    });
                    let moved = moved.expect("moved");
                    assert_eq!(moved.pairs.len() + moved.gone.len(), which.len());
                }
            });
        }
    });
    let (a, b) = (select(&test.dir), select(&other));
    assert_eq!((a.len() + b.len()) as u64, COUNT);
}

#[test]
fn keywords_that_two_sessions_add_at_once_keep_their_meaning() {
    let test = TestBox::with(60);
    drop(select(&test.dir));
    thread::scope(|scope| {
        for session in 0..3 {
            let test = &test;
            scope.spawn(move || {
                let mut selection = select(&test.dir);
                for word in 0..20 {
                    let n = session * 20 + word;
                    let name = format!("word{}", (word * 7 + session * 3) % 40);
                    let add = change(How::Add, "", &[&name]);
                    selection.store(&[n], &add, None).expect("stored");
                }
            });
        }
    });
    let selection = select(&test.dir);
    for session in 0..3 {
        for word in 0..20 {
            let name = format!("word{}", (word * 7 + session * 3) % 40);
            let ids = selection.keywords(session * 20 + word);
            assert_eq!(ids.len(), 1);
            assert_eq!(selection.keyword_name(ids[0]), name.as_bytes());
        }
    }
}
