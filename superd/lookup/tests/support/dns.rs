//! A DNS server whose answers are a closure. It builds messages byte by byte, so that it is no
//! mirror of the code under test.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};

/// What a client asked.
#[derive(Clone, Debug)]
pub struct Query {
    pub bytes: Vec<u8>,
    /// In lower case, labels joined by dots.
    pub name: String,
    pub kind: u16,
    pub by_tcp: bool,
    pub client: SocketAddr,
}

pub const A: u16 = 1;
pub const CNAME: u16 = 5;
pub const PTR: u16 = 12;

pub const NXDOMAIN: u8 = 3;
pub const SERVFAIL: u8 = 2;

impl Query {
    fn read(bytes: &[u8], by_tcp: bool, client: SocketAddr) -> Query {
        let mut labels = Vec::new();
        let mut at = 12;
        while bytes[at] != 0 {
            let label = &bytes[at + 1..at + 1 + usize::from(bytes[at])];
            labels.push(String::from_utf8_lossy(label).to_lowercase());
            at += 1 + usize::from(bytes[at]);
        }
        let kind = u16::from_be_bytes([bytes[at + 1], bytes[at + 2]]);
        Query {
            bytes: bytes.to_vec(),
            name: labels.join("."),
            kind,
            by_tcp,
            client,
        }
    }

    /// A response with this code and these records of the name that was asked for.
    pub fn response(&self, code: u8, records: &[Vec<u8>]) -> Vec<u8> {
        let mut message = self.bytes.clone();
        message[2] = 0x81;
        message[3] = 0x80 | code;
        message[7] = u8::try_from(records.len()).expect("few records");
        message.extend(records.concat());
        message
    }

    pub fn refuse(&self, code: u8) -> Vec<u8> {
        self.response(code, &[])
    }

    pub fn says_name(&self, name: &[u8]) -> Vec<u8> {
        self.response(0, &[record(PTR, &wire(name), 300)])
    }

    pub fn says_addresses(&self, list: &[[u8; 4]]) -> Vec<u8> {
        let records: Vec<_> = list.iter().map(|address| record(A, address, 300)).collect();
        self.response(0, &records)
    }
}

/// A record of the name that was asked for.
pub fn record(kind: u16, data: &[u8], ttl: u32) -> Vec<u8> {
    let mut bytes = b"\xc0\x0c".to_vec();
    bytes.extend(kind.to_be_bytes());
    bytes.extend(b"\0\x01");
    bytes.extend(ttl.to_be_bytes());
    bytes.extend(u16::try_from(data.len()).expect("short data").to_be_bytes());
    bytes.extend(data);
    bytes
}

/// A name on the wire; dots separate labels.
pub fn wire(name: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name
        .split(|&byte| byte == b'.')
        .filter(|label| !label.is_empty())
    {
        bytes.push(u8::try_from(label.len()).expect("a label"));
        bytes.extend(label);
    }
    bytes.push(0);
    bytes
}

/// A running server; its threads end with the test process.
pub struct Dns {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Query>>>,
}

impl Dns {
    /// On a free port of 127.0.0.1.
    pub fn start(answer: impl Fn(&Query) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Dns {
        // A port that is free for datagrams may not be free for connections.
        for _ in 0..100 {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            let address = socket.local_addr().expect("bound");
            if let Ok(listener) = TcpListener::bind(address) {
                return Dns::run(socket, listener, answer);
            }
        }
        panic!("no port is free");
    }

    /// On a given address, to have several servers with one port.
    pub fn start_at(
        address: SocketAddr,
        answer: impl Fn(&Query) -> Vec<Vec<u8>> + Send + Sync + 'static,
    ) -> Dns {
        let socket = UdpSocket::bind(address).expect("a socket");
        Dns::run(
            socket,
            TcpListener::bind(address).expect("a listener"),
            answer,
        )
    }

    fn run(
        socket: UdpSocket,
        listener: TcpListener,
        answer: impl Fn(&Query) -> Vec<Vec<u8>> + Send + Sync + 'static,
    ) -> Dns {
        let address = socket.local_addr().expect("bound");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(answer);
        let (seen_here, answer_here) = (Arc::clone(&seen), Arc::clone(&answer));
        std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            while let Ok((length, client)) = socket.recv_from(&mut buffer) {
                let query = Query::read(&buffer[..length], false, client);
                seen_here.lock().expect("no panic").push(query.clone());
                let (answer, socket) = (
                    Arc::clone(&answer_here),
                    socket.try_clone().expect("a descriptor"),
                );
                // An answer may take its time; others must not wait for it.
                std::thread::spawn(move || {
                    for message in answer(&query) {
                        let _ = socket.send_to(&message, client);
                    }
                });
            }
        });
        let seen_there = Arc::clone(&seen);
        std::thread::spawn(move || {
            while let Ok((mut stream, client)) = listener.accept() {
                let mut length = [0; 2];
                if stream.read_exact(&mut length).is_err() {
                    continue;
                }
                let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
                stream.read_exact(&mut bytes).expect("the query");
                let query = Query::read(&bytes, true, client);
                seen_there.lock().expect("no panic").push(query.clone());
                for message in answer(&query) {
                    let length = u16::try_from(message.len()).expect("it fits");
                    let whole = [&length.to_be_bytes()[..], &message].concat();
                    // In two pieces that divide the length, so that they have to be joined.
                    let _ = stream.write_all(&whole[..1]);
                    std::thread::sleep(std::time::Duration::from_millis(20));
                    let _ = stream.write_all(&whole[1..]);
                }
            }
        });
        Dns { address, seen }
    }

    /// Every query so far.
    pub fn seen(&self) -> Vec<Query> {
        self.seen.lock().expect("no panic").clone()
    }
}
