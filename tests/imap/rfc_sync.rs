//! Extensions for clients that keep what they have seen, as dialogues: ENABLE (RFC 5161), UIDPLUS
//! (4315), MOVE (6851), IDLE (2177), UNSELECT (3691), CONDSTORE and QRESYNC (7162), MULTIAPPEND
//! (3502), COMPRESS (4978), ID (2971).

use std::fs;
use std::time::Duration;

use crate::house::{Home, House, both, ours, simple, three};
use kit::imap::{Imap, Piece, fetched, step};

/// What is pushed must come within this.
const PUSH: Duration = Duration::from_secs(5);

fn three_and_a_folder(home: &Home) {
    three(home);
    home.folder(".foo");
}

fn selected(house: &House, command: &str) -> Imap {
    let mut client = house.session();
    client.ok(command);
    client
}

/// UIDVALIDITY and HIGHESTMODSEQ of INBOX.
fn state(client: &mut Imap) -> (u64, u64) {
    let reply = client.run("STATUS INBOX (UIDVALIDITY HIGHESTMODSEQ)");
    (
        reply.number("UIDVALIDITY").unwrap(),
        reply.number("HIGHESTMODSEQ").unwrap(),
    )
}

#[test]
fn id_tells_who_is_there_or_nothing() {
    both(three, |house| {
        let mut client = house.session();
        step(
            &mut client,
            "ID (\"name\" \"sodr\" \"version\" \"19.34\" \"os\" NIL)",
            &["=", "ID ~"],
            "OK ~",
        );
        step(&mut client, "ID NIL", &["=", "ID ~"], "OK ~");
        // Dovecot answers that, too.
        if !house.is_dovecots() {
            step(&mut client, "ID (\"name\")", &["="], "BAD ~");
        }
    });
}

#[test]
fn enable_tells_what_it_switched_on_and_nothing_else() {
    both(three, |house| {
        let mut client = house.session();
        step(&mut client, "ENABLE X-GOOD-IDEA", &["!ENABLED ~"], "OK ~");
        step(
            &mut client,
            "ENABLE CONDSTORE X-GOOD-IDEA",
            &["=", "ENABLED CONDSTORE"],
            "OK ~",
        );
        // Dovecot takes that for an empty list.
        if !house.is_dovecots() {
            step(&mut client, "ENABLE", &["="], "BAD ~");
        }
    });
}

#[test]
fn qresync_brings_condstore_with_it() {
    both(three, |house| {
        let mut client = house.session();
        step(
            &mut client,
            "ENABLE QRESYNC",
            &["ENABLED ~QRESYNC~"],
            "OK ~",
        );
        client.ok("SELECT INBOX");
        step(
            &mut client,
            "STORE 1 +FLAGS (\\Flagged)",
            &["1 FETCH (~MODSEQ (~)~)"],
            "OK ~",
        );
    });
}

#[test]
fn unselect_leaves_what_is_marked() {
    both(three, |house| {
        let mut client = selected(house, "SELECT INBOX");
        client.ok("STORE 1 +FLAGS (\\Deleted)");
        step(&mut client, "UNSELECT", &["="], "OK ~");
        step(&mut client, "UNSELECT", &["="], "BAD ~");
        step(&mut client, "SELECT INBOX", &["3 EXISTS"], "OK ~");
    });
}

#[test]
fn uid_expunge_takes_only_what_it_names() {
    both(three, |house| {
        let mut client = selected(house, "SELECT INBOX");
        client.ok("STORE 1:3 +FLAGS.SILENT (\\Deleted)");
        step(
            &mut client,
            "UID EXPUNGE 2,9",
            &["2 EXPUNGE", "!1 EXPUNGE"],
            "OK ~",
        );
        step(
            &mut client,
            "FETCH 1:* UID",
            &["=", "1 FETCH (UID 1)", "2 FETCH (UID 3)"],
            "OK ~",
        );
    });
}

#[test]
fn appenduid_and_copyuid_name_the_messages() {
    both(three_and_a_folder, |house| {
        let mut client = selected(house, "SELECT foo");
        let validity = client.run("STATUS foo (UIDVALIDITY)").number("UIDVALIDITY");
        let validity = validity.unwrap();
        let reply = client.append("foo (\\Seen)", simple(9));
        let code = format!("OK [APPENDUID {validity} 1] ");
        assert!(reply.status.starts_with(&code), "{reply:?}");
        client.ok("SELECT INBOX");
        step(
            &mut client,
            "UID COPY 1,3 foo",
            &[],
            &format!("OK [COPYUID {validity} 1,3 2~3] ~"),
        );
        step(
            &mut client,
            "COPY 2 foo",
            &[],
            &format!("OK [COPYUID {validity} 2 4] ~"),
        );
    });
}

