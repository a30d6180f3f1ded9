//! smtpd's lists: who is refused for his name, his address or the recipient he wants, and what
//! stands between a list that cannot be read and a recipient that is taken.

use std::fs;
use std::time::{Duration, Instant};

use kit::dns::{A, Answer, Dns, TXT};
use kit::smtp::House;
use kit::{Run, as_root, bin};

/// The replies to RCPT for these recipients, and the log.
fn rcpt(run: impl Fn(&str) -> Run, recipients: &[&str]) -> (Vec<String>, String) {
    let mut input = "HELO mx.x\r\nMAIL FROM:<s@x>\r\n".to_owned();
    for recipient in recipients {
        input.push_str(&format!("RCPT TO:<{recipient}>\r\n"));
    }
    let done = run(&format!("{input}QUIT\r\n")).done();
    assert_eq!(done.code, Some(0), "{} {}", done.out(), done.err());
    let mut replies: Vec<String> = done.out().lines().skip(3).map(str::to_owned).collect();
    replies.pop();
    (replies, done.err())
}

fn replies(house: &House, recipients: &[&str]) -> Vec<String> {
    rcpt(|input| house.smtpd(input), recipients).0
}

const OK: &str = "250 ok";
const NO_MAILBOX: &str = "550 sorry, no mailbox here by that name (#5.1.1)";
const NO_GATEWAY: &str = "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)";

/// A house whose messages all go to one program, so that every host can be taken.
fn gateway() -> House {
    let house = House::new();
    let queue = house.capturing("out");
    fs::create_dir(house.path("home/bin")).unwrap();
    std::os::unix::fs::symlink(queue, house.path("home/bin/qmail-queue")).unwrap();
    house.control("rcpthosts", "here.test");
    house
}

fn smtpd(house: &House, words: &[&str]) -> Run {
    Run::new(bin("smtpd"))
        .args(words)
        .env("SUPERD_HOME", house.path("home"))
}

#[test]
fn a_list_made_into_a_database_is_in_force_for_the_next_session() {
    let house = gateway();
    let who = ["joe@more.test", "joe@a.sub.test", "joe@sub.test"];
    assert_eq!(replies(&house, &who), [NO_GATEWAY; 3]);
    house.control("morercpthosts", "More.test\n.sub.test");
    let done = smtpd(&house, &["--make-cdb", "morercpthosts"]).done();
    assert_eq!((done.code, done.err().as_str()), (Some(0), ""));
    assert_eq!(replies(&house, &who), [OK, OK, NO_GATEWAY]);
}

#[test]
fn a_database_that_cannot_be_read_refuses_for_now_and_says_why() {
    let house = gateway();
    let path = house.path("home/control/morercpthosts.cdb");
    fs::write(&path, "no database").unwrap();
    let (said, log) = rcpt(
        |input| house.smtpd(input),
        &["joe@more.test", "joe@here.test"],
    );
    assert_eq!(
        said,
        ["451 sorry, unable to check morercpthosts (#4.3.0)", OK]
    );
    let reason = format!(
        "reason=\"unable to read {}: protocol error\"",
        path.display()
    );
    assert!(log.contains(&reason), "{log}");
    fs::remove_file(&path).unwrap();
    fs::write(house.path("home/control/validrcptto.cdb"), "no database").unwrap();
    let (said, log) = rcpt(|input| house.smtpd(input), &["joe@here.test"]);
    assert!(said[0].starts_with("451 "), "{said:?}");
    assert!(
        log.contains("control/validrcptto.cdb: protocol error"),
        "{log}"
    );
}

#[test]
fn recipients_are_those_of_the_lists_where_there_are_lists() {
    let house = gateway();
    house.control("validrcptto", "Joe@here.test");
    house.control("morevalidrcptto", "@all.test\n-x@all.test");
    let done = smtpd(&house, &["--make-cdb", "morevalidrcptto"]).done();
    assert_eq!((done.code, done.err().as_str()), (Some(0), ""));
    house.control("rcpthosts", "here.test\nall.test");
    let who = ["joe@HERE.test", "ann@here.test", "a@all.test", "x@all.test"];
    assert_eq!(replies(&house, &who), [OK, NO_MAILBOX, OK, NO_MAILBOX]);
    let as_relay = |input: &str| house.smtpd(input).env("RELAYCLIENT", "");
    assert_eq!(rcpt(as_relay, &who).0, [OK; 4]);
    let elsewhere = |input: &str| house.smtpd(input).env("VALIDRCPTTO", "");
    assert_eq!(rcpt(elsewhere, &["joe@here.test"]).0, [NO_MAILBOX]);
}

