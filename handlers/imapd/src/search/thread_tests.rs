use super::Threads;
use crate::search::items::{Items, Named, Names, Words};

/// A message, sent at that second: its id, what it refers to, its subject.
fn item(n: usize, id: &str, references: &[&str], subject: &str) -> (usize, Words) {
    let bytes = |text: &str| text.as_bytes().to_vec();
    let words = Words {
        date: Some(n as i64),
        subject: subject.trim_start_matches("re: ").to_owned(),
        is_reply: subject.starts_with("re: "),
        id: (!id.is_empty()).then(|| bytes(id)),
        references: references.iter().map(|text| bytes(text)).collect(),
    };
    (n, words)
}

fn made(all: Vec<(usize, Words)>) -> Items {
    let names = Names::default();
    let mut items = Items::default();
    for (n, words) in all {
        items.add(n, Named::of(&words, &names));
    }
    items
}

fn references(all: Vec<(usize, Words)>) -> Threads {
    super::references(made(all))
}

fn ordered_subject(all: Vec<(usize, Words)>) -> Threads {
    super::ordered_subject(made(all))
}

fn shown(threads: &Threads) -> String {
    let mut out = Vec::new();
    threads.write(&mut out, &|n| n as u32);
    String::from_utf8(out).expect("ASCII")
}

#[test]
fn replies_stand_below_what_they_reply_to() {
    let items = vec![
        item(1, "a", &[], ""),
        item(2, "b", &["a"], ""),
        item(3, "c", &["a", "b"], ""),
        item(4, "d", &["a"], ""),
        item(5, "e", &[], ""),
    ];
    assert_eq!(shown(&references(items)), "(1 (2 3)(4))(5)");
}

#[test]
fn a_message_that_is_missing_joins_its_children_only_where_there_are_several() {
    let items = vec![
        item(1, "b", &["a"], ""),
        item(2, "c", &["a"], ""),
        item(3, "e", &["d"], ""),
    ];
    assert_eq!(shown(&references(items)), "((1)(2))(3)");
    // In the middle its children take its place.
    let items = vec![
        item(1, "a", &[], ""),
        item(2, "c", &["a", "b"], ""),
        item(3, "d", &["a", "b"], ""),
    ];
    assert_eq!(shown(&references(items)), "(1 (2)(3))");
}

#[test]
fn a_reply_that_came_before_what_it_replies_to_is_below_it() {
    let items = vec![item(1, "b", &["a"], ""), item(2, "a", &[], "")];
    assert_eq!(shown(&references(items)), "(2 1)");
}

#[test]
fn references_in_a_ring_are_broken() {
    let items = vec![item(1, "a", &["b"], ""), item(2, "b", &["a"], "")];
    let threads = shown(&references(items));
    assert!(["(2 1)", "(1 2)"].contains(&threads.as_str()), "{threads}");
    assert_eq!(
        shown(&references(vec![item(1, "a", &["a", "a"], "")])),
        "(1)"
    );
}

#[test]
fn a_second_message_of_one_id_is_a_message_of_its_own() {
    let items = vec![
        item(1, "a", &[], "x"),
        item(2, "a", &[], "y"),
        item(3, "b", &["a"], "z"),
    ];
    assert_eq!(shown(&references(items)), "(1 3)(2)");
}

#[test]
fn threads_of_one_subject_are_joined() {
    // A reply without references is below the original.
    let items = vec![item(1, "a", &[], "x"), item(2, "b", &[], "re: x")];
    assert_eq!(shown(&references(items)), "(1 2)");
    // Neither is the other's: they stand beside each other.
    let items = vec![
        item(1, "a", &[], "x"),
        item(2, "b", &[], "x"),
        item(3, "c", &[], "x"),
    ];
    assert_eq!(shown(&references(items)), "((1)(2)(3))");
    // The one that is no reply is the parent, whenever it came.
    let items = vec![item(1, "a", &[], "re: x"), item(2, "b", &[], "x")];
    assert_eq!(shown(&references(items)), "(2 1)");
    // No subject joins nothing.
    let items = vec![item(1, "a", &[], ""), item(2, "b", &[], "")];
    assert_eq!(shown(&references(items)), "(1)(2)");
}

