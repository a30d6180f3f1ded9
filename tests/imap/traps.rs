//! What IMAP servers are known to get wrong, and what ours does better than Dovecot.

use std::fs;
use std::time::Duration;

use crate::house::{Home, House, Whose, both, message, ours, simple, three};
use kit::disk::SmallDisk;
use kit::imap::{Imap, Piece, fetched, step};
use kit::{Run, bin, is_root, note_left_out};

fn validity(client: &mut Imap, name: &str) -> u64 {
    let reply = client.run(&format!("STATUS {name} (UIDVALIDITY)"));
    reply
        .number("UIDVALIDITY")
        .unwrap_or_else(|| panic!("{reply:?}"))
}

#[test]
fn the_inbox_is_renamed_by_moving_its_messages() {
    // Dovecot refuses.
    ours(three, |house| {
        let mut client = house.session();
        step(&mut client, "RENAME INBOX old.mail", &["="], "OK ~");
        step(
            &mut client,
            "SELECT INBOX",
            &["0 EXISTS", "OK [UIDNEXT ~] ~"],
            "OK ~",
        );
        step(&mut client, "SELECT old.mail", &["3 EXISTS"], "OK ~");
        step(&mut client, "SEARCH FLAGGED", &["SEARCH 2"], "OK ~");
        assert_eq!(house.home.names(""), [""; 0]);
        house.home.deliver("", "1700000000.M1P1.host", simple(4));
        step(&mut client, "SELECT INBOX", &["1 EXISTS"], "OK ~");
    });
}

#[test]
fn a_session_survives_the_deletion_of_its_mailbox() {
    ours(
        |home| {
            home.folder(".box");
            home.put(".box", 1, simple(1));
        },
        |house| {
            let mut client = house.session();
            let mut other = house.session();
            client.ok("SELECT box");
            other.ok("SELECT box");
            let before = validity(&mut client, "box");
            step(&mut client, "DELETE box", &[], "OK ~");
            step(&mut client, "FETCH 1 FLAGS", &["!1 FETCH~"], "BAD ~");
            step(&mut client, "NOOP", &[], "OK ~");
            client.ok("CREATE box");
            let reply = client.append("box", simple(2).replace('\n', "\r\n"));
            assert!(reply.is_ok(), "{reply:?}");
            assert!(validity(&mut client, "box") > before);
            // Whoever still has the old one is never shown the new one's messages.
            let tag = other.start("FETCH 1 BODY.PEEK[]");
            while let Some(line) = other.try_response(Duration::from_secs(5)) {
                assert!(!line.contains("message 2"), "{line}");
                if line.starts_with(&tag) || line.starts_with("BYE") {
                    break;
                }
            }
        },
    );
}

#[test]
fn a_session_hears_that_another_one_has_deleted_or_renamed_its_mailbox() {
    // As Dovecot does, which says it in other words.
    for command in ["DELETE box", "RENAME box other"] {
        for idles in [false, true] {
            let check = |house: &House| {
                let mut client = house.session();
                client.ok("SELECT box");
                if idles {
                    client.idle();
                }
                let mut other = house.session();
                other.ok(command);
                if !idles {
                    client.start("NOOP");
                }
                client.wait_for("BYE ", Duration::from_secs(20));
                while client.try_response(Duration::from_secs(5)).is_some() {}
                if house.whose == Whose::Ours {
                    assert_eq!(end_of(&mut client), Some(0));
                }
            };
            let with_box = |home: &Home| {
                home.folder(".box");
                home.put(".box", 1, simple(1));
            };
            match command.starts_with("DELETE") && !idles {
                true => both(with_box, check),
                // It finds it out later.
                false => ours(with_box, check),
            }
        }
    }
}

