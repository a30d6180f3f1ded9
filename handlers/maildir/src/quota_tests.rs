use super::*;
use crate::deliver::Maildir;
use crate::name::Host;

fn names() -> Names {
    Names::new(Host::new(b"h"), 1, os::process::random)
}

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

    fn fits(&self, limits: Limits, size: u64) -> bool {
        let more = usage(size, 1);
        fits(
            &self.inbox(),
            &limits,
            more,
            &mut names(),
            SystemTime::now(),
        )
        .expect("an answer")
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
    add(&place.inbox(), usage(60, 1));
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
    add(&place.inbox(), usage(1, 0));
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
    add(&place.inbox(), usage(1, 1));
    assert!(
        fs::symlink_metadata(&path).is_err(),
        "it could not be written to"
    );
    std::os::unix::fs::symlink("/dev/zero", &path).expect("a link");
    assert!(would_exceed(&place.inbox(), &limits(1, 0), 2).is_err());
    assert!(!place.fits(limits(1, 0), 2));
    assert_eq!(place.size_file().as_deref(), Some("1S\n0 0\n"));
    fs::remove_file(&path).expect("removed");
    add(&place.inbox(), usage(1, 1));
    assert_eq!(place.size_file(), None, "none is made by adding");
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
