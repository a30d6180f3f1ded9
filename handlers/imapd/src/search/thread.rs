//! THREAD (RFC 5256): ORDEREDSUBJECT and REFERENCES.
//!
//! Nothing recurses: a thread may be as deep as a mailbox is long.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::items::{Item, Items, NO_SUBJECT, Numbers, places};

/// A place in a thread: a message, or none where one is missing.
#[derive(Clone, Debug, Default)]
struct Node {
    item: Option<u32>,
    parent: Option<u32>,
    children: Vec<u32>,
}

/// Threads, in order.
#[derive(Clone, Debug, Default)]
pub struct Threads {
    nodes: Vec<Node>,
    roots: Vec<u32>,
    /// The messages' places in the mailbox, by item.
    places: Vec<usize>,
}

impl Threads {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// Adds them as the reply has them, each in parentheses, with `number` for a message's place.
    pub(crate) fn write(&self, out: &mut Vec<u8>, number: &dyn Fn(usize) -> u32) {
        enum Step {
            Open(u32),
            Close,
        }
        let mut steps: Vec<Step> = Vec::new();
        for &root in self.roots.iter().rev() {
            steps.push(Step::Open(root));
        }
        while let Some(step) = steps.pop() {
            let Step::Open(first) = step else {
                out.push(b')');
                continue;
            };
            out.push(b'(');
            steps.push(Step::Close);
            let mut at = first;
            let mut gap = false;
            loop {
                let node = &self.nodes[at as usize];
                if let Some(item) = node.item {
                    if gap {
                        out.push(b' ');
                    }
                    gap = true;
                    imap::write::number(out, u64::from(number(self.places[item as usize])));
                }
                match node.children.as_slice() {
                    [] => break,
                    [only] => at = *only,
                    several => {
                        // Behind a number a space, and none between parentheses.
                        if gap {
                            out.push(b' ');
                        }
                        for &child in several.iter().rev() {
                            steps.push(Step::Open(child));
                        }
                        break;
                    }
                }
            }
        }
    }
}

/// ORDEREDSUBJECT: by base subject, then by date; the first message of each is the parent of the rest.
pub(crate) fn ordered_subject(items: Items) -> Threads {
    let numbers = items.into_numbers();
    let mut threads = Threads {
        places: numbers.places(),
        ..Threads::default()
    };
    let items = numbers.items;
    let mut by_subject: Vec<u32> = (0..places(items.len())).collect();
    by_subject.sort_unstable_by_key(|&at| {
        let item = &items[at as usize];
        (item.subject, item.date, item.n)
    });
    for run in by_subject.chunk_by(|&a, &b| items[a as usize].subject == items[b as usize].subject)
    {
        let mut root = None;
        for &item in run {
            let at = places(threads.nodes.len());
            threads.nodes.push(Node {
                item: Some(item),
                parent: root,
                children: Vec::new(),
            });
            match root {
                None => {
                    threads.roots.push(at);
                    root = Some(at);
                }
                Some(root) => threads.nodes[root as usize].children.push(at),
            }
        }
    }
    let nodes = &threads.nodes;
    let date_of = |at: u32| nodes[at as usize].item.map(|item| &items[item as usize]);
    threads
        .roots
        .sort_by_key(|&at| date_of(at).map(|item| (item.date, item.n)));
    threads
}

/// REFERENCES.
pub(crate) fn references(items: Items) -> Threads {
    let numbers = items.into_numbers();
    let mut forest = Forest::new(&numbers);
    forest.link();
    forest.gather_roots();
    forest.prune();
    forest.sort_all();
    forest.merge_subjects();
    forest.sort_all();
    let Forest { nodes, roots, .. } = forest;
    Threads {
        nodes,
        roots,
        places: numbers.places(),
    }
}

struct Forest<'i> {
    numbers: &'i Numbers,
    nodes: Vec<Node>,
    /// Sets of nodes that were ever in one tree: of two sets nobody can be the other's ancestor.
    sets: Vec<u32>,
    roots: Vec<u32>,
}

