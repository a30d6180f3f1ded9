use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use super::*;

const SOON: Duration = Duration::from_millis(60);

fn limits(read: Duration) -> Limits {
    Limits {
        read,
        session_end: Instant::now() + Duration::from_secs(60),
    }
}

/// A conversation over a socket pair, and the client's end.
fn pair(read: Duration) -> (Conn, UnixStream) {
    let (server, client) = UnixStream::pair().expect("a pair");
    let input = OwnedFd::from(server.try_clone().expect("a copy"));
    client
        .set_read_timeout(Some(Duration::from_secs(5)))
        .expect("set");
    (Conn::new(input, server.into(), limits(read)), client)
}

fn next(conn: &mut Conn, limit: usize) -> (Result<Line, Trouble>, Vec<u8>) {
    let mut line = b"left over".to_vec();
    (conn.read_line(&mut line, limit), line)
}

#[test]
fn lines_end_at_crlf_or_lf_and_lose_only_one_cr() {
    let (mut conn, mut client) = pair(SOON);
    client
        .write_all(b"one\r\ntwo\nthree\r\r\n\r\n")
        .expect("room");
    for expected in [&b"one"[..], b"two", b"three\r", b""] {
        let (line, text) = next(&mut conn, 10);
        assert_eq!((line.expect("a line"), &text[..]), (Line::Whole, expected));
    }
}

#[test]
fn a_line_of_the_limit_passes_and_one_byte_more_is_too_long() {
    for end in ["\r\n", "\n"] {
        let (mut conn, mut client) = pair(SOON);
        let text = format!("12345678{end}123456789{end}next{end}");
        client.write_all(text.as_bytes()).expect("room");
        assert_eq!(next(&mut conn, 8).1, b"12345678");
        assert_eq!(next(&mut conn, 8).0.expect("a line"), Line::TooLong);
        assert_eq!(next(&mut conn, 8).1, b"next");
    }
}

#[test]
fn the_limit_holds_when_the_line_comes_in_pieces() {
    let (mut conn, mut client) = pair(Duration::from_secs(5));
    let writer = std::thread::spawn(move || {
        for piece in ["1234", "5678", "\r", "\n", "12345678", "9", "\r\nnext\r\n"] {
            client.write_all(piece.as_bytes()).expect("room");
            std::thread::sleep(Duration::from_millis(5));
        }
        client
    });
    assert_eq!(next(&mut conn, 8).1, b"12345678");
    assert_eq!(next(&mut conn, 8).0.expect("a line"), Line::TooLong);
    assert_eq!(next(&mut conn, 8).1, b"next");
    writer.join().expect("written");
}

#[test]
fn a_line_far_longer_than_the_buffer_is_thrown_away_whole() {
    let (mut conn, mut client) = pair(Duration::from_secs(5));
    let writer = std::thread::spawn(move || {
        client.write_all(&[b'x'; FLOOD_LIMIT - 100]).expect("read");
        client.write_all(b"\r\nnext\r\n").expect("read");
        client
    });
    assert_eq!(next(&mut conn, 100).0.expect("a line"), Line::TooLong);
    assert_eq!(next(&mut conn, 100).1, b"next");
    writer.join().expect("written");
}

#[test]
fn a_line_without_end_ends_the_conversation() {
    let (mut conn, mut client) = pair(Duration::from_secs(5));
    let writer = std::thread::spawn(move || {
        // The server goes away in the middle, so this may fail.
        let _ = client.write_all(&vec![b'x'; FLOOD_LIMIT + 2 * BUFFER_BYTES]);
    });
    assert!(matches!(next(&mut conn, 100).0, Err(Trouble::Flood)));
    drop(conn);
    writer.join().expect("written");
}

#[test]
fn text_without_line_end_before_the_end_is_no_line() {
    let (mut conn, mut client) = pair(SOON);
    client.write_all(b"QUIT").expect("room");
    drop(client);
    assert!(matches!(next(&mut conn, 10).0, Err(Trouble::Closed)));
}

