//! The mailbox index through pop3d: what docs/formats/maildir-index.md says of it, and that it is a cache,
//! whatever anybody does to it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

use crate::mailbox::Mailbox;
use kit::{Run, SOMEBODY, as_root, note_left_out, peer};

const INDEX: &str = "superd-index";

/// Four messages, of 6, 8, 9 and 10 octets.
fn four() -> Mailbox {
    Mailbox::with(&["A: 1\n", "A: 2\n\n", "A: 3\n\nx\n", "A: 4\r\n\r\nyy"])
}

const SIZES: [&str; 4] = ["1 6", "2 8", "3 11", "4 12"];

fn sizes(mailbox: &Mailbox) -> Vec<String> {
    whole_session(mailbox).0
}

/// One session to its end; its sizes, and its log.
fn whole_session(mailbox: &Mailbox) -> (Vec<String>, String) {
    let mut session = mailbox.session(&[]);
    (session.listing("LIST"), session.quit())
}

#[test]
fn the_index_is_the_owners_and_nobody_elses() {
    let mailbox = four();
    assert_eq!(whole_session(&mailbox).0, SIZES);
    let meta = fs::metadata(mailbox.path(INDEX)).unwrap();
    assert_eq!(meta.mode() & 0o7777, 0o600);
    assert_eq!((meta.uid(), meta.gid()), mailbox.owner());
    assert_eq!(meta.len(), 32 + 4 * 40 + 4);
    assert!(kit::place::files(&mailbox.path("tmp")).is_empty());
}

#[test]
fn who_is_not_the_owner_writes_none_and_believes_none_of_a_third_one() {
    if !as_root("Maildirs of others") {
        return;
    }
    let mailbox = four();
    // The owner may be anybody here; pop3d is not he.
    mailbox.chmod("", 0o777);
    let chown = |name: &str, uid: u32| {
        std::os::unix::fs::chown(mailbox.path(name), Some(uid), Some(uid)).unwrap();
    };
    chown("", SOMEBODY);
    assert_eq!(whole_session(&mailbox).0, SIZES);
    assert!(!mailbox.path(INDEX).exists());
    // An index that says other sizes: of the owner it is believed, of somebody else it is not.
    fs::write(mailbox.path(INDEX), lying(&mailbox, 40)).unwrap();
    chown(INDEX, SOMEBODY + 1);
    assert_eq!(sizes(&mailbox), SIZES);
    chown(INDEX, SOMEBODY);
    mailbox.chmod(INDEX, 0o644);
    assert_eq!(sizes(&mailbox), LIES);
}

/// CRC-32 of zlib and IEEE 802.3, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 1) ^ (0xEDB8_8320 * (crc & 1));
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| step(crc))
    })
}

