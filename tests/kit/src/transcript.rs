//! What the programs say, to the byte: fixed conversations, one set a protocol, and the replies, log lines and exit
//! codes that belong to them, in `tests/transcripts/NAME.txt`.
//!
//! A line that begins with `C:` was sent, one with `S:` received, one with `log:` is descriptor 2 of the server and
//! all that it runs. A line ends with CR LF, or says how it ends: `\n`, or `\c` for not at all. What differs from run
//! to run is a word in angle brackets (`varying`). What is said often is there once, with the number of times. The log of a session is sorted by program, for two programs
//! write when each is scheduled.
//!
//! Whoever changes what users see changes these files in the same commit: `SUPERD_TRANSCRIPTS=write` makes them anew.

mod varying;

use std::fmt::Write;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use crate::{Client, Run, Server};

/// A transcript that is being taken.
#[derive(Debug)]
pub struct Transcript {
    name: &'static str,
    text: String,
    /// What stands for what: paths and numbers of this run.
    words: Vec<(String, &'static str)>,
}

impl Transcript {
    /// An empty one, of tests/transcripts/NAME.txt.
    pub fn new(name: &'static str) -> Transcript {
        Transcript {
            name,
            text: String::new(),
            words: Vec::new(),
        }
    }

    /// Puts `placeholder` wherever `word` stands from now on.
    pub fn hide(&mut self, word: impl AsRef<Path>, placeholder: &'static str) {
        let word = word.as_ref().display().to_string();
        self.words.insert(0, (word, placeholder));
    }

    /// Begins a part.
    pub fn title(&mut self, title: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        writeln!(self.text, "# {title}").unwrap();
    }

    /// A conversation with a server, to whose end `talk` brings it, and what the server logged for it. Superd must
    /// run with -v, so that its end is seen. A dozen lines of a program's log are the most: it waits for nobody who
    /// reads its log, and a pipe may hold no more than sixteen.
    pub fn session(&mut self, title: &str, server: &Server, talk: impl FnOnce(&mut Talk)) {
        self.session_from(Ipv4Addr::LOCALHOST, title, server, talk);
    }

    /// [`Transcript::session`] of a client at this address.
    pub fn session_from(
        &mut self,
        source: Ipv4Addr,
        title: &str,
        server: &Server,
        talk: impl FnOnce(&mut Talk),
    ) {
        self.title(title);
        let over = |line: &String| line.contains(" status ");
        let ended = server.whole_log().iter().filter(|line| over(line)).count();
        // The start's status line, or those of the session before, have been written.
        server.wait_for_nth(2 * ended + 1, ": status: ");
        let before = server.whole_log().len();
        let mut conversation = Talk::on(server.connect_from(source));
        talk(&mut conversation);
        self.talked(conversation);
        server.wait_for_nth(ended + 1, " status ");
        server.wait_for_nth(2 * ended + 3, ": status: ");
        self.log(&server.whole_log()[before..]);
    }

    /// Reads a conversation to its end and keeps it.
    pub fn talked(&mut self, mut conversation: Talk) {
        conversation.until(|_| false);
        self.text.push_str(&conversation.text);
    }

    /// A program that is run to its end: what it is told and says, its log, and its exit code.
    pub fn run(&mut self, title: &str, input: &[u8], run: Run) {
        self.title(title);
        let done = run.input(input).done();
        for (mark, bytes) in [("C", input), ("S", &done.stdout)] {
            for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                show(&mut self.text, mark, line);
            }
        }
        let log = String::from_utf8_lossy(&done.stderr).into_owned();
        let lines: Vec<String> = log.lines().map(str::to_owned).collect();
        self.log(&lines);
        match done.code {
            Some(code) => writeln!(self.text, "exit: {code}").unwrap(),
            None => writeln!(self.text, "signal: {}", done.signal.unwrap_or(0)).unwrap(),
        }
    }

    /// Lines of the log, by program.
    pub fn log(&mut self, lines: &[String]) {
        let mut lines = lines.to_vec();
        lines.sort_by_key(|line| varying::writer(line).to_owned());
        for line in lines {
            show(&mut self.text, "log", format!("{line}\r\n").as_bytes());
        }
    }

    /// Compares with the file of its name, or writes it.
    pub fn check(self) {
        let mut lines: Vec<(String, usize)> = Vec::new();
        for line in self.text.lines() {
            let mut line = line.to_owned();
            for (word, placeholder) in &self.words {
                line = line.replace(word, placeholder);
            }
            let line = varying::replaced(&line);
            match lines.last_mut() {
                Some((last, times)) if *last == line => *times += 1,
                _ => lines.push((line, 1)),
            }
        }
        let mut now = String::new();
        for (line, times) in lines {
            writeln!(now, "{line}").unwrap();
            if times > 1 {
                writeln!(now, "    {times} times").unwrap();
            }
        }
        let path = file(self.name);
        if std::env::var_os("SUPERD_TRANSCRIPTS").is_some_and(|value| value == "write") {
            fs::write(&path, now).unwrap();
            return;
        }
        let then = fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("unable to read {}: {error}", path.display()));
        assert!(
            now == then,
            "what the programs say is no longer what {} has:\n{}",
            path.display(),
            difference(&then, &now)
        );
    }
}