#[test]
fn threads_of_missing_messages_are_joined_by_subject_too() {
    let items = vec![
        item(1, "b", &["a"], "x"),
        item(2, "c", &["a"], "x"),
        item(3, "e", &["d"], "x"),
        item(4, "f", &["d"], "x"),
    ];
    assert_eq!(shown(&references(items)), "((1)(2)(3)(4))");
}

#[test]
fn ordered_subject_puts_all_below_the_first_of_a_subject() {
    let items = vec![
        item(1, "", &[], "b"),
        item(2, "", &[], "a"),
        item(3, "", &[], "re: b"),
        item(4, "", &[], "b"),
        item(5, "", &[], "re: a"),
    ];
    assert_eq!(shown(&ordered_subject(items)), "(1 (3)(4))(2 5)");
}

#[test]
fn no_messages_are_no_threads() {
    assert!(references(Vec::new()).is_empty());
    assert_eq!(shown(&ordered_subject(Vec::new())), "");
}

#[test]
fn a_thread_may_be_as_deep_as_a_mailbox_is_long() {
    let count = 200_000;
    for reverse in [false, true] {
        let name = |at: usize| at.to_string();
        let mut items: Vec<(usize, Words)> = (0..count)
            .map(|at| match at {
                0 => item(0, "0", &[], ""),
                _ => item(at, &name(at), &[&name(at - 1)], ""),
            })
            .collect();
        if reverse {
            items.reverse();
        }
        let threads = references(items);
        assert_eq!(threads.roots.len(), 1);
        let mut out = Vec::new();
        threads.write(&mut out, &|n| n as u32);
        assert!(out.starts_with(b"(0 1 2 3 ") && out.ends_with(b" 199999)"));
    }
}

#[test]
fn the_header_says_what_a_message_refers_to() {
    let words = Words::of(
        b"Date: Thu, 1 Jan 1970 00:00:05 +0000\r\nSubject: Re: Plans\r\nMessage-ID: <c@x>\r\n\
          References: <a@x>\r\n <b@x>\r\nIn-Reply-To: <d@x>\r\n",
        true,
    );
    let bytes = |text: &str| text.as_bytes().to_vec();
    let expected = Words {
        date: Some(5),
        subject: "plans".to_owned(),
        is_reply: true,
        id: Some(bytes("c@x")),
        references: vec![bytes("a@x"), bytes("b@x")],
    };
    assert_eq!(words, expected);
}

#[test]
fn without_references_the_first_id_of_in_reply_to_counts() {
    for header in [
        "In-Reply-To: Your mail of Monday <a@x> <b@x>\n",
        "References:\nIn-Reply-To: <a@x>\n",
        "References: nothing <here\nIn-Reply-To: <a@x> and <b@x>\n",
    ] {
        let words = Words::of(header.as_bytes(), true);
        assert_eq!(words.references, [b"a@x"], "{header}");
        assert_eq!(Words::of(header.as_bytes(), false), Words::default());
    }
}

#[test]
fn what_a_message_says_of_its_parent_counts_more_than_what_others_say() {
    // The third says that b is below a; b itself knows better.
    let items = vec![
        item(1, "a", &[], ""),
        item(2, "x", &[], ""),
        item(3, "c", &["a", "b"], ""),
        item(4, "b", &["x"], ""),
    ];
    assert_eq!(shown(&references(items)), "(1)(2 4 3)");
    // And that it has none.
    let items = vec![
        item(1, "a", &[], ""),
        item(2, "c", &["a", "b"], ""),
        item(3, "b", &[], ""),
    ];
    assert_eq!(shown(&references(items)), "(1)(3 2)");
    // Of others the first counts.
    let items = vec![
        item(1, "a", &[], ""),
        item(2, "x", &[], ""),
        item(3, "c", &["a", "b"], ""),
        item(4, "d", &["x", "b"], ""),
    ];
    assert_eq!(shown(&references(items)), "(1 (3)(4))(2)");
}

