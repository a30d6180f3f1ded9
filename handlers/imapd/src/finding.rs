//! SEARCH, SORT and THREAD, and what SAVE keeps of them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use imap::command::{By, ReturnOptions, SearchKey, SortCriterion, ThreadAlgorithm};
use wire::{Conn, Trouble};

use crate::answer::{Answer, Status};
use crate::search::{self, Found, Query};
use crate::session::Session;

/// A sign of life for a client that waits for a long search.
const ALIVE: Duration = Duration::from_secs(10);

/// So many texts one command may look for. Each takes its time for each message, and a line has room for
/// thousands.
const TEXTS: usize = 200;

/// Tells a client that it has not been forgotten.
struct Alive<'c> {
    conn: &'c mut Conn,
    told: Instant,
}

impl Alive<'_> {
    fn new(conn: &mut Conn) -> Alive<'_> {
        Alive {
            conn,
            told: Instant::now(),
        }
    }

    fn sign(&mut self) -> Result<(), Trouble> {
        if self.told.elapsed() < ALIVE {
            return Ok(());
        }
        self.told = Instant::now();
        self.conn.reply(b"* OK Still searching.\r\n");
        self.conn.flush()
    }
}

/// Seconds since the epoch.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs().cast_signed())
}

impl Session {
    /// Runs a query on the selected mailbox.
    fn find(
        &mut self,
        charset: Option<&[u8]>,
        key: &SearchKey,
    ) -> Result<Result<Found, Answer>, Trouble> {
        let query = Query::new(key, charset);
        if self.selected.is_none() {
            return Ok(Err(self.not_selected()));
        }
        let query = match query {
            Ok(query) => query,
            Err(bad) => {
                return Ok(Err(Answer::no(
                    "BADCHARSET (UTF-8 US-ASCII)",
                    bad.to_string(),
                )));
            }
        };
        if query.texts() > TEXTS {
            return Ok(Err(Answer::no(
                "LIMIT",
                "That is too much to look for at once.",
            )));
        }
        if query.uses_modseq() {
            self.turn_on_condstore();
        }
        let Some(selection) = &mut self.selected else {
            return Ok(Err(self.not_selected()));
        };
        let mut alive = Alive::new(&mut self.conn);
        let found = query.run(selection, &self.saved, now(), &mut || alive.sign())?;
        Ok(Ok(found))
    }

    pub(crate) fn search(
        &mut self,
        by: By,
        options: Option<ReturnOptions>,
        charset: Option<&[u8]>,
        key: &SearchKey,
    ) -> Result<Answer, Trouble> {
        let saves = options.is_some_and(|options| options.save);
        let found = match self.find(charset, key)? {
            Ok(found) => found,
            Err(answer) => {
                if saves && answer.status == Status::No {
                    // RFC 5182 section 2.1: a search that fails leaves nothing saved, one that is
                    // not understood what there was.
                    self.saved.clear();
                }
                return Ok(answer);
            }
        };
        let Some(selection) = &self.selected else {
            return Ok(self.not_selected());
        };
        match options {
            None => search::write_search(&mut self.out, selection, by, &found),
            Some(options) => {
                if saves {
                    self.saved = search::saved(selection, &options, &found);
                }
                if !search::wants_reply(&options) {
                    return Ok(Answer::ok("Saved."));
                }
                search::write_esearch(&mut self.out, &self.tag, selection, by, &options, &found);
            }
        }
        Ok(Answer::ok("Searched."))
    }

    pub(crate) fn sort(
        &mut self,
        by: By,
        criteria: &[SortCriterion],
        charset: &[u8],
        key: &SearchKey,
    ) -> Result<Answer, Trouble> {
        let found = match self.find(Some(charset), key)? {
            Ok(found) => found,
            Err(answer) => return Ok(answer),
        };
        let Some(selection) = &mut self.selected else {
            return Ok(self.not_selected());
        };
        let mut alive = Alive::new(&mut self.conn);
        let sorted = search::sort(selection, &found.which, criteria, &mut || alive.sign())?;
        search::write_sort(&mut self.out, selection, by, &sorted, found.highest_modseq);
        Ok(Answer::ok("Sorted."))
    }

    pub(crate) fn thread(
        &mut self,
        by: By,
        algorithm: ThreadAlgorithm,
        charset: &[u8],
        key: &SearchKey,
    ) -> Result<Answer, Trouble> {
        let found = match self.find(Some(charset), key)? {
            Ok(found) => found,
            Err(answer) => return Ok(answer),
        };
        let Some(selection) = &mut self.selected else {
            return Ok(self.not_selected());
        };
        let mut alive = Alive::new(&mut self.conn);
        let threads = search::thread(selection, &found.which, algorithm, &mut || alive.sign())?;
        search::write_thread(&mut self.out, selection, by, &threads);
        Ok(Answer::ok("Threaded."))
    }
}
