//! The log lines of all handlers: `program: event key=value ...` on descriptor 2.
//!
//! What a line promises, so that it can be cut up by scripts and trusted by people:
//! - one write a line, at most [`LINE_LIMIT`] bytes with its newline, `ip=` first where there is
//!   a client;
//! - printable ASCII only. A value with a space stands in double quotes; a double quote inside a
//!   value becomes `'`, every other byte that is not printable becomes `?`. So no client can forge
//!   a key or a line;
//! - a value of more than [`VALUE_LIMIT`] bytes is cut and ends in `...`;
//! - nothing waits for whoever reads the log. A line that cannot be written at once is dropped,
//!   and the next line that gets through says how many were: `dropped=3`.
//!
//! Secrets are kept out by the callers: nothing here can tell a password from a name.

pub use os::log::LINE_LIMIT;
use os::log::Said;

/// The most bytes of one value.
pub const VALUE_LIMIT: usize = 320;

/// What is kept free at the end of a line for ` dropped=N` and the newline.
const RESERVE: usize = 32;

/// Where lines go: takes one whole line or says that it could not.
pub type Sink = Box<dyn FnMut(&[u8]) -> Said>;

/// A program's log.
pub struct Log {
    program: String,
    ip: Option<Vec<u8>>,
    sink: Sink,
    dropped: u64,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log")
            .field("program", &self.program)
            .field("dropped", &self.dropped)
            .finish_non_exhaustive()
    }
}

impl Log {
    /// Lines of `program` on descriptor 2; `ip` is the client's address where there is one.
    pub fn new(program: &str, ip: Option<&[u8]>) -> Log {
        Log::to(program, ip, Box::new(os::log::say_nowait))
    }

    /// Lines that go to `sink`.
    pub fn to(program: &str, ip: Option<&[u8]>, sink: Sink) -> Log {
        Log {
            program: program.to_owned(),
            ip: ip.map(<[u8]>::to_vec),
            sink,
            dropped: 0,
        }
    }

    /// The client is another one from now on, whose address is `ip`.
    pub fn set_ip(&mut self, ip: &[u8]) {
        self.ip = Some(ip.to_vec());
    }

    /// Begins a line; [`Entry::say`] ends and writes it.
    pub fn event(&mut self, event: &str) -> Entry<'_> {
        let mut line = Vec::with_capacity(256);
        line.extend_from_slice(self.program.as_bytes());
        line.extend_from_slice(b": ");
        line.extend_from_slice(event.as_bytes());
        let ip = self.ip.clone();
        let entry = Entry {
            log: self,
            line,
            full: false,
        };
        match ip {
            Some(ip) => entry.field("ip", &ip),
            None => entry,
        }
    }

    fn write(&mut self, line: &[u8]) {
        match (self.sink)(line) {
            Said::Written => self.dropped = 0,
            Said::Full | Said::Broken => self.dropped = self.dropped.saturating_add(1),
        }
    }
}

/// A line in the making.
#[derive(Debug)]
#[must_use = "a line is written by say()"]
pub struct Entry<'l> {
    log: &'l mut Log,
    line: Vec<u8>,
    full: bool,
}

impl Entry<'_> {
    /// Adds `key=value`. Fields that no longer fit on the line are left out, from the first such
    /// one on: a line never has a later field without an earlier one.
    pub fn field(mut self, key: &str, value: &[u8]) -> Self {
        let value = clean(value);
        let length = 1 + key.len() + 1 + value.len();
        if self.full || self.line.len() + length > LINE_LIMIT - RESERVE {
            self.full = true;
            return self;
        }
        self.line.push(b' ');
        self.line.extend_from_slice(key.as_bytes());
        self.line.push(b'=');
        self.line.extend_from_slice(&value);
        self
    }

    /// Adds `key=<address>`, the form in which addresses are told from words (and the null sender
    /// from a missing one).
    pub fn address(self, key: &str, address: &[u8]) -> Self {
        let mut value = Vec::with_capacity(address.len() + 2);
        value.push(b'<');
        value.extend_from_slice(address);
        value.push(b'>');
        self.field(key, &value)
    }

    /// Adds `key=NUMBER`.
    pub fn number(self, key: &str, number: u64) -> Self {
        self.field(key, number.to_string().as_bytes())
    }

    /// Writes the line.
    pub fn say(mut self) {
        if self.log.dropped > 0 {
            let told = format!(" dropped={}", self.log.dropped);
            self.line.extend_from_slice(told.as_bytes());
        }
        self.line.push(b'\n');
        self.log.write(&self.line);
    }
}

