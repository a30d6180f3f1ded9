//! What another reader of IMAP accepts is accepted here, too, and means the same when that reader has
//! written it down again in its own way (other quotes, other case, other spaces, sets put in order).

use imap_codec::CommandCodec;
use imap_codec::decode::Decoder;
use imap_codec::encode::Encoder;

use crate::command::Command;
use crate::parse::{Fault, parse};
use crate::test_support::feed;

const LINES: &[&str] = &[
    "CAPABILITY",
    "NOOP",
    "LOGOUT",
    "SELECT \"a b\"",
    "SELECT x (CONDSTORE)",
    "EXAMINE INBOX",
    "SELECT x (QRESYNC (67890007 9006 41:211,214:541 (1:2 7,9)))",
    "CREATE a/b",
    "DELETE {4+}\r\na\"\r\n",
    "RENAME a \"b\\\\c\"",
    "SUBSCRIBE #news",
    "UNSUBSCRIBE x",
    "LIST \"\" a%*",
    "LIST ref \"\"",
    "LSUB \"#news.\" \"comp.*\"",
    "NAMESPACE",
    "STATUS x (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)",
    "STATUS x (SIZE HIGHESTMODSEQ)",
    "APPEND x (\\Seen kw) \" 7-Feb-1994 21:52:25 -0800\" {3+}\r\nabc",
    "APPEND x {1+}\r\na",
    "IDLE",
    "CHECK",
    "CLOSE",
    "UNSELECT",
    "EXPUNGE",
    "UID EXPUNGE 1,3:*",
    "ENABLE CONDSTORE UTF8=ACCEPT",
    "COMPRESS DEFLATE",
    "ID (\"name\" \"x\" \"os\" NIL)",
    "ID NIL",
    "SEARCH ALL",
    "UID SEARCH CHARSET UTF-8 OR FROM joe NOT (TO \"x y\" SUBJECT {3+}\r\nabc) UNSEEN",
    "SEARCH BEFORE 1-Feb-1994 SENTSINCE \"11-Mar-2001\" LARGER 7 SMALLER 9 KEYWORD $Junk 1:*,5",
    "SEARCH NEW OLD RECENT ANSWERED UNDRAFT UNKEYWORD x UID 5:3 HEADER a \"\" BODY b TEXT c ON 1-Jan-2000",
    "SEARCH OLDER 6 YOUNGER 7 BCC a CC b SENTON 2-Apr-1999 SENTBEFORE 3-May-1998 SINCE 4-Jun-2002",
    "SORT (REVERSE DATE SUBJECT) UTF-8 ALL",
    "UID THREAD REFERENCES US-ASCII SEEN",
    "FETCH 1:3,7 FAST",
    "FETCH * (FLAGS UID INTERNALDATE RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE)",
    "UID FETCH 1:* (BODY.PEEK[1.2.HEADER.FIELDS (Subject \"To\")]<0.100> BODY[] BODY[TEXT] BODY[1.MIME])",
    "FETCH 2 (RFC822 RFC822.HEADER RFC822.TEXT BODY[HEADER.FIELDS.NOT (a b)] BODY[2.3])",
    "UID FETCH 1:* FLAGS (CHANGEDSINCE 123 VANISHED)",
    "STORE 1:2 FLAGS (\\Seen \\Deleted kw)",
    "UID STORE 1 (UNCHANGEDSINCE 5) +FLAGS.SILENT (\\Draft)",
    "STORE 1 -FLAGS \\Answered \\Flagged",
    "COPY 1:2 x",
    "UID MOVE 4 \"a b\"",
];

/// Writes two things as the other reader does: INBOX and the names of ENABLE in capitals.
fn capitals(command: Command) -> Command {
    match command {
        Command::Enable(mut names) => {
            names
                .iter_mut()
                .for_each(|name| name.make_ascii_uppercase());
            Command::Enable(names)
        }
        Command::Select(mut select) if select.mailbox.eq_ignore_ascii_case(b"INBOX") => {
            select.mailbox.make_ascii_uppercase();
            Command::Select(select)
        }
        other => other,
    }
}

fn ours(octets: &[u8]) -> (Vec<u8>, Result<Command, Fault>) {
    let fed = feed(crate::frame::Limits::default(), octets);
    let parsed = parse(&fed.frame);
    assert_eq!(fed.rest, b"", "{}", octets.escape_ascii());
    (parsed.tag, parsed.command.map(capitals))
}

/// What the other reader makes of a command, written down again.
fn rewritten(octets: &[u8]) -> Option<Vec<u8>> {
    let (rest, command) = CommandCodec::default().decode(octets).ok()?;
    rest.is_empty()
        .then(|| CommandCodec::default().encode(&command).dump())
}

#[test]
fn another_reader_reads_the_same() {
    for line in LINES {
        let octets = format!("a {line}\r\n").into_bytes();
        let again = rewritten(&octets).unwrap_or_else(|| panic!("{line} is not read"));
        let (tag, command) = ours(&octets);
        assert!(command.is_ok(), "{line}: {command:?}");
        assert_eq!((tag, command), ours(&again), "{line}");
    }
}

/// Small and always the same.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

#[test]
fn what_another_reader_accepts_is_accepted_and_nothing_else() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut accepted = 0;
    for round in 0..60_000 {
        let mut octets = format!("a {}\r\n", LINES[round % LINES.len()]).into_bytes();
        for _ in 0..=dice.below(3) {
            let at = 2 + dice.below(octets.len() - 4);
            match dice.below(4) {
                0 => drop(octets.remove(at)),
                1 => octets.insert(at, b" ()\"\\0*:,{}[]<>.aAN~%$"[dice.below(22)]),
                2 => octets[at] = octets[dice.below(octets.len())],
                _ => octets[at] ^= 0x20,
            }
        }
        let whole = memchr::memmem::find_iter(&octets, b"\r\n").count() == 1;
        if !whole {
            continue;
        }
        let Some(again) = rewritten(&octets) else {
            // It takes no spaces at the end, and no `]` in a charset.
            let is_ours = octets.ends_with(b" \r\n") || octets.contains(&b']');
            let is_whole = !octets.contains(&b'{');
            assert!(
                is_ours || !is_whole || ours(&octets).1.is_err(),
                "{}",
                octets.escape_ascii()
            );
            continue;
        };
        let (tag, command) = ours(&octets);
        match command {
            Ok(_) => {
                accepted += 1;
                assert_eq!((tag, command), ours(&again), "{}", octets.escape_ascii());
            }
            // It takes flags and algorithms that no server has to know.
            Err(Fault::Unknown { kind, .. }) if kind == "flag" || kind.ends_with("THREAD") => {}
            Err(fault) => panic!("{}: {fault}", octets.escape_ascii()),
        }
    }
    assert!(accepted > 1000, "{accepted}");
}
