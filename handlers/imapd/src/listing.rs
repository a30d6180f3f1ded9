//! LIST and LSUB (RFC 3501 sections 6.3.8 and 6.3.9, RFC 5258, RFC 5819, RFC 6154).

use std::collections::{BTreeMap, BTreeSet};

use imap::command::List;
use imap::write;
use maildir::tree::{Name, Pattern, TreeError, Use};
use wire::Trouble;

use crate::answer::Answer;
use crate::session::Session;

/// What is known of one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Known {
    /// There is a mailbox of that name, or names below it.
    exists: bool,
    selectable: bool,
    has_children: bool,
    subscribed: bool,
    /// A name below it is subscribed.
    child_subscribed: bool,
}

impl Session {
    pub(crate) fn list(&mut self, list: &List) -> Result<Answer, Trouble> {
        if !list.extended && list.patterns.iter().all(Vec::is_empty) {
            // What the separator is (RFC 3501 section 6.3.8).
            self.out.extend_from_slice(b"* LIST (\\Noselect) ");
            write::string(&mut self.out, &[self.settings.separator]);
            self.out.extend_from_slice(b" \"\"\r\n");
            return Ok(Answer::ok("Listed."));
        }
        if list.select_recursive && !list.select_subscribed {
            // RFC 5258 section 3.1: it stands with another option only.
            return Ok(Answer::bad("RECURSIVEMATCH needs SUBSCRIBED."));
        }
        let wants_subscribed = list.select_subscribed || list.return_subscribed;
        let names = match self.names(wants_subscribed) {
            Ok(names) => names,
            Err(error) => return Ok(self.tree_fault(&error)),
        };
        let special = self.special(&names);
        let patterns = self.patterns(&list.reference, &list.patterns);
        let is_meant = |shown: &[u8]| patterns.iter().any(|pattern| pattern.matches(shown));
        // Parents of subscribed names that the patterns leave out (RFC 5258 section 3.1).
        let mut stand_for = BTreeSet::new();
        if list.select_recursive {
            for (name, known) in &names {
                if known.subscribed && !is_meant(&self.wire.show(name)) {
                    stand_for.extend(parents(name, self.is_below_inbox()));
                }
            }
        }
        if !list.select_subscribed && !list.select_special_use {
            for level in self.levels_of_prefix() {
                if is_meant(&level) {
                    let above_all = Known {
                        has_children: names.len() > 1,
                        ..Known::default()
                    };
                    self.write_list(&level, &above_all, &[], list.extended, false, false);
                }
            }
        }
        for (name, known) in &names {
            let shown = self.wire.show(name);
            if !is_meant(&shown) {
                continue;
            }
            let below = stand_for.contains(name);
            let uses = special.get(name).map(Vec::as_slice).unwrap_or_default();
            let is_chosen = if list.select_subscribed {
                known.subscribed || below
            } else {
                known.exists
            };
            if !is_chosen || (list.select_special_use && uses.is_empty()) {
                continue;
            }
            self.write_list(&shown, known, uses, list.extended, wants_subscribed, below);
            if let Some(items) = &list.return_status
                && known.selectable
            {
                // The order is that of RFC 5819 section 2; what cannot be told is left out there.
                if let Err(error) = self.write_status(name, items) {
                    self.say_fault(&error.to_string());
                }
            }
            self.pass_on_much()?;
        }
        Ok(Answer::ok("Listed."))
    }

    pub(crate) fn lsub(&mut self, reference: &[u8], pattern: &[u8]) -> Answer {
        let names = match self.names(true) {
            Ok(names) => names,
            Err(error) => return self.tree_fault(&error),
        };
        let patterns = self.patterns(reference, &[pattern.to_vec()]);
        let is_meant = |shown: &[u8]| patterns.iter().any(|pattern| pattern.matches(shown));
        let has_any = names
            .iter()
            .any(|(name, known)| known.subscribed && !name.is_inbox());
        if has_any && pattern.ends_with(b"%") {
            for level in self.levels_of_prefix() {
                if is_meant(&level) {
                    self.write_lsub(&level, false);
                }
            }
        }
        for (name, known) in names {
            let shown = self.wire.show(&name);
            // A parent that is not subscribed is told where `%` hides what is below it.
            let stands_for_children = known.child_subscribed && pattern.ends_with(b"%");
            if (known.subscribed || stands_for_children) && is_meant(&shown) {
                self.write_lsub(&shown, known.subscribed);
            }
        }
        Answer::ok("Listed.")
    }