#[test]
fn siblings_stand_in_the_order_in_which_they_were_sent() {
    let sent = |n: usize, date: i64, id: &str, references: &[&str]| {
        let (n, words) = item(n, id, references, "");
        let date = Some(date);
        (n, Words { date, ..words })
    };
    let items = vec![
        sent(1, 9, "a", &[]),
        sent(2, 8, "b", &["a"]),
        sent(3, 7, "c", &["a"]),
        sent(4, 7, "d", &["a"]),
        sent(5, 5, "e", &[]),
        // A missing one stands where its first child does.
        sent(6, 6, "f", &["gone"]),
        sent(7, 3, "g", &["gone"]),
    ];
    assert_eq!(shown(&references(items)), "((7)(6))(5)(1 (3)(4)(2))");
}

#[test]
fn a_message_without_a_date_is_dated_by_its_arrival() {
    let mut items = Items::default();
    for (n, date) in [(3, Some(10)), (5, None), (9, Some(20))] {
        let (_, words) = item(n, "", &[], "");
        items.add(n, Named::of(&Words { date, ..words }, &Names::default()));
    }
    items.arrived(5, 15);
    items.arrived(6, 0);
    assert_eq!(shown(&super::references(items)), "(3)(5)(9)");
}

#[test]
fn a_thread_named_after_a_missing_message_takes_in_the_others_of_its_subject() {
    // A message that is there goes below the one that is not, reply or not.
    let items = vec![
        item(1, "a", &[], "x"),
        item(2, "b", &["gone"], "re: x"),
        item(3, "c", &["gone"], "y"),
        item(4, "d", &[], "re: x"),
    ];
    assert_eq!(shown(&references(items)), "((1)(2)(3)(4))");
}

#[test]
fn the_subjects_of_messages_below_others_join_nothing() {
    let items = vec![
        item(1, "a", &[], "x"),
        item(2, "b", &["a"], "y"),
        item(3, "c", &[], "re: y"),
    ];
    assert_eq!(shown(&references(items)), "(1 2)(3)");
}

#[test]
fn messages_without_a_subject_are_one_thread_by_subject() {
    let items = vec![
        item(1, "", &[], ""),
        item(2, "", &[], "a"),
        item(3, "", &[], ""),
        item(4, "", &[], ""),
    ];
    assert_eq!(shown(&ordered_subject(items)), "(1 (3)(4))(2)");
}

/// A plain reading of the links alone: the parent of a message is the last id that it refers to, if a
/// message has it.
#[test]
fn where_all_messages_are_there_the_last_reference_is_the_parent() {
    let mut seed = 7_u64;
    let mut random = |most: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize % most
    };
    for _ in 0..50 {
        let count = 1 + random(40);
        let mut parents = vec![None; count];
        let mut items = Vec::new();
        for (at, place) in parents.iter_mut().enumerate() {
            let parent = (at > 0 && random(4) > 0).then(|| random(at));
            *place = parent;
            let references: Vec<String> = parent.iter().map(usize::to_string).collect();
            let references: Vec<&str> = references.iter().map(String::as_str).collect();
            items.push(item(at, &at.to_string(), &references, ""));
        }
        let threads = references(items);
        let mut seen = 0;
        for at in threads.in_order() {
            let node = &threads.nodes[at as usize];
            let own = node.item.map(|item| threads.places[item as usize]);
            for &child in &node.children {
                let child = threads.nodes[child as usize].item;
                let child = child
                    .map(|item| threads.places[item as usize])
                    .expect("a message");
                assert_eq!(parents[child], own);
            }
            seen += 1;
        }
        assert_eq!(seen, count);
    }
}

impl Threads {
    fn in_order(&self) -> Vec<u32> {
        let mut order = self.roots.clone();
        let mut next = 0;
        while next < order.len() {
            order.extend_from_slice(&self.nodes[order[next] as usize].children);
            next += 1;
        }
        order
    }
}
