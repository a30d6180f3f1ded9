use std::path::{Path, PathBuf};
use std::time::Duration;

use accounts::Home;
use maildir::Host;

use super::*;

/// A home with users `joe` and `ann`, `bob` who belongs to somebody else, and `eve` without a home.
struct House {
    folder: tempfile::TempDir,
    uid: u32,
}

impl House {
    fn new() -> House {
        let folder = tempfile::tempdir().expect("a folder");
        let mine = os::identity::effective_uid();
        // uid 0 owns no mailbox, so tests that run as root act for another user.
        let uid = if mine == 0 { 4242 } else { mine };
        let house = House { folder, uid };
        let mut users = String::new();
        for (name, uid) in [("joe", uid), ("ann", uid), ("bob", uid + 1), ("eve", uid)] {
            let home = house.path(name);
            users.push_str(&format!("{name}:x:{uid}:1::{}:::\n", home.display()));
            if name != "eve" {
                fs::create_dir(&home).expect("made");
                if mine == 0 {
                    // What root makes is root's: these users have their Maildirs already.
                    let maildir = home.join("Maildir");
                    let parts = ["tmp", "new", "cur"].map(|part| maildir.join(part));
                    for path in parts.iter() {
                        fs::create_dir_all(path).expect("made");
                    }
                    for path in parts.iter().chain([&maildir, &home]) {
                        std::os::unix::fs::chown(path, Some(uid), None).expect("root may");
                    }
                }
            }
        }
        fs::create_dir(house.path("control")).expect("made");
        fs::write(house.path("users"), users).expect("written");
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn deliver_by(
        &self,
        sender: &str,
        recipients: &[&str],
        text: &str,
        deadline: Instant,
    ) -> Result<Vec<Delivery>, Failure> {
        let mut deliverer = self.deliverer(deadline);
        let (targets, message) = self.asked(recipients, text)?;
        deliver(&mut deliverer, sender.as_bytes(), targets, &message)
    }

    fn deliverer(&self, deadline: Instant) -> Deliverer {
        Deliverer {
            uid: self.uid,
            names: Names::new(Host::new(b"h"), 1, os::process::random),
            clock: SystemTime::now,
            deadline,
        }
    }

    fn asked(&self, recipients: &[&str], text: &str) -> Result<(Vec<Target>, Spool), Failure> {
        let home = Home::at(self.folder.path().to_owned());
        let accounts = Accounts::open(&home, vec![b"h".to_vec()]).expect("opened");
        let recipients: Vec<Vec<u8>> = recipients.iter().map(|name| (*name).into()).collect();
        let mut message = Spool::new(crate::spool::folders());
        message.push(text.as_bytes()).expect("pushed");
        Ok((targets(&accounts, &recipients)?, message))
    }

    fn prepare(&self, recipients: &[&str], text: &str) -> (Deliverer, Prepared) {
        let mut deliverer = self.deliverer(Instant::now() + Duration::from_secs(60));
        let (targets, message) = self.asked(recipients, text).expect("known");
        let prepared = prepare(&mut deliverer, b"s@x", targets, &message).expect("room");
        (deliverer, prepared)
    }

    fn deliver(&self, recipients: &[&str], text: &str) -> Result<Vec<Delivery>, Failure> {
        let deadline = Instant::now() + Duration::from_secs(60);
        self.deliver_by("s@x", recipients, text, deadline)
    }

    fn mailbox(&self, name: &str) -> Mailbox {
        let home = Home::at(self.folder.path().to_owned());
        let accounts = Accounts::open(&home, vec![b"h".to_vec()]).expect("opened");
        let targets = targets(&accounts, &[name.into()]).expect("known");
        targets[0].mailbox.clone()
    }

    /// One file in `new` of a user.
    fn mail_file(&self, name: &str) -> PathBuf {
        files(&self.path(name).join("Maildir/new")).remove(0)
    }

    /// The texts in `new` of a user, and whether `tmp` is empty.
    fn mail(&self, name: &str) -> Vec<String> {
        let maildir = self.path(name).join("Maildir");
        assert_eq!(files(&maildir.join("tmp")).len(), 0, "tmp of {name}");
        let texts = files(&maildir.join("new")).into_iter();
        texts
            .map(|path| fs::read_to_string(path).expect("readable"))
            .collect()
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return vec![];
    };
    entries
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

#[test]
fn a_message_arrives_with_its_two_lines_on_top_and_the_size_in_its_name() {
    let house = House::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    let done = house.deliver_by("joe blow@x", &["Joe@H"], "A: b\n\nc\n", deadline);
    let done = done.expect("delivered");
    let expected = "Return-Path: <\"joe blow\"@x>\nDelivered-To: Joe@H\nA: b\n\nc\n";
    assert_eq!(house.mail("joe"), [expected]);
    let name = done[0].message.path.display().to_string();
    assert!(name.ends_with(&format!(",S={}", expected.len())), "{name}");
    assert_eq!(done[0].recipient, b"Joe@H");
}

#[test]
fn each_mailbox_gets_one_copy() {
    let house = House::new();
    fs::write(house.path("aliases"), "all: joe, ann\n").expect("written");
    let recipients = ["joe@h", "all@h", "joe", "joe-x@h", "ann@h"];
    assert_eq!(
        house.deliver(&recipients, "x\n").expect("delivered").len(),
        2
    );
    assert_eq!(
        house.mail("joe"),
        ["Return-Path: <s@x>\nDelivered-To: joe@h\nx\n"]
    );
    assert_eq!(
        house.mail("ann"),
        ["Return-Path: <s@x>\nDelivered-To: all@h\nx\n"]
    );
}

#[test]
fn when_one_recipient_fails_nobody_gets_anything() {
    let cases = [
        (
            "nobody@h",
            Code::Refused,
            "recipient nobody@h has no mailbox here",
        ),
        (
            "joe@elsewhere",
            Code::Refused,
            "recipient joe@elsewhere is not of a local domain",
        ),
        ("bob@h", Code::Home, "belongs to user id"),
        ("eve@h", Code::Home, "eve: file does not exist"),
        (
            "wrong@h",
            Code::Configuration,
            "its target |x is no mail address",
        ),
    ];
    for (recipient, code, reason) in cases {
        let house = House::new();
        fs::write(house.path("aliases"), "wrong: |x\n").expect("written");
        let failure = house
            .deliver(&["joe@h", recipient], "x\n")
            .expect_err("refused");
        assert_eq!(failure.code, code, "{recipient}");
        assert!(failure.reason.contains(reason), "{failure}");
        assert!(house.mail("joe").is_empty(), "{recipient}");
    }
}

#[test]
fn a_failure_while_writing_the_second_copy_takes_the_first_one_back() {
    let house = House::new();
    house
        .deliver(&["joe@h", "ann@h"], "1\n")
        .expect("delivered");
    let tmp = house.path("ann").join("Maildir/tmp");
    fs::remove_dir(&tmp).expect("removed");
    fs::write(&tmp, "").expect("a file in its place");
    let failure = house
        .deliver(&["joe@h", "ann@h"], "2\n")
        .expect_err("no tmp");
    assert!(failure.reason.contains("ann/Maildir"), "{failure}");
    assert_eq!(house.mail("joe").len(), 1);
}

#[test]
fn a_failure_while_linking_takes_everything_back() {
    use std::os::unix::fs::PermissionsExt;
    if os::identity::effective_uid() == 0 {
        // Root may link into anything; `maildir` tests the same step with a `new` that is missing.
        return;
    }
    let house = House::new();
    house
        .deliver(&["joe@h", "ann@h"], "1\n")
        .expect("delivered");
    let new = house.path("ann").join("Maildir/new");
    fs::set_permissions(&new, PermissionsExt::from_mode(0o500)).expect("set");
    let failure = house
        .deliver(&["joe@h", "ann@h"], "2\n")
        .expect_err("not writable");
    assert!(failure.reason.starts_with("unable to link "), "{failure}");
    assert_eq!(house.mail("joe").len(), 1);
}

#[test]
fn a_message_that_was_here_before_is_refused_for_good() {
    let house = House::new();
    let text = "Delivered-To: ann@h\nA: b\n\n";
    let failure = house
        .deliver(&["joe@h", "ann@h"], text)
        .expect_err("a loop");
    assert_eq!(failure.code, Code::Refused);
    assert!(
        failure.reason.ends_with("it has Delivered-To: ann@h"),
        "{failure}"
    );
    assert!(house.mail("joe").is_empty());
    house.deliver(&["joe@h"], text).expect("no loop for joe");
}

#[test]
fn nothing_is_written_after_the_time_is_over() {
    let house = House::new();
    let failure = house
        .deliver_by("", &["joe@h"], "x\n", Instant::now())
        .expect_err("late");
    assert_eq!(failure.code, Code::Timeout);
    assert!(house.mail("joe").is_empty());
}

#[test]
fn a_missing_maildir_is_made_only_in_the_users_own_home() {
    let house = House::new();
    if os::identity::effective_uid() != 0 {
        // Only root can give the home to somebody else.
        return;
    }
    std::os::unix::fs::chown(house.path("joe"), Some(house.uid + 1), None).expect("root may");
    let failure = house.deliver(&["joe@h"], "x\n").expect_err("not joe's");
    assert_eq!(failure.code, Code::Home);
    assert!(
        failure.reason.contains("is no directory that belongs to"),
        "{failure}"
    );
}

#[test]
fn an_extension_goes_to_the_folder_that_is_there() {
    let house = House::new();
    house.deliver(&["joe-lists@h"], "1\n").expect("delivered");
    assert_eq!(house.mail("joe").len(), 1);
    let folder = house.path("joe").join("Maildir/.lists");
    Maildir::at(folder.clone()).create().expect("made");
    if os::identity::effective_uid() == 0 {
        let parts = ["", "tmp", "new", "cur"].map(|part| folder.join(part));
        for path in parts {
            std::os::unix::fs::chown(path, Some(house.uid), None).expect("root may");
        }
    }
    house.deliver(&["joe-lists@h"], "2\n").expect("delivered");
    assert_eq!(house.mail("joe").len(), 1);
    assert_eq!(files(&folder.join("new")).len(), 1);
}

#[test]
fn a_large_message_arrives_whole() {
    let house = House::new();
    let text = "0123456789abcde\n".repeat(40_000);
    house
        .deliver(&["joe@h", "ann@h"], &text)
        .expect("delivered");
    for name in ["joe", "ann"] {
        assert!(house.mail(name)[0].ends_with(&text));
    }
}

#[test]
fn a_maildir_with_a_link_in_it_or_a_home_of_somebody_elses_gets_nothing() {
    let house = House::new();
    house.deliver(&["ann"], "first").expect("delivered");
    house.deliver(&["joe"], "first").expect("delivered");
    let tmp = house.path("joe/Maildir/tmp");
    fs::remove_dir(&tmp).expect("empty");
    std::os::unix::fs::symlink(house.path("ann/Maildir/cur"), &tmp).expect("a link");
    let failure = house.deliver(&["joe"], "second").expect_err("refused");
    assert_eq!(failure.code, Code::Home);
    assert!(
        failure
            .reason
            .contains("Maildir/tmp is no directory that belongs"),
        "{failure:?}"
    );
    assert_eq!(files(&house.path("ann/Maildir/cur")).len(), 0);
}

impl House {
    fn control(&self, name: &str, text: &str) {
        fs::write(self.path("control").join(name), text).expect("written");
    }

    fn give(&self, path: &Path) {
        if os::identity::effective_uid() == 0 {
            std::os::unix::fs::chown(path, Some(self.uid), None).expect("root may");
        }
    }

    /// A folder of a user's Maildir.
    fn folder(&self, user: &str, name: &str) -> PathBuf {
        let folder = self.path(user).join("Maildir").join(name);
        fs::create_dir_all(&folder).expect("made");
        for part in ["tmp", "new", "cur"].map(|part| folder.join(part)) {
            fs::create_dir(&part).expect("made");
            self.give(&part);
        }
        self.give(&folder);
        folder
    }

    fn script(&self, user: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path(user).join("filter");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("written");
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("set");
        self.give(&path);
        self.control("filter", "filter\n");
    }

    /// Delivers again where a script is still open in a fork of another test.
    fn deliver_filtered(&self, recipients: &[&str]) -> Result<Vec<Delivery>, Failure> {
        loop {
            match self.deliver(recipients, "x\n") {
                Err(failure) if failure.reason.contains("text busy") => {}
                done => return done,
            }
        }
    }

    fn size_file(&self, user: &str) -> Option<String> {
        fs::read_to_string(self.path(user).join("Maildir/maildirsize")).ok()
    }
}

/// What a copy of `x` for joe takes.
const COPY: u64 = "Return-Path: <s@x>\nDelivered-To: joe@h\nx\n".len() as u64;

#[test]
fn a_message_that_does_not_fit_is_refused_for_good_and_nobody_gets_it() {
    let house = House::new();
    house.deliver(&["joe@h", "ann@h"], "x\n").expect("no quota");
    assert_eq!(
        house.size_file("joe"),
        None,
        "without a quota there is no file"
    );
    house.control("quota", &format!("{}S\n", 2 * COPY));
    house.deliver(&["joe@h", "ann@h"], "x\n").expect("it fits");
    let expected = format!("{}S\n{COPY} 1\n{COPY} 1\n", 2 * COPY);
    assert_eq!(house.size_file("joe"), Some(expected));
    house.folder("ann", ".lists");
    fs::remove_file(house.mail_file("ann")).expect("made room");
    let failure = house.deliver(&["ann@h", "joe@h"], "x\n").expect_err("full");
    assert_eq!(failure.code, Code::Refused);
    assert_eq!(
        failure.reply(),
        (true, "5.2.2", "mailbox of joe@h is full".to_owned())
    );
    assert!(failure.reason.contains("joe/Maildir is full"), "{failure}");
    assert_eq!(is_full(&house.mailbox("ann"), COPY).ok(), Some(false));
    assert_eq!((house.mail("joe").len(), house.mail("ann").len()), (2, 1));
    let failure = house.deliver(&["ann@h", "ann-lists@h"], "x\n");
    assert!(failure.is_err(), "both copies are ann's");
    house
        .deliver(&["ann-lists@h"], "x\n")
        .expect_err("a longer Delivered-To");
    house.deliver(&["ann@h"], "x\n").expect("one fits");
}

#[test]
fn what_was_thrown_away_does_not_count() {
    let house = House::new();
    house.control("quota", "1S\n");
    house.deliver(&["joe"], "x\n").expect_err("full");
    let joe = house.mailbox("joe");
    // As a directory that is at rest.
    for part in ["new", "cur"].map(|part| joe.inbox.join(part)) {
        let old = SystemTime::now() - Duration::from_secs(60);
        let dir = fs::File::open(part).expect("open");
        dir.set_modified(old).expect("aged");
    }
    assert_eq!(is_full(&joe, 2).ok(), Some(true));
    assert_eq!(is_full(&joe, 0).ok(), Some(false));
    let trash = house.folder("joe", ".Trash");
    let mailbox = Mailbox {
        maildir: trash,
        ..house.mailbox("joe")
    };
    assert_eq!(counted(&mailbox), None);
    let limits = counted(&house.mailbox("joe")).expect("one");
    assert_eq!((limits.bytes, limits.messages), (Some(1), None));
}

#[test]
fn a_filter_chooses_the_folder_if_that_is_there() {
    let house = House::new();
    house.script("joe", "echo Spam");
    house.deliver_filtered(&["joe", "ann"]).expect("delivered");
    assert_eq!(house.mail("joe").len(), 1, "there is no such folder");
    let spam = house.folder("joe", ".Spam");
    let done = house.deliver_filtered(&["joe", "ann"]).expect("delivered");
    assert_eq!((house.mail("joe").len(), house.mail("ann").len()), (1, 2));
    assert_eq!(files(&spam.join("new")), [done[0].message.path.clone()]);
}

#[test]
fn what_a_filter_has_taken_has_no_copy_and_others_get_theirs() {
    let house = House::new();
    house.script("joe", "cat >taken; exit 99");
    let done = house.deliver_filtered(&["joe", "ann"]).expect("delivered");
    assert!(house.mail("joe").is_empty());
    assert_eq!(house.mail("ann").len(), 1);
    let taken: Vec<bool> = done.iter().map(|delivery| delivery.taken).collect();
    assert_eq!(taken, [true, false]);
    assert_eq!(done[0].message.path, house.path("joe").join("filter"));
    let text = fs::read_to_string(house.path("joe").join("taken")).expect("taken");
    assert_eq!(text, "Return-Path: <s@x>\nDelivered-To: joe\nx\n");
}

#[test]
fn when_a_filter_refuses_or_breaks_nobody_gets_anything() {
    for (script, code) in [
        ("exit 100", Code::Refused),
        ("exit 111", Code::Deferred),
        ("kill -9 $$", Code::Deferred),
    ] {
        let house = House::new();
        house.script("ann", script);
        let failure = house.deliver_filtered(&["joe", "ann"]).expect_err(script);
        assert_eq!(failure.code, code, "{failure}");
        assert!(house.mail("joe").is_empty() && house.mail("ann").is_empty());
    }
}

#[test]
fn what_is_prepared_is_seen_by_nobody_and_dropped_it_is_gone() {
    let house = House::new();
    let (mut deliverer, mut prepared) = house.prepare(&["joe@h", "ann@h"], "text\n");
    prepared.promise().expect("room for the names");
    for name in ["joe", "ann"] {
        let maildir = house.path(name).join("Maildir");
        let count = |part: &str| files(&maildir.join(part)).len();
        assert_eq!((count("tmp"), count("new")), (1, 0));
    }
    assert_eq!(prepared.publish(&mut deliverer).expect("shown").len(), 2);
    assert_eq!((house.mail("joe").len(), house.mail("ann").len()), (1, 1));
    drop(house.prepare(&["joe@h", "ann@h"], "text\n"));
    assert_eq!((house.mail("joe").len(), house.mail("ann").len()), (1, 1));
}

#[test]
fn a_promise_is_kept_although_somebody_else_has_filled_the_mailbox_meanwhile() {
    for promised in [false, true] {
        let house = House::new();
        fs::write(house.path("control/quota"), "1C\n").expect("written");
        let (mut deliverer, mut prepared) = house.prepare(&["joe@h"], "text\n");
        if promised {
            prepared.promise().expect("room for the name");
        }
        house.deliver(&["joe@h"], "other\n").expect("room");
        let shown = prepared.publish(&mut deliverer);
        assert_eq!(shown.is_ok(), promised);
        assert_eq!(house.mail("joe").len(), 1 + usize::from(promised));
        let refused = house.deliver(&["joe@h"], "third\n").expect_err("full");
        assert_eq!(refused.code, Code::Refused);
    }
}
