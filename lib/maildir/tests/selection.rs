//! A mailbox as sessions of IMAP see it, with others at work on the same files.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use maildir::selection::{
    Access, Appended, Change, Flags, How, Open, Selection, append, stage, status,
};

struct Box_ {
    _dir: tempfile::TempDir,
    dir: PathBuf,
}

fn maildir() -> Box_ {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("Maildir");
    for part in ["tmp", "new", "cur"] {
        fs::create_dir_all(path.join(part)).expect("made");
    }
    Box_ {
        dir: path,
        _dir: dir,
    }
}

fn with<T>(dir: &Path, access: Access, what: impl FnOnce(&Open<'_>) -> T) -> T {
    what(&Open {
        dir,
        access,
        wait: Duration::from_secs(5),
        account: None,
        new_validity: &|| Ok(77),
    })
}

impl Box_ {
    fn select(&self) -> Selection {
        with(&self.dir, Access::ReadWrite, Selection::open).expect("opened")
    }

    fn examine(&self) -> Selection {
        with(&self.dir, Access::ReadOnly, Selection::open).expect("opened")
    }

    fn put(&self, name: &str) {
        fs::write(self.dir.join(name), "Subject: x\n\nbody\n").expect("written");
    }

    fn files(&self, place: &str) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.dir.join(place))
            .expect("read")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("text")
            })
            .collect();
        names.sort();
        names
    }

    fn append(&self, text: &[u8], flags: Flags, keywords: &[&str]) -> Vec<u32> {
        let mut writer = stage(&self.dir).expect("staged");
        writer.write(text).expect("written");
        let message = Appended {
            staged: writer.finish().expect("finished"),
            flags,
            keywords: keywords
                .iter()
                .map(|name| name.as_bytes().to_vec())
                .collect(),
            date: Some(1_000_000_000),
        };
        let result = with(&self.dir, Access::ReadOnly, |open| {
            append(open, vec![message])
        });
        result.expect("appended").uids
    }
}

fn uids(selection: &Selection) -> Vec<u32> {
    (0..selection.len()).map(|n| selection.uid(n)).collect()
}

fn add(flags: Flags, keywords: &[&str]) -> Change {
    Change {
        how: How::Add,
        flags,
        keywords: keywords
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect(),
    }
}

fn sync(selection: &mut Selection) -> maildir::selection::News {
    selection.sync().expect("synced");
    selection.take_news(true)
}

#[test]
fn new_messages_get_uids_in_the_order_of_their_delivery_and_go_to_cur() {
    let mailbox = maildir();
    mailbox.put("new/20.M1P1Q1.h");
    mailbox.put("new/3.M9P1Q1.h");
    mailbox.put("cur/10.M1P1Q1.h:2,S");
    let selection = mailbox.select();
    assert_eq!(uids(&selection), [1, 2, 3]);
    assert_eq!(selection.validity(), 77);
    assert_eq!(selection.uid_next(), 4);
    assert_eq!(mailbox.files("new"), [""; 0]);
    assert_eq!(
        mailbox.files("cur"),
        ["10.M1P1Q1.h:2,S", "20.M1P1Q1.h:2,", "3.M9P1Q1.h:2,"]
    );
    assert!(selection.is_recent(0) && !selection.is_recent(1) && selection.is_recent(2));
    assert!(selection.flags(1).contains(Flags::SEEN));
    let list = fs::read_to_string(mailbox.dir.join("dovecot-uidlist")).expect("a list");
    assert!(list.starts_with("3 V77 N"), "{list}");
    assert!(
        list.ends_with("1 :3.M9P1Q1.h\n2 :10.M1P1Q1.h\n3 :20.M1P1Q1.h\n"),
        "{list}"
    );
    drop(selection);
    let selection = mailbox.select();
    assert_eq!(uids(&selection), [1, 2, 3]);
    assert_eq!(selection.count_recent(), 0);
}

