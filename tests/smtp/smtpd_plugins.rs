//! Programs that smtpd asks about a client and its commands: RCPTCHECK and the plugins of qmail-spp.

use std::fs;
use std::time::{Duration, Instant};

use kit::place::files;
use kit::sasl::base64;
use kit::smtp::House;
use kit::{Client, libexec, script};

/// A house with RCPTCHECK's program.
fn checked(text: &str) -> House {
    let house = House::new();
    script(&house.path("home/check"), &format!("#!/bin/sh\n{text}\n"));
    house
}

/// A house with plugins.
fn plugged(file: &str) -> House {
    let house = House::new();
    house.control("smtpplugins", file);
    house
}

fn begin(client: &mut Client) {
    client.expect("220 ");
    client.say("HELO client");
    client.expect("250 ");
    client.say("MAIL FROM:<s@x>");
    client.expect("250 ");
}

/// The message that went to joe, after his recipient was accepted.
fn deliver(client: &mut Client) {
    client.say("DATA");
    client.expect("354 ");
    client.send("Subject: x\r\n\r\nhello\r\n.\r\n");
    client.expect("250 ");
}

#[test]
fn rcptcheck_is_asked_about_who_would_be_taken() {
    let house = checked(
        "printf '%s\\n' \"$SENDER $RECIPIENT $HELO $TCPREMOTEIP $USE_FD4\" >&2
        case $RECIPIENT in
        joe@*) exit 0;;
        joe-not@*) exit 100;;
        joe-own@*) echo '551 he lives elsewhere' >&4; exit 100;;
        joe-late@*) exit 111;;
        joe-full@*) exit 113;;
        joe-any@*) exit 112;;
        joe-end@*) echo '421 enough' >&4; exit 113;;
        *) exit 7;;
        esac",
    );
    let server = house.smtp().env("RCPTCHECK", "./check").start();
    let mut client = server.connect();
    begin(&mut client);
    for (recipient, reply) in [
        ("joe@here.test", "250 ok"),
        (
            "joe-not@here.test",
            "550 sorry, no mailbox here by that name (#5.1.1)",
        ),
        ("joe-own@here.test", "551 he lives elsewhere"),
        ("joe-late@here.test", "451 "),
        ("joe-full@here.test", "452 "),
        ("joe-any@here.test", "250 ok"),
        ("ann@here.test", "451 "),
        // These are refused without it.
        ("nobody@here.test", "550 "),
        ("joe@there.test", "553 "),
    ] {
        client.say(&format!("RCPT TO:<{recipient}>"));
        client.expect(reply);
    }
    server.wait_for("s@x joe@here.test client 127.");
    assert!(server.wait_for("smtpd: fault ").contains("ended with 7"));
    let log = server.log().join("\n");
    assert!(
        !log.contains("s@x nobody@") && !log.contains("s@x joe@there"),
        "{log}"
    );
    client.say("RCPT TO:<joe-end@here.test>");
    client.expect("421 enough");
    assert_eq!(client.text(), "");
}

#[test]
fn a_broken_rcptcheck_lets_nobody_in() {
    for text in ["kill -9 $$", "exec /nonexistent/program", "sleep 60"] {
        let house = checked(text);
        let server = house
            .smtp()
            .env("RCPTCHECK", "./check")
            .env("RCPTCHECK_TIMEOUT", "1")
            .start();
        let mut client = server.connect();
        begin(&mut client);
        let asked = Instant::now();
        client.say("RCPT TO:<joe@here.test>");
        client.expect("451 ");
        assert!(asked.elapsed() < Duration::from_secs(20), "{text}");
    }
}

#[test]
fn who_may_relay_is_checked_only_by_choice() {
    let house = checked("exit 100");
    let queue = house.capturing("taken");
    for (choice, reply) in [("0", "250 "), ("1", "550 ")] {
        let server = house
            .smtp()
            .env("QMAILQUEUE", &queue)
            .env("RCPTCHECK", "./check")
            .env("RCPTCHECKRELAYCLIENT", choice)
            .env("RELAYCLIENT", "")
            .start();
        let mut client = server.connect();
        begin(&mut client);
        client.say("RCPT TO:<far@there.test>");
        client.expect(reply);
    }
}