    fn write_lsub(&mut self, shown: &[u8], is_subscribed: bool) {
        self.out.extend_from_slice(match is_subscribed {
            true => b"* LSUB () ",
            false => b"* LSUB (\\Noselect) ",
        });
        write::string(&mut self.out, &[self.settings.separator]);
        self.out.push(b' ');
        write::astring(&mut self.out, shown);
        self.out.extend_from_slice(b"\r\n");
    }

    /// The names that only the namespace makes: no mailbox has them, and all but INBOX are below them.
    fn levels_of_prefix(&self) -> Vec<Vec<u8>> {
        if self.is_below_inbox() {
            return Vec::new();
        }
        let prefix = &self.settings.prefix;
        let ends = memchr::memchr_iter(self.settings.separator, prefix);
        ends.map(|end| prefix[..end].to_vec()).collect()
    }

    /// All names, and with `subscribed` what is known of subscriptions, too.
    fn names(&self, subscribed: bool) -> Result<BTreeMap<Name, Known>, TreeError> {
        let mut names: BTreeMap<Name, Known> = BTreeMap::new();
        for listed in self.tree.list()? {
            let known = Known {
                exists: true,
                selectable: listed.selectable,
                has_children: listed.has_children,
                ..Known::default()
            };
            names.insert(listed.name, known);
        }
        let is_below_inbox = self.is_below_inbox();
        if is_below_inbox && names.len() > 1 {
            names.entry(Name::inbox()).or_default().has_children = true;
        }
        if !subscribed {
            return Ok(names);
        }
        for name in self.tree.subscribed()? {
            for above in parents(&name, is_below_inbox) {
                names.entry(above).or_default().child_subscribed = true;
            }
            names.entry(name).or_default().subscribed = true;
        }
        Ok(names)
    }

    /// Whether the namespace makes everything a child of INBOX, to clients.
    fn is_below_inbox(&self) -> bool {
        let prefix = &self.settings.prefix;
        prefix.len() == b"INBOX.".len() && prefix[..5].eq_ignore_ascii_case(b"INBOX")
    }

    fn special(&self, names: &BTreeMap<Name, Known>) -> BTreeMap<Name, Vec<Use>> {
        let there: BTreeSet<Name> = names
            .iter()
            .filter(|(_, known)| known.selectable)
            .map(|(name, _)| name.clone())
            .collect();
        self.tree.special_of(&there)
    }

    fn patterns(&self, reference: &[u8], patterns: &[Vec<u8>]) -> Vec<Pattern> {
        patterns
            .iter()
            .map(|pattern| [reference, pattern].concat())
            .map(|pattern| Pattern::new(&pattern, self.settings.separator))
            .collect()
    }

    fn write_list(
        &mut self,
        shown: &[u8],
        known: &Known,
        uses: &[Use],
        extended: bool,
        with_subscribed: bool,
        below: bool,
    ) {
        let out = &mut self.out;
        out.extend_from_slice(b"* LIST (");
        out.extend_from_slice(match known.has_children {
            true => &b"\\HasChildren"[..],
            false => b"\\HasNoChildren",
        });
        if !known.selectable {
            // A name that is there only by its children; RFC 5258 section 3 has a word for it.
            out.extend_from_slice(match extended {
                true => b" \\NonExistent",
                false => b" \\Noselect",
            });
        }
        if with_subscribed && known.subscribed {
            out.extend_from_slice(b" \\Subscribed");
        }
        for special in uses {
            out.push(b' ');
            out.extend_from_slice(special.attribute().as_bytes());
        }
        out.extend_from_slice(b") ");
        write::string(out, &[self.settings.separator]);
        out.push(b' ');
        write::astring(out, shown);
        if below {
            out.extend_from_slice(b" (\"CHILDINFO\" (\"SUBSCRIBED\"))");
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// All names above this one; with a namespace below INBOX that is above all others.
fn parents(name: &Name, is_below_inbox: bool) -> impl Iterator<Item = Name> {
    let inbox = (is_below_inbox && !name.is_inbox()).then(Name::inbox);
    std::iter::successors(name.parent(), Name::parent).chain(inbox)
}
