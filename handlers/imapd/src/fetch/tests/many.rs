//! Mailboxes with files.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use imap::command::{FetchItem, Section, SectionText, Shown};
use maildir::selection::{Access, Open, Selection};

use super::super::{Cut, Need, Outcome, Plan, run};
use super::{names, readable, section};

/// A mailbox with these messages, which have been seen, and have UIDs in their order.
fn mailbox(dir: &Path, messages: impl IntoIterator<Item = Vec<u8>>) -> Selection {
    for folder in ["cur", "new", "tmp"] {
        fs::create_dir(dir.join(folder)).expect("created");
    }
    for (n, message) in messages.into_iter().enumerate() {
        let name = format!("cur/{}.M{n:06}P1.host:2,S", 1_700_000_000 + n);
        fs::write(dir.join(name), message).expect("written");
    }
    open(dir)
}

fn open(dir: &Path) -> Selection {
    Selection::open(&Open {
        dir,
        access: Access::ReadWrite,
        wait: Duration::from_secs(5),
        account: None,
        new_validity: &|| Ok(7),
    })
    .expect("a mailbox")
}

/// Removes the file of message `n`.
fn remove(dir: &Path, n: usize) {
    let unique = format!(".M{n:06}P1.");
    for entry in fs::read_dir(dir.join("cur")).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.to_string_lossy().contains(&unique) {
            fs::remove_file(path).expect("removed");
        }
    }
}

fn fetch(selection: &mut Selection, which: &[usize], items: &[FetchItem]) -> (Vec<u8>, Outcome) {
    let mut all = Vec::new();
    let outcome = run(selection, which, &Plan::new(items, true), &mut |bytes| {
        all.extend_from_slice(bytes);
        Ok::<(), Cut>(())
    });
    (all, outcome.expect("taken"))
}

#[test]
fn a_plan_reads_no_more_than_it_needs() {
    let item = |text: SectionText| section(&[], text, None);
    for (items, need) in [
        (
            &[FetchItem::Flags, FetchItem::Uid, FetchItem::Modseq][..],
            Need::View,
        ),
        (&[], Need::View),
        (&[FetchItem::Size], Need::Facts),
        (&[FetchItem::InternalDate, FetchItem::Flags], Need::Facts),
        (&[FetchItem::Envelope, FetchItem::Size], Need::Header),
        (&[item(SectionText::Header)], Need::Header),
        (&[item(SectionText::Fields(names(&["a"])))], Need::Header),
        (&[item(SectionText::FieldsNot(names(&["a"])))], Need::Header),
        (&[item(SectionText::Text)], Need::Whole),
        (&[item(SectionText::All), FetchItem::Envelope], Need::Whole),
        (&[section(&[1], SectionText::Mime, None)], Need::Whole),
        (&[FetchItem::Body], Need::Whole),
        (&[FetchItem::BodyStructure], Need::Whole),
    ] {
        assert_eq!(Plan::new(items, true).need(), need, "{items:?}");
    }
}

#[test]
fn only_sections_that_are_no_peek_mark_as_seen() {
    let item = |peek, shown| {
        FetchItem::Section(Section {
            shown,
            peek,
            part: Vec::new(),
            text: SectionText::All,
            partial: None,
        })
    };
    assert!(Plan::new(&[item(false, Shown::Body)], false).sets_seen());
    assert!(
        Plan::new(
            &[item(true, Shown::Body), item(false, Shown::Rfc822)],
            false
        )
        .sets_seen()
    );
    assert!(!Plan::new(&[item(true, Shown::Body), FetchItem::Envelope], false).sets_seen());
}

#[test]
fn what_is_known_comes_first_and_what_is_asked_for_twice_once() {
    let home = tempfile::tempdir().expect("a directory");
    let mut selection = mailbox(home.path(), [b"Subject: x\n\nb\n".to_vec()]);
    let peek = section(&[], SectionText::Text, None);
    let items = [
        peek.clone(),
        FetchItem::Size,
        FetchItem::Flags,
        peek,
        FetchItem::Size,
    ];
    let (reply, outcome) = fetch(&mut selection, &[0], &items);
    assert_eq!(
        readable(&reply),
        "* 1 FETCH (UID 1 FLAGS (\\Seen) RFC822.SIZE 17 BODY[TEXT] {3}|b|)|"
    );
    assert_eq!(outcome, Outcome::default());
}

