//! What is asked for, made ready once for all messages, and what has to be read for it.

use imap::command::{FetchItem, Section, SectionText, Shown};
use imap::write;

/// What has to be read of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Nothing: flags and UID.
    View,
    /// Its size or date, which the storage knows or finds out.
    Facts,
    /// Its header.
    Header,
    /// All of it.
    Whole,
}

/// An item that is in the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Envelope,
    /// BODYSTRUCTURE, or BODY, which has no extension data.
    Structure {
        extended: bool,
    },
    Section {
        /// What the reply calls it, with a space behind it.
        label: Vec<u8>,
        part: Vec<u32>,
        text: SectionText,
        partial: Option<(u64, u64)>,
    },
}

impl Item {
    fn need(&self) -> Need {
        match self {
            Item::Envelope => Need::Header,
            Item::Section { part, text, .. } if part.is_empty() => match text {
                SectionText::Header | SectionText::Fields(_) | SectionText::FieldsNot(_) => {
                    Need::Header
                }
                SectionText::All | SectionText::Text | SectionText::Mime => Need::Whole,
            },
            Item::Structure { .. } | Item::Section { .. } => Need::Whole,
        }
    }

    /// Whether the parts of the message have to be found.
    fn needs_structure(&self) -> bool {
        match self {
            Item::Envelope => false,
            Item::Structure { .. } => true,
            Item::Section { part, .. } => !part.is_empty(),
        }
    }
}

/// A FETCH, for any number of messages. Whatever the order of the items, what is known of a message
/// without reading it comes first in its reply; an item that is asked for twice is answered once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub(super) uid: bool,
    pub(super) flags: bool,
    pub(super) modseq: bool,
    pub(super) date: bool,
    pub(super) size: bool,
    pub(super) items: Vec<Item>,
    seen: bool,
    need: Need,
    structure: bool,
}

impl Plan {
    /// For these items; the replies to a UID FETCH have the UID, asked for or not.
    pub fn new(items: &[FetchItem], by_uid: bool) -> Plan {
        let mut plan = Plan {
            uid: by_uid,
            flags: false,
            modseq: false,
            date: false,
            size: false,
            items: Vec::new(),
            seen: false,
            need: Need::View,
            structure: false,
        };
        for item in items {
            let item = match item {
                FetchItem::Uid => {
                    plan.uid = true;
                    continue;
                }
                FetchItem::Flags => {
                    plan.flags = true;
                    continue;
                }
                FetchItem::Modseq => {
                    plan.modseq = true;
                    continue;
                }
                FetchItem::InternalDate => {
                    plan.date = true;
                    continue;
                }
                FetchItem::Size => {
                    plan.size = true;
                    continue;
                }
                FetchItem::Envelope => Item::Envelope,
                FetchItem::Body => Item::Structure { extended: false },
                FetchItem::BodyStructure => Item::Structure { extended: true },
                FetchItem::Section(section) => {
                    plan.seen |= !section.peek;
                    Item::Section {
                        label: label(section),
                        part: section.part.clone(),
                        text: section.text.clone(),
                        partial: section.partial,
                    }
                }
            };
            if !plan.items.contains(&item) {
                plan.items.push(item);
            }
        }
        if plan.date || plan.size {
            plan.need = Need::Facts;
        }
        for item in &plan.items {
            plan.need = plan.need.max(item.need());
            plan.structure |= item.needs_structure();
        }
        plan
    }

    /// What has to be read.
    pub fn need(&self) -> Need {
        self.need
    }

    /// Whether messages that it was done for have been seen.
    pub fn sets_seen(&self) -> bool {
        self.seen
    }

    /// Whether the replies have the flags.
    pub fn has_flags(&self) -> bool {
        self.flags
    }

    /// Whether the replies have the size or the date.
    pub fn has_facts(&self) -> bool {
        self.date || self.size
    }

    pub(super) fn needs_structure(&self) -> bool {
        self.structure
    }
}

/// What the reply calls a section: of a partial one only where it starts.
fn label(section: &Section) -> Vec<u8> {
    let mut out = Vec::new();
    match section.shown {
        Shown::Rfc822 => out.extend_from_slice(b"RFC822"),
        Shown::Rfc822Header => out.extend_from_slice(b"RFC822.HEADER"),
        Shown::Rfc822Text => out.extend_from_slice(b"RFC822.TEXT"),
        Shown::Body => {
            out.extend_from_slice(b"BODY[");
            for (n, &number) in section.part.iter().enumerate() {
                if n > 0 {
                    out.push(b'.');
                }
                write::number(&mut out, u64::from(number));
            }
            let (word, names): (&[u8], &[Vec<u8>]) = match &section.text {
                SectionText::All => (b"", &[]),
                SectionText::Header => (b"HEADER", &[]),
                SectionText::Fields(names) => (b"HEADER.FIELDS", names),
                SectionText::FieldsNot(names) => (b"HEADER.FIELDS.NOT", names),
                SectionText::Text => (b"TEXT", &[]),
                SectionText::Mime => (b"MIME", &[]),
            };
            if !section.part.is_empty() && !word.is_empty() {
                out.push(b'.');
            }
            out.extend_from_slice(word);
            for (n, name) in names.iter().enumerate() {
                out.extend_from_slice(if n == 0 { b" (" } else { b" " });
                write::astring(&mut out, name);
            }
            if !names.is_empty() {
                out.push(b')');
            }
            out.push(b']');
        }
    }
    if let Some((start, _)) = section.partial {
        out.push(b'<');
        write::number(&mut out, start);
        out.push(b'>');
    }
    out.push(b' ');
    out
}
