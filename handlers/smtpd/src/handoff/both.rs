//! The order of a message that goes both ways; why it is this one says [`super`].

use std::time::Duration;

use nexthop::Client;

use super::part::Part;
use super::{Envelope, Failure, Outcome, ProgramContext};
use crate::transport::{Destination, PerDestination};

// Together they are less than the ten minutes that a client waits (RFC 5321 section 4.5.3.2.6).
/// To prepare what stays here.
const PREPARE_TIME: Duration = Duration::from_secs(2 * 60);
/// To commit what goes elsewhere. Meanwhile an LMTP server beside us waits for a dot, and may do so for five
/// minutes (section 4.5.3.2.7), as our lmtpd does.
const REMOTE_TIME: Duration = Duration::from_secs(4 * 60);
/// To commit what stays here.
const LOCAL_TIME: Duration = Duration::from_secs(3 * 60);

/// Commits a message that is on both ways; what hops have said about it, or why it was not taken.
pub(super) fn finish(
    mut local: Part,
    remote: Part,
    envelope: Envelope<'_>,
    context: ProgramContext<'_>,
    clients: &mut PerDestination<Option<Client>>,
) -> Result<Vec<String>, Failure> {
    let (here, elsewhere) = (
        envelope.of(Destination::Local),
        envelope.of(Destination::Remote),
    );
    // Who is lost already says why, and nothing is written in vain.
    if !remote.is_broken() {
        local.prepare(here, PREPARE_TIME.min(context.patience))?;
    }
    let (there, client) = remote.finish(elsewhere, context, Some(REMOTE_TIME));
    clients.remote = client;
    if let Outcome::Nobody(failure) = there {
        return Err(failure);
    }
    let (left, client) = local.finish(here, context, Some(LOCAL_TIME));
    clients.local = client;
    sum_up(there, left, here.1)
}

/// The answer where somebody has the message elsewhere; `recipients` are those here.
fn sum_up(there: Outcome, here: Outcome, recipients: &[Vec<u8>]) -> Result<Vec<String>, Failure> {
    let said = |outcome: &Outcome| match outcome {
        Outcome::All(said) => said.clone(),
        Outcome::Some(_) | Outcome::Nobody(_) => None,
    };
    let all = [said(&there), said(&here)].into_iter().flatten().collect();
    let mut failure = match here {
        Outcome::All(_) => return refused(there).map_or(Ok(all), Err),
        Outcome::Some(failure) => failure,
        // It comes again, for everybody.
        Outcome::Nobody(failure) if !failure.is_permanent() => Failure {
            reason: format!(
                "{}; the message went elsewhere already, and goes there again with the next try",
                failure.reason
            ),
            ..failure
        },
        Outcome::Nobody(failure) => {
            failure.of_some(recipients.first().map(Vec::as_slice).unwrap_or_default())
        }
    };
    if let Some(other) = refused(there) {
        failure.reason = format!("{}; {}", other.reason, failure.reason);
    }
    Err(failure)
}

/// Why not all have it.
fn refused(outcome: Outcome) -> Option<Failure> {
    match outcome {
        Outcome::All(_) => None,
        Outcome::Some(failure) | Outcome::Nobody(failure) => Some(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(said: &str) -> Outcome {
        Outcome::All(Some(said.to_owned()))
    }

    fn failure(reply: &'static str) -> Failure {
        Failure {
            reply: reply.into(),
            reason: reply.to_owned(),
        }
    }

    fn answer(there: Outcome, here: Outcome) -> Result<Vec<String>, String> {
        let recipients = [b"joe@h".to_vec(), b"ann@h".to_vec()];
        sum_up(there, here, &recipients).map_err(|failure| failure.reply.into_owned())
    }

    #[test]
    fn what_both_have_taken_is_taken() {
        let both = answer(all("there"), all("here"));
        assert_eq!(both, Ok(vec!["there".to_owned(), "here".to_owned()]));
        assert_eq!(
            answer(Outcome::All(None), Outcome::All(None)),
            Ok(Vec::new())
        );
    }

    #[test]
    fn what_is_to_be_tried_again_wins_over_what_is_refused_for_good() {
        let later = || Outcome::Nobody(failure("451 later"));
        let some = || Outcome::Some(failure("552 full (for x; others have it)"));
        assert_eq!(answer(all(""), later()), Err("451 later".to_owned()));
        assert_eq!(answer(some(), later()), Err("451 later".to_owned()));
        let told = Err("552 full (for x; others have it)".to_owned());
        assert_eq!(answer(some(), all("")), told);
        assert_eq!(answer(all(""), some()), told);
    }

    #[test]
    fn a_refusal_for_good_names_whom_it_is_about() {
        let never = Outcome::Nobody(failure("554 never"));
        assert_eq!(
            answer(all(""), never),
            Err("554 never (for joe@h; others have it)".to_owned())
        );
    }

    #[test]
    fn a_client_is_answered_before_it_gives_up_and_a_server_before_it_is_tired_of_waiting() {
        let sum = PREPARE_TIME + REMOTE_TIME + LOCAL_TIME;
        assert!(sum < Duration::from_secs(10 * 60));
        assert!(PREPARE_TIME + REMOTE_TIME < delivery::hold::HOLD_TIME);
        assert!(REMOTE_TIME < Duration::from_secs(5 * 60));
    }
}