/// FNV-1a of 64 bits.
fn fnv(name: &[u8]) -> u64 {
    name.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// An index as the document has it, whose records have so many bytes, and in which message n has
/// twice its bytes and one more: as many as can be, and more than there are.
fn lying(mailbox: &Mailbox, record_bytes: u16) -> Vec<u8> {
    let mut records: Vec<(u64, u64, Vec<u8>)> = Vec::new();
    for name in mailbox.names() {
        let meta = fs::metadata(mailbox.path(&name)).unwrap();
        let file = name.rsplit('/').next().unwrap();
        let unique = file.split(':').next().unwrap();
        let time = meta.mtime() * 1_000_000_000 + meta.mtime_nsec();
        let (hash, inode) = (fnv(unique.as_bytes()), meta.ino());
        let mut record = Vec::new();
        for column in [
            hash,
            inode,
            time.cast_unsigned(),
            meta.len(),
            2 * meta.len() + 1,
        ] {
            record.extend_from_slice(&column.to_le_bytes());
        }
        record.resize(usize::from(record_bytes), 0xEE);
        records.push((hash, inode, record));
    }
    records.sort();
    let mut index = b"superdIX\x01\0".to_vec();
    index.extend_from_slice(&record_bytes.to_le_bytes());
    index.extend_from_slice(&[0; 4]);
    index.extend_from_slice(&(records.len() as u64).to_le_bytes());
    index.extend_from_slice(&[0; 8]);
    for (.., record) in records {
        index.extend_from_slice(&record);
    }
    index.extend_from_slice(&crc32(&index).to_le_bytes());
    index
}

const LIES: [&str; 4] = ["1 11", "2 13", "3 17", "4 21"];

#[test]
fn an_index_of_the_documents_form_is_believed_and_messages_are_not_read() {
    let mailbox = four();
    mailbox.put(INDEX, lying(&mailbox, 40));
    assert_eq!(sizes(&mailbox), LIES);
    // The way to cur, which it has gone since, and flags change nothing.
    mailbox.rename("cur/2.a:2,", "cur/2.a:2,RS");
    assert_eq!(sizes(&mailbox), LIES);
    // A copy in the place of a message is another file.
    fs::copy(mailbox.path("cur/1.a:2,"), mailbox.path("tmp/x")).unwrap();
    mailbox.give(&mailbox.path("tmp/x"));
    mailbox.date("tmp/x", Duration::from_secs(1_000_000_001));
    mailbox.rename("tmp/x", "cur/1.a:2,");
    assert_eq!(sizes(&mailbox), ["1 6", "2 13", "3 17", "4 21"]);
}

#[test]
fn an_index_that_pop3d_wrote_is_of_the_documents_form() {
    let mailbox = four();
    let session = mailbox.session(&[]);
    let expected = lying(&mailbox, 40);
    session.quit();
    let mut written = fs::read(mailbox.path(INDEX)).unwrap();
    assert_eq!(written.len(), expected.len());
    assert_eq!(crc32(&written[..192]).to_le_bytes(), written[192..]);
    // The sizes alone are others.
    for record in 0..4 {
        let octets = 32 + record * 40 + 32;
        written[octets..octets + 8].copy_from_slice(&expected[octets..octets + 8]);
    }
    assert_eq!(written[..192], expected[..192]);
}

#[test]
fn a_damaged_index_is_ignored_as_a_whole_and_replaced() {
    let mailbox = four();
    let good = lying(&mailbox, 40);
    let flipped = |at: usize| {
        let mut index = good.clone();
        index[at] ^= 0x40;
        index
    };
    let cut = |length: usize| good[..length].to_vec();
    let mut damaged: Vec<Vec<u8>> = [0, 8, 10, 16, 23, 32, 40, 64, 100, 191, 195]
        .into_iter()
        .map(flipped)
        .collect();
    damaged.extend([0, 1, 31, 32, 100, 195].map(cut));
    damaged.push([&good[..], b"\0"].concat());
    damaged.push(b"no index at all\n".to_vec());
    for index in damaged {
        mailbox.put(INDEX, &index);
        assert_eq!(sizes(&mailbox), SIZES);
        let replaced = fs::read(mailbox.path(INDEX)).unwrap();
        assert!(replaced != index && replaced.len() == 196, "{index:?}");
    }
}

#[test]
fn an_index_with_more_columns_is_read_and_not_overwritten() {
    let mailbox = four();
    let wide = lying(&mailbox, 48);
    mailbox.put(INDEX, &wide);
    mailbox.put("new/5.a", "A: 5\n");
    let (sizes, log) = whole_session(&mailbox);
    assert_eq!(sizes[..4], LIES);
    assert_eq!(sizes[4], "5 6");
    assert!(!log.contains(" fault "), "{log}");
    assert_eq!(fs::read(mailbox.path(INDEX)).unwrap(), wide);
}

#[test]
fn an_index_that_is_no_file_is_ignored_and_followed_nowhere() {
    let mailbox = four();
    let elsewhere = mailbox.home().join("elsewhere");
    fs::write(&elsewhere, lying(&mailbox, 40)).unwrap();
    mailbox.give(&elsewhere);
    symlink(&elsewhere, mailbox.path(INDEX)).unwrap();
    let before = fs::read(&elsewhere).unwrap();
    assert_eq!(sizes(&mailbox), SIZES);
    assert_eq!(fs::read(&elsewhere).unwrap(), before);
    // A fifo holds nobody up; what cannot be replaced stays.
    let _ = fs::remove_file(mailbox.path(INDEX));
    let done = Run::new("mkfifo").arg(mailbox.path(INDEX)).done();
    assert_eq!(done.code, Some(0));
    mailbox.chmod(INDEX, 0o666);
    assert_eq!(sizes(&mailbox), SIZES);
    let _ = fs::remove_file(mailbox.path(INDEX));
    fs::create_dir(mailbox.path(INDEX)).unwrap();
    let (sizes, log) = whole_session(&mailbox);
    assert_eq!(sizes, SIZES);
    assert!(
        log.contains("reason=\"unable to write Maildir/superd-index: "),
        "{log}"
    );
    assert!(kit::place::files(&mailbox.path("tmp")).is_empty());
}

#[test]
fn with_a_complete_index_no_message_is_opened_and_none_looked_at() {
    let Some(strace) = peer("strace") else { return };
    let mailbox = four();
    whole_session(&mailbox);
    let words = ["-e", "trace=%file,getdents64"];
    let look = |what: &str| {
        let mut session = mailbox.traced(&strace, &words, &[]);
        if session.try_line().is_none() {
            note_left_out(what, "this machine does not let programs be traced");
            return None;
        }
        assert_eq!(session.listing("LIST"), SIZES);
        session.end();
        Some(mailbox.trace())
    };
    let Some(trace) = look("what a complete index saves") else {
        return;
    };
    assert!(trace.contains("getdents64("), "{trace}");
    assert!(!trace.contains(".a:2,"), "{trace}");
    fs::remove_file(mailbox.path(INDEX)).unwrap();
    let trace = look("what a complete index saves").unwrap();
    assert!(trace.contains("1.a:2,"), "without it they are: {trace}");
}

#[test]
fn without_the_index_nothing_is_written_and_nothing_believed() {
    let mailbox = four();
    let mut session = mailbox.session(&[("POP3D_INDEX", "0")]);
    assert_eq!(session.listing("LIST"), SIZES);
    session.quit();
    assert!(!mailbox.path(INDEX).exists());
    mailbox.put(INDEX, lying(&mailbox, 40));
    let before = fs::read(mailbox.path(INDEX)).unwrap();
    let mut session = mailbox.session(&[("POP3D_INDEX", "0")]);
    assert_eq!(session.listing("LIST"), SIZES);
    session.quit();
    assert_eq!(fs::read(mailbox.path(INDEX)).unwrap(), before);
}

#[test]
fn a_message_that_was_edited_in_place_is_corrected_when_it_is_sent() {
    let mailbox = four();
    whole_session(&mailbox);
    // The same file, as an editor without a copy leaves it.
    mailbox.put("cur/2.a:2,", "A: 2\n\nand more\n");
    assert_eq!(sizes(&mailbox)[1], "2 8", "nobody looks");
    let mut session = mailbox.session(&[]);
    assert_eq!(session.message("RETR 2").len(), 18 + 3);
    assert_eq!(session.ask("LIST 2"), "+OK 2 8", "sizes stay for a session");
    let log = session.quit();
    assert!(
        log.contains("message 2.a was thought to be 8 and is 18"),
        "{log}"
    );
    assert_eq!(sizes(&mailbox)[1], "2 18");
}

#[test]
fn what_may_still_be_growing_is_not_kept() {
    let mailbox = four();
    let now = SystemTime::now();
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    mailbox.date("new/4.a", now);
    whole_session(&mailbox);
    let index = fs::read(mailbox.path(INDEX)).unwrap();
    assert_eq!(index.len(), 32 + 3 * 40 + 4);
    mailbox.put("cur/4.a:2,", "A: 4\n\nit has grown\n");
    assert_eq!(sizes(&mailbox)[3], "4 22");
}

#[test]
fn a_maildir_that_cannot_be_written_to_is_served_without_and_the_log_says_so() {
    let mailbox = four();
    for dir in ["tmp", ""] {
        mailbox.chmod(dir, 0o500);
        let (sizes, log) = whole_session(&mailbox);
        mailbox.chmod(dir, 0o700);
        assert_eq!(sizes, SIZES);
        let fault = "reason=\"unable to write Maildir/superd-index: access denied\"";
        assert!(log.contains(fault), "{log}");
        assert!(!mailbox.path(INDEX).exists());
    }
    whole_session(&mailbox);
    assert!(mailbox.path(INDEX).exists());
}

#[test]
fn an_index_that_is_mostly_of_messages_that_are_gone_is_made_anew() {
    let mailbox = Mailbox::new();
    for number in 1..=20 {
        mailbox.put(&format!("cur/{number}.a:2,S"), "A: b\n");
    }
    whole_session(&mailbox);
    let length = || fs::metadata(mailbox.path(INDEX)).unwrap().len();
    assert_eq!(length(), 32 + 20 * 40 + 4);
    for number in 1..=15 {
        fs::remove_file(mailbox.path(&format!("cur/{number}.a:2,S"))).unwrap();
    }
    whole_session(&mailbox);
    assert_eq!(length(), 32 + 5 * 40 + 4);
}

#[test]
fn an_index_of_many_messages_is_written_before_the_session_ends() {
    let mailbox = Mailbox::new();
    for number in 1..=128 {
        mailbox.put(&format!("cur/{number}.a:2,S"), "A: b\n");
    }
    let session = mailbox.session(&[]);
    assert!(mailbox.path(INDEX).exists());
    let mode = fs::metadata(mailbox.path(INDEX))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o600);
    drop(session);
    // One fewer waits for the end.
    fs::remove_file(mailbox.path(INDEX)).unwrap();
    fs::remove_file(mailbox.path("cur/128.a:2,S")).unwrap();
    let session = mailbox.session(&[]);
    assert!(!mailbox.path(INDEX).exists());
    session.quit();
    assert!(mailbox.path(INDEX).exists());
}
