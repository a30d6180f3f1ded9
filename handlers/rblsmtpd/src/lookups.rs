//! The questions to the sources, and the process that asks them.
//!
//! All sources are asked at once, under one deadline. What DNS servers send is not read by root: a
//! child that is an unprivileged user does it, and tells its verdict in one bounded record.

use std::io::{self, Write};
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use chain::Env;
use dns::client::Client;
use dns::servers;
use dns::settings::{PORT, ROUNDS, Settings};
use dns::{Outcome, Trouble};
use os::identity::Identity;
use os::process::Side;

use crate::verdict::{Decision, Source, TEXT_LIMIT, Verdict, decide};

/// The time for all sources together.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// What the child may take longer than its questions.
const GRACE: Duration = Duration::from_secs(5);

/// No record of a verdict is longer: three digits, a blank, the text.
const RECORD_LIMIT: usize = 4 + TEXT_LIMIT;

/// What there is to be looked up.
#[derive(Debug)]
pub struct LookUps<'a> {
    /// The name of the program, for what it says.
    pub name: &'a str,
    /// Who is asked, in order.
    pub sources: &'a [Source],
    /// About whom.
    pub address: IpAddr,
    /// Which servers, and how long.
    pub settings: Settings,
}

impl<'a> LookUps<'a> {
    /// With the servers that the environment or the system names.
    pub fn new(name: &'a str, sources: &'a [Source], address: IpAddr, env: &Env) -> LookUps<'a> {
        LookUps {
            name,
            sources,
            address,
            settings: Settings {
                servers: servers::Source::of_variable(env.bytes("DNSCACHEIP")),
                port: PORT,
                rounds: ROUNDS,
                deadline: DEADLINE,
            },
        }
    }

    /// Asks in this process.
    pub fn verdict(&self) -> Verdict {
        let (decision, outcomes) = self.ask();
        for (source, outcome) in self.sources.iter().zip(&outcomes).take(decision.counted) {
            if let Some(Err(trouble)) = outcome {
                self.warn(&source.base, &trouble.to_string());
            }
        }
        decision.verdict
    }

    /// Asks in a child that is `who`.
    pub fn verdict_apart(&self, who: Identity) -> Verdict {
        self.tell_apart(who).unwrap_or_else(|error| {
            let reason = format!("unable to look anything up: {}", os::reason(&error));
            warn(self.name, &reason);
            self.nothing_known(Trouble::from(&error)).verdict
        })
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
        })
    }

    fn tell_apart(&self, who: Identity) -> io::Result<Verdict> {
        let (reader, writer) = io::pipe()?;
        os::signals::default_child()?;
        match os::process::fork()? {
            Side::Child => {
                drop(reader);
                // Nothing of the parent's may be undone by this process, also not by a bug in it.
                let end = catch_unwind(AssertUnwindSafe(|| self.child(who, writer.into())));
                os::process::end_now(match end {
                    Ok(Ok(())) => 0,
                    Ok(Err(reason)) => {
                        warn(self.name, &reason);
                        111
                    }
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
                let verdict = Verdict::from_record(&record?);
                verdict.ok_or_else(|| io::Error::other("the look-ups ended without a verdict"))
            }
        }
    }

    /// The error is a sentence.
    fn child(&self, who: Identity, writer: OwnedFd) -> Result<(), String> {
        let failed = |error| format!("unable to prepare the look-ups: {}", os::reason(&error));
        os::fd::close_all_but(&[writer.as_fd()]).map_err(failed)?;
        // Whoever waits for the client's end is not to wait for this process.
        for number in [0, 1] {
            os::fd::point_at_null(number).map_err(failed)?;
        }
        os::identity::become_user(who).map_err(|error| error.to_string())?;
        os::process::end_with_parent()
            .and_then(|()| os::process::no_new_privileges())
            .and_then(|()| os::process::not_dumpable())
            .map_err(failed)?;
        let record = self.verdict().to_record();
        std::fs::File::from(writer)
            .write_all(&record)
            .map_err(failed)
    }

    fn warn(&self, base: &[u8], reason: &str) {
        let base = base.escape_ascii();
        let message = format!("unable to look up {} in {base}: {reason}", self.address);
        warn(self.name, &message);
    }
}

fn warn(name: &str, message: &str) {
    os::log::say_nowait(format!("{name}: warning: {message}\n").as_bytes());
}

/// All that is written until the end; too much of it is an error.
fn read_record(reader: &OwnedFd, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut record = Vec::new();
    let mut buffer = [0; RECORD_LIMIT + 1];
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
