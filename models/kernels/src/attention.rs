//! Attention over keys and values in f16, all query heads of a group in one pass over them. Touches the cache and the memory given.
//!
//! Positions are taken in chunks of [`CHUNK`]; each chunk's softmax is made on its own and the chunks are merged in order (Milakov and Gimelshein
//! 2018, arXiv:1805.02867; Dao and others 2022, arXiv:2205.14135). A query's result is the same bits whether its chunks ran on one thread or on several, and whether
//! other queries ran beside it.

use std::mem::MaybeUninit;

use crate::cache::RawCache;
use crate::norm::Norm;
use crate::rope::Rope;
use crate::simd::{LANES, Simd};
use crate::softmax::{Rows, Running, View, finish, merge, soften};

/// Positions of one softmax: two kilobytes of scores for four queries, and short enough to share a long context among threads.
pub(crate) const CHUNK: usize = 128;
/// The widest head. Gemma's have 256 values; the buffers of one pass stay in the first-level cache.
pub const WIDEST: usize = 256;
/// The most queries of any instruction set in one pass.
pub(crate) const MOST: usize = 8;

/// What one layer's attention needs to know besides the activations.
pub struct Attention<'a> {
    /// Which layer of the cache.
    pub layer: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Values of a head; a multiple of 16, at most 256.
    pub head: usize,
    /// The position of the first row.
    pub from: usize,
    /// How many positions, its own included, a position sees; `None` for all.
    pub window: Option<usize>,
    /// Queries are multiplied by this.
    pub scale: f32,
    /// Tables that cover the rows' positions.
    pub rope: &'a Rope,
    /// Norms of each query and each key head, before they are turned.
    pub norms: Option<(&'a Norm, &'a Norm)>,
}

/// Pointers to the activations of one job: `[rows][heads × head]`, `[rows][kv_heads × head]` twice, and the result like the queries.
#[derive(Clone, Copy)]
pub(crate) struct Streams {
    pub(crate) queries: *mut f32,
    pub(crate) keys: *mut f32,
    pub(crate) values: *const f32,
    pub(crate) out: *mut f32,
    pub(crate) cache: RawCache,
    /// For each query and chunk of its kv head: the chunk's softmax (`parts` × (2 + head) f32).
    pub(crate) parts: *mut f32,
}

/// Norms and turns one head of one row; keys and values go into the cache. `unit` counts, within a row, the query heads, then the key heads,
/// then the value heads.
///
/// # Safety
/// The streams are as `attention` says and `row` and `unit` are within them; no other thread has the same unit; the instruction set is there.
#[inline(always)]
pub(crate) unsafe fn place<S: Simd>(
    attention: &Attention<'_>,
    streams: Streams,
    row: usize,
    unit: usize,
) {
    let Attention {
        heads,
        kv_heads,
        head,
        from,
        ..
    } = *attention;
    // SAFETY: each unit is `head` values inside its stream, and the cache has room for the row.
    unsafe {
        if unit < heads {
            let query = streams.queries.add((row * heads + unit) * head);
            turn::<S>(
                attention,
                attention.norms.map(|norms| norms.0),
                query,
                from + row,
            );
        } else if unit < heads + kv_heads {
            let index = unit - heads;
            let key = streams.keys.add((row * kv_heads + index) * head);
            turn::<S>(
                attention,
                attention.norms.map(|norms| norms.1),
                key,
                from + row,
            );
            put_key::<S>(streams.cache, key, index, from + row, head);
        } else {
            let index = unit - heads - kv_heads;
            let value = streams.values.add((row * kv_heads + index) * head);
            let to = streams
                .cache
                .values
                .add(index * streams.cache.stride + (from + row) * head);
            for at in (0..head).step_by(LANES) {
                S::store_halves(to.add(at), S::floats(value.add(at)));
            }
        }
    }
}

#[inline(always)]
unsafe fn turn<S: Simd>(
    attention: &Attention<'_>,
    norm: Option<&Norm>,
    values: *mut f32,
    position: usize,
) {
    // SAFETY: `values` is one head, which nobody else has.
    unsafe {
        if let Some(norm) = norm {
            crate::norm::rms::<S>(norm, values, values);
        }
        attention.rope.turn(
            std::slice::from_raw_parts_mut(values, attention.head),
            position,
        );
    }
}

