//! The promise behind every 250: the next host has said it before. Whatever it does otherwise (refuses, breaks
//! off, hangs, is killed or was never there) the client learns of it and sends again, and nothing has come twice
//! without that.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use kit::hop::{At, Does, Hop, PLACES};
use kit::place::files;
use kit::pop3::{Office, with_system_users};
use kit::smtp::House;
use kit::{Client, Run, Server, libexec, script, signal};

/// Enough that a host which reads no more is noticed in its middle.
const LINES: usize = 20_000;

fn text() -> String {
    format!(
        "Subject: whole\r\n\r\n{}",
        "0123456789abcdef\r\n".repeat(LINES)
    )
}

/// A client that has said EHLO.
fn greeted(server: &Server) -> Client {
    let mut client = server.connect();
    client.dialogue("220 ", &[("EHLO client.test", "250 ")]);
    client
}

/// Says a line; the last line of its reply.
fn ask(client: &mut Client, line: &str) -> String {
    client.say(line);
    client.expect("").pop().unwrap()
}

/// All replies to a message, to the first refusal that leaves nothing to do.
fn send(client: &mut Client, recipients: &[&str], text: &str) -> Vec<String> {
    let mut replies = vec![ask(client, "MAIL FROM:<s@far.test>")];
    let mut any = false;
    for recipient in recipients {
        let reply = ask(client, &format!("RCPT TO:<{recipient}>"));
        any |= reply.starts_with("250");
        replies.push(reply);
    }
    if any {
        replies.push(ask(client, "DATA"));
        if replies.last().unwrap().starts_with("354") {
            client.send(format!("{text}.\r\n"));
            replies.push(client.line());
        }
    }
    replies
}

fn last(replies: &[String]) -> &str {
    replies.last().unwrap()
}

/// What the client may be told where the host does this.
fn is_right(at: At, does: Does, reply: &str) -> bool {
    match does {
        // What it says before it knows a message is not about that message.
        Does::Says(said)
            if said.starts_with('5') && !matches!(at, At::Banner | At::Hello | At::Text) =>
        {
            reply.starts_with('5')
        }
        // It is heard if it comes before the rest of the text is refused.
        Does::Says(said) if said.starts_with('5') && matches!(at, At::Text) => {
            reply.starts_with(['4', '5']) && !reply.starts_with("421")
        }
        // The session with the client goes on, so 421 is not for it.
        _ => reply.starts_with('4') && !reply.starts_with("421"),
    }
}

#[test]
fn whatever_the_next_host_does_nobody_is_told_250_before_it_has_said_so() {
    let house = House::new();
    let hop = Hop::start();
    let server = house.smtp().start();
    let mut sent = 0;
    for protocol in ["smtp", "lmtp"] {
        house.control("localqueue", &format!("{protocol}:{}", hop.address()));
        for at in PLACES {
            for does in [
                Does::Says("451 4.3.0 later"),
                Does::Says("550 5.7.1 never"),
                Does::Says("421 4.3.2 good-bye"),
                Does::Says("rubbish"),
                Does::Closes,
            ] {
                let what = format!("{protocol} {at:?} {does:?}");
                hop.fails(at, does);
                let mut client = greeted(&server);
                let replies = send(&mut client, &["joe@here.test"], &text());
                assert!(is_right(at, does, last(&replies)), "{what}: {replies:?}");
                assert!(hop.taken().is_empty(), "{what}");
                hop.recover();
                // The same session has the next message taken, whole and once.
                let replies = send(&mut client, &["joe@here.test"], &text());
                sent += 1;
                assert!(
                    last(&replies).starts_with("250 ok "),
                    "{what}: {replies:?} {:?}",
                    server.log()
                );
                assert_eq!(hop.taken().len(), 1, "{what}");
                assert!(hop.taken()[0].ends_with(text().as_bytes()), "{what}");
                assert_eq!(ask(&mut client, "QUIT"), "221 here.test", "{what}");
            }
        }
    }
    server.wait_for_nth(sent, "smtpd: accept ");
    server.wait_for_nth(sent, "smtpd: end ");
    let accepted = server
        .log()
        .iter()
        .filter(|line| line.contains("smtpd: accept "))
        .count();
    assert_eq!(accepted, sent);
}

