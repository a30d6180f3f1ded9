//! maildir-queue by its interface: two pipes, an exit code, and what is in the Maildirs after it,
//! also when it is killed or the disk is full.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::mail::House;
use crate::support::{Run, is_root, note_left_out, soak};

const ENVELOPE: &[u8] = b"Fs@x\0Tjoe@here.test\0Tann@here.test\0\0";

fn deliver(house: &House, message: &[u8], envelope: &[u8]) -> (Option<i32>, String) {
    let mut queue = house.queue(&[]);
    queue.feed(message, envelope);
    queue.end()
}

#[test]
fn each_recipient_gets_the_message_and_the_log_says_where_it_is() {
    let house = House::new();
    let (code, log) = deliver(&house, b"Subject: x\n\ny\n", ENVELOPE);
    assert_eq!(code, Some(0), "{log}");
    let text =
        |to: &str| format!("Return-Path: <s@x>\nDelivered-To: {to}@here.test\nSubject: x\n\ny\n");
    assert_eq!(house.mail("joe"), [text("joe")]);
    assert_eq!(house.mail("ann"), [text("ann")]);
    for user in ["joe", "ann"] {
        let file = crate::mail::files(&house.path(user).join("Maildir/new")).remove(0);
        assert!(log.contains(&format!("file={}", file.display())), "{log}");
    }
}

#[test]
fn exit_codes_are_those_of_the_interface() {
    let house = House::new();
    let long = format!("Fs@x\0T{}@here.test\0\0", "x".repeat(1003));
    let cases: [(&[u8], i32); 7] = [
        (b"Fs@x\0Tnobody@here.test\0\0", 31),
        (b"Fs@x\0Tjoe@elsewhere.test\0\0", 31),
        (b"Fs@x\0Tjoe@here.test\0", 54),
        (b"", 54),
        (b"Tjoe@here.test\0\0", 91),
        (b"Fs@x\0\0", 91),
        (long.as_bytes(), 11),
    ];
    for (envelope, expected) in cases {
        let (code, log) = deliver(&house, b"x\n", envelope);
        assert_eq!(code, Some(expected), "{}: {log}", envelope.escape_ascii());
        assert!(log.starts_with("maildir-queue: fail qp="), "{log}");
    }
    assert!(house.mail("joe").is_empty());
}

#[test]
fn what_it_may_not_write_to_is_told_with_its_path_and_left_alone() {
    let house = House::new();
    assert_eq!(deliver(&house, b"1\n", ENVELOPE).0, Some(0));
    let closed = house.path("ann/Maildir/tmp");
    fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o500)).unwrap();
    let (code, log) = deliver(&house, b"2\n", ENVELOPE);
    assert_eq!(code, Some(63), "{log}");
    assert!(
        log.contains(&format!("unable to create {}", closed.display())),
        "{log}"
    );
    assert!(log.contains("access denied"), "{log}");
    assert_eq!((house.mail("joe").len(), house.mail("ann").len()), (1, 1));
    assert!(house.unfinished("joe").is_empty());
}

#[test]
fn root_delivers_nothing() {
    if !is_root() {
        note_left_out("maildir-queue as root", "needs root");
        return;
    }
    let mut house = House::new();
    let owner = house.user;
    (house.user, house.group) = (0, 0);
    let (code, log) = deliver(&house, b"x\n", ENVELOPE);
    assert_eq!(code, Some(61));
    let expected = format!("it belongs to user id {owner} and this program runs as 0");
    assert!(log.contains(&expected), "{log}");
    assert!(!house.path("joe/Maildir").exists());
}

/// With a limit for files of so many blocks of 512 bytes.
fn deliver_with_file_limit(house: &House, blocks: u32, message: &[u8]) -> (Option<i32>, String) {
    let text = format!("ulimit -f {blocks}; exec \"$0\"");
    let mut queue = house.queue(&["/bin/sh", "-c", &text]);
    queue.feed(message, ENVELOPE);
    queue.end()
}

