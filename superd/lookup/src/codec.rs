//! The bytes of the records between superd and its look-up process.
//!
//! They travel over a SOCK_SEQPACKET pair: one message, one record. Numbers are big-endian. Every
//! record begins with [`VERSION`] and its kind, because superd may have been running for longer
//! than the file that its look-up process was started from.
//!
//! ```text
//! request   1 'C' id:8 wanted:1 ident-ms:4 local:23 remote:23
//! answer    1 'c' id:8 name name info
//! request   1 'H' id:8 family:1 length:2 word
//! answer    1 'h' id:8 outcome:1 (0: count:1 addresses of 17 each | 1 | 2: trouble:1 errno:4)
//! address   family:1 octets:16 [ port:2 scope:4 ]
//! name      0 not asked | 1 none | 2 length:2 bytes | 3 failed
//! info      0 | 1 length:2 bytes
//! ```
//!
//! [`Reply::decode`] stands between the process that reads the network and the one that may be
//! root: it accepts nothing that the other side could not honestly have meant. A name has the text
//! form of [`dns::name`] and its length, information that of [`crate::ident`], no byte is left
//! over.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use dns::message::ADDRESSES_LIMIT;
use dns::name::is_text;

use crate::ident::is_info;
use crate::record::{
    Answer, Family, HostAnswer, HostFailure, HostRequest, Incoming, Name, Reply, Request, Trouble,
    WORD_LIMIT,
};

/// The first byte of every record.
pub const VERSION: u8 = 1;

/// No record is longer than this, so a buffer of this many bytes holds any of them.
pub const MESSAGE_LIMIT: usize = 4_096;

/// A record that the other side cannot have meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unable to read look-up record: protocol error")
    }
}

const CONNECTION_REQUEST: u8 = b'C';
const CONNECTION_ANSWER: u8 = b'c';
const HOST_REQUEST: u8 = b'H';
const HOST_ANSWER: u8 = b'h';

const REMOTE_NAME: u8 = 1;
const PARANOID: u8 = 2;
const LOCAL_NAME: u8 = 4;
const IDENT: u8 = 8;

impl Request {
    /// The bytes of the record.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION, CONNECTION_REQUEST];
        bytes.extend(self.id.to_be_bytes());
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        bytes.push(
            flag(self.remote_name, REMOTE_NAME)
                | flag(self.paranoid, PARANOID)
                | flag(self.local_name, LOCAL_NAME)
                | flag(self.ident.is_some(), IDENT),
        );
        let time = self.ident.unwrap_or_default().as_millis();
        bytes.extend(u32::try_from(time).unwrap_or(u32::MAX).to_be_bytes());
        put_socket_address(&mut bytes, self.local);
        put_socket_address(&mut bytes, self.remote);
        bytes
    }

    /// Reads what [`Request::encode`] gives.
    pub fn decode(bytes: &[u8]) -> Result<Request, Malformed> {
        match Incoming::decode(bytes)? {
            Incoming::Connection(request) => Ok(request),
            Incoming::Host(_) => Err(Malformed),
        }
    }
}

impl HostRequest {
    /// The bytes of the record; `None` for a word over [`WORD_LIMIT`].
    pub fn encode(&self) -> Option<Vec<u8>> {
        if self.word.len() > WORD_LIMIT {
            return None;
        }
        let mut bytes = vec![VERSION, HOST_REQUEST];
        bytes.extend(self.id.to_be_bytes());
        bytes.push(match self.family {
            Family::V4 => 4,
            Family::V6 => 6,
        });
        put_text(&mut bytes, &self.word);
        Some(bytes)
    }
}

impl Incoming {
    /// Reads a record of superd's.
    pub fn decode(bytes: &[u8]) -> Result<Incoming, Malformed> {
        let mut rest = Rest(bytes);
        let incoming = match rest.start()? {
            CONNECTION_REQUEST => Incoming::Connection(rest.request()?),
            HOST_REQUEST => Incoming::Host(rest.host_request()?),
            _ => return Err(Malformed),
        };
        rest.end(incoming)
    }
}

