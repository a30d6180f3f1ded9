//! Users who move between Dovecot and ours: no client may have to fetch anything again.
//!
//! What a client keeps is compared: UIDVALIDITY, UIDs, flags, keywords, which mailboxes there are and
//! which are subscribed, and POP3's unique ids.

use std::collections::BTreeMap;

use crate::corpus::fill;
use crate::house::{Home, House, Whose, simple};
use kit::imap::{Imap, Value, fetched};

/// What a client knows of an account.
#[derive(Debug, PartialEq, Eq)]
struct Account {
    subscribed: Vec<String>,
    mailboxes: BTreeMap<String, Mailbox>,
}

/// What a client knows of a mailbox: UIDVALIDITY, UIDNEXT, and of each UID its flags, its date and
/// the start of it.
#[derive(Debug, PartialEq, Eq)]
struct Mailbox {
    validity: u64,
    next: u64,
    messages: BTreeMap<u64, (Vec<String>, String, String)>,
}

fn names(client: &mut Imap, command: &str) -> Vec<String> {
    let lines = client.ok(command);
    let mut names: Vec<String> = lines
        .iter()
        .filter(|line| !line.contains("\\Noselect") || command.starts_with("LSUB"))
        .filter(|line| !line.contains("\\NonExistent"))
        .map(|line| line.split_once(" \".\" ").unwrap().1.replace('"', ""))
        .collect();
    names.sort();
    names
}

fn look(house: &House) -> Account {
    let mut client = house.session();
    let subscribed = names(&mut client, "LSUB \"\" *");
    let mut mailboxes = BTreeMap::new();
    for name in names(&mut client, "LIST \"\" *") {
        let reply = client.run(&format!("EXAMINE \"{name}\""));
        let items = client.ok(
            "UID FETCH 1:* (UID FLAGS INTERNALDATE BODY.PEEK[HEADER.FIELDS (SUBJECT MESSAGE-ID)])",
        );
        let messages = fetched(&items)
            .values()
            .map(|items| {
                let Value::List(flags) = &items["FLAGS"] else {
                    panic!("{items:?}");
                };
                let mut flags: Vec<String> =
                    flags.iter().map(|flag| flag.text().to_owned()).collect();
                flags.retain(|flag| flag != "\\Recent");
                flags.sort();
                let uid = items["UID"].text().parse().unwrap();
                let date = items["INTERNALDATE"].text().trim_start_matches([' ', '0']);
                let header = items["BODY[HEADER.FIELDS (SUBJECT MESSAGE-ID)]"].text();
                (uid, (flags, date.to_owned(), header.to_owned()))
            })
            .collect();
        let mailbox = Mailbox {
            validity: reply.number("UIDVALIDITY").unwrap(),
            next: reply.number("UIDNEXT").unwrap(),
            messages,
        };
        mailboxes.insert(name, mailbox);
    }
    Account {
        subscribed,
        mailboxes,
    }
}

/// Fails where two looks at an account differ, and says only where.
fn same(before: &Account, after: &Account, what: &str) {
    assert_eq!(before.subscribed, after.subscribed, "{what}");
    let names = |account: &Account| account.mailboxes.keys().cloned().collect::<Vec<String>>();
    assert_eq!(names(before), names(after), "{what}");
    for (name, old) in &before.mailboxes {
        let new = &after.mailboxes[name];
        let uids = |mailbox: &Mailbox| mailbox.messages.keys().copied().collect::<Vec<u64>>();
        assert_eq!(uids(old), uids(new), "{what}: {name}");
        for (uid, message) in &old.messages {
            assert_eq!(message, &new.messages[uid], "{what}: {name} {uid}");
        }
        assert_eq!(old, new, "{what}: {name}");
    }
}

