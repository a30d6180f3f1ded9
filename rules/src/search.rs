//! Which rule decides for a client.
//!
//! The first key that has a record decides alone; nothing is merged. In order: `INFO@IP`,
//! `INFO@=HOST`, `IP`, `=HOST`, the prefixes of IP that end in a dot (longest first), `=` and the
//! suffixes of HOST that begin at a dot (longest first), `=`, the empty key; after these the
//! client is allowed. Keys with INFO or HOST are tried only where these are known; known and
//! empty is not the same as unknown. Seen with tcpserver and tcprulescheck of ucspi-tcp 0.88.
//!
//! Everything is compared byte by byte, and prefixes are cut from the text of the address:
//! `1.2.` is a prefix of `1.2.3.4`, `1.2` is not.

use std::io;

use crate::record::{Record, Verdict};

/// Who asks to connect.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// The address as text.
    pub ip: &'a [u8],
    /// The name of that address, where it is known.
    pub host: Option<&'a [u8]>,
    /// What an ident server says of him, where it was asked and answered.
    pub info: Option<&'a [u8]>,
}

/// What becomes of a client, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The key that decides, which may be empty; `None` where no key has a record.
    pub key: Option<Vec<u8>>,
    /// Its data; empty where no key has a record.
    pub record: Record,
}

impl Decision {
    /// Whether he may connect.
    pub fn verdict(&self) -> Verdict {
        self.record.verdict()
    }

    /// What to set in his program's environment, in order; a later one of the same name wins.
    pub fn variables(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.record.variables()
    }
}

/// Asks for one key after the other until `lookup` has data for one. An error of `lookup` is
/// handed on at once: nobody is let in because a rule could not be read.
pub fn decide(
    client: &Client<'_>,
    mut lookup: impl FnMut(&[u8]) -> io::Result<Option<Vec<u8>>>,
) -> io::Result<Decision> {
    let mut key = Vec::with_capacity(64);
    let mut record = None;
    each_key(client, &mut key, |key| {
        record = lookup(key)?;
        Ok(record.is_some())
    })?;
    let key = record.is_some().then_some(key);
    Ok(Decision {
        key,
        record: Record::new(record.unwrap_or_default()),
    })
}

/// Puts the keys of `client` into `key`, one after the other, and stops at the first for which
/// `found` says yes.
fn each_key(
    client: &Client<'_>,
    key: &mut Vec<u8>,
    mut found: impl FnMut(&[u8]) -> io::Result<bool>,
) -> io::Result<()> {
    let mut is = |parts: &[&[u8]]| {
        key.clear();
        for part in parts {
            key.extend_from_slice(part);
        }
        found(key)
    };
    let ip = client.ip;
    if let Some(info) = client.info {
        if is(&[info, b"@", ip])? {
            return Ok(());
        }
        if let Some(host) = client.host
            && is(&[info, b"@=", host])?
        {
            return Ok(());
        }
    }
    if is(&[ip])? {
        return Ok(());
    }
    if let Some(host) = client.host
        && is(&[b"=", host])?
    {
        return Ok(());
    }
    for dot in dots(ip).rev() {
        if is(&[&ip[..=dot]])? {
            return Ok(());
        }
    }
    if let Some(host) = client.host {
        for dot in dots(host) {
            if is(&[b"=", &host[dot..]])? {
                return Ok(());
            }
        }
        if is(&[b"="])? {
            return Ok(());
        }
    }
    is(&[])?;
    Ok(())
}

fn dots(text: &[u8]) -> impl DoubleEndedIterator<Item = usize> {
    text.iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'.')
        .map(|(at, _)| at)
}

#[cfg(test)]
mod tests;