impl Answer {
    /// The bytes of the record. Text that no name or no ident reply can be is left out, as if
    /// there were none.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION, CONNECTION_ANSWER];
        bytes.extend(self.id.to_be_bytes());
        for name in [&self.local_name, &self.remote_name] {
            match name {
                Name::NotAsked => bytes.push(0),
                Name::Known(text) if is_text(text) => {
                    bytes.push(2);
                    put_text(&mut bytes, text);
                }
                Name::None | Name::Known(_) => bytes.push(1),
                Name::Failed => bytes.push(3),
            }
        }
        match &self.info {
            Some(info) if is_info(info) => {
                bytes.push(1);
                put_text(&mut bytes, info);
            }
            _ => bytes.push(0),
        }
        bytes
    }

    /// Reads what [`Answer::encode`] gives.
    pub fn decode(bytes: &[u8]) -> Result<Answer, Malformed> {
        match Reply::decode(bytes)? {
            Reply::Connection(answer) => Ok(answer),
            Reply::Host(_) => Err(Malformed),
        }
    }
}

impl HostAnswer {
    /// The bytes of the record. Addresses over [`ADDRESSES_LIMIT`] are left out.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION, HOST_ANSWER];
        bytes.extend(self.id.to_be_bytes());
        match &self.outcome {
            Ok(list) if !list.is_empty() => {
                let kept = &list[..list.len().min(ADDRESSES_LIMIT)];
                bytes.push(0);
                bytes.push(kept.len().to_le_bytes()[0]);
                for &address in kept {
                    put_address(&mut bytes, address);
                }
            }
            Ok(_) | Err(HostFailure::NotFound) => bytes.push(1),
            Err(HostFailure::Temporary(trouble)) => {
                let (kind, number) = match trouble {
                    Trouble::TimedOut => (0, 0),
                    Trouble::ServerFailed => (1, 0),
                    Trouble::Refused => (2, 0),
                    Trouble::Protocol => (3, 0),
                    Trouble::Busy => (4, 0),
                    Trouble::System(number) => (5, (*number).max(1)),
                };
                bytes.extend([2, kind]);
                bytes.extend(number.to_be_bytes());
            }
        }
        bytes
    }
}

impl Reply {
    /// Reads a record of the look-up process's.
    pub fn decode(bytes: &[u8]) -> Result<Reply, Malformed> {
        let mut rest = Rest(bytes);
        let reply = match rest.start()? {
            CONNECTION_ANSWER => Reply::Connection(rest.answer()?),
            HOST_ANSWER => Reply::Host(rest.host_answer()?),
            _ => return Err(Malformed),
        };
        rest.end(reply)
    }
}

/// Length and bytes of a text whose length has been checked to be far below 65,536.
fn put_text(bytes: &mut Vec<u8>, text: &[u8]) {
    let length = u16::try_from(text.len()).expect("texts are at most WORD_LIMIT bytes");
    bytes.extend(length.to_be_bytes());
    bytes.extend(text);
}

fn put_address(bytes: &mut Vec<u8>, address: IpAddr) {
    let (family, octets) = match address {
        IpAddr::V4(address) => (4, address.to_ipv6_mapped().octets()),
        IpAddr::V6(address) => (6, address.octets()),
    };
    bytes.push(family);
    bytes.extend(octets);
}

fn put_socket_address(bytes: &mut Vec<u8>, address: SocketAddr) {
    put_address(bytes, address.ip());
    bytes.extend(address.port().to_be_bytes());
    let scope = match address {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(address) => address.scope_id(),
    };
    bytes.extend(scope.to_be_bytes());
}

