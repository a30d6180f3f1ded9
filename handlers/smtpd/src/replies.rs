//! What smtpd says. The texts that qmail-smtpd has are its own, to the letter: log parsers and
//! people look for them.

pub use smtp::texts::*;

/// HELP.
pub const HELP: &str = "214 this is superd's smtpd: see the manual page smtpd(8)";
/// The domain is not ours and the client may not relay.
pub const NO_GATEWAY: &str =
    "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)";
/// morercpthosts.cdb, which might allow the domain, cannot be read.
pub const NO_MORE_RCPTHOSTS: &str = "451 sorry, unable to check morercpthosts (#4.3.0)";
/// The domain is another host's and there is no way out.
pub const NO_WAY_OUT: &str = "553 sorry, I have no way to send mail to that domain (#5.7.1)";
/// The sender is in badmailfrom.
pub const BAD_SENDER: &str = "553 sorry, your envelope sender is in my badmailfrom list (#5.7.1)";
/// What the client calls itself is in badhelo.
pub const BAD_HELLO: &str = "553 sorry, your HELO host name is in my badhelo list (#5.7.1)";
/// The recipient is in badrcptto.
pub const BAD_RECIPIENT: &str = "553 sorry, this recipient is in my badrecipientto list (#5.7.1)";
/// His quota is used up.
pub const FULL: &str = "552 sorry, that mailbox is full (#5.2.2)";
/// Users cannot be looked up.
pub const NO_LOOKUP: &str = "451 sorry, unable to look up that mailbox (#4.3.0)";
/// The message is larger than allowed.
pub const TOO_BIG: &str = "552 sorry, that message size exceeds my databytes limit (#5.3.4)";
/// A bare LF, in qmail's way.
pub const STRAY_NEWLINE: &str = "451 See https://cr.yp.to/docs/smtplf.html.";
/// The client was silent for too long.
pub const TIMEOUT: &str = "451 timeout (#4.4.2)";
/// More greetings and senders than a session may have for its messages.
pub const TOO_MANY_VAIN: &str = "421 too many commands without a message (#4.7.0)";
/// More messages than a session may have.
pub const TOO_MANY_MESSAGES: &str =
    "421 too many messages in one session, please connect again (#4.7.0)";
/// The configuration cannot be used.
pub const NO_CONTROLS: &str = "421 unable to read controls (#4.3.0)";

/// BDAT without a length: nobody knows where the next command begins.
pub const BAD_CHUNK: &str = "501 bad BDAT (#5.5.4)";
/// A command that cannot come between the chunks of a message.
pub const CHUNKS_UNDER_WAY: &str = "503 the message is not complete, go on with BDAT (#5.5.1)";
/// A bare CR on the way to another server.
pub const BARE_CR: &str =
    "550 sorry, your message has a CR without LF, which cannot be passed on (#5.6.11)";
/// AUTH must come before.
pub const WANT_AUTH: &str = "530 authentication required (#5.7.0)";
/// STARTTLS must come before.
pub const WANT_TLS: &str = "530 must issue a STARTTLS command first (#5.7.0)";
/// AUTH in the clear, where that is not allowed.
pub const WANT_TLS_TO_AUTH: &str = "538 encryption required for that mechanism (#5.7.11)";
/// A second AUTH.
pub const AUTHENTICATED: &str = "503 you're already authenticated (#5.5.0)";
/// AUTH or STARTTLS during a transaction.
pub const IN_TRANSACTION: &str = "503 not permitted during a mail transaction (#5.5.0)";
/// A mechanism that is not offered.
pub const BAD_MECHANISM: &str = "504 auth type unimplemented (#5.5.1)";
/// The client said `*`.
pub const AUTH_CANCELLED: &str = "501 auth exchange cancelled (#5.0.0)";
/// A response that is none.
pub const BAD_RESPONSE: &str = "501 malformed auth input (#5.5.4)";
/// It is him.
pub const AUTH_OK: &str = "235 ok, go ahead (#2.0.0)";
/// It is not.
pub const AUTH_FAILED: &str = "535 authentication failed (#5.7.8)";
/// It cannot be told.
pub const AUTH_TROUBLE: &str = "454 unable to check that now, please try again later (#4.3.0)";
/// More failed logins than a session may have.
pub const TOO_MANY_AUTHS: &str = "421 too many failed logins (#4.7.0)";
/// The sender is another one than who has logged in.
pub const OTHER_SENDER: &str =
    "553 sorry, that is not the sender that you have authenticated as (#5.7.1)";
