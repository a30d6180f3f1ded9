//! An IMAP client for tests: tags, literals both ways, replies kept whole, nothing waited for longer
//! than [`DEADLINE`].
//!
//! What the server sends is kept byte for byte: a reply is a `String` in which each byte is the
//! character of that number (Latin-1), for mail holds bytes of all kinds and comparisons must see
//! each of them. What is sent is the UTF-8 of the words given. [`utf8`] reads a reply as UTF-8.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::time::{Duration, Instant};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use socket2::{Domain, Socket, Type};

use super::{DEADLINE, run};

/// A connection of either kind.
#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn limit(&self, limit: Duration) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.set_read_timeout(Some(limit)),
            Stream::Unix(stream) => stream.set_read_timeout(Some(limit)),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.write_all(bytes),
            Stream::Unix(stream) => stream.write_all(bytes),
        }
    }
}

/// One piece of a command that has literals.
#[derive(Debug, Clone, Copy)]
pub enum Piece<'a> {
    /// Words of the command line.
    Words(&'a str),
    /// A literal, announced and sent once the server asks for it.
    Literal(&'a [u8]),
}

/// A command's replies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The untagged ones in their order, without `* `; literals stand in them as they were sent.
    pub untagged: Vec<String>,
    /// The tagged one, without the tag.
    pub status: String,
}

impl Reply {
    /// Whether the command was done.
    pub fn is_ok(&self) -> bool {
        self.status.starts_with("OK")
    }

    /// The first untagged reply that contains this.
    pub fn find(&self, part: &str) -> Option<&str> {
        let found = self.untagged.iter().find(|line| line.contains(part));
        found.map(String::as_str)
    }

    /// The number behind this word, in whichever reply has it (`[UIDNEXT 4]`, `HIGHESTMODSEQ 7`).
    pub fn number(&self, word: &str) -> Option<u64> {
        let mut all = self.untagged.iter().chain([&self.status]);
        all.find_map(|line| number_after(line, word))
    }
}

