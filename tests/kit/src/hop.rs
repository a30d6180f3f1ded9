//! A next host that fails where it is told to: it speaks SMTP and LMTP, one client at a time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::DEADLINE;

/// Where it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// In place of its banner.
    Banner,
    /// At EHLO or LHLO, and HELO.
    Hello,
    /// At MAIL.
    Mail,
    /// At RCPT.
    Rcpt,
    /// At DATA.
    Data,
    /// After 354, when some of the text has come.
    Text,
    /// After the end of the text.
    End,
}

/// All places, in order.
pub const PLACES: [At; 7] = [
    At::Banner,
    At::Hello,
    At::Mail,
    At::Rcpt,
    At::Data,
    At::Text,
    At::End,
];

/// What it does there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// This reply.
    Says(&'static str),
    /// It closes the connection.
    Closes,
    /// Says nothing until [`Hop::wake`], then closes.
    Hangs,
}

#[derive(Debug, Default)]
struct State {
    /// Until the connection in which that happened has ended.
    fails: Option<(At, Does)>,
    awake: bool,
    /// What hung at its end is taken.
    takes: bool,
    /// Texts that came to their end mark, and whether it took them.
    whole: Vec<(Vec<u8>, bool)>,
    /// Texts that did not.
    cut: usize,
    /// The envelopes of those that it took.
    envelopes: Vec<Vec<String>>,
    /// Connections in which it was greeted.
    greeted: usize,
}

/// One that runs until the end of the tests.
#[derive(Debug)]
pub struct Hop {
    address: SocketAddr,
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl Hop {
    /// Listens.
    pub fn start() -> Hop {
        let listener = TcpListener::bind((super::address(), 0)).unwrap();
        let hop = Hop {
            address: listener.local_addr().unwrap(),
            shared: Arc::default(),
        };
        let shared = Arc::clone(&hop.shared);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                stream.set_read_timeout(Some(DEADLINE)).unwrap();
                let _ = Talk::new(stream, &shared).run();
                let mut state = shared.0.lock().unwrap();
                // Whoever comes next is served well.
                if state.awake {
                    state.fails = None;
                }
            }
        });
        hop
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next connections fail in this way, until [`Hop::recover`].
    pub fn fails(&self, at: At, does: Does) {
        *self.shared.0.lock().unwrap() = State {
            fails: Some((at, does)),
            ..State::default()
        };
    }

    /// Ends the connection that hangs.
    pub fn wake(&self) {
        self.shared.0.lock().unwrap().awake = true;
        self.shared.1.notify_all();
    }

    /// Where it hangs after the end of a text it takes that, and says so.
    pub fn takes_now(&self) {
        self.shared.0.lock().unwrap().takes = true;
        self.wake();
    }

    /// From now on nothing fails.
    pub fn recover(&self) {
        self.shared.0.lock().unwrap().fails = None;
        self.wake();
    }

    /// The texts that it took.
    pub fn taken(&self) -> Vec<Vec<u8>> {
        let state = self.shared.0.lock().unwrap();
        let taken = state.whole.iter().filter(|(_, taken)| *taken);
        taken.map(|(text, _)| text.clone()).collect()
    }

    /// How many texts came to their end.
    pub fn whole(&self) -> usize {
        self.shared.0.lock().unwrap().whole.len()
    }

    /// Whom they were for, each as the commands said.
    pub fn recipients(&self) -> Vec<Vec<String>> {
        self.shared.0.lock().unwrap().envelopes.clone()
    }

    /// In how many connections it was greeted.
    pub fn greeted(&self) -> usize {
        self.shared.0.lock().unwrap().greeted
    }

    /// Waits until so many texts have come to their end.
    pub fn wait_for_whole(&self, count: usize) {
        let deadline = std::time::Instant::now() + DEADLINE;
        while self.whole() < count {
            assert!(std::time::Instant::now() < deadline, "{}", self.whole());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until so many texts have been broken off.
    pub fn wait_for_cut(&self, count: usize) {
        let (lock, changed) = &*self.shared;
        let state = lock.lock().unwrap();
        let (state, limit) = changed
            .wait_timeout_while(state, DEADLINE, |state| state.cut < count)
            .unwrap();
        assert!(!limit.timed_out(), "{} were broken off", state.cut);
    }
}

struct Talk<'a> {
    stream: BufReader<TcpStream>,
    shared: &'a (Mutex<State>, Condvar),
    recipients: Vec<String>,
    lmtp: bool,
}

