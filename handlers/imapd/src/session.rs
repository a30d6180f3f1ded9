//! The dialogue of one client after the login: reads commands, runs them one after the other, and
//! answers in their order.

use std::time::Instant;

use imap::command::{By, Command};
use imap::seq::SequenceSet;
use maildir::quota::Account;
use maildir::selection::{Selection, StoreError};
use maildir::tree::{Name, Tree, Wire};
use wire::session::TOO_MANY_BAD;
use wire::{BadCommands, Conn, End, Log, Trouble};

use crate::answer::{Answer, Status};
use crate::input::{self, Input, Received};
use crate::settings::Settings;

/// Replies are written out when there are more octets of them.
pub(crate) const REPLY_BYTES: usize = 64 * 1024;

/// What a session did, for the log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) commands: u64,
    pub(crate) fetched: u64,
    pub(crate) appended: u64,
    pub(crate) copied: u64,
    pub(crate) expunged: u64,
}

/// One client's session.
#[derive(Debug)]
pub struct Session {
    pub(crate) conn: Conn,
    pub(crate) log: Log,
    pub(crate) settings: Settings,
    pub(crate) tree: Tree,
    pub(crate) account: Account,
    pub(crate) wire: Wire,
    pub(crate) selected: Option<Selection>,
    /// Its name.
    pub(crate) selected_name: Option<Name>,
    /// The selected mailbox is no more: the session ends.
    pub(crate) lost: bool,
    pub(crate) condstore: bool,
    pub(crate) qresync: bool,
    /// What the last SEARCH with SAVE found: UIDs (RFC 5182).
    pub(crate) saved: Vec<u32>,
    pub(crate) out: Vec<u8>,
    pub(crate) counts: Counts,
    /// The last fault that the log was told, so that it is not told a thousand times.
    told: String,
    /// The tag of the command that runs.
    pub(crate) tag: Vec<u8>,
    /// Those in a row (after RFC 3501 section 7.1.5).
    bad: BadCommands,
}

/// What becomes of the session after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Go {
    On,
    Logout,
    TooManyBad,
    /// The selected mailbox is no more.
    Lost,
}

/// Whether a command may tell that messages are gone: not where numbers are in use (RFC 3501 section
/// 7.4.1).
fn may_tell_expunges(command: &Command) -> bool {
    !matches!(
        command,
        Command::Fetch { by: By::Number, .. }
            | Command::Store { by: By::Number, .. }
            | Command::Search { by: By::Number, .. }
            | Command::Sort { by: By::Number, .. }
            | Command::Thread { by: By::Number, .. }
    )
}

fn is_by_uid(command: &Command) -> bool {
    matches!(
        command,
        Command::Fetch { by: By::Uid, .. }
            | Command::Store { by: By::Uid, .. }
            | Command::Search { by: By::Uid, .. }
            | Command::Sort { by: By::Uid, .. }
            | Command::Thread { by: By::Uid, .. }
            | Command::Copy { by: By::Uid, .. }
            | Command::Move { by: By::Uid, .. }
            | Command::Expunge(Some(_))
    )
}

/// Whether a command that is run a second time makes more messages: a client that dies before it hears the
/// reply runs it again.
fn doubles(command: &Command) -> bool {
    matches!(
        command,
        Command::Append { .. } | Command::Copy { .. } | Command::Move { .. }
    )
}

impl Session {
    /// Over a Maildir that is there.
    pub fn new(conn: Conn, log: Log, settings: Settings, tree: Tree) -> Session {
        Session {
            wire: Wire::new(settings.separator, &settings.prefix),
            conn,
            log,
            account: Account::new(tree.root().to_owned(), settings.quota),
            settings,
            tree,
            selected: None,
            selected_name: None,
            lost: false,
            condstore: false,
            qresync: false,
            saved: Vec::new(),
            out: Vec::new(),
            counts: Counts::default(),
            told: String::new(),
            tag: Vec::new(),
            bad: BadCommands::default(),
        }
    }

