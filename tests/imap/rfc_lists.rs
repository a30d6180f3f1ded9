//! Names of mailboxes as dialogues: NAMESPACE (RFC 2342), CHILDREN (3348), LIST-EXTENDED (5258),
//! LIST-STATUS (5819), SPECIAL-USE (6154), STATUS=SIZE (8438).

use crate::house::{Home, both, message, ours, simple, three};
use kit::imap::{Reply, fits, step};

/// Fruit and vegetables, some of them subscribed.
fn pantry(home: &Home) {
    for name in [
        ".Fruit",
        ".Fruit.Apple",
        ".Fruit.Banana",
        ".Vegetable",
        ".Vegetable.Corn",
        ".Sent",
        ".Trash",
    ] {
        home.folder(name);
    }
    home.write(
        "subscriptions",
        "INBOX\nFruit.Banana\nFruit.Peach\nVegetable\n",
    );
}

/// The attributes in the LIST reply of a mailbox, sorted; `None` where there is none.
fn attributes(reply: &Reply, name: &str) -> Option<Vec<String>> {
    let mut all = reply.untagged.iter();
    let line = all.find(|line| {
        fits(
            &format!("LIST (~) \".\" {name}"),
            &line.replace('"', "").replace(" . ", " \".\" "),
        ) || fits(&format!("LIST (~) \".\" {name} (~"), line)
    })?;
    let (list, _) = line["LIST (".len()..].split_once(')')?;
    let mut words: Vec<String> = list
        .split(' ')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    words.sort();
    Some(words)
}

fn has(reply: &Reply, name: &str, words: &[&str]) {
    let there = attributes(reply, name);
    let there = there.unwrap_or_else(|| panic!("no {name} in {reply:#?}"));
    for word in words {
        assert!(
            there.iter().any(|one| one.eq_ignore_ascii_case(word)),
            "{name} lacks {word}: {there:?}"
        );
    }
}

fn names(reply: &Reply) -> Vec<String> {
    let lists = reply
        .untagged
        .iter()
        .filter(|line| line.starts_with("LIST "));
    let mut names: Vec<String> = lists
        .map(|line| {
            let (_, rest) = line.split_once(" \".\" ").unwrap();
            rest.split(' ').next().unwrap().replace('"', "")
        })
        .collect();
    names.sort();
    names
}

#[test]
fn there_is_one_personal_namespace() {
    both(three, |house| {
        let mut client = house.session();
        step(
            &mut client,
            "NAMESPACE",
            &["=", "NAMESPACE ((\"\" \".\")) NIL NIL"],
            "OK ~",
        );
    });
}

#[test]
fn children_are_told_with_every_name() {
    both(pantry, |house| {
        let mut client = house.session();
        let reply = client.run("LIST \"\" *");
        for (name, word) in [
            ("Fruit", "\\HasChildren"),
            ("Vegetable", "\\HasChildren"),
            ("Fruit.Apple", "\\HasNoChildren"),
            ("INBOX", "\\HasNoChildren"),
        ] {
            has(&reply, name, &[word]);
        }
    });
}

#[test]
fn a_level_without_a_mailbox_is_there_and_cannot_be_selected() {
    both(
        |home| home.folder(".deep.down"),
        |house| {
            let mut client = house.session();
            let reply = client.run("LIST \"\" %");
            let there = attributes(&reply, "deep").expect("the level is shown");
            assert!(
                there.iter().any(|word| word == "\\HasChildren"),
                "{there:?}"
            );
            assert!(
                there
                    .iter()
                    .any(|word| word == "\\NonExistent" || word == "\\Noselect"),
                "{there:?}"
            );
            step(&mut client, "SELECT deep", &[], "NO ~");
            step(&mut client, "CREATE deep", &["="], "OK ~");
            step(&mut client, "SELECT deep", &["0 EXISTS"], "OK ~");
        },
    );
}

#[test]
fn the_selection_of_subscribed_names_holds_those_that_do_not_exist() {
    both(pantry, |house| {
        let mut client = house.session();
        let reply = client.run("LIST (SUBSCRIBED) \"\" *");
        assert_eq!(
            names(&reply),
            ["Fruit.Banana", "Fruit.Peach", "INBOX", "Vegetable"]
        );
        has(&reply, "Fruit.Peach", &["\\Subscribed", "\\NonExistent"]);
        has(&reply, "Fruit.Banana", &["\\Subscribed"]);
        let reply = client.run("LIST \"\" % RETURN (SUBSCRIBED CHILDREN)");
        has(&reply, "Vegetable", &["\\Subscribed", "\\HasChildren"]);
        let there = attributes(&reply, "Fruit").unwrap();
        assert!(
            !there.iter().any(|word| word == "\\Subscribed"),
            "{there:?}"
        );
    });
}

#[test]
fn recursivematch_shows_parents_of_what_is_subscribed() {
    both(pantry, |house| {
        let mut client = house.session();
        let reply = client.run("LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %");
        assert_eq!(names(&reply), ["Fruit", "INBOX", "Vegetable"]);
        let fruit = reply.find(" Fruit ").unwrap();
        assert!(
            fits(
                "LIST (~) \".\" Fruit (~CHILDINFO~ (\"SUBSCRIBED\")~)",
                fruit
            ),
            "{fruit}"
        );
        step(
            &mut client,
            "LIST (RECURSIVEMATCH) \"\" %",
            &["!LIST~"],
            "BAD ~",
        );
    });
}

