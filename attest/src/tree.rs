//! The Merkle tree of RFC 6962 section 2.1 over the hashes of lines: its root as it grows, the path from one leaf to the root, and what shows that
//! it begins with a smaller one. Pure.

use crate::digest::Digest;

/// A tree as it grows: the roots of its full subtrees, largest first, which is all that the next root needs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree {
    size: u64,
    peaks: Vec<Digest>,
}

impl Tree {
    pub(crate) fn push(&mut self, leaf: Digest) {
        let mut node = leaf;
        // As in a binary counter: each trailing one is a full subtree that the new node completes to the next size.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = join(&left, &node);
            }
        }
        self.peaks.push(node);
        self.size = self.size.saturating_add(1);
    }

    /// The root; of an empty tree, the hash of nothing.
    pub(crate) fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev();
        let last = peaks.next().copied();
        last.map_or_else(
            || Digest::of([]),
            |last| peaks.fold(last, |right, left| join(left, &right)),
        )
    }
}

/// Every node of a tree, level by level: the leaves, then what each pair of them joins to, up to the root. A last node without a partner goes up as it is.
pub(crate) struct Levels(Vec<Vec<Digest>>);

impl Levels {
    pub(crate) fn over(leaves: Vec<Digest>) -> Self {
        let mut levels = vec![leaves];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let join_pair = |pair: &[Digest]| match pair {
                [left, right] => join(left, right),
                alone => alone.first().copied().unwrap_or(Digest::ZERO),
            };
            let above = below.chunks(2).map(join_pair).collect();
            levels.push(above);
        }
        Self(levels)
    }

    /// The hashes beside the way from a leaf up to the root, lowest first (RFC 6962 section 2.1.1).
    pub(crate) fn path(&self, index: usize) -> Vec<Digest> {
        self.beside(0, index)
    }

    /// What shows that the tree over the first `size` leaves is the beginning of this one (RFC 6962 section 2.1.2).
    pub(crate) fn consistency(&self, size: usize) -> Vec<Digest> {
        let leaves = self.0.first().map_or(0, Vec::len);
        let Some(last) = size.checked_sub(1).filter(|_| size < leaves) else {
            return Vec::new();
        };
        // The largest full subtree that ends where the shorter tree ends; if that is all of the shorter tree, its root is known.
        let up = last.trailing_ones() as usize;
        let at = last >> up;
        let node = self.0.get(up).and_then(|level| level.get(at)).copied();
        let mut path: Vec<Digest> = node.filter(|_| at > 0).into_iter().collect();
        path.extend(self.beside(up, at));
        path
    }

    /// The nodes beside the way up from a node.
    fn beside(&self, level: usize, index: usize) -> Vec<Digest> {
        let levels = self.0.iter().skip(level);
        let beside = |(up, nodes): (usize, &Vec<Digest>)| nodes.get((index >> up) ^ 1).copied();
        levels.enumerate().filter_map(beside).collect()
    }
}

/// The root of a tree of `size` leaves in which `leaf` is number `index` and `path` stands beside its way up (RFC 9162 section 2.1.3.2);
/// nothing where the path is not as long as that way.
pub(crate) fn root(leaf: Digest, index: u64, size: u64, path: &[Digest]) -> Option<Digest> {
    let mut last = size.checked_sub(1).filter(|last| index <= *last)?;
    let (mut index, mut node) = (index, leaf);
    for beside in path {
        if last == 0 {
            return None;
        }
        if index & 1 == 1 || index == last {
            node = join(beside, &node);
            // A right edge without a sibling goes up as it is.
            let up = index.trailing_zeros();
            (index, last) = (index >> up, last >> up);
        } else {
            node = join(&node, beside);
        }
        (index, last) = (index >> 1, last >> 1);
    }
    (last == 0).then_some(node)
}