/// The number that follows a word and a space.
pub fn number_after(line: &str, word: &str) -> Option<u64> {
    let (_, rest) = line.split_once(&format!("{word} "))?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// A client.
#[derive(Debug)]
pub struct Imap {
    stream: Stream,
    /// What came and was not taken yet, and how much of it was.
    buffer: Vec<u8>,
    taken: usize,
    tags: u32,
    deflate: Option<Box<(Decompress, Compress)>>,
    child: Option<Child>,
    /// What the server said first, without `* `.
    pub greeting: String,
}

impl Imap {
    /// Connects and reads the greeting.
    pub fn connect(server: SocketAddr) -> Imap {
        let stream = TcpStream::connect_timeout(&server, DEADLINE)
            .unwrap_or_else(|error| panic!("connect to {server}: {error}"));
        stream.set_nodelay(true).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Imap::over(Stream::Tcp(stream), None)
    }

    /// Connects from a given address (any port), and reads the greeting.
    pub fn connect_from(source: Ipv4Addr, server: SocketAddr) -> Imap {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
        socket
            .connect_timeout(&server.into(), DEADLINE)
            .unwrap_or_else(|error| panic!("connect from {source} to {server}: {error}"));
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Imap::over(Stream::Tcp(stream), None)
    }

    /// Speaks to a process over a socket pair, whose one end this is, and reads the greeting. The
    /// process is waited for when this is dropped.
    pub fn attach(stream: UnixStream, child: Child) -> Imap {
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Imap::over(Stream::Unix(stream), Some(child))
    }

    fn over(stream: Stream, child: Option<Child>) -> Imap {
        let mut client = Imap {
            stream,
            buffer: Vec::new(),
            taken: 0,
            tags: 0,
            deflate: None,
            child,
            greeting: String::new(),
        };
        client.greeting = client.response();
        client
    }

    /// The process at the other end of the socket pair.
    pub fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("a process was attached")
    }

    /// LOGIN; the status.
    pub fn login(&mut self, user: &str, password: &str) -> String {
        self.run(&format!("LOGIN {user} \"{password}\"")).status
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes.as_ref())
            .unwrap_or_else(|error| panic!("sending: {error}"));
    }

    /// [`Imap::send`] to a server that may have gone.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(deflate) = &mut self.deflate else {
            return self.stream.write_all(bytes);
        };
        let mut packed = Vec::with_capacity(bytes.len() + 64);
        let before = deflate.1.total_in();
        loop {
            let done = usize::try_from(deflate.1.total_in() - before).unwrap();
            packed.reserve(256);
            deflate
                .1
                .compress_vec(&bytes[done..], &mut packed, FlushCompress::Sync)
                .unwrap();
            let done = usize::try_from(deflate.1.total_in() - before).unwrap();
            if done == bytes.len() && packed.len() < packed.capacity() {
                return self.stream.write_all(&packed);
            }
        }
    }

    /// Sends a command under a tag of its own, which is returned.
    pub fn start(&mut self, command: &str) -> String {
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        self.send(format!("{tag} {command}\r\n"));
        tag
    }

    /// Reads to the tagged reply of this command.
    pub fn reply(&mut self, tag: &str) -> Reply {
        let mut untagged = Vec::new();
        loop {
            let line = self.raw();
            if let Some(rest) = line.strip_prefix("* ") {
                untagged.push(rest.to_owned());
            } else if let Some(status) = line.strip_prefix(&format!("{tag} ")) {
                let status = status.to_owned();
                return Reply { untagged, status };
            } else {
                panic!("neither untagged nor {tag}: {line:?} after {untagged:?}");
            }
        }
    }

    /// A command and its replies.
    pub fn run(&mut self, command: &str) -> Reply {
        let tag = self.start(command);
        self.reply(&tag)
    }

    /// A command that must be done; the untagged replies.
    pub fn ok(&mut self, command: &str) -> Vec<String> {
        let reply = self.run(command);
        assert!(reply.is_ok(), "{command}: {reply:?}");
        reply.untagged
    }

    /// A command with literals, each sent when the server has asked for it. Where it refuses one, that
    /// is the reply.
    pub fn pieces(&mut self, pieces: &[Piece<'_>]) -> Reply {
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        let mut line = format!("{tag} ").into_bytes();
        let mut untagged = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Words(words) => line.extend_from_slice(words.as_bytes()),
                Piece::Literal(bytes) => {
                    line.extend_from_slice(format!("{{{}}}\r\n", bytes.len()).as_bytes());
                    self.send(&line);
                    line.clear();
                    loop {
                        let said = self.raw();
                        if said.starts_with('+') {
                            break;
                        } else if let Some(status) = said.strip_prefix(&format!("{tag} ")) {
                            let status = status.to_owned();
                            return Reply { untagged, status };
                        }
                        untagged.push(said.strip_prefix("* ").unwrap_or(&said).to_owned());
                    }
                    line.extend_from_slice(bytes);
                }
            }
        }
        line.extend_from_slice(b"\r\n");
        self.send(&line);
        let mut reply = self.reply(&tag);
        untagged.append(&mut reply.untagged);
        reply.untagged = untagged;
        reply
    }

    /// APPEND: mailbox and whatever comes before the message, and the message.
    pub fn append(&mut self, words: &str, message: impl AsRef<[u8]>) -> Reply {
        self.pieces(&[
            Piece::Words(&format!("APPEND {words} ")),
            Piece::Literal(message.as_ref()),
        ])
    }

    /// Begins IDLE; the tag for [`Imap::done`]. What came before the server's `+` is kept in order.
    pub fn idle(&mut self) -> (String, Vec<String>) {
        let tag = self.start("IDLE");
        let mut before = Vec::new();
        loop {
            let line = self.raw();
            if line.starts_with('+') {
                return (tag, before);
            }
            let rest = line.strip_prefix("* ");
            before.push(rest.unwrap_or_else(|| panic!("{line:?}")).to_owned());
        }
    }

    /// Ends IDLE.
    pub fn done(&mut self, tag: &str) -> Reply {
        self.send("DONE\r\n");
        self.reply(tag)
    }

    /// Waits for one untagged reply that contains this, and fails after `limit`.
    pub fn wait_for(&mut self, part: &str, limit: Duration) -> String {
        let end = Instant::now() + limit;
        let mut seen = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Some(line) = self.try_response(left) else {
                panic!("no {part:?} within {limit:?}, only {seen:?}");
            };
            if line.contains(part) {
                return line;
            }
            seen.push(line);
        }
    }

    /// COMPRESS; from here on both directions are deflated.
    pub fn compress(&mut self) {
        self.ok("COMPRESS DEFLATE");
        assert_eq!(
            self.buffer.len(),
            self.taken,
            "nothing follows in the clear"
        );
        self.deflate = Some(Box::new((
            Decompress::new(false),
            Compress::new(Compression::default(), false),
        )));
    }

    /// The next reply, untagged without `* `, others whole; fails where there is none in time.
    pub fn response(&mut self) -> String {
        let line = self.raw();
        line.strip_prefix("* ").map_or(line.clone(), str::to_owned)
    }

    /// The next reply, if one comes within `limit`; `None` also at the end of the connection.
    pub fn try_response(&mut self, limit: Duration) -> Option<String> {
        let line = self.try_raw(Instant::now() + limit)?;
        Some(line.strip_prefix("* ").map_or(line.clone(), str::to_owned))
    }

    /// Whether the connection ends, with nothing said before.
    pub fn is_over(&mut self) -> bool {
        let end = Instant::now() + DEADLINE;
        self.taken == self.buffer.len() && matches!(self.fill(end), Ok(0))
    }

    fn raw(&mut self) -> String {
        self.try_raw(Instant::now() + DEADLINE).unwrap_or_else(|| {
            let rest = latin1(&self.buffer[self.taken..]);
            panic!("the server has closed or says nothing: {rest:?}")
        })
    }

    /// A whole reply with its literals, without the last CRLF.
    fn try_raw(&mut self, end: Instant) -> Option<String> {
        let mut length = 0;
        loop {
            let line = loop {
                let rest = &self.buffer[self.taken + length..];
                if let Some(at) = rest.windows(2).position(|pair| pair == b"\r\n") {
                    break at;
                }
                if !matches!(self.fill(end), Ok(1..)) {
                    return None;
                }
            };
            let start = self.taken + length;
            let text = &self.buffer[start..start + line];
            length += line;
            let Some(octets) = literal(text) else {
                let all = latin1(&self.buffer[self.taken..self.taken + length]);
                self.taken += length + 2;
                if self.taken == self.buffer.len() {
                    self.buffer.clear();
                    self.taken = 0;
                }
                return Some(all);
            };
            length += 2 + octets;
            while self.buffer.len() < self.taken + length {
                if !matches!(self.fill(end), Ok(1..)) {
                    return None;
                }
            }
        }
    }

    /// Reads what is there; the number of bytes it became.
    fn fill(&mut self, end: Instant) -> io::Result<usize> {
        let mut chunk = [0; 65536];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.stream.limit(left.max(Duration::from_millis(1)))?;
            let count = match self.stream.read(&mut chunk) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            };
            let before = self.buffer.len();
            let Some(deflate) = &mut self.deflate else {
                self.buffer.extend_from_slice(&chunk[..count]);
                return Ok(count);
            };
            let mut input = &chunk[..count];
            loop {
                let taken = deflate.0.total_in();
                self.buffer.reserve(65536);
                let free = self.buffer.capacity() - self.buffer.len();
                let held = self.buffer.len();
                deflate
                    .0
                    .decompress_vec(input, &mut self.buffer, FlushDecompress::Sync)
                    .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
                input = &input[usize::try_from(deflate.0.total_in() - taken).unwrap()..];
                if input.is_empty() && self.buffer.len() - held < free {
                    break;
                }
            }
            let grown = self.buffer.len() - before;
            if grown > 0 || count == 0 {
                return Ok(grown);
            }
        }
    }
}

