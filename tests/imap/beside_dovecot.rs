//! The same Maildir, the same commands, two servers: what Dovecot answers, ours answers too.
//!
//! Answers are compared by what they mean: quoted strings and literals, the order of items, the
//! case of MIME's words, and how a date is padded make no difference. Where ours differs on purpose
//! it stands in [`KNOWN`], with the reason; a difference that is listed there and is none any more
//! fails too.

use std::collections::{BTreeMap, BTreeSet};

use crate::corpus::fill;
use crate::house::{Home, House, Whose};
use kit::imap::{Imap, Value, fetched, step};

/// What ours does otherwise: message (or `*`), item, and why.
const KNOWN: &[(&str, &str, &str)] = &[
    ("broken content type", "BODY", BROKEN),
    ("broken content type", "BODYSTRUCTURE", BROKEN),
    ("no boundary", "BODY", BROKEN),
    ("no boundary", "BODYSTRUCTURE", BROKEN),
    ("no boundary", "BODY.PEEK[1]", BROKEN),
    ("no boundary", "BODY.PEEK[1.MIME]", BROKEN),
    ("no boundary", "BODY.PEEK[1]<1.4>", BROKEN),
    ("no boundary", "BODY.PEEK[...]", BROKEN),
    ("parameters continued", "BODY", CONTINUED),
    ("parameters continued", "BODYSTRUCTURE", CONTINUED),
    ("*", "BODY.PEEK[1.1]", NO_PART),
    ("*", "BODY.PEEK[1.1.MIME]", NO_PART),
    ("*", "BODY.PEEK[1.1.1]", NO_PART),
    ("*", "BODY.PEEK[2.1]", NO_PART),
    ("no body", NOT_THESE, EMPTY_LINE),
    ("empty file with a header line only", NOT_THESE, EMPTY_LINE),
    ("*", "SEARCH SENTBEFORE 8-Sep-2020", NO_DATE),
    ("*", "UID SEARCH NOT SENTBEFORE 8-Sep-2020", NO_DATE),
    ("*", "SEARCH BODY \"the inner one\"", INNER_HEADER),
    ("*", "UID SEARCH NOT BODY \"the inner one\"", INNER_HEADER),
    ("*", "SEARCH CHARSET UTF-8 SUBJECT {5+}\r\ncafé", LATIN_1),
    ("*", "SEARCH CHARSET UTF-8 TEXT {5+}\r\ncafé", LATIN_1),
    ("*", "SEARCH CHARSET UTF-8 SUBJECT {5+}\r\nCAFÉ", LATIN_1),
    ("*", "SEARCH CHARSET UTF-8 TEXT {5+}\r\nCAFÉ", LATIN_1),
    ("*", "SEARCH CHARSET UTF-8 BODY {6+}\r\nnaïve", LATIN_1),
    ("*", "SEARCH CHARSET UTF-8 TEXT {6+}\r\nnaïve", LATIN_1),
    ("*", "SEARCH CHARSET UTF-8 TEXT {5+}\r\nRené", LATIN_1),
    ("*", "SEARCH CHARSET UTF-8 FROM {5+}\r\nRené", LATIN_1),
];

const NOT_THESE: &str = "BODY.PEEK[HEADER.FIELDS.NOT (Subject From To Date)]";

const BROKEN: &str = "a type that cannot be read, or a multipart without a boundary, is plain text";
const CONTINUED: &str = "parameters in pieces are shown as they are";
const NO_PART: &str = "a part that is no multipart has no parts: Dovecot gives the part itself";
const EMPTY_LINE: &str = "lists of fields end in an empty line, also where the message has none";
const NO_DATE: &str = "a message without a date was sent neither before a day nor since";
const INNER_HEADER: &str = "the header of a message inside is text of the body";
const LATIN_1: &str = "what is neither declared nor UTF-8 is read as Latin-1";

/// Two sessions on copies of one Maildir with the corpus in INBOX, Dovecot's first.
struct Pair {
    houses: [House; 2],
    clients: [Imap; 2],
    names: Vec<String>,
}