#[test]
fn plugins_are_asked_at_each_step_and_only_where_they_are_enabled() {
    let step = |name: &str| format!("[{name}]\n:echo 'step {name}' >&2\n");
    let steps = ["connection", "helo", "auth", "mail", "rcpt", "pass", "data"];
    let house = plugged(&steps.map(step).concat());
    let smtpd = libexec().join("smtpd").display().to_string();
    let play = |enabled: bool| {
        let mut server = house
            .smtp()
            .handler([smtpd.as_str(), "/bin/sh", "-c", "exit 0"]);
        if enabled {
            server = server.env("ENABLE_SPP", "");
        }
        let server = server.start();
        let mut client = server.connect();
        client.expect("220 ");
        client.say("HELO client");
        client.expect("250 ");
        client.say(&format!("AUTH PLAIN {}", base64("\0joe\0x")));
        client.expect("235 ");
        client.say("MAIL FROM:<s@x>");
        client.expect("250 ");
        client.say("RCPT TO:<joe@here.test>");
        client.expect("250 ");
        deliver(&mut client);
        let log = server.log().into_iter();
        let said = log.filter_map(|line| line.strip_prefix("step ").map(str::to_owned));
        said.collect::<Vec<String>>()
    };
    assert_eq!(play(true), steps);
    assert_eq!(play(false), Vec::<String>::new());
}

#[test]
fn a_plugin_refuses_a_command_and_the_next_one_is_heard() {
    let house = plugged(
        "[helo]\n:[ \"$SMTPHELOHOST\" != bad ] || echo 'E554 not you (#5.7.1)'\n\
         [mail]\n:[ \"$SMTPMAILFROM\" != bad@x ] || echo 'E550 not he'\n\
         [rcpt]\n:[ \"$SMTPRCPTTO\" != ann@here.test ] || echo 'E550 not she'\n\
         [data]\n:[ \"$SMTPRCPTCOUNT\" != 2 ] || echo 'E451 later'\n",
    );
    let server = house.smtp().env("ENABLE_SPP", "").start();
    server.connect().dialogue(
        "220 ",
        &[
            ("HELO bad", "554 not you (#5.7.1)"),
            ("HELO good", "250 "),
            ("MAIL FROM:<bad@x>", "550 not he"),
            ("RCPT TO:<joe@here.test>", "503 "),
            ("MAIL FROM:<s@x>", "250 "),
            ("RCPT TO:<ann@here.test>", "550 not she"),
            ("RCPT TO:<joe@here.test>", "250 "),
            ("RCPT TO:<joe-x@here.test>", "250 "),
            ("DATA", "451 later"),
            ("RSET", "250 "),
            ("MAIL FROM:<s@x>", "250 "),
            ("RCPT TO:<joe@here.test>", "250 "),
            ("DATA", "354 "),
            (".", "250 "),
        ],
    );
}

#[test]
fn a_refused_login_is_none() {
    let house = plugged("[auth]\n:[ \"$SMTPAUTHUSER\" != joe ] || echo 'E535 not today'\n");
    let queue = house.capturing("taken");
    let smtpd = libexec().join("smtpd").display().to_string();
    let server = house
        .smtp()
        .handler([smtpd.as_str(), "/bin/sh", "-c", "exit 0"])
        .env("QMAILQUEUE", queue)
        .env("ENABLE_SPP", "")
        .start();
    server.connect().dialogue(
        "220 ",
        &[
            (
                &format!("AUTH PLAIN {}", base64("\0joe\0x")),
                "535 not today",
            ),
            ("MAIL FROM:<s@x>", "250 "),
            ("RCPT TO:<far@there.test>", "553 "),
            ("RSET", "250 "),
            (&format!("AUTH PLAIN {}", base64("\0ann\0x")), "235 "),
            ("MAIL FROM:<s@x>", "250 "),
            ("RCPT TO:<far@there.test>", "250 "),
        ],
    );
}

