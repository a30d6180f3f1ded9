//! A message for somebody here and for somebody elsewhere: both have it, or the client is not told 250. What
//! stays here is on the disk before the next host is asked for its word, and seen by nobody before that has
//! been given.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use kit::hop::{At, Does, Hop, PLACES};
use kit::place::files;
use kit::smtp::House;
use kit::{Client, DEADLINE, Server, libexec, script, signal};

const BOTH: [&str; 3] = ["joe@here.test", "x@far.test", "ann@here.test"];

/// More than pipes and sockets hold, or a short one.
fn text(lines: usize) -> String {
    let body = "0123456789abcdef\r\n".repeat(lines);
    format!("Subject: whole\r\n\r\n{body}end\r\n")
}

/// Says a line; the last line of its reply.
fn ask(client: &mut Client, line: &str) -> String {
    client.say(line);
    client.expect("").pop().unwrap()
}

/// A client that has said EHLO.
fn greeted(server: &Server) -> Client {
    let mut client = server.connect();
    client.dialogue("220 ", &[("EHLO client.test", "250 ")]);
    client
}

/// Everything up to the text; the last reply.
fn envelope(client: &mut Client, recipients: &[&str]) -> String {
    ask(client, "MAIL FROM:<s@far.test>");
    let mut any = false;
    for recipient in recipients {
        any |= ask(client, &format!("RCPT TO:<{recipient}>")).starts_with("250");
    }
    if any {
        ask(client, "DATA")
    } else {
        "503 nobody".to_owned()
    }
}

/// A message to its end, or to what refuses it; the last reply.
fn send(client: &mut Client, recipients: &[&str], lines: usize) -> String {
    let reply = envelope(client, recipients);
    if !reply.starts_with("354") {
        return reply;
    }
    client.send(format!("{}.\r\n", text(lines)));
    client.line()
}

/// Where local mail goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Here {
    /// By maildir-queue.
    Maildirs,
    /// By lmtpd.
    Lmtp,
}

/// A house whose clients may relay, with a way out.
struct Site {
    house: House,
    hop: Hop,
    /// For [`Here::Lmtp`].
    lmtp: Option<Server>,
    smtp: Server,
}

impl Site {
    fn new(here: Here, protocol: &str) -> Site {
        let house = House::new();
        let hop = Hop::start();
        house.control("remotequeue", &format!("{protocol}:{}", hop.address()));
        let lmtp = (here == Here::Lmtp).then(|| {
            let lmtp = house.smtp().handler([libexec().join("lmtpd")]).start();
            house.control("localqueue", &format!("lmtp:{}", lmtp.address()));
            lmtp
        });
        let smtp = house.smtp().env("RELAYCLIENT", "").start();
        Site {
            house,
            hop,
            lmtp,
            smtp,
        }
    }

    /// How many messages each user has, and how many the next host took.
    fn counts(&self) -> (usize, usize, usize) {
        let count = |user| self.house.mail(user).len();
        (count("joe"), count("ann"), self.hop.taken().len())
    }

    /// Files of deliveries that are under way, or were left behind.
    fn unfinished(&self) -> usize {
        self.house.unfinished("joe").len() + self.house.unfinished("ann").len()
    }

