//! Random walks of a stranger behind a proxy: whatever it says, in whatever order, it sends to nobody
//! elsewhere unless somebody has logged in since the last switch of the link.
//!
//! What is expected is told by a model of three bits, which knows nothing of the session's own state.

use std::rc::Rc;

use chain::tls::Started;
use sasl::Mechanism;

use super::*;

const STEPS: usize = 60;
const WALKS: u64 = 300;

/// Numbers that look random and are the same each time (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).expect("small")
    }
}

/// What should be so.
#[derive(Debug, Default)]
struct Model {
    /// The proxy has said whom it speaks for.
    introduced: bool,
    /// Somebody has logged in.
    login: bool,
    /// A transaction has begun.
    mail: bool,
}

impl Model {
    fn may_relay(&self) -> bool {
        // Until then the proxy sends for itself, and its rule lets it.
        !self.introduced || self.login
    }
}

/// A session and the other end of its link.
struct Talk {
    session: Session,
    client: UnixStream,
}

impl Talk {
    fn begin(place: &Rc<TestHome>) -> Talk {
        let (server, client) = UnixStream::pair().expect("a pair");
        let mut settings = unlimited(place);
        settings.client.relay = Some(Vec::new());
        settings.terms.xclient = true;
        let conn = conn(server, &settings);
        let env = [
            ("TCPREMOTEIP", "192.0.2.25"),
            ("RELAYCLIENT", ""),
            ("XCLIENT", ""),
        ];
        let place = Rc::clone(place);
        let context = Context {
            env: env.into_iter().collect(),
            settings: Box::new(move |env| {
                let mut settings = unlimited(&place);
                settings.client.ip = env.bytes("TCPREMOTEIP").unwrap_or(b"unknown").to_vec();
                settings.client.relay = env.bytes("RELAYCLIENT").map(<[u8]>::to_vec);
                settings.terms.xclient = env.get("XCLIENT").is_some();
                Ok(settings)
            }),
            door: None,
        };
        let mut session = Session::new(conn, log().0, settings, context);
        assert!(session.open());
        Talk { session, client }
    }

    /// Says all these lines at once; the code of the reply to each.
    fn say(&mut self, lines: &[&str]) -> Vec<String> {
        let text: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        self.client.write_all(text.as_bytes()).expect("sent");
        lines.iter().map(|_| self.answer()).collect()
    }

    fn answer(&mut self) -> String {
        let next = self.session.next(&mut Vec::new());
        assert_eq!(next, Next::Continue, "the walk has nothing that ends it");
        self.code()
    }

    /// The code of the reply to the line that ends the session.
    fn last_words(&mut self, line: &str) -> String {
        let line = format!("{line}\r\n");
        self.client.write_all(line.as_bytes()).expect("sent");
        assert_eq!(self.session.next(&mut Vec::new()), Next::Close);
        self.code()
    }

    /// The code of what is said now.
    fn code(&mut self) -> String {
        self.session.dialogue.conn.flush().expect("written");
        let mut reply = [0; 4096];
        let count = self.client.read(&mut reply).expect("read");
        String::from_utf8_lossy(&reply[..count.min(3)]).into_owned()
    }

    fn encrypt(&mut self) {
        let (server, client) = UnixStream::pair().expect("a pair");
        self.client = client;
        self.session.encrypted(Started {
            input: server.try_clone().expect("a copy").into(),
            output: server.into(),
            variables: b"SSL_PROTOCOL=TLSv1.3\0\0".to_vec(),
        });
    }
}

fn unlimited(place: &TestHome) -> Settings {
    let mut settings = place.settings();
    let limits = &mut settings.limits;
    (limits.bad_commands, limits.refused, limits.messages) = (0, 0, 0);
    settings
}

/// One step of a walk, which ends in a recipient elsewhere.
fn step(dice: &mut Dice, talk: &mut Talk, model: &mut Model) -> String {
    match dice.below(12) {
        0 => {
            talk.say(&[["EHLO a", "HELO b"][dice.below(2)]]);
            model.mail = false;
            "greets".to_owned()
        }
        1 => {
            talk.say(&["RSET"]);
            model.mail = false;
            "resets".to_owned()
        }
        2 => {
            talk.say(&["NOOP"]);
            "waits".to_owned()
        }
        // The program that encrypts is not there; its part is played here.
        3 if !model.mail => {
            talk.encrypt();
            model.login = false;
            "encrypts".to_owned()
        }
        4 if !model.mail && !model.login => {
            // As after a checker's yes.
            talk.session.log_in(b"joe".to_vec(), Mechanism::Plain);
            assert_eq!(talk.code(), "235");
            model.login = true;
            "logs in".to_owned()
        }
        5 => {
            assert_eq!(talk.say(&["AUTH PLAIN AGpvZQB4"]), ["502"]);
            "tries to log in".to_owned()
        }
        _ => {
            let codes = talk.say(&["MAIL FROM:<s@x.test>", "RCPT TO:<joe@here.test>"]);
            assert_eq!(codes, ["250", "250"]);
            model.mail = true;
            "begins".to_owned()
        }
    }
}

/// Names a recipient elsewhere; whether he was taken.
fn reaches_elsewhere(talk: &mut Talk, model: &mut Model) -> bool {
    let codes = talk.say(&["RSET", "MAIL FROM:<s@x.test>", "RCPT TO:<x@far.test>"]);
    model.mail = true;
    codes[2] == "250"
}

#[test]
fn a_stranger_behind_a_proxy_reaches_nobody_elsewhere_whatever_it_says() {
    let place = Rc::new(TestHome::new());
    for seed in 1..=WALKS {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut talk = Talk::begin(&place);
        let mut model = Model::default();
        let mut path = Vec::new();
        // A proxy greets, and may encrypt, and then tells.
        for _ in 0..dice.below(3) {
            match dice.below(3) {
                0 => talk.encrypt(),
                1 => drop(talk.say(&["EHLO proxy"])),
                _ => drop(talk.say(&["RSET"])),
            }
        }
        if dice.below(8) > 0 {
            let login = dice.below(4) == 0;
            let said = match (login, dice.below(2)) {
                (false, 0) => vec!["XCLIENT HELO=h", "XCLIENT ADDR=203.0.113.7"],
                (false, _) => vec!["XCLIENT NAME=a.test ADDR=203.0.113.7"],
                (true, 0) => vec!["XCLIENT LOGIN=joe", "XCLIENT ADDR=203.0.113.7"],
                (true, _) => vec!["XCLIENT ADDR=203.0.113.7 LOGIN=joe"],
            };
            assert!(talk.say(&said).iter().all(|code| code == "220"));
            (model.introduced, model.login) = (true, login);
            path.push(said.join(", "));
        } else {
            // It sends for itself, and is nobody's proxy any more.
            assert!(reaches_elsewhere(&mut talk, &mut model), "{seed}");
        }
        for _ in 0..STEPS {
            path.push(step(&mut dice, &mut talk, &mut model));
            if dice.below(3) == 0 {
                let expected = model.may_relay();
                let is_taken = reaches_elsewhere(&mut talk, &mut model);
                assert_eq!(is_taken, expected, "walk {seed}: {path:?}");
            }
        }
        // It ends when somebody says who he is.
        let said = [
            "XCLIENT LOGIN=hashed",
            "XCLIENT ADDR=127.0.0.1",
            "XCLIENT ADDR=127.0.0.1 LOGIN=joe",
            "XCLIENT",
        ][dice.below(4)];
        assert_eq!(talk.last_words(said), "503", "walk {seed}: {path:?}");
    }
}
