use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use auth::{Offers, Secret};
use os::log::Said;

use super::*;

pub(crate) const PROTOCOL: Protocol = Protocol {
    dialogue: |_| unreachable!("nobody speaks here"),
    usage: b"",
    permanent: b"",
    temporary: b"",
    failed: |_, _| Vec::new(),
    note: "NOTE",
    user: Some("WHO"),
    how: None,
    hide: None,
};

type Lines = Rc<RefCell<Vec<String>>>;

/// Lets joe in with `sekrit`, and tells what it was asked.
#[derive(Default)]
struct Joe {
    asked: Rc<RefCell<Vec<(Attempt, Env)>>>,
}

impl Judge for Joe {
    fn offers(&self) -> Offers {
        Offers {
            password: true,
            apop: true,
            cram: true,
        }
    }

    fn gives_identity(&self) -> bool {
        true
    }

    fn check(&self, attempt: &Attempt, env: &Env) -> Verdict {
        if attempt.login == b"hangs" {
            std::thread::sleep(Duration::from_secs(60));
        }
        self.asked.borrow_mut().push((attempt.clone(), env.clone()));
        match (&attempt.login[..], &attempt.proof) {
            (b"joe", Proof::Password(secret)) if secret.expose() == b"sekrit" => {
                Verdict::Yes(Entry {
                    user: b"joseph".to_vec(),
                    identity: None,
                    variables: Vec::new(),
                })
            }
            (b"later", _) => Verdict::Temporary("the disk is full".to_owned()),
            (b"never", _) => Verdict::Permanent("no such scheme".to_owned()),
            _ => Verdict::No("wrong password".to_owned()),
        }
    }
}

struct Place {
    desk: Desk,
    log: Log,
    lines: Lines,
    asked: Rc<RefCell<Vec<(Attempt, Env)>>>,
}

fn place(tries: u32, require_tls: bool) -> Place {
    let call = Call {
        name: "popup".to_owned(),
        args: Vec::new(),
        env: Env::default(),
        ahead: Vec::new(),
        applets: &[],
    };
    let settings = Settings {
        tries,
        require_tls,
        ..Settings::read(&Env::default()).expect("defaults")
    };
    let challenges = Challenges {
        apop: b"<a>".to_vec(),
        cram: b"<c>".to_vec(),
    };
    let judge = Joe::default();
    let asked = judge.asked.clone();
    let mut desk = Desk::new(
        Way::Ours(Box::new(judge)),
        call,
        challenges,
        &settings,
        false,
    );
    desk.backoff = Backoff::LOGIN.with_unit(Duration::from_millis(10));
    let lines = Lines::default();
    let into = lines.clone();
    let sink = move |line: &[u8]| {
        into.borrow_mut()
            .push(String::from_utf8(line.to_vec()).expect("ASCII"));
        Said::Written
    };
    let log = Log::to("popup", Some(b"192.0.2.1"), Box::new(sink));
    Place {
        desk,
        log,
        lines,
        asked,
    }
}

fn login(method: Method, name: &[u8], secret: &[u8]) -> Login {
    Login {
        method,
        name: name.to_vec(),
        secret: Secret::new(secret),
        note: Vec::new(),
    }
}

impl Place {
    fn tried(&mut self, method: Method, name: &[u8], secret: &[u8]) -> Decision {
        let login = login(method, name, secret);
        self.desk.decide(login, &PROTOCOL, &mut self.log)
    }

    fn refusal(&mut self, method: Method, name: &[u8], secret: &[u8]) -> Answer {
        match self.tried(method, name, secret) {
            Decision::Refused(answer) => answer,
            other => panic!("{other:?}"),
        }
    }

    fn said(&self) -> Vec<String> {
        self.lines.take()
    }
}

#[test]
fn a_login_has_one_line_that_names_typed_name_method_and_link() {
    let mut place = place(5, false);
    let decision = place.tried(Method::User, b"joe", b"sekrit");
    assert!(matches!(decision, Decision::Enter(entry) if entry.user == b"joseph"));
    place.desk.tls_started(b"SSL_PROTOCOL=TLSv1.3\0\0");
    place.tried(Method::Plain, b"joe", b"sekrit");
    assert_eq!(
        place.said(),
        [
            "popup: login ip=192.0.2.1 user=joe method=user tls=no account=joseph\n",
            "popup: login ip=192.0.2.1 user=joe method=plain tls=TLSv1.3 account=joseph\n",
        ]
    );
}

#[test]
fn a_refusal_has_one_line_with_its_reason_and_without_the_secret() {
    let mut place = place(0, false);
    for (name, why) in [
        (&b"joe"[..], Refusal::Credentials),
        (b"later", Refusal::Temporary),
        (b"never", Refusal::Permanent),
    ] {
        let answer = place.refusal(Method::User, name, b"guess");
        assert_eq!(answer, Answer { why, last: false });
    }
    let lines = place.said();
    assert_eq!(
        lines,
        [
            "popup: fail ip=192.0.2.1 user=joe method=user reason=\"wrong password\"\n",
            "popup: fault ip=192.0.2.1 user=later method=user reason=\"the disk is full\"\n",
            "popup: fault ip=192.0.2.1 user=never method=user reason=\"no such scheme\"\n",
        ]
    );
}

#[test]
fn each_failure_is_answered_later_than_the_one_before() {
    let mut place = place(0, false);
    for units in [1, 2, 4, 8, 15, 15] {
        let start = Instant::now();
        place.refusal(Method::User, b"joe", b"guess");
        let took = start.elapsed();
        let delay = Duration::from_millis(10) * units;
        assert!(took >= delay, "{took:?} for {units}");
        assert!(
            took < delay + Duration::from_millis(500),
            "{took:?} for {units}"
        );
    }
}

