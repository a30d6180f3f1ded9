//! Searching and sorting as dialogues: ESEARCH (RFC 4731), SEARCHRES (5182), WITHIN (5032), SORT and
//! THREAD (5256).

use crate::house::{Home, House, both, message, simple};
use kit::imap::{Imap, step};

fn six(home: &Home) {
    for number in 1..=6 {
        home.put("", number, simple(number));
    }
}

fn selected(house: &House) -> Imap {
    let mut client = house.session();
    client.ok("SELECT INBOX");
    client
}

#[test]
fn esearch_tells_what_it_was_asked_for() {
    both(six, |house| {
        let mut client = selected(house);
        client.ok("STORE 2,4:6 +FLAGS (\\Flagged)");
        for (command, parts) in [
            ("SEARCH RETURN (MIN COUNT) FLAGGED", "MIN 2|COUNT 4"),
            ("SEARCH RETURN () FLAGGED", "ALL 2,4:6"),
            ("SEARCH RETURN (ALL) FLAGGED", "ALL 2,4:6"),
            ("SEARCH RETURN (MIN MAX) FLAGGED", "MIN 2|MAX 6"),
            ("SEARCH RETURN (COUNT) ANSWERED", "COUNT 0"),
            ("SEARCH RETURN (ALL COUNT MIN) ANSWERED", "COUNT 0"),
            ("SEARCH RETURN (ALL) ANSWERED", ""),
            ("UID SEARCH RETURN (ALL MAX) FLAGGED", "UID|ALL 2,4:6|MAX 6"),
        ] {
            let tag = client.start(command);
            let reply = client.reply(&tag);
            assert!(reply.is_ok(), "{command}: {reply:?}");
            let [line] = reply.untagged.as_slice() else {
                panic!("{command}: {reply:?}");
            };
            let head = format!("ESEARCH (TAG \"{tag}\")");
            let rest = line.strip_prefix(&head).unwrap_or_else(|| panic!("{line}"));
            let rest = rest.replace(" ALL", "|ALL").replace(" MIN", "|MIN");
            let rest = rest.replace(" MAX", "|MAX").replace(" COUNT", "|COUNT");
            let rest = rest.replace(" UID", "|UID");
            let mut found: Vec<&str> = rest.split('|').filter(|part| !part.is_empty()).collect();
            let mut wanted: Vec<&str> = parts.split('|').filter(|part| !part.is_empty()).collect();
            found.sort_unstable();
            wanted.sort_unstable();
            assert_eq!(found, wanted, "{command}: {line}");
        }
        step(&mut client, "SEARCH RETURN (NONSENSE) ALL", &["="], "BAD ~");
    });
}

#[test]
fn a_saved_result_stands_for_its_messages_until_the_next() {
    both(six, |house| {
        let mut client = selected(house);
        step(&mut client, "FETCH $ UID", &["="], "OK ~");
        step(
            &mut client,
            "UID SEARCH RETURN (SAVE) SUBJECT 3",
            &["="],
            "OK ~",
        );
        step(
            &mut client,
            "FETCH $ UID",
            &["=", "3 FETCH (UID 3)"],
            "OK ~",
        );
        step(
            &mut client,
            "SEARCH RETURN (SAVE MIN COUNT) 2:5",
            &["=", "ESEARCH (TAG ~) ~2~"],
            "OK ~",
        );
        // With MIN alone only that one is saved, but COUNT asks for all.
        client.ok("SEARCH RETURN (SAVE) 2:5");
        step(
            &mut client,
            "SEARCH UID $ SUBJECT 4",
            &["=", "SEARCH 4"],
            "OK ~",
        );
        client.ok("STORE 2 +FLAGS.SILENT (\\Deleted)");
        client.ok("EXPUNGE");
        step(
            &mut client,
            "UID FETCH $ UID",
            &["=", "2 FETCH (UID 3)", "3 FETCH (UID 4)", "4 FETCH (UID 5)"],
            "OK ~",
        );
        step(
            &mut client,
            "SEARCH RETURN (SAVE) CHARSET X-NONE ALL",
            &["="],
            "NO ~",
        );
        step(&mut client, "FETCH $ UID", &["="], "OK ~");
    });
}

#[test]
fn younger_and_older_count_seconds_from_now() {
    both(six, |house| {
        let mut client = selected(house);
        let reply = client.append("INBOX", simple(7));
        assert!(reply.is_ok(), "{reply:?}");
        step(
            &mut client,
            "SEARCH YOUNGER 3600",
            &["=", "SEARCH 7"],
            "OK ~",
        );
        step(
            &mut client,
            "SEARCH OLDER 3600",
            &["=", "SEARCH 1 2 3 4 5 6"],
            "OK ~",
        );
        step(&mut client, "SEARCH YOUNGER 0", &["="], "BAD ~");
    });
}

