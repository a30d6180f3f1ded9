//! RFC 3501 as dialogues: its sample connection and the examples of its commands, with mailboxes of
//! our own. Each is played against Dovecot first, where it is there.

use crate::house::{Home, both, message, ours, simple, three};
use kit::imap::{Piece, Value, fetched, step};

/// Eighteen messages, the twelfth with all that an envelope has.
fn eighteen(home: &Home) {
    for number in 1..=18 {
        home.put("", number, simple(number));
    }
    home.put(
        "",
        12,
        message(
            &[
                "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)",
                "From: Terry <terry@cac.example.edu>",
                "Subject: the minutes",
                "To: imap@cac.example.edu",
                "cc: minutes@CNRI.Example.VA.US, John <Klensin@MIT.Example.EDU>",
                "Message-Id: <B27397-0100000@cac.example.edu>",
                "MIME-Version: 1.0",
                "Content-Type: TEXT/PLAIN; CHARSET=US-ASCII",
            ],
            "one\ntwo\nthree\n",
        ),
    );
}

#[test]
fn the_sample_connection_is_played() {
    both(eighteen, |house| {
        let mut client = house.session();
        step(
            &mut client,
            "select inbox",
            &[
                "18 EXISTS",
                "FLAGS (~\\Answered~)",
                "~ RECENT",
                "OK [UIDVALIDITY ~]~",
                "OK [UIDNEXT 19]~",
                "OK [PERMANENTFLAGS (~\\*)]~",
            ],
            "OK [READ-WRITE] ~",
        );
        let reply = step(&mut client, "fetch 12 full", &["12 FETCH (~)"], "OK ~");
        let all = fetched(&reply.untagged);
        let items = &all[&12];
        assert_eq!(
            items.keys().collect::<Vec<_>>(),
            ["BODY", "ENVELOPE", "FLAGS", "INTERNALDATE", "RFC822.SIZE"]
        );
        let envelope = r#"("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "the minutes" (("Terry" NIL "terry" "cac.example.edu")) (("Terry" NIL "terry" "cac.example.edu")) (("Terry" NIL "terry" "cac.example.edu")) ((NIL NIL "imap" "cac.example.edu")) ((NIL NIL "minutes" "CNRI.Example.VA.US")("John" NIL "Klensin" "MIT.Example.EDU")) NIL NIL "<B27397-0100000@cac.example.edu>")"#;
        assert_eq!(items["ENVELOPE"], Value::all(envelope)[0]);
        let Value::List(body) = &items["BODY"] else {
            panic!("{items:?}");
        };
        let words: Vec<String> = body.iter().map(|v| v.text().to_ascii_lowercase()).collect();
        assert_eq!(words, ["text", "plain", "", "", "", "7bit", "17", "3"]);
        let reply = step(
            &mut client,
            "fetch 12 body[header]",
            &["12 FETCH (~BODY[HEADER] {~"],
            "OK ~",
        );
        let header = fetched(&reply.untagged)[&12]["BODY[HEADER]"].clone();
        assert!(header.text().starts_with("Date: Wed, 17 Jul 1996"));
        assert!(header.text().ends_with("CHARSET=US-ASCII\r\n\r\n"));
        step(
            &mut client,
            "store 12 +flags \\deleted",
            &["12 FETCH (FLAGS (~\\Deleted~))"],
            "OK ~",
        );
        step(&mut client, "logout", &["BYE ~"], "OK ~");
        assert!(client.is_over());
    });
}