#[test]
fn as_long_as_the_next_host_is_silent_so_is_smtpd() {
    let house = House::new();
    let server = house.smtp().start();
    std::thread::scope(|scope| {
        for protocol in ["smtp", "lmtp"] {
            let hop = Hop::start();
            house.control("localqueue", &format!("{protocol}:{}", hop.address()));
            let mut clients = Vec::new();
            for at in PLACES {
                let hop = Hop::start();
                house.control("localqueue", &format!("{protocol}:{}", hop.address()));
                hop.fails(at, Does::Hangs);
                clients.push((at, hop, greeted(&server)));
            }
            for (at, hop, mut client) in clients {
                scope.spawn(move || {
                    let steps: &[&str] = match at {
                        At::Banner | At::Hello | At::Mail | At::Rcpt => &["MAIL FROM:<s@far.test>"],
                        At::Data => &["MAIL FROM:<s@far.test>", "RCPT TO:<joe@here.test>"],
                        At::Text | At::End => {
                            &["MAIL FROM:<s@far.test>", "RCPT TO:<joe@here.test>", "DATA"]
                        }
                    };
                    for step in steps {
                        ask(&mut client, step);
                    }
                    match steps.len() {
                        1 => client.say("RCPT TO:<joe@here.test>"),
                        2 => client.say("DATA"),
                        _ => client.send_aside(format!("{}.\r\n", text()).into_bytes()),
                    }
                    assert!(
                        client.is_silent_for(Duration::from_millis(1500)),
                        "{protocol} {at:?}"
                    );
                    hop.wake();
                    let reply = client.line();
                    assert!(reply.starts_with("451 "), "{protocol} {at:?}: {reply}");
                    assert!(hop.taken().is_empty());
                });
            }
        }
    });
}

#[test]
fn a_client_that_goes_in_the_middle_leaves_the_next_host_without_a_message() {
    let house = House::new();
    let hop = Hop::start();
    let server = house.smtp().start();
    for (round, protocol) in ["smtp", "lmtp"].into_iter().enumerate() {
        house.control("localqueue", &format!("{protocol}:{}", hop.address()));
        for (kind, reset) in [false, true].into_iter().enumerate() {
            let mut client = greeted(&server);
            for line in ["MAIL FROM:<s@far.test>", "RCPT TO:<joe@here.test>", "DATA"] {
                ask(&mut client, line);
            }
            let text = text();
            client.send(&text[..text.len() / 2]);
            if reset {
                client.reset();
            } else {
                drop(client);
            }
            hop.wait_for_cut(2 * round + kind + 1);
        }
    }
    assert_eq!(hop.whole(), 0);
}

#[test]
fn a_next_host_that_is_not_there_refuses_nobody_for_good() {
    let house = House::new();
    let server = house.smtp().start();
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for way in [
        format!("smtp:{closed}"),
        format!("lmtp:{closed}"),
        format!("submission:{closed}"),
        format!("smtps:{closed}"),
        "lmtp:unix:/nonexistent/lmtp".to_owned(),
        "lmtp:unix:/etc/passwd".to_owned(),
    ] {
        house.control("localqueue", &way);
        let mut client = greeted(&server);
        let replies = send(&mut client, &["joe@here.test"], "x\r\n");
        let told = "451 unable to reach the next host, please try again later (#4.4.1)";
        assert_eq!(replies, ["250 ok", told], "{way}");
        server.wait_for(&format!("unable to connect to {way}"));
    }
    // A way that is none ends every session before it begins.
    for way in [
        "lmpt:127.0.0.1",
        "smtp:",
        "smtp:127.0.0.1:0",
        "smtp:unix:/x",
    ] {
        house.control("localqueue", way);
        assert_eq!(
            server.talk(),
            "421 unable to read controls (#4.3.0)\r\n",
            "{way}"
        );
    }
}

/// lmtpd by TCP, as who owns the house, and smtpd in front of it.
fn two_servers(house: &House) -> (Server, Server) {
    let lmtp = house.smtp().handler([libexec().join("lmtpd")]).start();
    house.control("localqueue", &format!("lmtp:{}", lmtp.address()));
    (lmtp, house.smtp().start())
}

/// The process that serves the `count`th connection of a server.
fn child_of(server: &Server, count: usize) -> u32 {
    let line = server.wait_for_nth(count, "superd: pid ");
    line.split(' ').nth(2).unwrap().parse().unwrap()
}

