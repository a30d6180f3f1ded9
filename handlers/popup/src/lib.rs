//! popup: POP3 before the login, for whatever runs it on descriptors 0 and 1.
//!
//! It takes qmail-popup's place, with its command line, texts and interface to checkers, and
//! promises what [`login`] promises: nobody who reads the network is root, no byte is lost
//! on the way to the next program, and guessing is slow. Where it differs from the original on
//! purpose popup(8) says so under COMPATIBILITY.
//!
//! [`session`] is the dialogue as a pure state machine, [`replies`] what it says.

pub mod replies;
pub mod session;

use chain::Call;
use login::Protocol;
use login::dialogue::Refusal;
use os::Exit;

/// What POP3 brings to [`login`].
pub const POP3: Protocol = Protocol {
    dialogue: |terms| Box::new(session::Session::new(terms)),
    usage: replies::USAGE.as_bytes(),
    permanent: replies::CANNOT_SERVE.as_bytes(),
    temporary: replies::TRY_LATER.as_bytes(),
    failed: |_, why| match why {
        Refusal::Permanent => replies::CANNOT_SERVE.into(),
        _ => replies::TRY_LATER.into(),
    },
    note: UTF8_VARIABLE,
    user: None,
    how: None,
    hide: None,
};

/// Set for the next program where the client has said UTF8 (RFC 6856).
pub const UTF8_VARIABLE: &str = "POP3_UTF8";

/// The program: `popup host checkprog prog args`.
pub fn main(call: Call) -> Exit {
    login::serve(call, &POP3)
}
