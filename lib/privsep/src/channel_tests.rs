use std::fs::File;
use std::io::{Read, Seek, Write};
use std::time::Duration;

use record::{Reader, Writer};

use super::*;

/// A text of at most `LIMIT` bytes.
#[derive(Debug, PartialEq)]
pub(crate) struct Text<const LIMIT: usize>(pub Vec<u8>);

impl<const LIMIT: usize> Message for Text<LIMIT> {
    const LIMIT: usize = 2 + LIMIT;

    fn write(&self, to: &mut Writer) {
        to.bytes(&self.0, LIMIT);
    }

    fn read(from: &mut Reader<'_>) -> Result<Text<LIMIT>, Malformed> {
        Ok(Text(from.bytes(LIMIT)?.to_vec()))
    }
}

type Short = Text<5>;
type Long = Text<50_000>;

fn pair() -> (Channel<Short, Long>, Channel<Long, Short>) {
    Channel::pair().expect("a pair")
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

#[test]
fn records_of_the_limit_go_both_ways_and_longer_ones_do_not() {
    let (one, other) = pair();
    for length in [0, 1, 5] {
        one.send(&Text(vec![b'x'; length]), soon()).expect("sent");
        let received = other.receive(soon()).expect("received");
        assert_eq!(received, Some(Text(vec![b'x'; length])));
    }
    for length in [0, 1, 50_000] {
        other.send(&Text(vec![b'y'; length]), soon()).expect("sent");
        let received = one.receive(soon()).expect("received");
        assert_eq!(received, Some(Text(vec![b'y'; length])));
    }
    let error = one.send(&Text(vec![b'x'; 6]), soon()).expect_err("long");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    let error = other.send(&Text(vec![b'y'; 50_001]), soon());
    assert_eq!(error.expect_err("long").kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn what_is_no_record_is_a_fault() {
    let (one, other) = pair();
    let say = |to: BorrowedFd<'_>, bytes: &[u8]| {
        os::socket::send_nowait(to, bytes).expect("sent");
    };
    for (bytes, why) in [(&b"\0\x01"[..], "cut"), (b"\0\x01xx", "a byte is left")] {
        say(one.as_fd(), bytes);
        let fault = other.receive(soon()).expect_err(why);
        assert!(matches!(fault, Fault::Malformed(Malformed::Length)));
    }
    say(one.as_fd(), b"\0\x06longer");
    let fault = other.receive(soon()).expect_err("long");
    assert!(matches!(fault, Fault::TooLong));
    say(other.as_fd(), &[0; 2 + 50_001]);
    let fault = one.receive(soon()).expect_err("long");
    assert!(matches!(fault, Fault::TooLong));
}

#[test]
fn a_descriptor_travels_with_a_record_and_is_refused_where_none_belongs() {
    let (one, other) = pair();
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(b"text").expect("written");
    file.rewind().expect("at its start");
    let message = Text(b"with".to_vec());
    one.send_with(&message, file.as_fd()).expect("sent");
    let (received, fd) = other.take().expect("received").expect("a record");
    assert_eq!(received, message);
    let mut text = String::new();
    let mut copy = File::from(fd.expect("a descriptor"));
    copy.read_to_string(&mut text).expect("read");
    assert_eq!(text, "text");
    one.send_with(&message, file.as_fd()).expect("sent");
    let fault = other.receive(soon()).expect_err("a descriptor");
    assert!(matches!(fault, Fault::Malformed(Malformed::Unknown)));
}

#[test]
fn nothing_is_waited_for_longer_than_the_deadline() {
    let (one, other) = pair();
    let deadline = Instant::now() + Duration::from_millis(30);
    let Err(Fault::Stuck(error)) = one.receive(deadline) else {
        panic!("nothing was sent")
    };
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    // Until there is no more room.
    let long = Text(vec![b'y'; 50_000]);
    let error = (0..1_000).find_map(|_| other.send(&long, Instant::now()).err());
    assert_eq!(error.expect("full").kind(), io::ErrorKind::TimedOut);
}

#[test]
fn the_end_is_no_fault_whether_all_was_read_or_not() {
    let (one, other) = pair();
    one.send(&Text(b"last".to_vec()), soon()).expect("sent");
    drop(one);
    let last = other.receive(soon()).expect("there");
    assert_eq!(last, Some(Text(b"last".to_vec())));
    assert_eq!(other.receive(soon()).expect("the end"), None);
    let (one, other) = pair();
    one.send(&Text(b"lost".to_vec()), soon()).expect("sent");
    drop(other);
    assert_eq!(one.receive(soon()).expect("the end"), None);
}
