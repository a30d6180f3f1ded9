//! For tests: which hashes were computed, with their costs. What takes as long as what else is a matter of
//! that, and not of a clock.

use std::cell::RefCell;

use super::Scheme;

thread_local! {
    static WORK: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// One is computed.
pub(super) fn note(scheme: &Scheme<'_>) {
    let text = match scheme {
        Scheme::Yescrypt { n_log2, r, .. } => format!("y {n_log2} {r}"),
        Scheme::Sha { long, rounds, .. } => format!("{} {rounds}", if *long { 6 } else { 5 }),
        Scheme::Bcrypt { cost, .. } => format!("2 {cost}"),
        Scheme::Md5 { .. } => "1".to_owned(),
    };
    WORK.with_borrow_mut(|all| all.push(text));
}

/// Those of this thread since the last call.
pub(crate) fn worked() -> Vec<String> {
    WORK.take()
}