/// STARTTLS is begun.
pub const READY_FOR_TLS: &str = "220 ready for tls";
/// STARTTLS with an argument.
pub const BAD_TLS: &str = "501 no parameters allowed (#5.5.4)";
/// XCLIENT from who is not listed.
pub const NO_XCLIENT: &str = "550 insufficient authorization (#5.7.0)";
/// XCLIENT once it is known for whom the session is.
pub const LATE_XCLIENT: &str = "503 XCLIENT is not permitted any more (#5.5.1)";
/// XCLIENT without the client's address, and something else behind it.
pub const WANT_ADDR: &str = "503 XCLIENT ADDR first (#5.5.1)";
/// The rules deny the client that a proxy speaks for.
pub const NOT_SERVED: &str = "554 sorry, your address is not served here (#5.7.1)";
/// The rules about such clients cannot be read.
pub const NO_RULES: &str = "421 sorry, unable to check your address now (#4.3.0)";
/// XCLIENT that is not understood.
pub const BAD_XCLIENT: &str = "501 bad XCLIENT attribute (#5.5.4)";
/// The client spoke before the banner.
pub const EARLY_TALKER: &str = "554 SMTP protocol violation (#5.7.0)";

/// How the queue program's exit is told to the client.
pub mod queue {
    /// It could not be started.
    pub const CANNOT_START: &str = "451 qqt failure (#4.3.0)";
    /// It cannot be executed.
    pub const CANNOT_EXEC: &str = "451 unable to exec qq (#4.3.0)";
    /// No file to keep the message in.
    pub const CANNOT_CREATE: &str = "451 qq trouble creating files in queue (#4.3.0)";
    /// The file cannot be written.
    pub const CANNOT_WRITE: &str = "451 qq write error or disk full (#4.3.0)";
    /// It took too long.
    pub const TIMEOUT: &str = "451 qq timeout (#4.3.0)";
    /// It did not read everything.
    pub const READ_ERROR: &str = "451 qq read error (#4.3.0)";
    /// A signal ended it.
    pub const CRASHED: &str = "451 qq crashed (#4.3.0)";
    /// It cannot be waited for.
    pub const SURPRISE: &str = "451 qq waitpid surprise (#4.3.0)";
    /// It ended by itself before it was told to go on.
    pub const TEMPORARY: &str = "451 qq temporary problem (#4.3.0)";

    /// The reply for an exit code; `None` for 0.
    pub fn for_exit(code: i32) -> Option<&'static str> {
        Some(match code {
            0 => return None,
            11 | 115 => "554 envelope address too long for qq (#5.1.3)",
            31 => "554 mail server permanently rejected message (#5.3.0)",
            12..=40 => "554 qq permanent problem (#5.3.0)",
            51 => "451 qq out of memory (#4.3.0)",
            52 => TIMEOUT,
            53 => CANNOT_WRITE,
            54 => READ_ERROR,
            55 => "451 qq unable to read configuration (#4.3.0)",
            56 => "451 qq trouble making network connection (#4.3.0)",
            61 => "451 qq trouble in home directory (#4.3.0)",
            62..=66 => CANNOT_CREATE,
            71 => "451 mail server temporarily rejected message (#4.3.0)",
            72 => "451 connection to mail server timed out (#4.4.1)",
            73 => "451 connection to mail server rejected (#4.4.1)",
            74 => "451 communication with mail server failed (#4.4.2)",
            81 | 91 => "451 qq internal bug (#4.3.0)",
            120 => CANNOT_EXEC,
            _ => TEMPORARY,
        })
    }

    /// The reply for an exit code of sendmail's (sysexits(3)); only what the addresses or the message
    /// are to blame for is permanent.
    pub fn for_sysexit(code: u8) -> &'static str {
        match code {
            65 => "554 mail server permanently rejected message (#5.3.0)",
            67 => "550 sorry, no mailbox there by that name (#5.1.1)",
            68 => "554 sorry, no host by that name (#5.1.2)",
            77 => "554 mail server permanently rejected message (#5.7.1)",
            _ => TEMPORARY,
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn exit_codes_up_to_40_are_permanent_and_all_others_temporary() {
            assert_eq!(for_exit(0), None);
            for code in 1..=255 {
                let reply = for_exit(code).expect("a reply");
                let permanent = (11..=40).contains(&code) || code == 115;
                assert_eq!(reply.starts_with("554 "), permanent, "{code}");
                assert_eq!(reply.starts_with("451 "), !permanent, "{code}");
            }
        }

        #[test]
        fn texts_are_the_originals() {
            for (code, text) in [
                (11, "554 envelope address too long for qq (#5.1.3)"),
                (12, "554 qq permanent problem (#5.3.0)"),
                (40, "554 qq permanent problem (#5.3.0)"),
                (52, "451 qq timeout (#4.3.0)"),
                (62, "451 qq trouble creating files in queue (#4.3.0)"),
                (66, "451 qq trouble creating files in queue (#4.3.0)"),
                (67, "451 qq temporary problem (#4.3.0)"),
                (82, "451 qq temporary problem (#4.3.0)"),
                (111, "451 qq temporary problem (#4.3.0)"),
            ] {
                assert_eq!(for_exit(code), Some(text));
            }
        }
    }
}
