//! pop3d's dialogue, in the order of its manual page: how it starts, each command with its texts,
//! numbers, limits, and what it logs.

use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use crate::mailbox::{Mailbox, OK, session_line};
use kit::{Run, as_root, bin};

const SYNTAX: &str = "-ERR syntax error";
const FROM_ONE: &str = "-ERR messages are counted from 1";
const NOT_THAT_MANY: &str = "-ERR not that many messages";
const DELETED: &str = "-ERR already deleted";

/// Two messages of 9 and 13 octets.
fn two() -> Mailbox {
    Mailbox::with(&["A: 1\n\n", "A: 2\n\ntwo"])
}

#[test]
fn the_first_thing_said_is_the_answer_to_the_login() {
    let mailbox = Mailbox::new();
    assert_eq!(mailbox.says(&[], ""), "+OK \r\n");
    assert_eq!(mailbox.says(&[], "QUIT\r\n"), "+OK \r\n+OK \r\n");
}

#[test]
fn uid_0_is_not_served_and_hears_nothing() {
    if !as_root("pop3d for uid 0") {
        return;
    }
    let mailbox = two();
    let run = Run::new(bin("pop3d")).arg("Maildir").dir(mailbox.home());
    let done = run.input("DELE 1\r\nQUIT\r\n").done();
    assert_eq!((done.code, done.out().as_str()), (Some(1), ""));
    assert_eq!(done.err(), "pop3d: fatal: invoked as uid 0, terminating\n");
    assert_eq!(mailbox.names(), ["new/1.a", "new/2.a"]);
}

#[test]
fn a_maildir_that_cannot_be_served_is_told_and_logged_and_the_login_was_right() {
    type Damage = fn(&Mailbox);
    // Whoever links here decides what is his.
    let link: Damage = |mailbox| {
        std::fs::rename(mailbox.path(""), mailbox.home().join("x")).unwrap();
        std::os::unix::fs::symlink("nowhere", mailbox.home().join("Maildir")).unwrap();
    };
    let file: Damage = |mailbox| {
        std::fs::rename(mailbox.path(""), mailbox.home().join("x")).unwrap();
        std::fs::write(mailbox.home().join("Maildir"), "").unwrap();
    };
    let locked: Damage = |mailbox| mailbox.chmod("", 0o000);
    let no_cur: Damage = |mailbox| std::fs::remove_dir(mailbox.path("cur")).unwrap();
    let shut_new: Damage = |mailbox| mailbox.chmod("new", 0o000);
    for (damage, reply, reason) in [
        (link, "this user has no $HOME/Maildir", "enter Maildir: "),
        (file, "this user has no $HOME/Maildir", "enter Maildir: "),
        (locked, "this user has no $HOME/Maildir", "enter Maildir: "),
        (no_cur, "unable to scan $HOME/Maildir", "scan Maildir/cur: "),
        (
            shut_new,
            "unable to scan $HOME/Maildir",
            "scan Maildir/new: ",
        ),
    ] {
        let mailbox = two();
        damage(&mailbox);
        let done = mailbox.done(&[], "STAT\r\n");
        assert_eq!(done.out(), format!("-ERR {reply}\r\n"));
        assert_eq!(done.code, Some(0));
        let fault = format!("pop3d: fault ip=192.0.2.1 user=joe reason=\"unable to {reason}");
        assert!(done.err().starts_with(&fault), "{}", done.err());
    }
}

#[test]
fn a_user_without_a_maildir_gets_one_that_is_his_alone() {
    use std::os::unix::fs::MetadataExt;
    let mailbox = two();
    std::fs::rename(mailbox.path(""), mailbox.home().join("x")).unwrap();
    let done = mailbox.done(&[], "STAT\r\nQUIT\r\n");
    assert_eq!(done.out(), "+OK \r\n+OK 0 0\r\n+OK \r\n");
    let made = "pop3d: made ip=192.0.2.1 user=joe reason=\"the user had no Maildir\"\n";
    assert!(done.err().starts_with(made), "{}", done.err());
    let owner = std::fs::metadata(mailbox.home()).unwrap().uid();
    for part in ["", "tmp", "new", "cur"] {
        let meta = std::fs::symlink_metadata(mailbox.path(part)).unwrap();
        assert_eq!((meta.mode(), meta.uid()), (0o040_700, owner), "{part}");
    }
    let names = std::fs::read_dir(mailbox.home()).unwrap().flatten();
    let mut names: Vec<_> = names.map(|entry| entry.file_name()).collect();
    names.sort();
    assert_eq!(names, ["Maildir", "x"]);
    // The next one finds it.
    let done = mailbox.done(&[], "STAT\r\nQUIT\r\n");
    assert!(!done.err().contains("pop3d: made "), "{}", done.err());
}

