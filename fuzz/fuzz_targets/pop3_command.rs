//! Command lines from the network over a mailbox in memory: every command gets one reply in the
//! right form, nothing is committed without QUIT, and no two messages ever have the same id.
#![no_main]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::rc::Rc;

use libfuzzer_sys::fuzz_target;
use maildir::WireSize;
use maildir::uidlist::ListError;
use os::log::Said;
use pop3d::output::Output;
use pop3d::session::Session;
use pop3d::settings::Settings;
use pop3d::store::{Committed, Store};
use pop3d::uidl::{List, Style};
use wire::command::Next;
use wire::{Log, Trouble};

const STYLES: [&str; 4] = ["name", "mailfront", "md5", "courier"];

/// Every line of the input names a message, is what a list says of it, and is its text.
struct Memory {
    lines: Vec<Vec<u8>>,
    committed: Rc<RefCell<bool>>,
}

struct Lines(Vec<Vec<u8>>);

impl List for Lines {
    fn id(&self, n: usize, _: &[u8], into: &mut Vec<u8>) -> bool {
        into.extend_from_slice(&self.0[n]);
        true
    }
}

impl Store for Memory {
    type Message = io::Cursor<Vec<u8>>;

    fn len(&self) -> usize {
        self.lines.len()
    }

    fn size(&self, n: usize) -> u64 {
        let mut size = WireSize::new();
        size.feed(&self.lines[n]);
        size.finish()
    }

    fn correct_size(&mut self, _: usize, _: u64) {
        panic!("the sizes are right");
    }

    fn unique(&self, n: usize) -> &[u8] {
        &self.lines[n]
    }

    fn is_twin(&self, _: usize) -> bool {
        false
    }

    fn open(&mut self, n: usize) -> io::Result<Self::Message> {
        Ok(io::Cursor::new(self.lines[n].clone()))
    }

    fn list(&mut self, style: Style) -> Result<Option<Box<dyn List>>, ListError> {
        let mut reversed = self.lines.clone();
        reversed.reverse();
        Ok((style == Style::Courier).then(|| Box::new(Lines(reversed)) as Box<dyn List>))
    }

    fn commit(&mut self, _: &dyn Fn(usize) -> bool) -> Committed {
        self.committed.replace(true);
        Committed::default()
    }
}

#[derive(Clone, Default)]
struct Kept(Rc<RefCell<Vec<u8>>>);

impl Output for Kept {
    fn add(&mut self, bytes: &[u8]) {
        self.0.borrow_mut().extend_from_slice(bytes);
    }

    fn send(&mut self) -> Result<(), Trouble> {
        Ok(())
    }

    fn is_broken(&self) -> bool {
        false
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&style, text)) = input.split_first() else {
        return;
    };
    let lines: Vec<Vec<u8>> = text
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    let committed = Rc::new(RefCell::new(false));
    let memory = Memory {
        lines: lines.clone(),
        committed: committed.clone(),
    };
    let style = STYLES[usize::from(style) % STYLES.len()];
    let settings = Settings::read(&[("POP3D_UIDL", style)].into_iter().collect());
    let Ok(settings) = settings else {
        panic!("{style} is a style");
    };
    let out = Kept::default();
    let log = Log::to("pop3d", None, Box::new(|_| Said::Written));
    let mut session = Session::new(memory, out.clone(), log, settings);

    session.answer(b"UIDL");
    let ids = out.0.take();
    let mut different = BTreeSet::new();
    for line in ids.split_inclusive(|&byte| byte == b'\n').skip(1) {
        let Some(line) = line.strip_suffix(b"\r\n") else {
            panic!("a line without an end");
        };
        if line != b"." {
            let id = line
                .splitn(2, |&byte| byte == b' ')
                .nth(1)
                .unwrap_or_default();
            assert!((1..=70).contains(&id.len()));
            assert!(id.iter().all(|byte| (0x21..=0x7e).contains(byte)));
            assert!(different.insert(id.to_vec()), "two of the same id");
        }
    }
    assert_eq!(different.len(), lines.len());

    for line in &lines {
        let next = session.answer(line);
        let reply = out.0.take();
        assert!(reply.starts_with(b"+OK ") || reply.starts_with(b"-ERR "));
        assert!(reply.ends_with(b"\r\n"));
        let is_quit = line.trim_ascii_end().eq_ignore_ascii_case(b"QUIT");
        assert!(is_quit || !*committed.borrow());
        if next == Next::Close {
            return;
        }
    }
});