#[test]
fn a_next_host_that_is_killed_has_no_half_of_a_message_and_the_client_sends_again() {
    let house = House::new();
    let (lmtp, smtp) = two_servers(&house);
    let text = text();
    let (first, second) = text.split_at(text.len() / 2);
    for (round, at) in [At::Rcpt, At::Data, At::Text, At::End]
        .into_iter()
        .enumerate()
    {
        let mut client = greeted(&smtp);
        ask(&mut client, "MAIL FROM:<s@far.test>");
        assert_eq!(ask(&mut client, "RCPT TO:<joe@here.test>"), "250 ok");
        let pid = child_of(&lmtp, 2 * round + 1);
        let kill = || {
            signal(pid, "KILL");
            lmtp.wait_for(&format!("superd: end {pid} "));
        };
        if at == At::Rcpt {
            kill();
        }
        let mut reply = ask(&mut client, "DATA");
        if at == At::Rcpt {
            assert!(reply.starts_with("451 "), "{at:?}: {reply}");
        } else {
            assert_eq!(reply, "354 go ahead", "{at:?}");
            if at == At::Data {
                kill();
            }
            client.send(first);
            match at {
                At::Text => kill(),
                At::End => signal(pid, "STOP"),
                _ => {}
            }
            client.send_aside(format!("{second}.\r\n").into_bytes());
            if at == At::End {
                assert!(client.is_silent_for(Duration::from_millis(700)));
                kill();
            }
            reply = client.line();
            assert!(reply.starts_with("451 "), "{at:?}: {reply}");
        }
        assert_eq!(house.mail("joe").len(), round, "{at:?}");
        let replies = send(&mut client, &["joe@here.test"], &text);
        assert!(last(&replies).starts_with("250 ok "), "{at:?}: {replies:?}");
        let mail = house.mail("joe");
        assert_eq!(mail.len(), round + 1, "{at:?}");
        let stored = text.replace("\r\n", "\n");
        assert!(mail.iter().all(|mail| mail.ends_with(&stored)), "{at:?}");
        assert_eq!(ask(&mut client, "QUIT"), "221 here.test");
        lmtp.wait_for_nth(2 * (round + 1), "superd: end ");
    }
}

#[test]
fn one_of_several_recipients_who_cannot_be_served_is_told_and_the_others_have_it() {
    if !with_system_users("several recipients by lmtpd as the next host") {
        return;
    }
    let office = Office::new();
    fs::write(office.path("home/control/me"), "here.test\n").unwrap();
    let lmtp = office.serve(&["lmtpd"]).start();
    let control = |name: &str, text: &str| {
        fs::write(office.path("home/control").join(name), format!("{text}\n")).unwrap();
    };
    control("localqueue", &format!("lmtp:{}", lmtp.address()));
    let smtp = office
        .serve(&["smtpd"])
        .options(["-u54399", "-g54399"])
        .start();
    let mail = |user: &str| files(&office.maildir(user).join("new")).len();
    let both = ["joe@here.test", "ann@here.test"];
    let short = "Subject: x\r\n\r\nx\r\n";
    // Settings are read when a session begins, so each message has one.
    let replies = send(&mut greeted(&smtp), &both, short);
    assert!(last(&replies).starts_with("250 ok "), "{replies:?}");
    assert_eq!((mail("joe"), mail("ann")), (1, 1));

    // For good: a filter of hers wants none of it.
    control("filter", ".filter");
    let filter = office.path("ann/.filter");
    script(&filter, "#!/bin/sh\nexit 100\n");
    office.give("ann", &filter);
    let replies = send(&mut greeted(&smtp), &both, short);
    let reply = last(&replies);
    assert!(
        reply.starts_with('5') && reply.contains("ann@here.test"),
        "{replies:?}"
    );
    assert_eq!((mail("joe"), mail("ann")), (2, 1));
    fs::remove_file(office.path("home/control/filter")).unwrap();

    // For now: her directory cannot be written to. He has it twice once she can, after a 451.
    let tmp = office.maildir("ann").join("tmp");
    let set_mode = |mode: &str| {
        let done = Run::new("chmod").arg(mode).arg(&tmp).done();
        assert_eq!(done.code, Some(0), "{}", done.err());
    };
    set_mode("0500");
    let replies = send(&mut greeted(&smtp), &both, short);
    assert!(
        last(&replies).starts_with("451 "),
        "{replies:?} {:?}",
        lmtp.log()
    );
    assert_eq!((mail("joe"), mail("ann")), (3, 1));
    set_mode("0700");
    let replies = send(&mut greeted(&smtp), &both, short);
    assert!(last(&replies).starts_with("250 ok "), "{replies:?}");
    assert_eq!((mail("joe"), mail("ann")), (4, 2));

    // A mailbox that is full is told by the one who knows it, at RCPT or after the message.
    control("quota", "3000S");
    let long = format!("Subject: x\r\n\r\n{}", "0123456789abcdef\r\n".repeat(300));
    let replies = send(&mut greeted(&smtp), &["ann@here.test"], &long);
    assert!(last(&replies).starts_with("552 "), "{replies:?}");
    assert_eq!((mail("joe"), mail("ann")), (4, 2));
    smtp.wait_for("1 of 2 recipients were not served: ann@here.test");
}

/// Where programs of a house are.
fn program(house: &House, name: &str, text: &str) -> PathBuf {
    let path = house.path(name);
    script(&path, text);
    path
}