impl Drop for Imap {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            if let Stream::Unix(stream) = &self.stream {
                let _ = stream.shutdown(std::net::Shutdown::Both);
            }
            let ended = run::wait(child, Instant::now() + DEADLINE);
            assert!(
                ended.is_some() || std::thread::panicking(),
                "the server does not end when its client has gone"
            );
        }
    }
}

/// The size of the literal that a line ends in.
fn literal(line: &[u8]) -> Option<usize> {
    let rest = line.strip_suffix(b"}")?;
    let open = rest.iter().rposition(|byte| *byte == b'{')?;
    std::str::from_utf8(&rest[open + 1..]).ok()?.parse().ok()
}

/// Bytes as the characters of the same numbers.
pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// A reply read as UTF-8.
pub fn utf8(reply: &str) -> String {
    let bytes: Vec<u8> = reply.chars().map(|letter| letter as u8).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What a reply consists of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// NIL.
    Nil,
    /// An atom, a number, a flag, or the name of a section with its brackets.
    Atom(String),
    /// A quoted string or a literal: they mean the same.
    Text(String),
    /// A list.
    List(Vec<Value>),
}

impl Value {
    /// Takes a reply apart.
    pub fn all(reply: &str) -> Vec<Value> {
        let bytes: Vec<char> = reply.chars().collect();
        let mut at = 0;
        let values = Value::list(&bytes, &mut at);
        assert_eq!(at, bytes.len(), "a parenthesis too many: {reply:?}");
        values
    }