#[test]
fn capability_noop_and_logout_are_understood_in_any_case() {
    both(three, |house| {
        let mut client = house.session();
        let reply = step(
            &mut client,
            "CaPaBiLiTy",
            &["CAPABILITY IMAP4rev1~"],
            "OK ~",
        );
        for word in [
            "LITERAL+",
            "SASL-IR",
            "ID",
            "ENABLE",
            "IDLE",
            "NAMESPACE",
            "UIDPLUS",
            "CHILDREN",
            "SPECIAL-USE",
            "UNSELECT",
            "MOVE",
            "CONDSTORE",
            "QRESYNC",
            "ESEARCH",
            "SEARCHRES",
            "WITHIN",
            "LIST-EXTENDED",
            "LIST-STATUS",
            "STATUS=SIZE",
            "COMPRESS=DEFLATE",
            "MULTIAPPEND",
            "SORT",
            "THREAD=ORDEREDSUBJECT",
            "THREAD=REFERENCES",
        ] {
            // COMPRESS comes from a plug-in there, which is not everywhere.
            let theirs = house.is_dovecots() && word == "COMPRESS=DEFLATE";
            let has = reply.untagged[0].split(' ').any(|one| one == word);
            assert!(has || theirs, "{word} is not in {reply:?}");
        }
        step(&mut client, "noop", &["="], "OK ~");
        step(&mut client, "LogOut", &["BYE ~"], "OK ~");
    });
}

#[test]
fn unknown_commands_and_wrong_words_are_bad_and_end_nothing() {
    both(three, |house| {
        let mut client = house.session();
        step(&mut client, "blurdybloop", &["="], "BAD ~");
        step(&mut client, "FETCH 1 FLAGS", &["="], "BAD ~");
        step(&mut client, "SELECT", &["="], "BAD ~");
        client.ok("SELECT INBOX");
        for command in [
            "FETCH 1",
            "FETCH 4 FLAGS",
            "FETCH 0 FLAGS",
            "FETCH 1:a FLAGS",
            "FETCH 1 (FLAGS",
            "FETCH 1 NONSENSE",
            "FETCH 1 BODY[HEADER.FIELDS ()]",
            "STORE 1 FLOGS (\\Seen)",
            "SEARCH NONSENSE",
            "SEARCH",
            "SEARCH BEFORE 1-Foo-2020",
            "UID NOOP",
            "COPY 1",
        ] {
            step(&mut client, command, &["!~ FETCH ~"], "BAD ~");
        }
        // Dovecot takes that for an empty list.
        if !house.is_dovecots() {
            step(&mut client, "STORE 1 FLAGS", &["="], "BAD ~");
        }
        step(&mut client, "NOOP", &["="], "OK ~");
    });
}

#[test]
fn select_and_examine_tell_what_they_must() {
    both(
        |home| {
            three(home);
            home.deliver("", "1700000000.new", simple(4));
            home.folder(".empty");
        },
        |house| {
            let mut client = house.session();
            let told = [
                "4 EXISTS",
                "FLAGS (~\\Answered~\\Flagged~\\Deleted~\\Seen~\\Draft~)",
                "OK [UNSEEN 4] ~",
                "OK [UIDVALIDITY ~] ~",
                "OK [UIDNEXT 5] ~",
                "OK [PERMANENTFLAGS (~)] ~",
            ];
            step(&mut client, "EXAMINE INBOX", &told, "OK [READ-ONLY] ~");
            step(
                &mut client,
                "STORE 1 FLAGS (\\Deleted)",
                &["!~FETCH~\\Deleted~"],
                "~",
            );
            step(
                &mut client,
                "FETCH 1 BODY[]",
                &["!~\\Recent \\Seen~"],
                "OK ~",
            );
            let reply = step(&mut client, "SELECT inbox", &told, "OK [READ-WRITE] ~");
            // Dovecot tells it to those who have asked for CONDSTORE.
            assert!(house.is_dovecots() || reply.number("HIGHESTMODSEQ") > Some(0));
            step(
                &mut client,
                "SELECT empty",
                &["0 EXISTS", "0 RECENT", "!OK [UNSEEN~", "OK [UIDNEXT 1] ~"],
                "OK [READ-WRITE] ~",
            );
            // What cannot be selected leaves nothing selected.
            step(&mut client, "SELECT nowhere", &[], "NO ~");
            step(&mut client, "FETCH 1 FLAGS", &["="], "BAD ~");
        },
    );
}

