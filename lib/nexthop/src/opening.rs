//! From a new connection to one that a message can be sent on: banner, EHLO, STARTTLS, AUTH.
//!
//! Whatever goes wrong here is a temporary failure, also where the server says 5yz: it is not the
//! message that is wrong.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::capabilities::Capabilities;
use crate::commands::{self, Unspeakable};
use crate::conversation::{Conversation, deadline};
use crate::failure::Failure;
use crate::link::Link;
use crate::settings::{Credentials, Settings};
use crate::tls::{self, Proof};
use crate::transport::{Endpoint, Hop, Protocol, Security};

/// How far a server can be trusted with a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// It may be anybody, or anybody may listen.
    None,
    /// It has proved its name.
    Proved,
    /// It is on this host, where only it can be.
    Local,
}

/// What an opening leads to.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) conversation: Conversation,
    pub(crate) capabilities: Capabilities,
    /// Whether AUTH was done.
    pub(crate) authenticated: bool,
}

pub(crate) fn open(link: Link, hop: &Hop, settings: &Settings) -> Result<Opened, Failure> {
    let mut conversation = Conversation::new(link, hop.to_string(), settings.limits);
    conversation.end_by(Some(deadline(settings.limits.opening)));
    greet(conversation, hop, settings).map_err(Failure::for_later)
}

fn greet(mut talk: Conversation, hop: &Hop, settings: &Settings) -> Result<Opened, Failure> {
    let proof = Proof::Required(settings.ca_file.as_deref());
    let mut trust = match hop.endpoint {
        Endpoint::Unix(_) => Trust::Local,
        Endpoint::Tcp { .. } => Trust::None,
    };
    if hop.security == Security::Wrapped {
        start_tls(&mut talk, hop, proof)?;
        trust = Trust::Proved;
    }
    let limit = deadline(settings.limits.reply.min(settings.limits.opening));
    let banner = talk.reply("its banner", limit)?;
    talk.judge("the connection", &banner.reply, 2)?;
    let mut capabilities = hello(&mut talk, hop.protocol, &settings.name)?;
    let proof = match hop.security {
        Security::StartTls => Some(proof),
        Security::Opportunistic if capabilities.starttls => Some(Proof::None),
        Security::Plain | Security::Opportunistic | Security::Wrapped => None,
    };
    let proof = match proof {
        Some(_) if !capabilities.starttls => {
            return Err(talk.fault("it does not offer STARTTLS, which is required here"));
        }
        Some(proof) => asks_for_tls(&mut talk, hop.security)?.then_some(proof),
        None => None,
    };
    if let Some(proof) = proof {
        start_tls(&mut talk, hop, proof)?;
        if hop.security == Security::StartTls {
            trust = Trust::Proved;
        }
        // What was offered before was offered by whoever can write in the clear.
        capabilities = hello(&mut talk, hop.protocol, &settings.name)?;
    }
    let offered = capabilities.auth_plain || capabilities.auth_login;
    let authenticated = match (&settings.credentials, trust) {
        (Some(credentials), Trust::Proved | Trust::Local) if offered => {
            authenticate(&mut talk, &capabilities, credentials)?;
            true
        }
        (Some(_), Trust::Proved) => {
            return Err(talk.fault("it offers neither AUTH PLAIN nor AUTH LOGIN"));
        }
        _ => false,
    };
    Ok(Opened {
        conversation: talk,
        capabilities,
        authenticated,
    })
}

/// Whether the server agrees to begin TLS; whoever only would like to have it goes on without.
fn asks_for_tls(talk: &mut Conversation, security: Security) -> Result<bool, Failure> {
    let answer = match talk.expect("STARTTLS", b"STARTTLS\r\n", 2) {
        Ok(whole) => whole.reply,
        Err(failure) if security == Security::Opportunistic && !talk.is_broken() => {
            debug_assert!(failure.reply.is_some());
            return Ok(false);
        }
        Err(failure) => return Err(failure),
    };
    if answer.code != 220 {
        return Err(talk.fault(&format!("it has no answer to STARTTLS: {answer}")));
    }
    Ok(true)
}