/// Messages whose orders differ by each key.
fn orders(home: &Home) {
    let all = [
        // From, To, Cc, Subject, Date
        (
            "zoe@a.example",
            "b@x.example",
            "c@x.example",
            "Re: apples",
            "3 Jan 2020 10:00:00 +0000",
        ),
        (
            "Ann@a.example",
            "c@x.example",
            "b@x.example",
            "[list] bananas (fwd)",
            "1 Jan 2020 10:00:00 +0000",
        ),
        (
            "bob@a.example",
            "a@x.example",
            "a@x.example",
            "Fwd: APPLES",
            "2 Jan 2020 10:00:00 +0000",
        ),
        (
            "joe@a.example",
            "d@x.example",
            "d@x.example",
            "cherries",
            "1 Jan 2020 12:00:00 +0500",
        ),
    ];
    for (number, (from, to, cc, subject, date)) in (1..).zip(all) {
        let text = "x\n".repeat(10 * (5 - usize::try_from(number).unwrap()));
        let header = [
            format!("From: {from}"),
            format!("To: {to}"),
            format!("Cc: {cc}"),
            format!("Subject: {subject}"),
            format!("Date: {date}"),
        ];
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        home.put("", number, message(&header, &text));
    }
}

#[test]
fn sort_goes_by_each_key_and_its_reverse() {
    both(orders, |house| {
        let mut client = selected(house);
        for (keys, order) in [
            ("FROM", "2 3 4 1"),
            ("REVERSE FROM", "1 4 3 2"),
            ("TO", "3 1 2 4"),
            ("CC", "3 2 1 4"),
            // Base subjects: apples, bananas, apples, cherries; equal ones stay in their order.
            ("SUBJECT", "1 3 2 4"),
            ("SUBJECT REVERSE DATE", "1 3 2 4"),
            ("SUBJECT DATE", "3 1 2 4"),
            // In universal time the last one is the first.
            ("DATE", "4 2 3 1"),
            ("REVERSE DATE", "1 3 2 4"),
            ("SIZE", "4 3 2 1"),
            ("REVERSE SIZE", "1 2 3 4"),
            ("ARRIVAL", "1 2 3 4"),
            ("REVERSE ARRIVAL", "4 3 2 1"),
        ] {
            step(
                &mut client,
                &format!("SORT ({keys}) UTF-8 ALL"),
                &["=", &format!("SORT {order}")],
                "OK ~",
            );
        }
        step(
            &mut client,
            "UID SORT (SIZE) US-ASCII 2:3",
            &["=", "SORT 3 2"],
            "OK ~",
        );
        step(
            &mut client,
            "SORT (SIZE) UTF-8 SUBJECT none",
            &["=", "SORT"],
            "OK ~",
        );
        step(
            &mut client,
            "SORT (SIZE) X-NONE ALL",
            &["="],
            "NO [BADCHARSET~",
        );
        step(&mut client, "SORT () UTF-8 ALL", &["="], "BAD ~");
        step(&mut client, "SORT (NONSENSE) UTF-8 ALL", &["="], "BAD ~");
    });
}

/// A thread of three, one of two whose root is not there, one by its subject alone.
fn threads(home: &Home) {
    let all: [(&str, &str, &str); 7] = [
        ("<a@x>", "", "plans"),
        ("<b@x>", "<a@x>", "Re: plans"),
        ("<c@x>", "<a@x> <b@x>", "Re: plans"),
        ("<d@x>", "<gone@x>", "other things"),
        ("<e@x>", "<gone@x>", "Re: other things"),
        ("<f@x>", "", "alone"),
        ("<g@x>", "<a@x>", "a new subject"),
    ];
    for (number, (id, references, subject)) in (1..).zip(all) {
        let mut header = vec![
            format!("Date: {number} Jan 2020 10:00:00 +0000"),
            format!("Message-ID: {id}"),
            format!("Subject: {subject}"),
        ];
        if !references.is_empty() {
            header.push(format!("References: {references}"));
        }
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        home.put("", number, message(&header, "x\n"));
    }
}

#[test]
fn threads_are_made_of_references_and_of_subjects() {
    both(threads, |house| {
        let mut client = selected(house);
        step(
            &mut client,
            "THREAD REFERENCES UTF-8 ALL",
            &["=", "THREAD (1 (2 3)(7))((4)(5))(6)"],
            "OK ~",
        );
        step(
            &mut client,
            "THREAD ORDEREDSUBJECT UTF-8 ALL",
            &["=", "THREAD (1 (2)(3))(4 5)(6)(7)"],
            "OK ~",
        );
        step(
            &mut client,
            "UID THREAD REFERENCES UTF-8 1:3",
            &["=", "THREAD (1 2 3)"],
            "OK ~",
        );
        step(&mut client, "THREAD NONSENSE UTF-8 ALL", &["="], "BAD ~");
    });
}

#[test]
fn threads_by_subject_join_where_references_are_missing() {
    both(
        |home| {
            for (number, subject) in (1..).zip(["plans", "Re: plans", "other", "plans"]) {
                let date = format!("Date: {number} Jan 2020 10:00:00 +0000");
                let id = format!("Message-ID: <{number}@x>");
                let subject = format!("Subject: {subject}");
                home.put("", number, message(&[&date, &id, &subject], "x\n"));
            }
        },
        |house| {
            let mut client = selected(house);
            step(
                &mut client,
                "THREAD REFERENCES UTF-8 ALL",
                &["=", "THREAD ((1 2)(4))(3)"],
                "OK ~",
            );
        },
    );
}
