//! The mechanisms, and which of them are on offer.

/// A mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// Name and password, each asked for.
    Login,
    /// RFC 2195.
    CramMd5,
}

impl Mechanism {
    /// The mechanism of that name, in any case.
    pub fn of(name: &[u8]) -> Option<Mechanism> {
        [Mechanism::Plain, Mechanism::Login, Mechanism::CramMd5]
            .into_iter()
            .find(|mechanism| mechanism.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
            Mechanism::CramMd5 => "CRAM-MD5",
        }
    }

    /// Whether it shows the password to everybody who can read the connection.
    pub fn is_plaintext(self) -> bool {
        self != Mechanism::CramMd5
    }
}

/// What is taken on an encrypted link only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeedsTls {
    /// Nothing.
    Nothing,
    /// Mechanisms that show the password: REQUIRETLS of popup and imapup, which still take digests.
    Passwords,
    /// All mechanisms: REQUIRETLS of smtpd, where the message is to be encrypted as well.
    Everything,
}

/// What a server offers, by its settings and by what its checker can verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// PLAIN and LOGIN.
    pub passwords: bool,
    /// CRAM-MD5.
    pub cram_md5: bool,
    /// What of it needs TLS.
    pub needs_tls: NeedsTls,
    /// The order in which it is announced.
    pub order: [Mechanism; 3],
}

impl Offer {
    /// The order of popup and imapup.
    pub const PLAIN_FIRST: [Mechanism; 3] =
        [Mechanism::Plain, Mechanism::Login, Mechanism::CramMd5];

    /// The order of smtpd, which is that of the patches for qmail-smtpd.
    pub const LOGIN_FIRST: [Mechanism; 3] =
        [Mechanism::Login, Mechanism::Plain, Mechanism::CramMd5];

    /// Whether it is empty, whatever the link is.
    pub fn is_nothing(&self) -> bool {
        !self.passwords && !self.cram_md5
    }

    /// Whether passwords are taken now, also by another command than SASL's.
    pub fn takes_passwords(&self, is_tls: bool) -> bool {
        self.passwords && (is_tls || self.needs_tls == NeedsTls::Nothing)
    }

    /// Whether `mechanism` is taken now.
    pub fn takes(&self, mechanism: Mechanism, is_tls: bool) -> bool {
        match mechanism {
            Mechanism::Plain | Mechanism::Login => self.takes_passwords(is_tls),
            Mechanism::CramMd5 => {
                self.cram_md5 && (is_tls || self.needs_tls != NeedsTls::Everything)
            }
        }
    }

    /// What is announced now.
    pub fn mechanisms(self, is_tls: bool) -> impl Iterator<Item = Mechanism> {
        let taken = move |mechanism: &Mechanism| self.takes(*mechanism, is_tls);
        self.order.into_iter().filter(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(offer: Offer, is_tls: bool) -> Vec<&'static str> {
        offer.mechanisms(is_tls).map(Mechanism::name).collect()
    }

    const ALL: Offer = Offer {
        passwords: true,
        cram_md5: true,
        needs_tls: NeedsTls::Nothing,
        order: Offer::PLAIN_FIRST,
    };

    #[test]
    fn what_needs_tls_is_not_announced_without_it() {
        let all = vec!["PLAIN", "LOGIN", "CRAM-MD5"];
        for (needs_tls, in_the_clear) in [
            (NeedsTls::Nothing, all.clone()),
            (NeedsTls::Passwords, vec!["CRAM-MD5"]),
            (NeedsTls::Everything, vec![]),
        ] {
            let offer = Offer { needs_tls, ..ALL };
            assert_eq!(names(offer, false), in_the_clear, "{needs_tls:?}");
            assert_eq!(names(offer, true), all, "{needs_tls:?}");
        }
    }

    #[test]
    fn what_the_checker_cannot_verify_is_not_announced() {
        let digests = Offer {
            passwords: false,
            ..ALL
        };
        assert_eq!(names(digests, true), ["CRAM-MD5"]);
        assert!(!digests.takes_passwords(true) && !digests.is_nothing());
        let passwords = Offer {
            cram_md5: false,
            order: Offer::LOGIN_FIRST,
            ..ALL
        };
        assert_eq!(names(passwords, false), ["LOGIN", "PLAIN"]);
        let nothing = Offer {
            cram_md5: false,
            ..digests
        };
        assert!(nothing.is_nothing() && names(nothing, true).is_empty());
    }

    #[test]
    fn mechanisms_are_found_in_any_case() {
        assert_eq!(Mechanism::of(b"cram-md5"), Some(Mechanism::CramMd5));
        assert_eq!(Mechanism::of(b"Plain"), Some(Mechanism::Plain));
        assert_eq!(Mechanism::of(b"PLAIN "), None);
    }
}
