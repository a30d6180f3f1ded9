//! The program superd-rulescheck, known to many as tcprulescheck. Its manual page is
//! superd-rulescheck(1).

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use os::Exit;

use crate::cdb::Cdb;
use crate::record::Item;
use crate::search::{Client, Decision, decide};

/// Asks the database named by the first word of `args` about the client that the environment
/// describes, and writes the answer to descriptor 1. `name` begins each message.
pub fn main(name: &str, args: Vec<OsString>) -> Exit {
    let Some(database) = args.first() else {
        os::log::say(format!("{name}: usage: {name} rules.cdb\n").as_bytes());
        return Exit::PERMANENT;
    };
    let variable = |name| std::env::var_os(name).map(OsString::into_vec);
    let ip = variable("TCPREMOTEIP").unwrap_or_else(|| b"0.0.0.0".to_vec());
    let (host, info) = (variable("TCPREMOTEHOST"), variable("TCPREMOTEINFO"));
    let client = Client {
        ip: &ip,
        host: host.as_deref(),
        info: info.as_deref(),
    };
    match ask(database, &client) {
        Ok(decision) => {
            // As the original: who closed the output does not want to know.
            let _ = io::stdout()
                .write_all(&answer(&decision))
                .and_then(|()| io::stdout().flush());
            Exit::OK
        }
        Err(error) => {
            let reason = os::reason(&error);
            let (prefix, database) = (
                format!("{name}: fatal: unable to read "),
                database.as_bytes(),
            );
            os::log::say(&[prefix.as_bytes(), database, b": ", reason.as_bytes(), b"\n"].concat());
            Exit::TEMPORARY
        }
    }
}

fn ask(database: &OsStr, client: &Client<'_>) -> io::Result<Decision> {
    let cdb = Cdb::open_path(Path::new(database))?;
    decide(client, |key| cdb.get(key))
}

/// The lines that tell of a decision. A denial ends them, though a server would go on to the
/// variables behind it; a variable without `=` is shown, though it sets nothing.
fn answer(decision: &Decision) -> Vec<u8> {
    let mut text = match &decision.key {
        None => b"default:\n".to_vec(),
        Some(key) => [b"rule ", &key[..], b":\n"].concat(),
    };
    for item in decision.record.items() {
        match item {
            Item::Deny => {
                text.extend_from_slice(b"deny connection\n");
                return text;
            }
            Item::Set(variable) => {
                text.extend_from_slice(b"set environment variable ");
                text.extend_from_slice(variable);
                text.push(b'\n');
            }
        }
    }
    text.extend_from_slice(b"allow connection\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;

    fn text(key: Option<&[u8]>, data: &[u8]) -> String {
        let key = key.map(<[u8]>::to_vec);
        let answer = answer(&Decision {
            key,
            record: Record::new(data.to_vec()),
        });
        String::from_utf8(answer).unwrap()
    }

    #[test]
    fn no_rule_is_the_default_and_the_empty_key_is_a_rule() {
        assert_eq!(text(None, b""), "default:\nallow connection\n");
        assert_eq!(text(Some(b""), b""), "rule :\nallow connection\n");
    }

    #[test]
    fn variables_stand_in_order_between_the_rule_and_the_verdict() {
        assert_eq!(
            text(Some(b"1.2."), b"+A=1\0+B=\0"),
            "rule 1.2.:\nset environment variable A=1\nset environment variable B=\n\
             allow connection\n"
        );
    }

    #[test]
    fn a_denial_ends_the_answer() {
        assert_eq!(
            text(Some(b"=x"), b"+A=1\0D\0+B=2\0"),
            "rule =x:\nset environment variable A=1\ndeny connection\n"
        );
    }

    #[test]
    fn an_item_without_an_equals_sign_is_shown_as_it_stands() {
        assert_eq!(
            text(Some(b"x"), b"+A\0"),
            "rule x:\nset environment variable A\nallow connection\n"
        );
    }
}
