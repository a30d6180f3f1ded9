//! imapup: IMAP before the login, for whatever runs it on descriptors 0 and 1.
//!
//! It is to IMAP what popup is to POP3: it speaks until the client has shown who he is, lets a checker decide, and
//! becomes the next program, which answers the login. It promises what [`login`] promises.
//!
//! To the next program it hands what Courier's, mailfront's and Dovecot's programs hand to theirs: the tag of the
//! login in `IMAPLOGINTAG` and the name of the account in `AUTHENTICATED`.
//!
//! [`session`] is the dialogue as a pure state machine. [`literal`] finds out where a command ends, [`gathered`] keeps
//! it until then, [`cursor`] is its grammar and `verb` its names; `offers` is what can be done and [`replies`] what is
//! said.

pub mod cursor;
pub mod gathered;
pub mod literal;
mod offers;
pub mod replies;
pub mod session;
mod verb;

use chain::Call;
use login::Protocol;
use login::dialogue::Refusal;
use os::Exit;

/// What IMAP brings to [`login`].
pub const IMAP: Protocol = Protocol {
    dialogue: |terms| Box::new(session::Session::new(terms)),
    usage: replies::USAGE.as_bytes(),
    permanent: replies::CANNOT_SERVE.as_bytes(),
    temporary: replies::TRY_LATER.as_bytes(),
    failed,
    note: TAG_VARIABLE,
    user: Some(USER_VARIABLE),
    how: Some("imap"),
    hide: Some(HIDE_VARIABLE),
};

/// The tag of the login, which the next program answers.
pub const TAG_VARIABLE: &str = "IMAPLOGINTAG";

/// The account's name for the next program.
pub const USER_VARIABLE: &str = "AUTHENTICATED";

/// The capabilities that are not to be announced, here and by imapd.
pub const HIDE_VARIABLE: &str = "IMAPD_HIDE";

/// The program: `imapup host checkprog prog args`.
pub fn main(call: Call) -> Exit {
    login::serve(call, &IMAP)
}

/// The answer to a login that was right, where there is no going on; then the connection is closed.
fn failed(tag: &[u8], why: Refusal) -> Vec<u8> {
    let (no, bye) = match why {
        Refusal::Permanent => (replies::FAILED_FOR_GOOD, replies::CANNOT_SERVE),
        Refusal::Temporary | Refusal::Credentials => (replies::FAILED_NOW, replies::TRY_LATER),
    };
    let mut out = Vec::new();
    replies::tagged(&mut out, tag, no);
    out.extend_from_slice(bye.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_login_that_cannot_be_served_is_answered_under_its_tag() {
        assert_eq!(
            failed(b"a1", Refusal::Temporary),
            b"a1 NO [UNAVAILABLE] authentication failed, try again later\r\n\
              * BYE [UNAVAILABLE] try again later\r\n"
        );
        assert_eq!(
            failed(b"a1", Refusal::Permanent),
            b"a1 NO [CONTACTADMIN] authentication failed, the server is at fault\r\n\
              * BYE [CONTACTADMIN] this server cannot serve\r\n"
        );
    }
}
