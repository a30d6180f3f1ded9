//! Questions and answers of the DNS, without the sockets (RFC 1035, RFC 3596 for IPv6).
//!
//! [`examine`] is the one place that reads what a server sent. It promises: a message counts only
//! if it is a response with the identifier of the query and exactly its question; the records that
//! count are those of the name that was asked for, or of the name that a chain of CNAME records in
//! the same answer leads to (RFC 2317 delegates reverse zones of less than 256 addresses in this
//! way); a chain has at most [`CHAIN_LIMIT`] links, so a loop ends; an address list has at most
//! [`ADDRESSES_LIMIT`] entries, and of texts [`TEXTS_LIMIT`] bytes are kept. A chain that leads out
//! of the message is not followed: the servers that are asked are resolvers, which complete it. The
//! first PTR record counts, as in the original, and all TXT records do. Unlike the original, records
//! of names that nobody asked for are passed over.
//!
//! The bytes come from the network: every entry point here takes any bytes at all.

use std::net::IpAddr;
use std::time::Duration;

use domain::base::iana::{Class, Opcode, Rcode, Rtype};
use domain::base::message_builder::MessageBuilder;
use domain::base::name::{Name, ParsedName, ToName};
use domain::base::{Message, Question as Asked};
use domain::rdata::{A, Aaaa, Cname, Ptr, Txt};

use crate::name::DnsName;

/// The most links of a chain of CNAME records that are followed.
pub const CHAIN_LIMIT: usize = 16;

/// The most addresses that are kept of one answer.
pub const ADDRESSES_LIMIT: usize = 64;

/// The most bytes that are kept of the texts of one answer.
pub const TEXTS_LIMIT: usize = 1_024;

/// What a name is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The name that a reverse name stands for.
    Pointer,
    /// IPv4 addresses.
    Ipv4,
    /// IPv6 addresses.
    Ipv6,
    /// Texts.
    Text,
}

impl Kind {
    fn rtype(self) -> Rtype {
        match self {
            Kind::Pointer => Rtype::PTR,
            Kind::Ipv4 => Rtype::A,
            Kind::Ipv6 => Rtype::AAAA,
            Kind::Text => Rtype::TXT,
        }
    }
}

/// One question, in class IN.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// The name.
    pub name: DnsName,
    /// What it is asked for.
    pub kind: Kind,
}

impl Question {
    /// Asks for the name of `address`.
    pub fn name_of(address: IpAddr) -> Question {
        Question {
            name: DnsName::reverse_of(address),
            kind: Kind::Pointer,
        }
    }

    /// Asks for the addresses of `name` that are of the family of `like`.
    pub fn addresses_like(name: DnsName, like: IpAddr) -> Question {
        let kind = if like.is_ipv4() {
            Kind::Ipv4
        } else {
            Kind::Ipv6
        };
        Question { name, kind }
    }
}

/// What a server knows about a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The name behind a reverse name, if there is one.
    Name(Option<DnsName>),
    /// The addresses of a name; none where there are none.
    Addresses(Vec<IpAddr>),
    /// All texts of a name, one behind the other, as raw as they came; empty where there are none.
    Text(Vec<u8>),
}

impl Found {
    /// Whether there is nothing of that kind under the name.
    pub fn is_nothing(&self) -> bool {
        match self {
            Found::Name(name) => name.is_none(),
            Found::Addresses(list) => list.is_empty(),
            Found::Text(text) => text.is_empty(),
        }
    }
}

/// What a message turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not a response to this query: to be passed over.
    NotOurs,
    /// The response is cut short; the whole of it can be had by TCP.
    Truncated,
    /// The server says that it cannot answer, or its answer cannot be read.
    Failed,
    /// An answer, with the time for which the server vouches for it.
    Answer(Found, Duration),
}

/// The query for `question` with the identifier `id`, recursion desired.
pub fn query(question: &Question, id: u16) -> Vec<u8> {
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id(id);
    builder.header_mut().set_rd(true);
    let mut section = builder.question();
    section
        .push((question.name.as_domain(), question.kind.rtype(), Class::IN))
        .expect("a header and one question fit a message");
    section.finish()
}

