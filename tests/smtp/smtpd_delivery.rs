//! smtpd behind a super-server, with the clients that people have: who may send what where.

use std::net::Ipv4Addr;

use kit::place::original;
use kit::smtp::House;
use kit::{Client, Run, Server, is_root, libexec, note_left_out, peer};

const DENIED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);
const RELAY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// A denied address, a relay client, everybody else.
const RULES: &str = "127.0.0.9:deny\n127.0.0.3:allow,RELAYCLIENT=\"\"\n:allow\n";

/// House, server with [`RULES`], and a way out.
fn house_with_way_out() -> (House, Server) {
    let house = House::new();
    let remote = house.capturing("remote");
    house.control("remotequeue", remote.to_str().unwrap());
    let rules = house.rules(RULES);
    let server = house
        .smtp()
        .options(["-x".into(), rules.into_os_string()])
        .start();
    (house, server)
}

fn swaks(server: &Server, to: &str, from: Ipv4Addr) -> Option<Run> {
    let address = server.address();
    let run = Run::new(peer("swaks")?)
        .args(["--server", &address.ip().to_string()])
        .args(["--port", &address.port().to_string()])
        .args(["--local-interface", &from.to_string()])
        .args(["--helo", "swaks.test", "--from", "s@far.test", "--to", to])
        .args(["--pipeline", "--header", "Subject: by swaks"]);
    Some(run)
}

fn curl(server: &Server, to: &str, from: Ipv4Addr) -> Option<Run> {
    let run = Run::new(peer("curl")?)
        .args(["--silent", "--show-error", "--max-time", "20"])
        .args(["--interface", &from.to_string()])
        .args(["--mail-from", "s@far.test", "--mail-rcpt", to])
        .args(["--upload-file", "-"])
        .arg(format!("smtp://{}/curl.test", server.address()))
        .input("Subject: by curl\r\n\r\n.dot\r\nlast\r\n");
    Some(run)
}

#[test]
fn curl_and_swaks_deliver_to_local_users() {
    let (house, server) = house_with_way_out();
    let by_curl = curl(&server, "joe@here.test", Ipv4Addr::LOCALHOST);
    let by_swaks = swaks(&server, "Joe-x@HERE.test", Ipv4Addr::LOCALHOST);
    for run in [by_curl, by_swaks].into_iter().flatten() {
        let done = run.done();
        assert_eq!(done.code, Some(0), "{}{}", done.out(), done.err());
    }
    for mail in house.mail("joe") {
        assert!(
            mail.starts_with("Return-Path: <s@far.test>\nDelivered-To: "),
            "{mail}"
        );
        assert!(mail.contains("\nReceived: from unknown (HELO "), "{mail}");
        assert!(mail.contains(" (127.0.0.1)\n  by "), "{mail}");
        assert!(!mail.contains('\r'), "{mail}");
        if mail.contains("by curl") {
            assert!(mail.ends_with("\n\n.dot\nlast\n"), "{mail}");
        }
    }
}

#[test]
fn a_denied_client_gets_no_banner_and_sends_nothing() {
    let (house, server) = house_with_way_out();
    assert_eq!(server.talk_from(DENIED), "");
    if let Some(run) = swaks(&server, "joe@here.test", DENIED) {
        assert_ne!(run.done().code, Some(0));
    }
    if let Some(run) = curl(&server, "joe@here.test", DENIED) {
        assert_ne!(run.done().code, Some(0));
    }
    assert!(house.mail("joe").is_empty());
}

#[test]
fn a_stranger_cannot_relay_and_a_relay_client_can() {
    let (house, server) = house_with_way_out();
    for client in [curl, swaks] {
        let Some(run) = client(&server, "x@far.test", Ipv4Addr::LOCALHOST) else {
            continue;
        };
        let done = run.done();
        assert_ne!(done.code, Some(0), "{}", done.out());
        let said = format!("{}{}", done.out(), done.err());
        assert!(said.contains("553"), "{said}");
        assert!(house.captured("remote").is_empty());
    }
    let mut sent = 0;
    for client in [curl, swaks] {
        if let Some(run) = client(&server, "x@far.test", RELAY) {
            let done = run.done();
            assert_eq!(done.code, Some(0), "{}{}", done.out(), done.err());
            sent += 1;
        }
    }
    assert_eq!(
        house.captured("remote"),
        vec!["Fs@far.test|Tx@far.test||"; sent]
    );
}

