//! How a session begins for a client, and what it goes back to.
//!
//! There are two moments at which nothing that was said before counts: the switch to an encrypted link
//! (RFC 3207 section 4.2), and the word of a proxy that another client speaks now. The first goes back to
//! the start; the second makes another start, in which nothing is left of the proxy's. Both, and the
//! session's own beginning, pass through here, so that no state of one client can come to another.

use chain::Env;

use super::{Hello, Session};
use crate::settings::{Client, Settings};
use crate::spp::Plugins;

/// A client before its first word: all that a login, a plugin or a command can change later.
#[derive(Clone, Debug)]
pub(super) struct Start {
    /// The environment as the super-server made it, with what the TLS program has added.
    given: Env,
    /// The same after the plugins that are asked before the banner, where there are any.
    changed: Option<Env>,
    client: Client,
    plugins: Option<Plugins>,
}

impl Start {
    /// Of a client that the super-server has given this environment, and of which `settings` were made.
    pub(super) fn of(given: &Env, settings: &Settings) -> Start {
        Start {
            given: given.clone(),
            changed: None,
            client: settings.client.clone(),
            plugins: settings.plugins.clone(),
        }
    }

    /// What the plugins have made of it before the first word.
    fn keep(&mut self, env: &Env, settings: &Settings) {
        self.changed = settings.plugins.is_some().then(|| env.clone());
        self.client = settings.client.clone();
        self.plugins = settings.plugins.clone();
    }

    /// The environment as the super-server made it.
    pub(super) fn given(&self) -> &Env {
        &self.given
    }
}

impl Session {
    /// Begins for the client that the super-server has accepted; whether the plugins let it.
    pub(super) fn open(&mut self) -> bool {
        let is_welcome = self.is_welcome();
        self.start.keep(&self.context.env, &self.settings);
        is_welcome
    }

    /// Begins for the client that `settings` are for, with `given` as its environment; whether the plugins
    /// let it. Nothing is left of a client before it but what the session as a whole has counted.
    pub(super) fn start(&mut self, given: Env, settings: Settings) -> bool {
        self.forget();
        // Its ways may be others.
        self.leave_idle();
        self.start = Start::of(&given, &settings);
        self.settings = settings;
        self.context.env = given;
        self.open()
    }

    /// Begins again for the same client, on a link that is encrypted now; `variables` are those of the TLS
    /// program.
    pub(super) fn start_again(&mut self, variables: &[u8]) {
        self.forget();
        let start = &mut self.start;
        for env in [Some(&mut start.given), start.changed.as_mut()] {
            env.into_iter()
                .for_each(|env| chain::tls::add_variables(env, variables));
        }
        self.context.env = start.changed.as_ref().unwrap_or(&start.given).clone();
        self.settings.client = self.start.client.clone();
        self.settings.plugins = self.start.plugins.clone();
    }

    /// Forgets what the client has said. A field of the session is named here: so one that is added has to be
    /// thought about.
    fn forget(&mut self) {
        self.abandon();
        let Session {
            // Ended above.
            mail: _,
            receiving: _,
            hello,
            user,
            listed,
            mail_refused,
            // What the client has not said, or what counts for the session as a whole.
            conn: _,
            log: _,
            settings: _,
            context: _,
            start: _,
            began: _,
            verb: _,
            introduction: _,
            idle: _,
            counts: _,
            trouble: _,
            ended: _,
            exit: _,
        } = self;
        *hello = Hello::default();
        *user = None;
        *listed = None;
        *mail_refused = false;
    }
}