#[test]
fn who_renames_or_deletes_the_selected_mailbox_goes_on() {
    ours(
        |home| {
            home.folder(".box");
            home.folder(".box.below");
            home.put(".box", 1, simple(1));
            home.put(".box.below", 1, simple(2));
        },
        |house| {
            let mut client = house.session();
            client.ok("SELECT box.below");
            client.ok("RENAME box other");
            step(
                &mut client,
                "FETCH 1 (UID BODY.PEEK[HEADER.FIELDS (X)])",
                &["1 FETCH ~"],
                "OK ~",
            );
            client.ok("STORE 1 +FLAGS (\\Flagged)");
            house
                .home
                .deliver(".other.below", "1700000000.M1P1.host", simple(3));
            let told = client.run("NOOP");
            assert!(told.find("2 EXISTS").is_some(), "{told:?}");
            client.ok("DELETE other.below");
            step(&mut client, "FETCH 1 FLAGS", &[], "BAD ~");
            step(&mut client, "SELECT other", &["1 EXISTS"], "OK ~");
        },
    );
}

#[test]
fn a_rename_of_inbox_that_fails_on_a_full_disk_can_be_done_again() {
    if !is_root() {
        note_left_out("RENAME of INBOX on a full disk", "needs root");
        return;
    }
    let home = Home::new();
    // Names of a tmpfs are counted, as its files are.
    let Some(_disk) = SmallDisk::mount(home.path(), "size=4m,nr_inodes=100") else {
        return;
    };
    home.give(home.path());
    home.folder("");
    for number in 1..=40 {
        home.put("", number, simple(1));
    }
    let mut client = home.imapd(&[]);
    step(&mut client, "SELECT INBOX", &["40 EXISTS"], "OK ~");
    let fillers: Vec<_> = (0..30)
        .map(|n| {
            let path = home.mail(&format!("filler{n}"));
            fs::write(&path, "").unwrap();
            path
        })
        .collect();
    for _ in 0..2 {
        let reply = client.run("RENAME INBOX old");
        assert!(reply.status.starts_with("NO [OVERQUOTA] "), "{reply:?}");
        assert_eq!(home.names("").len(), 40);
        assert_eq!(client.ok("LIST \"\" old"), [""; 0]);
    }
    for filler in fillers {
        fs::remove_file(filler).unwrap();
    }
    client.ok("RENAME INBOX old");
    step(&mut client, "SELECT old", &["40 EXISTS"], "OK ~");
}

/// The code that the process at the other end ends with; none after a signal.
fn end_of(client: &mut kit::imap::Imap) -> Option<i32> {
    client.child().wait().unwrap().code()
}

#[test]
fn a_message_that_is_cut_off_while_it_is_sent_ends_the_session_and_nothing_else() {
    let lines = "a line of a large message\r\n".repeat(400_000);
    let text = format!("Subject: large\n\n{lines}");
    ours(
        |home| {
            home.put("", 1, &text);
        },
        |house| {
            let mut client = house.session();
            client.ok("SELECT INBOX");
            let file = house.home.mail(&house.home.names("")[0]);
            let tag = client.start("FETCH 1 (BODY.PEEK[])");
            // It is on its way, and more of it than the connection holds is not.
            std::thread::sleep(Duration::from_millis(500));
            let file = fs::File::options().write(true).open(file).unwrap();
            file.set_len(100_000).unwrap();
            while let Some(line) = client.try_response(Duration::from_secs(10)) {
                assert!(!line.starts_with(&tag), "it was not sent");
            }
            assert_eq!(end_of(&mut client), Some(0));
            // What is there now can be had, and a search reads it.
            let mut client = house.session();
            client.ok("SELECT INBOX");
            let reply = client.run("FETCH 1 (BODY.PEEK[])");
            assert!(reply.is_ok(), "{:?}", reply.status);
            step(
                &mut client,
                "SEARCH BODY \"large message\"",
                &["SEARCH 1"],
                "OK ~",
            );
        },
    );
}