/// Sends one message to several recipients; the replies to RCPT, and that to the message.
fn send(mut client: Client, recipients: &[&str]) -> (Vec<String>, String) {
    client.dialogue(
        "220 here.test ESMTP",
        &[("EHLO c", "250 SIZE"), ("MAIL FROM:<s@x>", "250 ok")],
    );
    let mut replies = Vec::new();
    for recipient in recipients {
        client.say(&format!("RCPT TO:<{recipient}>"));
        replies.push(client.line());
    }
    client.say("DATA");
    let reply = client.line();
    if !reply.starts_with("354") {
        return (replies, reply);
    }
    client.send("Subject: x\r\n\r\ny\r\n.\r\n");
    (replies, client.line())
}

#[test]
fn a_message_for_a_colleague_and_for_somebody_else_is_one_message() {
    let (house, server) = house_with_way_out();
    let recipients = ["joe@here.test", "x@far.test", "ann@here.test"];
    let (replies, verdict) = send(server.connect_from(RELAY), &recipients);
    assert_eq!(replies, ["250 ok"; 3]);
    assert!(verdict.starts_with("250 ok "), "{verdict}");
    assert_eq!(house.captured("remote"), ["Fs@x|Tx@far.test||"]);
    assert_eq!(house.mail("joe").len(), 1);
    assert_eq!(house.mail("ann").len(), 1);
}

#[test]
fn without_a_way_out_also_a_relay_client_gets_553() {
    let house = House::new();
    let rules = house.rules(RULES);
    let server = house
        .smtp()
        .options(["-x".into(), rules.into_os_string()])
        .start();
    let (replies, verdict) = send(server.connect_from(RELAY), &["x@far.test"]);
    assert!(
        replies[0].starts_with("553 sorry, I have no way "),
        "{replies:?}"
    );
    assert_eq!(verdict, "503 RCPT first (#5.5.1)");
}

#[test]
fn unknown_users_are_refused_at_rcpt_and_postmaster_is_there() {
    let (house, server) = house_with_way_out();
    let (replies, verdict) = send(
        server.connect(),
        &["nobody-here@here.test", "postmaster", "abuse@here.test"],
    );
    assert_eq!(
        replies,
        [
            "550 sorry, no mailbox here by that name (#5.1.1)",
            "250 ok",
            "250 ok"
        ]
    );
    assert!(verdict.starts_with("250 ok "), "{verdict}");
    assert_eq!(house.mail("joe").len(), 1, "both are joe: one copy");
}

#[test]
fn variables_of_the_rules_decide_for_each_client() {
    let house = House::new();
    let queue = house.capturing("other");
    let rules = house.rules(&format!(
        "127.0.0.4:allow,DATABYTES=\"5\"\n127.0.0.5:allow,QMAILQUEUE=\"{}\"\n\
         127.0.0.6:allow,DATABYTES=\"5M\"\n:allow\n",
        queue.display()
    ));
    let server = house
        .smtp()
        .options(["-x".into(), rules.into_os_string()])
        .start();
    let from = |last| server.connect_from(Ipv4Addr::new(127, 0, 0, last));
    let (_, verdict) = send(from(4), &["joe@here.test"]);
    assert_eq!(
        verdict,
        "552 sorry, that message size exceeds my databytes limit (#5.3.4)"
    );
    let (_, verdict) = send(from(5), &["whoever@here.test"]);
    assert!(verdict.starts_with("250 ok "), "{verdict}");
    assert_eq!(house.captured("other"), ["Fs@x|Twhoever@here.test||"]);
    assert_eq!(from(6).text(), "421 unable to read controls (#4.3.0)\r\n");
    server.wait_for("unable to use variable DATABYTES: 5M is not a number");
    let (_, verdict) = send(from(7), &["joe@here.test"]);
    assert!(verdict.starts_with("250 ok "), "{verdict}");
}

