//! Who is being started, who runs, who has ended: a value that the loop and the spawners share.
//!
//! A short program can end, and be reaped by the loop, before the spawner that started it has
//! reported its pid; and a process may have children that it did not start (a shell's background
//! job, inherited through exec). This book keeps the two apart: an unknown pid is held back while
//! starts are under way, and counts as foreign only when none is.

use std::collections::{HashMap, HashSet};

use os::process::Status;

/// The book of children.
#[derive(Debug, Default)]
pub struct Children {
    starting: usize,
    running: HashSet<i32>,
    /// A pid can come up more than once where there are few of them.
    early: HashMap<i32, Vec<Status>>,
    settled: Vec<Ended>,
}

/// A child that has ended, and whether it was one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its pid.
    pub pid: i32,
    /// How it ended.
    pub status: Status,
    /// Whether superd had started it, so that it takes up a place.
    pub ours: bool,
}

impl Children {
    /// A program is about to be started.
    pub fn starting(&mut self) {
        self.starting += 1;
    }

    /// A start is over: `pid` runs, or has run; `None` where there was no child at all.
    ///
    /// `true` where ended children now wait in [`Children::take_settled`].
    pub fn started(&mut self, pid: Option<i32>) -> bool {
        self.starting = self.starting.saturating_sub(1);
        if let Some(pid) = pid {
            match self.take_early(pid) {
                Some(status) => self.settled.push(Ended {
                    pid,
                    status,
                    ours: true,
                }),
                None => {
                    self.running.insert(pid);
                }
            }
        }
        if self.starting == 0 {
            for (pid, statuses) in self.early.drain() {
                let foreign = |status| Ended {
                    pid,
                    status,
                    ours: false,
                };
                self.settled.extend(statuses.into_iter().map(foreign));
            }
        }
        !self.settled.is_empty()
    }

    /// How the first child of that pid ended that was not reported yet.
    fn take_early(&mut self, pid: i32) -> Option<Status> {
        let statuses = self.early.get_mut(&pid)?;
        let first = statuses.remove(0);
        if statuses.is_empty() {
            self.early.remove(&pid);
        }
        Some(first)
    }

    /// Whether starts are under way.
    pub fn is_starting(&self) -> bool {
        self.starting > 0
    }

    /// Whose a child is that has not ended; `None` where that cannot be told yet.
    pub fn is_ours(&self, pid: i32) -> Option<bool> {
        let known = self.running.contains(&pid);
        (known || self.starting == 0).then_some(known)
    }

    /// A child was reaped. `None` where it cannot be told yet whose it is.
    pub fn ended(&mut self, pid: i32, status: Status) -> Option<Ended> {
        if self.running.remove(&pid) {
            return Some(Ended {
                pid,
                status,
                ours: true,
            });
        }
        if self.starting == 0 {
            return Some(Ended {
                pid,
                status,
                ours: false,
            });
        }
        self.early.entry(pid).or_default().push(status);
        None
    }

    /// Children that ended before it was known whose they are, now that it is.
    pub fn take_settled(&mut self) -> Vec<Ended> {
        std::mem::take(&mut self.settled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DONE: Status = Status(0);

    #[test]
    fn a_child_that_ends_after_its_report_is_ours_at_once() {
        let mut children = Children::default();
        children.starting();
        assert!(!children.started(Some(7)));
        assert_eq!(
            children.ended(7, DONE),
            Some(Ended {
                pid: 7,
                status: DONE,
                ours: true
            })
        );
    }

    #[test]
    fn a_child_that_ends_before_its_report_is_ours_when_the_report_comes() {
        let mut children = Children::default();
        children.starting();
        assert_eq!(children.ended(7, DONE), None);
        assert!(children.started(Some(7)));
        assert_eq!(
            children.take_settled(),
            [Ended {
                pid: 7,
                status: DONE,
                ours: true
            }]
        );
    }

    #[test]
    fn a_child_that_nobody_started_is_foreign() {
        let mut children = Children::default();
        assert_eq!(
            children.ended(7, DONE),
            Some(Ended {
                pid: 7,
                status: DONE,
                ours: false
            })
        );
    }

    #[test]
    fn a_foreign_child_that_ends_during_a_start_is_foreign_when_no_start_is_left() {
        let mut children = Children::default();
        children.starting();
        children.starting();
        assert_eq!(children.ended(9, DONE), None);
        assert!(!children.started(Some(7)));
        assert!(children.started(None));
        assert_eq!(
            children.take_settled(),
            [Ended {
                pid: 9,
                status: DONE,
                ours: false
            }]
        );
    }

    #[test]
    fn whose_a_child_is_cannot_be_told_during_a_start() {
        let mut children = Children::default();
        children.starting();
        assert_eq!(children.is_ours(7), None);
        children.started(Some(7));
        assert_eq!(
            (children.is_ours(7), children.is_ours(8)),
            (Some(true), Some(false))
        );
    }

    #[test]
    fn two_children_that_end_under_one_pid_before_the_first_report_both_count() {
        let mut children = Children::default();
        children.starting();
        children.starting();
        assert_eq!(children.ended(7, Status(256)), None);
        assert_eq!(children.ended(7, DONE), None);
        children.started(Some(7));
        children.started(Some(7));
        let settled = children.take_settled();
        let first = Ended {
            pid: 7,
            status: Status(256),
            ours: true,
        };
        assert_eq!(
            settled,
            [
                first,
                Ended {
                    pid: 7,
                    status: DONE,
                    ours: true
                }
            ]
        );
    }

    #[test]
    fn a_pid_may_be_used_again() {
        let mut children = Children::default();
        for _ in 0..2 {
            children.starting();
            children.started(Some(7));
            assert!(children.ended(7, DONE).is_some_and(|ended| ended.ours));
        }
    }
}