    fn wait_for_unfinished(&self, count: usize) {
        let deadline = Instant::now() + DEADLINE;
        while self.unfinished() != count {
            assert!(
                Instant::now() < deadline,
                "{} are there: {:?}",
                self.unfinished(),
                self.smtp.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn both_have_the_whole_message_once_and_each_server_hears_of_its_own_recipients() {
    for here in [Here::Maildirs, Here::Lmtp] {
        for protocol in ["smtp", "lmtp"] {
            let site = Site::new(here, protocol);
            let mut client = greeted(&site.smtp);
            for (count, lines) in [(1, 1), (2, 20_000), (3, 0)] {
                let reply = send(&mut client, &BOTH, lines);
                assert!(reply.starts_with("250 ok "), "{here:?} {protocol}: {reply}");
                assert_eq!(site.counts(), (count, count, count));
                let body = text(lines);
                assert!(site.hop.taken()[count - 1].ends_with(body.as_bytes()));
                let stored = body.replace("\r\n", "\n");
                for user in ["joe", "ann"] {
                    let mail = site.house.mail(user);
                    assert!(mail.iter().any(|mail| mail.ends_with(&stored)));
                }
                assert_eq!(site.hop.recipients()[count - 1], ["RCPT TO:<x@far.test>"]);
            }
            assert_eq!(site.unfinished(), 0);
            let accepted = site.smtp.wait_for("smtpd: accept ");
            assert!(accepted.contains(" rcpts=3 "), "{accepted}");
            // In chunks it is the same.
            for line in ["MAIL FROM:<s@far.test>", "RCPT TO:<joe@here.test>"] {
                assert_eq!(ask(&mut client, line), "250 ok");
            }
            assert_eq!(ask(&mut client, "RCPT TO:<x@far.test>"), "250 ok");
            client.send("BDAT 6\r\nabcd\r\nBDAT 4 LAST\r\nef\r\n");
            assert_eq!(client.line(), "250 ok, 6 octets");
            let reply = client.line();
            assert!(
                reply.starts_with("250 ok 1"),
                "{here:?} {protocol}: {reply}"
            );
            assert_eq!(site.counts(), (4, 3, 4));
        }
    }
}

/// Whether what is said in this place is said to the sender of this message and can be for good.
fn is_refusal_for_good(at: At, does: Does) -> bool {
    matches!(does, Does::Says(said) if said.starts_with('5'))
        && !matches!(at, At::Banner | At::Hello)
}

#[test]
fn whatever_the_next_host_does_what_stays_here_is_seen_when_it_has_taken_the_rest() {
    for here in [Here::Maildirs, Here::Lmtp] {
        let site = Site::new(here, "smtp");
        let mut expected = 0;
        for at in PLACES {
            for does in [
                Does::Says("451 4.3.0 later"),
                Does::Says("550 5.7.1 never"),
                Does::Says("421 4.3.2 good-bye"),
                Does::Says("rubbish"),
                Does::Closes,
            ] {
                let what = format!("{here:?} {at:?} {does:?}");
                site.hop.fails(at, does);
                let mut client = greeted(&site.smtp);
                let reply = send(&mut client, &BOTH, 10_000);
                assert!(site.hop.taken().is_empty(), "{what}");
                if matches!(at, At::Data | At::Text | At::End) {
                    let codes = if is_refusal_for_good(at, does) {
                        ['4', '5']
                    } else {
                        ['4', '4']
                    };
                    assert!(reply.starts_with(codes), "{what}: {reply}");
                } else {
                    // Its recipient was refused, and the others are served.
                    assert!(reply.starts_with("250 ok "), "{what}: {reply}");
                    expected += 1;
                }
                assert_eq!(site.counts(), (expected, expected, 0), "{what}");
                site.wait_for_unfinished(0);
                site.hop.recover();
                let reply = send(&mut client, &BOTH, 10_000);
                assert!(
                    reply.starts_with("250 ok "),
                    "{what}: {reply} {:?} {:?}",
                    site.smtp.log(),
                    site.lmtp.as_ref().map(Server::log)
                );
                expected += 1;
                assert_eq!(site.counts(), (expected, expected, 1), "{what}");
                assert_eq!(ask(&mut client, "QUIT"), "221 here.test", "{what}");
            }
        }
    }
}

#[test]
fn while_the_next_host_thinks_the_copies_are_on_the_disk_and_nobody_sees_them() {
    let site = Site::new(Here::Maildirs, "smtp");
    site.hop.fails(At::End, Does::Hangs);
    let mut client = greeted(&site.smtp);
    assert_eq!(envelope(&mut client, &BOTH), "354 go ahead");
    client.send(format!("{}.\r\n", text(10)));
    site.hop.wait_for_whole(1);
    assert_eq!(site.unfinished(), 2);
    let stored = text(10).replace("\r\n", "\n");
    for user in ["joe", "ann"] {
        let file = site.house.unfinished(user).pop().unwrap();
        assert!(fs::read_to_string(file).unwrap().ends_with(&stored));
    }
    assert!(client.is_silent_for(Duration::from_millis(500)));
    assert_eq!(site.counts(), (0, 0, 0));
    site.hop.wake();
    let reply = client.line();
    assert!(reply.starts_with("451 "), "{reply}");
    assert_eq!(site.counts(), (0, 0, 0));
    site.wait_for_unfinished(0);
}

/// The process that serves the `count`th connection of a server.
fn child_of(server: &Server, count: usize) -> u32 {
    let line = server.wait_for_nth(count, "superd: pid ");
    line.split(' ').nth(2).unwrap().parse().unwrap()
}

#[test]
fn smtpd_that_is_killed_while_the_next_host_thinks_has_shown_nothing() {
    for here in [Here::Maildirs, Here::Lmtp] {
        let site = Site::new(here, "smtp");
        site.hop.fails(At::End, Does::Hangs);
        let mut client = greeted(&site.smtp);
        assert_eq!(envelope(&mut client, &BOTH), "354 go ahead");
        client.send(format!("{}.\r\n", text(10)));
        site.hop.wait_for_whole(1);
        let pid = child_of(&site.smtp, 1);
        signal(pid, "KILL");
        site.smtp.wait_for(&format!("superd: end {pid} "));
        site.wait_for_unfinished(0);
        site.hop.recover();
        assert_eq!(site.counts(), (0, 0, 0), "{here:?}");
        let reply = send(&mut greeted(&site.smtp), &BOTH, 10);
        assert!(reply.starts_with("250 ok "), "{here:?}: {reply}");
        assert_eq!(site.counts(), (1, 1, 1), "{here:?}");
    }
}

/// The children of a process.
fn children(pid: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_ascii_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}

#[test]
fn whoever_delivers_here_and_is_killed_too_late_makes_the_message_come_again() {
    for here in [Here::Maildirs, Here::Lmtp] {
        let site = Site::new(here, "smtp");
        let mut client = greeted(&site.smtp);
        site.hop.fails(At::End, Does::Hangs);
        assert_eq!(envelope(&mut client, &BOTH), "354 go ahead");
        client.send(format!("{}.\r\n", text(10)));
        site.hop.wait_for_whole(1);
        let smtpd = child_of(&site.smtp, 1);
        let pid = match &site.lmtp {
            Some(lmtp) => child_of(lmtp, 1),
            None => children(smtpd)[0],
        };
        signal(pid, "KILL");
        // The host takes it, and that cannot be taken back.
        site.hop.takes_now();
        let reply = client.line();
        assert!(reply.starts_with("451 "), "{here:?}: {reply}");
        assert_eq!(site.counts(), (0, 0, 1), "{here:?}");
        site.smtp.wait_for("goes there again with the next try");
        let reply = send(&mut client, &BOTH, 10);
        assert!(reply.starts_with("250 ok "), "{here:?}: {reply}");
        assert_eq!(site.counts(), (1, 1, 2), "{here:?}");
    }
}

#[test]
fn what_cannot_be_delivered_here_does_not_go_out() {
    let site = Site::new(Here::Maildirs, "smtp");
    let filter = site.house.path("filter");
    site.house.control("filter", filter.to_str().unwrap());
    let mut client = greeted(&site.smtp);
    for (code, reply) in [("100", "554 "), ("111", "451 ")] {
        script(&filter, &format!("#!/bin/sh\nexit {code}\n"));
        let said = send(&mut client, &BOTH, 10);
        assert!(said.starts_with(reply), "{said}");
        assert_eq!(site.counts(), (0, 0, 0));
    }
    fs::remove_file(site.house.path("home/control/filter")).unwrap();
    site.house.control("quota", "3000S");
    let said = send(&mut client, &BOTH, 1000);
    assert!(said.starts_with("554 "), "{said}");
    assert_eq!((site.counts(), site.hop.whole()), ((0, 0, 0), 0));
    assert_eq!(site.unfinished(), 0);
}

#[test]
fn a_server_beside_us_that_refuses_after_it_went_out_is_told_of_by_name() {
    let site = Site::new(Here::Lmtp, "smtp");
    site.house.control("quota", "3000S");
    let mut client = greeted(&site.smtp);
    let reply = send(&mut client, &BOTH, 1000);
    assert!(
        reply.starts_with("552 ") && reply.ends_with("(for joe@here.test; others have it)"),
        "{reply} {:?}",
        site.smtp.log()
    );
    assert_eq!(site.counts(), (0, 0, 1));
}

#[test]
fn of_two_programs_the_one_here_is_told_the_end_when_the_other_has_taken_it() {
    let house = House::new();
    let queue = |name: &str, body: &str| {
        let path = house.path(name);
        script(&path, &format!("#!/bin/sh\n{body}\n"));
        house.control(name, path.to_str().unwrap());
    };
    let kept = house.own_dir("kept");
    let kept = kept.to_str().unwrap();
    queue(
        "localqueue",
        &format!(
            "cat >'{kept}/here'; cat <&1 >'{kept}/here.envelope'; test -e '{kept}/there.done' || exit 111"
        ),
    );
    queue(
        "remotequeue",
        &format!(
            "cat >'{kept}/there'; cat <&1 >'{kept}/there.envelope'; sleep 0.3; : >'{kept}/there.done'"
        ),
    );
    let server = house.smtp().env("RELAYCLIENT", "").start();
    let reply = send(&mut greeted(&server), &BOTH, 1000);
    assert!(reply.starts_with("250 ok "), "{reply} {:?}", server.log());
    let read = |name: &str| fs::read_to_string(Path::new(kept).join(name)).unwrap();
    assert_eq!(read("here"), read("there"));
    assert_eq!(
        read("here.envelope").replace('\0', "|"),
        "Fs@far.test|Tjoe@here.test|Tann@here.test||"
    );
    assert_eq!(
        read("there.envelope").replace('\0', "|"),
        "Fs@far.test|Tx@far.test||"
    );
}

#[test]
fn names_that_come_twice_aliases_and_a_thousand_recipients_get_one_copy_each() {
    for here in [Here::Maildirs, Here::Lmtp] {
        let site = Site::new(here, "smtp");
        fs::write(site.house.path("home/aliases"), "all: joe, ann\n").unwrap();
        let mut client = greeted(&site.smtp);
        let twice = [
            "joe@here.test",
            "x@far.test",
            "all@here.test",
            "X@FAR.test",
            "JOE@here.test",
            "x@far.test",
        ];
        let reply = send(&mut client, &twice, 1);
        assert!(reply.starts_with("250 ok "), "{here:?}: {reply}");
        assert_eq!(site.counts(), (1, 1, 1), "{here:?}");
        let many: Vec<String> = (0..499)
            .map(|number| format!("x{number}@far.test"))
            .collect();
        let mut names: Vec<&str> = many.iter().map(String::as_str).collect();
        names.extend(std::iter::repeat_n("joe@here.test", 501));
        let reply = send(&mut client, &names, 1);
        assert!(reply.starts_with("250 ok "), "{here:?}: {reply}");
        assert_eq!(site.counts(), (2, 1, 2), "{here:?}");
        assert_eq!(site.hop.recipients()[1].len(), 499);
        // One more is too many, whichever way he goes.
        ask(&mut client, "MAIL FROM:<s@far.test>");
        for name in &names {
            assert_eq!(ask(&mut client, &format!("RCPT TO:<{name}>")), "250 ok");
        }
        for name in ["y@far.test", "ann@here.test"] {
            let reply = ask(&mut client, &format!("RCPT TO:<{name}>"));
            assert_eq!(reply, "452 too many recipients (#4.5.3)");
        }
    }
}

#[test]
fn a_client_that_goes_in_the_middle_has_sent_nothing_to_anybody() {
    for here in [Here::Maildirs, Here::Lmtp] {
        let site = Site::new(here, "lmtp");
        for count in 1..3 {
            let mut client = greeted(&site.smtp);
            assert_eq!(envelope(&mut client, &BOTH), "354 go ahead");
            let text = text(20_000);
            client.send(&text[..text.len() / 2]);
            drop(client);
            site.hop.wait_for_cut(count);
            site.smtp.wait_for_nth(count, "smtpd: end ");
        }
        site.wait_for_unfinished(0);
        assert_eq!((site.counts(), site.hop.whole()), ((0, 0, 0), 0));
        assert!(files(&site.house.path("joe")).is_empty());
    }
}
