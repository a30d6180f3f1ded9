//! The log lines of all handlers: `program: event key=value ...` on descriptor 2.
//!
//! What a line promises, so that it can be cut up by scripts and trusted by people:
//! - one write a line, at most [`LINE_LIMIT`] bytes with its newline, `ip=` first where there is
//!   a client, then `id=`, the number of the session ([`os::session`]);
//! - printable text only: ASCII, and what is visible in UTF-8. A value with a space stands in double quotes; a
//!   double quote inside a value becomes `'`, and `?` stands for every other character that is not printable
//!   and every byte that is no UTF-8. So no client can forge a key or a line, or speak to a terminal;
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
    id: Option<u32>,
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
    /// Lines of this process's session on descriptor 2; `ip` is the client's address where there is one.
    pub fn new(program: &str, ip: Option<&[u8]>) -> Log {
        Log::to(program, ip, Box::new(os::log::say_nowait)).of_session(os::session::id())
    }

    /// The same with the number of a session in each line.
    pub fn of_session(mut self, id: u32) -> Log {
        self.id = Some(id);
        self
    }

    /// Lines that go to `sink`.
    pub fn to(program: &str, ip: Option<&[u8]>, sink: Sink) -> Log {
        Log {
            program: program.to_owned(),
            ip: ip.map(<[u8]>::to_vec),
            id: None,
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
        let (ip, id) = (self.ip.clone(), self.id);
        let mut entry = Entry {
            log: self,
            line,
            full: false,
        };
        if let Some(ip) = ip {
            entry = entry.field("ip", &ip);
        }
        match id {
            Some(id) => entry.number("id", id.into()),
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

    /// Adds what has passed and how long it took, as lines about the end of a conversation have it.
    pub fn traffic(self, traffic: crate::Traffic, since: std::time::Instant) -> Self {
        self.number("in", traffic.received)
            .number("out", traffic.sent)
            .number("seconds", since.elapsed().as_secs())
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
    let (kept, cut) = if value.len() > VALUE_LIMIT {
        (
            &value[..character_boundary(value, VALUE_LIMIT - CUT.len())],
            CUT,
        )
    } else {
        (value, &b""[..])
    };
    let quoted = kept.contains(&b' ') || value.is_empty();
    let mut out = Vec::with_capacity(kept.len() + 8);
    if quoted {
        out.push(b'"');
    }
    for chunk in kept.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' => out.push(b'\''),
                ' '..='~' => out.push(character as u8),
                _ if is_visible(character) => {
                    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                _ => out.push(b'?'),
            }
        }
        out.resize(out.len() + chunk.invalid().len(), b'?');
    }
    out.extend_from_slice(cut);
    if quoted {
        out.push(b'"');
    }
    out
}

/// The last place up to `at` where no character of UTF-8 is cut in two, if there is one near.
fn character_boundary(value: &[u8], at: usize) -> usize {
    let goes_on = |byte: u8| byte & 0xc0 == 0x80;
    let near = (at.saturating_sub(3)..=at).rev();
    near.into_iter()
        .find(|&place| value.get(place).is_none_or(|&byte| !goes_on(byte)))
        .unwrap_or(at)
}

