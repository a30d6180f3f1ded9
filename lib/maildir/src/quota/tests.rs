use super::count::count_all;
use super::*;
use crate::deliver::Maildir;
use std::path::PathBuf;

/// A Maildir in a folder of its own.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place {
            folder: tempfile::tempdir().expect("a folder"),
        };
        Maildir::at(place.inbox()).create().expect("made");
        place
    }

    fn inbox(&self) -> PathBuf {
        self.folder.path().join("Maildir")
    }

    fn message(&self, path: &str, text: &str) {
        let path = self.inbox().join(path);
        let folder = path.parent().and_then(Path::parent).expect("a folder");
        Maildir::at(folder.to_owned()).create().expect("made");
        fs::write(path, text).expect("written");
    }

    fn size_file(&self) -> Option<String> {
        fs::read_to_string(self.inbox().join(FILE)).ok()
    }

    fn set_size_file(&self, text: &str) {
        fs::write(self.inbox().join(FILE), text).expect("written");
    }

    /// Lets all that is there be as old as this.
    fn age(&self, path: &str, age: Duration) {
        let file = File::open(self.inbox().join(path)).expect("open");
        file.set_modified(SystemTime::now() - age).expect("aged");
    }

    fn account(&self, limits: Limits) -> Account {
        Account::new(self.inbox(), Some(limits))
    }

    fn fits(&self, limits: Limits, size: u64) -> bool {
        match self
            .account(limits)
            .fits(usage(size, 1))
            .expect("an answer")
        {
            Fit::Fits => true,
            Fit::Full => false,
            Fit::NoQuota => panic!("there is a quota"),
        }
    }

    /// A delivery.
    fn add(&self, limits: Limits, more: Usage) -> bool {
        let mut entry = self.account(limits).begin().expect("a quota");
        let is_taken = entry.reserve(more).expect("an answer");
        if is_taken {
            entry.settle(Change::more(more));
        }
        is_taken
    }

    fn would_exceed(&self, limits: Limits, size: u64) -> bool {
        would_exceed(&self.inbox(), &limits, size).expect("an answer")
    }
}

fn usage(bytes: u64, messages: u64) -> Usage {
    Usage { bytes, messages }
}

fn limits(bytes: u64, messages: u64) -> Limits {
    let some = |number| Some(number).filter(|&number| number > 0);
    Limits {
        bytes: some(bytes),
        messages: some(messages),
    }
}

#[test]
fn a_file_is_its_quota_and_the_sum_of_its_lines() {
    let sum = Sum::parse(b"1000S,10C\n500 5\n 100  1\n-50 -1\n").expect("understood");
    assert_eq!(sum.limits, limits(1000, 10));
    assert_eq!((sum.usage, sum.lines), (usage(550, 5), 3));
    for (text, expected) in [
        ("10C\n0 0\n", limits(0, 10)),
        ("10C,1000S\n0 0\n", limits(1000, 10)),
        ("0S,10C\n0 0\n", limits(0, 10)),
        ("0S\n0 0\n", limits(0, 0)),
    ] {
        assert_eq!(Sum::parse(text.as_bytes()).expect(text).limits, expected);
    }
}

#[test]
fn what_is_torn_or_nonsense_is_not_understood() {
    for text in [
        "",
        "\n",
        "1000S",
        "1000S\n",
        "1000S\n5 1",
        "1000S\n5\n",
        "1000S\n5 1 2\n",
        "1000S\n5 1\n\n",
        "1000S\n5 1\n\0\0\0\0\n",
        "1000S\n-5 1\n",
        "1000S\n5 -1\n",
        "1000S\n5 x\n",
        "1000S\n99999999999999999999 1\n",
        "1000S\n9223372036854775807 1\n1 1\n",
        "1000\n5 1\n",
        "1000X\n5 1\n",
        "-1S\n5 1\n",
    ] {
        assert_eq!(Sum::parse(text.as_bytes()), None, "{text:?}");
    }
}

#[test]
fn what_is_written_is_read_the_same() {
    for limits in [limits(0, 0), limits(7, 0), limits(0, 7), limits(7, 8)] {
        let text = to_text(limits, usage(5, 1));
        let sum = Sum::parse(&text).expect("understood");
        assert_eq!((sum.limits, sum.usage, sum.lines), (limits, usage(5, 1), 1));
    }
}