impl Talk<'_> {
    fn new(stream: TcpStream, shared: &(Mutex<State>, Condvar)) -> Talk<'_> {
        Talk {
            stream: BufReader::new(stream),
            shared,
            recipients: Vec::new(),
            lmtp: false,
        }
    }

    /// An error is the end.
    fn run(&mut self) -> std::io::Result<()> {
        self.answer(At::Banner, "220 hop.test ESMTP")?;
        let mut line = String::new();
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" | "LHLO" | "HELO" => {
                    self.lmtp = verb == "LHLO";
                    self.shared.0.lock().unwrap().greeted += 1;
                    self.answer(At::Hello, "250-hop.test\r\n250 8BITMIME")?;
                }
                "MAIL" => {
                    self.recipients.clear();
                    self.answer(At::Mail, "250 2.1.0 ok")?;
                }
                "RCPT" => {
                    if self.answer(At::Rcpt, "250 2.1.5 ok")? {
                        self.recipients.push(line.trim_end().to_owned());
                    }
                }
                "DATA" => {
                    if self.answer(At::Data, "354 go on")? {
                        self.text()?;
                    }
                }
                "QUIT" => {
                    self.say("221 bye")?;
                    return Ok(());
                }
                _ => self.say("250 ok")?,
            }
        }
    }

    fn say(&mut self, text: &str) -> std::io::Result<()> {
        self.stream
            .get_mut()
            .write_all(format!("{text}\r\n").as_bytes())
    }

    /// Says `text`, or fails if this is where; whether it said it.
    fn answer(&mut self, at: At, text: &str) -> std::io::Result<bool> {
        let fails = self.shared.0.lock().unwrap().fails;
        match fails {
            Some((place, does)) if place == at => self.fail(does).map(|()| false),
            _ => self.say(text).map(|()| true),
        }
    }

    fn fail(&mut self, does: Does) -> std::io::Result<()> {
        let gone = || Err(std::io::Error::other("it goes"));
        match does {
            Does::Says(text) => self.say(text),
            Does::Closes => gone(),
            Does::Hangs => {
                let (lock, changed) = self.shared;
                let state = lock.lock().unwrap();
                let waited = changed.wait_timeout_while(state, DEADLINE, |state| !state.awake);
                drop(waited);
                gone()
            }
        }
    }

    fn text(&mut self) -> std::io::Result<()> {
        let mut text = Vec::new();
        loop {
            let fails = self.shared.0.lock().unwrap().fails;
            if let Some((At::Text, does)) = fails
                && text.len() > 4096
            {
                self.cut();
                return self.fail(does).and(Err(std::io::Error::other("it goes")));
            }
            let before = text.len();
            let read = (&mut self.stream)
                .take(64 * 1024)
                .read_until(b'\n', &mut text);
            if !matches!(read, Ok(1..)) {
                self.cut();
                return read.map(|_| ());
            }
            if text[before..] == *b".\r\n" && (before == 0 || text[..before].ends_with(b"\r\n")) {
                text.truncate(before);
                break;
            }
        }
        let fails = self.shared.0.lock().unwrap().fails;
        let fails = fails.is_some_and(|(at, _)| at == At::End);
        let replies = if self.lmtp { self.recipients.len() } else { 1 };
        let mut state = self.shared.0.lock().unwrap();
        state.whole.push((text, !fails));
        if !fails {
            state.envelopes.push(std::mem::take(&mut self.recipients));
        }
        drop(state);
        for _ in 0..replies {
            let answered = self.answer(At::End, "250 2.0.0 taken");
            let mut state = self.shared.0.lock().unwrap();
            if !std::mem::take(&mut state.takes) {
                drop(state);
                answered?;
                continue;
            }
            state.fails = None;
            if let Some((_, taken)) = state.whole.last_mut() {
                *taken = true;
            }
            drop(state);
            self.say("250 2.0.0 taken")?;
        }
        Ok(())
    }

    fn cut(&self) {
        self.shared.0.lock().unwrap().cut += 1;
        self.shared.1.notify_all();
    }
}