/// A value as it may stand in a line.
fn clean(value: &[u8]) -> Vec<u8> {
    const CUT: &[u8] = b"...";
    let (kept, cut) = match value.get(..VALUE_LIMIT - CUT.len()) {
        Some(kept) if value.len() > VALUE_LIMIT => (kept, CUT),
        _ => (value, &b""[..]),
    };
    let quoted = kept.contains(&b' ') || value.is_empty();
    let mut out = Vec::with_capacity(kept.len() + 8);
    if quoted {
        out.push(b'"');
    }
    out.extend(kept.iter().map(|&byte| match byte {
        b'"' => b'\'',
        b' '..=b'~' => byte,
        _ => b'?',
    }));
    out.extend_from_slice(cut);
    if quoted {
        out.push(b'"');
    }
    out
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    type Lines = Rc<RefCell<Vec<String>>>;

    fn captured(ip: Option<&[u8]>) -> (Log, Lines) {
        let lines = Lines::default();
        let into = lines.clone();
        let sink = move |line: &[u8]| {
            into.borrow_mut()
                .push(String::from_utf8(line.to_vec()).expect("ASCII"));
            Said::Written
        };
        (Log::to("smtpd", ip, Box::new(sink)), lines)
    }

    #[test]
    fn a_line_has_program_event_address_and_fields_in_order() {
        let (mut log, lines) = captured(Some(b"192.0.2.1"));
        log.event("accept")
            .address("from", b"")
            .number("size", 7)
            .say();
        assert_eq!(
            lines.borrow()[0],
            "smtpd: accept ip=192.0.2.1 from=<> size=7\n"
        );
    }

    #[test]
    fn without_a_client_there_is_no_address() {
        let (mut log, lines) = captured(None);
        log.event("start").say();
        assert_eq!(lines.borrow()[0], "smtpd: start\n");
    }

    #[test]
    fn a_client_cannot_forge_a_key_or_a_line() {
        let (mut log, lines) = captured(None);
        log.event("refuse")
            .address("from", b"a\" ip=1\nsmtpd: accept\x7f\xff")
            .say();
        assert_eq!(
            lines.borrow()[0],
            "smtpd: refuse from=\"<a' ip=1?smtpd: accept??>\"\n"
        );
    }

    #[test]
    fn an_empty_value_is_told_from_a_missing_one() {
        let (mut log, lines) = captured(None);
        log.event("x").field("helo", b"").say();
        assert_eq!(lines.borrow()[0], "smtpd: x helo=\"\"\n");
    }

    #[test]
    fn a_value_of_the_limit_stays_whole_and_one_byte_more_is_cut() {
        let whole = clean(&[b'x'; VALUE_LIMIT]);
        assert_eq!(whole, [b'x'; VALUE_LIMIT]);
        let cut = clean(&[b'x'; VALUE_LIMIT + 1]);
        assert_eq!(cut.len(), VALUE_LIMIT);
        assert!(cut.ends_with(b"x..."));
    }

    #[test]
    fn a_line_never_passes_the_limit_and_ends_with_whole_fields() {
        let (mut log, lines) = captured(None);
        log.dropped = u64::MAX;
        let mut entry = log.event("x");
        for _ in 0..100 {
            entry = entry.field("to", &[b'y'; 100]);
        }
        entry.field("z", b"1").say();
        let line = &lines.borrow()[0];
        assert!(line.len() <= LINE_LIMIT, "{} bytes", line.len());
        assert!(line.len() > LINE_LIMIT - 200);
        assert!(
            !line.contains(" z=1"),
            "a later field without an earlier one"
        );
        assert!(line.ends_with(&format!("y dropped={}\n", u64::MAX)));
    }

    #[test]
    fn dropped_lines_are_counted_and_told_once() {
        let said = Rc::new(RefCell::new(Vec::new()));
        let full = Rc::new(RefCell::new(true));
        let (into, is_full) = (said.clone(), full.clone());
        let sink = move |line: &[u8]| {
            if *is_full.borrow() {
                return Said::Full;
            }
            into.borrow_mut()
                .push(String::from_utf8(line.to_vec()).expect("ASCII"));
            Said::Written
        };
        let mut log = Log::to("smtpd", None, Box::new(sink));
        log.event("a").say();
        log.event("b").say();
        *full.borrow_mut() = false;
        log.event("c").say();
        log.event("d").say();
        assert_eq!(
            *said.borrow(),
            ["smtpd: c dropped=2\n".to_owned(), "smtpd: d\n".to_owned()]
        );
    }
}
