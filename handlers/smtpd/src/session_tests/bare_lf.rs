//! Bare LF and smuggling.

use super::*;

const SMUGGLED: &str = "MAIL FROM:<evil@x>\r\nRCPT TO:<ann@here.test>\r\nDATA\r\nevil\r\n.\r\n";

/// The odd end marks that have been used against receivers.
const ODD_ENDS: [&str; 11] = [
    "\n.\n",
    "\n.\r\n",
    "\r\n.\n",
    "\n.\r",
    "\r\n.\r",
    "\r.\n",
    "\r.\r",
    "\r.\r\n",
    "\r\n\0.\r\n",
    "\r\n.\0\r\n",
    "\r\r\n.\r\r\n",
];

#[test]
fn nothing_is_smuggled_in_any_mode() {
    for mode in [BareLf::Reject, BareLf::Stop, BareLf::Accept] {
        for odd in ODD_ENDS {
            let place = TestHome::new();
            let settings = Settings {
                bare_lf: mode,
                ..place.settings()
            };
            let input = format!("{TO_JOE}first{odd}{SMUGGLED}QUIT\r\n");
            let said = place.talk_with(settings, input.as_bytes());
            let envelope = place.read("queue.envelope");
            assert!(!envelope.contains("evil@x"), "{mode:?} {odd:?}: {envelope}");
            let accepted = said
                .log
                .iter()
                .filter(|line| line.contains(": accept "))
                .count();
            assert!(accepted <= 1, "{mode:?} {odd:?}");
        }
    }
}

#[test]
fn a_bare_lf_is_refused_for_good_and_the_session_goes_on() {
    for odd in ["a\nb", "\n", "a\n.\n", "a\r\n.\n"] {
        let place = TestHome::new();
        let said = place.talk(&message(odd));
        assert_eq!(verdict(&said), replies::BARE_LF, "{odd:?}");
        assert_eq!(said.exit, Exit::OK, "{odd:?}");
        assert_eq!(place.read("queue.envelope"), "");
    }
}

#[test]
fn qmails_way_with_a_bare_lf_is_to_hang_up() {
    let place = TestHome::new();
    let settings = Settings {
        bare_lf: BareLf::Stop,
        ..place.settings()
    };
    let said = place.talk_with(settings, message("a\nb").as_bytes());
    assert_eq!(said.replies[4..], [replies::STRAY_NEWLINE]);
    assert_eq!(said.exit, Exit::NO);
}

#[test]
fn an_accepted_bare_lf_is_a_line_end_but_a_dot_beside_it_spoils_the_message() {
    let place = TestHome::new();
    let accept = || Settings {
        bare_lf: BareLf::Accept,
        ..place.settings()
    };
    let said = place.talk_with(accept(), message("a\nb").as_bytes());
    assert!(verdict(&said).starts_with("250 ok "));
    assert!(place.read("queue.message").ends_with("-0000\na\nb\n"));
    let said = place.talk_with(accept(), message("a\n.\nb").as_bytes());
    assert_eq!(verdict(&said), replies::BARE_LF);
}