/// Whether a tree of `second.0` leaves and this root begins with one of `first.0` leaves and that root, by `path` (RFC 9162 section 2.1.4.2).
pub(crate) fn consistent(first: (u64, Digest), second: (u64, Digest), path: &[Digest]) -> bool {
    let ((size, root), (of, whole)) = (first, second);
    if size == of {
        return path.is_empty() && root == whole;
    }
    let Some(last) = size.checked_sub(1).filter(|_| size < of) else {
        return false;
    };
    let up = last.trailing_ones();
    let (mut index, mut last) = (last >> up, of.saturating_sub(1) >> up);
    // Where the shorter tree is one full subtree, the path begins with its root, which is known and left out.
    let (node, path) = match path {
        _ if index == 0 => (root, path),
        [node, path @ ..] => (*node, path),
        [] => return false,
    };
    let (mut shorter, mut longer) = (node, node);
    for beside in path {
        if last == 0 {
            return false;
        }
        if index & 1 == 1 || index == last {
            shorter = join(beside, &shorter);
            longer = join(beside, &longer);
            let up = index.trailing_zeros();
            (index, last) = (index >> up, last >> up);
        } else {
            longer = join(&longer, beside);
        }
        (index, last) = (index >> 1, last >> 1);
    }
    last == 0 && shorter == root && longer == whole
}