#[test]
fn a_journal_that_is_cut_off_in_place_stops_no_session() {
    ours(
        |home| {
            for number in 1..=300 {
                home.put("", number, simple(1));
            }
        },
        |house| {
            for length in [0, 1, 100, 5000, 12_000] {
                let mut client = house.session();
                client.ok("SELECT INBOX");
                let mut other = house.session();
                other.ok("SELECT INBOX");
                let journal = house.home.mail("superd-journal");
                let file = fs::File::options().write(true).open(&journal).unwrap();
                file.set_len(length).unwrap();
                let flags = client.ok("FETCH 1:* (UID FLAGS)");
                assert_eq!(flags.len(), 300);
                client.ok("FETCH 300 (BODY.PEEK[])");
                client.ok("STORE 300 +FLAGS (\\Flagged)");
                let told = other.run("NOOP");
                assert!(told.find("300 FETCH").is_some() || length != 0, "{told:?}");
                client.ok("STORE 300 -FLAGS (\\Flagged)");
                other.ok("FETCH 1:* (UID FLAGS ENVELOPE)");
                for session in [&mut client, &mut other] {
                    session.ok("LOGOUT");
                    assert_eq!(end_of(session), Some(0));
                }
            }
        },
    );
}

#[test]
fn a_mailbox_keeps_its_validity_when_it_is_renamed_and_gets_another_when_made_again() {
    both(
        |home| {
            home.folder(".box");
            home.folder(".box.below");
            home.put(".box", 1, simple(1));
        },
        |house| {
            let mut client = house.session();
            let before = validity(&mut client, "box");
            client.ok("RENAME box other");
            assert_eq!(validity(&mut client, "other"), before);
            step(&mut client, "SELECT other.below", &["0 EXISTS"], "OK ~");
            client.ok("UNSELECT");
            client.ok("DELETE other.below");
            client.ok("DELETE other");
            client.ok("CREATE other");
            assert!(validity(&mut client, "other") > before);
        },
    );
}

#[test]
fn uids_are_not_given_again_after_all_is_gone() {
    both(three, |house| {
        let mut client = house.session();
        let before = validity(&mut client, "INBOX");
        client.ok("SELECT INBOX");
        client.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)");
        client.ok("EXPUNGE");
        client.ok("LOGOUT");
        house.home.deliver("", "1700000000.M1P1.host", simple(4));
        let mut client = house.session();
        step(
            &mut client,
            "SELECT INBOX",
            &["1 EXISTS", "OK [UIDNEXT 5] ~"],
            "OK ~",
        );
        step(&mut client, "FETCH 1 UID", &["1 FETCH (UID 4)"], "OK ~");
        assert_eq!(validity(&mut client, "INBOX"), before);
    });
}

#[test]
fn what_another_session_expunged_is_not_shown_as_empty() {
    both(three, |house| {
        let mut client = house.session();
        let mut other = house.session();
        client.ok("SELECT INBOX");
        other.ok("SELECT INBOX");
        other.ok("STORE 2 +FLAGS (\\Deleted)");
        other.ok("EXPUNGE");
        let reply = client.run("FETCH 1:3 (UID BODY.PEEK[TEXT])");
        // Not told yet, so that the numbers are still those of before.
        assert_eq!(reply.find("EXPUNGE"), None, "{reply:?}");
        let all = fetched(&reply.untagged);
        for number in [1, 3] {
            assert!(
                all[&number]["BODY[TEXT]"]
                    .text()
                    .starts_with(&format!("text {number}"))
            );
        }
        // Dovecot says NIL.
        if !house.is_dovecots()
            && let Some(items) = all.get(&2)
        {
            assert!(!items.contains_key("BODY[TEXT]"), "{items:?}");
        }
        // Clients show a NO to people, who have done nothing wrong.
        assert!(reply.status.starts_with("OK [EXPUNGEISSUED] "), "{reply:?}");
        let mut told = client.ok("NOOP");
        for _ in 0..100 {
            if told.iter().any(|line| line == "2 EXPUNGE") {
                break;
            }
            told.extend(client.ok("NOOP"));
        }
        assert!(told.iter().any(|line| line == "2 EXPUNGE"), "{told:?}");
        step(
            &mut client,
            "FETCH 1:* UID",
            &["=", "1 FETCH (UID 1)", "2 FETCH (UID 3)"],
            "OK ~",
        );
    });
}

/// A session in which `gone` of three messages are no more and nothing was told of it.
fn not_told(house: &House, gone: &str) -> Imap {
    let mut client = house.session();
    let mut other = house.session();
    client.ok("SELECT INBOX");
    other.ok("SELECT INBOX");
    other.ok(&format!("STORE {gone} +FLAGS (\\Deleted)"));
    other.ok("EXPUNGE");
    client
}

