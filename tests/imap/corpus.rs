//! Messages of all kinds, as they come by mail: for comparisons with another server.

use crate::house::Home;

/// Writes all messages into INBOX and gives their names, in the order of their UIDs.
pub fn fill(home: &Home) -> Vec<String> {
    let mut names = Vec::new();
    for (number, (name, bytes)) in (1..).zip(all()) {
        // Flags differ, so that searches find some.
        let flags = ["S", "", "FS", "RS", "DS", "T", "PS"][number % 7];
        let minute = u64::try_from(number).unwrap() * 7919;
        let file = format!("cur/{}.M{number}P1.host:2,{flags}", 1_600_000_000 + number);
        home.put_as("", &file, minute, bytes);
        names.push(name);
    }
    names
}

/// All messages, with names.
pub fn all() -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    for (name, text) in TEXTS {
        all.push(((*name).to_owned(), text.as_bytes().to_vec()));
    }
    for (name, text) in [("crlf", 0), ("crlf nested", 4)] {
        let text = TEXTS[text].1.replace('\n', "\r\n");
        all.push((name.to_owned(), text.into_bytes()));
    }
    all.push(("8-bit in the header".to_owned(), b"Subject: caf\xe9 \xff\nFrom: Ren\xe9 <rene@example.org>\nDate: 2 Mar 2020 10:00:00 +0000\n\nna\xefve\n".to_vec()));
    all.push(("UTF-8 in the header".to_owned(), "Subject: Привет мир\nFrom: Иван <ivan@example.org>\nDate: 3 Mar 2020 10:00:00 +0000\n\nтекст\n".into()));
    all.push((
        "line ends of both kinds".to_owned(),
        b"Subject: mixed ends\r\nFrom: a@b\nTo: c@d\r\n\r\none\ntwo\r\nthree\n".to_vec(),
    ));
    all.push((
        "one long line".to_owned(),
        format!(
            "Subject: long\nTo: {}\n\n{}\n",
            "x@example.org, ".repeat(200) + "y@example.org",
            "word ".repeat(4000)
        )
        .into_bytes(),
    ));
    let mut random = Random(20);
    for number in 0..40 {
        let mut text = format!(
            "From: Gen {number} <g{number}@example.org>\nTo: all@example.net\nSubject: generated {number}\nDate: {}\nMessage-ID: <gen{number}@example.org>\n",
            date(number),
        );
        if number > 0 && random.below(2) == 0 {
            text.push_str(&format!(
                "References: <gen{}@example.org>\n",
                random.below(number)
            ));
        }
        text.push_str("MIME-Version: 1.0\n");
        text.push_str(&part(&mut random, 0, &format!("b{number}")));
        all.push((format!("generated {number}"), text.into_bytes()));
    }
    all
}

fn date(number: u64) -> String {
    format!(
        "{} Apr 2020 {:02}:30:00 +0{}00",
        1 + number % 28,
        number % 24,
        number % 10
    )
}

/// Numbers that are the same in every run (xorshift).
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// A part with its header, no deeper than four levels.
fn part(random: &mut Random, depth: u32, boundary: &str) -> String {
    let kind = random.below(if depth < 4 { 7 } else { 4 });
    match kind {
        0 => format!(
            "Content-Type: text/plain; charset=us-ascii\n\n{}",
            words(random)
        ),
        1 => format!(
            "Content-Type: text/html; charset=\"utf-8\"\nContent-Transfer-Encoding: quoted-printable\nContent-Language: en, de\n\n<p>caf=C3=A9 {}</p>=\nend\n",
            words(random)
        ),
        2 => format!(
            "Content-Type: application/octet-stream; name=\"file {depth}.bin\"\nContent-Disposition: attachment; filename=\"file {depth}.bin\"; size=30\nContent-Transfer-Encoding: base64\nContent-ID: <{boundary}.{depth}@example.org>\nContent-Description: a file\n\n{}\n",
            "QUJDREVGRw==\n"
                .repeat(1 + usize::try_from(random.below(3)).unwrap())
                .trim_end()
        ),
        3 => format!("\n{}", words(random)),
        4 => format!(
            "Content-Type: message/rfc822\n\nFrom: in{depth}@example.org\nTo: x@example.org\nSubject: inside {depth}\nDate: 1 May 2020 10:00:00 +0000\nMessage-ID: <{boundary}.in{depth}@example.org>\nMIME-Version: 1.0\n{}",
            part(random, depth + 1, &format!("{boundary}i"))
        ),
        _ => {
            let inner = format!("{boundary}_{depth}");
            let subtype = ["mixed", "alternative", "related", "digest"]
                [usize::try_from(random.below(4)).unwrap()];
            let mut text = format!("Content-Type: multipart/{subtype}; boundary=\"{inner}\"\n\n");
            if random.below(2) == 0 {
                text.push_str("a preamble\n");
            }
            for number in 0..=random.below(3) {
                text.push_str(&format!(
                    "--{inner}\n{}\n",
                    part(random, depth + 1, &format!("{inner}{number}"))
                ));
            }
            text.push_str(&format!("--{inner}--\n"));
            if random.below(2) == 0 {
                text.push_str("an epilogue\n");
            }
            text
        }
    }
}

