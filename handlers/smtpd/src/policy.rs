//! Who the client is, and what it may do: settings, login, plugins, introduction by a proxy, counts that only
//! SMTP has.

use std::fmt;

use accounts::address as envelope;
use chain::Env;
use chain::tls::Door;
use sasl::{Mechanism, NeedsTls, Offer};
use smtp::tally::Over;

use crate::handoff::ProgramContext;
use crate::replies;
use crate::settings::{Client, Settings};
use crate::sources::SettingsError;
use crate::spp::Plugins;
use crate::xclient::Introduction;

/// So many HELO, EHLO and MAIL that plugins are asked about may come to no message; then the session ends.
/// Each starts programs, and none is refused.
pub(crate) const VAIN_LIMIT: u64 = 1000;

/// Variables that tell the name to the programs that follow.
const NAME_VARIABLES: [&str; 3] = ["TCPREMOTEINFO", "SMTPAUTHUSER", "SMTP_AUTH_USER"];

/// Reads the settings that an environment makes.
pub type ReadSettings = Box<dyn Fn(&Env) -> Result<Settings, SettingsError>>;

/// What the session works with besides the connection: environment, settings reader, TLS.
pub struct Context {
    /// The environment that programs get.
    pub env: Env,
    /// Reads the settings of a client that a proxy speaks for.
    pub settings: ReadSettings,
    /// The way to the TLS program, where STARTTLS is offered.
    pub door: Option<Door>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("door", &self.door)
            .finish_non_exhaustive()
    }
}

/// A client before its first word: all that a login, a plugin or a command can change later.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    /// The environment as the super-server made it, with what the TLS program has added.
    pub(crate) given: Env,
    /// That environment after the plugins that are asked before the banner, where there are any.
    pub(crate) changed: Option<Env>,
    pub(crate) client: Client,
    pub(crate) plugins: Option<Plugins>,
}

impl Start {
    /// Of a client that the super-server has given this environment, and of which `settings` were made.
    pub(crate) fn of(given: &Env, settings: &Settings) -> Start {
        Start {
            given: given.clone(),
            changed: None,
            client: settings.client.clone(),
            plugins: settings.plugins.clone(),
        }
    }

    /// What the plugins have made of it before the first word.
    pub(crate) fn keep(&mut self, env: &Env, settings: &Settings) {
        self.changed = settings.plugins.is_some().then(|| env.clone());
        self.client = settings.client.clone();
        self.plugins = settings.plugins.clone();
    }

    /// The environment as the super-server made it.
    pub(crate) fn given(&self) -> &Env {
        &self.given
    }
}

/// What has happened so far, beside what every dialogue counts.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Commands that plugins were asked about and that begin a message, or may.
    beginnings: u64,
    /// Messages that were begun.
    pub(crate) begun: u64,
    /// Messages that were accepted.
    pub(crate) accepted: u64,
    pub(crate) failed_logins: u64,
}

/// What is known and decided about the client.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) settings: Settings,
    pub(crate) context: Context,
    /// Who has logged in.
    pub(crate) user: Option<Vec<u8>>,
    /// How the session began, for when nothing counts that was said since.
    pub(crate) start: Start,
    /// Whether a proxy may still say for whom the session is.
    pub(crate) introduction: Introduction,
    /// Why the client is refused for its address, once that was looked up: a reply.
    pub(crate) listed: Option<Option<String>>,
    pub(crate) counts: Counts,
}

impl Policy {
    /// Of the client that `settings` were made for.
    pub(crate) fn new(settings: Settings, context: Context) -> Policy {
        Policy {
            start: Start::of(&context.env, &settings),
            introduction: Introduction::new(settings.terms.xclient),
            settings,
            context,
            user: None,
            listed: None,
            counts: Counts::default(),
        }
    }

    /// Forgets what the client has said. Each field is named here, so one that is added has to be thought
    /// about.
    pub(crate) fn forget(&mut self) {
        let Policy {
            user,
            listed,
            // What the client has not said, or what counts for the session as a whole.
            settings: _,
            context: _,
            start: _,
            introduction: _,
            counts: _,
        } = self;
        *user = None;
        *listed = None;
    }

    /// Counts a command that begins a message, or may, before plugins are asked about it.
    pub(crate) fn count_beginning(&mut self) -> Option<Over> {
        self.counts.beginnings += 1;
        (self.counts.beginnings > self.counts.begun.saturating_add(VAIN_LIMIT)).then_some(Over {
            reply: replies::TOO_MANY_VAIN,
            reason: "too many commands without a message",
        })
    }

    /// Whether the link is encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        chain::tls::is_on(&self.context.env)
    }

    /// Whether who has logged in may send as `sender`: his name is that address or, without a domain or with a local
    /// one, the local part of a local one. Nobody in particular may send as anybody.
    pub(crate) fn is_own_sender(&self, sender: &[u8]) -> bool {
        let Some(user) = &self.user else { return true };
        let local_part = |address| {
            let (local, domain) = envelope::split(address);
            let is_local = domain.is_none_or(|domain| self.settings.hosts.locals.names(domain));
            is_local.then_some(local)
        };
        let same_local_part = local_part(sender)
            .zip(local_part(user))
            .is_some_and(|(sender, user)| sender.eq_ignore_ascii_case(user));
        sender.eq_ignore_ascii_case(user) || same_local_part
    }

    /// The mechanisms that are offered now.
    pub(crate) fn mechanisms(&self) -> Vec<&'static str> {
        if self.user.is_some() {
            return Vec::new();
        }
        let offered = self.offer().mechanisms(self.is_tls());
        offered.map(Mechanism::name).collect()
    }

    /// What is offered to who has not logged in.
    pub(crate) fn offer(&self) -> Offer {
        let terms = &self.settings.terms;
        let needs_tls = match terms.tls_to_auth || terms.tls_to_send {
            true => NeedsTls::Everything,
            false => NeedsTls::Nothing,
        };
        Offer {
            needs_tls,
            ..self.settings.auth.offer()
        }
    }

    /// Whether nobody sends without a login.
    pub(crate) fn must_log_in(&self) -> bool {
        self.settings.auth.is_required() && self.user.is_none()
    }

    /// `user` is who speaks from now on.
    pub(crate) fn enter(&mut self, user: Vec<u8>) {
        for name in NAME_VARIABLES {
            self.context.env.set(name, &user);
        }
        if self.settings.client.relay.is_none() {
            self.settings.client.relay = Some(Vec::new());
            self.context.env.set("RELAYCLIENT", b"");
        }
        self.settings.client.info = Some(user.clone());
        self.user = Some(user);
    }

    /// What a program that takes a message starts with.
    pub(crate) fn program_context(&self) -> ProgramContext<'_> {
        ProgramContext {
            folder: &self.settings.home,
            env: &self.context.env,
            patience: self.settings.limits.queue,
        }
    }
}
