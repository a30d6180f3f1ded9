//! The questions to the sources, and the process that asks them.
//!
//! All sources are asked at once, under one deadline. What DNS servers send is not read by root: a
//! child that is an unprivileged user does it, and tells its verdict in one bounded record
//! ([`record`]).

use std::io::{self, Write};
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use dns::client::Client;
use dns::servers;
use dns::settings::{PORT, ROUNDS, Settings};
use dns::{Outcome, Trouble};
use os::identity::Identity;
use os::process::Side;

use crate::record::{self, RECORD_LIMIT};
use crate::verdict::{Decision, Source, Verdict, Way, decide};

/// What the child may take longer than its questions.
const GRACE: Duration = Duration::from_secs(5);

/// Takes what there is to be told of the look-ups: a sentence without the program's name.
pub type Warn<'w> = &'w mut dyn FnMut(&str);

/// What there is to be looked up.
#[derive(Debug)]
pub struct LookUps<'a> {
    /// Who is asked, in order.
    pub sources: &'a [Source],
    /// About whom.
    pub address: IpAddr,
    /// Which servers, and how long.
    pub settings: Settings,
}

impl<'a> LookUps<'a> {
    /// With the servers that `$DNSCACHEIP` or the system names; all sources together have until
    /// `deadline`.
    pub fn new(
        sources: &'a [Source],
        address: IpAddr,
        dnscacheip: Option<&[u8]>,
        deadline: Duration,
    ) -> LookUps<'a> {
        LookUps {
            sources,
            address,
            settings: Settings {
                servers: servers::Source::of_variable(dnscacheip),
                port: PORT,
                rounds: ROUNDS,
                deadline,
            },
        }
    }

    /// Asks in this process.
    pub fn verdict(&self, warn: Warn<'_>) -> Verdict {
        let (decision, outcomes) = self.ask();
        let mut last = None;
        for (source, outcome) in self.sources.iter().zip(&outcomes).take(decision.counted) {
            if let Some(Err(trouble)) = outcome {
                let (address, base) = (self.address, source.base.escape_ascii());
                warn(&format!("unable to look up {address} in {base}: {trouble}"));
            }
            last = Some(source);
        }
        if let Some(source) = last.filter(|source| source.way == Way::Note)
            && decision.decided
        {
            let (address, base) = (self.address, source.base.escape_ascii());
            warn(&format!(
                "{address} is listed in {base}, which is only noted"
            ));
        }
        decision.verdict
    }

    /// Asks in a child that is `who`.
    pub fn verdict_apart(&self, who: Identity, warn: Warn<'_>) -> Verdict {
        self.tell_apart(who, warn).unwrap_or_else(|error| {
            let reason = os::reason(&error);
            warn(&format!("unable to look anything up: {reason}"));
            self.nothing_known(Trouble::from(&error)).verdict
        })
    }

    /// What becomes of a client about whom nobody can be asked.
    pub fn without_answers(&self) -> Verdict {
        self.nothing_known(Trouble::Protocol).verdict
    }

    fn ask(&self) -> (Decision, Vec<Option<Outcome>>) {
        let mut outcomes = vec![None; self.sources.len()];
        let fault = match self.fill(&mut outcomes) {
            Ok(Some(decision)) => return (decision, outcomes),
            Ok(None) => Trouble::TimedOut,
            Err(error) => Trouble::from(&error),
        };
        for outcome in &mut outcomes {
            outcome.get_or_insert(Err(fault));
        }
        let decision = decide(self.sources, &outcomes);
        (
            decision.unwrap_or_else(|| self.nothing_known(fault)),
            outcomes,
        )
    }

    /// Asks until it is clear what becomes of the client.
    fn fill(&self, outcomes: &mut [Option<Outcome>]) -> io::Result<Option<Decision>> {
        let mut client = Client::new(&self.settings)?;
        let now = Instant::now();
        for (at, (source, outcome)) in self.sources.iter().zip(outcomes.iter_mut()).enumerate() {
            match source.question(self.address) {
                Some(question) => client.ask(question, at, now),
                None => *outcome = Some(Err(Trouble::Protocol)),
            }
        }
        loop {
            if let Some(decision) = decide(self.sources, outcomes) {
                return Ok(Some(decision));
            }
            let Some((at, outcome)) = client.next_outcome()? else {
                return Ok(None);
            };
            outcomes[at] = Some((*outcome).clone());
        }
    }

    /// What becomes of a client where no source could be asked.
    fn nothing_known(&self, trouble: Trouble) -> Decision {
        let outcomes = vec![Some(Err(trouble)); self.sources.len()];
        decide(self.sources, &outcomes).unwrap_or(Decision {
            verdict: Verdict::Serve,
            counted: 0,
            decided: false,
        })
    }

    fn tell_apart(&self, who: Identity, warn: Warn<'_>) -> io::Result<Verdict> {
        let (reader, writer) = io::pipe()?;
        os::signals::default_child()?;
        match os::process::fork()? {
            Side::Child => {
                drop(reader);
                // Nothing of the parent's may be undone by this process, also not by a bug in it.
                let end = catch_unwind(AssertUnwindSafe(|| self.child(who, writer.into())));
                os::process::end_now(match end {
                    Ok(Ok(())) => 0,
                    Ok(Err(_)) => 111,
                    Err(_) => 101,
                });
            }
            Side::Parent(pid) => {
                drop(writer);
                let deadline = Instant::now() + self.settings.deadline + GRACE;
                let record = read_record(&reader.into(), deadline);
                if record.is_err() {
                    let _ = os::process::kill_at_once(pid);
                }
                // The program that follows is to have no child that it does not know of.
                let _ = os::process::wait(pid);
                let (verdict, told) = record::read(&record?);
                told.iter().for_each(|line| warn(line));
                verdict.ok_or_else(|| io::Error::other("the look-ups ended without a verdict"))
            }
        }
    }

    /// Writes the record. The log is the parent's: its descriptor there is not one that the child
    /// keeps.
    fn child(&self, who: Identity, writer: OwnedFd) -> io::Result<()> {
        os::fd::close_all_but(&[writer.as_fd()])?;
        let mut told = Vec::new();
        let verdict = match become_who_asks(who) {
            Ok(()) => Some(self.verdict(&mut |line| told.push(line.to_owned()))),
            Err(reason) => {
                told.push(reason);
                None
            }
        };
        let record = record::write(verdict.as_ref(), &told);
        std::fs::File::from(writer).write_all(&record)
    }
}

/// The error is a sentence.
fn become_who_asks(who: Identity) -> Result<(), String> {
    let failed = |error| format!("unable to prepare the look-ups: {}", os::reason(&error));
    // Whoever waits for the client's end is not to wait for this process.
    for number in [0, 1] {
        os::fd::point_at_null(number).map_err(failed)?;
    }
    os::identity::become_user(who).map_err(|error| error.to_string())?;
    os::process::end_with_parent()
        .and_then(|()| os::confine::keep_to_itself())
        .map_err(failed)
}

/// All that is written until the end; too much of it is an error.
fn read_record(reader: &OwnedFd, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut record = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match os::fd::read_until(reader.as_fd(), &mut buffer, deadline)? {
            0 => return Ok(record),
            count => record.extend_from_slice(&buffer[..count]),
        }
        if record.len() > RECORD_LIMIT {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}