fn join(left: &Digest, right: &Digest) -> Digest {
    Digest::of_parts(&[&[1], left.as_bytes(), right.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Leaves and roots of Certificate Transparency's reference implementation (`merkle_tree_test.cc`).
    const LEAVES: [&str; 8] = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    const ROOTS: [&str; 8] = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    fn leaf(bytes: &[u8]) -> Digest {
        Digest::of_parts(&[&[0], bytes])
    }

    #[test]
    fn roots_are_those_of_certificate_transparency() {
        let mut tree = Tree::default();
        assert_eq!(tree.root(), Digest::of([]));
        for (bytes, root) in LEAVES.iter().zip(ROOTS) {
            tree.push(leaf(&crate::hex::decode(bytes).unwrap()));
            assert_eq!(tree.root().hex(), root);
        }
    }

    fn whole(leaves: &[Digest]) -> Digest {
        let mut tree = Tree::default();
        leaves.iter().for_each(|leaf| tree.push(*leaf));
        tree.root()
    }

    /// Every leaf of every small tree is proven by its path, and by no other path, place or size.
    #[test]
    fn a_path_proves_its_leaf_at_its_place_and_nothing_else() {
        let leaves: Vec<Digest> = (0..40_u8).map(|n| leaf(&[n])).collect();
        for size in 1..=leaves.len() {
            let (leaves, wide) = (&leaves[..size], size as u64);
            let (whole, levels) = (Some(whole(leaves)), Levels::over(leaves.to_vec()));
            for (at, proven) in leaves.iter().enumerate() {
                let (path, index) = (levels.path(at), at as u64);
                assert_eq!(root(*proven, index, wide, &path), whole, "{at} of {size}");
                for other in (0..wide + 2).filter(|other| *other != index) {
                    assert_ne!(root(*proven, other, wide, &path), whole, "{at} as {other}");
                }
                assert_ne!(root(leaf(b"x"), index, wide, &path), whole);
                for k in 0..path.len() {
                    let mut changed = path.clone();
                    changed[k] = leaf(b"x");
                    assert_ne!(root(leaves[at], index, wide, &changed), whole);
                    changed.remove(k);
                    assert_ne!(root(leaves[at], index, wide, &changed), whole);
                }
                let longer = [path.as_slice(), &[leaf(b"x")]].concat();
                assert_eq!(root(leaves[at], index, wide, &longer), None);
            }
        }
    }

    /// Inclusion proofs of `transparency-dev/merkle`, from the tests of the crate ct-merkle 0.3.0 (MIT or Apache-2.0): size, place, and the path.
    #[test]
    fn paths_are_those_of_transparency_dev() {
        let leaves = LEAVES.map(|bytes| leaf(&crate::hex::decode(bytes).unwrap()));
        let known: [(usize, usize, &[&str]); 7] = [
            (1, 0, &[]),
            (
                2,
                0,
                &["96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"],
            ),
            (
                2,
                1,
                &["6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"],
            ),
            (
                3,
                2,
                &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
            ),
            (
                5,
                1,
                &[
                    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                ],
            ),
            (
                8,
                0,
                &[
                    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
                ],
            ),
            (
                8,
                5,
                &[
                    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                ],
            ),
        ];
        for (size, at, path) in known {
            let made = Levels::over(leaves[..size].to_vec()).path(at);
            let made: Vec<String> = made.iter().map(Digest::hex).collect();
            assert_eq!(made, path, "{at} of {size}");
        }
    }

    /// A log of a thousand million entries that is not ours.
    #[test]
    fn proofs_of_googles_log_hold() {
        #[derive(serde::Deserialize)]
        struct Log {
            size: u64,
            root: Digest,
            entry: Proven,
            earlier: Earlier,
        }
        #[derive(serde::Deserialize)]
        struct Proven {
            index: u64,
            leaf: Digest,
            path: Vec<Digest>,
        }
        #[derive(serde::Deserialize)]
        struct Earlier {
            size: u64,
            root: Digest,
            path: Vec<Digest>,
        }
        let log = include_str!("../testdata/argon2020.json");
        let Log {
            size,
            root: whole,
            entry,
            earlier,
        } = serde_json::from_str(log).unwrap();
        let Proven { index, leaf, path } = entry;
        assert_eq!(root(leaf, index, size, &path), Some(whole));
        assert_ne!(root(leaf, index + 1, size, &path), Some(whole));
        let (before, after) = ((earlier.size, earlier.root), (size, whole));
        assert!(consistent(before, after, &earlier.path));
        assert!(!consistent((before.0 + 1, before.1), after, &earlier.path));
        assert!(!consistent(before, (size, leaf), &earlier.path));
    }

    /// Consistency proofs of the same reference implementation: sizes of both trees, and the path.
    #[test]
    fn consistency_paths_are_those_of_certificate_transparency() {
        let leaves = LEAVES.map(|bytes| leaf(&crate::hex::decode(bytes).unwrap()));
        let known: [(usize, usize, &[&str]); 4] = [
            (1, 1, &[]),
            (
                1,
                8,
                &[
                    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
                ],
            ),
            (
                6,
                8,
                &[
                    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                ],
            ),
            (
                2,
                5,
                &[
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                ],
            ),
        ];
        for (size, of, path) in known {
            let made = Levels::over(leaves[..of].to_vec()).consistency(size);
            let made: Vec<String> = made.iter().map(Digest::hex).collect();
            assert_eq!(made, path, "{size} of {of}");
        }
    }

    /// Every small tree is shown to begin with every smaller one, and by nothing else.
    #[test]
    fn a_tree_begins_with_the_smaller_one_and_with_no_other() {
        let leaves: Vec<Digest> = (0..40_u8).map(|n| leaf(&[n])).collect();
        let whole: Vec<Digest> = (0..=40).map(|size| whole(&leaves[..size])).collect();
        let at = |size: usize| (size as u64, whole[size]);
        for of in 1..=leaves.len() {
            let levels = Levels::over(leaves[..of].to_vec());
            for size in 1..=of {
                let path = levels.consistency(size);
                assert!(consistent(at(size), at(of), &path), "{size} of {of}");
                assert!(!consistent((size as u64, leaf(b"x")), at(of), &path));
                assert!(!consistent(at(size), (of as u64, leaf(b"x")), &path));
                for other in (0..=of).filter(|other| *other != size) {
                    assert!(!consistent(at(other), at(of), &path), "{other} by {size}");
                }
                for k in 0..path.len() {
                    let mut changed = path.clone();
                    changed[k] = leaf(b"x");
                    assert!(!consistent(at(size), at(of), &changed));
                    changed.remove(k);
                    assert!(!consistent(at(size), at(of), &changed));
                }
                let longer = [path.as_slice(), &[leaf(b"x")]].concat();
                assert!(!consistent(at(size), at(of), &longer));
            }
        }
    }
}