#[test]
fn examine_moves_nothing_and_claims_nothing() {
    let mailbox = maildir();
    mailbox.put("new/1.M1P1Q1.h");
    let examined = mailbox.examine();
    assert_eq!((uids(&examined), examined.count_recent()), (vec![1], 1));
    assert_eq!(mailbox.files("new"), ["1.M1P1Q1.h"]);
    let selected = mailbox.select();
    assert_eq!((uids(&selected), selected.count_recent()), (vec![1], 1));
}

#[test]
fn uids_are_never_used_again() {
    let mailbox = maildir();
    mailbox.put("cur/1.M1P1Q1.h:2,T");
    mailbox.put("cur/2.M1P1Q1.h:2,T");
    let mut selection = mailbox.select();
    assert_eq!(selection.expunge(None).expect("expunged"), [1, 2]);
    drop(selection);
    for file in ["", "superd-journal"] {
        let _ = fs::remove_file(mailbox.dir.join(file));
        let selection = mailbox.select();
        assert_eq!(
            (selection.uid_next(), selection.len()),
            (3, 0),
            "without {file}"
        );
    }
    mailbox.put("new/3.M1P1Q1.h");
    assert_eq!(uids(&mailbox.select()), [3]);
}

#[test]
fn sessions_learn_of_each_others_changes() {
    let mailbox = maildir();
    for at in 1..=5 {
        mailbox.put(&format!("cur/{at}.M1P1Q1.h:2,"));
    }
    let (mut one, mut other) = (mailbox.select(), mailbox.select());
    let before = other.highest_modseq();
    let stored = one
        .store(&[1, 3], &add(Flags::SEEN, &["$Later"]), None)
        .expect("stored");
    assert_eq!(stored.changed, [1, 3]);
    assert!(one.highest_modseq() > before);
    let news = sync(&mut other);
    assert_eq!(news.changed, [1, 3]);
    assert!(news.keywords_changed);
    assert!(other.flags(1).contains(Flags::SEEN));
    let keyword = other.keyword_id(b"$later").expect("known");
    assert_eq!(other.keywords(1), [keyword]);
    assert_eq!(other.modseq(1), one.modseq(1));
    assert_eq!(other.modseq(0), one.modseq(0));
    assert_eq!(sync(&mut one).changed, [0; 0], "own changes are no news");
    // Nothing changed: nothing is raised.
    let highest = one.highest_modseq();
    let again = one
        .store(&[1], &add(Flags::SEEN, &[]), None)
        .expect("stored");
    assert_eq!((again.changed.len(), one.highest_modseq()), (0, highest));
    other
        .store(&[0], &add(Flags::DELETED, &[]), None)
        .expect("stored");
    other.expunge(None).expect("expunged");
    one.sync().expect("synced");
    assert!(one.is_gone(0));
    let news = one.take_news(false);
    assert!(news.expunged.is_empty());
    assert_eq!(one.len(), 5);
    let news = one.take_news(true);
    assert_eq!((news.expunged[0].n, news.expunged[0].uid), (0, 1));
    assert_eq!(uids(&one), [2, 3, 4, 5]);
    assert_eq!(one.vanished_since(highest), Some(vec![(1, 1)]));
    assert_eq!(one.vanished_since(1), None);
}

#[test]
fn what_other_programs_do_is_seen() {
    let mailbox = maildir();
    for at in 1..=3 {
        mailbox.put(&format!("cur/{at}.M1P1Q1.h:2,"));
    }
    let mut selection = mailbox.select();
    std::thread::sleep(Duration::from_millis(50));
    let cur = mailbox.dir.join("cur");
    fs::rename(cur.join("1.M1P1Q1.h:2,"), cur.join("1.M1P1Q1.h:2,FS")).expect("renamed");
    fs::remove_file(cur.join("2.M1P1Q1.h:2,")).expect("removed");
    mailbox.put("new/9.M1P1Q1.h");
    std::thread::sleep(Duration::from_millis(1100));
    let news = sync(&mut selection);
    assert_eq!(news.changed, [0]);
    assert_eq!(news.expunged.len(), 1);
    assert_eq!(news.exists, Some(3));
    assert_eq!(uids(&selection), [1, 3, 4]);
    assert!(selection.flags(0).contains(Flags::FLAGGED));
    assert_eq!(news.recent, Some(1));
}

