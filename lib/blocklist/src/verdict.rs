//! Whether a client is served: what the sources say, taken together. No clock, no sockets.
//!
//! The sources count in their order, as in the original, which asks one after the other: the first
//! one that has the client decides. One that could not answer is passed over or decides, by its -c
//! or -C. What stands behind the one that decides does not count, whatever it says or would say.

use std::net::IpAddr;

use dns::{DnsName, Found, Kind, Outcome, Question};

/// The most bytes of the text of a refusal.
pub const TEXT_LIMIT: usize = 200;

/// What is said where a source could not answer that may not be passed over.
const NO_ANSWER: &[u8] = b"temporary RBL lookup error";

/// What a source is a list of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Clients that are refused: whoever has a TXT record, with it as the reason (-r).
    List,
    /// Clients that are served: whoever has an A record (-a).
    Anti,
    /// Clients that are told of in the log and served, whatever the sources behind it say.
    Note,
}

/// One who is asked about a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The name under which clients are listed.
    pub base: Vec<u8>,
    /// What it is a list of.
    pub way: Way,
    /// Whoever is in it is refused for good (-b).
    pub permanent: bool,
    /// A client is refused for now rather than served where the source cannot answer (-c).
    pub closed: bool,
    /// What a refused client is told; then it is an A record that lists him, and no TXT record is
    /// asked for.
    pub message: Option<Vec<u8>>,
}

impl Source {
    /// What this source is asked about `address`; `None` where that is no domain name.
    pub fn question(&self, address: IpAddr) -> Option<Question> {
        let name = DnsName::listed_under(address, &self.base).ok()?;
        let kind = match self.way {
            Way::List | Way::Note if self.message.is_none() => Kind::Text,
            Way::List | Way::Note | Way::Anti => Kind::Ipv4,
        };
        Some(Question { name, kind })
    }

    /// Why `found` lists the client, where it does.
    fn reason<'a>(&'a self, found: &'a Found) -> Option<&'a [u8]> {
        match found {
            Found::Text(text) if !text.is_empty() => Some(text),
            Found::Addresses(addresses) if addresses.iter().any(is_listing) => {
                self.message.as_deref()
            }
            _ => None,
        }
    }
}

/// An address that says that a name is listed lies in 127.0.0.0/8 (RFC 5782 section 2.1). A list
/// whose domain has been given up, where every name has the address of a web server, lists nobody.
fn is_listing(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[0] == 127,
        IpAddr::V6(_) => false,
    }
}

/// What becomes of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is served.
    Serve,
    /// It is not.
    Refuse(Refusal),
}

/// A refusal, as the client and the log get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(Vec<u8>);

impl Refusal {
    /// For good (553) or for now (451), with what there is to be said: its first [`TEXT_LIMIT`]
    /// bytes, a question mark for each one that is not printable.
    pub fn new(permanent: bool, text: &[u8]) -> Refusal {
        let mut line = if permanent { b"553 " } else { b"451 " }.to_vec();
        let kept = text.iter().take(TEXT_LIMIT);
        line.extend(kept.map(|&byte| if is_printable(byte) { byte } else { b'?' }));
        Refusal(line)
    }

    /// Code and text, without a line end.
    pub fn line(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is for good.
    pub fn is_permanent(&self) -> bool {
        self.0.first() == Some(&b'5')
    }
}

fn is_printable(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

impl Verdict {
    /// What the administrator says in `$RBLSMTPD`: nothing, or why not. A hyphen before the reason
    /// makes it a refusal for good.
    pub fn of_variable(value: &[u8]) -> Verdict {
        match value.split_first() {
            None => Verdict::Serve,
            Some((b'-', text)) => Verdict::Refuse(Refusal::new(true, text)),
            Some(_) => Verdict::Refuse(Refusal::new(false, value)),
        }
    }

    /// The bytes by which one process tells another.
    pub fn to_record(&self) -> Vec<u8> {
        match self {
            Verdict::Serve => b"serve".to_vec(),
            Verdict::Refuse(refusal) => refusal.0.clone(),
        }
    }

    /// Reads what [`Verdict::to_record`] gives, and nothing else.
    pub fn from_record(record: &[u8]) -> Option<Verdict> {
        if record == b"serve" {
            return Some(Verdict::Serve);
        }
        let (permanent, text) = match record.split_at_checked(4)? {
            (b"553 ", text) => (true, text),
            (b"451 ", text) => (false, text),
            _ => return None,
        };
        let refusal = Refusal::new(permanent, text);
        (refusal.0 == record).then_some(Verdict::Refuse(refusal))
    }
}

/// A verdict, and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What becomes of the client.
    pub verdict: Verdict,
    /// How many of the sources counted: the first ones.
    pub counted: usize,
    /// Whether the last of these decided, and not that none did.
    pub decided: bool,
}

/// What the outcomes, one a source and `None` where it is still to come, come to; `None` where that
/// depends on one that is still to come.
///
/// Where any source that counted could not answer, nobody is refused for good: it might have been
/// the one that serves him.
pub fn decide(sources: &[Source], outcomes: &[Option<Outcome>]) -> Option<Decision> {
    let mut in_doubt = false;
    for (at, (source, outcome)) in sources.iter().zip(outcomes).enumerate() {
        let verdict = match (source.way, outcome.as_ref()?) {
            (Way::List, Ok(found)) => source.reason(found).map(|reason| {
                let permanent = source.permanent && !in_doubt;
                Verdict::Refuse(Refusal::new(permanent, reason))
            }),
            (Way::Anti, Ok(found)) => (!found.is_nothing()).then_some(Verdict::Serve),
            (Way::Note, Ok(found)) => source.reason(found).map(|_| Verdict::Serve),
            (way, Err(_)) => {
                in_doubt = true;
                match way {
                    Way::List if source.closed => {
                        Some(Verdict::Refuse(Refusal::new(false, NO_ANSWER)))
                    }
                    Way::Anti if !source.closed => Some(Verdict::Serve),
                    _ => None,
                }
            }
        };
        if let Some(verdict) = verdict {
            let counted = at + 1;
            return Some(Decision {
                verdict,
                counted,
                decided: true,
            });
        }
    }
    Some(Decision {
        verdict: Verdict::Serve,
        counted: sources.len(),
        decided: false,
    })
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
