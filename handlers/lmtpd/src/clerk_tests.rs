use os::log::Said;

use super::*;

fn clerk(way: Way) -> (tempfile::TempDir, Clerk) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("control")).expect("made");
    let text = "joe:x:7:7::/v/joe:\nann:x:8:8::/v/ann:\n";
    std::fs::write(folder.path().join("users"), text).expect("written");
    std::fs::write(folder.path().join("aliases"), "both: joe, ann\n").expect("written");
    let home = Home::at(folder.path().to_owned());
    let log = Log::to("lmtpd", None, Box::new(|_| Said::Written));
    let clerk = Clerk::new(&home, vec![b"h".to_vec()], way, log).expect("opened");
    (folder, clerk)
}

#[test]
fn alone_it_takes_recipients_of_its_own_user_only() {
    let (_folder, mut clerk) = clerk(Way::Alone(7));
    clerk.mail(b"s@x").expect("taken");
    assert_eq!(clerk.rcpt(b"joe@h"), Ok(Standing::Here));
    assert_eq!(clerk.rcpt(b"ann@h"), Ok(Standing::Temporary));
    assert_eq!(clerk.rcpt(b"both@h"), Ok(Standing::Temporary));
    assert_eq!(clerk.rcpt(b"eve@h"), Ok(Standing::Unknown));
    assert_eq!(clerk.count(), Some(1));
}

#[test]
fn with_hands_it_takes_recipients_of_all_users() {
    let (_folder, mut clerk) = clerk(Way::Hands);
    assert_eq!(clerk.count(), None);
    clerk.mail(b"").expect("taken");
    assert_eq!(clerk.rcpt(b"both@h"), Ok(Standing::Here));
    assert_eq!(clerk.rcpt(b"both"), Ok(Standing::Here));
    assert_eq!(clerk.count(), Some(2));
    clerk.mail(b"s@x").expect("taken");
    assert_eq!(
        clerk.count(),
        Some(0),
        "the transaction before it is forgotten"
    );
}

#[test]
fn where_there_can_be_no_hand_everybody_comes_again() {
    // This process has threads, so nothing is forked.
    let (_folder, mut clerk) = clerk(Way::Hands);
    clerk.mail(b"s@x").expect("taken");
    for recipient in [&b"both@h"[..], b"joe@h"] {
        clerk.rcpt(recipient).expect("taken");
    }
    let verdicts = clerk.deliver("1.2", Spool::new(Vec::new()));
    let verdicts = verdicts.expect("verdicts");
    assert_eq!(verdicts.len(), 2);
    for verdict in verdicts {
        assert!(matches!(verdict, Verdict::Refused(reply) if reply.starts_with("451 4.3.0 ")));
    }
    assert_eq!(clerk.count(), None, "the transaction is over");
}

#[test]
fn groups_are_those_of_a_user_of_the_system_and_not_of_who_has_his_name() {
    let (_folder, mut clerk) = clerk(Way::Hands);
    let joe = clerk.find(b"joe@h").expect("found");
    let mut of_system = joe.clone();
    of_system[0].mailbox.source = Source::System;
    let owners = Owners {
        groups: BTreeMap::from([(b"joe".to_vec(), vec![50])]),
    };
    assert!(owners.of(&joe[0]).groups.is_empty());
    assert_eq!(owners.of(&of_system[0]).groups, [50]);
    // Nobody of the group file is called so.
    assert!(Owners::of_system(&[of_system]).groups.is_empty());
}