#[test]
fn without_a_file_everything_is_counted_but_trash() {
    let place = Place::new();
    place.message("new/1.a,S=100", "x");
    place.message("cur/2.a,S=200,W=210:2,S", "x");
    place.message("cur/3.a:2,", "12345");
    place.message("cur/4.a,S=1000:2,ST", "x");
    place.message(".Sent.2026/cur/5.a,S=300:2,", "x");
    place.message(".Trash/cur/6.a,S=1000:2,", "x");
    place.message("tmp/7.a,S=1000", "x");
    place.message("new/.hidden", "x");
    assert!(place.fits(limits(605 + 10, 0), 10));
    assert_eq!(place.size_file().as_deref(), Some("615S\n605 4\n"));
    assert!(!place.fits(limits(605 + 10, 0), 11));
    assert!(place.fits(limits(0, 5), 1));
    assert!(!place.fits(limits(0, 4), 1));
    assert_eq!(place.size_file().as_deref(), Some("4C\n605 4\n"));
}

#[test]
fn a_delivery_adds_a_line_and_the_sum_is_believed() {
    let place = Place::new();
    assert!(place.fits(limits(100, 0), 60));
    assert!(place.add(limits(100, 0), usage(60, 1)));
    assert_eq!(place.size_file().as_deref(), Some("100S\n0 0\n60 1\n"));
    assert!(place.fits(limits(100, 0), 40));
    // Nothing is there in truth, so what is over by the file alone fits after counting.
    assert!(place.fits(limits(100, 0), 41));
    assert_eq!(place.size_file().as_deref(), Some("100S\n0 0\n"));
}

#[test]
fn a_file_that_is_of_no_use_is_made_anew() {
    let long = format!("100S\n{}", "1 0\n".repeat(1279));
    assert_eq!(long.len() as u64, SIZE_LIMIT + 1);
    for text in ["", "100S\n90 1", "200S\n90 1\n", "nonsense", long.as_str()] {
        let place = Place::new();
        place.set_size_file(text);
        assert!(place.fits(limits(100, 0), 5), "{text}");
        assert_eq!(place.size_file().as_deref(), Some("100S\n0 0\n"), "{text}");
    }
    let place = Place::new();
    let most = format!("1000S\n{}1  0\n", "1 0\n".repeat(1277));
    assert_eq!(most.len() as u64, SIZE_LIMIT - 1);
    place.set_size_file(&most);
    assert!(place.fits(limits(1000 * 1000, 0), 5));
    place.set_size_file(&most.replace("1000S", "10000S"));
    assert!(place.fits(limits(10_000, 0), 5));
    assert!(
        place.size_file().expect("there").len() > 5000,
        "a file of the limit is believed"
    );
}

#[test]
fn a_sum_over_the_quota_is_believed_only_fresh_alone_and_at_rest() {
    let quota = limits(100, 0);
    let hour = Duration::from_secs(60 * 60);
    let full = || {
        let place = Place::new();
        for part in ["new", "cur"] {
            place.age(part, hour);
        }
        place.set_size_file("100S\n100 1\n");
        place
    };
    let place = full();
    assert!(!place.fits(quota, 1), "counted just now");
    assert!(place.would_exceed(quota, 1));
    assert!(!place.would_exceed(quota, 0));
    place.age(FILE, FRESH - Duration::from_secs(5));
    assert!(!place.fits(quota, 1), "still fresh");
    place.age(FILE, FRESH + Duration::from_secs(5));
    assert!(!place.would_exceed(quota, 1), "too old to tell");
    assert!(place.fits(quota, 1), "counted again");

    let place = full();
    place.set_size_file("100S\n100 1\n1 0\n");
    assert!(!place.would_exceed(quota, 1), "several lines");
    assert!(place.fits(quota, 1), "several lines");

    let place = full();
    place.age("cur", Duration::ZERO);
    assert!(!place.would_exceed(quota, 1), "something was removed");
    assert!(place.fits(quota, 1), "something was removed");

    let place = full();
    place.message(".Sent/new/1.a,S=3", "x");
    assert!(place.fits(quota, 97), "a folder has changed");
    assert_eq!(place.size_file().as_deref(), Some("100S\n3 1\n"));
}