impl Pair {
    fn new(command: &str) -> Option<Pair> {
        let home = Home::new();
        let names = fill(&home);
        for folder in [".work", ".work.old", ".deep.down.there", ".&BB8EQAQ4-"] {
            home.folder(folder);
        }
        home.put(".work", 1, "Subject: one\n\nx\n");
        home.deliver(".work", "1700000000.M1P1.host", "Subject: two\n\ny\n");
        home.write("subscriptions", "INBOX\nwork\nwork.gone\n");
        let copy = Home::copy_of(&home);
        let houses = [
            House::of(home, Whose::Dovecot)?,
            House::of(copy, Whose::Ours)?,
        ];
        // What is \Recent depends on who came first.
        for house in &houses {
            house.settle();
        }
        let mut clients = [houses[0].session(), houses[1].session()];
        if !command.is_empty() {
            for client in &mut clients {
                client.ok(command);
            }
        }
        Some(Pair {
            houses,
            clients,
            names,
        })
    }

    /// The same command to both; what they answer must be the same, by this reading of it.
    fn same<T: PartialEq + std::fmt::Debug>(
        &mut self,
        command: &str,
        read: impl Fn(&[String]) -> T,
        found: &mut Differences,
    ) {
        let [theirs, ours] = self.clients.each_mut().map(|client| client.run(command));
        let status = |reply: &str| reply.split(' ').next().unwrap().to_owned();
        let (their, our) = (status(&theirs.status), status(&ours.status));
        if their != our {
            found.add("*", command, &theirs.status, &ours.status);
            return;
        }
        let (their, our) = (read(&theirs.untagged), read(&ours.untagged));
        if their != our {
            found.add("*", command, &their, &our);
        }
    }

    /// Fetches these items of all messages from both, and compares each.
    fn fetch(&mut self, items: &[&str], found: &mut Differences) {
        for item in items {
            let command = format!("FETCH 1:* ({item})");
            let [theirs, ours] = self.clients.each_mut().map(|client| client.run(&command));
            for (whose, reply) in [("Dovecot", &theirs), ("ours", &ours)] {
                assert!(reply.is_ok(), "{whose} {command}: {:?}", reply.status);
            }
            let (theirs, ours) = (fetched(&theirs.untagged), fetched(&ours.untagged));
            for (number, name) in (1..).zip(&self.names) {
                compare(name, item, theirs.get(&number), ours.get(&number), found);
            }
        }
    }
}

type Items = BTreeMap<String, Value>;

fn compare(
    name: &str,
    asked: &str,
    theirs: Option<&Items>,
    ours: Option<&Items>,
    found: &mut Differences,
) {
    let keys: BTreeSet<&String> = (theirs.iter().chain(&ours))
        .flat_map(|items| items.keys())
        .collect();
    for key in keys {
        let read = |items: Option<&Items>| {
            items
                .and_then(|items| items.get(key))
                .map(|value| normal(key, value))
        };
        let (their, our) = (read(theirs), read(ours));
        if their != our && !one_line_end_more(key, their.as_ref(), our.as_ref()) {
            let item = if key == asked.split('.').next().unwrap() {
                key
            } else {
                asked
            };
            found.add(name, item, &their, &our);
        }
    }
}

/// Whether Dovecot's has just the line end more that stands before a boundary: in messages inside and
/// in multiparts it keeps it, though it belongs to the boundary (RFC 2046, section 5.1.1).
fn one_line_end_more(key: &str, theirs: Option<&Value>, ours: Option<&Value>) -> bool {
    match (theirs, ours) {
        (Some(Value::Text(theirs)), Some(Value::Text(ours))) if key.starts_with("BODY[") => {
            theirs.strip_suffix("\r\n") == Some(ours)
        }
        (Some(theirs), Some(ours)) if key == "BODY" || key == "BODYSTRUCTURE" => {
            same_structure(theirs, ours)
        }
        _ => false,
    }
}

/// Whether two structures differ in nothing but that, in the octets and lines of messages inside.
fn same_structure(theirs: &Value, ours: &Value) -> bool {
    let (Value::List(theirs), Value::List(ours)) = (theirs, ours) else {
        return theirs == ours;
    };
    let is_message = theirs.len() > 9 && theirs[0].text() == "message";
    let less = |at: usize, by: u64| {
        let number = |values: &[Value]| values[at].text().parse::<u64>().unwrap_or(0);
        number(theirs) == number(ours) + by
    };
    theirs.len() == ours.len()
        && (theirs.iter().zip(ours).enumerate()).all(|(at, (one, other))| match at {
            6 if is_message => one == other || less(6, 2),
            9 if is_message => one == other || less(9, 1),
            _ => same_structure(one, other),
        })
}

