//! Any bytes as Dovecot's subscriptions: no panic; what is written is read the same; a name that is
//! added is there and one that is taken out is not, and the others stay as they are.

#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;

use maildir::tree::{Name, Subscriptions, parse_subscriptions};

fn names(subscriptions: &Subscriptions) -> BTreeSet<Name> {
    subscriptions.names().cloned().collect()
}

fuzz_target!(|bytes: &[u8]| {
    let first = parse_subscriptions(bytes);
    assert_eq!(parse_subscriptions(&first.to_text()), first);
    let before = names(&first);
    let name = Name::from_disk(b"a.b").expect("a name");
    let mut changed = first.clone();
    assert_eq!(changed.add(&name), !before.contains(&name));
    assert!(!changed.add(&name));
    let changed = parse_subscriptions(&changed.to_text());
    let mut more = before.clone();
    more.insert(name);
    assert_eq!(names(&changed), more);
    for name in &before {
        let mut changed = first.clone();
        assert!(changed.remove(name));
        let mut fewer = before.clone();
        fewer.remove(name);
        assert_eq!(names(&parse_subscriptions(&changed.to_text())), fewer);
    }
});
