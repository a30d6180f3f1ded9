//! What pop3d does to a Maildir: all of it at QUIT, nothing in any other case, and whatever others do
//! there meanwhile.

use std::fs;
use std::time::{Duration, SystemTime};

use crate::mailbox::{Mailbox, OK, session_line};
use kit::{note_left_out, peer, signal};

/// What a message that another session removed gets.
const GONE: &str = "-ERR unable to open that message";

/// Three messages in `new`.
fn three() -> Mailbox {
    Mailbox::with(&["A: 1\n", "A: 2\n", "A: 3\n"])
}

const UNTOUCHED: [&str; 3] = ["new/1.a", "new/2.a", "new/3.a"];

#[test]
fn quit_removes_the_deleted_and_moves_the_others_to_cur() {
    let mailbox = three();
    for name in [
        "new/4.b:2,S",
        "cur/5.c",
        "cur/6.c:2,FS",
        "cur/7.c:2,",
        "new/8.d",
    ] {
        mailbox.put(name, "A: b\n");
    }
    let mut session = mailbox.session(&[]);
    session.dialogue(&[("DELE 2", OK), ("DELE 7", OK), ("DELE 8", OK)]);
    assert_eq!(mailbox.names().len(), 8, "nothing before QUIT");
    let log = session.quit();
    assert!(!log.contains(" fault "), "{log}");
    // What is in cur keeps its name; what has flags keeps them.
    assert_eq!(
        mailbox.names(),
        [
            "cur/1.a:2,",
            "cur/3.a:2,",
            "cur/4.b:2,S",
            "cur/5.c",
            "cur/6.c:2,FS"
        ]
    );
}

#[test]
fn quit_counts_where_the_client_sends_nothing_behind_it() {
    let mailbox = three();
    let mut session = mailbox.session(&[]);
    session.send("DELE 1\r\nQUIT\r\n");
    session.finish();
    let (code, log) = session.wait();
    assert_eq!(code, Some(0));
    assert!(session_line(&log).contains(" dele=1 "), "{log}");
    assert_eq!(mailbox.names(), ["cur/2.a:2,", "cur/3.a:2,"]);
}

#[test]
fn a_client_that_goes_away_has_changed_nothing() {
    // The last one is half a command.
    for input in ["DELE 1\r\n", "DELE 1\r\nRETR 2\r\n", "DELE 1\r\nQUIT"] {
        let mailbox = three();
        let log = mailbox.done(&[], input).err();
        assert!(session_line(&log).ends_with(" end=closed"), "{log}");
        assert_eq!(mailbox.names(), UNTOUCHED);
    }
}

#[test]
fn a_client_that_is_gone_when_its_quit_is_read_has_removed_nothing() {
    let mailbox = three();
    let mut session = mailbox.session(&[]);
    signal(session.pid(), "STOP");
    session.send("RETR 1\r\nDELE 1\r\nQUIT\r\n");
    let pid = session.pid();
    let going_on = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        signal(pid, "CONT");
    });
    let (code, log) = session.end();
    going_on.join().unwrap();
    assert_eq!(code, Some(0));
    assert!(session_line(&log).contains(" dele=0 "), "{log}");
    assert!(session_line(&log).ends_with(" end=closed"), "{log}");
    assert_eq!(mailbox.names(), UNTOUCHED);
}

#[test]
fn the_limit_of_file_sizes_keeps_no_message_from_being_removed() {
    let mailbox = three();
    let shell = "ulimit -f 0; exec \"$0\" Maildir";
    let run = mailbox.run("/bin/sh").args(["-c", shell]);
    let done = run
        .arg(kit::bin("pop3d"))
        .input("DELE 1\r\nQUIT\r\n")
        .done();
    assert_eq!(done.code, Some(0), "{}", done.err());
    assert_eq!(done.out(), "+OK \r\n+OK \r\n+OK \r\n");
    assert!(done.err().contains("unable to write "), "{}", done.err());
    assert_eq!(mailbox.names(), ["cur/2.a:2,", "cur/3.a:2,"]);
}