#[test]
fn header_fields_addresses_and_variables_go_to_the_queue_program() {
    let house = plugged(
        "[mail]\n:echo HX-Spam: yes; printf 'Snote=%s\\n' \"$SMTPMAILFROM\"; echo Cother@x\n\
         [rcpt]\n:[ \"$SMTPRCPTTO\" = joe@here.test ] && echo Cann@here.test\n",
    );
    house.capturing("taken");
    let queue = house.path("noting");
    let text = format!(
        "#!/bin/sh\nprintf %s \"$note\" >'{}/note'\nexec '{}'\n",
        house.path("taken").display(),
        house.path("taken-queue").display()
    );
    script(&queue, &text);
    let server = house
        .smtp()
        .env("QMAILQUEUE", queue)
        .env("ENABLE_SPP", "")
        .start();
    let mut client = server.connect();
    begin(&mut client);
    client.say("RCPT TO:<joe@here.test>");
    client.expect("250 ");
    deliver(&mut client);
    assert_eq!(house.captured("taken"), ["Fother@x|Tann@here.test||"]);
    let note = fs::read_to_string(house.path("taken/note")).unwrap();
    assert_eq!(note, "s@x");
    let message = files(&house.path("taken"))
        .into_iter()
        .find(|path| path.extension().is_some_and(|end| end == "message"))
        .unwrap();
    let text = fs::read_to_string(message).unwrap();
    assert!(text.starts_with("Received: "), "{text}");
    assert!(
        text.contains("\nX-Spam: yes\nSubject: x\n\nhello\n"),
        "{text}"
    );
}

/// Says what `text` is to, without a line of its own that the client could begin.
const NOTES: &str = "[helo]\n:echo Snote=\"$SMTPHELOHOST\"\n\
     [mail]\n:echo Snote=\"$SMTPMAILFROM\"\n[rcpt]\n:echo Snote=\"$SMTPRCPTTO\"\n\
     [auth]\n:echo Snote=\"$SMTPAUTHUSER\"\n";

#[test]
fn what_a_client_says_is_no_word_of_a_plugin_that_repeats_it() {
    // Some shells' echo makes a line end of it.
    let forged = r"x\nSRELAYCLIENT=\nN";
    let quoted = format!("\"{}\"@x", forged.replace('\\', r"\\"));
    let house = plugged(NOTES);
    let queue = house.capturing("taken");
    let server = house
        .smtp()
        .env("QMAILQUEUE", &queue)
        .env("ENABLE_SPP", "")
        .start();
    server.connect().dialogue(
        "220 ",
        &[
            (&format!("HELO {forged}"), "250 "),
            ("HELO x\rSRELAYCLIENT=\x0bN", "250 "),
            (&format!("MAIL FROM:<{quoted}>"), "250 "),
            (&format!("RCPT TO:<{quoted}>"), "553 "),
            ("RCPT TO:<far@there.test>", "553 "),
        ],
    );
    // The address itself is what it was.
    server.wait_for(r" from=<x\nSRELAYCLIENT=\nN@x>");
    let smtpd = libexec().join("smtpd").display().to_string();
    let server = house
        .smtp()
        .handler([smtpd.as_str(), "/bin/sh", "-c", "exit 0"])
        .env("ENABLE_SPP", "")
        .start();
    let login = base64("\0x\nE550 forged\0x");
    let mut client = server.connect();
    client.expect("220 ");
    client.say(&format!("AUTH PLAIN {login}"));
    client.expect("235 ");
}