/// Uses an account as people do: `round` makes the names of each time its own.
fn work(house: &House, round: u64) {
    let home = &house.home;
    for number in 0..5 {
        let number = round * 100 + number;
        home.deliver(
            "",
            &format!("{}.M{number}P1.host", 1_700_000_000 + number),
            simple(number),
        );
    }
    let mut client = house.session();
    client.ok(&format!("CREATE box{round}.sub"));
    client.ok(&format!("SUBSCRIBE box{round}.sub"));
    client.ok(&format!("CREATE \"with space {round}\""));
    client.ok("SELECT INBOX");
    client.ok(&format!("STORE 1:4 +FLAGS ($Label{round} \\Flagged)"));
    client.ok(&format!("STORE 3:6 +FLAGS (Keyword{round})"));
    client.ok("STORE 7:9 -FLAGS (\\Seen)");
    client.ok(&format!("COPY 1:8 box{round}.sub"));
    client.ok("STORE 10,12 +FLAGS.SILENT (\\Deleted)");
    client.ok("UID EXPUNGE 1:*");
    client.ok(&format!("MOVE 20:22 box{round}.sub"));
    let text = simple(round * 100 + 50).replace('\n', "\r\n");
    let reply = client.append(
        &format!("box{round}.sub ($Label{round}) \"11-Sep-2020 10:00:00 +0000\""),
        text,
    );
    assert!(reply.is_ok(), "{reply:?}");
    // The newest messages of a mailbox go: their UIDs are not given again.
    client.ok(&format!("SELECT box{round}.sub"));
    client.ok("STORE * +FLAGS (\\Deleted)");
    client.ok("EXPUNGE");
    client.ok("LOGOUT");
}

/// Hands a home over to another server.
fn hand_over(house: House, whose: Whose) -> Option<House> {
    House::of(house.into_home(), whose)
}

fn account() -> Home {
    let home = Home::new();
    fill(&home);
    home
}

#[test]
fn dovecots_accounts_come_to_ours_and_go_back() {
    let Some(mut house) = House::of(account(), Whose::Dovecot) else {
        return;
    };
    work(&house, 1);
    let mut before = look(&house);
    for (round, whose) in [
        (2, Whose::Ours),
        (3, Whose::Dovecot),
        (4, Whose::Ours),
        (5, Whose::Dovecot),
    ] {
        house = hand_over(house, whose).unwrap();
        let after = look(&house);
        same(&before, &after, &format!("handed over to {whose:?}"));
        work(&house, round);
        before = look(&house);
    }
}

#[test]
fn ours_accounts_go_to_dovecot_and_come_back() {
    let Some(mut house) = House::of(account(), Whose::Ours) else {
        return;
    };
    work(&house, 1);
    let mut before = look(&house);
    for (round, whose) in [(2, Whose::Dovecot), (3, Whose::Ours)] {
        let Some(next) = hand_over(house, whose) else {
            return;
        };
        house = next;
        let after = look(&house);
        same(&before, &after, &format!("handed over to {whose:?}"));
        work(&house, round);
        before = look(&house);
    }
}

#[test]
fn both_serve_one_account_at_the_same_time() {
    let home = account();
    let Some(dovecot) = home.dovecot() else {
        return;
    };
    let Some(house) = House::of(home, Whose::Ours) else {
        return;
    };
    let mut theirs = Imap::connect(dovecot.imap_address());
    assert!(
        theirs
            .login(crate::house::USER, crate::house::PASSWORD)
            .starts_with("OK")
    );
    let mut ours = house.session();
    theirs.ok("SELECT INBOX");
    ours.ok("SELECT INBOX");
    for round in 0..20_u64 {
        let (one, other) = if round % 2 == 0 {
            (&mut theirs, &mut ours)
        } else {
            (&mut ours, &mut theirs)
        };
        let reply = one.append("INBOX", simple(round).replace('\n', "\r\n"));
        let uid = reply.status.split([' ', ']']).nth(3).unwrap().to_owned();
        other.ok("NOOP");
        let reply = other.run(&format!(
            "UID FETCH {uid} (BODY.PEEK[HEADER.FIELDS (SUBJECT)])"
        ));
        assert!(
            reply.find(&format!("Subject: message {round}")).is_some(),
            "round {round}: {reply:?}"
        );
        other.ok(&format!("UID STORE {uid} +FLAGS (\\Flagged)"));
        one.ok("NOOP");
        let flags = one.ok(&format!("UID FETCH {uid} FLAGS"));
        assert!(flags[0].contains("\\Flagged"), "round {round}: {flags:?}");
    }
    let uids = |client: &mut Imap| client.ok("UID SEARCH ALL");
    assert_eq!(uids(&mut theirs), uids(&mut ours));
    // Nothing was thought to be an error.
    let log = dovecot.log();
    assert!(
        !log.contains("Error:") && !log.contains("duplicate"),
        "{log}"
    );
}