    /// Serves the client to the end.
    pub fn run(mut self) {
        let start = Instant::now();
        self.greet();
        let end = loop {
            match self.next() {
                Ok(Go::On) => {}
                Ok(Go::Logout) => break End::Quit("logout"),
                Ok(Go::TooManyBad) => break End::Closed(TOO_MANY_BAD),
                Ok(Go::Lost) => break End::Closed("the selected mailbox was deleted"),
                Err(trouble) => {
                    self.say_bye(&trouble);
                    break End::Trouble(trouble);
                }
            }
        };
        // What was found out is written down here.
        self.selected = None;
        let counts = self.counts;
        self.log
            .event("end")
            .field("user", &self.settings.user)
            .field("commands", counts.commands.to_string().as_bytes())
            .field("fetched", counts.fetched.to_string().as_bytes())
            .field("appended", counts.appended.to_string().as_bytes())
            .field("copied", counts.copied.to_string().as_bytes())
            .field("expunged", counts.expunged.to_string().as_bytes())
            .traffic(self.conn.traffic(), start)
            .field("reason", end.to_string().as_bytes())
            .say();
    }

    /// The first line: the answer to the login, or that there was one (RFC 3501 section 7.1.4).
    fn greet(&mut self) {
        match &self.settings.tag {
            Some(tag) => {
                self.out.extend_from_slice(tag);
                self.out.extend_from_slice(b" OK [CAPABILITY ");
            }
            None => self.out.extend_from_slice(b"* PREAUTH [CAPABILITY "),
        }
        self.settings.capabilities.write(&mut self.out);
        self.out.extend_from_slice(b"] Logged in.\r\n");
        self.pass_on();
    }

    /// Says goodbye to a client that may still be there.
    fn say_bye(&mut self, trouble: &Trouble) {
        let text: &[u8] = match trouble {
            Trouble::Timeout => b"* BYE Silent for too long.\r\n",
            Trouble::SessionOver => b"* BYE This session took too long.\r\n",
            Trouble::Flood => b"* BYE That line does not end.\r\n",
            Trouble::Closed | Trouble::Io(_) => return,
        };
        self.conn.reply(text);
        let _ = self.conn.flush();
    }

    /// Hands the collected replies to the connection.
    pub(crate) fn pass_on(&mut self) {
        self.conn.reply(&self.out);
        self.out.clear();
    }

    /// Writes the collected replies where there are many.
    pub(crate) fn pass_on_much(&mut self) -> Result<(), Trouble> {
        if self.out.len() < REPLY_BYTES {
            return Ok(());
        }
        self.pass_on();
        self.conn.flush()
    }

    /// Reads a command and answers it.
    fn next(&mut self) -> Result<Go, Trouble> {
        let received = {
            let mut input = Input {
                conn: &mut self.conn,
                tree: &self.tree,
                account: &self.account,
                wire: &self.wire,
                append_limit: self.settings.capabilities.append_limit,
            };
            input::receive(&mut input)?
        };
        self.counts.commands += 1;
        let (tag, parsed, messages, counts) = match received {
            Received::Command {
                tag,
                command,
                messages,
                counts,
            } => (tag, Ok(command), messages, counts),
            Received::Refused {
                tag,
                answer,
                reason,
            } => {
                if let Some(reason) = reason {
                    self.say_fault(&reason);
                }
                (tag, Err(answer), Vec::new(), false)
            }
        };
        self.tag.clone_from(&tag);
        let doubles = parsed.as_ref().is_ok_and(doubles);
        if doubles && self.conn.is_broken() {
            return Err(Trouble::Closed);
        }
        let answer = match parsed {
            Err(answer) => answer,
            Ok(Command::Logout) => {
                self.out.extend_from_slice(b"* BYE Goodbye.\r\n");
                Answer::ok("Logged out.").write(&tag, &mut self.out);
                self.pass_on();
                self.conn.flush()?;
                return Ok(Go::Logout);
            }
            Ok(Command::CompressDeflate) => return self.compress(&tag),
            Ok(command) => {
                let (expunges, by_uid) = (may_tell_expunges(&command), is_by_uid(&command));
                let answer = match command {
                    Command::Append {
                        mailbox,
                        messages: heads,
                    } => self.append(&mailbox, heads, messages, counts),
                    Command::Idle => match self.idle()? {
                        Some(answer) => answer,
                        None => return self.end_lost(),
                    },
                    other => self.execute(other)?,
                };
                self.look_around(expunges, by_uid);
                self.hold_back(answer)
            }
        };
        let go = self.count_bad(&answer);
        answer.write(&tag, &mut self.out);
        if go == Go::TooManyBad {
            self.out
                .extend_from_slice(b"* BYE Too many bad commands.\r\n");
        }
        if self.lost {
            return self.end_lost();
        }
        self.pass_on();
        // Written at once after what doubles: by TCP a client that is gone shows only by a reply that it
        // does not take, and what it has sent behind this must not be done then.
        if doubles || go == Go::TooManyBad {
            self.conn.flush()?;
        }
        Ok(go)
    }

