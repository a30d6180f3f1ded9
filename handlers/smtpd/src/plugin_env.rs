//! The environment that plugins and RCPTCHECK get, with what a client said made harmless.
//!
//! Many of them are shell scripts that print what they were told, and what a plugin prints are commands, a
//! line each ([`crate::spp`]). A line end in a value would begin another line, and so would `\n` where the
//! shell's `echo` interprets it, as dash's does. So a control character and a backslash are told as `?`. An
//! address can have a backslash (quoted, RFC 5321 section 4.1.2); nobody's has, and the message goes to
//! the address as it was said.

use std::borrow::Cow;

use chain::Env;

/// The variables whose values come from a client, or from whoever answers for its address.
const FROM_CLIENTS: [&str; 10] = [
    "SMTPHELOHOST",
    "SMTPMAILFROM",
    "SMTPRCPTTO",
    "SMTPAUTHUSER",
    "SMTP_AUTH_USER",
    "SENDER",
    "RECIPIENT",
    "HELO",
    "TCPREMOTEHOST",
    "TCPREMOTEINFO",
];

/// Copies `env` for a program that answers us in lines, with `?` for each byte that could make a line.
pub(crate) fn sanitized(env: &Env) -> Cow<'_, Env> {
    let mut told = Cow::Borrowed(env);
    for name in FROM_CLIENTS {
        if let Some(value) = env.bytes(name).filter(|value| value.iter().any(is_risky)) {
            let harmless: Vec<u8> = value
                .iter()
                .map(|byte| if is_risky(byte) { b'?' } else { *byte })
                .collect();
            told.to_mut().set(name, &harmless);
        }
    }
    told
}

fn is_risky(byte: &u8) -> bool {
    byte.is_ascii_control() || *byte == b'\\'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_the_client_begins_no_line() {
        let said = "a\\nb\nc\rd\x0be\x7f\tf";
        let given: Env = FROM_CLIENTS.iter().map(|name| (*name, said)).collect();
        let told = sanitized(&given);
        for name in FROM_CLIENTS {
            let value = told.bytes(name).expect("set");
            assert_eq!(value, b"a?nb?c?d?e??f", "{name}");
        }
    }

    #[test]
    fn anything_else_stands_as_it_is() {
        let given: Env = [
            ("SMTPMAILFROM", "o'neil+\"x y\"*?$(a)`b`@\u{e9}.test"),
            ("note", "a\\b"),
            ("RELAYCLIENT", "@a\\b"),
        ]
        .into_iter()
        .collect();
        assert!(matches!(sanitized(&given), Cow::Borrowed(_)));
    }
}