#[inline(always)]
unsafe fn put_key<S: Simd>(
    cache: RawCache,
    key: *const f32,
    index: usize,
    position: usize,
    head: usize,
) {
    let mut halves = [0_u16; LANES];
    // SAFETY: the tile of this position is inside the head's part of the cache.
    unsafe {
        let tile = cache
            .keys
            .add(index * cache.stride + position / LANES * LANES * head + position % LANES);
        for at in (0..head).step_by(LANES) {
            S::store_halves(halves.as_mut_ptr(), S::floats(key.add(at)));
            for (lane, half) in halves.into_iter().enumerate() {
                *tile.add((at + lane) * LANES) = half;
            }
        }
    }
}

/// Some neighbouring queries of one kv head: query q is head `kv × group + q % group` of row `q / group`.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    pub(crate) kv: usize,
    pub(crate) first: usize,
    pub(crate) count: usize,
}

/// Scores, then weights of one chunk, for each query.
type Scores<const Q: usize> = [MaybeUninit<[f32; CHUNK]>; Q];

/// Which positions each query of a block sees.
struct Seen<const Q: usize> {
    floor: [usize; Q],
    end: [usize; Q],
}

impl<const Q: usize> Seen<Q> {
    #[inline(always)]
    fn new(attention: &Attention<'_>, block: Block) -> Self {
        let group = attention.heads / attention.kv_heads;
        let end = std::array::from_fn(|q| {
            attention.from + (block.first + q.min(block.count - 1)) / group + 1
        });
        let floor = end.map(|end| {
            attention
                .window
                .map_or(0, |window| end.saturating_sub(window))
        });
        Self { floor, end }
    }

    /// How much of the chunk that begins at `start` a query sees.
    #[inline(always)]
    fn view(&self, q: usize, start: usize) -> View {
        if self.floor[q] <= start && self.end[q] >= start + CHUNK {
            View::Whole
        } else {
            View::Part
        }
    }

    /// From the first chunk anybody sees to the last, exclusive.
    #[inline(always)]
    fn chunks(&self) -> std::ops::Range<usize> {
        self.floor[0] / CHUNK..self.end[Q - 1].div_ceil(CHUNK)
    }
}

/// The chunks that a block of queries looks at.
pub(crate) fn chunks_of(attention: &Attention<'_>, block: Block) -> std::ops::Range<usize> {
    let first = Seen::<1>::new(attention, Block { count: 1, ..block });
    let last = Seen::<1>::new(
        attention,
        Block {
            first: block.first + block.count - 1,
            count: 1,
            ..block
        },
    );
    first.chunks().start..last.chunks().end
}

/// One chunk for a block of at most `Q` queries; writes all of `out`, of its rows the first `head` values.
///
/// # Safety
/// The streams are as `attention` says, the block and the chunk within them, `head` at most [`WIDEST`] and written in each row of `queries`; the
/// instruction set is there.
#[inline(always)]
unsafe fn chunk<S: Simd, const Q: usize>(
    attention: &Attention<'_>,
    (cache, kv): (RawCache, usize),
    queries: &Rows<Q>,
    seen: &Seen<Q>,
    chunk: usize,
    out: &mut Running<Q>,
) {
    let mut scores: Scores<Q> = [const { MaybeUninit::uninit() }; Q];
    let start = chunk * CHUNK;
    // A block whose queries all stand before this chunk sees nothing of it.
    let end = seen.end[Q - 1].clamp(start, start + CHUNK);
    let tiles = (end - start).div_ceil(LANES);
    // SAFETY: positions below `end` are in the cache; a tile's other lanes are too, since capacities are whole chunks. `tiles` of each query's
    // scores are written before they are read.
    unsafe {
        let keys = cache.keys.add(kv * cache.stride).cast_const();
        let values = cache.values.add(kv * cache.stride).cast_const();
        let tile_at = |tile: usize| keys.add((start + tile * LANES) * attention.head);
        // Values are wanted as soon as all scores are known, and a tile of them is as long as one of keys.
        let wanted = |tile: usize| values.add((start + tile * LANES) * attention.head);
        let mut tile = 0;
        while tile + 2 <= tiles && S::TILES == 2 {
            let both = [tile_at(tile), tile_at(tile + 1)];
            let both = score::<S, Q, 2>(queries, both, wanted(tile), attention.head);
            keep_seen::<S, Q, 2>(&both, seen, start, tile, &mut scores);
            tile += 2;
        }
        while tile < tiles {
            let one = score::<S, Q, 1>(queries, [tile_at(tile)], wanted(tile), attention.head);
            keep_seen::<S, Q, 1>(&one, seen, start, tile, &mut scores);
            tile += 1;
        }
        for q in 0..Q {
            let view = seen.view(q, start);
            (out.most[q], out.sum[q]) = soften::<S>(scores[q].as_mut_ptr().cast(), tiles, view);
        }
        let values = values.add(start * attention.head);
        mix::<S, Q>(&scores, values, end - start, attention.head, &mut out.mixed);
    }
}