fn start_tls(talk: &mut Conversation, hop: &Hop, proof: Proof<'_>) -> Result<(), Failure> {
    let session = match &hop.endpoint {
        Endpoint::Tcp { host, .. } => tls::session(host, proof),
        Endpoint::Unix(_) => {
            Err("a UNIX socket has no name that a certificate could be for".into())
        }
    };
    match session {
        Ok(session) => talk.start_tls(session),
        Err(reason) => Err(talk.fault(&reason)),
    }
}

/// EHLO or LHLO; a server that does not know EHLO gets HELO (RFC 5321 section 3.2).
fn hello(
    talk: &mut Conversation,
    protocol: Protocol,
    name: &[u8],
) -> Result<Capabilities, Failure> {
    let verb = match protocol {
        Protocol::Smtp => "EHLO",
        Protocol::Lmtp => "LHLO",
    };
    let lines = commands::hello(protocol, name).and_then(|line| {
        let old = commands::old_hello(name)?;
        Ok((line, old))
    });
    let Ok((line, old_line)) = lines else {
        debug_assert_eq!(lines, Err(Unspeakable::Name));
        let name = name.escape_ascii();
        return Err(talk.fault(&format!("\"{name}\" is no name to greet it with")));
    };
    match talk.expect(verb, &line, 2) {
        Ok(whole) => Ok(Capabilities::parse(&whole.lines)),
        Err(failure) if failure.permanent && protocol == Protocol::Smtp => {
            talk.expect("HELO", &old_line, 2)?;
            Ok(Capabilities::default())
        }
        Err(failure) => Err(failure),
    }
}

/// RFC 4954. PLAIN is done in one line; LOGIN answers two questions.
fn authenticate(
    talk: &mut Conversation,
    offered: &Capabilities,
    credentials: &Credentials,
) -> Result<(), Failure> {
    let (user, password) = (credentials.user.as_slice(), credentials.password.as_slice());
    if offered.auth_plain {
        let message = Zeroizing::new([b"\0", user, b"\0", password].concat());
        let line = line(b"AUTH PLAIN ", &message);
        let mut whole = talk.command("AUTH PLAIN", &line)?;
        if whole.reply.code == 334 {
            // It has passed over the initial response.
            whole = talk.command("AUTH PLAIN", &self::line(b"", &message))?;
        }
        return talk.judge("AUTH PLAIN", &whole.reply, 2);
    }
    talk.expect("AUTH LOGIN", b"AUTH LOGIN\r\n", 3)?;
    talk.expect("the name of AUTH LOGIN", &line(b"", user), 3)?;
    talk.expect("the password of AUTH LOGIN", &line(b"", password), 2)?;
    Ok(())
}

/// `verb` and `message` in base64. Of its final size at once, so that no copy is left behind.
fn line(verb: &[u8], message: &[u8]) -> Zeroizing<Vec<u8>> {
    let length = message.len().div_ceil(3) * 4;
    let mut line = Zeroizing::new(vec![0; verb.len() + length + 2]);
    line[..verb.len()].copy_from_slice(verb);
    let written = STANDARD.encode_slice(message, &mut line[verb.len()..]);
    debug_assert_eq!(written, Ok(length));
    let end = verb.len() + length;
    line[end..].copy_from_slice(b"\r\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_base64_has_no_copy_and_no_break() {
        assert_eq!(
            line(b"AUTH PLAIN ", b"\0a\0b").as_slice(),
            b"AUTH PLAIN AGEAYg==\r\n"
        );
        assert_eq!(line(b"", b"").as_slice(), b"\r\n");
        assert_eq!(line(b"", b"abc").as_slice(), b"YWJj\r\n");
        let long = line(b"", &[b'x'; 300]);
        assert_eq!(long.len(), 402);
    }
}
