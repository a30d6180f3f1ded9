//! Who is taken, who is refused, and which way mail goes.

use super::*;

fn rcpt(place: &TestHome, settings: Settings, recipients: &[&str]) -> Vec<String> {
    let mut input = "MAIL FROM:<s@x>\r\n".to_owned();
    for recipient in recipients {
        input.push_str(&format!("RCPT TO:<{recipient}>\r\n"));
    }
    place.talk_with(settings, input.as_bytes()).replies[2..].to_vec()
}

#[test]
fn local_users_are_taken_and_unknown_ones_refused() {
    let place = TestHome::new();
    let said = rcpt(
        &place,
        place.settings(),
        &[
            "joe@here.test",
            "Joe-x@HERE.test",
            "nobody@here.test",
            "postmaster",
            "ann",
            "nobody",
        ],
    );
    let no = replies::NO_MAILBOX;
    assert_eq!(
        said,
        [replies::OK, replies::OK, no, replies::OK, replies::OK, no]
    );
}

#[test]
fn a_fault_in_the_accounts_is_no_unknown_user() {
    let place = TestHome::new();
    let said = place.talk("MAIL FROM:<>\r\nRCPT TO:<bad@here.test>\r\n");
    assert_eq!(said.replies[2], replies::NO_LOOKUP);
    let fault = said
        .log
        .iter()
        .find(|line| line.contains(" fault "))
        .expect("a line");
    assert!(
        fault.contains("to=<bad@here.test> reason=\"unable to use line 3 of "),
        "{fault}"
    );
}

#[test]
fn nothing_is_relayed_for_strangers() {
    let place = TestHome::new();
    let said = rcpt(
        &place,
        place.settings(),
        &[
            "x@far.test",
            "joe@here.test@far.test",
            "@here.test:x@far.test",
            "\"joe@here.test\"@far.test",
            "joe@here.test.",
            "joe@[192.0.2.9]",
        ],
    );
    assert_eq!(said, [replies::NO_GATEWAY; 6]);
}

#[test]
fn old_ways_to_write_a_route_into_a_local_part_find_nobody() {
    let place = TestHome::new();
    let said = rcpt(
        &place,
        place.settings(),
        &[
            "x%far.test@here.test",
            "far.test!x@here.test",
            "\"x@far.test\"@here.test",
        ],
    );
    assert_eq!(said, [replies::NO_MAILBOX; 3]);
}

#[test]
fn a_relay_client_reaches_other_hosts_only_where_there_is_a_way_out() {
    let place = TestHome::new();
    let relay = || {
        let mut settings = place.settings();
        settings.client.relay = Some(vec![]);
        settings
    };
    let said = rcpt(
        &place,
        relay(),
        &["x@far.test", "joe@here.test", "nobody@here.test"],
    );
    assert_eq!(said, [replies::OK, replies::OK, replies::NO_MAILBOX]);
    let mut settings = relay();
    if let Transports::Two { remote, .. } = &mut settings.transports {
        *remote = None;
    }
    assert_eq!(
        rcpt(&place, settings, &["x@far.test"]),
        [replies::NO_WAY_OUT]
    );
}

#[test]
fn rcpthosts_that_are_not_local_go_the_way_out() {
    let place = TestHome::new();
    let mut settings = place.settings();
    settings.hosts.rcpthosts = Some(HostList::new(vec![b"backup.test".to_vec()]));
    let said = rcpt(&place, settings, &["x@backup.test", "joe@here.test"]);
    assert_eq!(said, [replies::OK, replies::NO_GATEWAY]);
}

#[test]
fn with_morercpthosts_that_cannot_be_read_nobody_is_refused_for_good() {
    let place = TestHome::new();
    let mut settings = place.settings();
    settings.hosts.rcpthosts = Some(HostList::new(vec![b"here.test".to_vec()]));
    settings.hosts.more = KeyFile::open_named("/nonexistent/more.cdb".into());
    let said = rcpt(&place, settings, &["x@far.test", "joe@here.test"]);
    assert_eq!(said, [replies::NO_MORE_RCPTHOSTS, replies::OK]);
}

#[test]
fn bad_senders_are_told_at_each_recipient() {
    let said = TestHome::new().talk("MAIL FROM:<x@SPAM.test>\r\nRCPT TO:<joe@here.test>\r\n");
    assert_eq!(said.after_banner(), [replies::OK, replies::BAD_SENDER]);
}

#[test]
fn the_limit_of_recipients_is_temporary_and_those_before_it_get_the_message() {
    let place = TestHome::new();
    let mut settings = place.settings();
    settings.limits.recipients = 100;
    let many = "RCPT TO:<joe@here.test>\r\n".repeat(101);
    let input = format!("MAIL FROM:<s@x>\r\n{many}DATA\r\nx\r\n.\r\n");
    let said = place.talk_with(settings, input.as_bytes());
    assert_eq!(said.replies[2..102], vec![replies::OK; 100]);
    assert_eq!(said.replies[102], replies::TOO_MANY_RECIPIENTS);
    assert_eq!(
        place
            .read("queue.envelope")
            .matches("Tjoe@here.test|")
            .count(),
        100
    );
}

#[test]
fn relayclients_value_is_appended_to_every_recipient_and_then_decides() {
    let place = TestHome::new();
    let mut settings = place.external();
    settings.client.relay = Some(b"@fixme".to_vec());
    let input = "MAIL FROM:<s@x>\r\nRCPT TO:<joe@here.test>\r\nRCPT TO:<y>\r\nDATA\r\n.\r\n";
    place.talk_with(settings, input.as_bytes());
    assert_eq!(
        place.read("queue.envelope"),
        "Fs@x|Tjoe@here.test@fixme|Ty@fixme||"
    );
    let mut settings = place.settings();
    settings.client.relay = Some(b"@here.test".to_vec());
    let said = rcpt(&place, settings, &["joe", "x@far.test"]);
    assert_eq!(said, [replies::OK, replies::NO_MAILBOX]);
    let mut settings = place.external();
    settings.client.relay = Some(vec![b'z'; 200]);
    let length = crate::decide::RECIPIENT_BYTES - 200;
    let (fits, not) = ("a".repeat(length), "a".repeat(length + 1));
    assert_eq!(
        rcpt(&place, settings, &[&fits, &not]),
        [replies::OK, replies::SYNTAX]
    );
}

#[test]
fn an_external_queue_knows_its_users() {
    let place = TestHome::new();
    let said = rcpt(
        &place,
        place.external(),
        &["nobody@here.test", "x@far.test", "y"],
    );
    assert_eq!(said, [replies::OK, replies::NO_GATEWAY, replies::OK]);
}

#[test]
fn own_addresses_in_brackets_are_replaced_in_senders_and_recipients() {
    let place = TestHome::new();
    let input = "MAIL FROM:<s@[127.0.0.1]>\r\nRCPT TO:<joe@[127.0.0.1]>\r\nDATA\r\n.\r\n";
    place.talk(input);
    assert_eq!(
        place.read("queue.envelope"),
        "Fs@here.test|Tjoe@here.test||"
    );
}

#[test]
fn refusals_are_logged_with_who_and_why() {
    let said = TestHome::new().talk("HELO me\r\nMAIL FROM:<s@x>\r\nRCPT TO:<x@far.test>\r\n");
    assert_eq!(
        said.log[1],
        "smtpd: refuse ip=192.0.2.1 verb=RCPT from=<s@x> to=<x@far.test> helo=me \
         reply=\"553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)\""
    );
}
