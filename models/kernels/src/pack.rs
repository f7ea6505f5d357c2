//! From the blocks of a GGUF file to tiles of sixteen rows, and from a tile back to numbers. Layouts are in `format.rs`; touches the slices given.
//!
//! A tile is packed block by block: the block's words of all sixteen rows are laid side by side, and from then on a step does the same to each
//! of sixteen lanes, which the compiler makes vectors of.

use half::{bf16, f16};

use crate::format::Format;
use crate::simd::LANES;

/// The low four bits of four bytes.
const LOW: u32 = 0x0F0F_0F0F;
/// The low two bits of four bytes.
const TWO: u32 = 0x0303_0303;
/// The low six bits of four bytes.
const SIX: u32 = 0x3F3F_3F3F;
/// The lowest bit of four bytes.
const ONE: u32 = 0x0101_0101;

/// The same block of each row.
type Blocks<'a, const N: usize> = [&'a [u8; N]; LANES];
/// The same word of each row.
type Words = [u32; LANES];

/// Packs at most sixteen rows of blocks into a tile; what is missing becomes zero.
pub(crate) fn tile(format: Format, rows: &[u8], row_bytes: usize, tile: &mut [u8]) {
    let rows = rows.chunks_exact(row_bytes);
    match format {
        Format::F32 => floats::<4>(rows, tile),
        Format::F16 | Format::BF16 => floats::<2>(rows, tile),
        Format::Q4_0 => blocks(format, rows, tile, by32::<18, 4>),
        Format::Q4_1 => blocks(format, rows, tile, by32::<20, 4>),
        Format::Q5_0 => blocks(format, rows, tile, by32::<22, 4>),
        Format::Q5_1 => blocks(format, rows, tile, by32::<24, 4>),
        Format::Q8_0 => blocks(format, rows, tile, by32::<34, 8>),
        Format::Q4_K => blocks(format, rows, tile, k45::<144>),
        Format::Q5_K => blocks(format, rows, tile, k45::<176>),
        Format::Q6_K => blocks(format, rows, tile, k6),
    }
}

fn floats<'r, const SIZE: usize>(rows: impl Iterator<Item = &'r [u8]>, tile: &mut [u8]) {
    tile.fill(0);
    for (lane, row) in rows.enumerate() {
        let columns = tile.chunks_exact_mut(SIZE * LANES);
        for (value, column) in row.chunks_exact(SIZE).zip(columns) {
            column[lane * SIZE..][..SIZE].copy_from_slice(value);
        }
    }
}

/// Hands each block of the rows to `pack`, with its place in its unit, and the unit.
fn blocks<'r, const N: usize>(
    format: Format,
    rows: impl Iterator<Item = &'r [u8]>,
    tile: &mut [u8],
    pack: impl Fn(Format, &Blocks<'_, N>, usize, &mut [u8]),
) {
    const { assert!(N > 0) };
    let mut lanes: [&[[u8; N]]; LANES] = [&[]; LANES];
    for (lane, row) in lanes.iter_mut().zip(rows) {
        *lane = row.as_chunks().0;
    }
    let (inputs, size) = format.unit();
    let per_unit = inputs / format.block().0;
    for (index, unit) in tile.chunks_exact_mut(size).enumerate() {
        for part in 0..per_unit {
            let blocks = lanes.map(|row| row.get(index * per_unit + part).unwrap_or(&[0; N]));
            pack(format, &blocks, part, unit);
        }
    }
}

/// `W` words of each block from byte `from` on.
fn words<const N: usize, const W: usize>(blocks: &Blocks<'_, N>, from: usize) -> [Words; W] {
    let mut out = [[0; LANES]; W];
    for (lane, block) in blocks.iter().enumerate() {
        let (words, _) = block[from..from + 4 * W].as_chunks();
        for (out, word) in out.iter_mut().zip(words) {
            out[lane] = u32::from_le_bytes(*word);
        }
    }
    out
}

