//! Ident servers: one port, an address of 127.0.0.0/8 for each way to behave.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A client's question: from where, to where, what.
#[derive(Clone, Debug)]
pub struct Asked {
    pub from: IpAddr,
    pub question: Vec<u8>,
}

/// A running server; its threads end with the test process.
pub struct Ident {
    pub port: u16,
    seen: Arc<Mutex<Vec<Asked>>>,
}

impl Ident {
    /// Listens on all of loopback at a free port; `answer` gets the last octet of the address that
    /// was connected to, and the connection once the question has been read.
    pub fn start(answer: impl Fn(u8, &mut TcpStream) + Send + Sync + 'static) -> Ident {
        let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let listener = TcpListener::bind(any).expect("a listener");
        let port = listener.local_addr().expect("bound").port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (seen_here, answer) = (Arc::clone(&seen), Arc::new(answer));
        std::thread::spawn(move || {
            while let Ok((mut stream, peer)) = listener.accept() {
                let (seen, answer) = (Arc::clone(&seen_here), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let IpAddr::V4(here) = stream.local_addr().expect("connected").ip() else {
                        return;
                    };
                    let mut question = Vec::new();
                    let mut byte = [0];
                    while !question.ends_with(b"\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                        question.extend(byte);
                    }
                    seen.lock().expect("no panic").push(Asked {
                        from: peer.ip(),
                        question,
                    });
                    answer(here.octets()[3], &mut stream);
                });
            }
        });
        Ident { port, seen }
    }

    /// Every question so far.
    pub fn seen(&self) -> Vec<Asked> {
        self.seen.lock().expect("no panic").clone()
    }
}