#[test]
fn a_change_of_flags_keeps_what_others_have_changed_meanwhile() {
    let mailbox = maildir();
    mailbox.put("cur/1.M1P1Q1.h:2,");
    let mut selection = mailbox.select();
    let cur = mailbox.dir.join("cur");
    fs::rename(cur.join("1.M1P1Q1.h:2,"), cur.join("1.M1P1Q1.h:2,FX")).expect("renamed");
    let stored = selection
        .store(&[0], &add(Flags::SEEN, &[]), None)
        .expect("stored");
    assert_eq!(stored.changed, [0]);
    assert_eq!(mailbox.files("cur"), ["1.M1P1Q1.h:2,FSX"]);
    // And one that is gone is gone.
    fs::remove_file(cur.join("1.M1P1Q1.h:2,FSX")).expect("removed");
    let stored = selection
        .store(&[0], &add(Flags::DRAFT, &[]), None)
        .expect("stored");
    assert_eq!((stored.changed.len(), stored.gone), (0, vec![0]));
}

#[test]
fn unchangedsince_leaves_alone_what_has_changed() {
    let mailbox = maildir();
    mailbox.put("cur/1.M1P1Q1.h:2,");
    mailbox.put("cur/2.M1P1Q1.h:2,");
    let mut selection = mailbox.select();
    let since = selection.highest_modseq();
    selection
        .store(&[0], &add(Flags::SEEN, &[]), None)
        .expect("stored");
    let stored = selection
        .store(&[0, 1], &add(Flags::FLAGGED, &[]), Some(since))
        .expect("stored");
    assert_eq!((stored.changed, stored.modified), (vec![1], vec![0]));
}