#[test]
fn the_question_at_rcpt_writes_nothing_and_is_no_without_a_file() {
    let place = Place::new();
    place.message("new/1.a,S=1000", "x");
    assert!(!place.would_exceed(limits(100, 0), 1));
    assert_eq!(place.size_file(), None);
    place.set_size_file("5000S\n1000 1\n");
    assert!(!place.would_exceed(limits(100, 0), 1), "of another quota");
}

#[test]
fn a_file_that_is_no_file_hangs_nobody_and_goes() {
    let place = Place::new();
    let path = place.inbox().join(FILE);
    std::os::unix::fs::symlink("/dev/zero", &path).expect("a link");
    assert!(would_exceed(&place.inbox(), &limits(1, 0), 2).is_err());
    assert!(!place.fits(limits(1, 0), 2));
    assert_eq!(place.size_file().as_deref(), Some("1S\n0 0\n"));
    fs::remove_file(&path).expect("removed");
    std::os::unix::fs::symlink("/dev/zero", &path).expect("a link");
    assert!(Account::new(place.inbox(), None).begin().is_none());
    assert!(place.add(limits(1, 0), usage(1, 1)));
    assert_eq!(place.size_file().as_deref(), Some("1S\n0 0\n1 1\n"));
}

#[test]
fn without_a_quota_no_file_is_made_and_one_that_is_there_is_left_alone() {
    let place = Place::new();
    assert!(Account::new(place.inbox(), None).begin().is_none());
    assert!(place.account(Limits::default()).begin().is_none());
    assert_eq!(place.size_file(), None);
    for text in ["100S\n5 1\n", "nonsense\n5 1\n"] {
        place.set_size_file(text);
        assert!(place.account(Limits::default()).begin().is_none());
        let mut entry = Account::new(place.inbox(), None).begin().expect("a file");
        assert!(entry.reserve(usage(5, 1)).expect("an answer"));
        drop(entry);
        let lines = place.size_file().expect("there");
        assert!(lines.starts_with(text), "{lines}");
    }
}

#[test]
fn the_first_line_is_the_quota_of_who_knows_no_other() {
    for text in ["100S\n0 0\n", "100S\n", "100S\nnonsense\n", "100S\n-5 -1\n"] {
        let place = Place::new();
        place.set_size_file(text);
        let account = Account::new(place.inbox(), None);
        assert_eq!(
            account.fits(usage(101, 1)).expect("an answer"),
            Fit::Full,
            "{text}"
        );
        assert_eq!(
            account.fits(usage(100, 1)).expect("an answer"),
            Fit::Fits,
            "{text}"
        );
        assert_eq!(place.size_file().as_deref(), Some("100S\n0 0\n"), "{text}");
    }
    let place = Place::new();
    place.set_size_file(&format!("100S\n{}", "1 0\n".repeat(2_000_000)));
    let account = Account::new(place.inbox(), None);
    assert_eq!(account.fits(usage(101, 1)).expect("an answer"), Fit::Full);
}

#[test]
fn what_was_noted_and_not_done_is_taken_back() {
    let place = Place::new();
    let quota = limits(100, 0);
    place.set_size_file("100S\n0 0\n");
    let mut entry = place.account(quota).begin().expect("a quota");
    assert!(entry.reserve(usage(60, 1)).expect("an answer"));
    assert_eq!(place.size_file().as_deref(), Some("100S\n0 0\n60 1\n"));
    drop(entry);
    assert_eq!(
        place.size_file().as_deref(),
        Some("100S\n0 0\n60 1\n-60 -1\n")
    );
    let entry = place.account(quota).begin().expect("a quota");
    entry.settle(Change::less(usage(7, 2)));
    assert!(place.size_file().expect("there").ends_with("\n-7 -2\n"));
}

#[test]
fn of_two_that_come_for_the_last_place_one_gets_it() {
    let place = Place::new();
    place.set_size_file("10C\n0 0\n");
    let taken = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let (place, taken) = (&place, &taken);
            scope.spawn(move || {
                for n in 0..4 {
                    let mut entry = place.account(limits(0, 10)).begin().expect("a quota");
                    if !entry.reserve(usage(5, 1)).expect("an answer") {
                        continue;
                    }
                    let name = place.inbox().join(format!("new/{worker}.{n},S=5"));
                    fs::write(name, "12345").expect("written");
                    entry.settle(Change::more(usage(5, 1)));
                    taken.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                }
            });
        }
    });
    // Some may have been refused for one that was refused itself, never the other way.
    let taken = taken.into_inner();
    assert!((9..=10).contains(&taken), "{taken}");
    assert_eq!(
        count_all(&place.inbox()).expect("counted"),
        usage(5 * taken as u64, taken as u64)
    );
    let sum = Sum::parse(place.size_file().expect("there").as_bytes()).expect("understood");
    assert_eq!(sum.usage, usage(5 * taken as u64, taken as u64));
}