#[test]
fn a_store_in_examine_is_refused_and_changes_nothing() {
    ours(three, |house| {
        let mut client = house.session();
        client.ok("EXAMINE INBOX");
        step(&mut client, "STORE 1 +FLAGS (\\Flagged)", &["="], "NO ~");
        step(&mut client, "EXPUNGE", &["="], "NO ~");
        step(
            &mut client,
            "FETCH 1 FLAGS",
            &["1 FETCH (FLAGS (\\Seen))"],
            "OK ~",
        );
        step(&mut client, "COPY 1 INBOX", &["!NO~"], "OK ~");
    });
}

#[test]
fn create_delete_and_rename_keep_the_tree() {
    both(three, |house| {
        let mut client = house.session();
        step(&mut client, "CREATE owatagusiam.", &["="], "OK ~");
        step(
            &mut client,
            "CREATE owatagusiam.blurdybloop",
            &["="],
            "OK ~",
        );
        step(
            &mut client,
            "CREATE owatagusiam.blurdybloop",
            &["="],
            "NO [ALREADYEXISTS] ~",
        );
        step(&mut client, "CREATE INBOX", &["="], "NO ~");
        step(
            &mut client,
            "LIST \"\" owatagusiam*",
            &[
                "LIST (~) \".\" owatagusiam",
                "LIST (~\\HasNoChildren~) \".\" owatagusiam.blurdybloop",
            ],
            "OK ~",
        );
        step(&mut client, "RENAME owatagusiam foo", &["="], "OK ~");
        step(
            &mut client,
            "LIST \"\" *",
            &[
                "LIST (~) \".\" INBOX",
                "LIST (~\\HasChildren~) \".\" foo",
                "LIST (~) \".\" foo.blurdybloop",
                "!~owatagusiam~",
            ],
            "OK ~",
        );
        step(
            &mut client,
            "DELETE blurdybloop",
            &["="],
            "NO [NONEXISTENT] ~",
        );
        step(&mut client, "DELETE foo.blurdybloop", &["="], "OK ~");
        step(&mut client, "DELETE foo", &["="], "OK ~");
        step(&mut client, "DELETE INBOX", &["="], "NO ~");
        step(
            &mut client,
            "RENAME nowhere somewhere",
            &["="],
            "NO [NONEXISTENT] ~",
        );
        step(&mut client, "LIST \"\" foo*", &["="], "OK ~");
    });
}

#[test]
fn subscriptions_outlive_their_mailboxes() {
    both(three, |house| {
        let mut client = house.session();
        client.ok("CREATE news.comp");
        client.ok("SUBSCRIBE news.comp");
        step(
            &mut client,
            "LSUB \"\" *",
            &["=", "LSUB (~) \".\" news.comp"],
            "OK ~",
        );
        // A name below the one that is asked for makes its parent show, as not selectable.
        step(
            &mut client,
            "LSUB \"\" %",
            &["=", "LSUB (~\\Noselect~) \".\" news"],
            "OK ~",
        );
        client.ok("DELETE news.comp");
        step(
            &mut client,
            "LSUB \"\" *",
            &["=", "LSUB (~) \".\" news.comp"],
            "OK ~",
        );
        client.ok("UNSUBSCRIBE news.comp");
        step(&mut client, "LSUB \"\" *", &["="], "OK ~");
    });
}