#[test]
fn the_reply_the_header_and_the_log_have_one_id() {
    let (house, server) = house_with_way_out();
    let (_, verdict) = send(server.connect(), &["ann@here.test"]);
    let words: Vec<&str> = verdict.split(' ').collect();
    let id = format!("{}.{}", words[2], words[4]);
    let line = server.wait_for("smtpd: accept ip=127.0.0.1 ");
    assert!(line.contains(&format!(" message={id} ")), "{line}");
    assert!(house.mail("ann")[0].contains(&format!(" with ESMTP id {id}; ")));
    server.wait_for(&format!(
        "maildir-queue: deliver ip=127.0.0.1 qp={} ",
        words[4]
    ));
}

#[test]
fn the_originals_server_runs_our_smtpd() {
    let Some(tcpserver) = original("tcpserver") else {
        return;
    };
    let house = House::new();
    let rules = house.rules(RULES);
    let server = house
        .smtp_under(Server::under_name(tcpserver))
        .options(["-x".into(), rules.into_os_string()])
        .start();
    let (_, verdict) = send(server.connect(), &["joe@here.test"]);
    assert!(verdict.starts_with("250 ok "), "{verdict}");
    assert_eq!(house.mail("joe").len(), 1);
    assert_eq!(server.talk_from(DENIED), "");
}

#[test]
fn controls_that_cannot_be_read_are_told_to_the_client_and_the_log() {
    let (house, server) = house_with_way_out();
    std::fs::create_dir(house.path("home/control/locals")).unwrap();
    assert_eq!(server.talk(), "421 unable to read controls (#4.3.0)\r\n");
    server.wait_for("control/locals: is a directory");
    std::fs::remove_dir(house.path("home/control/locals")).unwrap();
    server
        .connect()
        .dialogue("220 ", &[("QUIT", "221 here.test")]);
}

/// The promise behind 250, as the kernel sees it. Nothing else than a crash would notice.
#[test]
fn the_250_is_said_only_after_file_and_directory_are_on_the_disk() {
    let Some(strace) = peer("strace") else { return };
    let house = House::new();
    let trace = house.path("trace");
    let mut run =
        Run::new(strace).args(["-f", "-y", "-s", "4096", "-e", "trace=fsync,linkat,write"]);
    run = run.arg("-o").arg(&trace);
    if is_root() {
        run = run.args(["-u", "nobody"]);
    }
    let done = run
        .arg(libexec().join("smtpd"))
        .env("SUPERD_HOME", house.path("home"))
        .input(
            "MAIL FROM:<s@x>\r\nRCPT TO:<joe@here.test>\r\nRCPT TO:<ann@here.test>\r\nDATA\r\n\
             Subject: x\r\n\r\ntext\r\n.\r\nQUIT\r\n",
        )
        .done();
    if done.err().contains("ptrace") {
        note_left_out(
            "the order of syncs",
            "this machine does not let programs be traced",
        );
        return;
    }
    assert!(
        done.out().contains("250 ok 1"),
        "{}{}",
        done.out(),
        done.err()
    );
    let text = std::fs::read_to_string(&trace).unwrap();
    let at = |what: &str, parts: &[&str]| {
        let is_it = |line: &&str| parts.iter().all(|part| line.contains(part));
        let found = text.lines().position(|line| is_it(&line));
        found.unwrap_or_else(|| panic!("{what}: {parts:?} is not in\n{text}"))
    };
    let said = at("the reply", &["write(", "250 ok 1"]);
    let links = ["joe", "ann"].map(|user| {
        at(
            "a link",
            &[
                "linkat(",
                &format!("/{user}/Maildir/tmp/"),
                &format!("/{user}/Maildir/new/"),
            ],
        )
    });
    for user in ["joe", "ann"] {
        let file = at("the file", &["fsync(", &format!("/{user}/Maildir/tmp/")]);
        assert!(
            links.iter().all(|&link| file < link),
            "{user}'s copy is synced first\n{text}"
        );
        let last = |line: &&str| line.contains(&format!("/{user}/Maildir/new>"));
        let directory = text
            .lines()
            .filter(|line| line.contains("fsync("))
            .filter(last);
        assert_eq!(directory.count(), 1, "{text}");
        let directory = at(
            "the directory",
            &["fsync(", &format!("/{user}/Maildir/new>")],
        );
        assert!(links.iter().all(|&link| link < directory), "{text}");
        assert!(directory < said, "{text}");
    }
}
