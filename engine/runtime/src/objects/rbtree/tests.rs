use super::*;
use std::convert::Infallible;

/// Bytes of an object: its key behind its node.
const SIZE: u64 = 40;
const KEY: usize = 4;

struct World {
    pool: Pool,
    root: [AtomicU64; 2],
}

impl World {
    fn new() -> World {
        World { pool: Pool::new().unwrap(), root: Default::default() }
    }

    fn tree(&self) -> Tree<'_> {
        Tree::new(&self.pool, &self.root)
    }

    fn key(&self, node: Place) -> u64 {
        self.pool.word(node, KEY).load(Ordering::Relaxed)
    }

    fn insert(&self, key: u64) -> Place {
        let node = self.pool.allocate(0, SIZE, 0).unwrap();
        self.pool.word(node, KEY).store(key, Ordering::Relaxed);
        let key_at = |addr| self.key(self.pool.place_at(addr).unwrap());
        let added = self.tree().add(node, |a, b| Ok::<bool, Infallible>(key_at(a) < key_at(b)));
        assert_eq!(added, Ok(true));
        node
    }

    fn keys(&self) -> Vec<u64> {
        let mut keys = Vec::new();
        self.collect(self.tree().root(), &mut keys);
        keys
    }

    fn collect(&self, node: Option<Place>, keys: &mut Vec<u64>) {
        let Some(node) = node else { return };
        self.collect(self.tree().child_of(node, Side::Left), keys);
        keys.push(self.key(node));
        self.collect(self.tree().child_of(node, Side::Right), keys);
    }

    /// The rules of red-black trees; black nodes on every way down.
    fn check(&self, node: Option<Place>, parent: Option<Place>) -> u32 {
        let (tree, Some(node)) = (self.tree(), node) else { return 1 };
        assert_eq!(tree.parent(node), parent);
        let is_red = tree.is_red(Some(node));
        assert!(!(is_red && parent.is_none_or(|parent| tree.is_red(Some(parent)))));
        let [left, right] =
            [Side::Left, Side::Right].map(|side| self.check(tree.child(node, side), Some(node)));
        assert_eq!(left, right);
        left + u32::from(!is_red)
    }
}

#[test]
fn stays_ordered_and_balanced_whatever_comes_and_goes() {
    let world = World::new();
    let mut random = 12345_u64;
    let mut next = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        random >> 33
    };
    let mut there: Vec<(u64, Place)> = Vec::new();
    for _ in 0..3000 {
        if there.is_empty() || next() % 5 < 3 {
            let key = next() % 500;
            there.push((key, world.insert(key)));
        } else {
            let (_, node) = there.swap_remove(next() as usize % there.len());
            assert!(world.tree().remove(node));
            assert!(!world.tree().remove(node));
            world.pool.free(0, node);
        }
        world.check(world.tree().root(), None);
        let mut expected: Vec<u64> = there.iter().map(|(key, _)| *key).collect();
        expected.sort_unstable();
        assert_eq!(world.tree().first().map(|node| world.key(node)), expected.first().copied());
        assert_eq!(world.keys(), expected);
    }
}

#[test]
fn equal_keys_are_in_the_order_they_came_in() {
    let world = World::new();
    let nodes: Vec<Place> = (0..20).map(|_| world.insert(1)).collect();
    for node in nodes {
        assert_eq!(world.tree().first(), Some(node));
        assert!(world.tree().remove(node));
    }
    assert_eq!(world.tree().root(), None);
}

#[test]
fn a_node_is_in_one_tree() {
    let (world, other) = (World::new(), [AtomicU64::new(0), AtomicU64::new(0)]);
    let node = world.insert(3);
    let other = Tree::new(&world.pool, &other);
    assert_eq!(other.add(node, |_, _| Ok::<bool, Infallible>(false)), Ok(false));
    assert!(!other.remove(node));
    assert_eq!(other.child_of(node, Side::Left), None);
    assert!(world.tree().remove(node));
    assert_eq!(other.add(node, |_, _| Ok::<bool, Infallible>(false)), Ok(true));
}

#[test]
fn a_tree_that_is_taken_away_shows_children_first() {
    let world = World::new();
    let nodes: Vec<Place> = [4, 2, 6, 1, 3, 5, 7].into_iter().map(|key| world.insert(key)).collect();
    let mut shown = Vec::new();
    detach_tree(&world.pool, &world.root, None, 0, |node| shown.push(world.key(node)));
    assert_eq!(shown, [1, 3, 2, 5, 7, 6, 4]);
    assert_eq!((world.tree().root(), world.tree().first()), (None, None));
    assert!(!world.tree().remove(nodes[0]));
}