#[test]
fn a_queue_program_says_by_its_exit_code_what_becomes_of_a_message() {
    let house = House::new();
    let kept = house.own_dir("kept");
    let queue = program(
        &house,
        "queue",
        &format!(
            "#!/bin/sh\ncat >'{0}/'$$ || exit 54\nexec 9<&1\nenvelope=$(cat <&9 | tr '\\000' '|')\n\
             case $envelope in Fs@far.test\\|T*\\|\\|) ;; *) exit 91;; esac\n\
             case $envelope in\n*Tkill@*) kill -9 $$;;\n*Tsay@*) echo 'Z not today (#4.7.0)' >&6; exit 82;;\n\
             *Tnever@*) echo 'D5.7.1 never' >&6; exit 82;;\n\
             *T[0-9]*) code=${{envelope#*|T}}; exit ${{code%%@*}};;\nesac\n",
            kept.display()
        ),
    );
    house.control("localqueue", &queue.display().to_string());
    let server = house.smtp().start();
    let mut client = greeted(&server);
    for (user, reply) in [
        ("joe", "250 ok "),
        (
            "31",
            "554 mail server permanently rejected message (#5.3.0)",
        ),
        ("53", "451 qq write error or disk full (#4.3.0)"),
        (
            "71",
            "451 mail server temporarily rejected message (#4.3.0)",
        ),
        ("111", "451 qq temporary problem (#4.3.0)"),
        ("1", "451 "),
        ("kill", "451 qq crashed (#4.3.0)"),
        ("say", "4"),
        ("never", "5"),
        ("ann", "250 ok "),
    ] {
        let replies = send(&mut client, &[&format!("{user}@here.test")], &text());
        assert!(last(&replies).starts_with(reply), "{user}: {replies:?}");
    }
    let stored = text().replace("\r\n", "\n");
    let whole = files(&kept).into_iter();
    let whole = whole.filter(|path| fs::read_to_string(path).unwrap().ends_with(&stored));
    assert_eq!(whole.count(), 10);
}

#[test]
fn two_next_hosts_each_get_their_recipients_and_one_for_both_gets_one_message() {
    let house = House::new();
    let (here, there) = (Hop::start(), Hop::start());
    let way = |address: SocketAddr| format!("smtp:{address}");
    house.control("localqueue", &way(here.address()));
    house.control("remotequeue", &way(there.address()));
    let server = house.smtp().env("RELAYCLIENT", "").start();
    let both = ["joe@here.test", "x@far.test", "ann@here.test"];
    let mut client = greeted(&server);
    let replies = send(&mut client, &both, &text());
    assert!(last(&replies).starts_with("250 ok "), "{replies:?}");
    assert_eq!((here.taken().len(), there.taken().len()), (1, 1));
    // In the same session, over the same connections.
    for recipients in [&both[1..2], &both[..1], &both] {
        let replies = send(&mut client, recipients, &text());
        assert!(last(&replies).starts_with("250 ok "), "{replies:?}");
    }
    assert_eq!((here.taken().len(), there.taken().len()), (3, 3));
    assert_eq!((here.greeted(), there.greeted()), (1, 1));
    drop(client);
    house.control("remotequeue", &way(here.address()));
    let mut client = greeted(&server);
    let replies = send(&mut client, &both, &text());
    assert!(last(&replies).starts_with("250 ok "), "{replies:?}");
    assert_eq!((here.taken().len(), there.taken().len()), (4, 3));
}

#[test]
fn superd_itself_is_no_part_of_what_was_promised() {
    // Ended between RCPT and DATA it lets its children finish, and what they promise is kept.
    let house = House::new();
    let (lmtp, smtp) = two_servers(&house);
    let mut client = greeted(&smtp);
    ask(&mut client, "MAIL FROM:<s@far.test>");
    assert_eq!(ask(&mut client, "RCPT TO:<joe@here.test>"), "250 ok");
    signal(lmtp.pid(), "TERM");
    signal(smtp.pid(), "TERM");
    assert_eq!(ask(&mut client, "DATA"), "354 go ahead");
    client.send(format!("{}.\r\n", text()));
    let reply = client.line();
    assert!(reply.starts_with("250 ok "), "{reply}");
    assert_eq!(house.mail("joe").len(), 1);
}

#[test]
fn what_is_known_is_said_before_the_next_host_is_asked() {
    let house = House::new();
    let hop = Hop::start();
    let server = house.smtp().start();
    house.control("localqueue", &format!("lmtp:{}", hop.address()));
    let envelope = "MAIL FROM:<s@far.test>\r\nRCPT TO:<joe@here.test>\r\n";
    let mut client = greeted(&server);
    client.send(format!("{envelope}DATA\r\n"));
    for reply in ["250 ", "250 ", "354 "] {
        client.expect(reply);
    }
    // The next envelope comes right behind the message, and now the host takes its time.
    hop.fails(At::Rcpt, Does::Hangs);
    client.send(format!("Subject: x\r\n\r\nx\r\n.\r\n{envelope}"));
    client.expect("250 ok 1");
    client.expect("250 ok");
    assert!(client.is_silent_for(Duration::from_millis(500)));
    hop.wake();
    client.expect("451 ");
}