#[test]
fn without_an_argument_there_is_no_maildir() {
    let mailbox = two();
    for words in [&[][..], &[""]] {
        let done = mailbox.run(bin("pop3d")).args(words).done();
        assert_eq!(done.out(), "-ERR this user has no $HOME/Maildir\r\n");
        assert_eq!(done.code, Some(0), "{}", done.err());
    }
}

#[test]
fn a_maildir_without_tmp_is_served() {
    let mailbox = two();
    std::fs::remove_dir(mailbox.path("tmp")).unwrap();
    let done = mailbox.done(&[], "STAT\r\nQUIT\r\n");
    assert_eq!(done.out(), "+OK \r\n+OK 2 21\r\n+OK \r\n");
    assert_eq!(mailbox.names(), ["cur/1.a:2,", "cur/2.a:2,"]);
}

#[test]
fn messages_are_numbered_by_their_times_of_modification_and_keep_their_numbers() {
    let mailbox = Mailbox::new();
    mailbox.put("new/9.first", "A: first\n");
    mailbox.put("cur/3.second:2,S", "A: second\n");
    mailbox.put("new/1.third", "A: third\n");
    for (name, seconds) in [
        ("new/9.first", 100),
        ("cur/3.second:2,S", 101),
        ("new/1.third", 102),
    ] {
        mailbox.date(name, Duration::from_secs(seconds));
    }
    let mut session = mailbox.session(&[]);
    let ids = ["1 9.first", "2 3.second", "3 1.third"];
    assert_eq!(session.listing("UIDL"), ids);
    // What comes later is for the next session, and nothing moves up for what is deleted.
    mailbox.put("new/0.late", "A: late\n");
    session.dialogue(&[("STAT", "+OK 3 31"), ("DELE 1", OK), ("STAT", "+OK 2 21")]);
    assert_eq!(session.listing("UIDL"), ids[1..]);
    session.dialogue(&[("RETR 2", OK)]);
    assert_eq!(session.lines(), ["A: second"]);
}

#[test]
fn messages_of_this_second_and_of_the_future_are_there() {
    let mailbox = Mailbox::new();
    mailbox.put("new/1.now", "A: b\n");
    mailbox.put("new/2.future", "A: b\n");
    let now = std::time::SystemTime::now();
    let now = now
        .duration_since(std::time::SystemTime::UNIX_EPOCH)
        .unwrap();
    mailbox.date("new/1.now", now);
    mailbox.date("new/2.future", now + Duration::from_secs(3600));
    assert_eq!(mailbox.says(&[], "STAT\r\n"), "+OK \r\n+OK 2 12\r\n");
}

#[test]
fn what_is_no_regular_file_or_hidden_is_no_message() {
    let mailbox = two();
    std::fs::create_dir(mailbox.path("new/3.directory")).unwrap();
    symlink(mailbox.path("new/1.a"), mailbox.path("cur/4.link:2,")).unwrap();
    mailbox.put("cur/.5.hidden", "A: b\n");
    let done = Run::new("mkfifo").arg(mailbox.path("new/6.fifo")).done();
    assert_eq!(done.code, Some(0));
    assert_eq!(mailbox.session(&[]).listing("LIST"), ["1 8", "2 13"]);
}