#[test]
fn rcptcheck_sees_no_byte_that_a_shell_would_take_for_another() {
    let house = checked("printf '%s|%s|%s|\\n' \"$SENDER\" \"$RECIPIENT\" \"$HELO\" >&2");
    let queue = house.capturing("taken");
    let server = house
        .smtp()
        .env("QMAILQUEUE", queue)
        .env("RCPTCHECK", "./check")
        .start();
    server.connect().dialogue(
        "220 ",
        &[
            ("HELO a\\b\tc", "250 "),
            (r#"MAIL FROM:<"s\\n"@x>"#, "250 "),
            (r#"RCPT TO:<"joe\\c"@here.test>"#, "250 "),
            ("DATA", "354 "),
            (".", "250 "),
        ],
    );
    server.wait_for("s?n@x|joe?c@here.test|a?b?c|");
    // The message goes to whom it was for.
    assert_eq!(house.captured("taken"), [r"Fs\n@x|Tjoe\c@here.test||"]);
}

#[test]
fn the_plugin_of_the_manual_does_what_is_said_there() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/man/smtpd.8");
    let page = fs::read_to_string(page).unwrap();
    let lines = page.lines().skip_while(|line| *line != "[mail]");
    let plugin: Vec<String> = lines
        .take_while(|line| *line != ".Ed")
        .map(|line| line.replace("\\e", "\\"))
        .collect();
    assert_eq!(plugin.len(), 3, "{plugin:?}");
    let house = plugged(&format!(
        "{}\n[rcpt]\n:printf '%s\\n' \"$sender\" >&2",
        plugin.join("\n")
    ));
    let server = house.smtp().env("ENABLE_SPP", "").start();
    server.connect().dialogue(
        "220 ",
        &[
            ("MAIL FROM:<nobody>", "550 a domain is missing"),
            ("MAIL FROM:<>", "250 "),
            (r#"MAIL FROM:<"s\\nE550 forged"@x>"#, "250 "),
            ("RCPT TO:<joe@here.test>", "250 "),
        ],
    );
    server.wait_for("s?nE550 forged@x");
}

#[test]
fn o_leaves_our_own_checks_out() {
    let house =
        plugged("[rcpt]\n:[ \"$SMTPRCPTTO $SMTPRCPTHOSTSOK\" = 'far@there.test 0' ] && echo O\n");
    let queue = house.capturing("taken");
    let server = house
        .smtp()
        .env("QMAILQUEUE", queue)
        .env("ENABLE_SPP", "")
        .start();
    let mut client = server.connect();
    begin(&mut client);
    for (recipient, reply) in [("far@there.test", "250 "), ("near@there.test", "553 ")] {
        client.say(&format!("RCPT TO:<{recipient}>"));
        client.expect(reply);
    }
}

#[test]
fn a_plugin_ends_the_session_with_a_word_or_without() {
    for (line, last) in [(":echo R421 go away", "421 go away\r\n"), (":echo D", "")] {
        let house = plugged(&format!("[rcpt]\n{line}"));
        let server = house.smtp().env("ENABLE_SPP", "").start();
        let mut client = server.connect();
        begin(&mut client);
        client.say("RCPT TO:<joe@here.test>");
        assert_eq!(client.text(), last);
        let line = server.wait_for("smtpd: end ");
        assert!(line.contains("plugin"), "{line}");
    }
    let house = plugged("[connection]\n:echo E554 not here\n");
    let server = house.smtp().env("ENABLE_SPP", "").start();
    assert_eq!(server.connect().text(), "554 not here\r\n");
}

#[test]
fn a_plugin_that_fails_refuses_for_now() {
    for line in [
        "/nonexistent/plugin",
        ":exit 120",
        ":kill -9 $$",
        ":no-such-command-here",
    ] {
        let house = plugged(&format!("[rcpt]\n{line}"));
        let server = house.smtp().env("ENABLE_SPP", "").start();
        let mut client = server.connect();
        begin(&mut client);
        client.say("RCPT TO:<joe@here.test>");
        client.expect("451 ");
        let fault = server.wait_for("smtpd: fault ");
        assert!(fault.contains(&format!("plugin {line}")), "{fault}");
    }
    let house = House::new();
    let done = house.smtpd("QUIT\r\n").env("ENABLE_SPP", "").done();
    assert_eq!(done.out(), "421 unable to read controls (#4.3.0)\r\n");
    assert!(done.err().contains("control/smtpplugins"), "{}", done.err());
}
