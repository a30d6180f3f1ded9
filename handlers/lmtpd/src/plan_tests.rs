use accounts::{Accounts, Home};

use super::*;

/// Targets of recipients in a home where joe and jim are uid 7, ann is uid 8, and aliases lead to
/// several of them.
fn targets(recipients: &[&str]) -> Vec<Vec<Target>> {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::at(folder.path().to_owned());
    let users = "joe:x:7:7::/v/joe:\njim:x:7:7::/v/jim:\nann:x:8:8::/v/ann:\n";
    std::fs::write(home.users(), users).expect("written");
    let aliases = "all: joe, ann, jim\nboth: joe, jim\n";
    std::fs::write(home.aliases(), aliases).expect("written");
    let accounts = Accounts::open(&home, vec![b"h".to_vec()]).expect("opened");
    let of = |name: &&str| {
        let address = format!("{name}@h").into_bytes();
        delivery::deliver::targets(&accounts, &[address]).expect("known")
    };
    recipients.iter().map(of).collect()
}

fn owner(target: &Target) -> Owner {
    Owner {
        uid: target.mailbox.uid,
        gid: target.mailbox.gid,
        groups: Vec::new(),
    }
}

fn plan(recipients: &[&str]) -> Plan {
    Plan::of(&targets(recipients), owner)
}

/// Parts as `recipient/uid: users`.
fn parts(plan: &Plan) -> Vec<String> {
    let text = |part: &Part| {
        let users = part
            .targets
            .iter()
            .map(|target| target.mailbox.user.clone());
        let users: Vec<String> = users
            .map(|user| String::from_utf8(user).expect("ASCII"))
            .collect();
        format!("{}/{}: {}", part.recipient, part.owner.uid, users.join(" "))
    };
    plan.parts.iter().map(text).collect()
}

#[test]
fn each_mailbox_gets_one_copy_for_the_first_recipient_that_leads_there() {
    let plan = plan(&["joe", "all", "joe"]);
    assert_eq!(parts(&plan), ["0/7: joe", "1/8: ann", "1/7: jim"]);
    assert_eq!(plan.of_recipient, [vec![0], vec![0, 1, 2], vec![0]]);
    assert_eq!(plan.by_owner(), [vec![0, 2], vec![1]]);
}

#[test]
fn the_mailboxes_of_one_recipient_and_owner_are_one_part() {
    let plan = plan(&["both", "ann"]);
    assert_eq!(parts(&plan), ["0/7: joe jim", "1/8: ann"]);
    assert_eq!(plan.of_recipient, [vec![0], vec![1]]);
}

#[test]
fn owners_differ_by_their_groups_too() {
    let mut number = 0;
    let plan = Plan::of(&targets(&["joe", "jim"]), |target| {
        number += 1;
        Owner {
            groups: vec![number],
            ..owner(target)
        }
    });
    assert_eq!(plan.by_owner(), [vec![0], vec![1]]);
}

#[test]
fn a_recipient_is_delivered_when_all_his_parts_are() {
    let plan = plan(&["joe", "all", "ann"]);
    let (gone, later) = (
        RecipientStatus::refused(true, "5.4.6", "loop"),
        RecipientStatus::refused(false, "4.2.0", "later"),
    );
    let all = [
        RecipientStatus::Delivered,
        RecipientStatus::Delivered,
        RecipientStatus::Delivered,
    ];
    assert_eq!(plan.statuses(&all), all);
    let some = [
        RecipientStatus::Delivered,
        gone.clone(),
        RecipientStatus::Delivered,
    ];
    assert_eq!(
        plan.statuses(&some),
        [RecipientStatus::Delivered, gone.clone(), gone.clone()]
    );
    let worse = [later.clone(), gone.clone(), RecipientStatus::Delivered];
    assert_eq!(plan.statuses(&worse), [later.clone(), later, gone]);
}
