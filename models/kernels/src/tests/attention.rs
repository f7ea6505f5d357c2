//! Attention and its cache: against a plain calculation in f64, and the bits that must not depend on how it is cut.

use super::*;
use crate::Attention;

#[test]
fn a_saved_cache_tells_the_positions_asked_for_and_nothing_beyond() {
    let shape = || KvCache::new(2, 2, 32, 64).unwrap();
    let isa = Isa::detect();
    let (mut team, mut dice, mut cache) = (Team::new(2, isa), Dice(23), shape());
    let mut rope = Rope::new(vec![0.1; 16], Pairs::Halves, 64).unwrap();
    rope.cover(64);
    let attention = |layer, from| Attention {
        layer,
        heads: 4,
        kv_heads: 2,
        head: 32,
        from,
        window: None,
        scale: 0.2,
        rope: &rope,
        norms: None,
    };
    let mut read = |cache: &mut KvCache, dice: &mut Dice, from, rows: usize| {
        let mut mixed = Vec::new();
        for layer in 0..2 {
            let (mut q, mut k) = (dice.reals(rows * 128), dice.reals(rows * 64));
            let (v, mut out) = (dice.reals(rows * 64), vec![0.0; rows * 128]);
            let turned = [&mut q[..], &mut k[..]];
            team.attend(&attention(layer, from), cache, turned, &v, &mut out);
            mixed.extend(out);
        }
        mixed
    };
    read(&mut cache, &mut dice, 0, 20);
    let saved = |cache: &KvCache, positions| {
        let mut bytes = Vec::new();
        cache.save(positions, &mut bytes);
        assert_eq!(bytes.len(), cache.saved_len(positions));
        bytes
    };
    let (before, all) = (saved(&cache, 18), saved(&cache, 20));
    let mut other = shape();
    other.load(18, &before);
    assert_eq!(saved(&other, 18), before);
    // The two that were not asked for are not in it: nothing but zeros lies behind.
    assert_ne!(saved(&other, 20), all);
    let (mut left, mut right) = (Dice(29), Dice(29));
    assert_eq!(
        read(&mut cache, &mut left, 18, 3),
        read(&mut other, &mut right, 18, 3)
    );
}

/// A layer of attention, as it would be written on a blackboard.
struct Board {
    heads: usize,
    kv_heads: usize,
    head: usize,
    window: Option<usize>,
}

impl Board {
    fn rope(&self, positions: usize) -> Rope {
        let pairs = self.head / 2;
        let angles = (0..pairs)
            .map(|pair| 10_000_f64.powf(-(pair as f64) / pairs as f64))
            .collect();
        let mut rope = Rope::new(angles, Pairs::Halves, positions).unwrap();
        rope.cover(positions);
        rope
    }

    /// Runs the rows in the given portions and gives all results.
    fn run(
        &self,
        isa: Isa,
        threads: usize,
        [q, k, v]: [&[f32]; 3],
        portions: &[usize],
    ) -> Vec<f32> {
        let rows: usize = portions.iter().sum();
        let rope = self.rope(rows);
        let mut cache = KvCache::new(1, self.kv_heads, self.head, rows).unwrap();
        let mut team = Team::new(threads, isa);
        let (wide, narrow) = (self.heads * self.head, self.kv_heads * self.head);
        let mut out = vec![0.0; rows * wide];
        let mut from = 0;
        for portion in portions {
            let end = from + portion;
            let (mut queries, mut keys) = (
                q[from * wide..end * wide].to_vec(),
                k[from * narrow..end * narrow].to_vec(),
            );
            let attention = Attention {
                layer: 0,
                heads: self.heads,
                kv_heads: self.kv_heads,
                head: self.head,
                from,
                window: self.window,
                scale: 1.0 / (self.head as f32).sqrt(),
                rope: &rope,
                norms: None,
            };
            let values = &v[from * narrow..end * narrow];
            team.attend(
                &attention,
                &mut cache,
                [&mut queries, &mut keys],
                values,
                &mut out[from * wide..end * wide],
            );
            from = end;
        }
        out
    }

