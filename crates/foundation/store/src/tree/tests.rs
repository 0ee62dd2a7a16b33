use std::collections::BTreeMap;

use proptest::prelude::*;

use super::node::MAX;
use super::*;
use crate::{Key, Reading, Revision};

fn row(key: u16, revision: u64) -> Arc<KeyValue> {
    Arc::new(KeyValue {
        key: Key::from(&key.to_be_bytes()[..]),
        value: bytes::Bytes::new(),
        create_revision: Revision(1),
        mod_revision: Revision(revision),
        version: 1,
        lease: None,
        reading: Reading::default(),
    })
}

type Model = BTreeMap<u16, u64>;

fn contents(tree: &Tree) -> Vec<(u16, u64)> {
    tree.rows()
        .map(|row| {
            (
                u16::from_be_bytes(row.key[..].try_into().unwrap()),
                row.mod_revision.0,
            )
        })
        .collect()
}

fn check(tree: &Tree, model: &Model) {
    assert_eq!(
        contents(tree),
        model.iter().map(|(&k, &v)| (k, v)).collect::<Vec<_>>()
    );
    assert_eq!(tree.len(), model.len());
    shape(&tree.root);
}

/// Checks counts, sizes and separators below a node; returns its depth.
fn shape(node: &Node) -> usize {
    let Node::Inner { len, children } = node else {
        return 0;
    };
    assert!(children.len() <= MAX && children.len() > 1);
    assert_eq!(*len, children.iter().map(|child| child.node.len()).sum::<usize>());
    for pair in children.windows(2) {
        let last = Rows::from(&pair[0].node, &[]).last().unwrap();
        let first = Rows::from(&pair[1].node, &[]).next().unwrap();
        assert!(last.key < pair[1].low && pair[1].low <= first.key);
    }
    let depths: Vec<_> = children.iter().map(|child| shape(&child.node)).collect();
    assert!(
        depths.windows(2).all(|pair| pair[0] == pair[1]),
        "leaves at one depth"
    );
    depths[0] + 1
}

/// `remove` is twice as likely in the second half, so that trees grow and shrink.
fn steps() -> impl Strategy<Value = Vec<(u16, bool)>> {
    let grow = prop::collection::vec((0..900u16, prop::bool::weighted(0.2)), 0..1500);
    let shrink = prop::collection::vec((0..900u16, prop::bool::weighted(0.8)), 0..1500);
    (grow, shrink).prop_map(|(mut grow, shrink)| {
        grow.extend(shrink);
        grow
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn it_is_a_map_and_old_versions_stay(steps in steps(), a in 0..900u16, b in 0..900u16) {
        let (mut tree, mut model) = (Tree::default(), Model::new());
        let mut versions = Vec::new();
        for (revision, &(key, remove)) in (1..).zip(&steps) {
            let (got, expected) = if remove {
                (tree.remove(&key.to_be_bytes()), model.remove(&key))
            } else {
                (tree.insert(row(key, revision)), model.insert(key, revision))
            };
            prop_assert_eq!(got.map(|row| row.mod_revision.0), expected);
            if revision % 300 == 0 {
                versions.push((tree.clone(), model.clone()));
            }
        }
        check(&tree, &model);
        versions.iter().for_each(|(tree, model)| check(tree, model));

        let range = KeyRange { start: a.to_be_bytes().to_vec(), end: Some(b.to_be_bytes().to_vec()) };
        let expected: Vec<_> = model.iter().filter(|&(&k, _)| a <= k && k < b).map(|(_, &v)| v).collect();
        prop_assert_eq!(tree.range(&range).map(|row| row.mod_revision.0).collect::<Vec<_>>(), expected.clone());
        prop_assert_eq!(tree.count(&range), expected.len());
        prop_assert_eq!(tree.get(&a.to_be_bytes()).map(|row| row.mod_revision.0), model.get(&a).copied());
    }
}

#[test]
fn ascending_keys_fill_their_nodes() {
    let mut tree = Tree::default();
    (0..20_000).for_each(|key| drop(tree.insert(row(key, 1))));
    shape(&tree.root);
    let mut leaves = 0;
    let mut stack = vec![tree.root.clone()];
    while let Some(node) = stack.pop() {
        match &*node {
            Node::Leaf(_) => leaves += 1,
            Node::Inner { children, .. } => stack.extend(children.iter().map(|child| child.node.clone())),
        }
    }
    assert_eq!(leaves, 20_000 / MAX);
}