/// A house with three messages and an empty mailbox.
fn with_box(home: &Home) {
    three(home);
    home.folder(".box");
}

#[test]
fn flags_are_stored_in_what_is_left_of_what_another_session_expunged() {
    for gone in ["2", "1:3"] {
        for uid in ["", "UID "] {
            ours(three, |house| {
                let mut client = not_told(house, gone);
                let reply = client.run(&format!("{uid}STORE 1:3 +FLAGS (\\Answered)"));
                assert!(reply.status.starts_with("OK [EXPUNGEISSUED] "), "{reply:?}");
                let told = |number: u32| reply.find(&format!("{number} FETCH ")).is_some();
                assert!(!told(2), "{reply:?}");
                assert_eq!((told(1), told(3)), (gone == "2", gone == "2"), "{reply:?}");
                let left = house.home.names("");
                assert!(
                    left.iter()
                        .all(|name| name.contains(":2,") && name.contains('R'))
                );
                assert_eq!(left.len(), if gone == "2" { 2 } else { 0 });
            });
        }
    }
    // What Dovecot says of it; it names no flags of the others, for it has not looked yet.
    both(three, |house| {
        let reply = not_told(house, "2").run("STORE 1:3 +FLAGS (\\Answered)");
        assert!(reply.is_ok(), "{reply:?}");
    });
}

#[test]
fn copies_by_number_are_all_or_none_and_by_uid_of_what_is_there() {
    // RFC 3501 section 6.4.7 and RFC 2180 section 4.4.1; and RFC 3501 section 6.4.8: a UID that no
    // message has is ignored, whether this session was told of that or not.
    ours(with_box, |house| {
        let mut client = not_told(house, "2");
        step(&mut client, "COPY 1:3 box", &[], "NO [EXPUNGEISSUED] ~");
        assert_eq!(house.home.names(".box").len(), 0);
    });
    ours(with_box, |house| {
        let mut client = not_told(house, "2");
        step(
            &mut client,
            "UID COPY 1:3 box",
            &[],
            "OK [COPYUID ~ 1,3 1,2] ~",
        );
        assert_eq!(house.home.names(".box").len(), 2);
    });
    for words in ["COPY 2", "UID COPY 2"] {
        ours(with_box, |house| {
            let mut client = not_told(house, "2");
            let wanted = if words == "COPY 2" { "NO" } else { "OK" };
            let wanted = format!("{wanted} [EXPUNGEISSUED] ~");
            step(&mut client, &format!("{words} box"), &[], &wanted);
            assert_eq!(house.home.names(".box").len(), 0);
        });
    }
}

#[test]
fn a_move_moves_what_is_there_and_says_no_only_where_nothing_is_that_was_named_by_number() {
    for (words, moved, wanted) in [
        ("MOVE 1:3", 2, "OK [EXPUNGEISSUED] ~"),
        ("UID MOVE 1:3", 2, "OK [EXPUNGEISSUED] ~"),
        ("MOVE 2", 0, "NO [EXPUNGEISSUED] ~"),
        ("UID MOVE 2", 0, "OK [EXPUNGEISSUED] ~"),
    ] {
        ours(with_box, |house| {
            let mut client = not_told(house, "2");
            let reply = client.run(&format!("{words} box"));
            let status = &reply.status;
            assert!(
                status.starts_with(wanted.trim_end_matches('~')),
                "{words}: {reply:?}"
            );
            let told = reply
                .find("COPYUID ")
                .is_some_and(|line| line.contains(" 1,3 1,2]"));
            assert_eq!(told, moved > 0, "{reply:?}");
            assert_eq!(house.home.names(".box").len(), moved);
            assert_eq!(house.home.names("").len(), 2 - moved);
        });
    }
}

