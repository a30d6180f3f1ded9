//! A next hop on a thread of its own, which plays a script.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use nexthop::{Client, Endpoint, Failure, Hop, Limits, Protocol, Security, Settings};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

/// What a server waits for at most: a script that goes wrong ends, too.
const PATIENCE: Duration = Duration::from_secs(20);

trait Stream: Read + Write + Send {}
impl Stream for TcpStream {}
impl Stream for UnixStream {}

/// The server's side of a connection.
pub struct Peer {
    stream: Box<dyn Stream>,
    tls: Option<ServerConnection>,
    /// What was read and not heard yet.
    ahead: VecDeque<u8>,
}

impl Peer {
    fn new(stream: impl Stream + 'static) -> Peer {
        Peer {
            stream: Box::new(stream),
            tls: None,
            ahead: VecDeque::new(),
        }
    }

    /// Sends bytes.
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) {
        // A client that has gone is one of the things that are tested.
        let _ = match &mut self.tls {
            Some(tls) => {
                let mut both = rustls::Stream::new(tls, &mut self.stream);
                both.write_all(bytes.as_ref()).and_then(|()| both.flush())
            }
            None => self.stream.write_all(bytes.as_ref()),
        };
    }

    /// Reads more; whether there was more.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let read = match &mut self.tls {
            Some(tls) => rustls::Stream::new(tls, &mut self.stream).read(&mut buffer),
            None => self.stream.read(&mut buffer),
        };
        let count = read.unwrap_or(0);
        self.ahead.extend(&buffer[..count]);
        count > 0
    }

    fn byte(&mut self) -> Option<u8> {
        if self.ahead.is_empty() && !self.read() {
            return None;
        }
        self.ahead.pop_front()
    }

    /// A line, with its end cut off; empty at the end.
    pub fn hear(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n")
            && let Some(byte) = self.byte()
        {
            line.push(byte);
        }
        let line = String::from_utf8(line).unwrap();
        line.trim_end_matches("\r\n").to_owned()
    }

    /// Hears a line, which must be this one, and answers.
    pub fn expect(&mut self, line: &str, answer: &str) {
        assert_eq!(self.hear(), line);
        self.say(format!("{answer}\r\n"));
    }

    /// A message up to its end mark or the end of everything, with it.
    pub fn hear_message(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n.\r\n")
            && text != b".\r\n"
            && let Some(byte) = self.byte()
        {
            text.push(byte);
        }
        text
    }

    /// All that comes until the end.
    pub fn hear_all(&mut self) -> Vec<u8> {
        while self.read() {}
        self.ahead.drain(..).collect()
    }

    /// Shakes hands as `localhost`; whether that worked.
    pub fn start_tls(&mut self) -> bool {
        assert!(self.ahead.is_empty(), "nothing is sent before the answer");
        let chain = vec![CertificateDer::from_pem_file(certificate("localhost.pem")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(certificate("localhost.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let mut tls = ServerConnection::new(Arc::new(config)).unwrap();
        while tls.is_handshaking() {
            if tls.complete_io(&mut self.stream).is_err() {
                return false;
            }
        }
        self.tls = Some(tls);
        true
    }

    /// The banner, and EHLO or LHLO with what is offered.
    pub fn greet(&mut self, offers: &[&str]) {
        self.say("220 mx.test ready\r\n");
        self.hello(offers);
    }

    /// EHLO or LHLO with what is offered.
    pub fn hello(&mut self, offers: &[&str]) {
        let line = self.hear();
        assert!(line == "EHLO me.test" || line == "LHLO me.test", "{line:?}");
        let mut answer = "250-mx.test\r\n".to_owned();
        for offer in offers {
            answer += &format!("250-{offer}\r\n");
        }
        self.say(answer + "250 HELP\r\n");
    }
}

/// A file of tests/certificates: `localhost.pem` is signed by `ca.pem`, and nothing by `other.pem`.
pub fn certificate(name: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/certificates");
    PathBuf::from(folder).join(name)
}

/// A server that plays one script for one connection.
pub struct Server<T> {
    /// Where it is.
    pub hop: Hop,
    thread: JoinHandle<T>,
    _folder: Option<tempfile::TempDir>,
}

impl<T: Send + 'static> Server<T> {
    /// SMTP on 127.0.0.1.
    pub fn smtp(script: impl FnOnce(&mut Peer) -> T + Send + 'static) -> Server<T> {
        Server::tcp(Protocol::Smtp, Security::Opportunistic, "127.0.0.1", script)
    }

    /// On 127.0.0.1, which is called `host`.
    pub fn tcp(
        protocol: Protocol,
        security: Security,
        host: &str,
        script: impl FnOnce(&mut Peer) -> T + Send + 'static,
    ) -> Server<T> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            script(&mut Peer::new(stream))
        });
        let endpoint = Endpoint::Tcp {
            host: host.into(),
            port,
        };
        Server {
            hop: Hop {
                protocol,
                endpoint,
                security,
            },
            thread,
            _folder: None,
        }
    }

    /// LMTP on a UNIX socket.
    pub fn lmtp(script: impl FnOnce(&mut Peer) -> T + Send + 'static) -> Server<T> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lmtp");
        let listener = UnixListener::bind(&path).unwrap();
        let thread = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            script(&mut Peer::new(stream))
        });
        Server {
            hop: Hop {
                protocol: Protocol::Lmtp,
                endpoint: Endpoint::Unix(path),
                security: Security::Plain,
            },
            thread,
            _folder: Some(folder),
        }
    }

    /// Connects to it.
    pub fn connect(&self) -> Result<Client, Failure> {
        Client::connect(&self.hop, &settings())
    }

    /// Its port or path, as sentences have it.
    pub fn name(&self) -> String {
        self.hop.to_string()
    }

    /// What its script leads to.
    pub fn done(self) -> T {
        match self.thread.join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// Limits that no test reaches but those that mean to.
pub fn settings() -> Settings {
    Settings {
        limits: Limits {
            connect: PATIENCE,
            reply: PATIENCE,
            opening: PATIENCE,
            data_end: PATIENCE,
            write: PATIENCE,
        },
        ..Settings::new(b"me.test", None)
    }
}
