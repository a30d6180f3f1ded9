//! The addresses of a host word: one name after the other. No clock, no sockets.
//!
//! The first name that has addresses counts; one that cannot be looked up ends the search, because
//! a later one might not be what was meant. A name that is a literal address (rules can make one)
//! is that address.

use std::collections::VecDeque;
use std::net::IpAddr;

use dns::{DnsName, Found, Kind, Outcome, Question};

use crate::qualify::Rules;
use crate::record::{Family, HostFailure, Trouble};

/// A host word that is being looked up.
#[derive(Debug)]
pub(crate) struct Host {
    family: Family,
    /// `None` where the word is no name of any length.
    candidates: Option<VecDeque<Vec<u8>>>,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Ask(Question),
    Done(Result<Vec<IpAddr>, HostFailure>),
}

impl Host {
    pub(crate) fn new(rules: &Rules, word: &[u8], family: Family) -> Host {
        Host {
            family,
            candidates: rules.candidates(word).map(Into::into),
        }
    }

    /// The next step, at the start without an outcome, then with that of the last question.
    pub(crate) fn next(&mut self, outcome: Option<&Outcome>) -> Next {
        match outcome {
            Some(Ok(Found::Addresses(list))) if !list.is_empty() => {
                return Next::Done(Ok(list.clone()));
            }
            Some(Err(trouble)) => return Next::Done(Err(HostFailure::Temporary(*trouble))),
            Some(Ok(_)) | None => {}
        }
        let Some(candidates) = &mut self.candidates else {
            return Next::Done(Err(HostFailure::Temporary(Trouble::Protocol)));
        };
        let Some(candidate) = candidates.pop_front() else {
            return Next::Done(Err(HostFailure::NotFound));
        };
        if let Some(address) = self.literal(&candidate) {
            return Next::Done(Ok(vec![address]));
        }
        match DnsName::parse(&candidate) {
            Ok(name) => Next::Ask(Question {
                name,
                kind: match self.family {
                    Family::V4 => Kind::Ipv4,
                    Family::V6 => Kind::Ipv6,
                },
            }),
            Err(_) => Next::Done(Err(HostFailure::Temporary(Trouble::Protocol))),
        }
    }

    fn literal(&self, candidate: &[u8]) -> Option<IpAddr> {
        let inner = candidate
            .strip_prefix(b"[")
            .and_then(|rest| rest.strip_suffix(b"]"));
        let address: IpAddr = std::str::from_utf8(inner.unwrap_or(candidate))
            .ok()?
            .parse()
            .ok()?;
        (address.is_ipv4() == (self.family == Family::V4)).then_some(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(word: &str) -> Host {
        let rules = Rules::parse(b"?:+.one.test+.two.test\n=lit:[192.0.2.1]\n*.:");
        Host::new(&rules, word.as_bytes(), Family::V4)
    }

    fn asked(next: &Next) -> String {
        match next {
            Next::Ask(question) => {
                assert_eq!(question.kind, Kind::Ipv4);
                String::from_utf8(question.name.to_text()).expect("ASCII")
            }
            Next::Done(result) => panic!("{result:?}"),
        }
    }

    fn addresses(list: &[&str]) -> Outcome {
        Ok(Found::Addresses(
            list.iter().map(|text| text.parse().expect("one")).collect(),
        ))
    }

    #[test]
    fn the_first_name_with_addresses_counts() {
        let mut host = host("w");
        assert_eq!(asked(&host.next(None)), "w.one.test");
        assert_eq!(asked(&host.next(Some(&addresses(&[])))), "w.two.test");
        let list = vec![
            "192.0.2.9".parse().expect("one"),
            "192.0.2.8".parse().expect("one"),
        ];
        let found = addresses(&["192.0.2.9", "192.0.2.8"]);
        assert_eq!(host.next(Some(&found)), Next::Done(Ok(list)));
    }

    #[test]
    fn a_word_whose_names_have_no_addresses_is_not_found() {
        let mut host = host("a.b");
        assert_eq!(asked(&host.next(None)), "a.b");
        let next = host.next(Some(&addresses(&[])));
        assert_eq!(next, Next::Done(Err(HostFailure::NotFound)));
    }

    #[test]
    fn a_name_that_cannot_be_looked_up_ends_the_search() {
        let mut host = host("w");
        host.next(None);
        let failure = HostFailure::Temporary(Trouble::ServerFailed);
        assert_eq!(
            host.next(Some(&Err(Trouble::ServerFailed))),
            Next::Done(Err(failure))
        );
    }

    #[test]
    fn what_is_no_name_is_a_protocol_error() {
        let failure = || Next::Done(Err(HostFailure::Temporary(Trouble::Protocol)));
        assert_eq!(
            host(&format!("{}.test", "y".repeat(64))).next(None),
            failure()
        );
        assert_eq!(host(&"y.".repeat(4_000)).next(None), failure());
    }

    #[test]
    fn a_literal_address_of_the_family_is_itself() {
        let address = "192.0.2.1".parse().expect("one");
        for word in ["192.0.2.1", "192.0.2.1.", "[192.0.2.1]"] {
            assert_eq!(
                host(word).next(None),
                Next::Done(Ok(vec![address])),
                "{word}"
            );
        }
        assert_eq!(asked(&host("::1").next(None)), "\\072\\0721.one.test");
    }
}