/// Writes the scores of `N` tiles from `tile` on, minus infinity where a query does not see.
#[inline(always)]
unsafe fn keep_seen<S: Simd, const Q: usize, const N: usize>(
    dots: &[[S::Floats; N]; Q],
    seen: &Seen<Q>,
    start: usize,
    tile: usize,
    scores: &mut Scores<Q>,
) {
    // SAFETY: the tiles are of this chunk.
    unsafe {
        for q in 0..Q {
            for n in 0..N {
                let first = start + (tile + n) * LANES;
                let kept = S::keep(dots[q][n], seen.end[q].saturating_sub(first));
                let kept = S::drop_first(kept, seen.floor[q].saturating_sub(first));
                let to = scores[q].as_mut_ptr().cast::<f32>();
                S::store(to.add((tile + n) * LANES), kept);
            }
        }
    }
}

/// Scores of `N` times sixteen positions, one a lane. Meanwhile asks for as many keys behind them, and for as much from `wanted` on.
#[inline(always)]
unsafe fn score<S: Simd, const Q: usize, const N: usize>(
    queries: &Rows<Q>,
    tiles: [*const u16; N],
    wanted: *const u16,
    head: usize,
) -> [[S::Floats; N]; Q] {
    // SAFETY: a tile is `head` × 16 values, an even number, and so long are the queries.
    unsafe {
        let mut dots = [[S::splat(0.0); N]; Q];
        for line in 0..head / 2 {
            for (n, tile) in tiles.iter().enumerate() {
                let at = line * 2 * LANES;
                S::prefetch(tile.wrapping_add(at + N * head * LANES).cast());
                S::prefetch(wanted.wrapping_add(n * head * LANES + at).cast());
            }
            for value in [line * 2, line * 2 + 1] {
                let keys = tiles.map(|tile| S::halves(tile.add(value * LANES)));
                for q in 0..Q {
                    let query = S::splat(*queries.at(q).add(value));
                    for n in 0..N {
                        dots[q][n] = S::fma(query, keys[n], dots[q][n]);
                    }
                }
            }
        }
        dots
    }
}

/// Sums the values of `count` positions by weight.
#[inline(always)]
unsafe fn mix<S: Simd, const Q: usize>(
    weights: &Scores<Q>,
    values: *const u16,
    count: usize,
    head: usize,
    mixed: &mut Rows<Q>,
) {
    // SAFETY: `count` rows of `head` values, `head` a multiple of 16 and at most WIDEST.
    unsafe {
        let mut at = 0;
        while at + 2 * LANES <= head && S::TILES == 2 {
            mix_some::<S, Q, 2>(weights, values.add(at), count, head, at, mixed);
            at += 2 * LANES;
        }
        while at < head {
            mix_some::<S, Q, 1>(weights, values.add(at), count, head, at, mixed);
            at += LANES;
        }
    }
}

/// `N` × 16 values of each position, those from `at` on, where `values` points in the first row.
#[inline(always)]
unsafe fn mix_some<S: Simd, const Q: usize, const N: usize>(
    weights: &Scores<Q>,
    values: *const u16,
    count: usize,
    head: usize,
    at: usize,
    mixed: &mut Rows<Q>,
) {
    // SAFETY: as promised to `mix`; the values stay inside each row.
    unsafe {
        let mut sums = [[S::splat(0.0); N]; Q];
        for position in 0..count {
            let row = values.add(position * head);
            let mut parts = [S::splat(0.0); N];
            for part in 0..N {
                parts[part] = S::halves(row.add(part * LANES));
            }
            for q in 0..Q {
                let weight = S::splat(*weights[q].as_ptr().cast::<f32>().add(position));
                for part in 0..N {
                    sums[q][part] = S::fma(weight, parts[part], sums[q][part]);
                }
            }
        }
        for q in 0..Q {
            for part in 0..N {
                let to = mixed.at_mut(q).add(at + part * LANES);
                S::store(to, sums[q][part]);
            }
        }
    }
}