#[test]
fn of_two_files_of_one_name_none_is_removed_in_the_place_of_the_other() {
    let mailbox = Mailbox::new();
    let old = mailbox.put("cur/1.a:2,", "A: old\n");
    mailbox.put("new/1.a", "A: new\n");
    mailbox.date("new/1.a", Duration::from_secs(1_000_000_900));
    let mut second = mailbox.session(&[]);
    let mut first = mailbox.session(&[]);
    first.dialogue(&[("DELE 1", OK)]);
    first.quit();
    // The newer one has the name of the older one now.
    assert_eq!(fs::read(&old).unwrap(), b"A: new\n");
    second.dialogue(&[("RETR 1", GONE), ("DELE 1", OK)]);
    assert_eq!(second.message("RETR 2"), b"A: new\r\n.\r\n");
    second.quit();
    assert_eq!(mailbox.names(), ["cur/1.a:2,"]);
}

#[test]
fn a_session_that_is_killed_has_changed_nothing() {
    // Others may be ignored, as they were by whoever started the tests.
    for name in ["KILL", "TERM"] {
        let mailbox = three();
        let mut session = mailbox.session(&[]);
        session.dialogue(&[("DELE 1", OK), ("DELE 3", OK)]);
        signal(session.pid(), name);
        assert_eq!(session.rest(), b"");
        session.end();
        assert_eq!(mailbox.names(), UNTOUCHED, "{name}");
    }
}

#[test]
fn rset_takes_everything_back() {
    let mailbox = three();
    let mut session = mailbox.session(&[]);
    session.dialogue(&[("DELE 1", OK), ("DELE 3", OK), ("RSET", OK)]);
    session.quit();
    assert_eq!(mailbox.names(), ["cur/1.a:2,", "cur/2.a:2,", "cur/3.a:2,"]);
}

#[test]
fn a_message_whose_flags_others_change_is_sent_and_removed_under_its_new_name() {
    let mailbox = three();
    let mut session = mailbox.session(&[]);
    mailbox.rename("new/1.a", "cur/1.a:2,");
    mailbox.rename("new/2.a", "cur/2.a:2,S");
    assert_eq!(session.message("RETR 1"), b"A: 1\r\n.\r\n");
    mailbox.rename("cur/1.a:2,", "cur/1.a:2,RS");
    assert_eq!(session.message("RETR 2"), b"A: 2\r\n.\r\n");
    assert_eq!(session.message("TOP 1 0"), b"A: 1\r\n.\r\n");
    session.dialogue(&[("DELE 1", OK), ("DELE 2", OK), ("DELE 3", OK)]);
    mailbox.rename("cur/1.a:2,RS", "cur/1.a:2,FRS");
    mailbox.rename("new/3.a", "cur/3.a:2,");
    assert_eq!(
        session_line(&session.quit()),
        "ip=192.0.2.1 user=joe retr=2 top=1 dele=3 bytes=18 messages=3 end=quit"
    );
    assert_eq!(mailbox.names(), [""; 0]);
}

#[test]
fn a_message_that_others_removed_cannot_be_sent_and_counts_as_removed() {
    let mailbox = three();
    let mut session = mailbox.session(&[]);
    fs::remove_file(mailbox.path("new/1.a")).unwrap();
    fs::remove_file(mailbox.path("new/2.a")).unwrap();
    session.dialogue(&[
        ("RETR 1", GONE),
        ("TOP 1 0", GONE),
        ("LIST 1", "+OK 1 6"),
        ("DELE 1", OK),
    ]);
    let log = session.quit();
    assert!(!log.contains(" fault "), "{log}");
    assert_eq!(mailbox.names(), ["cur/3.a:2,"]);
}

#[test]
fn a_message_in_the_place_of_one_that_was_removed_is_not_touched_for_it() {
    let mailbox = three();
    let mut session = mailbox.session(&[]);
    fs::remove_file(mailbox.path("new/1.a")).unwrap();
    mailbox.put("new/9.late", "A: 9\n");
    session.dialogue(&[("DELE 1", OK), ("DELE 2", OK), ("DELE 3", OK)]);
    session.quit();
    assert_eq!(
        mailbox.names(),
        ["new/9.late"],
        "the late one was not in this session"
    );
}