#[test]
fn stat_list_and_uidl_leave_deleted_messages_out() {
    let mailbox = two();
    let mut session = mailbox.session(&[]);
    session.dialogue(&[("STAT", "+OK 2 21")]);
    assert_eq!(session.listing("LIST"), ["1 8", "2 13"]);
    assert_eq!(session.listing("UIDL"), ["1 1.a", "2 2.a"]);
    session.dialogue(&[
        ("LIST 2", "+OK 2 13"),
        ("UIDL 2", "+OK 2 2.a"),
        ("DELE 1", OK),
        ("STAT", "+OK 1 13"),
        ("LIST 1", DELETED),
        ("UIDL 1", DELETED),
    ]);
    assert_eq!(session.listing("LIST"), ["2 13"]);
    assert_eq!(session.listing("UIDL"), ["2 2.a"]);
    session.dialogue(&[("DELE 2", OK), ("STAT", "+OK 0 0")]);
    assert_eq!(session.listing("LIST"), [""; 0]);
}

#[test]
fn a_deleted_message_is_there_again_after_rset() {
    let mailbox = two();
    let mut session = mailbox.session(&[]);
    session.dialogue(&[
        ("DELE 2", OK),
        ("DELE 2", DELETED),
        ("RETR 2", DELETED),
        ("TOP 2 0", DELETED),
        ("RSET", OK),
        ("STAT", "+OK 2 21"),
        ("LIST 2", "+OK 2 13"),
    ]);
    session.quit();
    assert_eq!(mailbox.names(), ["cur/1.a:2,", "cur/2.a:2,"]);
}

#[test]
fn last_is_the_highest_number_that_was_retrieved_or_deleted() {
    let mailbox = Mailbox::with(&["a\n", "b\n", "c\n"]);
    let mut session = mailbox.session(&[]);
    session.dialogue(&[("LAST", "+OK 0"), ("TOP 3 0", OK)]);
    session.lines();
    session.dialogue(&[("LAST", "+OK 0"), ("RETR 2", OK)]);
    session.lines();
    session.dialogue(&[
        ("LAST", "+OK 2"),
        ("DELE 1", OK),
        ("LAST", "+OK 2"),
        ("DELE 3", OK),
        ("LAST", "+OK 3"),
        ("RSET", OK),
        ("LAST", "+OK 0"),
    ]);
}

#[test]
fn capa_tells_what_is_there_after_the_login() {
    let mailbox = Mailbox::new();
    let mut session = mailbox.session(&[]);
    assert_eq!(
        session.listing("CAPA"),
        [
            "TOP",
            "UIDL",
            "RESP-CODES",
            "AUTH-RESP-CODE",
            "PIPELINING",
            "EXPIRE NEVER",
            "UTF8",
            "IMPLEMENTATION superd"
        ]
    );
}

#[test]
fn a_command_of_the_login_is_refused_and_an_unknown_one_is_unimplemented() {
    let mailbox = Mailbox::new();
    let mut session = mailbox.session(&[]);
    for command in ["USER joe", "PASS x", "APOP joe x", "AUTH", "STLS", "UTF8"] {
        assert_eq!(session.ask(command), "-ERR already logged in", "{command}");
    }
    for command in ["XYZ", "", " STAT", "STATS", "STAT\t", "\u{fc}"] {
        assert_eq!(session.ask(command), "-ERR unimplemented", "{command}");
    }
}

#[test]
fn verbs_are_of_any_case_and_lines_may_end_in_lf_alone() {
    let mailbox = two();
    let said = mailbox.says(&[], "stat\r\nStAt\nsTAT  \nDele  2 \r\nquit\n");
    let stat = "+OK 2 21\r\n".repeat(3);
    assert_eq!(said, format!("+OK \r\n{stat}+OK \r\n+OK \r\n"));
    assert_eq!(mailbox.names(), ["cur/1.a:2,"]);
}

