//! What the three files have said, by one name for all of them.

use std::io;
use std::path::PathBuf;

use os::names::passwd::User;

use crate::aliases::{Alias, Aliases};
use crate::error::AccountError;
use crate::home::Home;
use crate::names::{Book, Names};
use crate::sources::Source;
use crate::system::{SystemUsers, candidates};
use crate::userlist::Users;
use crate::users::Line;

#[derive(Debug)]
pub(crate) struct Known {
    sources: Vec<Source>,
    aliases: Names<Aliases>,
    users: Names<Users>,
    system: Names<SystemUsers>,
}

impl Known {
    /// Nothing is known yet. `system` is the file of the system's users.
    pub(crate) fn new(home: &Home, sources: Vec<Source>, system: PathBuf) -> Known {
        Known {
            sources,
            aliases: Names::new(Aliases, home.aliases()),
            users: Names::new(Users, home.users()),
            system: Names::new(SystemUsers, system),
        }
    }

    /// Begins a question.
    pub(crate) fn refresh(&mut self) {
        self.aliases.refresh();
        self.users.refresh();
        self.system.refresh();
    }

    pub(crate) fn alias(&mut self, name: &[u8]) -> Result<Option<Alias>, AccountError> {
        let found = self.aliases.get(name);
        found.map_err(|error| unread(&self.aliases, error))
    }

    /// The line of a local part in lower case.
    pub(crate) fn user(&mut self, local: &[u8]) -> io::Result<Option<Line>> {
        self.users.get(local)
    }

    pub(crate) fn system_user(&mut self, name: &[u8]) -> Result<Option<User>, AccountError> {
        let found = self.system.get(name);
        found.map_err(|error| unread(&self.system, error))
    }

    /// Whether `name` is known to be an alias.
    pub(crate) fn is_alias(&self, name: &[u8]) -> bool {
        self.aliases.knows(name)
    }

    pub(crate) fn learn_aliases<'n>(
        &mut self,
        names: impl Iterator<Item = &'n [u8]>,
    ) -> Result<(), AccountError> {
        let learned = self.aliases.learn(names);
        learned.map_err(|error| unread(&self.aliases, error))
    }

    /// Reads what is said about the accounts of these local parts in lower case: each source is asked about
    /// those that the one before does not have.
    pub(crate) fn learn_accounts(&mut self, locals: &[&[u8]]) -> Result<(), AccountError> {
        let mut left = locals.to_vec();
        for source in &self.sources {
            match source {
                Source::Users => {
                    let learned = self.users.learn(left.iter().copied());
                    learned.map_err(|error| unread(&self.users, error))?;
                    left.retain(|local| !self.users.knows(local));
                }
                Source::System => {
                    let names = left.iter().flat_map(|local| candidates(local));
                    let learned = self.system.learn(names);
                    learned.map_err(|error| unread(&self.system, error))?;
                    let system = &self.system;
                    left.retain(|local| !candidates(local).any(|name| system.knows(name)));
                }
            }
        }
        Ok(())
    }
}

fn unread<B: Book>(names: &Names<B>, error: io::Error) -> AccountError {
    AccountError::Read(names.path().to_owned(), error)
}
