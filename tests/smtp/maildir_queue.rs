//! maildir-queue by its interface: two pipes, an exit code, and what is in the Maildirs after it,
//! also when it is killed or the disk is full.

use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

use kit::disk::SmallDisk;
use kit::smtp::House;
use kit::{is_root, note_left_out, soak};

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
        let file = kit::place::files(&house.path(user).join("Maildir/new")).remove(0);
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

#[test]
fn on_a_full_disk_nothing_is_left_and_mail_comes_again_when_there_is_room() {
    if !is_root() {
        note_left_out("a full disk", "needs root");
        return;
    }
    let house = House::new();
    let Some(_disk) = SmallDisk::mount(&house.path("ann"), "size=128k") else {
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

/// With descriptor 6 as `six` says in the shell; what is written to a pipe stands in the log, and so
/// does `code=`.
fn deliver_with_six(house: &House, six: &str, envelope: &[u8]) -> String {
    let text = format!("exec 7<&1; {{ \"$0\" {six} 1<&7 7<&-; echo code=$? >&2; }} | cat >&2");
    let mut queue = house.queue(&["/bin/sh", "-c", &text]);
    queue.feed(b"Subject: x\n\ny\n", envelope);
    queue.end().1
}

#[test]
fn what_concerns_the_client_is_told_on_descriptor_6_where_that_is_a_pipe() {
    let house = House::new();
    house.control("quota", "10S");
    let full = b"Fs@x\0Tjoe@here.test\0\0";
    let log = deliver_with_six(&house, "6>&1", full);
    assert!(
        log.contains("Dmailbox of joe@here.test is full (#5.2.2)"),
        "{log}"
    );
    assert!(log.contains("code=82\n"), "{log}");
    assert!(
        log.contains(" code=31 "),
        "the log has the plain code: {log}"
    );
    let log = deliver_with_six(&house, "6>&1", b"Fs@x\0Tbob@here.test\0\0");
    assert!(
        log.contains("Drecipient bob@here.test has no mailbox here (#5.1.1)"),
        "{log}"
    );
    let log = deliver_with_six(&house, "6>&-", full);
    assert!(
        log.contains("code=31\n") && !log.contains("Dmailbox"),
        "{log}"
    );
    let file = house.own_dir("six").join("file");
    fs::write(&file, "kept").unwrap();
    house.give(&file);
    let log = deliver_with_six(&house, &format!("6>>{}", file.display()), full);
    assert!(log.contains("code=31\n"), "{log}");
    assert_eq!(fs::read(&file).unwrap(), b"kept");
    // What concerns only the administrator is not told.
    fs::write(house.path("home/users"), "joe:nonsense\n").unwrap();
    let log = deliver_with_six(&house, "6>&1", full);
    assert!(log.contains("code=55\n") && !log.contains("(#"), "{log}");
}

#[test]
fn over_the_quota_nothing_is_delivered_and_after_making_room_it_is() {
    let house = House::new();
    house.control("quota", "2C");
    for count in 1..=2 {
        assert_eq!(deliver(&house, b"x\n", ENVELOPE).0, Some(0));
        assert_eq!(house.mail("joe").len(), count);
    }
    let (code, log) = deliver(&house, b"x\n", ENVELOPE);
    assert_eq!(code, Some(31), "{log}");
    assert!(log.contains("/Maildir is full"), "{log}");
    let size_file = house.path("ann/Maildir/maildirsize");
    assert!(fs::read_to_string(&size_file).unwrap().starts_with("2C\n"));
    for user in ["joe", "ann"] {
        assert_eq!(house.mail(user).len(), 2);
        assert!(house.unfinished(user).is_empty());
        let file = kit::place::files(&house.path(user).join("Maildir/new")).remove(0);
        fs::remove_file(file).unwrap();
    }
    // Written by a careless editor, or half of it lost in a crash: counted again.
    fs::write(&size_file, "2C\n999 9").unwrap();
    assert_eq!(deliver(&house, b"x\n", ENVELOPE).0, Some(0));
    assert_eq!(house.mail("ann").len(), 2);
}

#[test]
fn a_filter_runs_as_the_owner_and_finds_nothing_open_but_its_three_descriptors() {
    let house = House::new();
    let filter = house.path("joe/.mail-filter");
    kit::script(
        &filter,
        "#!/bin/sh\nid -u >id\nls -l /proc/$$/fd >fds\ncat >message\necho to the log >&2\n",
    );
    house.give(&filter);
    house.control("filter", ".mail-filter");
    let open = "exec 5<&0 8<&1 9>/dev/null; exec \"$0\"";
    let mut queue = house.queue(&["/bin/sh", "-c", open]);
    queue.feed(b"Subject: x\n\ny\n", ENVELOPE);
    let (code, log) = queue.end();
    assert_eq!(code, Some(0), "{log}");
    // The log is not his to write to.
    assert!(!log.contains("to the log"), "{log}");
    let said = |name: &str| fs::read_to_string(house.path("joe").join(name)).unwrap();
    assert_eq!(said("id").trim(), house.user.to_string());
    assert_eq!(said("message"), house.mail("joe")[0]);
    let fds = said("fds");
    let number = |line: &str| {
        let (head, _) = line.split_once(" -> ")?;
        head.rsplit(' ').next()?.parse::<u32>().ok()
    };
    let mut numbers: Vec<u32> = fds.lines().filter_map(number).collect();
    numbers.sort_unstable();
    // The shell has its script open at 10.
    numbers.retain(|&number| number < 10);
    assert_eq!(numbers, [0, 1, 2], "{fds}");
    assert!(fds.contains("Maildir/tmp/"), "the message is a file: {fds}");
}

#[test]
fn a_filter_can_neither_empty_the_log_nor_write_lines_into_it() {
    let house = House::new();
    let filter = house.path("joe/.mail-filter");
    let script =
        "#!/bin/sh\n: >/proc/self/fd/2\nprintf 'bad\\nsmtpd: fail ip=192.0.2.1 x' >&2\nexit 111\n";
    kit::script(&filter, script);
    house.give(&filter);
    house.control("filter", ".mail-filter");
    let log = house.path("joe/log");
    fs::write(&log, "before\n").unwrap();
    house.give(&log);
    let to_file = format!("exec \"$0\" 2>>'{}'", log.display());
    let mut queue = house.queue(&["/bin/sh", "-c", &to_file]);
    queue.feed(b"x\n", ENVELOPE);
    assert_eq!(queue.end().0, Some(71));
    let lines = fs::read_to_string(&log).unwrap();
    assert!(lines.starts_with("before\nmaildir-queue: fail "), "{lines}");
    assert_eq!(lines.lines().count(), 2, "{lines}");
    assert!(lines.contains("it said: bad\\nsmtpd: fail"), "{lines}");
}

#[test]
fn a_filter_that_has_taken_the_message_stands_in_the_log() {
    let house = House::new();
    let filter = house.path("filter");
    kit::script(&filter, "#!/bin/sh\ntest \"$USER\" = ann || exit 99\n");
    house.control("filter", &filter.display().to_string());
    let (code, log) = deliver(&house, b"x\n", ENVELOPE);
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("maildir-queue: filter qp="), "{log}");
    assert!(log.contains(&format!("file={}", filter.display())), "{log}");
    assert!(house.mail("joe").is_empty() && house.unfinished("joe").is_empty());
    assert_eq!(house.mail("ann").len(), 1);
}

/// The largest anonymous memory of a process, in kB, as long as it lives.
fn anonymous(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find(|line| line.starts_with("Anonymous:"))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[test]
fn a_message_of_100_mb_takes_at_most_4_mb_of_memory() {
    let house = House::new();
    let mut queue = house.queue(&[]);
    let pid = queue.child.id();
    let mut message = queue.message.take().unwrap();
    let mut envelope = queue.envelope.take().unwrap();
    let feeder = std::thread::spawn(move || {
        let line = b"0123456789abcde\n".repeat(65_536);
        for _ in 0..100 {
            message.write_all(&line).unwrap();
        }
        drop(message);
        envelope.write_all(ENVELOPE).unwrap();
    });
    let mut most = 0;
    while queue.child.try_wait().unwrap().is_none() {
        most = most.max(anonymous(pid).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(2));
    }
    feeder.join().unwrap();
    let (code, log) = queue.end();
    assert_eq!(code, Some(0), "{log}");
    let file = kit::place::files(&house.path("ann/Maildir/new")).remove(0);
    assert!(fs::metadata(file).unwrap().len() > 100 << 20);
    println!("at most {most} kB anonymous");
    assert!(most > 0 && most <= 4096, "{most} kB");
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
