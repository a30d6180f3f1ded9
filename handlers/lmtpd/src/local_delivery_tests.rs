use os::log::Said;

use super::*;

fn delivery(mode: Mode) -> (tempfile::TempDir, LocalDelivery) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("control")).expect("made");
    let text = "joe:x:7:7::/v/joe:\nann:x:8:8::/v/ann:\n";
    std::fs::write(folder.path().join("users"), text).expect("written");
    std::fs::write(folder.path().join("aliases"), "both: joe, ann\n").expect("written");
    let home = Home::at(folder.path().to_owned());
    let log = Log::to("lmtpd", None, Box::new(|_| Said::Written));
    let delivery = LocalDelivery::new(&home, vec![b"h".to_vec()], mode, log).expect("opened");
    (folder, delivery)
}

#[test]
fn alone_it_takes_recipients_of_its_own_user_only() {
    let (_folder, mut delivery) = delivery(Mode::InProcess(7));
    delivery.mail(b"s@x").expect("taken");
    assert_eq!(delivery.rcpt(b"joe@h"), Ok(RecipientAnswer::Here));
    assert_eq!(delivery.rcpt(b"ann@h"), Ok(RecipientAnswer::Temporary));
    assert_eq!(delivery.rcpt(b"both@h"), Ok(RecipientAnswer::Temporary));
    assert_eq!(delivery.rcpt(b"eve@h"), Ok(RecipientAnswer::Unknown));
    assert_eq!(delivery.count(), Some(1));
}

#[test]
fn with_hands_it_takes_recipients_of_all_users() {
    let (_folder, mut delivery) = delivery(Mode::Workers);
    assert_eq!(delivery.count(), None);
    delivery.mail(b"").expect("taken");
    assert_eq!(delivery.rcpt(b"both@h"), Ok(RecipientAnswer::Here));
    assert_eq!(delivery.rcpt(b"both"), Ok(RecipientAnswer::Here));
    assert_eq!(delivery.count(), Some(2));
    delivery.mail(b"s@x").expect("taken");
    assert_eq!(
        delivery.count(),
        Some(0),
        "the transaction before it is forgotten"
    );
}

#[test]
fn where_there_can_be_no_hand_everybody_comes_again() {
    // This process has threads, so nothing is forked.
    let (_folder, mut delivery) = delivery(Mode::Workers);
    delivery.mail(b"s@x").expect("taken");
    for recipient in [&b"both@h"[..], b"joe@h"] {
        delivery.rcpt(recipient).expect("taken");
    }
    let statuses = delivery.deliver("1.2", Spool::new(Vec::new()));
    let statuses = statuses.expect("statuses");
    assert_eq!(statuses.len(), 2);
    for status in statuses {
        assert!(
            matches!(status, RecipientStatus::Refused(reply) if reply.starts_with("451 4.3.0 "))
        );
    }
    assert_eq!(delivery.count(), None, "the transaction is over");
}

#[test]
fn groups_are_those_of_a_user_of_the_system_and_not_of_who_has_his_name() {
    let (_folder, mut delivery) = delivery(Mode::Workers);
    let joe = delivery.find(b"joe@h").expect("found");
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