#[test]
fn move_tells_the_new_uids_before_the_old_ones_go() {
    both(three_and_a_folder, |house| {
        let mut client = selected(house, "SELECT INBOX");
        let reply = step(
            &mut client,
            "UID MOVE 2:3,9 foo",
            &["OK [COPYUID ~ 2:3 1:2] ~", "~ EXPUNGE", "~ EXPUNGE"],
            "OK ~",
        );
        assert!(reply.untagged[0].contains("COPYUID"), "{reply:?}");
        step(
            &mut client,
            "MOVE 1 nowhere",
            &["!~EXPUNGE"],
            "NO [TRYCREATE] ~",
        );
        step(
            &mut client,
            "FETCH 1:* UID",
            &["=", "1 FETCH (UID 1)"],
            "OK ~",
        );
        step(
            &mut client,
            "SELECT foo",
            &["2 EXISTS", "OK [UIDNEXT 3] ~"],
            "OK ~",
        );
        // Flags and times go along, and the files themselves.
        assert_eq!(house.home.names("").len(), 1);
        step(
            &mut client,
            "SEARCH FLAGGED ON 13-Sep-2020",
            &["=", "SEARCH 1"],
            "OK ~",
        );
    });
}

#[test]
fn several_messages_in_one_append_come_in_together() {
    both(three_and_a_folder, |house| {
        let mut client = house.session();
        let reply = client.pieces(&[
            Piece::Words("APPEND foo (\\Seen) "),
            Piece::Literal(b"Subject: one\r\n\r\n1\r\n"),
            Piece::Words(" (\\Flagged) \"11-Sep-2020 10:00:00 +0000\" "),
            Piece::Literal(b"Subject: two\r\n\r\n2\r\n"),
        ]);
        assert!(reply.status.starts_with("OK [APPENDUID "), "{reply:?}");
        assert!(reply.status.contains(" 1:2] "), "{reply:?}");
        step(
            &mut client,
            "STATUS foo (MESSAGES)",
            &["STATUS foo (MESSAGES 2)"],
            "OK ~",
        );
    });
}

#[test]
fn of_several_messages_none_stays_when_one_is_refused() {
    ours(three_and_a_folder, |house| {
        let mut client = house.session();
        // The second one is empty, which is a client's way to take an APPEND back.
        let reply = client.pieces(&[
            Piece::Words("APPEND foo "),
            Piece::Literal(b"Subject: one\r\n\r\n1\r\n"),
            Piece::Words(" "),
            Piece::Literal(b""),
        ]);
        assert!(!reply.is_ok(), "{reply:?}");
        step(
            &mut client,
            "STATUS foo (MESSAGES)",
            &["STATUS foo (MESSAGES 0)"],
            "OK ~",
        );
        assert_eq!(house.home.names(".foo"), [""; 0]);
        assert_eq!(
            fs::read_dir(house.home.mail(".foo/tmp")).unwrap().count(),
            0
        );
    });
}

#[test]
fn idle_pushes_arrivals_flags_and_expunges() {
    both(three, |house| {
        let mut client = selected(house, "SELECT INBOX");
        let mut other = selected(house, "SELECT INBOX");
        let (tag, _) = client.idle();
        house.home.deliver("", "1700000000.M1P1.host", simple(4));
        client.wait_for("4 EXISTS", PUSH);
        other.ok("STORE 1 +FLAGS (\\Answered)");
        let line = client.wait_for("1 FETCH ", PUSH);
        assert!(line.contains("\\Answered"), "{line}");
        other.ok("STORE 3 +FLAGS (\\Deleted)");
        other.ok("EXPUNGE");
        client.wait_for("3 EXPUNGE", PUSH);
        let reply = client.done(&tag);
        assert!(reply.is_ok(), "{reply:?}");
        step(
            &mut client,
            "FETCH 1:* UID",
            &["~(UID 1~", "~(UID 2~", "~(UID 4~"],
            "OK ~",
        );
    });
}

#[test]
fn idle_done_and_what_follows_may_come_in_one_packet() {
    both(three, |house| {
        let mut client = selected(house, "SELECT INBOX");
        client.send("a IDLE\r\nDONE\r\nb NOOP\r\nc IDLE\r\nDONE\r\nd LOGOUT\r\n");
        for expected in ["+ ", "a OK", "b OK", "+ ", "c OK", "BYE", "d OK"] {
            let line = client.response();
            assert!(line.starts_with(expected), "expected {expected}: {line}");
        }
        assert!(client.is_over());
    });
}

