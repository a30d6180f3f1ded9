//! What can be done now, and how it is announced.

use login::dialogue::{Terms, Tls};
use sasl::Mechanism;

/// `CAPABILITY` and the list, as the greeting and the reply to that command have it.
pub(crate) fn capabilities(terms: &Terms) -> String {
    let mut names = vec!["LITERAL+", "SASL-IR", "ID"];
    if terms.joined {
        // They work behind the login only, but there are clients that look for them here and never again.
        names.extend(["ENABLE", "IDLE"]);
    }
    if terms.tls == Tls::Offered {
        names.push("STARTTLS");
    }
    for mechanism in terms.mechanisms() {
        names.push(match mechanism {
            Mechanism::Plain => "AUTH=PLAIN",
            Mechanism::Login => "AUTH=LOGIN",
            Mechanism::CramMd5 => "AUTH=CRAM-MD5",
        });
    }
    names.retain(|name| !is_hidden(name, &terms.hidden));
    if !terms.takes_passwords() {
        // Never hidden: it keeps passwords from being sent.
        names.push("LOGINDISABLED");
    }
    let mut all = "CAPABILITY IMAP4rev1".to_owned();
    for name in names {
        all.push(' ');
        all.push_str(name);
    }
    all
}

fn is_hidden(name: &str, hidden: &[u8]) -> bool {
    hidden
        .split(|byte| b" ,\t".contains(byte))
        .any(|hidden| hidden.eq_ignore_ascii_case(name.as_bytes()))
}