/// What is left of a record to be read.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn start(&mut self) -> Result<u8, Malformed> {
        if self.byte()? == VERSION {
            self.byte()
        } else {
            Err(Malformed)
        }
    }

    fn end<T>(self, value: T) -> Result<T, Malformed> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(Malformed)
        }
    }

    fn take<const COUNT: usize>(&mut self) -> Result<[u8; COUNT], Malformed> {
        let (head, tail) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = tail;
        Ok(*head)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        self.take().map(|[byte]| byte)
    }

    fn id(&mut self) -> Result<u64, Malformed> {
        self.take().map(u64::from_be_bytes)
    }

    fn text(&mut self) -> Result<Vec<u8>, Malformed> {
        let length = usize::from(u16::from_be_bytes(self.take()?));
        let (text, tail) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = tail;
        Ok(text.to_vec())
    }

    fn address(&mut self) -> Result<IpAddr, Malformed> {
        let family = self.byte()?;
        let address = Ipv6Addr::from(self.take::<16>()?);
        match family {
            4 => address.to_ipv4_mapped().map(IpAddr::V4).ok_or(Malformed),
            6 => Ok(IpAddr::V6(address)),
            _ => Err(Malformed),
        }
    }

    fn socket_address(&mut self) -> Result<SocketAddr, Malformed> {
        let address = self.address()?;
        let port = u16::from_be_bytes(self.take()?);
        let scope = u32::from_be_bytes(self.take()?);
        match address {
            IpAddr::V6(address) => Ok(SocketAddrV6::new(address, port, 0, scope).into()),
            IpAddr::V4(_) if scope == 0 => Ok(SocketAddr::new(address, port)),
            IpAddr::V4(_) => Err(Malformed),
        }
    }

    fn request(&mut self) -> Result<Request, Malformed> {
        let id = self.id()?;
        let wanted = self.byte()?;
        if wanted & !(REMOTE_NAME | PARANOID | LOCAL_NAME | IDENT) != 0 {
            return Err(Malformed);
        }
        let time = u32::from_be_bytes(self.take()?);
        let asks_ident = wanted & IDENT != 0;
        if !asks_ident && time != 0 {
            return Err(Malformed);
        }
        Ok(Request {
            id,
            remote_name: wanted & REMOTE_NAME != 0,
            paranoid: wanted & PARANOID != 0,
            local_name: wanted & LOCAL_NAME != 0,
            ident: asks_ident.then(|| Duration::from_millis(u64::from(time))),
            local: self.socket_address()?,
            remote: self.socket_address()?,
        })
    }

    fn host_request(&mut self) -> Result<HostRequest, Malformed> {
        let id = self.id()?;
        let family = match self.byte()? {
            4 => Family::V4,
            6 => Family::V6,
            _ => return Err(Malformed),
        };
        let word = self.text()?;
        if word.len() > WORD_LIMIT {
            return Err(Malformed);
        }
        Ok(HostRequest { id, word, family })
    }

    fn name(&mut self) -> Result<Name, Malformed> {
        match self.byte()? {
            0 => Ok(Name::NotAsked),
            1 => Ok(Name::None),
            2 => {
                let text = self.text()?;
                if is_text(&text) {
                    Ok(Name::Known(text))
                } else {
                    Err(Malformed)
                }
            }
            3 => Ok(Name::Failed),
            _ => Err(Malformed),
        }
    }

    fn answer(&mut self) -> Result<Answer, Malformed> {
        let id = self.id()?;
        let (local_name, remote_name) = (self.name()?, self.name()?);
        let info = match self.byte()? {
            0 => None,
            1 => Some(self.text()?),
            _ => return Err(Malformed),
        };
        if !info.as_deref().is_none_or(is_info) {
            return Err(Malformed);
        }
        Ok(Answer {
            id,
            local_name,
            remote_name,
            info,
        })
    }

    fn host_answer(&mut self) -> Result<HostAnswer, Malformed> {
        let id = self.id()?;
        let outcome = match self.byte()? {
            0 => {
                let count = usize::from(self.byte()?);
                if !(1..=ADDRESSES_LIMIT).contains(&count) {
                    return Err(Malformed);
                }
                Ok((0..count)
                    .map(|_| self.address())
                    .collect::<Result<_, _>>()?)
            }
            1 => Err(HostFailure::NotFound),
            2 => Err(HostFailure::Temporary(self.trouble()?)),
            _ => return Err(Malformed),
        };
        Ok(HostAnswer { id, outcome })
    }

    fn trouble(&mut self) -> Result<Trouble, Malformed> {
        let kind = self.byte()?;
        let number = i32::from_be_bytes(self.take()?);
        match (kind, number) {
            (0, 0) => Ok(Trouble::TimedOut),
            (1, 0) => Ok(Trouble::ServerFailed),
            (2, 0) => Ok(Trouble::Refused),
            (3, 0) => Ok(Trouble::Protocol),
            (4, 0) => Ok(Trouble::Busy),
            (5, number) if number > 0 => Ok(Trouble::System(number)),
            _ => Err(Malformed),
        }
    }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