    /// The atom's or string's text; empty for others.
    pub fn text(&self) -> &str {
        match self {
            Value::Atom(text) | Value::Text(text) => text,
            Value::Nil | Value::List(_) => "",
        }
    }

    fn list(from: &[char], at: &mut usize) -> Vec<Value> {
        let mut values = Vec::new();
        while *at < from.len() && from[*at] != ')' {
            match from[*at] {
                ' ' => *at += 1,
                '(' => {
                    *at += 1;
                    values.push(Value::List(Value::list(from, at)));
                    assert_eq!(from.get(*at), Some(&')'), "an open list");
                    *at += 1;
                }
                '"' => values.push(Value::Text(quoted(from, at))),
                '{' => values.push(Value::Text(octets(from, at))),
                _ => {
                    let atom = atom(from, at);
                    values.push(if atom.eq_ignore_ascii_case("NIL") {
                        Value::Nil
                    } else {
                        Value::Atom(atom)
                    });
                }
            }
        }
        values
    }
}

fn quoted(from: &[char], at: &mut usize) -> String {
    let mut text = String::new();
    *at += 1;
    while from[*at] != '"' {
        if from[*at] == '\\' {
            *at += 1;
        }
        text.push(from[*at]);
        *at += 1;
    }
    *at += 1;
    text
}

fn octets(from: &[char], at: &mut usize) -> String {
    let close = *at + from[*at..].iter().position(|c| *c == '}').unwrap();
    let count: String = from[*at + 1..close].iter().collect();
    let start = close + 3;
    let end = start + count.parse::<usize>().unwrap();
    *at = end;
    from[start..end].iter().collect()
}

/// An atom; one with brackets goes on to where they close, whatever is in them.
fn atom(from: &[char], at: &mut usize) -> String {
    let start = *at;
    let mut brackets = 0_u32;
    while let Some(letter) = from.get(*at) {
        match letter {
            '[' => brackets += 1,
            ']' => brackets = brackets.saturating_sub(1),
            ' ' | '(' | ')' if brackets == 0 => break,
            _ => {}
        }
        *at += 1;
    }
    from[start..*at].iter().collect()
}

