//! What is known so far about one connection. No clock, no sockets: what others find out is handed
//! in, what is to be asked next is handed out.
//!
//! The local name, the remote name and ident are asked for at the same time; the check of the
//! remote name (-p) has to wait for the name. The name is kept if one of its addresses is the
//! client's; otherwise it is removed, and the client is not refused for it (as the original does).
//! The check asks the DNS in every case: a reverse name that reads like an IP address does not
//! confirm itself, as it does in the original.

use std::net::IpAddr;

use dns::{Found, Outcome, Question};

use crate::ident::is_info;
use crate::record::{Answer, Name, Request};

/// One of the questions about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The name of the local address.
    Local,
    /// The name of the remote address.
    Remote,
    /// The addresses of that name.
    Forward,
}

/// A connection that is being looked up.
#[derive(Debug)]
pub(crate) struct Connection {
    request: Request,
    local: State,
    remote: State,
    info: Info,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Waiting,
    /// The name, as text, is there and is being checked.
    Checking(Vec<u8>),
    Known(Name),
}

#[derive(Debug, PartialEq, Eq)]
enum Info {
    Waiting,
    Known(Option<Vec<u8>>),
}

impl Connection {
    /// The connection, and what is to be asked about it at once. Ident is the caller's to ask, if
    /// the request wants it.
    pub(crate) fn new(request: Request) -> (Connection, Vec<(Part, Question)>) {
        let mut questions = Vec::new();
        let mut ask = |wanted: bool, part, address: IpAddr| {
            if !wanted {
                return State::Known(Name::NotAsked);
            }
            questions.push((part, Question::name_of(address.to_canonical())));
            State::Waiting
        };
        let local = ask(request.local_name, Part::Local, request.local.ip());
        let remote = ask(request.remote_name, Part::Remote, request.remote.ip());
        let info = if request.ident.is_some() {
            Info::Waiting
        } else {
            Info::Known(None)
        };
        (
            Connection {
                request,
                local,
                remote,
                info,
            },
            questions,
        )
    }

    /// Takes the outcome of one question; gives the one that follows from it.
    pub(crate) fn learn(&mut self, part: Part, outcome: &Outcome) -> Option<Question> {
        match part {
            Part::Local if self.local == State::Waiting => {
                self.local = State::Known(name_in(outcome));
            }
            Part::Remote if self.remote == State::Waiting => {
                if self.request.paranoid
                    && let Ok(Found::Name(Some(name))) = outcome
                {
                    self.remote = State::Checking(name.to_text());
                    let client = self.request.remote.ip().to_canonical();
                    return Some(Question::addresses_like(name.clone(), client));
                }
                self.remote = State::Known(name_in(outcome));
            }
            Part::Forward => {
                if let State::Checking(text) = &mut self.remote {
                    let text = std::mem::take(text);
                    self.remote = State::Known(self.checked(text, outcome));
                }
            }
            // The time was over before this came.
            Part::Local | Part::Remote => {}
        }
        None
    }

    fn checked(&self, text: Vec<u8>, outcome: &Outcome) -> Name {
        let client = self.request.remote.ip().to_canonical();
        match outcome {
            Ok(Found::Addresses(list)) if list.contains(&client) => Name::Known(text),
            Ok(_) => Name::None,
            Err(_) => Name::Failed,
        }
    }

    /// Takes what the ident server said; `None` where it did not.
    pub(crate) fn learn_info(&mut self, info: Option<Vec<u8>>) {
        if self.info == Info::Waiting {
            self.info = Info::Known(info.filter(|info| is_info(info)));
        }
    }

    /// The time for names is over: what is not known has failed.
    pub(crate) fn stop_names(&mut self) {
        for state in [&mut self.local, &mut self.remote] {
            if !matches!(state, State::Known(_)) {
                *state = State::Known(Name::Failed);
            }
        }
    }

    /// The answer, once nothing is waited for any more.
    pub(crate) fn answer(&self) -> Option<Answer> {
        let (State::Known(local_name), State::Known(remote_name), Info::Known(info)) =
            (&self.local, &self.remote, &self.info)
        else {
            return None;
        };
        Some(Answer {
            id: self.request.id,
            local_name: local_name.clone(),
            remote_name: remote_name.clone(),
            info: info.clone(),
        })
    }
}