#[test]
fn anything_but_done_ends_idle_badly() {
    both(three, |house| {
        let mut client = selected(house, "SELECT INBOX");
        let (tag, _) = client.idle();
        client.send("x NOOP\r\n");
        let reply = client.reply(&tag);
        assert!(reply.status.starts_with("BAD "), "{reply:?}");
        step(&mut client, "NOOP", &[], "OK ~");
    });
}

#[test]
fn what_happened_before_idle_is_told_at_its_start() {
    both(three, |house| {
        let mut client = selected(house, "SELECT INBOX");
        house.home.deliver("", "1700000000.M1P1.host", simple(4));
        let (tag, before) = client.idle();
        if !before.iter().any(|line| line == "4 EXISTS") {
            client.wait_for("4 EXISTS", PUSH);
        }
        assert!(client.done(&tag).is_ok());
    });
}

#[test]
fn a_change_gets_a_greater_modseq_and_can_be_asked_for() {
    both(three, |house| {
        let mut client = house.session();
        let reply = step(
            &mut client,
            "SELECT INBOX (CONDSTORE)",
            &["OK [HIGHESTMODSEQ ~] ~"],
            "OK ~",
        );
        let before = reply.number("HIGHESTMODSEQ").unwrap();
        assert!(before > 0);
        let reply = step(
            &mut client,
            "STORE 2 +FLAGS.SILENT (\\Answered)",
            &["2 FETCH (~MODSEQ (~)~)"],
            "OK ~",
        );
        assert_eq!(reply.find("\\Answered"), None, "{reply:?}");
        let reply = client.run(&format!("FETCH 1:* (FLAGS) (CHANGEDSINCE {before})"));
        let all = fetched(&reply.untagged);
        assert_eq!(all.keys().copied().collect::<Vec<u32>>(), [2], "{reply:?}");
        let modseq = reply.number("MODSEQ");
        assert_eq!(modseq, None, "the number stands in parentheses");
        let modseq = modseq_of(&reply.untagged, 2);
        assert!(modseq > before);
        let (_, highest) = state(&mut client);
        assert_eq!(highest, modseq);
        // What changes nothing is no change.
        client.ok("STORE 2 +FLAGS (\\Answered)");
        assert_eq!(state(&mut client).1, modseq);
        step(
            &mut client,
            &format!("SEARCH MODSEQ {modseq}"),
            &["=", &format!("SEARCH 2 (MODSEQ {modseq})")],
            "OK ~",
        );
        step(
            &mut client,
            &format!("SEARCH MODSEQ {}", modseq + 1),
            &["=", "SEARCH"],
            "OK ~",
        );
        step(
            &mut client,
            &format!("SEARCH MODSEQ \"/flags/\\\\answered\" all {modseq}"),
            &["SEARCH 2 (MODSEQ ~)"],
            "OK ~",
        );
    });
}

fn modseq_of(untagged: &[String], message: u32) -> u64 {
    let all = fetched(untagged);
    let kit::imap::Value::List(numbers) = &all[&message]["MODSEQ"] else {
        panic!("{untagged:?}");
    };
    numbers[0].text().parse().unwrap()
}

#[test]
fn a_store_unless_changed_leaves_what_somebody_else_changed() {
    both(three, |house| {
        let mut client = selected(house, "SELECT INBOX (CONDSTORE)");
        let mut other = selected(house, "SELECT INBOX");
        let (_, before) = state(&mut client);
        other.ok("STORE 2 +FLAGS (\\Answered)");
        client.ok("NOOP");
        step(
            &mut client,
            &format!("STORE 1:3 (UNCHANGEDSINCE {before}) +FLAGS.SILENT ($Done)"),
            &["1 FETCH (~MODSEQ (~)~)", "3 FETCH (~MODSEQ (~)~)"],
            "OK [MODIFIED 2] ~",
        );
        step(&mut client, "SEARCH KEYWORD $Done", &["SEARCH 1 3"], "OK ~");
        step(
            &mut client,
            &format!("UID STORE 2 (UNCHANGEDSINCE {before}) FLAGS ()"),
            &["!2 FETCH (~FLAGS ()~"],
            "OK [MODIFIED 2] ~",
        );
        step(
            &mut client,
            "STORE 2 (UNCHANGEDSINCE 0) +FLAGS (\\Draft)",
            &[],
            "~[MODIFIED 2] ~",
        );
    });
}