/// Whether a character outside of ASCII shows as itself, and does nothing to what stands around it: no control or
/// format character (those that turn the direction of text among them), no blank, none for private use, none
/// that Unicode does not know, and none that is invisible.
fn is_visible(character: char) -> bool {
    // The rest of what is Default_Ignorable_Code_Point, and a blank that is classed as a symbol.
    const INVISIBLE: &[std::ops::RangeInclusive<char>] = &[
        '\u{34f}'..='\u{34f}',
        '\u{115f}'..='\u{1160}',
        '\u{17b4}'..='\u{17b5}',
        '\u{180b}'..='\u{180f}',
        '\u{2800}'..='\u{2800}',
        '\u{3164}'..='\u{3164}',
        '\u{fe00}'..='\u{fe0f}',
        '\u{ffa0}'..='\u{ffa0}',
        '\u{e0100}'..='\u{e01ef}',
    ];
    // std escapes what is not printable by its own table of Unicode. A mark that belongs to the character before
    // it counts as printable where there is one.
    let mut text = [b'x'; 5];
    let length = 1 + character.encode_utf8(&mut text[1..]).len();
    let is_printable =
        std::str::from_utf8(&text[..length]).is_ok_and(|text| text.escape_debug().count() == 2);
    is_printable && !INVISIBLE.iter().any(|range| range.contains(&character))
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
                .push(String::from_utf8(line.to_vec()).expect("text"));
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
    fn the_number_of_the_session_stands_right_behind_the_address() {
        let (log, lines) = captured(Some(b"192.0.2.1"));
        let mut log = log.of_session(7310);
        log.event("accept").number("size", 7).say();
        assert_eq!(
            lines.borrow()[0],
            "smtpd: accept ip=192.0.2.1 id=7310 size=7\n"
        );
        let (log, lines) = captured(None);
        log.of_session(7310).event("start").say();
        assert_eq!(lines.borrow()[0], "smtpd: start id=7310\n");
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
    fn addresses_in_other_scripts_are_readable() {
        for text in [
            "j\u{f6}rg@b\u{fc}cher.test",
            "jo\u{308}rg@x",
            "\u{7528}\u{6237}@\u{4f8b}\u{5b50}.test",
            "\u{915}\u{94d}\u{937}\u{93f}@x",
            "\u{645}\u{62b}\u{627}\u{644}@x",
            "\u{1f4e7}@x",
        ] {
            assert_eq!(clean(text.as_bytes()), text.as_bytes(), "{text}");
        }
    }

    #[test]
    fn what_a_reader_or_a_terminal_could_take_for_something_else_is_not_shown() {
        for risky in [
            // C1 controls: next line, a control sequence's beginning.
            "\u{85}",
            "\u{9b}",
            "\u{80}",
            // Line and paragraph separators, blanks.
            "\u{2028}",
            "\u{2029}",
            "\u{a0}",
            "\u{3000}",
            "\u{2003}",
            "\u{1680}",
            "\u{2800}",
            // What turns or joins text, or cannot be seen.
            "\u{202e}",
            "\u{2066}",
            "\u{2069}",
            "\u{200f}",
            "\u{61c}",
            "\u{200b}",
            "\u{200d}",
            "\u{ad}",
            "\u{feff}",
            "\u{e0041}",
            "\u{34f}",
            "\u{3164}",
            "\u{fe0f}",
            "\u{e0100}",
            // For private use, unknown, no characters.
            "\u{e000}",
            "\u{10fffd}",
            "\u{ffff}",
            "\u{e0080}",
            "\u{fdd0}",
        ] {
            let given = format!("a{risky}b");
            assert_eq!(
                clean(given.as_bytes()),
                b"a?b",
                "{}",
                risky.escape_unicode()
            );
        }
        let all = (0x80..=0x0010_ffff).filter_map(char::from_u32);
        for shown in all.filter(|&character| is_visible(character)) {
            assert!(!shown.is_control() && !shown.is_whitespace(), "{shown:?}");
        }
    }

    #[test]
    fn a_byte_that_is_no_utf8_is_a_question_mark() {
        for (given, shown) in [
            (&b"j\xf6rg"[..], &b"j?rg"[..]),
            // Cut in the middle, too long a form, a surrogate, beyond the last.
            (b"a\xe4\xbe", b"a??"),
            (b"\xc0\xaf", b"??"),
            (b"\xed\xa0\x80", b"???"),
            (b"\xf4\x90\x80\x80", b"????"),
            (b"\x80\xc3\xb6", b"?\xc3\xb6"),
        ] {
            assert_eq!(clean(given), shown, "{}", given.escape_ascii());
        }
    }

    #[test]
    fn a_value_is_never_cut_within_a_character() {
        for character in ["\u{f6}", "\u{4f8b}", "\u{1f4e7}"] {
            for before in 0..4 {
                let mut given = "x".repeat(before);
                given.push_str(&character.repeat(VALUE_LIMIT));
                let cut = clean(given.as_bytes());
                let cut = std::str::from_utf8(&cut).expect("whole characters");
                assert!(
                    cut.len() <= VALUE_LIMIT && cut.len() > VALUE_LIMIT - 4,
                    "{}",
                    cut.len()
                );
                let kept = cut.strip_suffix("...").expect("cut");
                assert!(given.starts_with(kept), "{kept}");
            }
        }
        let bytes = clean(&[0x80; VALUE_LIMIT + 1]);
        assert_eq!(bytes.len(), VALUE_LIMIT);
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
                .push(String::from_utf8(line.to_vec()).expect("text"));
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