#[test]
fn the_last_try_is_said_to_be_the_last_and_none_is_with_zero() {
    let mut limited = place(2, false);
    assert!(!limited.refusal(Method::User, b"joe", b"1").last);
    assert!(limited.refusal(Method::User, b"joe", b"2").last);
    let mut unlimited = place(0, false);
    unlimited.desk.backoff = Backoff::LOGIN.with_unit(Duration::ZERO);
    assert!((0..50).all(|_| !unlimited.refusal(Method::User, b"joe", b"1").last));
}

#[test]
fn the_checker_gets_the_challenge_of_this_side_and_learns_the_method() {
    let mut place = place(0, false);
    place.desk.backoff = Backoff::LOGIN.with_unit(Duration::ZERO);
    let digest = b"0123456789abcdef0123456789abcdef";
    place.refusal(Method::Apop, b"joe", digest);
    place.refusal(Method::CramMd5, b"joe", digest);
    place.refusal(Method::Login, b"joe", b"x");
    let asked = place.asked.borrow();
    let told: Vec<_> = asked
        .iter()
        .map(|(attempt, env)| (&attempt.challenge[..], env.bytes("AUTH").expect("set")))
        .collect();
    assert_eq!(
        told,
        [
            (&b"<a>"[..], &b"apop"[..]),
            (b"<c>", b"cram"),
            (b"<a>", b"pop")
        ]
    );
    assert_eq!(
        asked[0].0.proof,
        Proof::Apop {
            digest: digest.to_vec()
        }
    );
}

#[test]
fn the_note_of_one_login_is_not_that_of_the_next() {
    let mut place = place(0, false);
    place.desk.backoff = Backoff::LOGIN.with_unit(Duration::ZERO);
    let noted = Login {
        note: b"1".to_vec(),
        ..login(Method::User, b"joe", b"x")
    };
    place.desk.decide(noted, &PROTOCOL, &mut place.log);
    place.refusal(Method::User, b"joe", b"x");
    let asked = place.asked.borrow();
    assert_eq!(asked[0].1.bytes("NOTE"), Some(&b"1"[..]));
    assert_eq!(asked[1].1.bytes("NOTE"), None);
}

#[test]
fn the_checker_and_what_follows_it_find_the_name_that_was_typed() {
    let mut place = place(0, false);
    place.desk.backoff = Backoff::LOGIN.with_unit(Duration::ZERO);
    place.refusal(Method::User, b"ann", b"x");
    place.refusal(Method::User, b"joe", b"x");
    let asked = place.asked.borrow();
    let who: Vec<_> = asked.iter().map(|(_, env)| env.bytes("WHO")).collect();
    assert_eq!(who, [Some(&b"ann"[..]), Some(b"joe")]);
}

#[test]
fn more_than_a_record_can_hold_is_refused_like_a_wrong_password() {
    let mut place = place(0, false);
    place.desk.backoff = Backoff::LOGIN.with_unit(Duration::ZERO);
    let fits = auth::attempt::RECORD_LIMIT - b"joe\0\0<a>\0".len();
    place.refusal(Method::User, b"joe", &vec![b'x'; fits]);
    assert_eq!(place.asked.borrow().len(), 1);
    let answer = place.refusal(Method::User, b"joe", &vec![b'x'; fits + 1]);
    assert_eq!(answer.why, Refusal::Credentials);
    assert_eq!(place.asked.borrow().len(), 1, "the checker is not asked");
}

#[test]
fn a_password_in_the_clear_is_refused_on_this_side_too() {
    let mut place = place(0, true);
    place.desk.backoff = Backoff::LOGIN.with_unit(Duration::ZERO);
    let answer = place.refusal(Method::Plain, b"joe", b"sekrit");
    assert_eq!(answer.why, Refusal::Credentials);
    assert!(place.asked.borrow().is_empty());
    place.refusal(Method::Apop, b"joe", b"x");
    assert_eq!(place.asked.borrow().len(), 1);
    place.desk.tls_started(b"\0\0");
    let decision = place.tried(Method::Plain, b"joe", b"sekrit");
    assert!(matches!(decision, Decision::Enter(_)));
}

/// Names the part of a test that a process of its own does; without it that part has nothing to do.
const PART: &str = "FRONT_DESK_PART";

fn is_part(name: &str) -> bool {
    std::env::var_os(PART).is_some_and(|part| part == name)
}

#[test]
fn a_check_that_hangs_ends_the_process_and_one_that_does_not_leaves_no_alarm() {
    use std::os::unix::process::ExitStatusExt;
    let ended = |name: &str| {
        let test = format!("desk::tests::{name}");
        std::process::Command::new(std::env::current_exe().expect("this program"))
            .args(["--quiet", "--exact", &test])
            .env(PART, name)
            .stdout(std::process::Stdio::null())
            .status()
            .expect("started")
    };
    const SIGALRM: i32 = 14;
    let start = Instant::now();
    assert_eq!(ended("hangs_in_a_check").signal(), Some(SIGALRM));
    assert!(start.elapsed() < Duration::from_secs(30));
    assert_eq!(ended("outlives_a_check").code(), Some(0));
}

#[test]
fn hangs_in_a_check() {
    if !is_part("hangs_in_a_check") {
        return;
    }
    let mut place = place(0, false);
    place.desk.bound = || os::process::alarm(1);
    place.refusal(Method::User, b"hangs", b"x");
}

#[test]
fn outlives_a_check() {
    if !is_part("outlives_a_check") {
        return;
    }
    let mut place = place(0, false);
    place.desk.bound = || os::process::alarm(1);
    place.refusal(Method::User, b"joe", b"x");
    place.tried(Method::User, b"joe", b"sekrit");
    std::thread::sleep(Duration::from_millis(1300));
}
