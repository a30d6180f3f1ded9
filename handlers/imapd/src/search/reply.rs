//! What is answered to SEARCH, SORT and THREAD.

use std::io::Write as _;

use imap::command::{By, ReturnOptions};
use imap::seq::ranges_of;
use imap::write;
use maildir::selection::Selection;

use super::Found;
use super::thread::Threads;

/// The number of message `n` as the reply has it.
fn number(selection: &Selection, by: By, n: usize) -> u32 {
    match by {
        By::Number => u32::try_from(n + 1).unwrap_or(u32::MAX),
        By::Uid => selection.uid(n),
    }
}

/// `* SEARCH`.
pub fn write_search(out: &mut Vec<u8>, selection: &Selection, by: By, found: &Found) {
    out.extend_from_slice(b"* SEARCH");
    for &n in &found.which {
        out.push(b' ');
        write::number(out, u64::from(number(selection, by, n)));
    }
    if let Some(highest) = found.highest_modseq {
        let _ = write!(out, " (MODSEQ {highest})");
    }
    out.extend_from_slice(b"\r\n");
}

/// `* ESEARCH` (RFC 4731). Of nothing neither MIN, MAX nor ALL are told.
pub fn write_esearch(
    out: &mut Vec<u8>,
    tag: &[u8],
    selection: &Selection,
    by: By,
    options: &ReturnOptions,
    found: &Found,
) {
    out.extend_from_slice(b"* ESEARCH (TAG ");
    write::string(out, tag);
    out.push(b')');
    if by == By::Uid {
        out.extend_from_slice(b" UID");
    }
    let numbers = || found.which.iter().map(|&n| number(selection, by, n));
    if let (true, Some(least)) = (options.min, numbers().next()) {
        let _ = write!(out, " MIN {least}");
    }
    if let (true, Some(most)) = (options.max, numbers().next_back()) {
        let _ = write!(out, " MAX {most}");
    }
    if options.count {
        let _ = write!(out, " COUNT {}", found.which.len());
    }
    if wants_all(options) && !found.which.is_empty() {
        out.extend_from_slice(b" ALL ");
        write::set(out, &ranges_of(numbers()));
    }
    if found.highest_modseq.is_some() && !found.which.is_empty() {
        let told = told(options, found);
        let highest = told.iter().map(|&n| selection.modseq(n)).max();
        let _ = write!(out, " MODSEQ {}", highest.unwrap_or(0));
    }
    out.extend_from_slice(b"\r\n");
}

/// Whether anything is to be told: not where a result is only saved (RFC 5182 section 2.1).
pub fn wants_reply(options: &ReturnOptions) -> bool {
    let tells = options.min || options.max || options.count || options.all;
    tells || !options.save
}

/// RETURN () means ALL, but where something is saved and nothing else is asked for, nothing is told.
fn wants_all(options: &ReturnOptions) -> bool {
    let asks = options.min || options.max || options.count || options.save;
    options.all || !asks
}

/// The messages that a reply speaks of: the first and the last where only these are asked for (RFC
/// 7162 section 3.1.5, RFC 5182 section 2.1).
fn told(options: &ReturnOptions, found: &Found) -> Vec<usize> {
    let ends_only = (options.min || options.max) && !options.all && !options.count;
    if !ends_only {
        return found.which.clone();
    }
    let mut told = Vec::new();
    if options.min {
        told.extend(found.which.first());
    }
    if options.max && (found.which.len() > 1 || !options.min) {
        told.extend(found.which.last());
    }
    told
}

/// What SAVE keeps, as UIDs.
pub fn saved(selection: &Selection, options: &ReturnOptions, found: &Found) -> Vec<u32> {
    told(options, found)
        .into_iter()
        .map(|n| selection.uid(n))
        .collect()
}

/// `* SORT`.
pub fn write_sort(
    out: &mut Vec<u8>,
    selection: &Selection,
    by: By,
    sorted: &[usize],
    highest_modseq: Option<u64>,
) {
    out.extend_from_slice(b"* SORT");
    for &n in sorted {
        out.push(b' ');
        write::number(out, u64::from(number(selection, by, n)));
    }
    if let Some(highest) = highest_modseq {
        let _ = write!(out, " (MODSEQ {highest})");
    }
    out.extend_from_slice(b"\r\n");
}

/// `* THREAD`.
pub fn write_thread(out: &mut Vec<u8>, selection: &Selection, by: By, threads: &Threads) {
    out.extend_from_slice(b"* THREAD");
    if !threads.is_empty() {
        out.push(b' ');
    }
    threads.write(out, &|n| number(selection, by, n));
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