fn name_in(outcome: &Outcome) -> Name {
    match outcome {
        Ok(Found::Name(Some(name))) => Name::Known(name.to_text()),
        Ok(_) => Name::None,
        Err(_) => Name::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dns::{DnsName, Kind, Trouble};
    use std::time::Duration;

    fn request() -> Request {
        Request {
            id: 5,
            remote_name: true,
            paranoid: false,
            local_name: false,
            ident: None,
            local: "192.0.2.1:25".parse().expect("an address"),
            remote: "[::ffff:192.0.2.2]:50559".parse().expect("an address"),
        }
    }

    fn named(text: &str) -> Outcome {
        Ok(Found::Name(Some(
            DnsName::parse(text.as_bytes()).expect("a name"),
        )))
    }

    fn addresses(list: &[&str]) -> Outcome {
        Ok(Found::Addresses(
            list.iter().map(|text| text.parse().expect("one")).collect(),
        ))
    }

    fn known(text: &str) -> Name {
        Name::Known(text.as_bytes().to_vec())
    }

    #[test]
    fn only_what_is_wanted_is_asked_and_all_of_it_at_once() {
        let all = Request {
            local_name: true,
            ident: Some(Duration::ZERO),
            ..request()
        };
        let (connection, questions) = Connection::new(all);
        let texts: Vec<_> = questions
            .iter()
            .map(|(_, asked)| asked.name.to_text())
            .collect();
        assert_eq!(
            texts,
            [b"1.2.0.192.in-addr.arpa", b"2.2.0.192.in-addr.arpa"]
        );
        assert_eq!(connection.answer(), None);

        let nothing = Request {
            remote_name: false,
            paranoid: true,
            ..request()
        };
        let (connection, questions) = Connection::new(nothing.clone());
        assert_eq!(questions, []);
        assert_eq!(connection.answer(), Some(nothing.failed()));
    }

    #[test]
    fn the_answer_waits_for_every_part() {
        let all = Request {
            local_name: true,
            ident: Some(Duration::ZERO),
            ..request()
        };
        let (mut connection, _) = Connection::new(all);
        assert_eq!(connection.learn(Part::Remote, &named("mx.test")), None);
        connection.learn_info(Some(b"joe".to_vec()));
        assert_eq!(connection.answer(), None);
        connection.learn(Part::Local, &Ok(Found::Name(None)));
        let answer = connection.answer().expect("all is known");
        assert_eq!((answer.id, answer.info), (5, Some(b"joe".to_vec())));
        assert_eq!(
            (answer.local_name, answer.remote_name),
            (Name::None, known("mx.test"))
        );
    }

    fn checked(forward: &Outcome) -> Name {
        let (mut connection, _) = Connection::new(Request {
            paranoid: true,
            ..request()
        });
        let question = connection
            .learn(Part::Remote, &named("mx.test"))
            .expect("the check");
        assert_eq!(question.kind, Kind::Ipv4);
        assert_eq!(question.name.to_text(), b"mx.test");
        assert_eq!(connection.answer(), None);
        assert_eq!(connection.learn(Part::Forward, forward), None);
        connection.answer().expect("all is known").remote_name
    }

    #[test]
    fn a_checked_name_is_kept_only_if_it_has_the_clients_address() {
        assert_eq!(
            checked(&addresses(&["192.0.2.9", "192.0.2.2"])),
            known("mx.test")
        );
        assert_eq!(checked(&addresses(&["192.0.2.9"])), Name::None);
        assert_eq!(checked(&addresses(&[])), Name::None);
        assert_eq!(checked(&Err(Trouble::TimedOut)), Name::Failed);
    }

    #[test]
    fn there_is_nothing_to_check_without_a_name() {
        for (outcome, name) in [
            (Ok(Found::Name(None)), Name::None),
            (Err(Trouble::Busy), Name::Failed),
        ] {
            let (mut connection, _) = Connection::new(Request {
                paranoid: true,
                ..request()
            });
            assert_eq!(connection.learn(Part::Remote, &outcome), None);
            assert_eq!(connection.answer().expect("all is known").remote_name, name);
        }
    }

    #[test]
    fn an_ipv6_client_is_checked_by_its_ipv6_addresses() {
        let remote = "[2001:db8::2]:1".parse().expect("an address");
        let (mut connection, _) = Connection::new(Request {
            paranoid: true,
            remote,
            ..request()
        });
        let question = connection
            .learn(Part::Remote, &named("mx.test"))
            .expect("the check");
        assert_eq!(question.kind, Kind::Ipv6);
        connection.learn(Part::Forward, &addresses(&["2001:db8::2"]));
        assert_eq!(
            connection.answer().expect("all is known").remote_name,
            known("mx.test")
        );
    }

    #[test]
    fn when_the_time_is_over_what_is_not_known_has_failed_and_stays_so() {
        let wanted = Request {
            paranoid: true,
            local_name: true,
            ..request()
        };
        let (mut connection, _) = Connection::new(wanted);
        connection.learn(Part::Local, &named("here.test"));
        connection.learn(Part::Remote, &named("mx.test"));
        connection.stop_names();
        connection.learn(Part::Forward, &addresses(&["192.0.2.2"]));
        connection.learn(Part::Local, &named("later.test"));
        let answer = connection.answer().expect("all is known");
        assert_eq!(
            (answer.local_name, answer.remote_name),
            (known("here.test"), Name::Failed)
        );
    }
}