/// The same of two words in every lane.
fn both(first: &Words, second: &Words, of: impl Fn(u32, u32) -> u32) -> Words {
    let mut out = [0; LANES];
    for (lane, out) in out.iter_mut().enumerate() {
        *out = of(first[lane], second[lane]);
    }
    out
}

/// A line of sixteen words.
fn put(line: &mut [u8], words: &Words) {
    for (place, word) in line.as_chunks_mut().0.iter_mut().zip(words) {
        *place = word.to_le_bytes();
    }
}

/// Byte `byte` of each word.
fn put_bytes(line: &mut [u8], words: &Words, byte: usize) {
    for (place, word) in line.iter_mut().zip(words) {
        *place = (word >> (8 * byte)) as u8;
    }
}

/// The two bytes of each block from byte `at` on.
fn put_halves<const N: usize>(line: &mut [u8], blocks: &Blocks<'_, N>, at: usize) {
    for (place, block) in line.as_chunks_mut().0.iter_mut().zip(blocks) {
        *place = [block[at], block[at + 1]];
    }
}

/// Bit i of a lane's word becomes the fifth bit of its input i.
fn put_fifths(masks: &mut [u8], bits: &Words) {
    let (pairs, _) = bits.as_chunks::<2>();
    for (pair, [first, second]) in pairs.iter().enumerate() {
        let even = (first & LOW) | (second & LOW) << 4;
        let odd = (first >> 4 & LOW) | (second & !LOW);
        for (group, byte) in even.to_le_bytes().into_iter().enumerate() {
            masks[group * 16 + pair] = byte;
        }
        for (group, byte) in odd.to_le_bytes().into_iter().enumerate() {
            masks[group * 16 + 8 + pair] = byte;
        }
    }
}

/// Where the parts of a 32-block format lie: bytes of the head, of one block's nibbles and fifth bits, and of the fields before the weights in a file.
struct By32 {
    head: usize,
    body: usize,
    mins: bool,
    fifth: bool,
}

const fn parts(format: Format) -> By32 {
    let mins = matches!(format, Format::Q4_1 | Format::Q5_1);
    let fifth = matches!(format, Format::Q5_0 | Format::Q5_1);
    let head = if mins { 128 } else { 64 };
    let body = (format.unit().1 - head) / 2;
    By32 {
        head,
        body,
        mins,
        fifth,
    }
}

/// A block of `N` bytes whose last `W` words are the weights.
fn by32<const N: usize, const W: usize>(
    format: Format,
    blocks: &Blocks<'_, N>,
    half: usize,
    unit: &mut [u8],
) {
    let By32 {
        head,
        body,
        mins,
        fifth,
    } = parts(format);
    let (heads, bodies) = unit.split_at_mut(head);
    let lines = &mut bodies[half * body..][..body];
    put_halves(&mut heads[half * 32..][..32], blocks, 0);
    if mins {
        put_halves(&mut heads[64 + half * 32..][..32], blocks, 2);
    }
    if fifth {
        let [bits] = words(blocks, N - 4 * W - 4);
        put_fifths(&mut lines[256..], &bits);
    }
    let weights: [Words; W] = words(blocks, N - 4 * W);
    for (line, words) in lines.chunks_exact_mut(64).zip(&weights) {
        put(line, words);
    }
}

/// Heads of Q4_K and Q5_K: d, dmin, scales, mins.
const K45_HEAD: usize = 64 + 128 + 128;

fn k45<const N: usize>(_: Format, blocks: &Blocks<'_, N>, _: usize, unit: &mut [u8]) {
    const WEIGHTS: usize = 128; // bytes, of four bits each; before them in Q5_K 32 of fifth bits
    let (heads, bodies) = unit.split_at_mut(K45_HEAD);
    put_halves(&mut heads[..32], blocks, 0);
    put_halves(&mut heads[32..64], blocks, 2);
    put_scales_mins(&mut heads[64..], &words(blocks, 4));
    let low: [Words; 32] = words(blocks, N - WEIGHTS);
    let body = bodies.len() / 8;
    for (index, lines) in bodies.chunks_exact_mut(body).enumerate() {
        let (from, shift) = (index / 2 * 8, index % 2 * 4);
        for (line, at) in lines.chunks_exact_mut(64).zip(from..from + 4) {
            let nibbles = both(&low[at], &low[at + 4], |first, second| {
                (first >> shift & LOW) | (second >> shift & LOW) << 4
            });
            put(line, &nibbles);
        }
    }
    if N > 16 + WEIGHTS {
        let high: [Words; 8] = words(blocks, 16);
        for (index, lines) in bodies.chunks_exact_mut(body).enumerate() {
            put_fifths(&mut lines[256..], &gathered(&high, index));
        }
    }
}

