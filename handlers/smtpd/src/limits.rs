//! The limits of a session: numbers from the environment, which rules can set for each client, and
//! from control files. A variable wins over its file.

use std::time::Duration;

use accounts::Home;

use crate::sources::{SettingsError, Sources};

/// Seconds that a client may be silent (control/timeoutsmtpd).
const DEFAULT_TIMEOUT: u64 = 1200;
/// Seconds that a session may last (SESSION_TIMEOUT).
const DEFAULT_SESSION: u64 = 4 * 60 * 60;
/// Recipients of one message (MAXRCPT, control/maxrcpt). RFC 5321 wants at least 100.
const DEFAULT_RECIPIENTS: u64 = 1000;
/// No setting allows more recipients: it is what the queue programs take.
pub const MOST_RECIPIENTS: u64 = 10_000;
/// Bad commands of one session (MAXNOTIMPL).
const DEFAULT_BAD_COMMANDS: u64 = 20;
/// Refused recipients of one session (BRTLIMIT, control/brtlimit).
const DEFAULT_REFUSED: u64 = 100;
/// Messages of one session (MAXMESSAGES).
const DEFAULT_MESSAGES: u64 = 1000;
/// Accepted recipients of one session, of all its messages together (MAXSESSIONRCPT,
/// control/maxsessionrcpt): each is looked up, and who forgets them by RSET has sent nothing.
const DEFAULT_SESSION_RECIPIENTS: u64 = 10_000;
/// How long one write to a queue program, and its work after the envelope, may take. A client
/// waits ten minutes after its dot (RFC 5321 section 4.5.3.2.6).
const QUEUE_TIME: Duration = Duration::from_secs(5 * 60);
/// The most bytes of a refused message that are read in search of its end. A client that is cut
/// off sends again, so this is far more than any message that is meant.
const DISCARD_LIMIT: u64 = 1 << 30;
/// Whoever has nothing to send must not hold a connection to the next hop, which has few.
const HOP_IDLE: Duration = Duration::from_secs(5);
/// Who has named recipients goes on at once if he is honest.
const HOP_SILENCE: Duration = Duration::from_secs(60);
/// No time is longer: what is meant by a larger number is "without end".
const MOST_SECONDS: u64 = 10 * 366 * 24 * 60 * 60;
/// Seconds that a recipient waits in the tarpit (TARPITDELAY, control/tarpitdelay).
const DEFAULT_TARPIT: u64 = 5;
/// The most of them: a client waits five minutes (RFC 5321 section 4.5.3.2.3).
const MOST_TARPIT: u64 = 240;

/// The limits of a session; 0 is no limit where the field says so.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// For one line, block or write.
    pub timeout: Duration,
    /// For all of it.
    pub session: Duration,
    /// Stored bytes of one message; 0 is none.
    pub databytes: u64,
    /// Recipients of one message.
    pub recipients: u64,
    /// Accepted recipients of all messages together; 0 is none.
    pub session_recipients: u64,
    /// Bad commands; 0 is none.
    pub bad_commands: u64,
    /// Refused recipients; 0 is none.
    pub refused: u64,
    /// Messages; 0 is none.
    pub messages: u64,
    /// Recipients of one message after which each further one waits; 0 is none.
    pub tarpit_after: u64,
    /// For how long.
    pub tarpit: Duration,
    /// How long a next hop that waits for another message is kept for a client that says nothing.
    pub hop_idle: Duration,
    /// How long a next hop that knows recipients of a message is kept for a client that says nothing.
    pub hop_silence: Duration,
    /// For one write to a queue program, and for its work after the envelope.
    pub queue: Duration,
    /// Bytes of a refused message that are read in search of its end.
    pub discard: u64,
}

impl SessionLimits {
    /// Those that every SMTP or LMTP dialogue has.
    pub fn dialogue(&self) -> smtp::tally::Limits {
        smtp::tally::Limits {
            bad_commands: self.bad_commands,
            refused: self.refused,
            recipients: self.recipients,
            session_recipients: self.session_recipients,
            databytes: self.databytes,
        }
    }

    /// Reads the limits of a session.
    pub fn read(sources: &Sources<'_>, home: &Home) -> Result<SessionLimits, SettingsError> {
        let either = |variable, file| -> Result<Option<u64>, SettingsError> {
            match sources.number(variable)? {
                Some(number) => Ok(Some(number)),
                None => Ok(home.number(file)?),
            }
        };
        let timeout = home.number("timeoutsmtpd")?.unwrap_or(DEFAULT_TIMEOUT);
        let session = sources
            .number("SESSION_TIMEOUT")?
            .unwrap_or(DEFAULT_SESSION);
        let recipients = match either("MAXRCPT", "maxrcpt")?.unwrap_or(DEFAULT_RECIPIENTS) {
            0 => MOST_RECIPIENTS,
            number => number.min(MOST_RECIPIENTS),
        };
        Ok(SessionLimits {
            timeout: Duration::from_secs(timeout.clamp(1, MOST_SECONDS)),
            session: Duration::from_secs(session.clamp(1, MOST_SECONDS)),
            databytes: either("DATABYTES", "databytes")?.unwrap_or(0),
            recipients,
            session_recipients: either("MAXSESSIONRCPT", "maxsessionrcpt")?
                .unwrap_or(DEFAULT_SESSION_RECIPIENTS),
            bad_commands: sources
                .number("MAXNOTIMPL")?
                .unwrap_or(DEFAULT_BAD_COMMANDS),
            refused: either("BRTLIMIT", "brtlimit")?.unwrap_or(DEFAULT_REFUSED),
            tarpit_after: either("TARPITCOUNT", "tarpitcount")?.unwrap_or(0),
            tarpit: Duration::from_secs(
                either("TARPITDELAY", "tarpitdelay")?
                    .unwrap_or(DEFAULT_TARPIT)
                    .min(MOST_TARPIT),
            ),
            messages: sources.number("MAXMESSAGES")?.unwrap_or(DEFAULT_MESSAGES),
            hop_idle: HOP_IDLE,
            hop_silence: HOP_SILENCE,
            queue: QUEUE_TIME,
            discard: DISCARD_LIMIT,
        })
    }
}
