//! Refusals of one session, and how many of them have a line in the log: each as long as they are few, and a
//! number at the end for the rest, so that no client can fill the log.

/// The most refusals of one verb that have a line each.
pub const TOLD_LIMIT: u64 = 100;

/// What the log says for a command that is not known, or whose line cannot be read. The word itself is not told:
/// it may be a password that was sent in the wrong place.
pub const OTHER_VERB: &str = "other";

/// The refusals so far, by verb.
#[derive(Clone, Debug, Default)]
pub struct Refusals {
    by_verb: Vec<(&'static str, u64)>,
    untold: u64,
}

impl Refusals {
    /// Counts one of `verb`, which is one of a fixed set of words; whether it is to have its line.
    pub fn may_be_told(&mut self, verb: &'static str) -> bool {
        let known = self.by_verb.iter().position(|(known, _)| *known == verb);
        let at = known.unwrap_or_else(|| {
            self.by_verb.push((verb, 0));
            self.by_verb.len() - 1
        });
        let count = &mut self.by_verb[at].1;
        *count += 1;
        let may = *count <= TOLD_LIMIT;
        self.untold += u64::from(!may);
        may
    }

    /// How many have had no line.
    pub fn untold(&self) -> u64 {
        self.untold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verb_has_its_lines_and_the_rest_is_counted() {
        let mut refusals = Refusals::default();
        for verb in ["MAIL", "RCPT"] {
            for _ in 0..TOLD_LIMIT {
                assert!(refusals.may_be_told(verb));
            }
            assert!(!refusals.may_be_told(verb));
        }
        assert_eq!(refusals.untold(), 2);
    }
}