/// Reads `message` as the response to the query with `id` and `question`.
pub fn examine(message: &[u8], id: u16, question: &Question) -> Verdict {
    let Ok(message) = Message::from_slice(message) else {
        return Verdict::NotOurs;
    };
    let header = message.header();
    if header.id() != id || !header.qr() || header.opcode() != Opcode::QUERY {
        return Verdict::NotOurs;
    }
    if !message
        .sole_question()
        .is_ok_and(|asked| is_same(&asked, question))
    {
        return Verdict::NotOurs;
    }
    if header.tc() {
        return Verdict::Truncated;
    }
    if header.rcode() != Rcode::NOERROR && header.rcode() != Rcode::NXDOMAIN {
        return Verdict::Failed;
    }
    let answer = match question.kind {
        Kind::Pointer => {
            parse_pointer(message, question).map(|(name, ttl)| (Found::Name(name), ttl))
        }
        Kind::Ipv4 | Kind::Ipv6 => {
            parse_addresses(message, question).map(|(list, ttl)| (Found::Addresses(list), ttl))
        }
        Kind::Text => parse_texts(message, question).map(|(text, ttl)| (Found::Text(text), ttl)),
    };
    match answer {
        Some((found, ttl)) => Verdict::Answer(found, Duration::from_secs(u64::from(ttl))),
        None => Verdict::Failed,
    }
}

fn is_same<N: ToName>(asked: &Asked<N>, question: &Question) -> bool {
    asked.qname().name_eq(question.name.as_domain())
        && asked.qtype() == question.kind.rtype()
        && asked.qclass() == Class::IN
}

/// The first PTR record of the answer section that belongs to the question, and the shortest time
/// to live on the way to it. `None` where the section cannot be read.
fn parse_pointer(message: &Message<[u8]>, question: &Question) -> Option<(Option<DnsName>, u32)> {
    let (owner, mut least) = follow_chain(message, question)?;
    for record in message
        .answer()
        .ok()?
        .limit_to_in::<Ptr<ParsedName<&[u8]>>>()
    {
        let record = record.ok()?;
        if record.owner().name_eq(&owner) {
            least = least.min(record.ttl().as_secs());
            return Some((Some(DnsName::from_parsed(record.data().ptrdname())), least));
        }
    }
    Some((None, least))
}

/// The addresses of the answer section that belong to the question, in their order, and the
/// shortest time to live of them and of the way to them. `None` where the section cannot be read.
fn parse_addresses(message: &Message<[u8]>, question: &Question) -> Option<(Vec<IpAddr>, u32)> {
    let (owner, mut least) = follow_chain(message, question)?;
    let mut list = Vec::new();
    for record in message.answer().ok()? {
        let record = record.ok()?;
        if record.class() != Class::IN || !record.owner().name_eq(&owner) {
            continue;
        }
        let address = match question.kind {
            Kind::Ipv6 => record
                .to_record::<Aaaa>()
                .ok()?
                .map(|record| record.data().addr().into()),
            _ => record
                .to_record::<A>()
                .ok()?
                .map(|record| record.data().addr().into()),
        };
        if let Some(address) = address
            && list.len() < ADDRESSES_LIMIT
        {
            least = least.min(record.ttl().as_secs());
            list.push(address);
        }
    }
    Some((list, least))
}

/// The texts of all TXT records of the answer section that belong to the question, and the shortest
/// time to live of them and of the way to them. `None` where the section cannot be read.
fn parse_texts(message: &Message<[u8]>, question: &Question) -> Option<(Vec<u8>, u32)> {
    let (owner, mut least) = follow_chain(message, question)?;
    let mut text = Vec::new();
    for record in message.answer().ok()?.limit_to_in::<Txt<&[u8]>>() {
        let record = record.ok()?;
        if !record.owner().name_eq(&owner) {
            continue;
        }
        least = least.min(record.ttl().as_secs());
        for string in record.data().iter() {
            let room = TEXTS_LIMIT - text.len();
            text.extend_from_slice(&string[..string.len().min(room)]);
        }
    }
    Some((text, least))
}

/// The name at the end of the chain of CNAME records that begins at the question's name, and the
/// shortest time to live of its links (the longest time there is, where there are none). `None`
/// where the section cannot be read or the chain does not end.
fn follow_chain(message: &Message<[u8]>, question: &Question) -> Option<(Name<Vec<u8>>, u32)> {
    let mut owner = question.name.as_domain().clone();
    let mut least = u32::MAX;
    for _ in 0..=CHAIN_LIMIT {
        let mut next: Option<Name<Vec<u8>>> = None;
        for record in message
            .answer()
            .ok()?
            .limit_to_in::<Cname<ParsedName<&[u8]>>>()
        {
            let record = record.ok()?;
            if record.owner().name_eq(&owner) {
                least = least.min(record.ttl().as_secs());
                next = Some(record.data().cname().to_vec());
                break;
            }
        }
        match next {
            Some(next) => owner = next,
            None => return Some((owner, least)),
        }
    }
    None
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