#[test]
fn several_patterns_give_each_name_once() {
    both(pantry, |house| {
        let mut client = house.session();
        let reply = client.run("LIST \"\" (\"INBOX\" \"Fruit.*\" \"*.Apple\")");
        assert_eq!(names(&reply), ["Fruit.Apple", "Fruit.Banana", "INBOX"]);
        step(&mut client, "LIST (NONSENSE) \"\" *", &["!LIST~"], "BAD ~");
        step(
            &mut client,
            "LIST \"\" * RETURN (NONSENSE)",
            &["!LIST~"],
            "BAD ~",
        );
    });
}

#[test]
fn list_with_status_tells_both_of_each_mailbox() {
    both(
        |home| {
            pantry(home);
            home.put(".Fruit.Apple", 1, simple(1));
            home.folder(".deep.down");
        },
        |house| {
            let mut client = house.session();
            let reply = step(
                &mut client,
                "LIST \"\" Fruit* RETURN (STATUS (MESSAGES UNSEEN))",
                &[
                    "LIST (~) \".\" Fruit",
                    "STATUS Fruit (MESSAGES 0 UNSEEN 0)",
                    "STATUS Fruit.Apple (MESSAGES 1 UNSEEN 0)",
                    "STATUS Fruit.Banana (~)",
                ],
                "OK ~",
            );
            let at = |pattern: &str| reply.untagged.iter().position(|line| fits(pattern, line));
            assert!(
                at("LIST ~Fruit.Apple") < at("STATUS Fruit.Apple~"),
                "{reply:#?}"
            );
            // What cannot be selected has no status.
            step(
                &mut client,
                "LIST \"\" deep RETURN (STATUS (MESSAGES))",
                &["=", "LIST (~) \".\" deep"],
                "OK ~",
            );
        },
    );
}

#[test]
fn special_uses_are_told_and_can_be_selected_by() {
    both(
        |home| {
            home.folder(".Sent");
            home.folder(".Trash");
        },
        |house| {
            let mut client = house.session();
            let reply = client.run("LIST \"\" * RETURN (SPECIAL-USE)");
            has(&reply, "Sent", &["\\Sent"]);
            has(&reply, "Trash", &["\\Trash"]);
            assert_eq!(names(&reply), ["INBOX", "Sent", "Trash"]);
            let reply = client.run("LIST (SPECIAL-USE) \"\" *");
            assert_eq!(names(&reply), ["Sent", "Trash"]);
        },
    );
}

#[test]
fn a_mailbox_is_created_for_a_special_use() {
    ours(three, |house| {
        let mut client = house.session();
        step(&mut client, "CREATE Everything (USE (\\All))", &["="], "~");
        step(
            &mut client,
            "CREATE Papierkorb (USE (\\Trash))",
            &["="],
            "OK ~",
        );
        step(
            &mut client,
            "CREATE Odd (USE (\\Nonsense))",
            &["="],
            "NO [USEATTR] ~",
        );
        let reply = client.run("LIST (SPECIAL-USE) \"\" *");
        has(&reply, "Papierkorb", &["\\Trash"]);
        // Another session, and another day, find it so.
        let mut client = house.session();
        let reply = client.run("LIST \"\" Papierkorb");
        has(&reply, "Papierkorb", &["\\Trash"]);
    });
}

#[test]
fn the_size_of_a_mailbox_is_that_of_its_messages() {
    both(
        |home| {
            home.folder(".box");
            for number in 1..=3 {
                home.put(".box", number, message(&["Subject: x"], "line\n"));
            }
        },
        |house| {
            let mut client = house.session();
            // Two octets for each line end: 12 + 2 + 6 each.
            step(
                &mut client,
                "STATUS box (MESSAGES SIZE)",
                &["=", "STATUS box (MESSAGES 3 SIZE 60)"],
                "OK ~",
            );
        },
    );
}

#[test]
fn the_name_of_a_namespace_is_there_for_who_goes_down_level_by_level() {
    let home = Home::new();
    pantry(&home);
    let mut client = home.imapd(&[("IMAPD_NAMESPACE", "Old.Mail.")]);
    let shown = |reply: &Reply| {
        let names = reply.untagged.iter().map(|line| {
            let (attributes, name) = line.rsplit_once(' ').unwrap();
            (attributes.contains("\\Noselect"), name.to_owned())
        });
        names.collect::<Vec<(bool, String)>>()
    };
    let name = |is_empty: bool, name: &str| (is_empty, name.to_owned());
    let top = client.run("LIST \"\" %");
    assert_eq!(shown(&top), [name(true, "Old"), name(false, "INBOX")]);
    assert_eq!(
        shown(&client.run("LIST \"\" Old.%")),
        [name(true, "Old.Mail")]
    );
    let all = shown(&client.run("LIST \"\" Old.Mail.%"));
    assert!(all.contains(&name(false, "Old.Mail.Fruit")), "{all:?}");
    let top = client.run("LSUB \"\" %");
    assert_eq!(shown(&top), [name(true, "Old"), name(false, "INBOX")]);
    // Below INBOX it is INBOX itself.
    let mut client = home.imapd(&[("IMAPD_NAMESPACE", "INBOX.")]);
    assert_eq!(shown(&client.run("LIST \"\" %")), [name(false, "INBOX")]);
}