#[test]
fn list_stops_at_the_separator_where_it_should() {
    both(
        |home| {
            for name in [".a", ".a.b", ".a.b.c", ".ab", ".&AOQ-"] {
                home.folder(name);
            }
        },
        |house| {
            let mut client = house.session();
            step(
                &mut client,
                "LIST \"\" \"\"",
                &["=", "LIST (\\Noselect) \".\" \"\""],
                "OK ~",
            );
            for (pattern, names) in [
                ("%", vec!["INBOX", "a", "ab", "&AOQ-"]),
                ("a%", vec!["a", "ab"]),
                ("a.%", vec!["a.b"]),
                ("a.*", vec!["a.b", "a.b.c"]),
                ("%.%", vec!["a.b"]),
                ("inbox", vec!["INBOX"]),
                ("A", vec![]),
                ("a.b.%", vec!["a.b.c"]),
                ("*b", vec!["a.b", "ab"]),
                ("&AOQ-", vec!["&AOQ-"]),
            ] {
                let mut found: Vec<String> = client
                    .ok(&format!("LIST \"\" {pattern}"))
                    .iter()
                    .map(|line| line.rsplit(' ').next().unwrap().replace('"', ""))
                    .collect();
                found.sort();
                let mut names = names.clone();
                names.sort_unstable();
                assert_eq!(found, names, "{pattern}");
            }
            // The reference is a prefix like any other.
            step(
                &mut client,
                "LIST a. %",
                &["=", "LIST (~) \".\" a.b"],
                "OK ~",
            );
        },
    );
}

#[test]
fn status_tells_each_item_and_selects_nothing() {
    both(
        |home| {
            three(home);
            home.folder(".blurdybloop");
            home.put(".blurdybloop", 1, simple(1));
            home.put_as(".blurdybloop", "cur/2.b:2,", 2, simple(2));
        },
        |house| {
            let mut client = house.session();
            step(
                &mut client,
                "STATUS blurdybloop (UIDNEXT MESSAGES UNSEEN)",
                &["=", "STATUS blurdybloop (~)"],
                "OK ~",
            );
            let reply =
                client.run("STATUS blurdybloop (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)");
            for (word, number) in [
                ("MESSAGES", 2),
                ("RECENT", 0),
                ("UIDNEXT", 3),
                ("UNSEEN", 1),
            ] {
                assert_eq!(reply.number(word), Some(number), "{word} {reply:?}");
            }
            assert!(reply.number("UIDVALIDITY") > Some(0));
            step(&mut client, "FETCH 1 FLAGS", &["="], "BAD ~");
            client.ok("SELECT INBOX");
            step(
                &mut client,
                "STATUS INBOX (MESSAGES)",
                &["STATUS INBOX (MESSAGES 3)"],
                "OK ~",
            );
            step(&mut client, "STATUS nowhere (MESSAGES)", &["="], "NO ~");
            step(&mut client, "STATUS INBOX (NONSENSE)", &["="], "BAD ~");
        },
    );
}

#[test]
fn append_takes_flags_and_a_date_and_says_where_to_try_create() {
    both(
        |home| home.folder(".saved-messages"),
        |house| {
            let mut client = house.session();
            let text = simple(1).replace('\n', "\r\n");
            let reply = client.append(
                "saved-messages (\\Seen $Label) \" 7-Feb-1994 22:43:04 -0800\"",
                &text,
            );
            assert!(reply.status.starts_with("OK [APPENDUID "), "{reply:?}");
            let reply = client.append("nowhere (\\Seen)", &text);
            assert!(reply.status.starts_with("NO [TRYCREATE]"), "{reply:?}");
            client.ok("SELECT saved-messages");
            let reply = client.run("FETCH 1 (FLAGS INTERNALDATE BODY.PEEK[])");
            let all = fetched(&reply.untagged);
            let items = &all[&1];
            assert_eq!(items["BODY[]"].text(), text);
            let Value::List(flags) = &items["FLAGS"] else {
                panic!("{items:?}");
            };
            for flag in ["\\Seen", "$Label"] {
                assert!(flags.contains(&Value::Atom(flag.into())), "{flags:?}");
            }
            assert!(!flags.contains(&Value::Atom("\\Deleted".into())));
            // The same instant, in whatever zone; Dovecot pads the day with a zero.
            let date = items["INTERNALDATE"].text();
            let padding = if house.is_dovecots() { "0" } else { " " };
            let dates = ["8-Feb-1994 06:43:04 +0000", "7-Feb-1994 22:43:04 -0800"];
            let date = date.strip_prefix(padding);
            assert!(date.is_some_and(|date| dates.contains(&date)), "{items:?}");
            let reply = client.append("saved-messages", &text);
            assert!(
                reply.is_ok() && reply.find("2 EXISTS").is_some(),
                "{reply:?}"
            );
        },
    );
}

