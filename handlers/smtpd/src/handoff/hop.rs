//! The next hop: what it says is the answer, and the client gets its 250 only after the hop's.

use std::borrow::Cow;
use std::time::Duration;

use nexthop::{Client, Hop, Verdict};

use super::{Failure, Outcome};

/// What the client is told where the hop said nothing.
const SILENT: &str = "451 unable to reach the next host, please try again later (#4.4.1)";

/// A hop that waits for the text.
#[derive(Debug)]
pub struct Talking {
    client: Client,
    failed: Option<nexthop::Failure>,
}

impl Talking {
    /// Begins the text.
    pub fn start(hop: &Hop, client: Option<Client>) -> Result<Talking, Failure> {
        let Some(mut client) = client else {
            return Err(Failure {
                reply: SILENT.into(),
                reason: format!("{hop} was not told the recipients"),
            });
        };
        client.data().map_err(|failure| told(&failure))?;
        Ok(Talking {
            client,
            failed: None,
        })
    }

    /// Whether the hop is lost.
    pub fn is_broken(&self) -> bool {
        self.failed.is_some()
    }

    /// Adds to the text.
    pub fn write(&mut self, stored: &[u8]) {
        if self.failed.is_none() {
            self.failed = self.client.write(stored).err();
        }
    }

    /// Sends all but the end of the text, within `limit`.
    pub fn prepare(&mut self, limit: Duration) -> Result<(), Failure> {
        match &self.failed {
            Some(failure) => Err(told(failure)),
            None => self.client.flush(limit).map_err(|failure| told(&failure)),
        }
    }

    /// Ends the text and waits for the verdict, within `limit` or the client's own. `recipients` are those that
    /// the hop has accepted, in order.
    pub fn finish(
        mut self,
        recipients: &[Vec<u8>],
        limit: Option<Duration>,
    ) -> (Outcome, Option<Client>) {
        if let Some(failure) = &self.failed {
            return (Outcome::Nobody(told(failure)), None);
        }
        let verdicts = match limit {
            Some(limit) => self.client.finish_within(limit),
            None => self.client.finish(),
        };
        let outcome = match verdicts {
            Err(failure) => Outcome::Nobody(told(&failure)),
            Ok(verdicts) => sum_up(&verdicts, recipients),
        };
        (outcome, self.client.is_usable().then_some(self.client))
    }
}

/// One answer for all recipients. One who is to be tried again makes it temporary: the others get the
/// message twice, and nobody loses it. Where somebody was refused for good the sender must know, though
/// the others have it.
fn sum_up(verdicts: &[Verdict], recipients: &[Vec<u8>]) -> Outcome {
    let refused = |permanent: bool| {
        let each = verdicts.iter().enumerate();
        each.filter_map(move |(at, verdict)| match verdict {
            Verdict::Refused(failure) if failure.permanent == permanent => Some((at, failure)),
            _ => None,
        })
    };
    let (count, all) = (refused(false).chain(refused(true)).count(), verdicts.len());
    let Some((at, first)) = refused(false).chain(refused(true)).next() else {
        let said = verdicts.iter().find_map(|verdict| match verdict {
            Verdict::Ok(reply) => Some(String::from_utf8_lossy(&reply.text).into_owned()),
            Verdict::Refused(_) => None,
        });
        return Outcome::All(said);
    };
    let mut failure = told(first);
    if count == all {
        return Outcome::Nobody(failure);
    }
    let names: Vec<String> = refused(false)
        .chain(refused(true))
        .filter_map(|(at, _)| recipients.get(at))
        .map(|name| name.escape_ascii().to_string())
        .collect();
    failure.reason = format!(
        "{}; {count} of {all} recipients were not served: {}",
        failure.reason,
        names.join(" ")
    );
    if first.permanent {
        let name = recipients.get(at).map(Vec::as_slice).unwrap_or_default();
        Outcome::Some(failure.of_some(name))
    } else {
        Outcome::Nobody(failure)
    }
}

/// What the client is told of a hop's failure: the hop's own words where it said some.
pub fn told(failure: &nexthop::Failure) -> Failure {
    let reply = match &failure.reply {
        None => Cow::Borrowed(SILENT),
        Some(said) => {
            let text = crate::sanitize::line(&said.text).unwrap_or_default();
            // 421 would mean that this conversation ends.
            let code = match (failure.permanent, said.code) {
                (true, code @ 500..=599) => code,
                (true, _) => 554,
                (false, 421) => 451,
                (false, code @ 400..=499) => code,
                (false, _) => 451,
            };
            Cow::Owned(match said.enhanced {
                Some(status) => format!("{code} {text} (#{status})"),
                None => format!("{code} {text}"),
            })
        }
    };
    Failure {
        reply,
        reason: failure.reason.clone(),
    }
}

/// For a hop that was lost on the way: what comes next will be refused.
pub fn unreachable() -> Failure {
    Failure {
        reply: SILENT.into(),
        reason: "the next hop is not connected".to_owned(),
    }
}

/// For a hop that was given up because the client said nothing for too long.
pub fn given_up() -> Failure {
    Failure {
        reply: "451 you were silent for too long, please send that again (#4.4.2)".into(),
        reason: "the next hop was given up: the client was silent".to_owned(),
    }
}
