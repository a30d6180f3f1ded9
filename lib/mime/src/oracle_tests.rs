//! Messages made by chance whose parts are known, read here and by another parser.

use std::fmt::Write;

use mail_parser::{Message, MessageParser, MimeHeaders, PartType};

use crate::address::{Address, parse};
use crate::decode::{charset_to_utf8, content};
use crate::encoded_word::header_text;
use crate::header::first;
use crate::walk::{Kind, Limits, structure};

/// Numbers that look like chance (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        let index = self.below(of.len() as u64);
        of[usize::try_from(index).unwrap()]
    }
}

/// A part that was made: its media type, and its text or what is in it.
enum Made {
    Text(&'static str, String),
    Inside(&'static str, Vec<Made>),
}

struct Writer {
    dice: Dice,
    message: String,
    boundaries: u32,
    /// Whether a message inside may be anything but a text.
    any_message: bool,
}

const WORDS: [&str; 12] = [
    "one",
    "two",
    "J\u{f6}rg",
    "--",
    "--b",
    "=",
    "-",
    " ",
    "\u{20ac}",
    "From",
    ".",
    "\u{6f22}\u{5b57}",
];

impl Writer {
    fn text(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..self.dice.below(20) {
            text.push_str(self.dice.one(&WORDS));
            text.push_str(self.dice.one(&[" ", " ", " ", "", "\n"]));
        }
        text
    }

    /// A part without its header's first fields, which are there already.
    fn part(&mut self, depth: u32) -> Made {
        match self.dice.below(if depth < 5 { 6 } else { 3 }) {
            0 if depth > 0 || self.any_message => {
                self.message.push_str("Content-Type: message/rfc822\n\n");
                writeln!(self.message, "Subject: inside {depth}").unwrap();
                let inside = if self.any_message {
                    self.part(depth + 1)
                } else {
                    self.leaf()
                };
                Made::Inside("message/rfc822", vec![inside])
            }
            0..3 => self.leaf(),
            _ => {
                let kind = self.dice.one(&["multipart/mixed", "multipart/alternative"]);
                self.boundaries += 1;
                // Each is the beginning of those that have one more digit.
                let boundary = format!("=_b{}", self.boundaries);
                write!(
                    self.message,
                    "Content-Type: {kind};\n\tboundary=\"{boundary}\"\n\n"
                )
                .unwrap();
                self.message
                    .push_str(self.dice.one(&["", "a preamble\n", "\n\n"]));
                let mut parts = Vec::new();
                for _ in 0..=self.dice.below(4) {
                    writeln!(self.message, "--{boundary}").unwrap();
                    parts.push(self.part(depth + 1));
                    self.message.push('\n');
                }
                write!(
                    self.message,
                    "--{boundary}--{}",
                    self.dice.one(&["", "\n", "\nan epilogue\n"])
                )
                .unwrap();
                Made::Inside(kind, parts)
            }
        }
    }

    fn leaf(&mut self) -> Made {
        let text = self.text();
        let kind = self
            .dice
            .one(&["text/plain", "text/html", "application/x-data"]);
        writeln!(self.message, "Content-Type: {kind}; charset=utf-8").unwrap();
        match self.dice.below(3) {
            0 => {
                self.message
                    .push_str("Content-Transfer-Encoding: base64\n\n");
                base64(text.as_bytes(), &mut self.message);
            }
            1 => {
                self.message
                    .push_str("Content-Transfer-Encoding: quoted-printable\n\n");
                quoted_printable(text.as_bytes(), &mut self.message);
            }
            _ => {
                self.message.push('\n');
                self.message.push_str(&text);
            }
        }
        Made::Text(kind, text)
    }
}

fn base64(bytes: &[u8], out: &mut String) {
    let alphabet: Vec<char> = ('A'..='Z')
        .chain('a'..='z')
        .chain('0'..='9')
        .chain(['+', '/'])
        .collect();
    for (number, group) in bytes.chunks(3).enumerate() {
        if number > 0 && number % 19 == 0 {
            out.push('\n');
        }
        let bits = (0..3).fold(0, |bits, at| {
            bits << 8 | usize::from(*group.get(at).unwrap_or(&0))
        });
        for at in 0..4 {
            out.push(if at <= group.len() {
                alphabet[bits >> (18 - 6 * at) & 63]
            } else {
                '='
            });
        }
    }
}

fn quoted_printable(bytes: &[u8], out: &mut String) {
    for (number, &byte) in bytes.iter().enumerate() {
        if number % 50 == 49 {
            out.push_str("=\n");
        }
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            write!(out, "={byte:02X}").unwrap();
        }
    }
}

/// A message and what was put in it.
fn made(seed: u64, any_message: bool) -> (String, Made) {
    let mut writer = Writer {
        dice: Dice(seed * 2 + 1),
        message: String::new(),
        boundaries: 0,
        any_message,
    };
    for _ in 0..10 {
        writer.dice.below(2);
    }
    writer
        .message
        .push_str("Subject: chance\nMIME-Version: 1.0\n");
    let made = writer.part(0);
    if writer.dice.below(2) == 0 {
        writer.message.push('\n');
    }
    (writer.message, made)
}

/// Type and text of each part, in their order.
fn flat(made: &Made, out: &mut Vec<(String, String)>) {
    match made {
        Made::Text(kind, text) => out.push(((*kind).to_owned(), text.clone())),
        Made::Inside(kind, parts) => {
            out.push(((*kind).to_owned(), String::new()));
            parts.iter().for_each(|part| flat(part, out));
        }
    }
}

fn ours(message: &[u8]) -> Vec<(String, String)> {
    let structure = structure(message, Limits::default());
    let read = |index: usize| {
        let part = &structure.parts[index];
        let media = String::from_utf8([&part.type_[..], b"/", &part.subtype].concat()).unwrap();
        let text = if part.kind == Kind::Leaf {
            let body = content(&message[part.body.clone()], part.transfer());
            charset_to_utf8(&body, part.parameter("charset")).into_owned()
        } else {
            String::new()
        };
        (media, text)
    };
    (0..structure.parts.len()).map(read).collect()
}

/// The same by the other parser.
fn theirs(message: &Message<'_>, id: u32, out: &mut Vec<(String, String)>) {
    let part = &message.parts[usize::try_from(id).unwrap()];
    let media = part
        .content_type()
        .map_or("text/plain".to_owned(), |media| {
            format!("{}/{}", media.ctype(), media.subtype().unwrap())
        });
    let text = match &part.body {
        PartType::Text(text) | PartType::Html(text) => text.to_string(),
        PartType::Binary(bytes) | PartType::InlineBinary(bytes) => {
            String::from_utf8_lossy(bytes).into_owned()
        }
        PartType::Message(_) | PartType::Multipart(_) => String::new(),
    };
    out.push((media, text));
    match &part.body {
        PartType::Message(inside) => theirs(inside, 0, out),
        PartType::Multipart(parts) => parts.iter().for_each(|&part| theirs(message, part, out)),
        _ => {}
    }
}

/// Without what stands last in a text: the line end at the end of a message without multiparts is its
/// own, that before a boundary is not.
fn compare(parts: Vec<(String, String)>) -> Vec<(String, String)> {
    let text = |text: String| text.replace("\r\n", "\n").trim_end().to_owned();
    parts
        .into_iter()
        .map(|(media, of)| (media, text(of)))
        .collect()
}

#[test]
fn parts_and_their_texts_are_those_that_were_put_in() {
    for seed in 0..3000 {
        let (message, made) = made(seed, true);
        let mut expected = Vec::new();
        flat(&made, &mut expected);
        let expected = compare(expected);
        for text in [message.replace('\n', "\r\n"), message] {
            assert_eq!(compare(ours(text.as_bytes())), expected, "{seed}\n{text}");
        }
    }
}

/// The other parser loses its way in messages that have multiparts in them, so these are left out.
#[test]
fn parts_and_their_texts_are_those_that_another_parser_sees() {
    for seed in 0..3000 {
        let (message, _) = made(seed, false);
        for text in [message.replace('\n', "\r\n"), message] {
            let parsed = MessageParser::default().parse(text.as_bytes()).unwrap();
            let mut other = Vec::new();
            theirs(&parsed, 0, &mut other);
            assert_eq!(
                compare(ours(text.as_bytes())),
                compare(other),
                "{seed}\n{text}"
            );
        }
    }
}

#[test]
fn addresses_dates_and_subjects_are_those_of_another_parser() {
    let mut dice = Dice(7);
    let names = [
        "",
        "Joe",
        "\"Doe, J.\"",
        "=?utf-8?q?J=C3=B6rg?=",
        "A B C",
        "\"x\\\"y\"",
    ];
    let locals = ["a", "joe.doe", "x+y"];
    let domains = ["b", "example.org", "mail.example.com"];
    let zones = ["+0000", "-0330", "+0100", "EST", "GMT"];
    let folds = [" ", "\n ", "\r\n\t"];
    let subjects = [
        "one",
        "=?utf-8?q?J=C3=B6_?=",
        "=?iso-8859-1?b?9g==?=",
        "two",
        "three",
    ];
    for _ in 0..2000 {
        let mut message = "To:".to_owned();
        for number in 0..=dice.below(5) {
            let comma = if number > 0 { "," } else { "" };
            let (name, local, domain) = (dice.one(&names), dice.one(&locals), dice.one(&domains));
            let fold = dice.one(&folds);
            if name.is_empty() {
                write!(message, "{comma}{fold}{local}@{domain}").unwrap();
            } else {
                write!(message, "{comma}{fold}{name} <{local}@{domain}>").unwrap();
            }
        }
        write!(
            message,
            "\nDate: {} Nov {} {:02}:{:02}:{:02} {}\nSubject:",
            1 + dice.below(30),
            1970 + dice.below(100),
            dice.below(24),
            dice.below(60),
            dice.below(60),
            dice.one(&zones)
        )
        .unwrap();
        for _ in 0..=dice.below(4) {
            write!(message, "{}{}", dice.one(&folds), dice.one(&subjects)).unwrap();
        }
        message.push_str("\n\n");
        let theirs = MessageParser::default().parse(message.as_bytes()).unwrap();
        let value = |name: &str| first(message.as_bytes(), name.as_bytes()).unwrap().value;
        let ours: Vec<(Option<String>, String)> = parse(value("to"))
            .into_iter()
            .map(|address| {
                let Address::Mailbox(mailbox) = address else {
                    panic!("{message}");
                };
                let address = [&mailbox.local[..], b"@", &mailbox.domain.unwrap()].concat();
                (
                    mailbox.name.map(|name| header_text(&name)),
                    String::from_utf8(address).unwrap(),
                )
            })
            .collect();
        let others: Vec<(Option<String>, String)> = theirs
            .to()
            .unwrap()
            .iter()
            .map(|of| {
                (
                    of.name().map(str::to_owned),
                    of.address().unwrap().to_owned(),
                )
            })
            .collect();
        assert_eq!(ours, others, "{message}");
        let date = crate::date::parse(value("date")).unwrap();
        assert_eq!(
            date.instant(),
            theirs.date().unwrap().to_timestamp(),
            "{message}"
        );
        let blanks = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(
            blanks(&header_text(value("subject"))),
            blanks(theirs.subject().unwrap()),
            "{message}"
        );
    }
}
