//! The data of one rule in the database: a sequence of items, each ended by a NUL.
//!
//! An item that begins with `D` denies, whatever follows in it; one that begins with `+` sets a
//! variable; any other is ignored, and so is a last item without its NUL. No item at all allows.
//! Seen in databases made by tcprules, and by giving tcpserver and tcprulescheck made-up data.

/// What happens to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// He may connect.
    Allow,
    /// He may not.
    Deny,
}

/// One item that means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// The client is denied.
    Deny,
    /// `NAME=VALUE` for the environment; without `=` it sets nothing.
    Set(&'a [u8]),
}

/// The data of one rule, whatever it contains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record(Vec<u8>);

impl Record {
    /// Any bytes are a record.
    pub fn new(data: Vec<u8>) -> Record {
        Record(data)
    }

    /// The bytes as they stand in the database.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The items that mean something, in order.
    pub fn items(&self) -> impl Iterator<Item = Item<'_>> {
        let whole = self.0.iter().rposition(|byte| *byte == 0).unwrap_or(0);
        self.0[..whole]
            .split(|byte| *byte == 0)
            .filter_map(|item| match item.split_first() {
                Some((b'D', _)) => Some(Item::Deny),
                Some((b'+', set)) => Some(Item::Set(set)),
                _ => None,
            })
    }

    /// Deny where any item denies, wherever it stands.
    pub fn verdict(&self) -> Verdict {
        if self.items().any(|item| item == Item::Deny) {
            Verdict::Deny
        } else {
            Verdict::Allow
        }
    }

    /// The variables as (name, value), in order; those behind a `D` too. An item without `=` is
    /// none.
    pub fn variables(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.items().filter_map(|item| match item {
            Item::Deny => None,
            Item::Set(set) => {
                let equals = set.iter().position(|byte| *byte == b'=')?;
                Some((&set[..equals], &set[equals + 1..]))
            }
        })
    }
}

/// Puts the data of a rule into `data`, in place of what is there.
pub fn encode<'a>(
    verdict: Verdict,
    variables: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    data: &mut Vec<u8>,
) {
    data.clear();
    if verdict == Verdict::Deny {
        data.extend_from_slice(b"D\0");
    }
    for (name, value) in variables {
        data.push(b'+');
        data.extend_from_slice(name);
        data.push(b'=');
        data.extend_from_slice(value);
        data.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(data: &[u8]) -> Record {
        Record::new(data.to_vec())
    }

    fn variables(record: &Record) -> Vec<(&[u8], &[u8])> {
        record.variables().collect()
    }

    #[test]
    fn no_data_allows_and_sets_nothing() {
        let record = record(b"");
        assert_eq!(record.verdict(), Verdict::Allow);
        assert_eq!(record.items().count(), 0);
    }

    #[test]
    fn an_item_that_begins_with_d_denies_whatever_follows_in_it() {
        assert_eq!(record(b"D\0").verdict(), Verdict::Deny);
        assert_eq!(record(b"Dxx\0").verdict(), Verdict::Deny);
    }

    #[test]
    fn a_d_behind_variables_denies_and_does_not_hide_later_ones() {
        let record = record(b"+A=1\0D\0+B=2\0");
        assert_eq!(record.verdict(), Verdict::Deny);
        assert_eq!(variables(&record), [(&b"A"[..], &b"1"[..]), (b"B", b"2")]);
    }

    #[test]
    fn a_last_item_without_its_nul_is_ignored() {
        assert_eq!(record(b"D").verdict(), Verdict::Allow);
        assert_eq!(record(b"+A=1").items().count(), 0);
        assert_eq!(variables(&record(b"+A=1\0+B=2")), [(&b"A"[..], &b"1"[..])]);
    }

    #[test]
    fn an_item_with_another_first_byte_is_ignored() {
        let record = record(b"4:12,20\0\0d\0+A=1\0");
        assert_eq!(record.items().collect::<Vec<_>>(), [Item::Set(b"A=1")]);
    }

    #[test]
    fn a_variable_is_split_at_its_first_equals_sign() {
        assert_eq!(variables(&record(b"+A=b=c\0")), [(&b"A"[..], &b"b=c"[..])]);
        assert_eq!(variables(&record(b"+=x\0")), [(&b""[..], &b"x"[..])]);
    }

    #[test]
    fn an_item_without_an_equals_sign_sets_nothing_but_is_an_item() {
        let record = record(b"+NOVALUE\0");
        assert_eq!(variables(&record), []);
        assert_eq!(record.items().collect::<Vec<_>>(), [Item::Set(b"NOVALUE")]);
    }

    #[test]
    fn what_is_encoded_is_read_back() {
        let mut data = vec![b'?'; 9];
        let set: [(&[u8], &[u8]); 3] = [(b"A", b"1"), (b"", b""), (b" B", b"x=y,z")];
        for verdict in [Verdict::Allow, Verdict::Deny] {
            encode(verdict, set.into_iter(), &mut data);
            let record = Record::new(data.clone());
            assert_eq!(record.verdict(), verdict);
            assert_eq!(variables(&record), set);
        }
    }

    #[test]
    fn plain_rules_are_encoded_as_in_the_originals_files() {
        let mut data = Vec::new();
        encode(Verdict::Allow, std::iter::empty(), &mut data);
        assert_eq!(data, b"");
        encode(Verdict::Deny, std::iter::empty(), &mut data);
        assert_eq!(data, b"D\0");
        let set: [(&[u8], &[u8]); 2] = [(b"A", b"1"), (b"B", b"")];
        encode(Verdict::Allow, set.into_iter(), &mut data);
        assert_eq!(data, b"+A=1\0+B=\0");
    }
}
