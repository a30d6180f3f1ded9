//! APPEND (RFC 3501 section 6.3.11, RFC 3502, RFC 4315): what comes of messages that were received.

use imap::command::AppendMessage;
use imap::seq::ranges_of;
use imap::write;
use maildir::selection::{self, Access, Appended, Kind, Open, Staged};

use crate::answer::Answer;
use crate::messages::{no_target, split_flags};
use crate::session::Session;

impl Session {
    /// Puts the messages, which are on the disk already, into the mailbox: all of them or none. If that
    /// `counts`, there is a quota.
    pub(crate) fn append(
        &mut self,
        mailbox: &[u8],
        heads: Vec<AppendMessage>,
        staged: Vec<Staged>,
        counts: bool,
    ) -> Answer {
        let name = match self.named(mailbox) {
            Ok(name) => name,
            Err(answer) => return answer,
        };
        if heads.len() != staged.len() {
            return Answer::bad("A message is missing.");
        }
        let messages = heads
            .into_iter()
            .zip(staged)
            .map(|(head, staged)| {
                let (flags, keywords) = split_flags(head.flags);
                Appended {
                    staged,
                    flags,
                    keywords,
                    date: head.date.map(|date| date.instant),
                }
            })
            .collect();
        let result = self.with_open(&name, Access::ReadWrite, |open| {
            let account = open.account.filter(|_| counts);
            selection::append(&Open { account, ..*open }, messages)
        });
        match result {
            Ok(appended) => {
                self.counts.appended += appended.uids.len() as u64;
                let mut code = format!("APPENDUID {} ", appended.validity).into_bytes();
                write::set(&mut code, &ranges_of(appended.uids.iter().copied()));
                Answer::ok_with(String::from_utf8_lossy(&code).into_owned(), "Appended.")
            }
            Err(error) if error.kind() == Kind::NotFound => no_target(),
            Err(error) => self.fault(&error),
        }
    }
}