#[test]
fn the_size_is_that_of_the_body() {
    let home = tempfile::tempdir().expect("a directory");
    let messages: [&[u8]; 6] = [
        b"",
        b"a",
        b"a: b\n\nc",
        b"a: b\r\n\r\nc\n",
        b"\r",
        b"a: b\n\nc\r",
    ];
    let mut selection = mailbox(home.path(), messages.map(<[u8]>::to_vec));
    for n in 0..messages.len() {
        let items = [FetchItem::Size, section(&[], SectionText::All, None)];
        let (reply, _) = fetch(&mut selection, &[n], &items);
        let reply = readable(&reply);
        let (_, size) = reply.split_once("RFC822.SIZE ").expect("a size");
        let (size, rest) = size.split_once(" BODY[] {").expect("a body");
        let (octets, _) = rest.split_once('}').expect("a literal");
        assert_eq!(size, octets, "{reply}");
    }
}

#[test]
fn what_is_gone_is_told_as_far_as_it_is_known_and_missed() {
    let home = tempfile::tempdir().expect("a directory");
    let text = b"Subject: x\n\nb\n".to_vec();
    let mut selection = mailbox(home.path(), vec![text; 3]);
    remove(home.path(), 1);
    let items = [FetchItem::Flags, section(&[], SectionText::Text, None)];
    let (reply, outcome) = fetch(&mut selection, &[0, 1, 2], &items);
    assert_eq!(
        readable(&reply),
        "* 1 FETCH (UID 1 FLAGS (\\Seen) BODY[TEXT] {3}|b|)|\
         * 2 FETCH (UID 2 FLAGS (\\Seen))|\
         * 3 FETCH (UID 3 FLAGS (\\Seen) BODY[TEXT] {3}|b|)|"
    );
    assert_eq!((outcome.missed, outcome.faults.len()), (vec![1], 0));
    // Nothing is known that was asked for: there is no reply.
    let mut all = Vec::new();
    let plan = Plan::new(&[FetchItem::Envelope], false);
    let outcome = run(&mut selection, &[1], &plan, &mut |bytes| {
        all.extend_from_slice(bytes);
        Ok::<(), Cut>(())
    });
    assert_eq!(
        (readable(&all).as_str(), outcome.expect("taken").missed),
        ("", vec![1])
    );
}

/// Messages of many lengths: headers and bodies shorter and longer than every buffer.
fn assorted(count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|n| {
            let header = [0, 1, 4_000, 4_096, 5_000, 130_000, 140_000]
                [if n % 50 == 7 { n % 7 } else { n % 3 }];
            let body = [0, 10, 1_000, 4_000, 131_000, 131_072, 131_073, 300_000]
                [if n % 40 == 3 { n % 8 } else { n % 4 }];
            let mut message = format!("Subject: number {n}\nX-Long: ").into_bytes();
            message.extend(std::iter::repeat_n(b'h', header));
            message.extend_from_slice(b"\n\n");
            for at in 0..body {
                message.push(if at % 60 == 59 { b'\n' } else { b'b' });
            }
            message
        })
        .collect()
}

