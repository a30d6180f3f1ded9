//! How a session begins for a client, and what it goes back to.
//!
//! There are two moments at which nothing that was said before counts: the switch to an encrypted link
//! (RFC 3207 section 4.2), and the word of a proxy that another client speaks now. The first goes back to
//! the start; the second makes another start, in which nothing is left of the proxy's. Both, and the
//! session's own beginning, pass through here, so that no state of one client can come to another.

use chain::Env;
use smtp::dialogue::Hello;

use super::Session;
use crate::policy::Start;
use crate::settings::Settings;

impl Session {
    /// Begins for the client that the super-server has accepted; whether the plugins let it.
    pub(super) fn open(&mut self) -> bool {
        let is_welcome = self.is_welcome();
        self.policy
            .start
            .keep(&self.policy.context.env, &self.policy.settings);
        is_welcome
    }

    /// Begins for the client that `settings` are for, with `given` as its environment; whether the plugins
    /// let it. Nothing is left of a client before it but what the session as a whole has counted.
    pub(super) fn start(&mut self, given: Env, settings: Settings) -> bool {
        self.forget();
        // Its transports may be others.
        self.transaction.leave_idle();
        self.policy.start = Start::of(&given, &settings);
        self.dialogue.tally.limit_to(settings.limits.dialogue());
        self.dialogue.enhanced = settings.terms.enhanced;
        self.policy.settings = settings;
        self.policy.context.env = given;
        self.open()
    }

    /// Begins again for the same client, on a link that is encrypted now; `variables` are those of the TLS
    /// program.
    pub(super) fn start_again(&mut self, variables: &[u8]) {
        self.forget();
        let start = &mut self.policy.start;
        for env in [Some(&mut start.given), start.changed.as_mut()] {
            env.into_iter()
                .for_each(|env| chain::tls::add_variables(env, variables));
        }
        self.policy.context.env = start.changed.as_ref().unwrap_or(&start.given).clone();
        self.policy.settings.client = self.policy.start.client.clone();
        self.policy.settings.plugins = self.policy.start.plugins.clone();
    }

    /// Forgets what the client has said; what counts for the session as a whole stays.
    fn forget(&mut self) {
        self.abandon();
        self.transaction.mail_refused = false;
        self.dialogue.hello = Hello::default();
        self.policy.forget();
    }
}