/// The FETCH replies among these: items by their names in capitals, by sequence number. An item
/// that comes twice for one message is an error, and so is a reply that is none. What is told behind
/// an expunge has other numbers, and is left out.
pub fn fetched(untagged: &[String]) -> BTreeMap<u32, BTreeMap<String, Value>> {
    let mut all: BTreeMap<u32, BTreeMap<String, Value>> = BTreeMap::new();
    for line in untagged {
        let values = Value::all(line);
        if let [Value::Atom(_), Value::Atom(word)] = values.as_slice()
            && word == "EXPUNGE"
        {
            break;
        }
        let [Value::Atom(number), Value::Atom(word), Value::List(items)] = values.as_slice() else {
            continue;
        };
        if word != "FETCH" {
            continue;
        }
        let message = all.entry(number.parse().unwrap()).or_default();
        assert!(items.len().is_multiple_of(2), "{line:?}");
        for pair in items.chunks(2) {
            let name = pair[0].text().to_ascii_uppercase();
            // Flags may be told again, where others change them meanwhile.
            let may_come_again = ["UID", "FLAGS", "MODSEQ"].contains(&name.as_str());
            let before = message.insert(name, pair[1].clone());
            assert!(
                before.is_none() || may_come_again,
                "{line:?} has an item again"
            );
        }
    }
    all
}

/// Whether a text fits a pattern in which `~` stands for any run of characters, also none.
pub fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('~');
    let first = parts.next().unwrap();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// One step of a transcript: a command, patterns ([`fits`]) that its untagged replies must fit, each
/// one of its own, in any order, and the pattern of the status. A pattern behind `!` may fit none of
/// them; with `=` as the first one the list is complete and in order.
pub fn step(client: &mut Imap, command: &str, untagged: &[&str], status: &str) -> Reply {
    let reply = client.run(command);
    check(command, &reply, untagged, status);
    reply
}

/// The check of [`step`].
pub fn check(command: &str, reply: &Reply, untagged: &[&str], status: &str) {
    assert!(
        fits(status, &reply.status),
        "{command}: expected {status:?}, got {reply:#?}"
    );
    if let ["=", exactly @ ..] = untagged {
        let same = exactly.len() == reply.untagged.len()
            && (exactly.iter().zip(&reply.untagged)).all(|(pattern, line)| fits(pattern, line));
        assert!(
            same,
            "{command}: expected just {exactly:#?}, got {reply:#?}"
        );
        return;
    }
    let mut left: Vec<&String> = reply.untagged.iter().collect();
    for pattern in untagged {
        if let Some(never) = pattern.strip_prefix('!') {
            let found = reply.untagged.iter().find(|line| fits(never, line));
            assert_eq!(found, None, "{command}: not expected: {never:?}");
            continue;
        }
        let Some(at) = left.iter().position(|line| fits(pattern, line)) else {
            panic!("{command}: expected {pattern:?}, got {reply:#?}");
        };
        left.remove(at);
    }
}

#[cfg(test)]
mod tests {
    use super::{Value, fetched, fits, literal};

    #[test]
    fn patterns_fit_whole_texts() {
        assert!(fits("OK", "OK"));
        assert!(!fits("OK", "OK done"));
        assert!(fits("OK~", "OK done"));
        assert!(fits("~[A ~] b", "OK [A 1] b"));
        assert!(!fits("~[A ~] b", "OK [A 1] bc"));
        assert!(!fits("a~b~b", "ab"));
    }

    #[test]
    fn replies_are_taken_apart_with_their_literals_and_sections() {
        assert_eq!(literal(b"x {12}"), Some(12));
        assert_eq!(literal(b"x 12}"), None);
        let line = "1 FETCH (UID 7 BODY[HEADER.FIELDS (TO CC)] {3}\r\na)b FLAGS (\\Seen) X NIL)";
        let all = fetched(&[line.to_owned()]);
        let items = &all[&1];
        assert_eq!(
            items["BODY[HEADER.FIELDS (TO CC)]"],
            Value::Text("a)b".into())
        );
        assert_eq!(
            items["FLAGS"],
            Value::List(vec![Value::Atom("\\Seen".into())])
        );
        assert_eq!(items["X"], Value::Nil);
    }
}