    /// Says goodbye to a client whose mailbox another session deleted or renamed. (RFC 2180 section 3.3. To tell
    /// it that all messages are expunged would let it forget what may be under another name.)
    fn end_lost(&mut self) -> Result<Go, Trouble> {
        self.out
            .extend_from_slice(b"* BYE The selected mailbox was deleted.\r\n");
        self.pass_on();
        self.conn.flush()?;
        Ok(Go::Lost)
    }

    /// A client that keeps modification sequences must not take a later one for what it knows while an
    /// expunge before it is kept back (RFC 7162 section 3.2.5.1): it is told how far it may go.
    fn hold_back(&mut self, mut answer: Answer) -> Answer {
        let selection = self.selected.as_ref().filter(|_| self.condstore);
        let Some(oldest) = selection.and_then(Selection::oldest_untold) else {
            return answer;
        };
        let code = format!("HIGHESTMODSEQ {}", oldest.saturating_sub(1));
        match answer.code.is_empty() && answer.status == Status::Ok {
            true => answer.code = code.into(),
            false => {
                self.out.extend_from_slice(b"* OK [");
                self.out.extend_from_slice(code.as_bytes());
                self.out.extend_from_slice(b"] Expunges are kept back.\r\n");
            }
        }
        answer
    }

    fn count_bad(&mut self, answer: &Answer) -> Go {
        match answer.status {
            Status::Bad if self.bad.count() => return Go::TooManyBad,
            Status::Bad => {}
            _ => self.bad.forgive(),
        }
        Go::On
    }

    fn compress(&mut self, tag: &[u8]) -> Result<Go, Trouble> {
        if self.conn.is_encoded() {
            Answer::no("COMPRESSIONACTIVE", "This connection is compressed.")
                .write(tag, &mut self.out);
            self.pass_on();
            return Ok(Go::On);
        }
        Answer::ok("Compression begins.").write(tag, &mut self.out);
        self.pass_on();
        self.conn
            .encode_with(Box::new(crate::deflate::Deflate::new()))?;
        self.settings.capabilities.compressed = true;
        Ok(Go::On)
    }

    fn execute(&mut self, command: Command) -> Result<Answer, Trouble> {
        Ok(match command {
            Command::Capability => {
                self.out.extend_from_slice(b"* CAPABILITY ");
                self.settings.capabilities.write(&mut self.out);
                self.out.extend_from_slice(b"\r\n");
                Answer::ok("That is all.")
            }
            Command::Noop => Answer::ok("Done."),
            Command::Check => match self.selected {
                Some(_) => Answer::ok("Done."),
                None => self.not_selected(),
            },
            Command::Id(pairs) => self.identify(&pairs),
            Command::Enable(names) => self.enable(&names),
            Command::Login => Answer::bad("You are logged in."),
            Command::Select(select) => self.select(&select)?,
            Command::Create { mailbox, uses } => self.create(&mailbox, &uses),
            Command::Delete(mailbox) => self.delete(&mailbox),
            Command::Rename { from, to } => self.rename(&from, &to),
            Command::Subscribe(mailbox) => self.subscribe(&mailbox, true),
            Command::Unsubscribe(mailbox) => self.subscribe(&mailbox, false),
            Command::List(list) => self.list(&list)?,
            Command::Lsub { reference, pattern } => self.lsub(&reference, &pattern),
            Command::Namespace => self.namespace(),
            Command::Status { mailbox, items } => self.status(&mailbox, &items),
            Command::Close => self.close(),
            Command::Unselect => self.unselect(),
            Command::Expunge(set) => self.expunge(set.as_ref()),
            Command::Search {
                by,
                options,
                charset,
                key,
            } => self.search(by, options, charset.as_deref(), &key)?,
            Command::Sort {
                by,
                criteria,
                charset,
                key,
            } => self.sort(by, &criteria, &charset, &key)?,
            Command::Thread {
                by,
                algorithm,
                charset,
                key,
            } => self.thread(by, algorithm, &charset, &key)?,
            Command::Fetch {
                by,
                set,
                items,
                changed_since,
                vanished,
            } => self.fetch(by, &set, items, changed_since, vanished)?,
            Command::Store {
                by,
                set,
                unchanged_since,
                how,
                silent,
                flags,
            } => self.store(by, &set, unchanged_since, how, silent, flags)?,
            Command::Copy { by, set, mailbox } => self.copy(by, &set, &mailbox),
            Command::Move { by, set, mailbox } => self.move_to(by, &set, &mailbox),
            Command::Logout | Command::CompressDeflate | Command::Idle | Command::Append { .. } => {
                Answer::bad("This command has no place here.")
            }
        })
    }

