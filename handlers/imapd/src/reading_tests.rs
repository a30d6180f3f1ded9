use std::fs;

use super::*;
use crate::search::test_support::{mailbox, open};

/// The first byte of each message, through [`each`].
fn first_bytes(selection: &mut Selection, which: &[usize]) -> Vec<(usize, u32, Option<u8>)> {
    let reading = Reading {
        need: Need::Whole,
        work: &|uid: &u32, bytes| (*uid, bytes.and_then(|bytes: &[u8]| bytes.first().copied())),
    };
    let mut all = Vec::new();
    let know = |selection: &mut Selection, n| selection.uid(n);
    let result = each(selection, which, &know, &reading, &mut |n, (uid, byte)| {
        all.push((n, uid, byte));
        Ok::<(), ()>(())
    });
    result.expect("taken");
    all
}

fn letters(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|n| vec![letter(n), b'\n']).collect()
}

fn letter(n: usize) -> u8 {
    b'a' + (n % 26) as u8
}

#[test]
fn messages_come_in_the_order_in_which_they_were_asked_for() {
    let counts = [
        0,
        1,
        MANY - 1,
        MANY,
        MANY + 1,
        BATCH,
        BATCH + 1,
        BATCH * WORKERS * AHEAD,
        BATCH * WORKERS * AHEAD + 1,
        BATCH * (WORKERS * AHEAD + 3) + 5,
    ];
    let home = tempfile::tempdir().expect("a directory");
    let mut selection = mailbox(home.path(), letters(1000));
    for count in counts {
        let which: Vec<usize> = (1000 - count..1000).collect();
        let expected: Vec<_> = which
            .iter()
            .map(|&n| (n, n as u32 + 1, Some(letter(n))))
            .collect();
        assert_eq!(first_bytes(&mut selection, &which), expected, "{count}");
    }
}

#[test]
fn what_was_renamed_is_found_and_what_is_gone_is_none() {
    let home = tempfile::tempdir().expect("a directory");
    drop(mailbox(home.path(), letters(300)));
    // Few, and many; who looks has no part in the change.
    for (few, gone, renamed) in [(true, 5, 6), (false, 7, 8)] {
        let mut selection = open(home.path());
        let which: Vec<usize> = match few {
            true => vec![gone, renamed, renamed + 1],
            false => (0..selection.len()).collect(),
        };
        fs::remove_file(selection.path(gone)).expect("removed");
        let path = selection.path(renamed);
        let flagged = path.to_string_lossy().replace(":2,S", ":2,FS");
        fs::rename(&path, flagged).expect("renamed");
        let expected: Vec<usize> = which.iter().copied().filter(|&n| n != gone).collect();
        let read = first_bytes(&mut selection, &which).into_iter();
        let there = read.filter(|(_, _, byte)| byte.is_some());
        assert_eq!(there.map(|(n, ..)| n).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn an_error_of_the_taker_ends_it() {
    let home = tempfile::tempdir().expect("a directory");
    let mut selection = mailbox(home.path(), letters(1000));
    let which: Vec<usize> = (0..1000).collect();
    let reading = Reading {
        need: Need::Header,
        work: &|(): &(), _| (),
    };
    for last in [0, MANY, 500, 999] {
        let mut taken = Vec::new();
        let result = each(
            &mut selection,
            &which,
            &|_, _| (),
            &reading,
            &mut |n, ()| {
                taken.push(n);
                if n == last { Err("gone") } else { Ok(()) }
            },
        );
        assert_eq!(result, Err("gone"));
        assert_eq!(taken.len(), last + 1);
    }
}

#[test]
fn what_is_no_regular_file_is_none() {
    let home = tempfile::tempdir().expect("a directory");
    let mut selection = mailbox(home.path(), letters(100));
    let path = selection.path(3);
    fs::remove_file(&path).expect("removed");
    std::os::unix::fs::symlink("/etc/passwd", &path).expect("a link");
    let which: Vec<usize> = (0..100).collect();
    let read = first_bytes(&mut selection, &which);
    let none: Vec<usize> = read
        .iter()
        .filter(|(_, _, byte)| byte.is_none())
        .map(|(n, ..)| *n)
        .collect();
    assert_eq!(none, [3]);
}
