//! Conversations through a codec.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::conn::Ready;
use crate::{Codec, Conn, Limits, Line};

/// Every byte stands on the wire twice.
#[derive(Debug)]
struct Twice;

impl Codec for Twice {
    fn decode(&mut self, input: &[u8], output: &mut [u8]) -> io::Result<(usize, usize)> {
        let pairs = input.chunks_exact(2).zip(output);
        let made = pairs.map(|(pair, place)| *place = pair[0]).count();
        Ok((2 * made, made))
    }

    fn encode(&mut self, input: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
        output.extend(input.iter().flat_map(|&byte| [byte, byte]));
        Ok(())
    }
}

fn pair() -> (Conn, UnixStream) {
    let (server, client) = UnixStream::pair().expect("a pair");
    let input = OwnedFd::from(server.try_clone().expect("a copy"));
    let limits = Limits {
        read: Duration::from_secs(5),
        session_end: Instant::now() + Duration::from_secs(60),
    };
    let timeout = Some(Duration::from_secs(5));
    client.set_read_timeout(timeout).expect("set");
    (Conn::new(input, server.into(), limits), client)
}

fn twice(text: &[u8]) -> Vec<u8> {
    text.iter().flat_map(|&byte| [byte, byte]).collect()
}

#[test]
fn both_directions_go_through_the_codec_from_the_switch_on() {
    let (mut conn, mut client) = pair();
    let mut line = Vec::new();
    // The second line came with the first, and is coded already.
    let mut sent = b"switch\r\n".to_vec();
    sent.extend(twice(b"one\r\n"));
    client.write_all(&sent).expect("room");
    conn.read_line(&mut line, 100).expect("a line");
    conn.reply(b"plain");
    conn.encode_with(Box::new(Twice)).expect("switched");
    assert_eq!(conn.read_line(&mut line, 100).expect("a line"), Line::Whole);
    assert_eq!(line, b"one");
    // Half a pair waits for its other half.
    let coded = twice(b"two\r\n");
    client.write_all(&coded[..3]).expect("room");
    let other = conn.wait(None, Instant::now() + Duration::from_millis(1));
    assert_eq!(other.expect("waited"), Ready::Input);
    client.write_all(&coded[3..]).expect("room");
    conn.read_line(&mut line, 100).expect("a line");
    assert_eq!(line, b"two");
    conn.reply(b"ab");
    conn.flush().expect("written");
    drop(conn);
    let mut got = Vec::new();
    client.read_to_end(&mut got).expect("read");
    assert_eq!(got, b"plainaabb");
}

#[test]
fn a_wait_ends_with_input_with_the_other_descriptor_or_in_time() {
    let (mut conn, mut client) = pair();
    let (reader, mut writer) = io::pipe().expect("a pipe");
    let soon = || Instant::now() + Duration::from_millis(20);
    let wait = |conn: &mut Conn| conn.wait(Some(reader.as_fd()), soon()).expect("waited");
    assert_eq!(wait(&mut conn), Ready::Time);
    writer.write_all(b"x").expect("room");
    assert_eq!(wait(&mut conn), Ready::Other);
    client.write_all(b"one\r\ntwo\r\n").expect("room");
    assert_eq!(wait(&mut conn), Ready::Input);
    let mut line = Vec::new();
    conn.read_line(&mut line, 100).expect("a line");
    // The second line is in the buffer: nothing would come any more.
    assert_eq!(conn.wait(None, soon()).expect("waited"), Ready::Input);
}

#[test]
fn replies_are_out_before_a_wait() {
    let (mut conn, mut client) = pair();
    conn.reply(b"+ idling\r\n");
    let soon = Instant::now() + Duration::from_millis(1);
    assert_eq!(conn.wait(None, soon).expect("waited"), Ready::Time);
    let mut got = [0; 10];
    client.read_exact(&mut got).expect("there");
    assert_eq!(&got, b"+ idling\r\n");
}