impl<'i> Forest<'i> {
    fn new(numbers: &'i Numbers) -> Forest<'i> {
        Forest {
            numbers,
            nodes: Vec::with_capacity(numbers.id_count),
            sets: Vec::with_capacity(numbers.id_count),
            roots: Vec::new(),
        }
    }

    fn add(&mut self) -> u32 {
        let at = places(self.nodes.len());
        self.nodes.push(Node::default());
        self.sets.push(at);
        at
    }

    /// The node of an id, made if there is none.
    fn node_of(&mut self, nodes: &mut [Option<u32>], id: u32) -> u32 {
        match nodes[id as usize] {
            Some(at) => at,
            None => *nodes[id as usize].insert(self.add()),
        }
    }

    fn set_of(&mut self, mut at: u32) -> u32 {
        while self.sets[at as usize] != at {
            let above = self.sets[at as usize];
            self.sets[at as usize] = self.sets[above as usize];
            at = above;
        }
        at
    }

    /// Whether making `parent` the parent of `child` would close a ring.
    fn would_ring(&mut self, parent: u32, child: u32) -> bool {
        if parent == child {
            return true;
        }
        if self.set_of(parent) != self.set_of(child) {
            return false;
        }
        let mut at = self.nodes[parent as usize].parent;
        while let Some(above) = at {
            if above == child {
                return true;
            }
            at = self.nodes[above as usize].parent;
        }
        false
    }

    fn set_parent(&mut self, child: u32, parent: u32) {
        self.nodes[child as usize].parent = Some(parent);
        let (a, b) = (self.set_of(parent), self.set_of(child));
        self.sets[b as usize] = a;
    }

    /// Step 1: every message and every id that is referred to gets a node, and each its parent.
    fn link(&mut self) {
        let Numbers {
            items,
            references,
            id_count,
        } = self.numbers;
        // The nodes of ids.
        let mut nodes: Vec<Option<u32>> = vec![None; *id_count];
        for (number, item) in items.iter().enumerate() {
            let number = places(number);
            let mut last = None;
            let (start, end) = item.references;
            for &id in &references[start..end] {
                let at = self.node_of(&mut nodes, id);
                // A parent that is known already is kept.
                if let Some(parent) = last
                    && self.nodes[at as usize].parent.is_none()
                    && !self.would_ring(parent, at)
                {
                    self.set_parent(at, parent);
                }
                last = Some(at);
            }
            let mut own = match item.id {
                None => self.add(),
                Some(id) => self.node_of(&mut nodes, id),
            };
            if self.nodes[own as usize].item.is_some() {
                // Another message has this id: this one has none.
                own = self.add();
            }
            self.nodes[own as usize].item = Some(number);
            // What the message itself says of its parent counts more than what others do.
            self.nodes[own as usize].parent = None;
            if let Some(parent) = last
                && !self.would_ring(parent, own)
            {
                self.set_parent(own, parent);
            }
        }
    }

    /// Step 2: children by their parents, and those without.
    fn gather_roots(&mut self) {
        for at in 0..places(self.nodes.len()) {
            match self.nodes[at as usize].parent {
                Some(parent) => self.nodes[parent as usize].children.push(at),
                None => self.roots.push(at),
            }
        }
    }

    /// All nodes below the roots, each after its parent.
    fn in_order(&self) -> Vec<u32> {
        let mut order = self.roots.clone();
        let mut next = 0;
        while next < order.len() {
            order.extend_from_slice(&self.nodes[order[next] as usize].children);
            next += 1;
        }
        order
    }

    /// Step 3: nodes without a message go, and their children take their places; at the top only a
    /// single child does.
    fn prune(&mut self) {
        for at in self.in_order().into_iter().rev() {
            let children = std::mem::take(&mut self.nodes[at as usize].children);
            let children = self.without_empty(children, false);
            self.nodes[at as usize].children = children;
        }
        let roots = std::mem::take(&mut self.roots);
        self.roots = self.without_empty(roots, true);
    }

    fn without_empty(&mut self, siblings: Vec<u32>, is_top: bool) -> Vec<u32> {
        let mut kept = Vec::with_capacity(siblings.len());
        for at in siblings {
            let node = &mut self.nodes[at as usize];
            match (node.item, node.children.len()) {
                (Some(_), _) => kept.push(at),
                (None, 2..) if is_top => kept.push(at),
                (None, _) => kept.append(&mut node.children),
            }
        }
        kept
    }

    /// Steps 4 and 6: siblings by date. A node without a message counts as its first child.
    fn sort_all(&mut self) {
        let order = self.in_order();
        let mut keys: Vec<(i64, usize)> = vec![(0, 0); self.nodes.len()];
        for at in order.into_iter().rev() {
            let mut children = std::mem::take(&mut self.nodes[at as usize].children);
            children.sort_by_key(|&child| keys[child as usize]);
            let own = match self.nodes[at as usize].item {
                Some(item) => {
                    let item = &self.numbers.items[item as usize];
                    (item.date, item.n)
                }
                None => children
                    .first()
                    .map_or((0, 0), |&child| keys[child as usize]),
            };
            keys[at as usize] = own;
            self.nodes[at as usize].children = children;
        }
        self.roots.sort_by_key(|&root| keys[root as usize]);
    }

    /// The message that a thread is named after.
    fn name_of(&self, root: u32) -> Option<&'i Item> {
        let node = &self.nodes[root as usize];
        let item = match node.item {
            Some(item) => Some(item),
            None => {
                let first = node.children.first()?;
                self.nodes[*first as usize].item
            }
        };
        item.map(|item| &self.numbers.items[item as usize])
    }

