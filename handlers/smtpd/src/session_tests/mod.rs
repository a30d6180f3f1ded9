//! Dialogues over a socket pair, with scripts as queue programs.

mod bare_lf;
mod both;
mod chunks;
mod dialogue;
mod hop;
mod messages;
mod recipients;
mod stranger;
mod terms;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use accounts::{Accounts, Home};
use chain::child::Program;
use wire::Limits;
use wire::data::BareLf;

use crate::checker::SmtpAuth;
use crate::dnsbl::Dnsbl;
use crate::hosts::{HostList, Hosts};
use crate::keyfile::KeyFile;
use crate::limits::SessionLimits;
use crate::lists::{Lists, Patterns};
use crate::settings::{Client, Terms};
use crate::transport::{Transport, Transports};

use chain::Env;
use smtp::tally::DEFERRAL_LIMIT;

use super::*;
use crate::policy::VAIN_LIMIT;
use crate::sources::SettingsError;

/// A home with users and a queue program that keeps what it gets.
struct TestHome {
    folder: tempfile::TempDir,
}

/// What a session did.
struct Said {
    exit: Exit,
    replies: Vec<String>,
    log: Vec<String>,
}

impl Said {
    /// The replies after the banner.
    fn after_banner(&self) -> Vec<&str> {
        self.replies[1..].iter().map(String::as_str).collect()
    }
}

/// A queue program that keeps what it gets, and exits as a file says.
fn queue_script(name: &str) -> String {
    format!(
        "#!/bin/sh\ncat >{name}.message; cat <&1 >{name}.envelope\n\
         test ! -e {name}.exit || exit $(cat {name}.exit)\n"
    )
}

impl TestHome {
    fn new() -> TestHome {
        let folder = tempfile::tempdir().expect("a folder");
        let place = TestHome { folder };
        fs::create_dir(place.path("control")).expect("made");
        fs::write(
            place.path("users"),
            "joe:x:7:7::/v/joe:\nann:x:7:7::/v/ann:\nbad:x\n",
        )
        .expect("written");
        for name in ["queue", "remote"] {
            crate::test_support::script(&place.path(name), &queue_script(name));
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read(self.path(name)).map_or(String::new(), |text| {
            String::from_utf8_lossy(&text).replace('\0', "|")
        })
    }

    fn accounts(&self) -> Accounts {
        let home = Home::at(self.folder.path().to_owned());
        Accounts::open(&home, vec![b"here.test".to_vec()]).expect("opened")
    }

    fn settings(&self) -> Settings {
        Settings {
            home: self.folder.path().to_owned(),
            greeting: b"mx.here.test".to_vec(),
            local: b"mx.here.test".to_vec(),
            local_ip: None,
            localiphost: b"here.test".to_vec(),
            client: Client {
                ip: b"192.0.2.1".to_vec(),
                host: b"client.test".to_vec(),
                info: None,
                relay: None,
                login: None,
            },
            hosts: Hosts {
                rcpthosts: None,
                more: KeyFile::default(),
                locals: HostList::new(vec![b"here.test".to_vec()]),
            },
            lists: Lists {
                senders: Patterns::new(vec![b"@spam.test".to_vec()]),
                ..Lists::default()
            },
            dnsbl: Dnsbl::default(),
            rcpt_check: None,
            plugins: None,
            limits: SessionLimits {
                timeout: Duration::from_secs(20),
                session: Duration::from_secs(60),
                databytes: 0,
                recipients: 1000,
                session_recipients: 10_000,
                bad_commands: 20,
                refused: 100,
                messages: 1000,
                tarpit_after: 0,
                tarpit: Duration::ZERO,
                hop_idle: Duration::from_secs(60),
                hop_silence: Duration::from_secs(60),
                queue: Duration::from_secs(60),
                discard: 1 << 30,
            },
            bare_lf: BareLf::Reject,
            transports: Transports::Two {
                local: program(&self.path("queue")),
                accounts: Some(Box::new(self.accounts())),
                remote: Some(program(&self.path("remote"))),
            },
            hop: nexthop::Settings::new(b"mx.here.test", None),
            terms: Terms::default(),
            auth: SmtpAuth::off(),
        }
    }

    fn external(&self) -> Settings {
        Settings {
            transports: Transports::One(program(&self.path("queue"))),
            ..self.settings()
        }
    }

    /// Sends all of `input` and the end, and reads what comes.
    fn talk_with(&self, settings: Settings, input: &[u8]) -> Said {
        let (server, mut client) = UnixStream::pair().expect("a pair");
        let conn = conn(server, &settings);
        let (log, lines) = log();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || {
            // The server may go away in the middle.
            let _ = client.write_all(&input);
            let _ = client.shutdown(std::net::Shutdown::Write);
            let mut text = Vec::new();
            let _ = client.read_to_end(&mut text);
            text
        });
        let exit = Session::new(conn, log, settings, means()).run();
        let text = writer.join().expect("joined");
        let text = String::from_utf8(text).expect("ASCII");
        assert!(text.is_empty() || text.ends_with("\r\n"), "{text:?}");
        Said {
            exit,
            replies: text.split_terminator("\r\n").map(str::to_owned).collect(),
            log: lines.borrow().clone(),
        }
    }

    fn talk(&self, input: &str) -> Said {
        self.talk_with(self.settings(), input.as_bytes())
    }
}

fn program(path: &Path) -> Transport {
    Transport::Program(Program::File(path.to_owned()))
}

fn means() -> Context {
    Context {
        env: Env::of_process(),
        settings: Box::new(|_| Err(SettingsError::NoQueue)),
        door: None,
    }
}

fn conn(server: UnixStream, settings: &Settings) -> Conn {
    let input = server.try_clone().expect("a copy").into();
    let limits = Limits {
        read: settings.limits.timeout,
        session_end: Instant::now() + settings.limits.session,
    };
    Conn::new(input, server.into(), limits)
}

type Lines = std::rc::Rc<std::cell::RefCell<Vec<String>>>;

fn log() -> (Log, Lines) {
    let lines = Lines::default();
    let into = lines.clone();
    let sink = move |line: &[u8]| {
        let text = String::from_utf8(line.to_vec()).expect("ASCII");
        into.borrow_mut().push(text.trim_end().to_owned());
        os::log::Said::Written
    };
    (Log::to("smtpd", Some(b"192.0.2.1"), Box::new(sink)), lines)
}

const TO_JOE: &str = "MAIL FROM:<s@x.test>\r\nRCPT TO:<joe@here.test>\r\nDATA\r\n";

fn message(text: &str) -> String {
    format!("{TO_JOE}{text}\r\n.\r\nQUIT\r\n")
}

/// The reply to the end of a message's data, after banner, 250, 250 and 354.
fn verdict(said: &Said) -> &str {
    said.replies.get(4).map_or("", String::as_str)
}