/// A value with what means nothing taken out.
fn normal(key: &str, value: &Value) -> Value {
    match (key, value) {
        ("INTERNALDATE", Value::Text(text)) => {
            Value::Text(text.trim_start_matches([' ', '0']).to_owned())
        }
        ("FLAGS", Value::List(flags)) => {
            // Who is told of \\Recent depends on who came first.
            let mut flags = flags.clone();
            flags.retain(|flag| flag.text() != "\\Recent");
            flags.sort();
            Value::List(flags)
        }
        // Names of types, encodings and parameters have no case.
        ("BODY" | "BODYSTRUCTURE", value) => lower(value),
        // A section that is not there is empty or NIL.
        (key, Value::Nil) if key.starts_with("BODY[") => Value::Text(String::new()),
        (_, value) => value.clone(),
    }
}

fn lower(value: &Value) -> Value {
    match value {
        Value::Nil => Value::Nil,
        Value::Atom(text) => Value::Atom(text.to_ascii_lowercase()),
        Value::Text(text) => Value::Text(text.to_ascii_lowercase()),
        Value::List(values) => Value::List(values.iter().map(lower).collect()),
    }
}

/// What was found to differ.
#[derive(Debug, Default)]
struct Differences {
    found: Vec<String>,
    seen: BTreeSet<(String, String)>,
}

impl Differences {
    fn add<T: std::fmt::Debug + ?Sized, U: std::fmt::Debug + ?Sized>(
        &mut self,
        message: &str,
        item: &str,
        theirs: &T,
        ours: &U,
    ) {
        let known = KNOWN
            .iter()
            .find(|(name, what, _)| (*name == "*" || *name == message) && *what == item);
        if let Some((name, what, _)) = known {
            self.seen.insert(((*name).to_owned(), (*what).to_owned()));
            return;
        }
        // Of long answers what counts is where they part.
        let (theirs, ours) = (format!("{theirs:?}"), format!("{ours:?}"));
        let same = theirs
            .chars()
            .zip(ours.chars())
            .take_while(|(one, other)| one == other);
        let from = same.count().saturating_sub(150);
        let short = |text: &str| text.chars().skip(from).take(500).collect::<String>();
        self.found.push(format!(
            "{message}: {item}\n  Dovecot: {}\n  ours:    {}",
            short(&theirs),
            short(&ours)
        ));
    }

    /// Fails when there are any; `items` are those of [`KNOWN`] that must have shown themselves.
    fn none(self, items: &[&str]) {
        assert!(
            self.found.is_empty(),
            "{} differences\n{}",
            self.found.len(),
            self.found.join("\n")
        );
        for (name, item, _) in KNOWN.iter().filter(|(_, item, _)| items.contains(item)) {
            let seen = self
                .seen
                .contains(&((*name).to_owned(), (*item).to_owned()));
            assert!(seen, "no difference any more: {name} {item}");
        }
    }
}

#[test]
fn sizes_flags_and_dates_are_the_same() {
    let Some(mut pair) = Pair::new("SELECT INBOX") else {
        return;
    };
    let items = [
        "UID",
        "FLAGS",
        "RFC822.SIZE",
        "INTERNALDATE",
        "ALL",
        "FAST",
        "FULL",
    ];
    let mut found = Differences::default();
    pair.fetch(&["UID FLAGS", "RFC822.SIZE", "INTERNALDATE"], &mut found);
    for macros in ["ALL", "FAST", "FULL"] {
        let read = |untagged: &[String]| -> Vec<Vec<String>> {
            fetched(untagged)
                .values()
                .map(|items| items.keys().cloned().collect())
                .collect()
        };
        pair.same(&format!("FETCH 1:* {macros}"), read, &mut found);
    }
    found.none(&items);
}

#[test]
fn envelopes_are_the_same() {
    let Some(mut pair) = Pair::new("SELECT INBOX") else {
        return;
    };
    let mut found = Differences::default();
    pair.fetch(&["ENVELOPE"], &mut found);
    found.none(&["ENVELOPE"]);
}

#[test]
fn structures_are_the_same() {
    let Some(mut pair) = Pair::new("SELECT INBOX") else {
        return;
    };
    let mut found = Differences::default();
    pair.fetch(&["BODY", "BODYSTRUCTURE"], &mut found);
    found.none(&["BODY", "BODYSTRUCTURE"]);
}

