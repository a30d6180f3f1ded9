//! Authentication: the checkpassword interface, at both ends.
//!
//! - [`secret`]: bytes that are overwritten when they are done with;
//! - [`attempt`]: one login as values, and as the record that goes through descriptor 3;
//! - [`verdict`]: what a checker answers, and becoming the user it found;
//! - [`checker`]: the checkers of ours, one by its name.
//!
//! A checker decides about an [`Attempt`] and may be asked again and again; only a
//! [`Verdict::Yes`] holds an [`Entry`], and only that lets a process become the user.

pub mod attempt;
pub mod checker;
pub mod secret;
pub mod verdict;

pub use attempt::{Attempt, Proof, RecordError};
pub use checker::{Checker, Offers};
pub use secret::Secret;
pub use verdict::{Entry, EntryError, Verdict};