fn words(random: &mut Random) -> String {
    let mut text = String::new();
    for line in 0..=random.below(4) {
        for _ in 0..=random.below(6) {
            text.push_str(
                ["apple ", "banana ", "cherry ", "date ", "elder "]
                    [usize::try_from(random.below(5)).unwrap()],
            );
        }
        text.push_str(&format!("{line}\n"));
    }
    text
}

/// Messages written by hand.
const TEXTS: &[(&str, &str)] = &[
    (
        "plain",
        "From: Ann Other <ann@example.org>\nTo: joe@example.org\nSubject: plain\nDate: Mon, 7 Sep 2020 10:11:12 +0200\nMessage-ID: <plain@example.org>\n\nhello world\n",
    ),
    ("no header", "\njust text\n"),
    ("no body", "Subject: no body\nFrom: a@example.org\n"),
    (
        "no body but the empty line",
        "Subject: no body\nFrom: a@example.org\n\n",
    ),
    (
        "nested",
        "From: a@example.org\nSubject: nested\nDate: 8 Sep 2020 01:02:03 GMT\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=outer\n\npreamble\n--outer\nContent-Type: multipart/alternative; boundary=\"inner\"\n\n--inner\nContent-Type: text/plain; charset=utf-8; format=flowed\n\nplain text\n--inner\nContent-Type: text/html\n\n<b>html</b>\n--inner--\n\n--outer\nContent-Type: message/rfc822\nContent-Disposition: attachment; filename=\"mail.eml\"\n\nFrom: inner@example.org\nSubject: the inner one\nDate: 7 Sep 2020 01:02:03 GMT\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=third\n\n--third\n\ninner text\n--third\nContent-Type: image/png; name=x.png\nContent-Transfer-Encoding: base64\n\niVBORw0KGgo=\n--third--\n--outer--\nepilogue\n",
    ),
    ("empty file with a header line only", "X: y\n"),
    (
        "folded",
        "From: a@example.org\nSubject: a subject that\n is folded\n\tover three lines\nTo: Joe\n <joe@example.org>,\n \"Ann, Other\" <ann@example.org>\nDate: Tue,\n 8 Sep 2020 10:00:00 +0000\n\nx\n",
    ),
    (
        "groups",
        "From: a@example.org\nTo: friends: ann@example.org, Joe <joe@example.org>;, undisclosed-recipients:;\nCc: z@example.org\nSubject: groups\n\nx\n",
    ),
    (
        "odd addresses",
        "From: \"a \\\"b\\\" \\\\ c\" <\"x y\"@example.org>\nTo: <@relay.example.org:joe@example.org>\nCc: plain\nReply-To: (a comment) ann@example.org (Ann)\nSender: s@example.org\nBcc: hidden@example.org\nSubject: odd\n\nx\n",
    ),
    (
        "empty fields",
        "From:\nTo: \nSubject:\nDate:\nMessage-ID:\n\nx\n",
    ),
    ("no from", "To: joe@example.org\nSubject: no from\n\nx\n"),
    (
        "encoded words",
        "From: =?utf-8?q?Ren=C3=A9?= <rene@example.org>\nSubject: =?utf-8?B?0J/RgNC40LLQtdGC?= =?utf-8?q?_caf=C3=A9?=\nTo: =?iso-8859-1?q?J=F6e?= <joe@example.org>\nDate: 9 Sep 2020 10:00:00 +0000\n\nx\n",
    ),
    (
        "quoted-printable body",
        "Subject: qp\nFrom: a@example.org\nMIME-Version: 1.0\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nna=EFve soft=\nbreak\n",
    ),
    (
        "base64 body",
        "Subject: b64\nFrom: a@example.org\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n0L/RgNC40LLQtdGCINC80LjRgCBoaWRkZW53b3Jk\n",
    ),
    (
        "unknown encoding",
        "Subject: x\nFrom: a@example.org\nMIME-Version: 1.0\nContent-Type: text/plain\nContent-Transfer-Encoding: x-strange\n\nx\n",
    ),
    (
        "unknown charset",
        "Subject: x\nFrom: a@example.org\nMIME-Version: 1.0\nContent-Type: text/plain; charset=x-none\n\nfindable\n",
    ),
    (
        "broken content type",
        "Subject: x\nFrom: a@example.org\nMIME-Version: 1.0\nContent-Type: text\n\nx\n",
    ),
    (
        "no boundary",
        "Subject: x\nFrom: a@example.org\nMIME-Version: 1.0\nContent-Type: multipart/mixed\n\n--x\n\nx\n--x--\n",
    ),
    (
        "boundary that never comes",
        "Subject: x\nFrom: a@example.org\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=none\n\nx\ny\n",
    ),
    (
        "boundary without an end",
        "Subject: x\nFrom: a@example.org\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: text/html\n\ntwo\n",
    ),
    (
        "inner boundary closed by the outer one",
        "Subject: x\nFrom: a@example.org\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\none\n--o\n\ntwo\n--o--\n",
    ),
    (
        "a boundary that begins like the other",
        "Subject: x\nFrom: a@example.org\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/alternative; boundary=b1\n\n--b1\n\none\n--b1--\n--b\n\ntwo\n--b--\n",
    ),
    (
        "boundary with spaces behind",
        "Subject: x\nFrom: a@example.org\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b b\"\n\n--b b  \n\none\n--b b--  \n",
    ),
    (
        "digest",
        "Subject: digest\nFrom: a@example.org\nMIME-Version: 1.0\nContent-Type: multipart/digest; boundary=d\n\n--d\n\nFrom: one@example.org\nSubject: one\n\nfirst\n--d\nContent-Type: message/rfc822\n\nFrom: two@example.org\nSubject: two\n\nsecond\n--d--\n",
    ),
    (
        "parameters continued",
        "Subject: x\nFrom: a@example.org\nMIME-Version: 1.0\nContent-Type: application/pdf; name*0=\"long \"; name*1=\"name.pdf\"\nContent-Disposition: attachment; filename*=utf-8''na%C3%AFve.pdf\nContent-Transfer-Encoding: base64\nContent-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\nContent-Location: http://example.org/x\nContent-Language: fr\n\nQUJD\n",
    ),
    (
        "comments in the type",
        "Subject: x\nFrom: a@example.org\nMIME-Version: 1.0 (yes)\nContent-Type: text/plain (a comment); charset=us-ascii (another)\n\nx\n",
    ),
    (
        "content type twice",
        "Subject: x\nFrom: a@example.org\nMIME-Version: 1.0\nContent-Type: text/plain\nContent-Type: text/html\n\nx\n",
    ),
    (
        "subject and to twice",
        "Subject: first\nFrom: a@example.org\nSubject: second\nTo: one@example.org\nTo: two@example.org\n\nx\n",
    ),
    (
        "without MIME-Version",
        "Subject: x\nFrom: a@example.org\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n",
    ),
    (
        "a line that is no field",
        "Subject: x\nthis is no field\nFrom: a@example.org\n\nx\n",
    ),
    (
        "space before the colon",
        "Subject : spaced\nFrom: a@example.org\n\nx\n",
    ),
    (
        "reply",
        "From: b@example.org\nSubject: Re: plain\nIn-Reply-To: <plain@example.org>\nReferences: <plain@example.org>\nMessage-ID: <reply@example.org>\nDate: Mon, 7 Sep 2020 12:00:00 +0200\n\nx\n",
    ),
    (
        "forward",
        "From: c@example.org\nSubject: [list] Fwd: Re[2]: plain (fwd)\nMessage-ID: <fwd@example.org>\nDate: Mon, 7 Sep 2020 13:00:00 +0200\n\nx\n",
    ),
    (
        "a date without sense",
        "From: c@example.org\nSubject: when\nDate: yesterday\n\nx\n",
    ),
    (
        "a date with a zone of words",
        "From: c@example.org\nSubject: when\nDate: Mon, 07 Sep 2020 23:30:00 PDT\n\nx\n",
    ),
    (
        "two boundaries in a row",
        "Subject: x\nFrom: a@example.org\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n--b\n\ntwo\n--b--\n",
    ),
    (
        "multipart without parts",
        "Subject: x\nFrom: a@example.org\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b--\n",
    ),
    (
        "rfc822 in base64",
        "Subject: x\nFrom: a@example.org\nMIME-Version: 1.0\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogaW5uZXIKCng=\n",
    ),
    (
        "rfc822 at the top",
        "Subject: outer\nFrom: a@example.org\nMIME-Version: 1.0\nContent-Type: message/rfc822\n\nSubject: inner\nFrom: b@example.org\n\ntext\n",
    ),
    (
        "dots and no last line end",
        "Subject: dots\nFrom: a@example.org\n\n.\n..\nlast line",
    ),
    (
        "an mbox line first",
        "From a@example.org Mon Sep  7 10:00:00 2020\nSubject: mbox\nFrom: a@example.org\n\nx\n",
    ),
];