/// Sections that are asked of every message, whatever it has.
const SECTIONS: &[&str] = &[
    "BODY.PEEK[]",
    "BODY.PEEK[HEADER]",
    "BODY.PEEK[TEXT]",
    "BODY.PEEK[1]",
    "BODY.PEEK[1.MIME]",
    "BODY.PEEK[1.HEADER]",
    "BODY.PEEK[1.TEXT]",
    "BODY.PEEK[1.1]",
    "BODY.PEEK[1.1.MIME]",
    "BODY.PEEK[1.2]",
    "BODY.PEEK[1.1.1]",
    "BODY.PEEK[2]",
    "BODY.PEEK[2.MIME]",
    "BODY.PEEK[2.HEADER]",
    "BODY.PEEK[2.TEXT]",
    "BODY.PEEK[2.1]",
    "BODY.PEEK[2.2]",
    "BODY.PEEK[2.2.MIME]",
    "BODY.PEEK[3]",
    "BODY.PEEK[HEADER.FIELDS (SUBJECT FROM)]",
    "BODY.PEEK[HEADER.FIELDS (to X-None Date)]",
    "BODY.PEEK[HEADER.FIELDS.NOT (Subject From To Date)]",
    "BODY.PEEK[2.HEADER.FIELDS (Subject)]",
    "BODY.PEEK[2.HEADER.FIELDS.NOT (Subject)]",
    "BODY.PEEK[]<0.50>",
    "BODY.PEEK[]<30.70>",
    "BODY.PEEK[]<99999.5>",
    "BODY.PEEK[TEXT]<3.10>",
    "BODY.PEEK[1]<1.4>",
    "BODY.PEEK[HEADER]<10.20>",
    "RFC822.HEADER",
];

#[test]
fn sections_and_partials_are_the_same() {
    let Some(mut pair) = Pair::new("EXAMINE INBOX") else {
        return;
    };
    let mut found = Differences::default();
    pair.fetch(SECTIONS, &mut found);
    pair.fetch(&["RFC822", "RFC822.TEXT"], &mut found);
    found.none(SECTIONS);
}

#[test]
fn every_part_of_every_structure_is_the_same() {
    let Some(mut pair) = Pair::new("EXAMINE INBOX") else {
        return;
    };
    let structures = fetched(&pair.clients[0].ok("FETCH 1:* BODYSTRUCTURE"));
    let mut found = Differences::default();
    for (number, items) in structures {
        let mut sections = Vec::new();
        sections_of(&items["BODYSTRUCTURE"], "", &mut sections);
        let asked: Vec<String> = sections
            .iter()
            .map(|one| format!("BODY.PEEK[{one}]"))
            .collect();
        let command = format!("FETCH {number} ({})", asked.join(" "));
        let [theirs, ours] = pair
            .clients
            .each_mut()
            .map(|client| fetched(&client.ok(&command)));
        let name = pair.names[usize::try_from(number).unwrap() - 1].clone();
        compare(
            &name,
            "BODY.PEEK[...]",
            theirs.get(&number),
            ours.get(&number),
            &mut found,
        );
    }
    found.none(&["BODY.PEEK[...]"]);
}

/// The numbers of all parts below this one.
fn sections_of(structure: &Value, prefix: &str, into: &mut Vec<String>) {
    let Value::List(values) = structure else {
        panic!("{structure:?}");
    };
    let dot = if prefix.is_empty() { "" } else { "." };
    if !matches!(values[0], Value::List(_)) {
        // A message inside counts its parts below its own number; without parts it has one.
        if values[0].text().eq_ignore_ascii_case("message")
            && values.len() > 8
            && !prefix.is_empty()
        {
            into.push(format!("{prefix}.HEADER"));
            into.push(format!("{prefix}.TEXT"));
            inside(&values[8], prefix, into);
        }
        if prefix.is_empty() {
            into.push("1".to_owned());
        }
        return;
    }
    for (number, part) in (1..).zip(
        values
            .iter()
            .take_while(|one| matches!(one, Value::List(_))),
    ) {
        let number = format!("{prefix}{dot}{number}");
        into.push(number.clone());
        into.push(format!("{number}.MIME"));
        sections_of(part, &number, into);
    }
}

fn inside(structure: &Value, prefix: &str, into: &mut Vec<String>) {
    let Value::List(values) = structure else {
        return;
    };
    if matches!(values.first(), Some(Value::List(_))) {
        sections_of(structure, prefix, into);
    } else {
        into.push(format!("{prefix}.1"));
        into.push(format!("{prefix}.1.MIME"));
    }
}

