//! A store of bounded size whose entries have a time to live.
//!
//! When it is full, the entry that would end first makes room. Entries that have ended are given
//! back at the next insertion, not only when somebody asks for them.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::time::Instant;

/// Values by key, each until its own end.
#[derive(Debug)]
pub(crate) struct Cache<K, V> {
    limit: usize,
    entries: HashMap<K, Entry<V>>,
    /// The keys in the order of their ends; the number tells entries of the same end apart.
    ends: BTreeMap<(Instant, u64), K>,
    serial: u64,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    end: (Instant, u64),
}

impl<K: Clone + Eq + Hash, V> Cache<K, V> {
    /// At most `limit` entries, at least one.
    pub(crate) fn new(limit: usize) -> Cache<K, V> {
        let limit = limit.max(1);
        Cache {
            limit,
            entries: HashMap::new(),
            ends: BTreeMap::new(),
            serial: 0,
        }
    }

    /// What is known under `key` and has not ended.
    pub(crate) fn get(&self, key: &K, now: Instant) -> Option<&V> {
        self.entries
            .get(key)
            .filter(|entry| now < entry.end.0)
            .map(|entry| &entry.value)
    }

    /// Keeps `value` under `key` until `end`, in place of what was there.
    pub(crate) fn insert(&mut self, key: K, value: V, end: Instant, now: Instant) {
        if let Some(old) = self.entries.remove(&key) {
            self.ends.remove(&old.end);
        }
        while let Some(first) = self.ends.first_entry() {
            if first.key().0 > now && self.entries.len() < self.limit {
                break;
            }
            self.entries.remove(&first.remove());
        }
        self.serial += 1;
        let end = (end, self.serial);
        self.ends.insert(end, key.clone());
        self.entries.insert(key, Entry { value, end });
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        assert_eq!(self.entries.len(), self.ends.len());
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_entry_is_there_until_its_end_and_not_at_it() {
        let now = Instant::now();
        let mut cache = Cache::new(4);
        cache.insert("a", 1, now + SECOND, now);
        assert_eq!(
            cache.get(&"a", now + SECOND - Duration::from_nanos(1)),
            Some(&1)
        );
        assert_eq!(cache.get(&"a", now + SECOND), None);
        assert_eq!(cache.get(&"b", now), None);
    }

    #[test]
    fn a_new_value_takes_the_place_of_the_old_one_and_its_end() {
        let now = Instant::now();
        let mut cache = Cache::new(4);
        cache.insert("a", 1, now + 9 * SECOND, now);
        cache.insert("a", 2, now + SECOND, now);
        assert_eq!((cache.get(&"a", now), cache.len()), (Some(&2), 1));
        assert_eq!(cache.get(&"a", now + 2 * SECOND), None);
    }

    #[test]
    fn a_full_cache_gives_up_what_would_end_first() {
        let now = Instant::now();
        let mut cache = Cache::new(2);
        cache.insert("long", 1, now + 9 * SECOND, now);
        cache.insert("short", 2, now + SECOND, now);
        assert_eq!(cache.len(), 2);
        cache.insert("new", 3, now + 2 * SECOND, now);
        assert_eq!(cache.len(), 2);
        assert_eq!(cache.get(&"short", now), None);
        assert_eq!(
            (cache.get(&"long", now), cache.get(&"new", now)),
            (Some(&1), Some(&3))
        );
    }

    #[test]
    fn ended_entries_are_given_back_at_the_next_insertion() {
        let now = Instant::now();
        let mut cache = Cache::new(100);
        for key in 0..50 {
            cache.insert(key, (), now + SECOND, now);
        }
        cache.insert(50, (), now + 9 * SECOND, now + SECOND);
        assert_eq!(cache.len(), 1);
    }
}