#[test]
fn a_number_is_digits_and_nothing_else_and_never_wraps_around() {
    let mailbox = two();
    for (command, behind) in [
        ("LIST", ""),
        ("UIDL", ""),
        ("RETR", ""),
        ("DELE", ""),
        ("TOP", " 0"),
    ] {
        let mut session = mailbox.session(&[]);
        for (number, reply) in [
            ("0", FROM_ONE),
            ("00", FROM_ONE),
            ("3", NOT_THAT_MANY),
            ("18446744073709551615", NOT_THAT_MANY),
            ("18446744073709551616", SYNTAX),
            ("18446744073709551617", SYNTAX),
            ("4294967297", NOT_THAT_MANY),
            ("1abc", SYNTAX),
            ("abc", SYNTAX),
            ("+1", SYNTAX),
            ("-1", SYNTAX),
            ("1.0", SYNTAX),
            ("0x1", SYNTAX),
            ("1,2", SYNTAX),
            ("1\t", SYNTAX),
        ] {
            let command = format!("{command} {number}{behind}");
            assert_eq!(session.ask(&command), reply, "{command}");
        }
        let first = session.ask(&format!("{command}   01{behind}"));
        assert!(first.starts_with(OK), "{command}: {first}");
    }
}

#[test]
fn a_command_has_just_the_words_that_belong_to_it() {
    let mailbox = two();
    let mut session = mailbox.session(&[]);
    for command in [
        "RETR",
        "DELE",
        "TOP",
        "TOP 1",
        "TOP 1 x",
        "TOP 1 -1",
        "TOP 1 18446744073709551616",
        "TOP 1 0 0",
        "RETR 1 0",
        "DELE 1 2",
        "LIST 1 2",
        "UIDL 1 2",
        "STAT 1",
        "LAST 1",
        "RSET 1",
        "NOOP x",
        "CAPA x",
        "QUIT now",
    ] {
        assert_eq!(session.ask(command), SYNTAX, "{command}");
    }
    session.dialogue(&[("NOOP", OK), ("STAT", "+OK 2 21")]);
}

#[test]
fn commands_sent_all_at_once_are_answered_in_their_order() {
    let mailbox = two();
    let all = "STAT\r\nRETR 1\r\nNOPE\r\nTOP 2 0\r\nDELE 1\r\nLIST\r\nQUIT\r\nSTAT\r\n";
    let replies = "+OK \r\n+OK 2 21\r\n+OK \r\nA: 1\r\n\r\n.\r\n-ERR unimplemented\r\n\
                   +OK \r\nA: 2\r\n\r\n.\r\n+OK \r\n+OK \r\n2 13\r\n.\r\n+OK \r\n";
    assert_eq!(mailbox.says(&[], all), replies);
    let mailbox = two();
    let mut session = mailbox.start(&[]);
    session.send(all);
    assert_eq!(String::from_utf8_lossy(&session.rest()), replies);
}

#[test]
fn a_line_of_512_bytes_is_a_command_and_a_longer_one_is_refused() {
    let mailbox = Mailbox::new();
    let mut session = mailbox.session(&[]);
    for (blanks, reply) in [
        (508, OK),
        (509, "-ERR line too long"),
        (20_000, "-ERR line too long"),
    ] {
        assert_eq!(
            session.ask(&format!("NOOP{}", " ".repeat(blanks))),
            reply,
            "{blanks}"
        );
    }
    session.dialogue(&[("NOOP", OK)]);
}

#[test]
fn the_twentieth_bad_command_ends_the_session() {
    let mailbox = two();
    let mut session = mailbox.session(&[]);
    let long = "x".repeat(600);
    session.dialogue(&[("DELE 1", OK)]);
    for number in 1..20 {
        let (command, reply) = match number % 5 {
            0 => ("NOPE", "-ERR unimplemented"),
            1 => ("STAT x", SYNTAX),
            2 => (long.as_str(), "-ERR line too long"),
            3 => ("ST\0AT", "-ERR a command has no NUL"),
            _ => ("USER joe", "-ERR already logged in"),
        };
        assert_eq!(session.ask(command), reply);
        // What a client may well ask for does not count.
        session.dialogue(&[("RETR 7", NOT_THAT_MANY), ("DELE 1", DELETED)]);
    }
    session.dialogue(&[("NOPE", "-ERR unimplemented")]);
    assert_eq!(session.rest(), b"-ERR too many bad commands\r\n");
    let (code, log) = session.end();
    assert_eq!(code, Some(0));
    assert!(log.contains(" end=bad-commands"), "{log}");
    assert_eq!(mailbox.names(), ["new/1.a", "new/2.a"]);
}