#[inline(always)]
unsafe fn gather<S: Simd, const Q: usize>(
    attention: &Attention<'_>,
    streams: Streams,
    block: Block,
) -> Rows<Q> {
    let mut queries = Rows::new();
    // SAFETY: the block is within the queries. Where it has fewer than Q, the last stands in for the others.
    unsafe {
        for q in 0..Q {
            let from = streams
                .queries
                .add(offset(attention, block, q.min(block.count - 1)));
            for at in (0..attention.head).step_by(LANES) {
                let scaled = S::mul(S::floats(from.add(at)), S::splat(attention.scale));
                S::store(queries.at_mut(q).add(at), scaled);
            }
        }
    }
    queries
}

/// Where query `q` of a block starts in its stream, and its result in the output.
#[inline(always)]
fn offset(attention: &Attention<'_>, block: Block, q: usize) -> usize {
    let group = attention.heads / attention.kv_heads;
    let (row, of) = ((block.first + q) / group, (block.first + q) % group);
    (row * attention.heads + block.kv * group + of) * attention.head
}

/// All chunks of a block of queries, one after the other.
///
/// # Safety
/// As [`chunk`]; every key and value below the rows' ends is placed; no other thread has the block.
#[inline(always)]
pub(crate) unsafe fn whole<S: Simd, const Q: usize>(
    attention: &Attention<'_>,
    streams: Streams,
    block: Block,
) {
    let seen = Seen::<Q>::new(attention, block);
    let (mut all, mut next) = (Running::<Q>::new(), Running::<Q>::new());
    all.mixed.clear(attention.head);
    // SAFETY: as promised by the caller.
    unsafe {
        let queries = gather::<S, Q>(attention, streams, block);
        for index in seen.chunks() {
            let cache = (streams.cache, block.kv);
            chunk::<S, Q>(attention, cache, &queries, &seen, index, &mut next);
            for q in 0..block.count {
                let part = (next.most[q], next.sum[q], next.mixed.at(q));
                merge::<S>(
                    &mut all.most[q],
                    &mut all.sum[q],
                    all.mixed.at_mut(q),
                    part,
                    attention.head,
                );
            }
        }
        for q in 0..block.count {
            finish::<S>(
                all.sum[q],
                all.mixed.at(q),
                streams.out.add(offset(attention, block, q)),
                attention.head,
            );
        }
    }
}

/// One chunk of a block of queries into `streams.parts`, at part `slot` of each query; a query has `slots`.
///
/// # Safety
/// As [`whole`], and the parts have room.
#[inline(always)]
pub(crate) unsafe fn part<S: Simd, const Q: usize>(
    attention: &Attention<'_>,
    streams: Streams,
    block: Block,
    index: usize,
    at: *mut f32,
    slots: usize,
) {
    let seen = Seen::<Q>::new(attention, block);
    let head = attention.head;
    // SAFETY: as promised by the caller.
    unsafe {
        let queries = gather::<S, Q>(attention, streams, block);
        let (cache, mut done) = ((streams.cache, block.kv), Running::new());
        chunk::<S, Q>(attention, cache, &queries, &seen, index, &mut done);
        for q in 0..block.count {
            let to = at.add(q * slots * (head + 2));
            *to = done.most[q];
            *to.add(1) = done.sum[q];
            to.add(2).copy_from_nonoverlapping(done.mixed.at(q), head);
        }
    }
}

/// Joins the parts of one query in order and writes its result.
///
/// # Safety
/// `parts` are `count` parts as [`part`] wrote them; `to` is writable for `head` values; the instruction set is there.
#[inline(always)]
pub(crate) unsafe fn join<S: Simd>(parts: *const f32, count: usize, to: *mut f32, head: usize) {
    let (mut most, mut sum, mut mixed) = (f32::NEG_INFINITY, 0.0, [0.0_f32; WIDEST]);
    // SAFETY: as promised by the caller.
    unsafe {
        for part in 0..count {
            let at = parts.add(part * (head + 2));
            merge::<S>(
                &mut most,
                &mut sum,
                mixed.as_mut_ptr(),
                (*at, *at.add(1), at.add(2)),
                head,
            );
        }
        finish::<S>(sum, mixed.as_ptr(), to, head);
    }
}
