//! A TLS program of the UCSPI-TLS convention, as small as it can be: it holds the connection, starts
//! the handler in the clear, and begins TLS when the handler asks for it on its control descriptor.
//!
//! Certificates are made by the system's openssl for the run.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use super::{Run, place, run};

/// A certificate for `localhost` and its key, both PEM; `None` where openssl is not there.
pub fn certificate() -> Option<(PathBuf, PathBuf)> {
    static MADE: OnceLock<Option<(PathBuf, PathBuf)>> = OnceLock::new();
    MADE.get_or_init(|| {
        let dir = place::run_dir();
        let (certificate, key) = (dir.join("tls.crt"), dir.join("tls.key"));
        let mut command = Command::new("openssl");
        command
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
            ])
            .args(["-nodes", "-days", "2", "-subj", "/CN=localhost"])
            .args(["-addext", "subjectAltName=DNS:localhost", "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        match command.status() {
            Ok(status) if status.success() => Some((certificate, key)),
            _ => {
                super::note_left_out("STLS with a real TLS program", "there is no openssl");
                None
            }
        }
    })
    .clone()
}

/// An authority in `dir`, and what it has issued for the host `name`: the authority's certificate, the host's
/// and its key. `None` where openssl is not there.
pub fn issued_for(dir: &Path, name: &str) -> Option<(PathBuf, PathBuf, PathBuf)> {
    const TEXT: &str = "
        new='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
        openssl req -x509 $new -days 2 -subj '/CN=an authority' -keyout ca.key -out ca.crt &&
        openssl req $new -subj \"/CN=$1\" -keyout host.key -out host.csr &&
        printf 'subjectAltName=DNS:%s\\nbasicConstraints=CA:FALSE\\n' \"$1\" >extensions &&
        openssl x509 -req -in host.csr -CA ca.crt -CAkey ca.key -days 2 -set_serial 7 \
            -extfile extensions -out host.crt";
    let done = Run::new("/bin/sh")
        .args(["-c", TEXT, "sh", name])
        .dir(dir)
        .done();
    if done.code != Some(0) {
        super::note_left_out("TLS with an authority", &done.err());
        return None;
    }
    let file = |name: &str| dir.join(name);
    Some((file("ca.crt"), file("host.crt"), file("host.key")))
}

/// A listening TLS program that serves one connection.
#[derive(Debug)]
pub struct Program {
    /// Where it listens.
    pub address: SocketAddr,
    dir: tempfile::TempDir,
    served: mpsc::Receiver<String>,
}