#[test]
fn many_at_once_are_the_same_as_each_by_itself() {
    let home = tempfile::tempdir().expect("a directory");
    let count = 403;
    let mut selection = mailbox(home.path(), assorted(count));
    for n in [5, 77, 400] {
        remove(home.path(), n);
    }
    let plans: [&[FetchItem]; 5] = [
        &[FetchItem::Flags],
        &[FetchItem::Envelope, FetchItem::Flags],
        &[section(&[], SectionText::Fields(names(&["x-long"])), None)],
        &[
            FetchItem::BodyStructure,
            section(&[], SectionText::All, None),
        ],
        &[section(&[1], SectionText::All, Some((3_990, 20)))],
    ];
    // In an order of its own, as a client may ask.
    let which: Vec<usize> = (0..count).chain([3, 2, 1, 77]).collect();
    for items in plans {
        let (all, outcome) = fetch(&mut selection, &which, items);
        let (mut singly, mut missed) = (Vec::new(), Vec::new());
        for &n in &which {
            let (reply, outcome) = fetch(&mut selection, &[n], items);
            singly.extend_from_slice(&reply);
            missed.extend_from_slice(&outcome.missed);
        }
        assert!(all == singly, "{items:?}");
        assert_eq!(outcome.missed, missed, "{items:?}");
        assert_eq!(missed.is_empty(), items == [FetchItem::Flags]);
    }
}

#[test]
fn a_client_that_is_gone_ends_it() {
    let home = tempfile::tempdir().expect("a directory");
    let mut selection = mailbox(home.path(), assorted(300));
    let which: Vec<usize> = (0..300).collect();
    for items in [
        &[FetchItem::Flags][..],
        &[FetchItem::Envelope],
        &[section(&[], SectionText::All, None)],
    ] {
        for most in [0, 1, 5] {
            let mut pieces = 0;
            let outcome = run(&mut selection, &which, &Plan::new(items, true), &mut |_| {
                pieces += 1;
                if pieces > most { Err(Cut(0)) } else { Ok(()) }
            });
            assert!(pieces <= most + 1);
            assert_eq!(outcome.is_err(), pieces == most + 1);
        }
    }
}

/// The private memory of this process, in bytes.
fn private_memory() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status
        .lines()
        .find(|line| line.starts_with("RssAnon:"))
        .expect("a line");
    let number = line.split_whitespace().nth(1).expect("a number");
    number.parse::<usize>().expect("a number") * 1024
}

#[test]
fn a_message_of_any_size_goes_by_in_pieces() {
    const LINES: usize = 2_500_000;
    let home = tempfile::tempdir().expect("a directory");
    let mut selection = mailbox(home.path(), [Vec::new()]);
    drop(selection);
    let path = home.path().join("cur/1700000000.M000000P1.host:2,S");
    let mut file = std::io::BufWriter::new(fs::File::create(path).expect("a file"));
    let boundary = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nshort\n--b\n\n";
    file.write_all(boundary).expect("written");
    let line = [[b'x'; 60].as_slice(), b"\n"].concat();
    for _ in 0..LINES {
        file.write_all(&line).expect("written");
    }
    file.write_all(b"--b--\n").expect("written");
    file.flush().expect("written");
    selection = open(home.path());
    let part = (LINES * 62 - 2) as u64;
    let around = super::sections::octets(boundary).len() + b"\r\n--b--\r\n".len();
    for (item, octets) in [
        (section(&[], SectionText::All, None), part + around as u64),
        (section(&[2], SectionText::All, None), part),
        (section(&[2], SectionText::All, Some((part - 70, 100))), 70),
    ] {
        let before = private_memory();
        let (mut sum, mut longest, mut memory) = (0, 0, 0);
        let mut first = Vec::new();
        let plan = Plan::new(&[item], false);
        run(&mut selection, &[0], &plan, &mut |bytes| {
            if first.is_empty() {
                first.extend_from_slice(&bytes[..60.min(bytes.len())]);
            }
            sum += bytes.len() as u64;
            longest = longest.max(bytes.len());
            memory = memory.max(private_memory());
            Ok::<(), Cut>(())
        })
        .expect("taken");
        let head = String::from_utf8_lossy(&first);
        let (head, _) = head.split_once("\r\n").expect("a literal");
        assert!(head.ends_with(&format!("{{{octets}}}")), "{head} {octets}");
        assert_eq!(sum, head.len() as u64 + 2 + octets + 3);
        assert!(longest <= 128 * 1024, "{longest}");
        // Other tests run beside this one.
        assert!(memory < before + (96 << 20), "{before} {memory}");
    }
}
