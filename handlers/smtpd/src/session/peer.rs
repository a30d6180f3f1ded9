//! XCLIENT: from here on the session is that of the client behind the proxy.
//!
//! It is as if the super-server had accepted that client itself: the settings are read anew from an
//! environment in which nothing of what the rules said about the proxy alone is left, and which the
//! rules for such clients, where there are any, have made for this one.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use chain::Env;
use smtp::dialogue::Hello;
use wire::command::Next;

use super::Session;
use crate::client_rules::{self, Judgement};
use crate::replies;
use crate::xclient::{Heard, Introduced};

/// What the rules, or a login, said about the proxy and nobody else; what its certificate says goes, too.
const PROXYS_OWN: [&str; 6] = [
    "RELAYCLIENT",
    "RELAY_CTRL_USER",
    "TCPREMOTEINFO",
    "XCLIENT",
    "XCLIENT_RULES",
    "TCPREMOTEPORT",
];

impl Session {
    pub(super) fn xclient(&mut self, argument: &[u8]) -> Next {
        match self.policy.introduction.hear(argument) {
            Heard::More => {
                self.greet();
                Next::Continue
            }
            Heard::Whole(client) => self.introduce(client),
            Heard::Refused(text) => self.dialogue.bad(text),
            Heard::Fatal(text) => self.end_for_xclient(text),
        }
    }

    /// Ends a session in which it cannot be known any more who speaks.
    pub(super) fn end_for_xclient(&mut self, text: &'static str) -> Next {
        self.dialogue
            .log_refusal(self.dialogue.verb, None, None, text);
        self.dialogue.close(text, "XCLIENT failed")
    }

    /// Begins for a client that the proxy speaks for.
    fn introduce(&mut self, client: Introduced) -> Next {
        let proxy = self.policy.settings.client.ip.clone();
        let rules = self.policy.start.given().bytes("XCLIENT_RULES");
        let rules = rules.filter(|path| !path.is_empty()).map(<[u8]>::to_vec);
        let mut env = environment(self.policy.start.given(), &client);
        self.dialogue
            .log
            .set_ip(env.bytes("TCPREMOTEIP").unwrap_or(b"unknown"));
        if let Some(rules) = rules {
            let path = self.policy.settings.home.join(OsStr::from_bytes(&rules));
            match client_rules::judge(&path, &client) {
                Ok(Judgement::Allow(variables)) => {
                    for (name, value) in variables {
                        env.set_os(OsStr::from_bytes(&name), OsStr::from_bytes(&value));
                    }
                }
                Ok(Judgement::Deny) => {
                    self.dialogue
                        .log_refusal("XCLIENT", None, None, replies::NOT_SERVED);
                    return self
                        .dialogue
                        .close(replies::NOT_SERVED, "the rules deny the client");
                }
                Err(reason) => {
                    self.dialogue.log_fault(&reason);
                    return self
                        .dialogue
                        .close(replies::NO_RULES, "the rules cannot be read");
                }
            }
        }
        let settings = match (self.policy.context.settings)(&env) {
            Ok(settings) => settings,
            Err(error) => {
                self.dialogue.log_fault(&error.to_string());
                return self
                    .dialogue
                    .close(replies::NO_CONTROLS, "the settings cannot be read");
            }
        };
        let over = self.dialogue.began.checked_add(settings.limits.session);
        self.dialogue
            .conn
            .end_at(over.unwrap_or(self.dialogue.began));
        if client.login.is_some() || !chain::tls::is_wanted(&env) {
            self.policy.context.door = None;
        }
        if !self.start(env, settings) {
            return Next::Close;
        }
        self.dialogue.hello = Hello {
            name: client.helo,
            esmtp: client.esmtp,
        };
        if let Some(user) = client.login {
            self.policy.enter(user);
        }
        self.log_introduced(&proxy);
        self.greet();
        Next::Continue
    }

    fn log_introduced(&mut self, proxy: &[u8]) {
        let client = &self.policy.settings.client;
        let relay: &[u8] = if client.relay.is_some() {
            b"yes"
        } else {
            b"no"
        };
        let mut entry = self
            .dialogue
            .log
            .event("xclient")
            .field("proxy", proxy)
            .field("host", &client.host)
            .field("relay", relay);
        if let Some(user) = &self.policy.user {
            entry = entry.field("user", user);
        }
        entry.say();
    }
}

/// The environment that the super-server would have made for `client`, as far as `of_proxy` tells.
fn environment(of_proxy: &Env, client: &Introduced) -> Env {
    let mut env = of_proxy.clone();
    for name in PROXYS_OWN {
        env.remove(name);
    }
    chain::tls::remove_identity(&mut env);
    for (name, value) in [
        ("TCPREMOTEIP", &client.ip),
        ("TCPREMOTEHOST", &client.host),
        ("TCPREMOTEPORT", &client.port),
    ] {
        match value {
            Some(value) => env.set(name, value),
            None => env.remove(name),
        }
    }
    env
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_what_is_known_of_the_proxy_alone() {
        let of_proxy: Env = [
            ("TCPREMOTEIP", "192.0.2.25"),
            ("TCPREMOTEHOST", "proxy.test"),
            ("TCPREMOTEPORT", "4711"),
            ("TCPREMOTEINFO", "proxy"),
            ("RELAYCLIENT", ""),
            ("RELAY_CTRL_USER", "proxy"),
            ("XCLIENT", ""),
            ("XCLIENT_RULES", "clients.cdb"),
            ("SSL_CLIENT_S_DN", "CN=proxy"),
            ("SSL_PEER_CERT", "proxy"),
            ("SSL_PROTOCOL", "TLSv1.3"),
            ("TCPLOCALIP", "192.0.2.1"),
            ("DATABYTES", "1000"),
        ]
        .into_iter()
        .collect();
        let client = Introduced {
            ip: Some(b"203.0.113.7".to_vec()),
            login: Some(b"joe".to_vec()),
            ..Introduced::default()
        };
        let expected: Env = [
            ("TCPREMOTEIP", "203.0.113.7"),
            ("SSL_PROTOCOL", "TLSv1.3"),
            ("TCPLOCALIP", "192.0.2.1"),
            ("DATABYTES", "1000"),
        ]
        .into_iter()
        .collect();
        assert_eq!(environment(&of_proxy, &client), expected);
    }
}