#[test]
fn moving_to_cur_never_replaces_a_file() {
    let mailbox = Mailbox::with(&["A: new\n"]);
    mailbox.put("cur/1.a:2,", "A: cur\n");
    let session = mailbox.session(&[]);
    let log = session.quit();
    let fault = "reason=\"unable to move 1 messages from Maildir/new to Maildir/cur\"";
    assert!(log.contains(fault), "{log}");
    assert_eq!(mailbox.names(), ["cur/1.a:2,", "new/1.a"]);
    let read = |name: &str| fs::read_to_string(mailbox.path(name)).unwrap();
    assert_eq!(
        [read("cur/1.a:2,"), read("new/1.a")],
        ["A: cur\n", "A: new\n"]
    );
}

#[test]
fn a_quit_that_cannot_remove_everything_gets_one_reply_that_says_so() {
    let mailbox = Mailbox::new();
    for name in ["cur/1.a:2,", "cur/2.a:2,", "cur/3.a:2,", "new/4.a"] {
        mailbox.put(name, "A: b\n");
    }
    let mut session = mailbox.session(&[]);
    session.dialogue(&[("DELE 1", OK), ("DELE 2", OK), ("DELE 4", OK)]);
    mailbox.chmod("cur", 0o500);
    session.send("QUIT\r\n");
    let rest = String::from_utf8(session.rest()).unwrap();
    assert_eq!(rest, "-ERR [SYS/TEMP] 2 of 3 messages not removed\r\n");
    let (code, log) = session.end();
    assert_eq!(code, Some(0));
    assert!(session_line(&log).contains(" dele=1 "), "{log}");
    let fault = "unable to remove 2 messages from Maildir, the first of them 1.a: access denied";
    assert!(log.contains(fault), "{log}");
    mailbox.chmod("cur", 0o700);
    assert_eq!(mailbox.names(), ["cur/1.a:2,", "cur/2.a:2,", "cur/3.a:2,"]);
}

#[test]
fn two_sessions_at_once_each_see_all_and_what_one_removed_is_gone_for_the_other() {
    let mailbox = three();
    let mut first = mailbox.session(&[]);
    let mut second = mailbox.session(&[]);
    first.dialogue(&[("DELE 1", OK)]);
    second.dialogue(&[("STAT", "+OK 3 18"), ("DELE 2", OK)]);
    first.quit();
    assert_eq!(second.ask("RETR 1"), GONE);
    // It was moved to cur by the first one meanwhile.
    assert_eq!(second.message("RETR 3"), b"A: 3\r\n.\r\n");
    second.quit();
    assert_eq!(mailbox.names(), ["cur/3.a:2,"]);
}

#[test]
fn with_the_lock_a_second_session_is_told_that_the_mailbox_is_in_use() {
    let mailbox = three();
    let lock = [("POP3D_LOCK", "1")];
    let mut first = mailbox.session(&lock);
    let refused = mailbox.done(&lock, "STAT\r\n");
    assert_eq!(
        refused.out(),
        "-ERR [IN-USE] another session has this mailbox open\r\n"
    );
    assert_eq!(refused.code, Some(0));
    let fault = "reason=\"another session has locked Maildir/superd-pop3-lock\"";
    assert!(refused.err().contains(fault), "{}", refused.err());
    // Who does not want the lock is not kept out by it.
    assert_eq!(mailbox.session(&[]).ask("STAT"), "+OK 3 18");
    // A session that dies leaves nothing locked.
    first.dialogue(&[("DELE 1", OK)]);
    signal(first.pid(), "KILL");
    first.end();
    assert_eq!(mailbox.session(&lock).ask("STAT"), "+OK 3 18");
}

