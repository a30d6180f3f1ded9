use super::*;
use crate::command::*;
use crate::date::Date;
use crate::seq::{Number, SequenceSet};
use crate::test_support::frame;

fn read(line: &str) -> Result<Command, String> {
    let parsed = parse(&frame(format!("a1 {line}").as_bytes()));
    assert_eq!(parsed.tag, b"a1");
    parsed.command.map_err(|fault| fault.to_string())
}

fn good(line: &str) -> Command {
    match read(line) {
        Ok(command) => command,
        Err(fault) => panic!("{line}: {fault}"),
    }
}

fn name(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

fn numbers(ranges: &[(u32, u32)]) -> SequenceSet {
    let number = |value| match value {
        0 => Number::Last,
        value => Number::Is(value),
    };
    let range = |&(start, end): &(u32, u32)| (number(start), number(end));
    SequenceSet::Ranges(ranges.iter().map(range).collect())
}

fn key(text: &str) -> SearchKey {
    match good(&format!("SEARCH {text}")) {
        Command::Search { key, .. } => key,
        other => panic!("{other:?}"),
    }
}

fn items(text: &str) -> Vec<FetchItem> {
    match good(&format!("FETCH 1 {text}")) {
        Command::Fetch { items, .. } => items,
        other => panic!("{other:?}"),
    }
}

fn not(key: SearchKey) -> SearchKey {
    SearchKey::Not(Box::new(key))
}

#[test]
fn a_tag_that_cannot_be_repeated_becomes_a_star() {
    let tag = |line: &[u8]| {
        let parsed = parse(&frame(line));
        (parsed.tag, parsed.command.is_ok())
    };
    assert_eq!(tag(b"A.1]/x NOOP"), (b"A.1]/x".to_vec(), true));
    for line in [
        "",
        " NOOP",
        "+ NOOP",
        "a+ NOOP",
        "* NOOP",
        "a(b NOOP",
        "\u{fc} NOOP",
        "a\tNOOP",
    ] {
        assert_eq!(tag(line.as_bytes()), (b"*".to_vec(), false), "{line}");
    }
    assert_eq!(tag(b"a"), (b"a".to_vec(), false));
}

#[test]
fn commands_without_arguments_have_none() {
    for (line, command) in [
        ("CAPABILITY", Command::Capability),
        ("noop", Command::Noop),
        ("LogOut", Command::Logout),
        ("NAMESPACE", Command::Namespace),
        ("IDLE", Command::Idle),
        ("CHECK", Command::Check),
        ("CLOSE", Command::Close),
        ("UNSELECT", Command::Unselect),
        ("EXPUNGE", Command::Expunge(None)),
    ] {
        assert_eq!(good(line), command);
        assert_eq!(good(&format!("{line}  ")), command, "spaces at the end");
        assert_eq!(
            read(&format!("{line} x")),
            Err(format!(
                "end of the command expected at octet {}, not  x",
                line.len() + 4
            ))
        );
    }
    for late in ["LOGIN a b", "AUTHENTICATE PLAIN =", "STARTTLS", "LOGIN"] {
        assert_eq!(good(late), Command::Login);
    }
}

#[test]
fn what_is_no_command_is_called_unknown() {
    assert_eq!(read("XYZZY 1 2"), Err("unknown command XYZZY".to_owned()));
    assert_eq!(read("NOOPX"), Err("unknown command NOOPX".to_owned()));
    assert_eq!(
        read("UID NOOP"),
        Err("unknown command behind UID NOOP".to_owned())
    );
    assert_eq!(read(""), Err("missing command".to_owned()));
    assert_eq!(read("UID"), Err("missing command behind UID".to_owned()));
    assert!(matches!(
        parse(&frame(b"a XYZZY")).command,
        Err(Fault::UnknownCommand(_))
    ));
    let long = read(&"X".repeat(10_000)).expect_err("unknown");
    assert!(long.len() < 60, "{long}");
}

#[test]
fn mailboxes_are_named_in_three_ways_and_keep_their_name() {
    for (line, mailbox) in [
        ("DELETE inbox", "inbox"),
        ("DELETE \"two words\"", "two words"),
        ("DELETE {3}\r\nx\"y", "x\"y"),
        ("DELETE a]b", "a]b"),
        ("DELETE \"\"", ""),
        ("DELETE &AOk-", "&AOk-"),
    ] {
        assert_eq!(good(line), Command::Delete(name(mailbox)));
    }
    assert_eq!(good("SUBSCRIBE x"), Command::Subscribe(name("x")));
    assert_eq!(good("UNSUBSCRIBE x"), Command::Unsubscribe(name("x")));
    let (from, to) = (name("x"), name("y z"));
    assert_eq!(good("RENAME x \"y z\""), Command::Rename { from, to });
    assert_eq!(read("DELETE"), Err("missing mailbox name".to_owned()));
    assert_eq!(read("RENAME x "), Err("missing mailbox name".to_owned()));
    assert_eq!(
        read("DELETE  x"),
        Err("mailbox name expected at octet 11, not  x".to_owned())
    );
    for bad in [
        "DELETE x y",
        "DELETE x%",
        "DELETE (x)",
        "RENAME x y z",
        "DELETE\"x\"",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn select_has_parameters() {
    let select = |text: &str| match good(text) {
        Command::Select(select) => select,
        other => panic!("{other:?}"),
    };
    let plain = select("SELECT x");
    assert_eq!((plain.read_only, plain.condstore), (false, false));
    assert!(select("EXAMINE x").read_only);
    assert!(select("SELECT x (condstore)").condstore);
    let all = select(
        "SELECT x (QRESYNC (67890007 90060115194045000 41:211,214:541 (1,5 7,9)) CONDSTORE)",
    );
    assert!(all.condstore);
    assert_eq!(
        all.qresync,
        Some(Qresync {
            validity: 67_890_007,
            modseq: 90_060_115_194_045_000,
            known_uids: Some(numbers(&[(41, 211), (214, 541)])),
            pairs: Some((numbers(&[(1, 1), (5, 5)]), numbers(&[(7, 7), (9, 9)]))),
        })
    );
    let pairs = select("SELECT x (QRESYNC (1 20 (1:2 3:4)))")
        .qresync
        .expect("some");
    assert!(pairs.known_uids.is_none() && pairs.pairs.is_some());
    assert!(
        select("SELECT x (QRESYNC (1 20 3:4))")
            .qresync
            .expect("some")
            .pairs
            .is_none()
    );
    for bad in [
        "SELECT",
        "SELECT x ()",
        "SELECT x CONDSTORE",
        "SELECT x (FOO)",
        "SELECT x (CONDSTORE",
        "SELECT x (QRESYNC)",
        "SELECT x (QRESYNC (1))",
        "SELECT x (QRESYNC (0 1))",
        "SELECT x (QRESYNC (1 2 *))",
        "SELECT x (QRESYNC (1 2 3 (4)))",
        "SELECT x (QRESYNC (1 2 3 (4 5 6)))",
        "SELECT x (QRESYNC (1 9223372036854775808))",
        "SELECT x (CONDSTORE) y",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn create_may_name_special_uses() {
    let create = |line: &str| match good(line) {
        Command::Create { mailbox, uses } => (mailbox, uses),
        other => panic!("{other:?}"),
    };
    assert_eq!(create("CREATE x/"), (name("x/"), vec![]));
    let two = create("CREATE x (USE (\\Sent \\drafts))");
    assert_eq!(two, (name("x"), vec![name("Sent"), name("drafts")]));
    assert_eq!(create("CREATE x (use ())"), (name("x"), vec![]));
    for bad in [
        "CREATE x y",
        "CREATE x ()",
        "CREATE x (USE)",
        "CREATE x (USE (Sent))",
        "CREATE x (FOO (\\Sent))",
        "CREATE x (USE \\Sent)",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn status_names_items() {
    let all = "MESSAGES RECENT uidnext UIDVALIDITY UNSEEN DELETED SIZE HIGHESTMODSEQ APPENDLIMIT";
    let Command::Status { mailbox, items } = good(&format!("STATUS \"x\" ({all})")) else {
        panic!("no STATUS");
    };
    assert_eq!(mailbox, b"x");
    assert_eq!(
        items,
        [
            StatusItem::Messages,
            StatusItem::Recent,
            StatusItem::UidNext,
            StatusItem::UidValidity,
            StatusItem::Unseen,
            StatusItem::Deleted,
            StatusItem::Size,
            StatusItem::HighestModseq,
            StatusItem::AppendLimit
        ]
    );
    assert_eq!(
        read("STATUS x (FOO)"),
        Err("unknown item of STATUS FOO".to_owned())
    );
    for bad in [
        "STATUS x",
        "STATUS x ()",
        "STATUS x MESSAGES",
        "STATUS x (MESSAGES) y",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

fn list(line: &str) -> List {
    match good(line) {
        Command::List(list) => list,
        other => panic!("{other:?}"),
    }
}

#[test]
fn list_selects_before_the_reference_and_returns_behind_the_patterns() {
    let plain = list("LIST \"\" *");
    assert!(!plain.extended);
    assert_eq!((plain.reference, plain.patterns), (vec![], vec![name("*")]));
    assert_eq!(list("LIST ~x/ a.%]").patterns, [name("a.%]")]);
    assert_eq!(list("LIST \"\" \"\"").patterns, [name("")]);

    // What iOS 18 sends: names with a special use, not the special uses of all names.
    let select = list("LIST (SPECIAL-USE) \"\" \"*\"");
    assert!(select.select_special_use && !select.return_special_use && select.extended);
    let shown = list("LIST \"\" \"*\" RETURN (SPECIAL-USE)");
    assert!(!shown.select_special_use && shown.return_special_use && shown.extended);

    let all = list(
        "LIST (SUBSCRIBED REMOTE RECURSIVEMATCH) \"\" (\"a\" b* {1}\r\nc) \
         RETURN (STATUS (MESSAGES UNSEEN) CHILDREN SUBSCRIBED)",
    );
    assert!(all.select_subscribed && all.select_remote && all.select_recursive);
    assert_eq!(all.patterns, [name("a"), name("b*"), name("c")]);
    assert!(all.return_children && all.return_subscribed);
    assert_eq!(
        all.return_status,
        Some(vec![StatusItem::Messages, StatusItem::Unseen])
    );
    assert!(list("LIST () \"\" *").extended);
    assert!(list("LIST \"\" * RETURN ()").extended);
    for bad in [
        "LIST",
        "LIST \"\"",
        "LIST \"\" * x",
        "LIST \"\" ()",
        "LIST \"\" * RETURN",
        "LIST \"\" * RETURN SUBSCRIBED",
        "LIST \"\" * RETURN (FOO)",
        "LIST \"\" * RETURN (STATUS)",
        "LIST \"\" * RETURN (STATUS ())",
        "LIST (CHILDREN) \"\" *",
        "LIST (RECURSIVEMATCH) \"\" *",
        "LIST (RECURSIVEMATCH REMOTE) \"\" *",
        "LIST (SUBSCRIBED)\"\" *",
        "LIST * *",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
    let (reference, pattern) = (name("x."), name("%"));
    assert_eq!(good("LSUB x. %"), Command::Lsub { reference, pattern });
    assert!(read("LSUB \"\" (a b)").is_err());
    assert!(read("LSUB (SUBSCRIBED) \"\" *").is_err());
}

#[test]
fn id_enable_and_compress_take_words() {
    assert_eq!(good("ID NIL"), Command::Id(vec![]));
    assert_eq!(good("ID ()"), Command::Id(vec![]));
    assert_eq!(
        good("ID (\"name\" \"x\" \"os\" nil {1}\r\nv {1}\r\n3)"),
        Command::Id(vec![
            (name("name"), Some(name("x"))),
            (name("os"), None),
            (name("v"), Some(name("3")))
        ])
    );
    let pairs = |count| vec!["\"a\" NIL"; count].join(" ");
    assert!(read(&format!("ID ({})", pairs(30))).is_ok());
    assert_eq!(
        read(&format!("ID ({})", pairs(31))),
        Err("more than 30 pairs".to_owned())
    );
    for bad in ["ID", "ID \"a\"", "ID (\"a\")", "ID (NIL \"a\")", "ID NIL x"] {
        assert!(read(bad).is_err(), "{bad}");
    }
    let names = vec![name("CONDSTORE"), name("UTF8=ACCEPT")];
    assert_eq!(good("ENABLE CONDSTORE UTF8=ACCEPT"), Command::Enable(names));
    assert!(read("ENABLE").is_err());
    assert!(read("ENABLE (QRESYNC)").is_err());
    assert_eq!(good("COMPRESS deflate"), Command::CompressDeflate);
    assert_eq!(
        read("COMPRESS LZ4"),
        Err("unknown mechanism of compression LZ4".to_owned())
    );
}

#[test]
fn append_has_messages_and_nothing_else() {
    let append = |line: &str| match good(line) {
        Command::Append { messages, .. } => messages,
        other => panic!("{other:?}"),
    };
    assert_eq!(append("APPEND x {3}\r\nabc")[0].octets, 3);
    let two =
        append("APPEND {1}\r\nx (\\Seen) {3+}\r\nabc () \" 1-Jan-2026 00:00:00 +0100\" {2}\r\nab");
    assert_eq!(two[0].flags, [Flag::Seen]);
    assert_eq!((two[1].octets, two[1].date.is_some()), (2, true));
    for bad in [
        "APPEND",
        "APPEND x",
        "APPEND x (\\Seen)",
        "APPEND x \"abc\"",
        "APPEND x {3}\r\nabc x",
        "APPEND x {3}\r\nabc{3}\r\nabc",
        "APPEND x \\Seen {3}\r\nabc",
        "APPEND x \" 1-Jan-2026 00:00:00 +0100\" (\\Seen) {3}\r\nabc",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn fetch_has_items_and_macros() {
    let all = [
        FetchItem::Flags,
        FetchItem::InternalDate,
        FetchItem::Size,
        FetchItem::Envelope,
        FetchItem::Body,
    ];
    assert_eq!(items("FAST"), all[..3]);
    assert_eq!(items("all"), all[..4]);
    assert_eq!(items("FULL"), all);
    assert_eq!(items("Body"), [FetchItem::Body]);
    assert_eq!(
        items("(UID BODYSTRUCTURE MODSEQ RFC822.SIZE BODY ENVELOPE)"),
        [
            FetchItem::Uid,
            FetchItem::BodyStructure,
            FetchItem::Modseq,
            FetchItem::Size,
            FetchItem::Body,
            FetchItem::Envelope
        ]
    );
    let Command::Fetch {
        by,
        set,
        items: flags,
        changed_since,
        vanished,
    } = good("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 12345 VANISHED)")
    else {
        panic!("no FETCH");
    };
    assert_eq!((by, set, vanished), (By::Uid, numbers(&[(1, 0)]), true));
    assert_eq!(
        (flags, changed_since),
        (vec![FetchItem::Flags], Some(12_345))
    );
    for bad in [
        "FETCH",
        "FETCH 1",
        "FETCH 0 FLAGS",
        "FETCH 1 ()",
        "FETCH 1 FLAGS UID",
        "FETCH 1 (FLAGS ALL)",
        "FETCH 1 (FLAGS,UID)",
        "FETCH 1 FOO",
        "FETCH 1 BINARY[1]",
        "FETCH 1 FLAGS (CHANGEDSINCE)",
        "FETCH 1 FLAGS ()",
        "FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
        "UID FETCH 1 FLAGS (VANISHED)",
        "FETCH 1:2,,3 FLAGS",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
    assert_eq!(
        read("FETCH 1 FOO"),
        Err("unknown item of FETCH FOO".to_owned())
    );
}

#[test]
fn sections_name_parts_and_octets() {
    let section = |text: &str| match items(text).pop() {
        Some(FetchItem::Section(section)) => section,
        other => panic!("{other:?}"),
    };
    let whole = section("BODY[]");
    assert_eq!((whole.peek, whole.text), (false, SectionText::All));
    assert!(section("BODY.PEEK[]").peek);
    let part = section("body.peek[1.23.mime]<0.4294967296>");
    assert_eq!(part.part, [1, 23]);
    assert_eq!(part.text, SectionText::Mime);
    assert_eq!(part.partial, Some((0, 4_294_967_296)));
    assert_eq!(section("BODY[2]").part, [2]);
    assert_eq!(section("BODY[2.HEADER]").text, SectionText::Header);
    assert_eq!(section("BODY[TEXT]").text, SectionText::Text);
    assert_eq!(
        section("(FLAGS BODY.PEEK[HEADER.FIELDS (Subject \"x-y\" {2}\r\nto)])").text,
        SectionText::Fields(vec![name("Subject"), name("x-y"), name("to")])
    );
    assert_eq!(
        section("BODY[1.HEADER.FIELDS.NOT (a)]").text,
        SectionText::FieldsNot(vec![name("a")])
    );
    for (text, shown, peek) in [
        ("RFC822", Shown::Rfc822, false),
        ("rfc822.header", Shown::Rfc822Header, true),
        ("RFC822.TEXT", Shown::Rfc822Text, false),
    ] {
        assert_eq!((section(text).shown, section(text).peek), (shown, peek));
    }
    for bad in [
        "BODY[",
        "BODY[0]",
        "BODY[1.]",
        "BODY[.1]",
        "BODY[1.2",
        "BODY[MIME]",
        "BODY[FOO]",
        "BODY[1HEADER]",
        "BODY[HEADER.FIELDS]",
        "BODY[HEADER.FIELDS ()]",
        "BODY[]<0>",
        "BODY[]<0.0>",
        "BODY[]<1.2",
        "BODY[]<a.b>",
        "BODY[] <0.1>",
        "BODY.PEEK",
        "RFC822[]",
        "BODY[4294967296]",
        "BODYSTRUCTURE[]",
        "(BODY[]",
        "BODY []",
    ] {
        assert!(read(&format!("FETCH 1 {bad}")).is_err(), "{bad}");
    }
}

#[test]
fn store_changes_flags() {
    let store = |line: &str| match good(line) {
        Command::Store {
            unchanged_since,
            how,
            silent,
            flags,
            ..
        } => (unchanged_since, how, silent, flags),
        other => panic!("{other:?}"),
    };
    let some = vec![Flag::Seen, Flag::Keyword(name("$Junk"))];
    assert_eq!(
        store("STORE 1 FLAGS (\\seen $Junk)"),
        (None, StoreHow::Replace, false, some.clone())
    );
    assert_eq!(
        store("UID STORE 1:* +flags.silent \\Seen $Junk"),
        (None, StoreHow::Add, true, some)
    );
    assert_eq!(
        store("STORE 1 (UNCHANGEDSINCE 0) -FLAGS ()"),
        (Some(0), StoreHow::Remove, false, vec![])
    );
    assert_eq!(
        read("STORE 1 FLAGS (\\Recent)"),
        Err("\\Recent cannot be set".to_owned())
    );
    assert_eq!(
        read("STORE 1 FLAGS (\\Strange)"),
        Err("unknown flag \\\\Strange".to_owned())
    );
    for bad in [
        "STORE 1",
        "STORE 1 FLAGS",
        "STORE 1 +-FLAGS (x)",
        "STORE 1 + FLAGS (x)",
        "STORE 1 FLAGS.LOUD (x)",
        "STORE 1 FLAGS (\\*)",
        "STORE 1 FLAGS (x y",
        "STORE 1 FLAGS (x) y",
        "STORE 1 FLAGS x (y)",
        "STORE 1 FLAGS \"x\"",
        "STORE 1 FLAGS (a]b)",
        "STORE 1 (UNCHANGEDSINCE) FLAGS (x)",
        "STORE 1 (UNCHANGEDSINCE 1)",
        "STORE 1 () FLAGS (x)",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn messages_are_copied_moved_and_expunged() {
    let set = || numbers(&[(1, 1), (3, 0)]);
    let mailbox = || name("x y");
    assert_eq!(
        good("COPY 1,3:* \"x y\""),
        Command::Copy {
            by: By::Number,
            set: set(),
            mailbox: mailbox()
        }
    );
    assert_eq!(
        good("uid move 1,3:* \"x y\""),
        Command::Move {
            by: By::Uid,
            set: set(),
            mailbox: mailbox()
        }
    );
    assert_eq!(good("UID EXPUNGE 1,3:*"), Command::Expunge(Some(set())));
    for bad in [
        "COPY 1",
        "COPY x",
        "MOVE 1 x y",
        "UID EXPUNGE",
        "EXPUNGE 1",
        "UID COPY a x",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn search_has_a_key_for_everything() {
    let has = SearchKey::Has;
    let date = Date {
        year: 1994,
        month: 2,
        day: 1,
    };
    let keyword = || has(Flag::Keyword(name("$Junk")));
    let header = |field: &str, text: &str| SearchKey::Header(name(field), name(text));
    for (text, wanted) in [
        ("ALL", SearchKey::All),
        ("answered", has(Flag::Answered)),
        ("DELETED", has(Flag::Deleted)),
        ("DRAFT", has(Flag::Draft)),
        ("FLAGGED", has(Flag::Flagged)),
        ("SEEN", has(Flag::Seen)),
        ("UNANSWERED", not(has(Flag::Answered))),
        ("UNDELETED", not(has(Flag::Deleted))),
        ("UNDRAFT", not(has(Flag::Draft))),
        ("UNFLAGGED", not(has(Flag::Flagged))),
        ("UNSEEN", not(has(Flag::Seen))),
        ("RECENT", SearchKey::Recent),
        ("OLD", not(SearchKey::Recent)),
        (
            "NEW",
            SearchKey::And(vec![SearchKey::Recent, not(has(Flag::Seen))]),
        ),
        ("KEYWORD $Junk", keyword()),
        ("UNKEYWORD $Junk", not(keyword())),
        ("FROM joe", header("FROM", "joe")),
        ("to \"joe b\"", header("TO", "joe b")),
        ("CC {3}\r\njoe", header("CC", "joe")),
        ("BCC \"\"", header("BCC", "")),
        ("SUBJECT x", header("SUBJECT", "x")),
        ("HEADER x-y \"\"", header("x-y", "")),
        ("BODY x", SearchKey::Body(name("x"))),
        ("TEXT x", SearchKey::Text(name("x"))),
        ("BEFORE 1-Feb-1994", SearchKey::Before(date)),
        ("ON \"1-Feb-1994\"", SearchKey::On(date)),
        ("SINCE 01-feb-1994", SearchKey::Since(date)),
        ("SENTBEFORE 1-Feb-1994", SearchKey::SentBefore(date)),
        ("SENTON 1-Feb-1994", SearchKey::SentOn(date)),
        ("SENTSINCE 1-Feb-1994", SearchKey::SentSince(date)),
        ("LARGER 0", SearchKey::Larger(0)),
        ("SMALLER 5000000000", SearchKey::Smaller(5_000_000_000)),
        ("OLDER 60", SearchKey::Older(60)),
        ("YOUNGER 60", SearchKey::Younger(60)),
        ("1,3:*", SearchKey::Numbers(numbers(&[(1, 1), (3, 0)]))),
        ("*", SearchKey::Numbers(numbers(&[(0, 0)]))),
        ("$", SearchKey::Numbers(SequenceSet::Saved)),
        ("UID $", SearchKey::Uids(SequenceSet::Saved)),
        ("UID 7,9", SearchKey::Uids(numbers(&[(7, 7), (9, 9)]))),
        ("MODSEQ 620162338", SearchKey::Modseq(620_162_338)),
        ("MODSEQ \"/flags/\\\\draft\" all 5", SearchKey::Modseq(5)),
        ("NOT SEEN", not(has(Flag::Seen))),
        ("(SEEN)", has(Flag::Seen)),
        (
            "OR (SEEN DRAFT) NOT ALL",
            SearchKey::Or(
                Box::new(SearchKey::And(vec![has(Flag::Seen), has(Flag::Draft)])),
                Box::new(not(SearchKey::All)),
            ),
        ),
        (
            "1 SEEN",
            SearchKey::And(vec![
                SearchKey::Numbers(numbers(&[(1, 1)])),
                has(Flag::Seen),
            ]),
        ),
    ] {
        assert_eq!(key(text), wanted, "{text}");
    }
    for bad in [
        "",
        "FOO",
        "SEEN,DRAFT",
        "()",
        "(SEEN",
        "SEEN)",
        "( SEEN)",
        "NOT",
        "OR SEEN",
        "OR SEEN ",
        "BEFORE",
        "BEFORE yesterday",
        "LARGER x",
        "LARGER -1",
        "KEYWORD",
        "KEYWORD \\Seen",
        "OLDER 0",
        "YOUNGER 4294967296",
        "UID",
        "UID x",
        "HEADER x",
        "SUBJECT",
        "SUBJECT (x)",
        "MODSEQ",
        "MODSEQ \"/flags/x\" 5",
        "MODSEQ \"/flags/x\" some 5",
        "SEEN  DRAFT",
        "0",
        "1:0",
        "SEEN CHARSET UTF-8",
        "CHARSET UTF-8",
        "RETURN (ALL)",
        "RETURN ALL SEEN",
        "RETURN (FOO) ALL",
    ] {
        assert!(read(&format!("SEARCH {bad}")).is_err(), "{bad}");
    }
}

#[test]
fn search_returns_what_is_asked_for() {
    let search = |line: &str| match good(line) {
        Command::Search {
            by,
            options,
            charset,
            ..
        } => (by, options, charset),
        other => panic!("{other:?}"),
    };
    assert_eq!(search("SEARCH ALL"), (By::Number, None, None));
    let (by, options, charset) = search("UID SEARCH RETURN () CHARSET \"UTF-8\" ALL");
    assert_eq!((by, charset), (By::Uid, Some(name("UTF-8"))));
    assert_eq!(options, Some(ReturnOptions::default()));
    let every = ReturnOptions {
        min: true,
        max: true,
        all: true,
        count: true,
        save: true,
    };
    let (_, options, _) = search("SEARCH return (MIN MAX ALL COUNT save) ALL");
    assert_eq!(options, Some(every));
}

#[test]
fn search_keys_have_a_limit_of_depth_and_number() {
    let search = |keys: String| read(&format!("SEARCH {keys}"));
    let deep = |depth| search(format!("{}ALL", "NOT ".repeat(depth)));
    assert!(deep(100).is_ok());
    assert_eq!(
        deep(101),
        Err("more than 100 search keys in one another".to_owned())
    );
    let lists = |depth| search(format!("{}ALL{}", "(".repeat(depth), ")".repeat(depth)));
    assert!(lists(100).is_ok());
    assert!(lists(101).is_err());
    assert!(search("(".repeat(60_000)).is_err());
    assert!(search("OR ".repeat(20_000)).is_err());
    let many = |count| search(vec!["ALL"; count].join(" "));
    assert!(many(10_000).is_ok());
    assert_eq!(many(10_001), Err("more than 10000 search keys".to_owned()));
}

#[test]
fn sort_and_thread_need_a_charset() {
    let Command::Sort {
        by,
        criteria,
        charset,
        key,
    } = good(
        "UID SORT (REVERSE DATE SUBJECT ARRIVAL CC FROM SIZE TO DISPLAYFROM DISPLAYTO) UTF-8 UNDELETED 1",
    )
    else {
        panic!("no SORT");
    };
    assert_eq!((by, charset), (By::Uid, name("UTF-8")));
    assert_eq!(criteria.len(), 9);
    assert_eq!(
        criteria
            .iter()
            .filter(|criterion| criterion.reverse)
            .count(),
        1
    );
    assert_eq!(
        (criteria[0].by, criteria[1].by),
        (SortBy::Date, SortBy::Subject)
    );
    assert!(matches!(key, SearchKey::And(keys) if keys.len() == 2));
    assert_eq!(
        good("THREAD references us-ascii ALL"),
        Command::Thread {
            by: By::Number,
            algorithm: ThreadAlgorithm::References,
            charset: name("us-ascii"),
            key: SearchKey::All
        }
    );
    for bad in [
        "SORT",
        "SORT () UTF-8 ALL",
        "SORT DATE UTF-8 ALL",
        "SORT (REVERSE) UTF-8 ALL",
        "SORT (REVERSE REVERSE DATE) UTF-8 ALL",
        "SORT (FOO) UTF-8 ALL",
        "SORT (DATE) UTF-8",
        "THREAD REFS UTF-8 ALL",
        "THREAD REFERENCES UTF-8",
        "THREAD ORDEREDSUBJECT",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}