#[test]
fn more_keywords_than_there_are_letters_are_kept() {
    let mailbox = maildir();
    mailbox.put("cur/1.M1P1Q1.h:2,S");
    let mut selection = mailbox.select();
    let names: Vec<String> = (0..40).map(|at| format!("key{at}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    selection
        .store(&[0], &add(Flags::default(), &names), None)
        .expect("stored");
    assert_eq!(
        mailbox.files("cur"),
        ["1.M1P1Q1.h:2,Sabcdefghijklmnopqrstuvwxyz"]
    );
    drop(selection);
    let mut selection = mailbox.select();
    assert_eq!(selection.keywords(0).len(), 40);
    let id = selection.keyword_id(b"KEY39").expect("known");
    assert_eq!(selection.keyword_name(id), b"key39");
    let change = Change {
        how: How::Remove,
        ..add(Flags::default(), &["key39", "key0"])
    };
    selection.store(&[0], &change, None).expect("stored");
    assert_eq!(mailbox.examine().keywords(0).len(), 38);
    // Without the journal those with letters are left.
    fs::remove_file(mailbox.dir.join("superd-journal")).expect("removed");
    assert_eq!(mailbox.examine().keywords(0).len(), 25);
}

#[test]
fn an_appended_message_is_stored_with_lf_and_known_with_crlf() {
    let mailbox = maildir();
    let mut selection = mailbox.select();
    assert_eq!(
        mailbox.append(b"Subject: x\r\n\r\nbody\rx\r\n", Flags::SEEN, &["$Later"]),
        [1]
    );
    let news = sync(&mut selection);
    assert_eq!(news.exists, Some(1));
    assert_eq!(selection.size(0), Some(22));
    assert_eq!(selection.date(0), Some(1_000_000_000));
    assert!(selection.flags(0).contains(Flags::SEEN));
    let name = &mailbox.files("cur")[0];
    assert!(name.contains(",S=19,W=22:2,Sa"), "{name}");
    let text = fs::read(mailbox.dir.join("cur").join(name)).expect("read");
    assert_eq!(text, b"Subject: x\n\nbody\rx\n");
    assert_eq!(mailbox.files("tmp"), [""; 0]);
    // A message without a line end at its end gets none.
    assert_eq!(mailbox.append(b"a: b\r\n\r\nc", Flags::default(), &[]), [2]);
    sync(&mut selection);
    assert_eq!(selection.size(1), Some(9));
}

#[test]
fn a_staged_message_that_is_not_wanted_leaves_nothing() {
    let mailbox = maildir();
    let mut writer = stage(&mailbox.dir).expect("staged");
    writer.write(b"text").expect("written");
    drop(writer);
    let writer = stage(&mailbox.dir).expect("staged");
    drop(writer.finish().expect("finished"));
    assert_eq!(mailbox.files("tmp"), [""; 0]);
}

#[test]
fn copies_have_the_flags_keywords_and_dates_of_their_originals() {
    let (from, to) = (maildir(), maildir());
    from.append(b"a: b\r\n\r\n", Flags::FLAGGED, &["$Later"]);
    from.append(b"c: d\r\n\r\n", Flags::default(), &[]);
    to.put("cur/1.M1P1Q1.h:2,");
    let mut selection = from.select();
    let mut target = to.select();
    let copied = with(&to.dir, Access::ReadWrite, |open| {
        selection.copy(&[0, 1], open)
    });
    let copied = copied.expect("copied");
    assert_eq!((copied.validity, copied.pairs), (77, vec![(1, 2), (2, 3)]));
    let news = sync(&mut target);
    assert_eq!(news.exists, Some(3));
    assert!(target.flags(1).contains(Flags::FLAGGED));
    assert_eq!(target.keyword_name(target.keywords(1)[0]), b"$Later");
    assert_eq!(target.date(1), Some(1_000_000_000));
    assert_eq!(target.size(1), Some(8));
    assert_eq!(selection.len(), 2);
}

#[test]
fn a_moved_message_is_in_the_other_mailbox_and_not_in_this_one() {
    let (from, to) = (maildir(), maildir());
    for at in 1..=3 {
        from.put(&format!("cur/{at}.M1P1Q1.h:2,S"));
    }
    let mut selection = from.select();
    let since = selection.highest_modseq();
    let moved = with(&to.dir, Access::ReadWrite, |open| {
        selection.move_to(&[0, 2], open)
    });
    assert_eq!(moved.expect("moved").pairs, [(1, 1), (3, 2)]);
    let news = selection.take_news(true);
    let told: Vec<(usize, u32)> = news
        .expunged
        .iter()
        .map(|gone| (gone.n, gone.uid))
        .collect();
    assert_eq!(told, [(2, 3), (0, 1)]);
    assert_eq!(from.files("cur").len(), 1);
    assert_eq!(to.files("cur").len(), 2);
    let vanished = selection.vanished_since(since).expect("known");
    assert!(vanished == [(1, 1), (3, 3)], "{vanished:?}");
}

#[test]
fn copying_what_is_gone_copies_nothing() {
    let (from, to) = (maildir(), maildir());
    from.put("cur/1.M1P1Q1.h:2,");
    from.put("cur/2.M1P1Q1.h:2,");
    let mut selection = from.select();
    fs::remove_file(from.dir.join("cur/2.M1P1Q1.h:2,")).expect("removed");
    let copied = with(&to.dir, Access::ReadWrite, |open| {
        selection.copy(&[0, 1], open)
    });
    assert_eq!(copied.expect("an answer").gone, [1]);
    assert_eq!((to.files("cur").len(), to.files("tmp").len()), (0, 0));
}

#[test]
fn a_damaged_journal_is_made_anew_and_everything_else_is_kept() {
    let mailbox = maildir();
    for at in 1..=4 {
        mailbox.put(&format!("cur/{at}.M1P1Q1.h:2,"));
    }
    let mut selection = mailbox.select();
    selection
        .store(&[2], &add(Flags::SEEN, &["$Later"]), None)
        .expect("stored");
    let highest = selection.highest_modseq();
    drop(selection);
    let journal = mailbox.dir.join("superd-journal");
    let whole = fs::read(&journal).expect("read");
    for cut in (0..whole.len()).step_by(7) {
        fs::write(&journal, &whole[..cut]).expect("written");
        let selection = mailbox.select();
        assert_eq!(uids(&selection), [1, 2, 3, 4], "cut at {cut}");
        assert!(selection.flags(2).contains(Flags::SEEN), "cut at {cut}");
        assert_eq!(selection.keywords(2), [0], "cut at {cut}");
        assert!(selection.highest_modseq() >= highest - 1, "cut at {cut}");
    }
    for at in (0..whole.len()).step_by(5) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        fs::write(&journal, &bytes).expect("written");
        let selection = mailbox.select();
        assert_eq!(uids(&selection), [1, 2, 3, 4], "changed at {at}");
        assert!(selection.flags(2).contains(Flags::SEEN), "changed at {at}");
    }
}

#[test]
fn a_session_survives_that_its_journal_is_removed_or_replaced() {
    let mailbox = maildir();
    for at in 1..=3 {
        mailbox.put(&format!("cur/{at}.M1P1Q1.h:2,"));
    }
    let mut selection = mailbox.select();
    fs::remove_file(mailbox.dir.join("superd-journal")).expect("removed");
    selection
        .store(&[0], &add(Flags::SEEN, &[]), None)
        .expect("stored");
    let mut other = mailbox.select();
    other
        .store(&[1], &add(Flags::SEEN, &[]), None)
        .expect("stored");
    let news = sync(&mut selection);
    assert_eq!(news.changed, [1]);
    assert_eq!(uids(&selection), [1, 2, 3]);
}

#[test]
fn a_mailbox_that_is_deleted_or_made_again_is_gone() {
    let mailbox = maildir();
    mailbox.put("cur/1.M1P1Q1.h:2,");
    let mut selection = mailbox.select();
    let away = mailbox.dir.with_extension("away");
    fs::rename(&mailbox.dir, &away).expect("moved");
    let error = selection.sync().expect_err("gone");
    assert_eq!(error.kind(), maildir::selection::Kind::NotFound, "{error}");
    for part in ["tmp", "new", "cur"] {
        fs::create_dir_all(mailbox.dir.join(part)).expect("made");
    }
    mailbox.put("cur/5.M1P1Q1.h:2,");
    let again = Open {
        dir: &mailbox.dir,
        access: Access::ReadWrite,
        wait: Duration::from_secs(5),
        account: None,
        new_validity: &|| Ok(78),
    };
    assert_eq!(Selection::open(&again).expect("opened").validity(), 78);
    let error = selection.sync().expect_err("another one");
    assert_eq!(error.kind(), maildir::selection::Kind::NotFound, "{error}");
}

#[test]
fn status_tells_and_changes_nothing() {
    let mailbox = maildir();
    mailbox.put("new/1.M1P1Q1.h");
    mailbox.put("cur/2.M1P1Q1.h:2,ST");
    let status = with(&mailbox.dir, Access::ReadOnly, |open| status(open, true)).expect("status");
    assert_eq!(
        (
            status.messages,
            status.recent,
            status.unseen,
            status.deleted
        ),
        (2, 1, 1, 1)
    );
    assert_eq!((status.uid_next, status.validity, status.size), (3, 77, 40));
    assert_eq!(mailbox.files("new").len(), 1);
}

#[test]
fn two_files_of_one_name_are_two_messages() {
    let mailbox = maildir();
    mailbox.put("cur/1.M1P1Q1.h:2,");
    mailbox.put("cur/1.M1P1Q1.h:2,S");
    let selection = mailbox.select();
    assert_eq!(uids(&selection), [1, 2]);
    let again = mailbox.select();
    assert_eq!(uids(&again), [1, 2]);
    assert_eq!(mailbox.files("cur").len(), 2);
}

#[test]
fn couriers_uids_are_taken_over() {
    let mailbox = maildir();
    mailbox.put("cur/1.M1P1Q1.h:2,");
    mailbox.put("cur/2.M1P1Q1.h:2,");
    fs::write(
        mailbox.dir.join("courierimapuiddb"),
        "1 123 50\n7 2.M1P1Q1.h\n9 1.M1P1Q1.h\n",
    )
    .expect("written");
    let selection = mailbox.select();
    assert_eq!((selection.validity(), selection.uid_next()), (123, 50));
    assert_eq!(uids(&selection), [7, 9]);
    mailbox.put("new/3.M1P1Q1.h");
    assert_eq!(uids(&mailbox.select()), [7, 9, 50]);
}

#[test]
fn several_sessions_and_deliveries_at_once_lose_and_double_nothing() {
    let mailbox = maildir();
    let dir = mailbox.dir.clone();
    let workers: Vec<_> = (0..3)
        .map(|worker| {
            let dir = dir.clone();
            std::thread::spawn(move || {
                for at in 0..30 {
                    let name = format!("{at}.M{worker}P1Q1.h");
                    fs::write(dir.join("tmp").join(&name), "a: b\n\n").expect("written");
                    fs::rename(dir.join("tmp").join(&name), dir.join("new").join(&name))
                        .expect("delivered");
                    let mut selection =
                        with(&dir, Access::ReadWrite, Selection::open).expect("opened");
                    let last = selection.len() - 1;
                    selection
                        .store(&[0, last], &add(Flags::SEEN, &["x"]), None)
                        .expect("stored");
                    selection.sync().expect("synced");
                    let news = selection.take_news(true);
                    assert!(news.expunged.is_empty(), "{news:?}");
                    let all = uids(&selection);
                    assert!(all.is_sorted_by(|a, b| a < b), "{all:?}");
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().expect("no panic");
    }
    let selection = mailbox.select();
    assert_eq!(selection.len(), 90);
    assert_eq!(uids(&selection), (1..=90).collect::<Vec<u32>>());
    let list = fs::read_to_string(dir.join("dovecot-uidlist")).expect("a list");
    assert_eq!(list.lines().count(), 91);
}

#[test]
fn a_message_that_two_sessions_move_at_once_is_in_one_place() {
    let (from, one, other) = (maildir(), maildir(), maildir());
    for at in 1..=60 {
        from.put(&format!("cur/{at}.M1P1Q1.h:2,"));
    }
    let all: Vec<usize> = (0..60).collect();
    let moved: Vec<usize> = std::thread::scope(|scope| {
        let workers: Vec<_> = [&one, &other]
            .map(|to| {
                let (from, all) = (&from, &all);
                scope.spawn(move || {
                    let mut selection = from.select();
                    let moved = with(&to.dir, Access::ReadWrite, |open| {
                        selection.move_to(all, open)
                    });
                    moved.expect("moved").pairs.len()
                })
            })
            .into_iter()
            .collect();
        let joined = workers.into_iter().map(|worker| worker.join());
        joined.map(|moved| moved.expect("no panic")).collect()
    });
    assert_eq!(moved.iter().sum::<usize>(), 60);
    assert_eq!(from.files("cur"), [""; 0]);
    assert_eq!(one.files("cur").len(), moved[0]);
    assert_eq!(other.files("cur").len(), moved[1]);
}

#[test]
fn the_oldest_expunge_that_was_kept_back_is_known() {
    let mailbox = maildir();
    for at in 1..=3 {
        mailbox.put(&format!("cur/{at}.M1P1Q1.h:2,T"));
    }
    let (mut one, mut other) = (mailbox.select(), mailbox.select());
    assert_eq!(one.oldest_untold(), None);
    other.expunge(Some(&[(1, 1)])).expect("expunged");
    let first = other.highest_modseq();
    other.expunge(Some(&[(2, 2)])).expect("expunged");
    one.sync().expect("synced");
    one.take_news(false);
    assert_eq!(one.oldest_untold(), Some(first));
    one.take_news(true);
    assert_eq!(one.oldest_untold(), None);
}

#[test]
fn a_list_of_uids_that_is_damaged_is_made_anew_of_what_the_journal_knows() {
    let mailbox = maildir();
    for at in 1..=3 {
        mailbox.put(&format!("cur/{at}.M1P1Q1.h:2,"));
    }
    let mut selection = mailbox.select();
    selection
        .store(&[0], &add(Flags::DELETED, &[]), None)
        .expect("stored");
    selection.expunge(None).expect("expunged");
    drop(selection);
    let list = mailbox.dir.join("dovecot-uidlist");
    for damaged in ["", "3 V", "nonsense\n", "3 V77 N4\nx :y\n"] {
        fs::write(&list, damaged).expect("written");
        mailbox.put(&format!("new/9{}.M1P1Q1.h", damaged.len()));
        let selection = mailbox.select();
        assert_eq!(selection.validity(), 77, "{damaged:?}");
        assert_eq!(uids(&selection)[..2], [2, 3], "{damaged:?}");
        let text = fs::read_to_string(&list).expect("a list");
        assert!(text.starts_with("3 V77 N"), "{damaged:?}: {text}");
        assert!(text.contains("\n2 :2.M1P1Q1.h\n3 :3.M1P1Q1.h\n"), "{text}");
    }
    assert_eq!(uids(&mailbox.select()), [2, 3, 4, 5, 6, 7]);
    // Nobody else knows what was in it.
    fs::remove_file(mailbox.dir.join("superd-journal")).expect("removed");
    fs::write(&list, "nonsense\n").expect("written");
    let error = with(&mailbox.dir, Access::ReadWrite, Selection::open).expect_err("refused");
    assert_eq!(error.kind(), maildir::selection::Kind::Corrupt, "{error}");
}

#[test]
fn a_mailbox_whose_directory_is_elsewhere_for_the_moment_is_not_made_anew() {
    let mailbox = maildir();
    mailbox.put("cur/1.M1P1Q1.h:2,");
    drop(mailbox.select());
    let (cur, away) = (mailbox.dir.join("cur"), mailbox.dir.join("cur.away"));
    fs::rename(&cur, &away).expect("moved");
    with(&mailbox.dir, Access::ReadWrite, Selection::open).expect_err("not there");
    assert!(!cur.exists());
    fs::rename(&away, &cur).expect("moved back");
    assert_eq!(uids(&mailbox.select()), [1]);
}

#[test]
fn a_keyword_that_is_too_long_is_refused() {
    let mailbox = maildir();
    mailbox.put("cur/1.M1P1Q1.h:2,");
    let mut selection = mailbox.select();
    for (length, fits) in [(255, true), (256, false)] {
        let name = "k".repeat(length);
        let stored = selection.store(&[0], &add(Flags::default(), &[&name]), None);
        assert_eq!(stored.is_ok(), fits, "{length}");
    }
}

#[test]
fn lines_that_a_list_of_uids_has_lost_from_its_end_come_again() {
    let mailbox = maildir();
    for at in 1..=4 {
        mailbox.put(&format!("cur/{at}.M1P1Q1.h:2,"));
    }
    drop(mailbox.select());
    let list = mailbox.dir.join("dovecot-uidlist");
    let whole = fs::read_to_string(&list).expect("a list");
    let first = whole.find('\n').expect("a line") + 1;
    for cut in first..whole.len() {
        fs::write(&list, &whole[..cut]).expect("written");
        assert_eq!(uids(&mailbox.select()), [1, 2, 3, 4], "cut at {cut}");
    }
    mailbox.put("new/9.M1P1Q1.h");
    assert_eq!(uids(&mailbox.select()), [1, 2, 3, 4, 5]);
    let text = fs::read_to_string(&list).expect("a list");
    assert!(text.ends_with("4 :4.M1P1Q1.h\n5 :9.M1P1Q1.h\n"), "{text}");
}

#[test]
fn a_change_that_fails_in_its_middle_tells_what_it_has_done() {
    let mailbox = maildir();
    mailbox.put("cur/1.M1P1Q1.h:2,");
    // No letter more fits into this name.
    let long = format!("2.M1P1Q1.{}:2,", "h".repeat(255 - 12));
    assert_eq!(long.len(), 255);
    mailbox.put(&format!("cur/{long}"));
    mailbox.put("cur/3.M1P1Q1.h:2,");
    let mut selection = mailbox.select();
    let stored = selection.store(&[0, 1, 2], &add(Flags::SEEN, &[]), None);
    stored.expect_err("a name cannot be that long");
    assert_eq!(selection.take_news(true).changed, [0]);
    assert!(selection.flags(0).contains(Flags::SEEN));
    assert!(!selection.flags(1).contains(Flags::SEEN));
    assert_eq!(mailbox.files("cur").len(), 3);
}
