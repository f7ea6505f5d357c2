//! The table of tensors: names, shapes, types, and where their bytes lie. Touches only the header.

use std::collections::HashMap;
use std::ops::Range;

use candle_core::quantized::GgmlDType;

use super::cursor::Cursor;
use crate::ModelError;

/// Where one tensor lies and what it holds. Its range is inside the file and shared with no other tensor.
#[derive(Debug, Clone)]
pub struct TensorInfo<'a> {
    name: &'a str,
    dims: Vec<usize>,
    dtype: GgmlDType,
    start: usize,
    size: usize,
}

impl<'a> TensorInfo<'a> {
    /// The tensor's name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Dimensions, outermost first (GGUF stores them innermost first). Never empty, none is zero.
    #[must_use]
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// The block type.
    #[must_use]
    pub fn dtype(&self) -> GgmlDType {
        self.dtype
    }

    /// Bytes of the file that hold it.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.start..self.start.saturating_add(self.size)
    }
}

/// A tensor whose offset is still relative to the end of the header.
struct Entry<'a> {
    name: &'a str,
    dims: Vec<usize>,
    dtype: GgmlDType,
    offset: u64,
    size: u64,
}

/// Reads `count` entries and places them in the file.
pub(super) fn read<'a>(
    cursor: &mut Cursor<'a>,
    count: u64,
    alignment: u64,
) -> Result<HashMap<&'a str, TensorInfo<'a>>, ModelError> {
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push(read_entry(cursor, alignment)?);
    }
    // The position is below the file's length and the alignment at most 4096: the sum cannot wrap.
    let data = (cursor.at() as u64).next_multiple_of(alignment);
    entries.sort_by_key(|entry| entry.offset);
    apart(&entries)?;
    let len = cursor.len() as u64;
    let mut end = data;
    let mut tensors = HashMap::new();
    for entry in entries {
        let info = place(entry, data, len)?;
        let Range { start, end: over } = info.range();
        nothing_between(end, start as u64)?;
        end = (over as u64).next_multiple_of(alignment);
        let name = info.name;
        if tensors.insert(name, info).is_some() {
            return Err(ModelError::Twice {
                what: "tensor",
                name: name.to_owned(),
            });
        }
    }
    nothing_between(end, len)?;
    Ok(tensors)
}

/// Every byte is header, tensor or padding to the next aligned place: a file that holds more is not what it says, or two files in one.
fn nothing_between(end: u64, start: u64) -> Result<(), ModelError> {
    match start.saturating_sub(end) {
        0 => Ok(()),
        bytes => Err(ModelError::Stray { bytes, at: end }),
    }
}

fn read_entry<'a>(cursor: &mut Cursor<'a>, alignment: u64) -> Result<Entry<'a>, ModelError> {
    const WHAT: &str = "a tensor's entry";
    let name = cursor.name("a tensor's name")?;
    let fault = |fault: String| ModelError::Tensor {
        name: name.to_owned(),
        fault,
    };
    let rank = cursor.u32(WHAT)?;
    if !(1..=4).contains(&rank) {
        return Err(fault(format!("it has {rank} dimensions, 1 to 4 are read")));
    }
    let mut dims = Vec::new();
    for _ in 0..rank {
        dims.push(cursor.u64(WHAT)?);
    }
    let kind = cursor.u32(WHAT)?;
    let dtype =
        dtype(kind).ok_or_else(|| fault(format!("its block type {kind} is not computed here")))?;
    let offset = cursor.u64(WHAT)?;
    if !offset.is_multiple_of(alignment) {
        return Err(fault(format!(
            "its offset {offset} is not a multiple of {alignment}"
        )));
    }
    let size = size(&dims, dtype).map_err(fault)?;
    dims.reverse();
    let dims = dims
        .into_iter()
        .map(usize::try_from)
        .collect::<Result<_, _>>();
    let dims = dims.map_err(|_| fault("its shape does not fit this machine".to_owned()))?;
    Ok(Entry {
        name,
        dims,
        dtype,
        offset,
        size,
    })
}

/// Bytes of a tensor: whole blocks along the innermost dimension.
fn size(dims: &[u64], dtype: GgmlDType) -> Result<u64, String> {
    let block = dtype.block_size() as u64;
    if dims.contains(&0) {
        return Err("a dimension is zero".to_owned());
    }
    let inner = dims.first().copied().unwrap_or_default();
    if !inner.is_multiple_of(block) {
        return Err(format!(
            "its rows of {inner} are not whole blocks of {block}"
        ));
    }
    let too_large = || "its shape is too large".to_owned();
    let elements = dims
        .iter()
        .try_fold(1_u64, |product, dim| product.checked_mul(*dim));
    let blocks = elements.ok_or_else(too_large)? / block;
    blocks
        .checked_mul(dtype.type_size() as u64)
        .ok_or_else(too_large)
}

/// Neighbours in the order of their offsets may not share bytes.
fn apart(entries: &[Entry<'_>]) -> Result<(), ModelError> {
    for (first, second) in entries.iter().zip(entries.iter().skip(1)) {
        if first.offset.saturating_add(first.size) > second.offset {
            return Err(ModelError::Overlap {
                first: first.name.to_owned(),
                second: second.name.to_owned(),
            });
        }
    }
    Ok(())
}

fn place(entry: Entry<'_>, data: u64, len: u64) -> Result<TensorInfo<'_>, ModelError> {
    let Entry {
        name,
        dims,
        dtype,
        offset,
        size,
    } = entry;
    let start = data.saturating_add(offset);
    let end = start.saturating_add(size);
    let cut = || ModelError::TensorCut {
        name: name.to_owned(),
        end,
        len,
    };
    if end > len {
        return Err(cut());
    }
    let start = usize::try_from(start).map_err(|_| cut())?;
    let size = usize::try_from(size).map_err(|_| cut())?;
    Ok(TensorInfo {
        name,
        dims,
        dtype,
        start,
        size,
    })
}

/// The block types that candle multiplies with on every device; type numbers from `enum ggml_type` in ggml.h.
fn dtype(kind: u32) -> Option<GgmlDType> {
    Some(match kind {
        0 => GgmlDType::F32,
        1 => GgmlDType::F16,
        2 => GgmlDType::Q4_0,
        3 => GgmlDType::Q4_1,
        6 => GgmlDType::Q5_0,
        7 => GgmlDType::Q5_1,
        8 => GgmlDType::Q8_0,
        10 => GgmlDType::Q2K,
        11 => GgmlDType::Q3K,
        12 => GgmlDType::Q4K,
        13 => GgmlDType::Q5K,
        14 => GgmlDType::Q6K,
        30 => GgmlDType::BF16,
        _ => return None,
    })
}