#[test]
fn a_line_without_end_ends_the_session() {
    let mailbox = two();
    let mut input = b"DELE 1\r\n".to_vec();
    input.resize(2 << 20, b'x');
    let done = mailbox.done(&[], input);
    assert_eq!(done.out(), "+OK \r\n+OK \r\n");
    assert_eq!(done.code, Some(0));
    assert!(
        session_line(&done.err()).ends_with(" end=flood"),
        "{}",
        done.err()
    );
    assert_eq!(mailbox.names(), ["new/1.a", "new/2.a"]);
}

#[test]
fn a_silent_client_is_left_after_timeout_without_a_word() {
    let mailbox = two();
    let mut session = mailbox.session(&[("TIMEOUT", "1")]);
    session.dialogue(&[("DELE 1", OK)]);
    // Half a line is silence, too.
    session.send("QUI");
    let started = Instant::now();
    assert_eq!(session.rest(), b"");
    assert!(started.elapsed() >= Duration::from_millis(900));
    let (code, log) = session.end();
    assert_eq!(code, Some(0));
    assert!(session_line(&log).ends_with(" end=timeout"), "{log}");
    assert_eq!(mailbox.names(), ["new/1.a", "new/2.a"]);
}

#[test]
fn a_busy_client_is_left_after_session_timeout() {
    let mailbox = two();
    let mut session = mailbox.session(&[("SESSION_TIMEOUT", "1")]);
    session.dialogue(&[("DELE 1", OK)]);
    let started = Instant::now();
    let mut asked = 0;
    let log = loop {
        if session.try_ask("NOOP").is_none() {
            break session.end().1;
        }
        asked += 1;
        std::thread::sleep(Duration::from_millis(20));
        assert!(started.elapsed() < Duration::from_secs(20));
    };
    assert!(asked > 5, "{asked}");
    assert!(
        session_line(&log).ends_with(" end=session-timeout"),
        "{log}"
    );
    assert_eq!(mailbox.names(), ["new/1.a", "new/2.a"]);
}

#[test]
fn the_line_of_a_session_counts_what_was_done() {
    let mailbox = Mailbox::with(&["A: 1\n\n", "A: 2\n\ntwo", "A: 3\n\n.\n"]);
    let mut session = mailbox.session(&[]);
    for command in ["RETR 1", "RETR 3", "RETR 3", "TOP 2 0"] {
        session.message(command);
    }
    session.dialogue(&[("RETR 4", NOT_THAT_MANY), ("DELE 1", OK), ("DELE 3", OK)]);
    assert_eq!(
        session_line(&session.quit()),
        "ip=192.0.2.1 user=joe retr=3 top=1 dele=2 bytes=38 messages=3 end=quit"
    );
    let mut session = mailbox.session(&[]);
    session.dialogue(&[("DELE 1", OK)]);
    assert_eq!(
        session_line(&session.end().1),
        "ip=192.0.2.1 user=joe retr=0 top=0 dele=0 bytes=0 messages=1 end=closed"
    );
}

#[test]
fn a_variable_that_makes_no_sense_is_warned_of_and_an_empty_one_is_not_set() {
    let mailbox = two();
    let env = [
        ("TIMEOUT", "soon"),
        ("SESSION_TIMEOUT", "0"),
        ("POP3D_BLANK_LINE", "yes"),
        ("POP3D_LOCK", ""),
        ("POP3D_UIDL", ""),
    ];
    let done = mailbox.done(&env, "STAT\r\nQUIT\r\n");
    assert_eq!(done.out(), "+OK \r\n+OK 2 21\r\n+OK \r\n");
    let warnings: Vec<String> = done.err().lines().map(str::to_owned).collect();
    assert_eq!(
        warnings[..3],
        [
            "TIMEOUT is ignored: soon is not a number of seconds",
            "SESSION_TIMEOUT is ignored: 0 is not a number of seconds",
            "POP3D_BLANK_LINE is ignored: yes is not 0 or 1",
        ]
        .map(|reason| format!("pop3d: warning ip=192.0.2.1 user=joe reason=\"{reason}\""))
    );
    assert_eq!(warnings.len(), 4, "{warnings:?}");
}