    /// Step 5: threads of one subject become one.
    fn merge_subjects(&mut self) {
        let mut table: HashMap<u32, u32> = HashMap::new();
        for &root in &self.roots {
            let Some(item) = self.name_of(root).filter(|item| item.subject != NO_SUBJECT) else {
                continue;
            };
            match table.entry(item.subject) {
                Entry::Vacant(entry) => _ = entry.insert(root),
                Entry::Occupied(mut entry) => {
                    let there = *entry.get();
                    let is_empty = |at: u32| self.nodes[at as usize].item.is_none();
                    let is_reply = |at: u32| self.name_of(at).is_some_and(|item| item.is_reply);
                    let is_better = (is_empty(root) && !is_empty(there))
                        || (!is_empty(there) && is_reply(there) && !is_reply(root));
                    if is_better {
                        entry.insert(root);
                    }
                }
            }
        }
        let roots = std::mem::take(&mut self.roots);
        let mut gone = vec![false; self.nodes.len()];
        // New places for threads that were joined under an empty node.
        let mut moved: HashMap<u32, u32> = HashMap::new();
        for &root in &roots {
            let Some(item) = self.name_of(root).filter(|item| item.subject != NO_SUBJECT) else {
                continue;
            };
            let Some(&there) = table.get(&item.subject) else {
                continue;
            };
            if there == root || gone[root as usize] {
                continue;
            }
            let is_empty = |forest: &Self, at: u32| forest.nodes[at as usize].item.is_none();
            let is_reply =
                |forest: &Self, at: u32| forest.name_of(at).is_some_and(|item| item.is_reply);
            gone[root as usize] = true;
            if is_empty(self, there) && is_empty(self, root) {
                let mut children = std::mem::take(&mut self.nodes[root as usize].children);
                self.nodes[there as usize].children.append(&mut children);
            } else if is_empty(self, there) || (is_reply(self, root) && !is_reply(self, there)) {
                self.nodes[there as usize].children.push(root);
            } else {
                let above = self.add();
                self.nodes[above as usize].children = vec![there, root];
                table.insert(item.subject, above);
                gone[there as usize] = true;
                gone.push(false);
                moved.insert(there, above);
            }
        }
        // Where a thread stands does not matter: they are sorted again.
        self.roots = roots
            .into_iter()
            .chain(moved.into_values())
            .filter(|&root| !gone[root as usize])
            .collect();
    }
}

#[cfg(test)]
#[path = "thread_tests.rs"]
mod tests;