#[test]
fn more_than_26_keywords_are_kept() {
    both(three, |house| {
        let mut client = house.session();
        client.ok("SELECT INBOX");
        for number in 1..=40 {
            client.ok(&format!("STORE 1 +FLAGS.SILENT (Keyword{number})"));
        }
        client.ok("LOGOUT");
        let mut client = house.session();
        client.ok("SELECT INBOX");
        let flags = client.ok("FETCH 1 FLAGS").join(" ");
        for number in 1..=40 {
            assert!(
                flags.contains(&format!("Keyword{number}")),
                "{number}: {flags}"
            );
        }
        // Their case is kept and means nothing.
        step(
            &mut client,
            "SEARCH KEYWORD KEYWORD33",
            &["SEARCH 1"],
            "OK ~",
        );
        step(
            &mut client,
            "STORE 1 -FLAGS (keyWORD33)",
            &["!~Keyword33 ~"],
            "OK ~",
        );
    });
}

#[test]
fn letters_of_others_in_a_name_are_kept() {
    both(
        |home| {
            home.put_as("", "cur/1600000000.M1P1.host:2,FSXz", 1, simple(1));
        },
        |house| {
            let mut client = house.session();
            client.ok("SELECT INBOX");
            client.ok("STORE 1 +FLAGS (\\Answered)");
            let name = house.home.names("").remove(0);
            let letters = name.rsplit(":2,").next().unwrap().to_owned();
            for letter in "FRSXz".chars() {
                assert!(letters.contains(letter), "{name}");
            }
        },
    );
}

#[test]
fn a_file_with_cr_lf_is_not_given_a_second_cr() {
    both(
        |home| {
            home.put("", 1, "Subject: x\r\n\r\none\r\ntwo\r\n");
            home.put("", 2, "Subject: x\n\none\r\ntwo\n");
        },
        |house| {
            let mut client = house.session();
            client.ok("SELECT INBOX");
            let wanted = "Subject: x\r\n\r\none\r\ntwo\r\n";
            let all = fetched(&client.ok("FETCH 1:2 (RFC822.SIZE BODY.PEEK[])"));
            for number in [1, 2] {
                assert_eq!(all[&number]["BODY[]"].text(), wanted);
                assert_eq!(all[&number]["RFC822.SIZE"].text(), wanted.len().to_string());
            }
        },
    );
}

#[test]
fn a_wrong_size_in_a_name_is_noticed() {
    // Dovecot breaks the connection off, and believes the name again next time.
    ours(
        |home| {
            home.put_as(
                "",
                "cur/1600000000.M1P1.host,S=5,W=7:2,S",
                1,
                "Subject: x\n\nlonger than that\n",
            );
        },
        |house| {
            let mut client = house.session();
            client.ok("SELECT INBOX");
            let wanted = "Subject: x\r\n\r\nlonger than that\r\n";
            let all = fetched(&client.ok("FETCH 1 (BODY.PEEK[])"));
            assert_eq!(all[&1]["BODY[]"].text(), wanted);
            let all = fetched(&client.ok("FETCH 1 (RFC822.SIZE)"));
            assert_eq!(all[&1]["RFC822.SIZE"].text(), wanted.len().to_string());
        },
    );
}

#[test]
fn long_sets_of_uids_are_taken() {
    both(three, |house| {
        let mut client = house.session();
        client.ok("SELECT INBOX");
        let set: Vec<String> = (1..=9000).map(|uid| (uid * 2 - 1).to_string()).collect();
        let set = set.join(",");
        assert!(set.len() > 48_000);
        let told = client.ok(&format!("UID FETCH {set} (UID)"));
        assert_eq!(told, ["1 FETCH (UID 1)", "3 FETCH (UID 3)"]);
        let set = &set[..7000];
        let set = &set[..set.rfind(',').unwrap()];
        step(
            &mut client,
            &format!("UID SEARCH UID {set}"),
            &["SEARCH 1 3"],
            "OK ~",
        );
    });
}

#[test]
fn endless_lines_and_deep_parentheses_are_refused_and_cost_nothing() {
    ours(three, |house| {
        let mut client = house.session();
        client.ok("SELECT INBOX");
        for depth in [50, 5000] {
            let keys = format!("{}SEEN{}", "(".repeat(depth), ")".repeat(depth));
            let reply = client.run(&format!("SEARCH {keys}"));
            let status = &reply.status;
            assert!(
                status.starts_with("OK") || status.starts_with("BAD") || status.starts_with("NO"),
                "{status}"
            );
            let keys = format!("{}SEEN", "NOT ".repeat(depth));
            let reply = client.run(&format!("SEARCH {keys}"));
            assert!(!reply.status.is_empty());
        }
        // A line without end is no reason to keep it all.
        let _ = client.try_send(&vec![b'a'; 4 << 20]);
        let _ = client.try_send(b"\r\n");
        let said = client.try_response(Duration::from_secs(10));
        assert!(said.is_some_and(|line| line.contains("BAD") || line.contains("BYE")));
    });
}

