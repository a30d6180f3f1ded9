//! rblsmtpd.

use super::Transcript;
use crate::support::{Run, bin};

const COMMANDS: &[u8] = b"HELO a\r\nEHLO b\r\nMAIL FROM:<x@y>\r\nRCPT TO:<a@b>\nrcpt\r\nDATA\r\nRSET\r\nNOOP x\r\nVRFY a\r\nHELP\r\n\r\n NOOP\r\nQUIT now\r\nNOOP\r\n";

#[test]
fn rblsmtpd() {
    let mut all = Transcript::new("rblsmtpd");
    let run = |words: &[&str]| {
        Run::new(bin("rblsmtpd"))
            .args(words)
            .env("TCPREMOTEIP", "192.0.2.71")
    };
    for value in ["go away", "-go away", "", "-", "a\tb\u{e9}c\r\nd"] {
        all.run(
            &format!("RBLSMTPD={value:?}"),
            COMMANDS,
            run(&["echo", "served"]).env("RBLSMTPD", value),
        );
    }
    all.run(
        "no time",
        COMMANDS,
        run(&["-t0", "echo", "served"]).env("RBLSMTPD", "no"),
    );
    all.run(
        "an early end",
        b"HELO a\r\nRCPT TO",
        run(&["echo", "served"]).env("RBLSMTPD", "no"),
    );
    all.run("no list", b"", run(&["echo", "served"]));
    all.run("a bad option", b"", run(&["-Z"]));
    all.run(
        "a program that is not there",
        b"",
        run(&["/nonexistent/program"]).env("RBLSMTPD", ""),
    );
    all.check();
}