/// The first line that is the answer to a search.
fn searched(untagged: &[String]) -> Vec<String> {
    let words = ["SEARCH", "SORT", "THREAD"];
    let mut lines: Vec<String> = untagged
        .iter()
        .filter(|line| words.contains(&line.split(' ').next().unwrap()))
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.sort();
    lines
}

const KEYS: &[&str] = &[
    "ALL",
    "ANSWERED",
    "DELETED",
    "DRAFT",
    "FLAGGED",
    "NEW",
    "OLD",
    "RECENT",
    "SEEN",
    "UNANSWERED",
    "UNDELETED",
    "UNDRAFT",
    "UNFLAGGED",
    "UNSEEN",
    "KEYWORD $Forwarded",
    "UNKEYWORD $Forwarded",
    "BCC hidden",
    "CC z@example",
    "FROM ann",
    "FROM \"Ann Other\"",
    "TO joe@EXAMPLE.org",
    "TO friends",
    "TO \"Ann, Other\"",
    "SUBJECT plain",
    "SUBJECT \"folded over\"",
    "SUBJECT first",
    "SUBJECT second",
    "BODY findable",
    "BODY hiddenword",
    "BODY \"soft\"",
    "BODY \"inner text\"",
    "BODY iVBOR",
    "BODY preamble",
    "BODY epilogue",
    "BODY \"plain text\"",
    "BODY <b>html",
    "BODY \"the inner one\"",
    "BODY apple",
    "BODY \"apple banana\"",
    "BODY caf",
    "BODY ABCDEFG",
    "TEXT plain",
    "TEXT \"nested\"",
    "TEXT inner@example.org",
    "TEXT example.net",
    "TEXT format=flowed",
    "TEXT mail.eml",
    "HEADER Message-ID reply@",
    "HEADER References plain@example",
    "HEADER X \"\"",
    "HEADER X y",
    "HEADER Subject \"\"",
    "HEADER Content-Type boundary",
    "HEADER Reply-To comment",
    "HEADER Date 2020",
    "LARGER 500",
    "SMALLER 100",
    "LARGER 79",
    "BEFORE 20-Sep-2020",
    "ON 15-Sep-2020",
    "SINCE 15-Sep-2020",
    "SENTBEFORE 8-Sep-2020",
    "SENTON 7-Sep-2020",
    "SENTON 8-Sep-2020",
    "SENTSINCE 8-Sep-2020",
    "SENTON 9-Sep-2020",
    "OR FROM ann SUBJECT reply",
    "NOT SEEN",
    "NOT (SEEN FLAGGED)",
    "OR (SEEN FLAGGED) (DRAFT)",
    "1:5",
    "*",
    "*:3",
    "UID 3:7,2",
    "UID 9999:*",
    "NOT 2:*",
    "3:9 SEEN NOT FLAGGED",
    "SUBJECT \"\"",
    "BODY \"\"",
    "TEXT \"\"",
    "FROM \"\"",
];