#[test]
fn names_that_no_file_system_should_see_are_refused() {
    ours(three, |house| {
        let mut client = house.session();
        let long = "x".repeat(300);
        for name in [
            "a..b",
            ".a",
            "..",
            "\"../x\"",
            "a/../../b",
            "&AGE-",
            "\"&XX\"",
            "&2D0-",
            &long,
            "\"a\\\\..\"",
        ] {
            let reply = client.run(&format!("CREATE {name}"));
            assert!(!reply.is_ok(), "{name}: {reply:?}");
        }
        let reply = client.pieces(&[Piece::Words("CREATE "), Piece::Literal(b"a\x01b")]);
        assert!(!reply.is_ok(), "{reply:?}");
        let there: Vec<String> = fs::read_dir(house.home.mail(""))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with('.'))
            .collect();
        assert_eq!(there, [""; 0]);
        step(
            &mut client,
            "LIST \"\" *",
            &["=", "LIST (~) \".\" INBOX"],
            "OK ~",
        );
    });
}

#[test]
fn an_append_of_nothing_or_with_nul_is_refused() {
    ours(three, |house| {
        let mut client = house.session();
        for bytes in [&b""[..], b"Subject: x\r\n\r\na\0b\r\n"] {
            let reply = client.append("INBOX", bytes);
            assert!(!reply.is_ok(), "{bytes:?}: {reply:?}");
        }
        step(
            &mut client,
            "STATUS INBOX (MESSAGES)",
            &["STATUS INBOX (MESSAGES 3)"],
            "OK ~",
        );
        assert_eq!(fs::read_dir(house.home.mail("tmp")).unwrap().count(), 0);
    });
}

#[test]
fn an_append_beyond_the_limit_is_refused_before_it_is_sent() {
    ours(three, |house| {
        let mut client = house.session();
        let told = client.ok("CAPABILITY").remove(0);
        let limit = told
            .split("APPENDLIMIT=")
            .nth(1)
            .expect("APPENDLIMIT is told");
        let limit: u64 = limit.split(' ').next().unwrap().parse().unwrap();
        let tag = client.start(&format!("APPEND INBOX {{{}}}", limit + 1));
        let reply = client.reply(&tag);
        assert!(
            reply.status.starts_with("NO [TOOBIG]") || reply.status.starts_with("NO "),
            "{reply:?}"
        );
        step(&mut client, "NOOP", &["="], "OK ~");
    });
}

#[test]
fn a_store_tells_the_flags_once_and_a_silent_one_nothing() {
    both(three, |house| {
        let mut client = house.session();
        client.ok("SELECT INBOX");
        step(
            &mut client,
            "STORE 1:3 +FLAGS.SILENT (\\Seen)",
            &["="],
            "OK ~",
        );
        step(
            &mut client,
            "STORE 1,1,1 +FLAGS (\\Answered)",
            &["=", "1 FETCH (FLAGS (\\Answered \\Seen))"],
            "OK ~",
        );
    });
}

#[test]
fn repeated_numbers_are_answered_once() {
    both(three, |house| {
        let mut client = house.session();
        client.ok("SELECT INBOX");
        let told = client.ok("FETCH 1,1,2:1,*:3 UID");
        assert_eq!(
            told,
            ["1 FETCH (UID 1)", "2 FETCH (UID 2)", "3 FETCH (UID 3)"]
        );
    });
}