#[test]
fn over_the_limit_of_file_sizes_nothing_is_left() {
    let house = House::new();
    assert_eq!(deliver(&house, b"first\n", ENVELOPE).0, Some(0));
    let (code, log) = deliver_with_file_limit(&house, 4, &b"0123456789abcde\n".repeat(1000));
    assert_eq!(code, Some(53), "{log}");
    assert!(log.contains("file too big"), "{log}");
    for user in ["joe", "ann"] {
        assert_eq!(house.mail(user).len(), 1);
        assert!(house.unfinished(user).is_empty(), "{user}");
    }
    // A message that does not stay in memory meets the limit in its spool file.
    let (code, log) = deliver_with_file_limit(&house, 4, &b"0123456789abcde\n".repeat(40_000));
    assert_eq!(code, Some(53), "{log}");
    assert!(
        log.contains("unable to write the spool file: file too big"),
        "{log}"
    );
    let (code, log) = deliver_with_file_limit(&house, 100, b"fits\n");
    assert_eq!(code, Some(0), "{log}");
}

/// A small file system, while this lives.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Option<SmallDisk> {
        let done = Run::new("mount")
            .args(["-t", "tmpfs", "-o", "size=128k,mode=0777", "superd-tests"])
            .arg(at)
            .done();
        if done.code != Some(0) {
            note_left_out("a full disk", done.err().trim_end());
            return None;
        }
        Some(SmallDisk(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let done = Run::new("umount").arg(&self.0).done();
        assert_eq!(done.code, Some(0), "{}", done.err());
    }
}

#[test]
fn on_a_full_disk_nothing_is_left_and_mail_comes_again_when_there_is_room() {
    if !is_root() {
        note_left_out("a full disk", "needs root");
        return;
    }
    let house = House::new();
    let Some(_disk) = SmallDisk::mount(&house.path("ann")) else {
        return;
    };
    house.give(&house.path("ann"));
    assert_eq!(deliver(&house, b"first\n", ENVELOPE).0, Some(0));
    let (code, log) = deliver(&house, &b"0123456789abcde\n".repeat(12_000), ENVELOPE);
    assert_eq!(code, Some(53), "{log}");
    assert!(log.contains("out of disk space"), "{log}");
    for user in ["joe", "ann"] {
        assert_eq!(house.mail(user).len(), 1, "{user}");
        assert!(house.unfinished(user).is_empty(), "{user}");
    }
    assert_eq!(deliver(&house, b"second\n", ENVELOPE).0, Some(0));
    assert_eq!((house.mail("joe").len(), house.mail("ann").len()), (2, 2));
}

fn text(round: u32) -> Vec<u8> {
    let body = "0123456789abcdef0123456789abcdef\n".repeat(2000);
    format!("Subject: {round}\n\n{body}end\n").into_bytes()
}

/// How long a delivery takes that is not disturbed.
fn undisturbed() -> Duration {
    let house = House::new();
    let mut times: Vec<Duration> = (0..5)
        .map(|round| {
            let started = Instant::now();
            assert_eq!(deliver(&house, &text(round), ENVELOPE).0, Some(0));
            started.elapsed()
        })
        .collect();
    times.sort();
    times[2]
}

fn kill_at_many_instants(rounds: u32) {
    let house = House::new();
    let span = undisturbed() * 3 / 2;
    let (mut killed, mut done) = (0, 0);
    for round in 0..rounds {
        let mut queue = house.queue(&[]);
        let started = Instant::now();
        let delay = span * (round * 7919 % rounds) / rounds;
        let mut message = queue.message.take().unwrap();
        let mut envelope = queue.envelope.take().unwrap();
        // It may be dead before it has read everything.
        let feeder = std::thread::spawn(move || {
            let _ = message.write_all(&text(round));
            drop(message);
            let _ = envelope.write_all(ENVELOPE);
        });
        while started.elapsed() < delay {
            std::hint::spin_loop();
        }
        let _ = queue.child.kill();
        feeder.join().unwrap();
        match queue.end().0 {
            Some(0) => done += 1,
            None => killed += 1,
            Some(code) => panic!("exit code {code}"),
        }
    }
    let whole = text(0).len();
    for user in ["joe", "ann"] {
        let mail = house.mail(user);
        // Killed after the link, it is there and was not promised: more is allowed, less is not.
        assert!(mail.len() >= done, "{user}: {} of {done}", mail.len());
        for text in &mail {
            assert!(
                text.len() >= whole && text.ends_with("\nend\n"),
                "not whole: {text}"
            );
        }
    }
    println!(
        "killed {killed}, done {done}, joe has {}",
        house.mail("joe").len()
    );
    assert!(killed > 0, "no kill came in time");
}

#[test]
fn whenever_it_is_killed_what_is_there_is_whole_and_what_was_promised_is_there() {
    kill_at_many_instants(60);
}

#[test]
fn soak_whenever_it_is_killed_what_is_there_is_whole() {
    if soak() {
        kill_at_many_instants(5000);
    }
}
