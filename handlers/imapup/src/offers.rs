//! What can be done now, and how it is announced.

use login::dialogue::{Terms, Tls};
use wire::sasl::Mechanism;

/// Whether passwords are taken on this link by this checker.
pub(crate) fn passwords(terms: &Terms) -> bool {
    terms.password && (!terms.require_tls || terms.tls == Tls::On)
}

/// The mechanisms of AUTHENTICATE.
pub(crate) fn mechanisms(terms: &Terms) -> Vec<Mechanism> {
    let mut all = Vec::new();
    if passwords(terms) {
        all.extend([Mechanism::Plain, Mechanism::Login]);
    }
    if terms.cram.is_some() {
        all.push(Mechanism::CramMd5);
    }
    all
}

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
    for mechanism in mechanisms(terms) {
        names.push(match mechanism {
            Mechanism::Plain => "AUTH=PLAIN",
            Mechanism::Login => "AUTH=LOGIN",
            Mechanism::CramMd5 => "AUTH=CRAM-MD5",
        });
    }
    names.retain(|name| !is_hidden(name, &terms.hidden));
    if !passwords(terms) {
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