#[test]
fn a_slow_line_does_not_outlive_the_read_limit() {
    let (mut conn, mut client) = pair(Duration::from_millis(100));
    let started = Instant::now();
    let writer = std::thread::spawn(move || {
        for _ in 0..20 {
            if client.write_all(b"x").is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    assert!(matches!(next(&mut conn, 100).0, Err(Trouble::Timeout)));
    assert!(started.elapsed() < Duration::from_millis(300));
    drop(conn);
    writer.join().expect("written");
}

#[test]
fn the_end_of_the_session_is_told_from_a_silent_client() {
    let (server, _client) = UnixStream::pair().expect("a pair");
    let input = OwnedFd::from(server.try_clone().expect("a copy"));
    let limits = Limits {
        read: Duration::from_secs(60),
        session_end: Instant::now() + SOON,
    };
    let mut conn = Conn::new(input, server.into(), limits);
    assert!(matches!(next(&mut conn, 10).0, Err(Trouble::SessionOver)));
}

#[test]
fn replies_to_pipelined_commands_are_one_write() {
    let (mut conn, mut client) = pair(SOON);
    client.write_all(b"a\r\nb\r\nc").expect("room");
    for _ in 0..2 {
        assert_eq!(next(&mut conn, 10).0.expect("a line"), Line::Whole);
        conn.reply(b"250 ok\r\n");
    }
    client.set_nonblocking(true).expect("set");
    let mut got = [0; 100];
    let early = client.read(&mut got).expect_err("nothing before the read");
    assert_eq!(early.kind(), io::ErrorKind::WouldBlock);
    // Half of the third command is there; waiting for its rest sends the replies.
    assert!(matches!(next(&mut conn, 10).0, Err(Trouble::Timeout)));
    assert_eq!(client.read(&mut got).expect("replies"), 16);
}

#[test]
fn many_collected_replies_go_out_before_they_take_much_memory() {
    let (mut conn, mut client) = pair(SOON);
    client.write_all(b"a\r\nb\r\n").expect("room");
    assert_eq!(next(&mut conn, 10).1, b"a");
    conn.reply(&[b'x'; REPLY_BYTES + 1]);
    assert_eq!(next(&mut conn, 10).1, b"b");
    let mut got = vec![0; REPLY_BYTES + 1];
    client.read_exact(&mut got).expect("the replies");
}

#[test]
fn a_client_that_reads_nothing_does_not_hold_the_server() {
    let (mut conn, _client) = pair(SOON);
    conn.reply(&vec![b'x'; 8 << 20]);
    assert!(matches!(conn.flush(), Err(Trouble::Timeout)));
}

#[test]
fn pipes_work_as_sockets_do() {
    let (input, mut to_server) = io::pipe().expect("a pipe");
    let (mut from_server, output) = io::pipe().expect("a pipe");
    let mut conn = Conn::new(input.into(), output.into(), limits(SOON));
    to_server.write_all(b"NOOP\r\nxyz").expect("room");
    assert_eq!(next(&mut conn, 10).1, b"NOOP");
    conn.reply(b"250 ok\r\n");
    assert_eq!(conn.data().expect("bytes"), b"xyz");
    conn.consume(1);
    assert_eq!(conn.data().expect("bytes"), b"yz");
    conn.consume(2);
    drop(to_server);
    assert!(matches!(conn.data(), Err(Trouble::Closed)));
    let mut got = [0; 8];
    from_server.read_exact(&mut got).expect("the reply");
    assert_eq!(&got, b"250 ok\r\n");
}

#[test]
fn bytes_read_ahead_do_not_survive_a_change_of_descriptors() {
    let (mut conn, mut client) = pair(SOON);
    client.write_all(b"STARTTLS\r\nMAIL\r\n").expect("room");
    assert_eq!(next(&mut conn, 10).1, b"STARTTLS");
    let (server, mut secure) = UnixStream::pair().expect("a pair");
    conn.replace(server.try_clone().expect("a copy").into(), server.into());
    secure.write_all(b"EHLO\r\n").expect("room");
    assert_eq!(next(&mut conn, 10).1, b"EHLO");
}

#[test]
fn the_session_ends_also_while_there_is_always_something_to_read() {
    let (server, mut client) = UnixStream::pair().expect("a pair");
    let input = OwnedFd::from(server.try_clone().expect("a copy"));
    let session_end = Instant::now() + SOON;
    let limits = Limits {
        read: Duration::from_secs(20),
        session_end,
    };
    let mut conn = Conn::new(input, server.into(), limits);
    client.write_all(b"one\r\n").expect("room");
    assert_eq!(next(&mut conn, 10).1, b"one");
    client.write_all(b"two\r\n").expect("room");
    std::thread::sleep(SOON * 2);
    assert!(matches!(next(&mut conn, 10).0, Err(Trouble::SessionOver)));
}

/// What is left to read on `end` once the conversation has taken a line from it.
fn left_behind(mut conn: Conn, mut end: impl Read) -> Vec<u8> {
    let mut line = Vec::new();
    assert_eq!(conn.read_line(&mut line, 100).expect("a line"), Line::Whole);
    assert_eq!(line, b"PASS x");
    assert_eq!(conn.ahead(), b"");
    drop(conn);
    let mut rest = Vec::new();
    end.read_to_end(&mut rest).expect("the rest");
    rest
}

#[test]
fn reading_exactly_leaves_what_is_behind_a_line_to_the_next_program() {
    let limits = || limits(Duration::from_secs(5));
    let (ours, mut theirs) = UnixStream::pair().expect("a pair");
    theirs.write_all(b"PASS x\r\nSTAT\r\nQU").expect("room");
    drop(theirs);
    let keeper = ours.try_clone().expect("a copy");
    let output = ours.try_clone().expect("a copy");
    let mut conn = Conn::new(ours.into(), output.into(), limits());
    conn.read_exactly();
    assert_eq!(left_behind(conn, keeper), b"STAT\r\nQU");

    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    writer.write_all(b"PASS x\r\nSTAT\r\nQU").expect("room");
    drop(writer);
    let keeper = reader.try_clone().expect("a copy");
    let (_away, output) = std::io::pipe().expect("a pipe");
    let mut conn = Conn::new(reader.into(), output.into(), limits());
    conn.read_exactly();
    assert_eq!(left_behind(conn, keeper), b"STAT\r\nQU");
}

#[test]
fn a_line_that_comes_in_pieces_is_read_exactly_too() {
    let (ours, mut theirs) = UnixStream::pair().expect("a pair");
    let output = ours.try_clone().expect("a copy");
    let keeper = ours.try_clone().expect("a copy");
    let mut conn = Conn::new(ours.into(), output.into(), limits(Duration::from_secs(5)));
    conn.read_exactly();
    let writer = std::thread::spawn(move || {
        theirs.write_all(b"PA").expect("room");
        std::thread::sleep(Duration::from_millis(20));
        theirs.write_all(b"SS x\nmore").expect("room");
    });
    let rest = left_behind(conn, keeper);
    writer.join().expect("written");
    assert_eq!(rest, b"more");
}

#[test]
fn bytes_read_ahead_by_another_side_come_before_what_is_still_to_be_read() {
    let (ours, mut theirs) = UnixStream::pair().expect("a pair");
    theirs.write_all(b"T\nnext\n").expect("room");
    let output = ours.try_clone().expect("a copy");
    let mut conn = Conn::new(ours.into(), output.into(), limits(Duration::from_secs(5)));
    conn.resume(b"one\nSTA");
    let mut line = Vec::new();
    for expected in [&b"one"[..], b"STAT", b"next"] {
        conn.read_line(&mut line, 100).expect("a line");
        assert_eq!(line, expected);
    }
}

#[test]
fn a_wiped_conversation_has_nothing_left() {
    let (ours, _theirs) = UnixStream::pair().expect("a pair");
    let output = ours.try_clone().expect("a copy");
    let mut conn = Conn::new(ours.into(), output.into(), limits(Duration::from_secs(5)));
    conn.resume(b"PASS sekrit\n");
    conn.wipe();
    assert!(conn.buffer.iter().all(|&byte| byte == 0));
    assert_eq!(conn.ahead(), b"");
}

#[test]
fn octets_are_taken_as_they_are_and_the_line_goes_on_behind_them() {
    let (mut conn, mut client) = pair(Duration::from_secs(5));
    let long = vec![b'z'; 3 * BUFFER_BYTES];
    let writer = std::thread::spawn(move || {
        client
            .write_all(b"LOGIN {8+}\r\n\r\n\0\n\xff")
            .expect("room");
        std::thread::sleep(Duration::from_millis(5));
        client.write_all(b"abc {9}\r\n").expect("room");
        client.write_all(&long).expect("read");
        client.write_all(b"\r\nnext\r\n").expect("room");
        client
    });
    let mut octets = b"left over".to_vec();
    assert_eq!(next(&mut conn, 100).1, b"LOGIN {8+}");
    conn.read_octets(&mut octets, 8).expect("eight bytes");
    assert_eq!(octets, b"\r\n\0\n\xffabc");
    assert_eq!(next(&mut conn, 100).1, b" {9}");
    conn.read_octets(&mut octets, 0).expect("nothing");
    assert_eq!(octets, b"");
    conn.read_octets(&mut octets, BUFFER_BYTES + 1)
        .expect("many");
    assert_eq!(octets, vec![b'z'; BUFFER_BYTES + 1]);
    conn.skip_octets(2 * BUFFER_BYTES - 1).expect("the rest");
    assert_eq!(next(&mut conn, 100).1, b"");
    assert_eq!(next(&mut conn, 100).1, b"next");
    writer.join().expect("written");
}

#[test]
fn replies_go_out_before_octets_are_waited_for() {
    let (mut conn, mut client) = pair(SOON);
    conn.reply(b"+ go\r\n");
    let mut octets = Vec::new();
    assert!(matches!(
        conn.read_octets(&mut octets, 1),
        Err(Trouble::Timeout)
    ));
    let mut got = [0; 6];
    client.read_exact(&mut got).expect("the reply");
    assert_eq!(&got, b"+ go\r\n");
}

#[test]
fn slow_octets_do_not_outlive_the_read_limit() {
    let (mut conn, mut client) = pair(Duration::from_millis(100));
    let started = Instant::now();
    let writer = std::thread::spawn(move || {
        for _ in 0..20 {
            if client.write_all(b"x").is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    assert!(matches!(conn.skip_octets(1000), Err(Trouble::Timeout)));
    assert!(started.elapsed() < Duration::from_millis(300));
    drop(conn);
    writer.join().expect("written");
}

#[test]
fn reading_exactly_leaves_what_is_behind_octets_to_the_next_program() {
    let text = b"{5}\nab\ncd{2}\nxyPASS x\nSTAT\n";
    let go = |mut conn: Conn, keeper: Box<dyn Read>| {
        conn.read_exactly();
        let mut octets = Vec::new();
        assert_eq!(next(&mut conn, 10).1, b"{5}");
        conn.read_octets(&mut octets, 5).expect("five bytes");
        assert_eq!(octets, b"ab\ncd");
        assert_eq!(next(&mut conn, 10).1, b"{2}");
        conn.skip_octets(2).expect("two bytes");
        assert_eq!(conn.ahead(), b"");
        assert_eq!(left_behind(conn, keeper), b"STAT\n");
    };
    let limits = || limits(Duration::from_secs(5));
    let (ours, mut theirs) = UnixStream::pair().expect("a pair");
    theirs.write_all(text).expect("room");
    drop(theirs);
    let keeper = ours.try_clone().expect("a copy");
    let output = ours.try_clone().expect("a copy");
    go(
        Conn::new(ours.into(), output.into(), limits()),
        Box::new(keeper),
    );
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    writer.write_all(text).expect("room");
    drop(writer);
    let keeper = reader.try_clone().expect("a copy");
    let (_away, output) = std::io::pipe().expect("a pipe");
    go(
        Conn::new(reader.into(), output.into(), limits()),
        Box::new(keeper),
    );
}

#[test]
fn last_words_are_written_after_the_time_is_over_and_are_not_waited_for() {
    let (mut conn, mut client) = pair(SOON);
    conn.reply(b"* OK ");
    assert!(matches!(next(&mut conn, 10).0, Err(Trouble::Timeout)));
    conn.last_words(b"bye");
    let mut got = [0; 8];
    client.read_exact(&mut got).expect("the words");
    assert_eq!(&got, b"* OK bye");
    let (mut conn, _client) = pair(Duration::from_secs(60));
    let started = Instant::now();
    conn.last_words(&vec![b'x'; 8 << 20]);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn when_a_reply_was_lost_nothing_more_is_read_though_it_is_there() {
    let (input, mut client) = std::io::pipe().expect("a pipe");
    let (reader, output) = std::io::pipe().expect("a pipe");
    client.write_all(b"one\r\ntwo\r\nthree\r\n").expect("room");
    let mut conn = Conn::new(input.into(), output.into(), limits(SOON));
    assert_eq!(next(&mut conn, 10).1, b"one");
    drop(reader);
    conn.reply(b"250 ok\r\n");
    assert!(matches!(conn.flush(), Err(Trouble::Closed)));
    // Whoever has not looked at that finds it out here.
    assert!(matches!(next(&mut conn, 10).0, Err(Trouble::Closed)));
    assert!(matches!(conn.data(), Err(Trouble::Closed)));
    assert!(matches!(conn.flush(), Err(Trouble::Closed)));
}

#[test]
fn what_passes_is_counted_both_ways_over_all_descriptors() {
    let (mut conn, mut client) = pair(SOON);
    client.write_all(b"one\r\ntwo").expect("room");
    next(&mut conn, 10).0.expect("a line");
    conn.reply(b"+OK\r\n");
    assert_eq!(conn.traffic().sent, 0, "it has not gone out yet");
    conn.flush().expect("written");
    let (server, mut encrypted) = UnixStream::pair().expect("a pair");
    let input = OwnedFd::from(server.try_clone().expect("a copy"));
    conn.replace(input, server.into());
    encrypted.write_all(b"three\n").expect("room");
    conn.reply(b"+OK\r\n");
    next(&mut conn, 10).0.expect("a line");
    let expected = Traffic {
        received: 8 + 6,
        sent: 5 + 5,
    };
    assert_eq!(conn.traffic(), expected);
}