impl Program {
    /// Serves one connection with `words`, run by `launcher`, with these variables.
    pub fn start(launcher: &[String], words: &[&str], env: &[(&str, &Path)]) -> Option<Program> {
        let (certificate, key) = certificate()?;
        let dir = place::private_dir(0o755);
        for name in ["read", "write"] {
            let made = Run::new("mkfifo").arg(dir.path().join(name)).done();
            assert_eq!(made.code, Some(0), "{}", made.err());
        }
        let listener = TcpListener::bind((super::address(), 0)).unwrap();
        let address = listener.local_addr().unwrap();
        // Descriptors get their numbers from a shell: the convention names them in variables.
        let text = format!(
            "cd '{}' && exec \"$@\" 7<&2 2>log 8<read 9>write",
            dir.path().display()
        );
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &text, "sh"]).args(launcher).args(words);
        command.env_clear().env("PATH", run::PATH);
        command.envs(env.iter().copied());
        command.env("TCPREMOTEIP", "127.0.0.1").env("UCSPITLS", "1");
        for (name, number) in [("SSLCTLFD", "7"), ("SSLREADFD", "8"), ("SSLWRITEFD", "9")] {
            command.env(name, number);
        }
        let path = dir.path().to_owned();
        let config = config(&certificate, &key);
        let (done, served) = mpsc::channel();
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let _ = done.send(serve(stream, command, &path, config));
        });
        Some(Program {
            address,
            dir,
            served,
        })
    }

    /// Waits until this side holds its end of one of the two pipes to the handler no more: `read`, by which
    /// the handler is told what the client says, or `write`, for its replies.
    pub fn wait_until_closed(&self, pipe: &str) {
        let path = self.dir.path().join(pipe);
        let deadline = Instant::now() + super::DEADLINE;
        let is_open = || {
            let all = fs::read_dir("/proc/self/fd").unwrap().flatten();
            all.filter_map(|fd| fs::read_link(fd.path()).ok())
                .any(|open| open == path)
        };
        while is_open() {
            assert!(Instant::now() < deadline, "{pipe} is open");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for the end of the connection; what the handler wrote to descriptor 2.
    pub fn log(self) -> String {
        let log = self.served.recv_timeout(super::DEADLINE);
        drop(self.dir);
        super::log::without_sessions(&log.expect("the handler ends in time"))
    }
}

fn config(certificate: &Path, key: &Path) -> Arc<ServerConfig> {
    let chain = vec![CertificateDer::from_pem_file(certificate).unwrap()];
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Arc::new(config)
}

/// Runs the handler on the connection, and TLS once it asks for it.
fn serve(stream: TcpStream, mut command: Command, dir: &Path, config: Arc<ServerConfig>) -> String {
    let ends: [OwnedFd; 2] = [
        stream.try_clone().unwrap().into(),
        stream.try_clone().unwrap().into(),
    ];
    let [input, output] = ends;
    let (mut control, theirs) = UnixStream::pair().unwrap();
    command
        .stdin(input)
        .stdout(output)
        .stderr(OwnedFd::from(theirs));
    let mut child = command.spawn().unwrap();
    drop(command);
    // In the order in which the shell opens them: each open of a FIFO waits for the other end.
    let to_handler = OpenOptions::new()
        .write(true)
        .open(dir.join("read"))
        .unwrap();
    let from_handler = File::open(dir.join("write")).unwrap();
    let mut asked = [0];
    if control.read_exact(&mut asked).is_ok() {
        // Y asks for the variables of the connection, too; y would not.
        assert_eq!(asked, *b"Y");
        relay(stream, config, to_handler, from_handler, control);
    }
    run::wait(&mut child, Instant::now() + super::DEADLINE).expect("the handler ends");
    fs::read_to_string(dir.join("log")).unwrap()
}

/// Carries bytes between the client's TLS and the handler, until one side ends.
fn relay(
    mut stream: TcpStream,
    config: Arc<ServerConfig>,
    mut to_handler: File,
    mut from_handler: File,
    control: UnixStream,
) {
    let (sender, replies) = mpsc::channel::<Vec<u8>>();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(count @ 1..) = from_handler.read(&mut buffer) {
            if sender.send(buffer[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    let mut tls = ServerConnection::new(config).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(5)))
        .unwrap();
    let deadline = Instant::now() + super::DEADLINE;
    let mut handler_ended = false;
    let mut control = Some(control);
    while Instant::now() < deadline {
        loop {
            match replies.try_recv() {
                Ok(bytes) => tls.writer().write_all(&bytes).unwrap(),
                Err(mpsc::TryRecvError::Empty) => break,
                Err(mpsc::TryRecvError::Disconnected) => {
                    if !handler_ended {
                        tls.send_close_notify();
                    }
                    handler_ended = true;
                    break;
                }
            }
        }
        while tls.wants_write() {
            if tls.write_tls(&mut stream).is_err() {
                return;
            }
        }
        if handler_ended {
            return;
        }
        if !tls.is_handshaking()
            && let Some(mut control) = control.take()
        {
            let told = control.write_all(b"SSL_PROTOCOL=TLSv1.3\0SSL_CIPHER=some\0\0");
            told.unwrap();
        }
        match tls.read_tls(&mut stream) {
            Ok(0) => return,
            Ok(_) => {
                if tls.process_new_packets().is_err() {
                    return;
                }
                let mut plain = vec![0; 16 * 1024];
                while let Ok(count @ 1..) = tls.reader().read(&mut plain) {
                    if to_handler.write_all(&plain[..count]).is_err() {
                        return;
                    }
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
    }
}
