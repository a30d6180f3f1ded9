//! The administrator's rules, held so that they can be asked about each address.

use std::collections::HashMap;

use rules::lines::Lines;
use rules::record::{self, Verdict};
use rules::search::{Client, decide};
use rules::text::{self, Address, Line};

/// A text of rules and its records. Lines that cannot be read have none: compiling the text tells of them.
#[derive(Debug)]
pub struct Statics {
    text: Vec<u8>,
    /// The first of each key, as in the database.
    records: HashMap<Vec<u8>, Vec<u8>>,
    by_name: bool,
}

impl Statics {
    /// Reads a text; its last line needs no newline.
    pub fn new(text: Vec<u8>) -> Statics {
        let mut records = HashMap::new();
        let mut lines = Lines::new(&text[..]);
        let mut key = Vec::new();
        // Reading from memory does not fail.
        while lines.advance().unwrap_or(false) {
            let Ok(Line::Rule(rule)) = text::parse(lines.text()) else {
                continue;
            };
            let mut data = Vec::new();
            record::encode(rule.verdict, rule.variables(), &mut data);
            match rule.address() {
                Address::Literal(key) => {
                    records.entry(key.to_vec()).or_insert(data);
                }
                Address::Range(range) => {
                    for number in range.numbers() {
                        range.key(number, &mut key);
                        records.entry(key.clone()).or_insert_with(|| data.clone());
                    }
                }
            }
        }
        let by_name = records.keys().any(|key| key.starts_with(b"="));
        Statics {
            text,
            records,
            by_name,
        }
    }

    /// The text.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether a client's name can decide.
    pub fn knows_names(&self) -> bool {
        self.by_name
    }

    /// The data of a record for the client's address that adds `rule`; `None` where there is to be none: the
    /// text denies him, or has a rule for this very address.
    pub fn record(&self, client: &Client<'_>, rule: &[(Vec<u8>, Vec<u8>)]) -> Option<Vec<u8>> {
        let decision = decide(client, |key| Ok(self.records.get(key).cloned())).ok()?;
        if decision.verdict() == Verdict::Deny || decision.key.as_deref() == Some(client.ip) {
            return None;
        }
        let relays = decision.variables().any(|(name, _)| name == b"RELAYCLIENT");
        let added = rule
            .iter()
            .map(|(name, value)| (&name[..], &value[..]))
            .filter(|(name, _)| !(relays && *name == b"RELAYCLIENT"));
        let mut data = Vec::new();
        record::encode(Verdict::Allow, decision.variables().chain(added), &mut data);
        Some(data)
    }
}
