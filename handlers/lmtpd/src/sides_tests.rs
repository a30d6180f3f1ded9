use std::cell::RefCell;
use std::rc::Rc;

use ::record::Message;
use accounts::Home;
use chain::Env;
use os::log::Said;

use super::*;
use crate::local_delivery::Mode;
use crate::record::{RecipientAnswer, RecipientStatus};

/// joe of `users` belongs to nobody who runs tests; so what is delivered to him is refused.
const UID: u32 = 4242;

fn home() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("control")).expect("made");
    let text = format!("joe:x:{UID}:1::/nonexistent/joe:\nbad:x\n");
    std::fs::write(folder.path().join("users"), text).expect("written");
    folder
}

/// What a monitor did with a child that was taken over.
struct Seen {
    exit: Exit,
    log: String,
    answers: Vec<Reply>,
}

/// Lets a monitor read `messages`, all of which are there before it begins, the last with a descriptor.
fn monitor_of(messages: &[&[u8]], with: Option<&File>) -> Seen {
    let (ours, theirs) = Channel::<Reply, Order>::pair().expect("a pair");
    for (at, message) in messages.iter().map(|text| record(text)).enumerate() {
        let message = &message[..];
        match with {
            Some(file) if at + 1 == messages.len() => {
                os::sibling::send_with(theirs.as_fd(), message, file.as_fd()).expect("sent");
            }
            _ => {
                os::socket::send_nowait(theirs.as_fd(), message).expect("sent");
            }
        }
    }
    // Some process of this one, to be ended.
    let mut child = std::process::Command::new("/bin/sleep")
        .arg("600")
        .spawn()
        .expect("started");
    let unprivileged = Child::new(child.id().cast_signed(), ours);
    let folder = home();
    let home = Home::at(folder.path().to_owned());
    let mut env = Env::default();
    env.set("DATABYTES", b"100");
    env.set("MAXRCPT", b"2");
    let settings = Settings::read(&home, &env, || b"h".to_vec()).expect("read");
    let lines: Rc<RefCell<String>> = Rc::default();
    let into = lines.clone();
    let sink = move |line: &[u8]| {
        into.borrow_mut().push_str(&String::from_utf8_lossy(line));
        Said::Written
    };
    let log = Log::to("lmtpd", None, Box::new(sink));
    let locals = settings.locals.clone();
    let delivery = LocalDelivery::new(&home, locals, Mode::InProcess(UID), log).expect("opened");
    let ender = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        let mut answers = Vec::new();
        while let Ok(Some(answer)) = theirs.receive(Instant::now()) {
            answers.push(answer);
        }
        answers
    });
    let exit = decide(&settings, delivery, unprivileged);
    assert!(child.wait().is_err(), "the child is ended and waited for");
    Seen {
        exit,
        log: lines.take(),
        answers: ender.join().expect("ended"),
    }
}

/// The record of a kind and its field, which come as one text; `x` is a byte alone.
fn record(text: &[u8]) -> Vec<u8> {
    let (kind, field) = text.split_first().expect("a kind");
    let length = u16::try_from(field.len()).expect("short").to_be_bytes();
    match (kind, field) {
        (b'x', _) => vec![*kind],
        _ => [&[*kind], &length[..], field].concat(),
    }
}

fn ends_with(messages: &[&[u8]], with: Option<&File>, reason: &str) {
    let seen = monitor_of(messages, with);
    assert_eq!(seen.exit, Exit::TEMPORARY);
    let last = seen.log.lines().last().expect("a line");
    assert!(last.contains(reason), "{last}");
}

#[test]
fn recipients_are_answered_in_order() {
    let seen = monitor_of(
        &[b"Ms@x", b"Rjoe@h", b"Rnobody@h", b"Rjoe@other", b"Rbad@h"],
        None,
    );
    let answers = [
        RecipientAnswer::Here,
        RecipientAnswer::Unknown,
        RecipientAnswer::Unknown,
        RecipientAnswer::Temporary,
    ];
    assert_eq!(seen.answers, answers.map(Reply::Recipient));
    assert!(
        seen.log.contains("lmtpd: fault to=<bad@h> reason="),
        "{}",
        seen.log
    );
}

#[test]
fn a_record_that_is_none_or_out_of_turn_is_the_end_of_the_child() {
    let long = [b'R'; Order::LIMIT + 1];
    let malformed: [&[u8]; 5] = [b"x", b"R", b"Rjoe\n", b"D../x", &long];
    for record in malformed {
        ends_with(&[b"Ms@x", record], None, "a record is malformed");
    }
    let out_of_turn = "a record comes out of turn";
    ends_with(&[b"Rjoe@h"], None, out_of_turn);
    ends_with(&[b"D1"], None, out_of_turn);
    // No text, no recipient, a text where none belongs, more recipients than any may have.
    ends_with(&[b"M", b"Rjoe@h", b"D1"], None, out_of_turn);
    let file = tempfile::tempfile().expect("a file");
    ends_with(&[b"M", b"D1"], Some(&file), out_of_turn);
    ends_with(&[b"M"], Some(&file), out_of_turn);
    ends_with(&[b"M", b"Rjoe@h"], Some(&file), out_of_turn);
    ends_with(&[b"M", b"Rjoe@h", b"Rjoe@h", b"Rjoe@h"], None, out_of_turn);
    // A transaction is delivered once.
    let twice = [&b"M"[..], b"Rjoe@h", b"M", b"D1"];
    ends_with(&twice, Some(&file), out_of_turn);
}

#[test]
fn a_message_is_a_regular_file_and_no_larger_than_a_client_may_make_it() {
    let messages = [&b"M"[..], b"Rjoe@h", b"D1.2"];
    let device = File::open("/dev/zero").expect("opened");
    ends_with(&messages, Some(&device), "unable to take a message: ");
    let file = tempfile::tempfile().expect("a file");
    file.set_len(100 + HEADER_BYTES + 1).expect("grown");
    ends_with(&messages, Some(&file), "larger than any may be");
    file.set_len(100 + HEADER_BYTES).expect("cut");
    let seen = monitor_of(&messages, Some(&file));
    // It is looked at, and he cannot be delivered to.
    let [standing, status] = &seen.answers[..] else {
        panic!("two answers: {:?}", seen.answers)
    };
    assert_eq!(*standing, Reply::Recipient(RecipientAnswer::Here));
    assert!(
        matches!(status, Reply::Status(RecipientStatus::Refused(reply)) if reply.starts_with("451 "))
    );
    assert!(
        seen.log.contains("lmtpd: fail qp=1.2 from=<> to=<joe@h> "),
        "{}",
        seen.log
    );
}
