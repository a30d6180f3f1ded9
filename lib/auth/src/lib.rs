//! Authentication: the checkpassword interface, at both ends.
//!
//! - [`secret`]: bytes that are overwritten when they are done with;
//! - [`attempt`]: one login as values, and as the record that goes through descriptor 3;
//! - [`challenge`]: what a digest answers to;
//! - [`verdict`]: what a checker answers, and becoming the user it found;
//! - [`checker`]: the checkers of ours, one by its name; `system` and `own_file` decide for them, with
//!   [`account`] (who is it), [`users_secret`] and [`password_file`] (where the secret is),
//!   [`stored`], [`hash`] and [`digest`] (is it the same);
//! - [`bound`]: how long a check may take;
//! - [`via`]: a checker that asks authd;
//! - [`nss`]: what only the system's own libraries know.
//!
//! A checker decides about an [`Attempt`] and may be asked again and again; only a
//! [`Verdict::Yes`] holds an [`Entry`], and only that lets a process become the user.

pub mod account;
pub mod attempt;
pub mod bound;
pub mod challenge;
pub mod checker;
pub mod digest;
pub mod hash;
pub mod nss;
mod own_file;
pub mod password_file;
pub mod secret;
pub mod stored;
mod system;
pub mod users_secret;
pub mod verdict;
pub mod via;

pub use attempt::{Attempt, Method, Proof, RecordError};
pub use checker::{Checker, Offers};
pub use secret::Secret;
pub use verdict::{Entry, EntryError, Verdict};