/// Bit `index` of 32 bytes of each lane, the first byte's lowest.
fn gathered(high: &[Words; 8], index: usize) -> Words {
    const TO_TOP: u32 = 0x0102_0408; // brings bits 0, 8, 16 and 24 to 24, 25, 26 and 27
    let mut bits = [0; LANES];
    for (group, words) in high.iter().enumerate() {
        bits = both(&bits, words, |bits, word| {
            let four = (word >> index & ONE).wrapping_mul(TO_TOP) >> 24 & 15;
            bits | four << (group * 4)
        });
    }
    bits
}

/// Scales and minimums of eight sub-blocks, six bits each: `get_scale_min_k4` of ggml-quants.c on four sub-blocks at once.
fn put_scales_mins(heads: &mut [u8], [first, second, third]: &[Words; 3]) {
    let scales = [
        both(first, third, |first, _| first & SIX),
        both(first, third, |first, third| {
            (third & LOW) | (first >> 6 & TWO) << 4
        }),
    ];
    let mins = [
        both(second, third, |second, _| second & SIX),
        both(second, third, |second, third| {
            (third >> 4 & LOW) | (second >> 6 & TWO) << 4
        }),
    ];
    let (scale_lines, min_lines) = heads.split_at_mut(128);
    for (index, line) in scale_lines.chunks_exact_mut(16).enumerate() {
        put_bytes(line, &scales[index / 4], index % 4);
    }
    for (index, line) in min_lines.chunks_exact_mut(32).enumerate() {
        let (words, shift) = (&mins[index / 2], index % 2 * 16);
        for (place, word) in line.as_chunks_mut().0.iter_mut().zip(words) {
            *place = ((word >> shift) as u16).to_le_bytes();
        }
    }
}

/// Heads of Q6_K: d, scales.
const K6_HEAD: usize = 64 + 256;

/// Four low bits of each weight, two high ones, scales, d (`block_q6_K` of ggml-common.h).
fn k6(_: Format, blocks: &Blocks<'_, 210>, _: usize, unit: &mut [u8]) {
    let (heads, bodies) = unit.split_at_mut(K6_HEAD);
    let low: [Words; 32] = words(blocks, 0);
    let high: [Words; 16] = words(blocks, 128);
    let scales: [Words; 4] = words(blocks, 192);
    let d = blocks.map(|block| {
        f16::from_le_bytes([block[208], block[209]])
            .to_f32()
            .to_bits()
    });
    put(&mut heads[..64], &d);
    for (index, line) in heads[64..].chunks_exact_mut(16).enumerate() {
        put_bytes(line, &scales[index / 4], index % 4);
    }
    for (index, lines) in bodies.chunks_exact_mut(192).enumerate() {
        // dequantize_row_q6_K of ggml-quants.c: a half is four quarters of 32 inputs; low bits of two quarters share a byte, high bits of four.
        let (half, quarter, at) = (index / 8, index % 8 / 2, index % 2 * 4);
        let (shift, fine) = (quarter / 2 * 4, quarter * 2);
        let low = &low[half * 16 + quarter % 2 * 8 + at..][..4];
        let high = &high[half * 8 + at..][..4];
        let nibbles =
            |first: u32, second: u32| (first >> shift & LOW) | (second >> shift & LOW) << 4;
        let twos = |first: u32, second: u32| (first >> fine & TWO) | (second >> fine & TWO) << 2;
        put(&mut lines[..64], &both(&low[0], &low[1], nibbles));
        put(&mut lines[64..128], &both(&low[2], &low[3], nibbles));
        let (front, back) = (
            both(&high[0], &high[1], twos),
            both(&high[2], &high[3], twos),
        );
        put(
            &mut lines[128..],
            &both(&front, &back, |front, back| front | back << 4),
        );
    }
}

