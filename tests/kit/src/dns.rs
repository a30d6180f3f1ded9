//! A name server of a test's own, on port 53 of a loopback address (so: as root).
//!
//! It speaks as much of RFC 1035 as a stub resolver asks for: one question over UDP, an answer from
//! a table, the question kept for the test to look at.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::{Arc, Mutex};

/// The type of address records (RFC 1035).
pub const A: u16 = 1;
/// The type of pointers to names.
pub const PTR: u16 = 12;
/// The type of texts.
pub const TXT: u16 = 16;

/// What is answered to a question.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Address records.
    Addresses(Vec<Ipv4Addr>),
    /// One name record; labels may hold any bytes.
    Name(Vec<Vec<u8>>),
    /// One text record.
    Text(Vec<u8>),
    /// RCODE 2.
    ServerFailure,
    /// Nothing at all.
    Silence,
}

impl Answer {
    /// A name written with dots.
    pub fn name(text: &str) -> Answer {
        Answer::Name(
            text.split('.')
                .map(|label| label.as_bytes().to_vec())
                .collect(),
        )
    }
}

/// A running name server; it lives as long as the process.
#[derive(Debug)]
pub struct Dns {
    address: Ipv4Addr,
    asked: Arc<Mutex<Vec<(String, u16)>>>,
}

impl Dns {
    /// Starts one that knows `table` and answers NXDOMAIN to all else. Names in lower case.
    pub fn start(table: &[(&str, u16, Answer)]) -> Dns {
        let address = super::address();
        let socket =
            UdpSocket::bind((address, 53)).unwrap_or_else(|error| panic!("{address}:53: {error}"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let table: Vec<(String, u16, Answer)> = table
            .iter()
            .map(|(name, kind, answer)| ((*name).to_owned(), *kind, answer.clone()))
            .collect();
        let kept = Arc::clone(&asked);
        std::thread::spawn(move || {
            let mut packet = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut packet) {
                let Some((name, kind, end)) = question(&packet[..length]) else {
                    continue;
                };
                kept.lock().unwrap().push((name.clone(), kind));
                let found = table
                    .iter()
                    .find(|(known, k, _)| *known == name && *k == kind);
                if let Some(reply) = reply(&packet[..end], kind, found.map(|entry| &entry.2)) {
                    socket.send_to(&reply, from).unwrap();
                }
            }
        });
        Dns { address, asked }
    }

    /// The value for $DNSCACHEIP.
    pub fn server(&self) -> String {
        self.address.to_string()
    }

    /// The questions so far, without repetitions.
    pub fn asked(&self) -> Vec<(String, u16)> {
        let mut asked = self.asked.lock().unwrap().clone();
        asked.dedup();
        asked
    }
}

/// The reverse name of an address.
pub fn reverse(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("{d}.{c}.{b}.{a}.in-addr.arpa")
}

/// The name (lower case, dots), the type, and where the question ends.
fn question(packet: &[u8]) -> Option<(String, u16, usize)> {
    let mut at = 12;
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*packet.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(packet.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]);
    packet.get(at + 3)?;
    Some((labels.join("."), kind, at + 4))
}

fn reply(question: &[u8], kind: u16, answer: Option<&Answer>) -> Option<Vec<u8>> {
    let records: Vec<Vec<u8>> = match answer {
        Some(Answer::Silence) => return None,
        Some(Answer::Addresses(all)) => all
            .iter()
            .map(|address| address.octets().to_vec())
            .collect(),
        Some(Answer::Name(labels)) => vec![wire_name(labels)],
        Some(Answer::Text(text)) => {
            vec![[&[u8::try_from(text.len()).unwrap()], text.as_slice()].concat()]
        }
        Some(Answer::ServerFailure) | None => Vec::new(),
    };
    let code = match answer {
        Some(Answer::ServerFailure) => 2,
        None => 3,
        Some(_) => 0,
    };
    let mut reply = question.to_vec();
    // A response with recursion desired and available; one question, no authority, no additional.
    reply[2..4].copy_from_slice(&[0x81, 0x80 | code]);
    reply[4..12].copy_from_slice(&[0, 1, 0, u8::try_from(records.len()).unwrap(), 0, 0, 0, 0]);
    for data in records {
        reply.extend([0xc0, 12]);
        reply.extend(kind.to_be_bytes());
        reply.extend([0, 1, 0, 0, 0, 60]);
        reply.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        reply.extend(data);
    }
    Some(reply)
}

fn wire_name(labels: &[Vec<u8>]) -> Vec<u8> {
    let mut name = Vec::new();
    for label in labels {
        name.push(u8::try_from(label.len()).unwrap());
        name.extend(label);
    }
    name.push(0);
    name
}