#[test]
fn searches_find_the_same() {
    let Some(mut pair) = Pair::new("EXAMINE INBOX") else {
        return;
    };
    let mut found = Differences::default();
    for key in KEYS {
        pair.same(&format!("SEARCH {key}"), searched, &mut found);
        pair.same(&format!("UID SEARCH NOT {key}"), searched, &mut found);
    }
    for text in [
        "Привет",
        "ПРИВЕТ",
        "мир",
        "café",
        "CAFÉ",
        "naïve",
        "Jöe",
        "René",
    ] {
        for key in ["SUBJECT", "BODY", "TEXT", "FROM", "TO"] {
            let command = format!("SEARCH CHARSET UTF-8 {key} {{{}+}}\r\n{text}", text.len());
            pair.same(&command, searched, &mut found);
        }
    }
    let keys: Vec<String> = KEYS
        .iter()
        .flat_map(|key| [format!("SEARCH {key}"), format!("UID SEARCH NOT {key}")])
        .collect();
    found.none(&keys.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn orders_and_threads_are_the_same() {
    let Some(mut pair) = Pair::new("EXAMINE INBOX") else {
        return;
    };
    let mut commands = Vec::new();
    for key in ["ARRIVAL", "CC", "DATE", "FROM", "SIZE", "SUBJECT", "TO"] {
        commands.push(format!("SORT ({key}) UTF-8 ALL"));
        commands.push(format!("UID SORT (REVERSE {key}) UTF-8 SEEN"));
        commands.push(format!("SORT (SUBJECT REVERSE {key}) UTF-8 ALL"));
        commands.push(format!("SORT ({key} DATE) US-ASCII 3:40"));
    }
    for way in ["REFERENCES", "ORDEREDSUBJECT"] {
        commands.push(format!("THREAD {way} UTF-8 ALL"));
        commands.push(format!("UID THREAD {way} UTF-8 SEEN"));
    }
    let mut found = Differences::default();
    for command in &commands {
        pair.same(command, searched, &mut found);
    }
    found.none(&commands.iter().map(String::as_str).collect::<Vec<_>>());
}

/// LIST, LSUB and STATUS replies with their attributes and items in order, sorted.
///
/// Without \Marked and \UnMarked, which a server may leave out, as ours does, and which Dovecot tells or does
/// not as the second falls in which a directory was changed.
fn listed(untagged: &[String]) -> Vec<Vec<Value>> {
    let mut lines: Vec<Vec<Value>> = untagged
        .iter()
        .map(|line| {
            Value::all(line)
                .into_iter()
                .map(|value| match value {
                    // Names may be atoms or strings.
                    Value::Atom(text) | Value::Text(text) => Value::Text(text),
                    Value::List(mut values) => {
                        values.retain(|value| !matches!(value.text(), "\\Marked" | "\\UnMarked"));
                        // The items of STATUS go in pairs; here all that counts is which there are.
                        values.sort();
                        Value::List(values)
                    }
                    Value::Nil => Value::Nil,
                })
                .collect()
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn names_and_counts_are_the_same() {
    let Some(mut pair) = Pair::new("") else {
        return;
    };
    let mut commands: Vec<String> = Vec::new();
    for pattern in [
        "\"\"",
        "%",
        "*",
        "INBOX",
        "inbox",
        "work",
        "work.%",
        "work.*",
        "%.%",
        "*.%",
        "w*k",
        "deep",
        "deep.%",
        "deep.down",
        "nowhere",
        "*e*",
        "work*",
        "&BB8EQAQ4-",
        "%.%.%",
        "WORK",
    ] {
        commands.push(format!("LIST \"\" {pattern}"));
        commands.push(format!("LSUB \"\" {pattern}"));
        commands.push(format!(
            "LIST (SUBSCRIBED) \"\" {pattern} RETURN (CHILDREN)"
        ));
        commands.push(format!("LIST \"\" {pattern} RETURN (SUBSCRIBED CHILDREN)"));
    }
    commands.push("LIST work. %".to_owned());
    commands.push("LIST \"work\" .old".to_owned());
    for name in [
        "INBOX",
        "work",
        "work.old",
        "deep",
        "deep.down",
        "&BB8EQAQ4-",
        "nowhere",
    ] {
        commands.push(format!("STATUS {name} (MESSAGES UNSEEN UIDNEXT)"));
        commands.push(format!("STATUS {name} (SIZE)"));
    }
    let mut found = Differences::default();
    for command in &commands {
        pair.same(command, listed, &mut found);
    }
    found.none(&commands.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn stores_leave_the_same_flags_and_the_same_files() {
    let Some(mut pair) = Pair::new("SELECT INBOX") else {
        return;
    };
    let mut found = Differences::default();
    for command in [
        "STORE 1:10 +FLAGS (\\Flagged)",
        "STORE 5:15 -FLAGS (\\Seen)",
        "UID STORE 20:25 FLAGS (\\Draft \\Answered)",
        "STORE 3 FLAGS ()",
        "STORE 30:31 +FLAGS.SILENT (\\Deleted)",
        "STORE 32:33 +FLAGS ($Label1 Work)",
        "STORE 33 -FLAGS (work)",
        "COPY 1:12 work.old",
        "UID MOVE 40:42 work",
    ] {
        pair.same(command, |_| (), &mut found);
    }
    // Keywords got their letters in the same order, so that the names are the same as well.
    let names: Vec<Vec<String>> = pair
        .houses
        .iter()
        .map(|house| house.home.names(""))
        .collect();
    assert_eq!(names[0], names[1]);
    pair.fetch(&["FLAGS"], &mut found);
    for client in &mut pair.clients {
        step(client, "UID EXPUNGE 30", &["~ EXPUNGE"], "OK ~");
    }
    pair.same("SEARCH ALL", searched, &mut found);
    for client in &mut pair.clients {
        client.ok("SELECT work.old");
    }
    pair.names.truncate(12);
    pair.fetch(&["FLAGS", "INTERNALDATE", "BODY.PEEK[]"], &mut found);
    found.none(&[]);
}