fn word(bytes: &[u8], index: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[index * 4..][..4]);
    u32::from_le_bytes(word)
}

/// The numbers of one lane of a tile, as many as `into` takes.
pub(crate) fn unpack(format: Format, lane: usize, tile: &[u8], into: &mut [f32]) {
    let (inputs, unit) = format.unit();
    for (unit, into) in tile.chunks_exact(unit).zip(into.chunks_mut(inputs)) {
        for (input, value) in into.iter_mut().enumerate() {
            *value = weight(format, lane, unit, input);
        }
    }
}

fn half_at(bytes: &[u8], index: usize) -> f32 {
    f16::from_le_bytes([bytes[index * 2], bytes[index * 2 + 1]]).to_f32()
}

fn weight(format: Format, lane: usize, unit: &[u8], input: usize) -> f32 {
    let at = input * LANES + lane;
    match format {
        Format::F32 => f32::from_bits(word(unit, at)),
        Format::F16 => half_at(unit, at),
        Format::BF16 => bf16::from_le_bytes([unit[at * 2], unit[at * 2 + 1]]).to_f32(),
        Format::Q4_K | Format::Q5_K => {
            let (index, body) = (input / 32, (unit.len() - K45_HEAD) / 8);
            let q = nibble_and_fifth(&unit[K45_HEAD + index * body..][..body], lane, input % 32);
            let scale = half_at(unit, lane) * f32::from(unit[64 + index * 16 + lane]);
            let min = half_at(unit, 16 + lane)
                * f32::from(unit[192 + index / 2 * 32 + lane * 2 + index % 2]);
            scale * f32::from(q) - min
        }
        Format::Q6_K => {
            let (index, group, byte) = (input / 16, input / 4 % 4, lane * 4 + input % 4);
            let lines = &unit[K6_HEAD + index * 192..][..192];
            let low = lines[group / 2 * 64 + byte] >> (group % 2 * 4) & 15;
            let high = lines[128 + byte] >> (group * 2) & 3;
            let scale = f32::from_bits(word(unit, lane))
                * f32::from(unit[64 + index * 16 + lane].cast_signed());
            scale * (f32::from(low | high << 4) - 32.0)
        }
        Format::Q4_0 | Format::Q4_1 | Format::Q5_0 | Format::Q5_1 | Format::Q8_0 => {
            weight32(format, lane, unit, input)
        }
    }
}

fn weight32(format: Format, lane: usize, unit: &[u8], input: usize) -> f32 {
    let By32 { head, body, .. } = parts(format);
    let (half, input) = (input / 32, input % 32);
    let lines = &unit[head + half * body..][..body];
    let d = half_at(unit, half * 16 + lane);
    let q = || f32::from(nibble_and_fifth(lines, lane, input));
    match format {
        Format::Q4_0 => d * (q() - 8.0),
        Format::Q5_0 => d * (q() - 16.0),
        Format::Q8_0 => d * f32::from(lines[input / 4 * 64 + lane * 4 + input % 4].cast_signed()),
        _ => d * q() + half_at(unit, 32 + half * 16 + lane),
    }
}

/// Input 0 to 31 of a block of nibbles, with its fifth bit where the block has them.
fn nibble_and_fifth(lines: &[u8], lane: usize, input: usize) -> u8 {
    let low = lines[input % 16 / 4 * 64 + lane * 4 + input % 4] >> (input / 16 * 4) & 15;
    match lines.get(256 + input / 4 * 8 + lane / 2) {
        Some(byte) => low | (byte >> (lane % 2 * 4 + input % 4) & 1) << 4,
        None => low,
    }
}