#[test]
fn a_lock_that_cannot_be_had_is_an_error_for_now() {
    let mailbox = three();
    mailbox.chmod("", 0o500);
    let done = mailbox.done(&[("POP3D_LOCK", "1")], "STAT\r\n");
    mailbox.chmod("", 0o700);
    assert_eq!(
        done.out(),
        "-ERR [SYS/TEMP] unable to lock this mailbox\r\n"
    );
    let reason = "reason=\"unable to lock Maildir/superd-pop3-lock: access denied\"";
    assert!(done.err().contains(reason), "{}", done.err());
}

#[test]
fn with_sync_quit_is_answered_after_the_directories_are_on_the_disk() {
    let Some(strace) = peer("strace") else { return };
    let words = [
        "-e",
        "trace=fsync,fdatasync,unlink,unlinkat,renameat2,sendto,write",
    ];
    for (value, synced) in [("1", true), ("0", false)] {
        let mailbox = three();
        let mut session = mailbox.traced(&strace, &words, &[("POP3D_SYNC", value)]);
        if session.try_line().is_none() {
            note_left_out("syncs", "this machine does not let programs be traced");
            return;
        }
        session.dialogue(&[("DELE 1", OK)]);
        session.quit();
        let trace = mailbox.trace();
        let at = |parts: &[&str]| {
            let lines: Vec<&str> = trace.lines().collect();
            lines
                .iter()
                .rposition(|line| parts.iter().all(|part| line.contains(part)))
        };
        let quit = at(&["<socket:[", "\"+OK \\r\\n\""]).expect("a reply");
        let moved = at(&["renameat2(", "/cur/3.a:2,", "RENAME_NOREPLACE"]).expect("a rename");
        let removed = at(&["unlink", "new/1.a"]).expect("a removal");
        assert!(moved < quit && removed < quit, "{trace}");
        for dir in ["/Maildir/new>", "/Maildir/cur>"] {
            match at(&["sync(", dir]) {
                Some(at) => assert!(synced && moved < at && removed < at && at < quit, "{trace}"),
                None => assert!(!synced, "{trace}"),
            }
        }
    }
}

#[test]
fn dead_deliveries_of_ours_are_swept_from_tmp_after_36_hours_and_nothing_else() {
    let mailbox = Mailbox::new();
    let ours = "M1P2Q3R0123456789abcdef.host";
    let hour = Duration::from_secs(3600);
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    for (name, age) in [
        (format!("tmp/1.{ours}"), 37 * hour),
        (format!("tmp/2.{ours}"), 35 * hour),
        ("tmp/3.mine".to_owned(), 1000 * hour),
    ] {
        mailbox.put(&name, "A: b\n");
        mailbox.date(&name, now - age);
    }
    let session = mailbox.session(&[]);
    let left = kit::place::files(&mailbox.path("tmp"));
    let left: Vec<_> = left.iter().map(|path| path.file_name().unwrap()).collect();
    assert_eq!(left, [format!("2.{ours}").as_str(), "3.mine"]);
    session.quit();
}

#[test]
fn a_delivery_during_a_session_is_left_in_new() {
    let mailbox = three();
    let session = mailbox.session(&[]);
    let tmp = mailbox.put("tmp/4.a", "A: 4\n");
    fs::rename(tmp, mailbox.path("new/4.a")).unwrap();
    session.quit();
    assert_eq!(
        mailbox.names(),
        ["cur/1.a:2,", "cur/2.a:2,", "cur/3.a:2,", "new/4.a"]
    );
}

#[test]
fn a_message_in_whose_place_a_copy_was_put_is_sent_as_it_is_now() {
    let mailbox = Mailbox::with(&["A: old\n"]);
    let mut session = mailbox.session(&[]);
    let copy = mailbox.put("tmp/copy", "A: new and longer\n");
    fs::rename(copy, mailbox.path("new/1.a")).unwrap();
    assert_eq!(session.message("RETR 1"), b"A: new and longer\r\n.\r\n");
    let log = session.quit();
    assert!(log.contains("was thought to be 8 and is 19"), "{log}");
}