    fn identify(&mut self, pairs: &[(Vec<u8>, Option<Vec<u8>>)]) -> Answer {
        let named = |wanted: &str| {
            let is =
                |pair: &&(Vec<u8>, Option<Vec<u8>>)| pair.0.eq_ignore_ascii_case(wanted.as_bytes());
            pairs.iter().find(is).and_then(|pair| pair.1.as_deref())
        };
        if let Some(name) = named("name") {
            let version = named("version").unwrap_or_default();
            self.log
                .event("client")
                .field("user", &self.settings.user)
                .field("name", &name[..name.len().min(100)])
                .field("version", &version[..version.len().min(100)])
                .say();
        }
        self.out
            .extend_from_slice(b"* ID (\"name\" \"superd\")\r\n");
        Answer::ok("Pleased to meet you.")
    }

    fn enable(&mut self, names: &[Vec<u8>]) -> Answer {
        let mut enables = false;
        self.out.extend_from_slice(b"* ENABLED");
        for name in names {
            let name = name.to_ascii_uppercase();
            let is_known = match name.as_slice() {
                b"CONDSTORE" if self.settings.capabilities.has("CONDSTORE") => {
                    enables = true;
                    true
                }
                b"QRESYNC" if self.settings.capabilities.has("QRESYNC") => {
                    // RFC 7162 section 3.2.3: it brings CONDSTORE with it.
                    enables = true;
                    self.qresync = true;
                    true
                }
                _ => false,
            };
            if is_known {
                self.out.push(b' ');
                self.out.extend_from_slice(&name);
            }
        }
        self.out.extend_from_slice(b"\r\n");
        if enables {
            self.turn_on_condstore();
        }
        Answer::ok("Done.")
    }

    /// What a command hears that needs a mailbox where none is selected.
    pub(crate) fn not_selected(&self) -> Answer {
        Answer::bad("No mailbox is selected.")
    }

    /// The mailbox of that name on the wire.
    pub(crate) fn named(&self, mailbox: &[u8]) -> Result<Name, Answer> {
        self.wire
            .parse(mailbox)
            .map_err(|bad| Answer::no("CANNOT", bad.to_string()))
    }

    /// Tells the log of a fault of the storage, once, and makes the answer to it.
    pub(crate) fn fault(&mut self, error: &StoreError) -> Answer {
        self.say_fault(&error.to_string());
        Answer::of_fault(error)
    }

    /// Tells the log of a fault, unless it was the last one, too.
    pub(crate) fn say_fault(&mut self, reason: &str) {
        if self.told == reason {
            return;
        }
        self.log
            .event("fault")
            .field("user", &self.settings.user)
            .field("reason", reason.as_bytes())
            .say();
        self.told = reason.to_owned();
    }

    /// The messages of a set, by their places in the mailbox, in ascending order.
    pub(crate) fn which(&self, by: By, set: &SequenceSet) -> Result<Vec<usize>, Answer> {
        let Some(selection) = &self.selected else {
            return Err(self.not_selected());
        };
        let count = selection.len();
        if *set == SequenceSet::Saved {
            let places = self.saved.iter();
            return Ok(places.filter_map(|&uid| selection.position(uid)).collect());
        }
        match by {
            By::Number => {
                let last = u32::try_from(count).unwrap_or(u32::MAX);
                let ranges = set.resolve(last);
                if last == 0 || ranges.last().is_some_and(|&(_, end)| end > last) {
                    return Err(Answer::bad("There is no message of that number."));
                }
                let all = ranges.iter().flat_map(|&(start, end)| start..=end);
                Ok(all.map(|number| number as usize - 1).collect())
            }
            By::Uid if count == 0 => Ok(Vec::new()),
            By::Uid => {
                let ranges = set.resolve(selection.uid(count - 1));
                let mut which = Vec::new();
                for (start, end) in ranges {
                    let from = selection.lower_bound(start);
                    which.extend((from..count).take_while(|&n| selection.uid(n) <= end));
                }
                Ok(which)
            }
        }
    }
}