#[test]
fn a_client_that_comes_back_is_told_what_vanished_and_what_changed() {
    both(
        |home| {
            for number in 1..=6 {
                home.put("", number, simple(number));
            }
        },
        |house| {
            let mut client = house.session();
            client.ok("ENABLE QRESYNC");
            client.ok("SELECT INBOX");
            let (validity, modseq) = state(&mut client);
            client.ok("UNSELECT");
            let mut other = selected(house, "SELECT INBOX");
            other.ok("STORE 2,4 +FLAGS (\\Deleted)");
            other.ok("EXPUNGE");
            other.ok("STORE 1 +FLAGS (\\Flagged)");
            let reply = step(
                &mut client,
                &format!("SELECT INBOX (QRESYNC ({validity} {modseq}))"),
                &[
                    "4 EXISTS",
                    "OK [HIGHESTMODSEQ ~] ~",
                    "VANISHED (EARLIER) 2,4",
                    "1 FETCH (~UID 1~)",
                    "!2 FETCH ~",
                ],
                "OK [READ-WRITE] ~",
            );
            let all = fetched(&reply.untagged);
            for item in ["UID", "FLAGS", "MODSEQ"] {
                assert!(all[&1].contains_key(item), "{all:?}");
            }
            let at = |part: &str| reply.untagged.iter().position(|line| line.contains(part));
            assert!(at("VANISHED") < at("FETCH"), "{reply:?}");
            // Of the messages that the client knows, only those are told of.
            client.ok("UNSELECT");
            step(
                &mut client,
                &format!("SELECT INBOX (QRESYNC ({validity} {modseq} 3:6))"),
                &["VANISHED (EARLIER) 4", "!1 FETCH ~"],
                "OK ~",
            );
            // Another UIDVALIDITY means that the client knows nothing.
            client.ok("UNSELECT");
            step(
                &mut client,
                &format!("SELECT INBOX (QRESYNC ({} {modseq}))", validity + 1),
                &["!VANISHED~", "!~ FETCH ~"],
                "OK ~",
            );
            step(
                &mut client,
                &format!("UID FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq} VANISHED)"),
                &["VANISHED (EARLIER) 2,4", "1 FETCH (~)"],
                "OK ~",
            );
            step(
                &mut client,
                &format!("FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq} VANISHED)"),
                &[],
                "BAD ~",
            );
        },
    );
}

#[test]
fn a_client_with_qresync_hears_of_uids_that_vanished() {
    both(three_and_a_folder, |house| {
        let mut client = house.session();
        client.ok("ENABLE QRESYNC");
        client.ok("SELECT INBOX");
        client.ok("STORE 1 +FLAGS (\\Deleted)");
        step(
            &mut client,
            "EXPUNGE",
            &["VANISHED 1", "!~EXPUNGE"],
            "OK [HIGHESTMODSEQ ~] ~",
        );
        step(
            &mut client,
            "MOVE 1 foo",
            &["OK [COPYUID ~ 2 1] ~", "VANISHED 2", "!~EXPUNGE"],
            "OK ~",
        );
        client.ok("STORE 1 +FLAGS (\\Deleted)");
        step(&mut client, "CLOSE", &["!VANISHED~"], "OK ~");
        step(
            &mut client,
            "SELECT INBOX",
            &["0 EXISTS", "!OK [CLOSED]~"],
            "OK ~",
        );
        step(&mut client, "SELECT foo", &["OK [CLOSED] ~"], "OK ~");
    });
}

#[test]
fn qresync_in_select_needs_to_be_enabled_first() {
    both(three, |house| {
        let mut client = house.session();
        step(
            &mut client,
            "SELECT INBOX (QRESYNC (1 1))",
            &["!~EXISTS"],
            "BAD ~",
        );
    });
}

#[test]
fn compressed_commands_are_answered_at_once() {
    both(three, |house| {
        let mut client = house.session();
        let capable = client.run("CAPABILITY").find("COMPRESS=DEFLATE").is_some();
        if !capable && house.is_dovecots() {
            return;
        }
        client.compress();
        step(&mut client, "SELECT INBOX", &["3 EXISTS"], "OK ~");
        let reply = client.run("FETCH 1:* BODY.PEEK[]");
        let all = fetched(&reply.untagged);
        assert_eq!(all[&3]["BODY[]"].text(), simple(3).replace('\n', "\r\n"));
        let big = vec![b'x'; 300_000];
        let reply = client.append("INBOX", [b"Subject: x\r\n\r\n".as_slice(), &big].concat());
        assert!(reply.status.starts_with("OK [APPENDUID "), "{reply:?}");
        let reply = client.run("FETCH 4 BODY.PEEK[TEXT]");
        assert_eq!(
            fetched(&reply.untagged)[&4]["BODY[TEXT]"].text().len(),
            big.len()
        );
        let (tag, _) = client.idle();
        house.home.deliver("", "1700000000.M1P1.host", simple(5));
        client.wait_for("5 EXISTS", PUSH);
        assert!(client.done(&tag).is_ok());
        step(
            &mut client,
            "COMPRESS DEFLATE",
            &["="],
            "NO [COMPRESSIONACTIVE] ~",
        );
        step(&mut client, "LOGOUT", &["BYE ~"], "OK ~");
    });
}