#[test]
fn counts_and_changes_at_once_leave_the_sum_that_a_count_finds() {
    let place = Place::new();
    let quota = limits(1_000_000, 0);
    place.set_size_file("1000000S\n0 0\n");
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let place = &place;
            scope.spawn(move || {
                for n in 0..150 {
                    let path = place.inbox().join(format!("new/{worker}.{n},S=5"));
                    let mut entry = place.account(quota).begin().expect("a quota");
                    assert!(entry.reserve(usage(5, 1)).expect("an answer"));
                    fs::write(&path, "12345").expect("written");
                    entry.settle(Change::more(usage(5, 1)));
                    if n % 3 == 0 {
                        let entry = place.account(quota).begin().expect("a quota");
                        fs::remove_file(&path).expect("removed");
                        entry.settle(Change::less(usage(5, 1)));
                    }
                    if n % 10 == worker {
                        // Too much: everything is counted.
                        assert!(!place.fits(quota, 1_000_001));
                    }
                }
            });
        }
    });
    let sum = Sum::parse(place.size_file().expect("there").as_bytes()).expect("understood");
    assert_eq!(sum.usage, usage(5 * 400, 400));
    assert_eq!(count_all(&place.inbox()).expect("counted"), sum.usage);
}

#[test]
fn a_file_that_was_removed_meanwhile_is_made_anew_only_by_who_knows_the_quota() {
    for (given, expected) in [(None, None), (Some(limits(100, 0)), Some("100S\n5 1\n"))] {
        let place = Place::new();
        place.set_size_file("100S\n0 0\n");
        let account = Account::new(place.inbox(), given);
        let mut entry = account.begin().expect("a quota");
        assert!(entry.reserve(usage(5, 1)).expect("an answer"));
        place.message("new/1.a,S=5", "12345");
        fs::remove_file(place.inbox().join(FILE)).expect("removed");
        entry.settle(Change::more(usage(5, 1)));
        assert_eq!(place.size_file().as_deref(), expected);
    }
}

#[test]
fn removals_alone_do_not_let_the_file_grow_for_ever() {
    let place = Place::new();
    place.set_size_file(&format!("100S\n{}5000 500\n", "1 0\n".repeat(1260)));
    for _ in 0..20 {
        let entry = place.account(limits(100, 0)).begin().expect("a quota");
        entry.settle(Change::less(usage(5, 1)));
    }
    let text = place.size_file().expect("there");
    assert!(
        text.starts_with("100S\n0 0\n") && text.len() < 200,
        "{text}"
    );
}

#[test]
fn a_folder_belongs_to_the_maildir_above_it_and_trash_to_none() {
    let place = Place::new();
    let inbox = place.inbox();
    for folder in [".Sent", ".Trash"] {
        Maildir::at(inbox.join(folder)).create().expect("made");
        fs::write(inbox.join(folder).join("maildirfolder"), "").expect("written");
    }
    let of = |dir: &Path| Account::of_folder(dir).map(|account| account.inbox().to_owned());
    assert_eq!(of(&inbox), Some(inbox.clone()));
    assert_eq!(of(&inbox.join(".Sent")), Some(inbox.clone()));
    assert_eq!(of(&inbox.join(".Trash")), None);
    // A Maildir with a dot before its name.
    assert_eq!(of(&inbox.join(".mail")), Some(inbox.join(".mail")));
}

#[test]
fn where_no_file_can_be_written_the_answer_is_right_nonetheless() {
    let place = Place::new();
    place.message("new/1.a,S=50", "x");
    fs::remove_dir(place.inbox().join("tmp")).expect("removed");
    assert!(place.fits(limits(60, 0), 10));
    assert!(!place.fits(limits(60, 0), 11));
    assert_eq!(place.size_file(), None);
}
