//! From the blocks of a GGUF file to a row of a tile, and from a tile back to numbers. Layouts are in `format.rs`; touches the slices given.

use half::{bf16, f16};

use crate::format::Format;
use crate::simd::LANES;

/// The low four bits of four bytes.
const LOW: u32 = 0x0F0F_0F0F;
/// The low two bits of four bytes.
const TWO: u32 = 0x0303_0303;

/// Writes one row of blocks into its lane of a zeroed tile.
pub(crate) fn row(format: Format, lane: usize, blocks: &[u8], tile: &mut [u8]) {
    let (_, block) = format.block();
    let (inputs, unit) = format.unit();
    match format {
        Format::F32 => floats::<4>(lane, blocks, tile),
        Format::F16 | Format::BF16 => floats::<2>(lane, blocks, tile),
        Format::Q4_K | Format::Q5_K => {
            for (block, unit) in blocks.chunks_exact(block).zip(tile.chunks_exact_mut(unit)) {
                k45(lane, block, unit);
            }
        }
        Format::Q6_K => {
            for (block, unit) in blocks.chunks_exact(block).zip(tile.chunks_exact_mut(unit)) {
                k6(lane, block, unit);
            }
        }
        Format::Q4_0 | Format::Q4_1 | Format::Q5_0 | Format::Q5_1 | Format::Q8_0 => {
            let per_unit = inputs / 32;
            for (pair, unit) in blocks
                .chunks(per_unit * block)
                .zip(tile.chunks_exact_mut(unit))
            {
                for (half, block) in pair.chunks_exact(block).enumerate() {
                    by32(format, lane, half, block, unit);
                }
            }
        }
    }
}

fn floats<const SIZE: usize>(lane: usize, blocks: &[u8], tile: &mut [u8]) {
    for (value, column) in blocks
        .chunks_exact(SIZE)
        .zip(tile.chunks_exact_mut(SIZE * LANES))
    {
        column[lane * SIZE..][..SIZE].copy_from_slice(value);
    }
}

fn word(bytes: &[u8], index: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[index * 4..][..4]);
    u32::from_le_bytes(word)
}

/// Four bytes of one lane in line `line`.
fn put(lines: &mut [u8], line: usize, lane: usize, word: u32) {
    lines[line * 64 + lane * 4..][..4].copy_from_slice(&word.to_le_bytes());
}

/// Bit i of `bits` becomes the fifth bit of input i of this lane.
fn put_fifth(masks: &mut [u8], lane: usize, bits: u32) {
    for group in 0..8 {
        let four = (bits >> (group * 4) & 15) as u8;
        masks[group * 8 + lane / 2] |= four << (lane % 2 * 4);
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

fn by32(format: Format, lane: usize, half: usize, block: &[u8], unit: &mut [u8]) {
    let By32 {
        head,
        body,
        mins,
        fifth,
    } = parts(format);
    let (heads, bodies) = unit.split_at_mut(head);
    let lines = &mut bodies[half * body..][..body];
    heads[half * 32 + lane * 2..][..2].copy_from_slice(&block[..2]);
    let mut rest = &block[2..];
    if mins {
        heads[64 + half * 32 + lane * 2..][..2].copy_from_slice(&rest[..2]);
        rest = &rest[2..];
    }
    if fifth {
        put_fifth(&mut lines[256..], lane, word(rest, 0));
        rest = &rest[4..];
    }
    for line in 0..rest.len() / 4 {
        put(lines, line, lane, word(rest, line));
    }
}

/// Scale and minimum of sub-block `index`: `get_scale_min_k4` of ggml-quants.c.
fn scale_min(index: usize, packed: &[u8]) -> (u8, u8) {
    if index < 4 {
        (packed[index] & 63, packed[index + 4] & 63)
    } else {
        (
            (packed[index + 4] & 15) | (packed[index - 4] >> 6) << 4,
            (packed[index + 4] >> 4) | (packed[index] >> 6) << 4,
        )
    }
}

/// Heads of Q4_K and Q5_K: d, dmin, scales, mins.
const K45_HEAD: usize = 64 + 128 + 128;

fn k45(lane: usize, block: &[u8], unit: &mut [u8]) {
    unit[lane * 2..][..2].copy_from_slice(&block[..2]);
    unit[32 + lane * 2..][..2].copy_from_slice(&block[2..4]);
    let (packed, weights) = block[4..].split_at(12);
    let (high, low) = weights.split_at(weights.len() - 128);
    let body = (unit.len() - K45_HEAD) / 8;
    for index in 0..8 {
        let (scale, min) = scale_min(index, packed);
        unit[64 + index * 16 + lane] = scale;
        unit[192 + index / 2 * 32 + lane * 2 + index % 2] = min;
        let lines = &mut unit[K45_HEAD + index * body..][..body];
        let shift = index % 2 * 4;
        for line in 0..4 {
            let first = word(low, index / 2 * 8 + line) >> shift & LOW;
            let second = word(low, index / 2 * 8 + line + 4) >> shift & LOW;
            put(lines, line, lane, first | second << 4);
        }
        if !high.is_empty() {
            let bits = high
                .iter()
                .rev()
                .fold(0, |bits, byte| bits << 1 | u32::from(byte >> index & 1));
            put_fifth(&mut lines[256..], lane, bits);
        }
    }
}

/// Heads of Q6_K: d, scales.
const K6_HEAD: usize = 64 + 256;

fn k6(lane: usize, block: &[u8], unit: &mut [u8]) {
    let (ql, rest) = block.split_at(128);
    let (qh, rest) = rest.split_at(64);
    let (scales, d) = rest.split_at(16);
    let d = f16::from_le_bytes([d[0], d[1]]).to_f32();
    unit[lane * 4..][..4].copy_from_slice(&d.to_le_bytes());
    for (index, scale) in scales.iter().enumerate() {
        unit[64 + index * 16 + lane] = *scale;
        let lines = &mut unit[K6_HEAD + index * 192..][..192];
        let [a, b, c, d] = std::array::from_fn(|group| six(ql, qh, index * 4 + group));
        put(lines, 0, lane, (a & LOW) | (b & LOW) << 4);
        put(lines, 1, lane, (c & LOW) | (d & LOW) << 4);
        put(
            lines,
            2,
            lane,
            (a >> 4 & TWO) | (b >> 4 & TWO) << 2 | (c >> 4 & TWO) << 4 | (d >> 4 & TWO) << 6,
        );
    }
}

/// Inputs 4 × `index` to 4 × `index` + 3 of a Q6_K block, six bits each (dequantize_row_q6_K of ggml-quants.c).
fn six(ql: &[u8], qh: &[u8], index: usize) -> u32 {
    let (half, index) = (index / 32, index % 32);
    let (quarter, index) = (index / 8, index % 8);
    let low = word(ql, half * 16 + quarter % 2 * 8 + index) >> (quarter / 2 * 4) & LOW;
    let high = word(qh, half * 8 + index) >> (quarter * 2) & TWO;
    low | high << 4
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