#[test]
fn close_expunges_in_silence_and_expunge_tells() {
    both(three, |house| {
        let mut client = house.session();
        client.ok("SELECT INBOX");
        client.ok("STORE 1,3 +FLAGS.SILENT (\\Deleted)");
        step(
            &mut client,
            "EXPUNGE",
            &["~ EXPUNGE", "~ EXPUNGE", "!4 EXPUNGE"],
            "OK ~",
        );
        step(
            &mut client,
            "FETCH 1:* UID",
            &["=", "1 FETCH (UID 2)"],
            "OK ~",
        );
        client.ok("STORE 1 +FLAGS (\\Deleted)");
        step(&mut client, "CLOSE", &["!~ EXPUNGE"], "OK ~");
        step(&mut client, "CHECK", &["="], "BAD ~");
        step(
            &mut client,
            "SELECT INBOX",
            &["0 EXISTS", "OK [UIDNEXT 4] ~"],
            "OK ~",
        );
        assert_eq!(house.home.names(""), [""; 0]);
    });
}

#[test]
fn search_finds_by_flags_dates_and_words() {
    both(three, |house| {
        let mut client = house.session();
        client.ok("SELECT INBOX");
        for (keys, found) in [
            ("FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"", "SEARCH 2"),
            ("SUBJECT \"message 3\"", "SEARCH 3"),
            ("TEXT \"string not in mailbox\"", "SEARCH"),
            ("BODY \"TEXT 2\"", "SEARCH 2"),
            ("OR SUBJECT \"message 1\" 3", "SEARCH 1 3"),
            ("NOT (1 2)", "SEARCH 1 2 3"),
            ("NOT 1:2", "SEARCH 3"),
            ("2:* UNFLAGGED", "SEARCH 3"),
            ("UID 3:2", "SEARCH 2 3"),
            ("SENTON 12-Sep-2020", "SEARCH 2"),
            ("SENTBEFORE 12-Sep-2020", "SEARCH 1"),
            ("SENTSINCE 13-Sep-2020", "SEARCH 3"),
            ("ON 13-Sep-2020", "SEARCH 1 2 3"),
            ("HEADER Message-ID \"<2@\"", "SEARCH 2"),
            ("HEADER X-None \"\"", "SEARCH"),
            ("HEADER Subject \"\"", "SEARCH 1 2 3"),
            ("KEYWORD $Nothing", "SEARCH"),
            ("UNKEYWORD $Nothing", "SEARCH 1 2 3"),
            ("LARGER 1", "SEARCH 1 2 3"),
            ("SMALLER 1", "SEARCH"),
            ("TO joe CC joe", "SEARCH"),
            ("ALL SEEN UNDELETED UNANSWERED UNDRAFT", "SEARCH 1 2 3"),
        ] {
            // Dovecot makes a keyword known by searching for it, and tells of that too.
            let reply = client.run(&format!("SEARCH {keys}"));
            assert_eq!(reply.find("SEARCH"), Some(found), "{keys}: {reply:?}");
        }
        step(
            &mut client,
            "SEARCH CHARSET X-NONE ALL",
            &["="],
            "NO [BADCHARSET~",
        );
        let reply = client.pieces(&[
            Piece::Words("SEARCH CHARSET UTF-8 TEXT "),
            Piece::Literal("текст".as_bytes()),
        ]);
        assert_eq!(reply.untagged, ["SEARCH"]);
        step(
            &mut client,
            "UID SEARCH ALL",
            &["=", "SEARCH 1 2 3"],
            "OK ~",
        );
    });
}

#[test]
fn store_adds_removes_and_replaces_flags() {
    both(three, |house| {
        let mut client = house.session();
        client.ok("SELECT INBOX");
        step(
            &mut client,
            "STORE 2:3 +FLAGS (\\Deleted)",
            &[
                "2 FETCH (FLAGS (~\\Deleted~))",
                "3 FETCH (FLAGS (~\\Deleted~))",
            ],
            "OK ~",
        );
        step(
            &mut client,
            "STORE 2 -FLAGS \\Deleted",
            &["2 FETCH (FLAGS (\\Flagged \\Seen))"],
            "OK ~",
        );
        step(
            &mut client,
            "STORE 2 FLAGS ()",
            &["2 FETCH (FLAGS ())"],
            "OK ~",
        );
        step(
            &mut client,
            "STORE 2 FLAGS.SILENT (\\Draft)",
            &["="],
            "OK ~",
        );
        step(
            &mut client,
            "UID STORE 2 FLAGS ($Forwarded)",
            &["2 FETCH (UID 2 FLAGS ($Forwarded))"],
            "OK ~",
        );
        step(&mut client, "UID STORE 99 FLAGS ()", &["="], "OK ~");
        step(
            &mut client,
            "STORE 1 FLAGS (\\Nonsense)",
            &["!~Nonsense~"],
            "BAD ~",
        );
    });
}

#[test]
fn copy_keeps_flags_and_dates_and_all_is_copied_or_nothing() {
    both(
        |home| {
            three(home);
            home.folder(".MEETING");
        },
        |house| {
            let mut client = house.session();
            client.ok("SELECT INBOX");
            step(
                &mut client,
                "COPY 2:3 MEETING",
                &["!~ FETCH ~"],
                "OK [COPYUID ~ 2:3 1:2] ~",
            );
            step(&mut client, "COPY 1 nowhere", &["="], "NO [TRYCREATE] ~");
            step(&mut client, "UID COPY 99 MEETING", &["="], "OK ~");
            let before = client.ok("FETCH 2:3 (INTERNALDATE FLAGS BODY.PEEK[])");
            client.ok("SELECT MEETING");
            let after = client.ok("FETCH 1:2 (INTERNALDATE FLAGS BODY.PEEK[])");
            let (before, mut after) = (fetched(&before), fetched(&after));
            for (old, new) in [(2, 1), (3, 2)] {
                let copy = after.get_mut(&new).unwrap();
                let Some(Value::List(flags)) = copy.get_mut("FLAGS") else {
                    panic!("{copy:?}");
                };
                flags.retain(|flag| flag.text() != "\\Recent");
                assert_eq!(before[&old], *copy);
            }
        },
    );
}

#[test]
fn fetch_names_sections_and_partials_as_asked() {
    both(
        |home| {
            home.put("", 1, simple(1));
        },
        |house| {
            let mut client = house.session();
            client.ok("SELECT INBOX");
            let whole = simple(1).replace('\n', "\r\n");
            for (asked, named, text) in [
                ("BODY.PEEK[]<0.10>", "BODY[]<0>", &whole[..10]),
                ("BODY.PEEK[]<5.10>", "BODY[]<5>", &whole[5..15]),
                ("BODY.PEEK[]<100000.10>", "BODY[]<100000>", ""),
                ("BODY.PEEK[TEXT]", "BODY[TEXT]", "text 1\r\nsecond line\r\n"),
                ("BODY.PEEK[1]", "BODY[1]", "text 1\r\nsecond line\r\n"),
                (
                    "BODY.PEEK[HEADER.FIELDS (SUBJECT)]",
                    "BODY[HEADER.FIELDS (SUBJECT)]",
                    "Subject: message 1\r\n\r\n",
                ),
                (
                    "BODY.PEEK[HEADER.FIELDS (X-None)]",
                    "BODY[HEADER.FIELDS (X-NONE)]",
                    "\r\n",
                ),
                ("RFC822.TEXT", "RFC822.TEXT", "text 1\r\nsecond line\r\n"),
                ("RFC822", "RFC822", &whole),
            ] {
                let reply = client.run(&format!("FETCH 1 ({asked})"));
                assert!(reply.is_ok(), "{asked}: {reply:?}");
                let all = fetched(&reply.untagged);
                assert_eq!(all[&1][named].text(), text, "{asked}");
            }
            let size = client.ok("UID FETCH 1 RFC822.SIZE");
            assert_eq!(
                fetched(&size)[&1]["RFC822.SIZE"].text(),
                whole.len().to_string()
            );
            assert_eq!(fetched(&size)[&1]["UID"].text(), "1");
            step(
                &mut client,
                "UID FETCH 50:* FLAGS",
                &["=", "1 FETCH (~UID 1~)"],
                "OK ~",
            );
            step(&mut client, "UID FETCH 50:60 FLAGS", &["="], "OK ~");
        },
    );
}

#[test]
fn reading_a_body_sets_seen_and_peeking_does_not() {
    both(
        |home| {
            home.put_as("", "cur/1.a:2,", 1, simple(1));
        },
        |house| {
            let mut client = house.session();
            client.ok("SELECT INBOX");
            for peek in [
                "BODY.PEEK[]",
                "RFC822.HEADER",
                "BODY",
                "BODYSTRUCTURE",
                "ENVELOPE",
            ] {
                step(
                    &mut client,
                    &format!("FETCH 1 {peek}"),
                    &["!~\\Seen~"],
                    "OK ~",
                );
            }
            step(
                &mut client,
                "FETCH 1 BODY[TEXT]",
                &["1 FETCH (~FLAGS (~\\Seen~)~)"],
                "OK ~",
            );
            client.ok("STORE 1 -FLAGS (\\Seen)");
            step(
                &mut client,
                "FETCH 1 RFC822.TEXT",
                &["1 FETCH (~FLAGS (~\\Seen~)~)"],
                "OK ~",
            );
        },
    );
}

#[test]
fn literals_of_both_kinds_stand_wherever_a_string_may() {
    both(
        |home| home.folder(".FOOBAR"),
        |house| {
            let mut client = house.session();
            let reply = client.pieces(&[
                Piece::Words("STATUS "),
                Piece::Literal(b"FOOBAR"),
                Piece::Words(" (MESSAGES)"),
            ]);
            assert_eq!(reply.untagged, ["STATUS FOOBAR (MESSAGES 0)"], "{reply:?}");
            step(
                &mut client,
                "STATUS {6+}\r\nFOOBAR (MESSAGES)",
                &["=", "STATUS FOOBAR (MESSAGES 0)"],
                "OK ~",
            );
            step(
                &mut client,
                "STATUS \"FOOBAR\" (MESSAGES)",
                &["=", "STATUS FOOBAR (MESSAGES 0)"],
                "OK ~",
            );
        },
    );
}

#[test]
fn a_refused_command_has_its_literals_eaten_whatever_is_in_them() {
    // Dovecot runs the LOGOUT.
    ours(
        |home| home.folder(".FOOBAR"),
        |house| {
            let mut client = house.session();
            for command in [
                "NONSENSE {11+}\r\nx LOGOUT\r\na b",
                "APPEND FOOBAR \"99-Foo-2000 00:00:00 +0000\" {12+}\r\nx LOGOUT\r\nab",
                "SELECT ) {12+}\r\nx LOGOUT\r\nab",
            ] {
                step(&mut client, command, &["="], "BAD ~");
            }
            step(&mut client, "NOOP", &["="], "OK ~");
        },
    );
}