    /// In f64, with keys and values rounded to f16.
    fn wanted(&self, [q, k, v]: [&[f32]; 3], rows: usize) -> Vec<f64> {
        let half = |x: f32| f64::from(half::f16::from_f32(x).to_f32());
        let turn = |x: &[f32], position: usize| -> Vec<f32> {
            let pairs = self.head / 2;
            let mut out = x.to_vec();
            for pair in 0..pairs {
                let angle = position as f64 * 10_000_f64.powf(-(pair as f64) / pairs as f64);
                let (sin, cos) = (angle.sin() as f32, angle.cos() as f32);
                (out[pair], out[pair + pairs]) = (
                    x[pair] * cos - x[pair + pairs] * sin,
                    x[pair] * sin + x[pair + pairs] * cos,
                );
            }
            out
        };
        let one = |x: &'_ [f32], heads: usize, row: usize, head: usize| {
            x[(row * heads + head) * self.head..][..self.head].to_vec()
        };
        let mut out = Vec::new();
        for (row, head) in (0..rows).flat_map(|row| (0..self.heads).map(move |head| (row, head))) {
            let kv = head / (self.heads / self.kv_heads);
            let query = turn(&one(q, self.heads, row, head), row);
            let floor = self
                .window
                .map_or(0, |window| (row + 1).saturating_sub(window));
            let weights: Vec<f64> = (floor..=row)
                .map(|at| {
                    let key = turn(&one(k, self.kv_heads, at, kv), at);
                    let dot: f64 = query
                        .iter()
                        .zip(&key)
                        .map(|(a, b)| f64::from(*a) * half(*b))
                        .sum();
                    (dot / (self.head as f64).sqrt()).exp()
                })
                .collect();
            let total: f64 = weights.iter().sum();
            for value in 0..self.head {
                let mixed: f64 = weights
                    .iter()
                    .zip(floor..)
                    .map(|(weight, at)| weight * half(one(v, self.kv_heads, at, kv)[value]))
                    .sum();
                out.push(mixed / total);
            }
        }
        out
    }
}

#[test]
fn attention_is_what_the_blackboard_says_however_it_is_cut() {
    let mut dice = Dice(23);
    let boards = [
        (3, 1, 32, None),
        (14, 2, 64, None),
        (4, 4, 48, Some(40)),
        (8, 1, 128, Some(150)),
    ];
    for (heads, kv_heads, head, window) in boards {
        let board = Board {
            heads,
            kv_heads,
            head,
            window,
        };
        let rows = 300;
        let [q, k, v] = [heads, kv_heads, kv_heads].map(|count| dice.reals(rows * count * head));
        let streams = [&q[..], &k[..], &v[..]];
        let wanted = board.wanted(streams, rows);
        for isa in Isa::all() {
            let whole = board.run(isa, 2, streams, &[rows]);
            let worst = whole
                .iter()
                .zip(&wanted)
                .map(|(a, b)| (f64::from(*a) - b).abs())
                .fold(0.0, f64::max);
            assert!(
                worst < 2e-5,
                "{heads} heads of {head} on {}: {worst}",
                isa.name()
            );
            let mut portions = vec![130, 1, 5, 60, 8, 9];
            portions.extend(std::iter::repeat_n(
                1,
                rows - portions.iter().sum::<usize>(),
            ));
            assert!(
                board.run(isa, 1, streams, &portions) == whole,
                "{heads} heads of {head} on {}: not the same bits",
                isa.name()
            );
        }
    }
}

#[test]
fn a_block_of_queries_before_the_last_chunk_sees_nothing_of_it() {
    // Rows 121 to 128 in one step: the first blocks of queries end in the chunk before the one that the last row opens.
    let mut dice = Dice(29);
    for (heads, kv_heads, head) in [(14, 2, 64), (9, 3, 64), (4, 4, 32)] {
        let board = Board {
            heads,
            kv_heads,
            head,
            window: None,
        };
        let [q, k, v] = [heads, kv_heads, kv_heads].map(|count| dice.reals(140 * count * head));
        let streams = [&q[..], &k[..], &v[..]];
        for isa in Isa::all() {
            let whole = board.run(isa, 2, streams, &[140]);
            for portions in [vec![121, 8, 8, 3], vec![127, 3, 2, 8], vec![125, 8, 7]] {
                assert!(
                    board.run(isa, 2, streams, &portions) == whole,
                    "{portions:?}"
                );
            }
        }
    }
}