fn file(name: &str) -> PathBuf {
    let dir = crate::place::top().join("tests/transcripts");
    dir.join(format!("{name}.txt"))
}

/// A line as the files have it.
fn show(text: &mut String, mark: &str, line: &[u8]) {
    let (line, end) = match line {
        [line @ .., b'\r', b'\n'] => (line, ""),
        [line @ .., b'\n'] => (line, "\\n"),
        line => (line, "\\c"),
    };
    let mut shown = String::new();
    let mut rest = line;
    while let [first, ..] = rest {
        let same = rest.iter().take_while(|byte| *byte == first).count();
        let one = match first {
            b'"' | b'\'' => char::from(*first).to_string(),
            _ => first.escape_ascii().to_string(),
        };
        if same >= 40 {
            write!(shown, "{one}\\{{{same}}}").unwrap();
            rest = &rest[same..];
        } else {
            shown.push_str(&one);
            rest = &rest[1..];
        }
    }
    writeln!(text, "{mark}: {shown}{end}").unwrap();
}

/// What was and what is, from the first line that differs to the last, with three lines around.
fn difference(then: &str, now: &str) -> String {
    let (then, now): (Vec<&str>, Vec<&str>) = (then.lines().collect(), now.lines().collect());
    let pairs = || then.iter().zip(&now);
    let front = pairs().take_while(|(then, now)| then == now).count();
    let left = then.len().min(now.len()) - front;
    let tails = then.iter().rev().zip(now.iter().rev()).take(left);
    let back = tails.take_while(|(then, now)| then == now).count();
    let mut text = format!("@@ line {} @@\n", front + 1);
    for line in &then[front.saturating_sub(3)..front] {
        writeln!(text, " {line}").unwrap();
    }
    for (sign, lines) in [('-', &then), ('+', &now)] {
        for line in &lines[front..lines.len() - back] {
            writeln!(text, "{sign}{line}").unwrap();
        }
    }
    for line in then[then.len() - back..].iter().take(3) {
        writeln!(text, " {line}").unwrap();
    }
    text
}

/// One conversation.
#[derive(Debug)]
pub struct Talk {
    client: Client,
    text: String,
}

impl Talk {
    /// One on a connection that is there already; [`Transcript::talked`] takes it.
    pub fn on(client: Client) -> Talk {
        Talk {
            client,
            text: String::new(),
        }
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        for line in bytes.as_ref().split_inclusive(|byte| *byte == b'\n') {
            show(&mut self.text, "C", line);
        }
        // A server that has said its last word need not read this.
        let _ = self.client.try_send(bytes.as_ref());
    }

    /// Sends a line.
    pub fn say(&mut self, line: impl AsRef<[u8]>) {
        self.send([line.as_ref(), b"\r\n"].concat());
    }

    /// Sends a line that differs from run to run, and has `shown` in the transcript.
    pub fn say_as(&mut self, line: &str, shown: &str) {
        show(&mut self.text, "C", format!("{shown}\r\n").as_bytes());
        let _ = self.client.try_send(format!("{line}\r\n").as_bytes());
    }

    /// Reads a line; empty at the end of the connection.
    pub fn line(&mut self) -> Vec<u8> {
        let line = self.client.raw_line();
        let line = line.unwrap_or_else(|error| panic!("{error}, after\n{}", self.text));
        if !line.is_empty() {
            show(&mut self.text, "S", &line);
        }
        line
    }

    /// Reads lines up to the first one for which `is_last` holds, or the end of the connection. That line.
    pub fn until(&mut self, is_last: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        loop {
            let line = self.line();
            if line.is_empty() || is_last(&line) {
                return line;
            }
        }
    }

    /// Says that nothing more will be sent. The server may have ended the connection itself.
    pub fn finish(&mut self) {
        self.text.push_str("C: \\end\n");
        let _ = self.client.try_finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_the_lines_and_what_is_around_them() {
        let then = "a\nb\nc\nd\ne\nf\ng\nh\n";
        let now = "a\nb\nc\nd\nE\nE\nf\ng\nh\n";
        let expected = "@@ line 5 @@\n b\n c\n d\n-e\n+E\n+E\n f\n g\n h\n";
        assert_eq!(difference(then, now), expected);
        assert_eq!(difference("a\n", "a\nb\n"), "@@ line 2 @@\n a\n+b\n");
        assert_eq!(difference("a\na\n", "a\n"), "@@ line 2 @@\n a\n-a\n");
    }

    #[test]
    fn every_byte_of_a_line_shows() {
        let mut text = String::new();
        for line in [
            &b"a\r\n"[..],
            b"b\n",
            b"c",
            b"\td\xe9\\ \"'\r\r\n",
            &[b'x'; 40],
        ] {
            show(&mut text, "S", line);
        }
        assert_eq!(
            text,
            "S: a\nS: b\\n\nS: c\\c\nS: \\td\\xe9\\\\ \"'\\r\nS: x\\{40}\\c\n"
        );
    }
}
