//! One test, two programs: the original tells what is right, ours must do the same.

use std::fmt::Debug;
use std::path::PathBuf;

use super::place;

/// Whose program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// ucspi-tcp's.
    Original,
    /// Ours, under the original's name.
    Ours,
}

impl Side {
    /// The path of a program of this side, by the original's name.
    pub fn program(self, name: &'static str) -> PathBuf {
        match self {
            Side::Original => place::original(name).expect("only run where the original is there"),
            Side::Ours => place::bin(name),
        }
    }
}

/// Runs `run` against the original (where it is there) and against ours; each must give `expected`.
///
/// That the original is held to the same words is the point: an expectation that is wrong shows
/// itself.
pub fn both<T: PartialEq + Debug>(expected: T, run: impl Fn(Side) -> T) {
    for side in sides() {
        assert_eq!(run(side), expected, "{side:?}");
    }
}

/// Runs `run` against the original and against ours, and fails when they differ. Returns what ours
/// gave.
pub fn same<T: PartialEq + Debug>(run: impl Fn(Side) -> T) -> T {
    let mut results: Vec<(Side, T)> = sides().into_iter().map(|side| (side, run(side))).collect();
    let (_, ours) = results.pop().expect("ours is always there");
    for (side, result) in results {
        assert_eq!(ours, result, "ours, then {side:?}");
    }
    ours
}

/// Ours alone, for what it does otherwise than the original and on purpose.
pub fn ours<T>(run: impl Fn(Side) -> T) -> T {
    run(Side::Ours)
}

fn sides() -> Vec<Side> {
    match place::original("tcpserver") {
        Some(_) => vec![Side::Original, Side::Ours],
        None => vec![Side::Ours],
    }
}