#[test]
fn twenty_senseless_commands_end_the_session_and_a_sensible_one_starts_the_count_anew() {
    ours(three, |house| {
        let mut client = house.session();
        for _ in 0..15 {
            step(&mut client, "NONSENSE", &[], "BAD ~");
        }
        client.ok("NOOP");
        let mut ended = false;
        for number in 0..60 {
            let _ = client.try_send(format!("x{number} NONSENSE\r\n").as_bytes());
            match client.try_response(Duration::from_secs(10)) {
                Some(line) if line.contains(" BAD ") => assert!(number < 50, "{number}"),
                Some(line) => {
                    assert!(line.starts_with("BYE"), "{line}");
                    assert!(number >= 15, "{number}");
                    ended = true;
                    break;
                }
                None => break,
            }
        }
        assert!(ended);
    });
}

#[test]
fn changes_by_others_are_pushed_within_a_second() {
    ours(three, |house| {
        let mut client = house.session();
        let mut other = house.session();
        client.ok("SELECT INBOX");
        other.ok("SELECT INBOX");
        let (tag, _) = client.idle();
        // A moment, so that it is really waiting.
        std::thread::sleep(Duration::from_millis(100));
        let second = Duration::from_secs(1);
        house.home.deliver("", "1700000000.M1P1.host", simple(4));
        client.wait_for("4 EXISTS", second);
        other.ok("STORE 1 +FLAGS (\\Answered)");
        client.wait_for("\\Answered", second);
        let name = house
            .home
            .names("")
            .into_iter()
            .find(|name| name.starts_with("cur/1600000120."))
            .unwrap();
        let renamed = name.replace(":2,", ":2,D");
        fs::rename(house.home.mail(&name), house.home.mail(&renamed)).unwrap();
        client.wait_for("\\Draft", second);
        fs::remove_file(house.home.mail(&renamed)).unwrap();
        client.wait_for("EXPUNGE", Duration::from_secs(3));
        assert!(client.done(&tag).is_ok());
    });
}

#[test]
fn it_serves_two_pipes_as_well_as_a_socket() {
    ours(three, |house| {
        let home = &house.home;
        let run = |input: &str, tag: Option<&str>| {
            let mut run = if is_root() {
                Run::new("setpriv")
                    .args([
                        "--reuid",
                        "nobody",
                        "--regid",
                        &home.group().to_string(),
                        "--clear-groups",
                        "--",
                    ])
                    .arg(bin("imapd"))
            } else {
                Run::new(bin("imapd"))
            };
            run = run
                .arg("Maildir")
                .dir(home.path())
                .env("HOME", home.path())
                .env("AUTHENTICATED", "joe");
            if let Some(tag) = tag {
                run = run.env("IMAPLOGINTAG", tag);
            }
            let done = run.input(input).done();
            assert_eq!(done.code, Some(0), "{}{}", done.out(), done.err());
            done.out()
        };
        let said = run("a SELECT INBOX\r\nb LOGOUT\r\n", None);
        assert!(said.starts_with("* PREAUTH "), "{said}");
        assert!(
            said.contains("* 3 EXISTS\r\n") && said.contains("\r\nb OK "),
            "{said}"
        );
        let said = run("b LOGOUT\r\n", Some("xyz"));
        assert!(said.starts_with("xyz OK [CAPABILITY IMAP4rev1 "), "{said}");
        // The end of the input is the end of the session, whatever it is in the middle of.
        let said = run("a SELECT INBOX\r\nb APPEND INBOX {100}\r\nhalf", None);
        assert!(said.contains("* 3 EXISTS\r\n"), "{said}");
        assert_eq!(home.names("").len(), 3);
        assert_eq!(fs::read_dir(home.mail("tmp")).unwrap().count(), 0);
    });
}

fn tagged_subject(home: &Home) {
    let text = "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nFrom: a@example.org";
    home.put("", 1, message(&text.lines().collect::<Vec<_>>(), "x\n"));
}

#[test]
fn searches_ignore_case_in_all_letters() {
    ours(tagged_subject, |house| {
        let mut client = house.session();
        client.ok("SELECT INBOX");
        for text in ["Grüße", "GRÜße", "grüße", "rüß"] {
            let command = format!("SEARCH CHARSET UTF-8 SUBJECT {{{}+}}\r\n{text}", text.len());
            step(&mut client, &command, &["=", "SEARCH 1"], "OK ~");
        }
    });
}