#[test]
fn a_million_recipients_cost_a_session_no_time() {
    let house = gateway();
    let names: String = (0..1_000_000)
        .map(|n| format!("user{n}@here.test\n"))
        .collect();
    house.control("validrcptto", "nobody@here.test");
    fs::write(house.path("home/control/morevalidrcptto"), names).unwrap();
    let done = smtpd(&house, &["--make-cdb", "morevalidrcptto"]).done();
    assert_eq!((done.code, done.err().as_str()), (Some(0), ""));
    let start = Instant::now();
    let who = [
        "user0@here.test",
        "user999999@here.test",
        "user1000000@here.test",
    ];
    assert_eq!(replies(&house, &who), [OK, OK, NO_MAILBOX]);
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn names_and_addresses_in_the_bad_lists_are_refused_at_each_recipient() {
    let house = gateway();
    house.control("badrcptto", "joe@here.test\nsales*@*");
    let said = replies(
        &house,
        &["joe@here.test", "sales-1@here.test", "ann@here.test"],
    );
    let denied = "553 sorry, this recipient is in my badrecipientto list (#5.7.1)";
    assert_eq!(said, [denied, denied, OK]);
    house.control("badmailfromnorelay", "@x");
    let said = replies(&house, &["ann@here.test"]);
    assert!(said[0].starts_with("553 sorry, your envelope sender is in my badmailfrom"));
    let as_relay = |input: &str| house.smtpd(input).env("RELAYCLIENT", "");
    assert_eq!(rcpt(as_relay, &["ann@here.test"]).0, [OK]);
    house.control("badhelo", "*.x");
    let said = rcpt(as_relay, &["ann@here.test"]).0;
    assert_eq!(
        said,
        ["553 sorry, your HELO host name is in my badhelo list (#5.7.1)"]
    );
}

#[test]
fn the_administrators_word_about_a_client_is_told_at_rcpt_and_not_to_who_may_relay() {
    let house = gateway();
    for (value, expected) in [("Go", "451 Go"), ("-Go", "553 Go"), ("", OK)] {
        let run = |input: &str| house.smtpd(input).env("RBLSMTPD", value);
        assert_eq!(rcpt(run, &["joe@here.test"]).0, [expected]);
        let run = |input: &str| run(input).env("RELAYCLIENT", "");
        assert_eq!(rcpt(run, &["joe@here.test"]).0, [OK]);
    }
}

#[test]
fn lists_in_the_dns_are_asked_once_for_a_session_and_only_for_strangers() {
    if !as_root("lists in the DNS") {
        return;
    }
    let listed = |base: &str| format!("1.2.0.192.{base}");
    let local = Answer::Addresses(vec!["127.0.0.2".parse().unwrap()]);
    let web = Answer::Addresses(vec!["198.51.100.80".parse().unwrap()]);
    let dns = Dns::start(&[
        (&listed("text.test"), TXT, Answer::Text(b"listed".to_vec())),
        (&listed("address.test"), A, local.clone()),
        (&listed("white.test"), A, local),
        (&listed("dead.test"), A, web),
        (&listed("silent.test"), TXT, Answer::Silence),
    ]);
    let house = gateway();
    let run = |input: &str| house.smtpd(input).env("DNSCACHEIP", dns.server());
    for (lists, expected) in [
        ("text.test", "451 listed"),
        ("-text.test", "553 listed"),
        (
            "-address.test:No mail from %IP%",
            "553 No mail from 192.0.2.1",
        ),
        ("+white.test\n-text.test", OK),
        ("dead.test:Dead", OK),
        ("none.test", OK),
        ("=text.test", OK),
    ] {
        house.control("dnsbllist", lists);
        let said = rcpt(run, &["joe@here.test", "ann@here.test"]).0;
        assert_eq!(said, [expected; 2], "{lists}");
    }
    house.control("dnsbllist", "text.test");
    let before = dns.asked().len();
    let escaped = |input: &str| run(input).env("RELAYCLIENT", "");
    assert_eq!(rcpt(escaped, &["joe@here.test"]).0, [OK]);
    let skipped = |input: &str| run(input).env("DNSBLSKIP", "");
    assert_eq!(rcpt(skipped, &["joe@here.test"]).0, [OK]);
    assert_eq!(dns.asked().len(), before);
    house.control("dnsbllist", "silent.test");
    let start = Instant::now();
    let (said, log) = rcpt(run, &["joe@here.test", "ann@here.test"]);
    assert_eq!(said, [OK; 2]);
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(
        log.matches("unable to look up 192.0.2.1 in silent.test")
            .count(),
        1,
        "{log}"
    );
    let closed = |input: &str| run(input).env("DNSBLFAILCLOSED", "1");
    let said = rcpt(closed, &["joe@here.test"]).0;
    assert_eq!(said, ["451 temporary RBL lookup error"]);
}

#[test]
fn check_tells_what_is_wrong_by_file_and_line() {
    let house = House::new();
    house.control("rcpthosts", "here.test\nother.test");
    let check = || smtpd(&house, &["--check"]).done();
    let done = check();
    assert_eq!(done.code, Some(0), "{} {}", done.out(), done.err());
    assert!(
        done.out().contains("other.test is not local"),
        "{}",
        done.out()
    );
    assert!(
        done.out().contains("\nway of local mail: "),
        "{}",
        done.out()
    );
    fs::write(
        house.path("home/aliases"),
        "# x\nsales: joe\ninfo: nobody-there\n",
    )
    .unwrap();
    house.control("badmailfrom", "@spam.test\n.*@bad\\.test");
    let done = check();
    assert_eq!(done.code, Some(1), "{}", done.out());
    let aliases = house.path("home/aliases");
    assert!(
        done.out().contains(&format!("{}:3: ", aliases.display())),
        "{}",
        done.out()
    );
    assert!(
        done.out().contains("control/badmailfrom:2: "),
        "{}",
        done.out()
    );
    house.control("databytes", "10M");
    let done = check();
    assert_eq!(done.code, Some(1), "{}", done.out());
    assert!(
        done.out().contains("every session ends with 421: "),
        "{}",
        done.out()
    );
    fs::write(house.path("home/control/validrcptto.cdb"), "no").unwrap();
    assert_eq!(check().code, Some(111));
}

#[test]
fn explain_says_what_a_session_would_say() {
    let house = House::new();
    house.control("rcpthosts", "here.test\nother.test");
    house.control("badmailfrom", "@bad.test");
    let rules = house.rules("192.0.2.9:allow,RELAYCLIENT=\"\"\n192.0.2.8:deny\n:allow\n");
    let rules = rules.to_str().unwrap();
    for (ip, from, to, code, last) in [
        ("192.0.2.1", "s@x", "joe@here.test", 0, OK),
        ("192.0.2.1", "s@x", "<JOE-x@here.test>", 0, OK),
        ("192.0.2.1", "", "postmaster", 0, OK),
        ("192.0.2.1", "s@x", "nobody@here.test", 1, NO_MAILBOX),
        ("192.0.2.1", "s@x", "joe@far.test", 1, NO_GATEWAY),
        (
            "192.0.2.9",
            "s@x",
            "joe@far.test",
            1,
            "553 sorry, I have no way to send mail to that domain (#5.7.1)",
        ),
        (
            "192.0.2.1",
            "s@bad.test",
            "joe@here.test",
            1,
            "553 sorry, your envelope sender is in my badmailfrom list (#5.7.1)",
        ),
        (
            "192.0.2.8",
            "s@x",
            "joe@here.test",
            1,
            "none: superd drops the connection",
        ),
    ] {
        let done = smtpd(&house, &["--explain", "-x", rules, ip, from, to]).done();
        let said = done.out();
        let expected = format!("reply: {last}");
        assert_eq!(
            said.lines().last(),
            Some(expected.as_str()),
            "{said} {}",
            done.err()
        );
        assert_eq!(done.code, Some(code), "{said}");
    }
    let said = smtpd(&house, &["--explain", "192.0.2.1", "s@x", "joe@here.test"])
        .done()
        .out();
    let maildir = house.path("joe/Maildir");
    assert!(
        said.contains(&format!(": joe {}\n", maildir.display())),
        "{said}"
    );
    fs::write(house.path("home/control/morercpthosts.cdb"), "no").unwrap();
    let done = smtpd(&house, &["--explain", "192.0.2.1", "s@x", "joe@far.test"]).done();
    assert_eq!(done.code, Some(111), "{}", done.out());
    assert_eq!(
        smtpd(&house, &["--explain", "192.0.2.1"]).done().code,
        Some(100)
    );
}
