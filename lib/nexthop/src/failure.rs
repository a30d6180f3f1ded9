//! Why a next hop has not taken something.

use std::fmt;

use smtp::enhanced::Status;

use crate::reply::Reply;

/// Why a next hop has not taken something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whether it will never work; else it may, later.
    pub permanent: bool,
    /// What the hop said, or, of what can only be refused, would have had to say.
    pub reply: Option<Reply>,
    /// One sentence for the log, with the hop in it.
    pub reason: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// Trouble on the way, or ours.
    pub(crate) fn temporary(reason: String) -> Failure {
        Failure {
            permanent: false,
            reply: None,
            reason,
        }
    }

    /// What is not even asked for, because no hop could take it.
    pub(crate) fn impossible(hop: &str, [class, subject, detail]: [u16; 3], text: &str) -> Failure {
        Failure {
            permanent: true,
            reply: Some(Reply {
                code: 553,
                enhanced: Some(Status {
                    class,
                    subject,
                    detail,
                }),
                text: text.as_bytes().to_vec(),
            }),
            reason: format!("{hop} was not asked: {text}"),
        }
    }

    /// A refusal that is none of the message's: somebody must set something right here or there.
    /// A reply that says "never" is for the log alone, then.
    pub(crate) fn for_later(self) -> Failure {
        Failure {
            permanent: false,
            reply: self.reply.filter(|reply| !reply.is_permanent()),
            reason: self.reason,
        }
    }
}
