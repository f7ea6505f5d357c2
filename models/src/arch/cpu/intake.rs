//! From the bytes of a file to packed matrices, part by part: while one thread reads and hashes, others pack what was read, so that the file is
//! never whole in memory. Touches its threads and what they are given.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use cloister_kernels::{FormatError, Matrix, Part};

use super::weights;
use crate::arch::Blueprint;
use crate::arch::feed::Feed;
use crate::arch::shelf::Shelf;
use crate::error::no_memory_for;
use crate::{Gguf, ModelError, TensorInfo};

/// What is under way at once.
struct Limits {
    /// Bytes of a part, unless sixteen rows have more. 1 MiB: from reading to packing it stays in the second-level cache.
    part: usize,
    /// Parts read ahead of each packing thread. 2: one to begin with at once when the last is done.
    ahead: usize,
}

const LIMITS: Limits = Limits {
    part: 1 << 20,
    ahead: 2,
};

/// A tensor and the matrices in it, from the top.
type Tensor<'t> = (&'t TensorInfo<'t>, Vec<Matrix>);
/// A part and its bytes in the file, of which the buffer may hold more than are its.
type Read<'m> = (Part<'m>, Vec<u8>);

/// Every tensor of the file, packed.
pub(super) fn take(
    gguf: &Gguf<'_>,
    plan: &Blueprint,
    feed: &mut Feed<'_>,
    threads: usize,
) -> Result<Shelf<Matrix>, ModelError> {
    let empty = |info| Ok((info, empty(plan, info)?));
    let mut tensors = gguf
        .in_order()
        .into_iter()
        .map(empty)
        .collect::<Result<Vec<Tensor<'_>>, ModelError>>()?;
    fill(&mut tensors, feed, threads.max(1), |part, bytes| {
        part.pack(bytes)
    })?;
    Ok(Shelf::new(tensors))
}

fn fill(
    tensors: &mut [Tensor<'_>],
    feed: &mut Feed<'_>,
    threads: usize,
    pack: impl Fn(Part<'_>, &[u8]) + Copy + Send,
) -> Result<(), ModelError> {
    let (full, filled) = mpsc::sync_channel(threads.saturating_mul(LIMITS.ahead));
    let (done, spare) = mpsc::channel();
    let filled = Arc::new(Mutex::new(filled));
    thread::scope(|scope| {
        for _ in 0..threads {
            let (filled, done) = (Arc::clone(&filled), done.clone());
            scope.spawn(move || pack_all(&filled, &done, pack));
        }
        drop(filled); // the threads' own: gone with the last of them, so that nothing is sent to nobody
        let full = full; // closed when reading ends, however it ends, so that the threads end too
        for (info, matrices) in tensors {
            feed.skip_to(info.range().start)?;
            for part in matrices.iter_mut().flat_map(|m| m.parts(LIMITS.part)) {
                let buffer = spare.try_recv().unwrap_or_default();
                let buffer = read(info, &part, feed, buffer)?;
                if full.send((part, buffer)).is_err() {
                    return Ok(()); // the threads are gone: one panicked, which the scope passes on
                }
            }
        }
        Ok(())
    })
}

fn read(
    info: &TensorInfo<'_>,
    part: &Part<'_>,
    feed: &mut Feed<'_>,
    mut buffer: Vec<u8>,
) -> Result<Vec<u8>, ModelError> {
    let size = part.file_bytes();
    if let Some(more) = size.checked_sub(buffer.len()) {
        let room = buffer.try_reserve_exact(more);
        room.map_err(|_| no_memory_for(info))?;
        buffer.resize(size, 0);
    }
    feed.fill(buffer.get_mut(..size).unwrap_or_default())?;
    Ok(buffer)
}

/// Packs what comes until nothing more will, and gives the buffers back.
fn pack_all<'m>(
    filled: &Mutex<Receiver<Read<'m>>>,
    done: &Sender<Vec<u8>>,
    pack: impl Fn(Part<'m>, &[u8]),
) {
    loop {
        let next = filled.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((part, buffer)) = next else { return };
        let size = part.file_bytes();
        pack(part, buffer.get(..size).unwrap_or_default());
        let _ = done.send(buffer); // the reader may have stopped already
    }
}

/// The matrices of a tensor, whose innermost dimension is their columns.
fn empty(plan: &Blueprint, info: &TensorInfo<'_>) -> Result<Vec<Matrix>, ModelError> {
    let fault = |fault: String| ModelError::Tensor {
        name: info.name().to_owned(),
        fault,
    };
    let format = weights::format(info.dtype())
        .ok_or_else(|| fault(format!("the kernels do not know {:?}", info.dtype())))?;
    let columns = info.dims().last().copied().unwrap_or_default();
    let empty = |rows| {
        Matrix::empty(format, rows, columns).map_err(|error| match error {
            FormatError::Memory { .. } => no_memory_for(info),
            other => fault(other.to_string()),
        })
    };
    let matrices = plan.cuts(info).into_iter().map(empty);
    let matrices = matrices.collect::<Result<Vec<_>, _>>()?;
    let (found, needed) = (
        info.range().len(),
        matrices.iter().map(Matrix::file_bytes).sum::<usize>(),
    );
    if found != needed {
        return Err(fault(format!(
            "it has {found} bytes, its shape needs {needed}"
        )));
    }
    Ok(matrices)
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use candle_core::quantized::{GgmlDType, QTensor};
    use candle_core::{Device, Tensor};

    use super::*;
    use crate::arch::Extent;
    use crate::watch::Progress;
    use crate::{Unwatched, testing};

    /// A plan that has two matrices in `ffn_up`, of 24 rows in all.
    fn plan() -> Blueprint {
        let file = testing::file("phi3");
        let plan = Blueprint::read(&Gguf::parse(&file).unwrap()).unwrap();
        Blueprint {
            feed_forward: 12,
            ..plan
        }
    }

    /// One tensor of several parts between small ones.
    fn file() -> Vec<u8> {
        let tensor = |name: &str, rows: usize, columns: usize, dtype| {
            let ramp = Tensor::arange(0_f32, (rows * columns) as f32, &Device::Cpu).unwrap();
            let waves = (ramp * 0.37).unwrap().sin().unwrap();
            let waves = waves.reshape((rows, columns)).unwrap();
            (name.to_owned(), QTensor::quantize(&waves, dtype).unwrap())
        };
        let tensors = [
            tensor("first", 1, 64, GgmlDType::F32),
            tensor("large", 613, 1024, GgmlDType::F32),
            tensor("ffn_up.weight", 24, 512, GgmlDType::Q8_0),
        ];
        testing::write(&[], &tensors)
    }

    #[test]
    fn packed_as_it_is_read_is_packed_at_once() {
        let file = file();
        let gguf = Gguf::parse(&file).unwrap();
        let header = gguf.in_order().first().unwrap().range().start;
        for front in [header, header + 100, 1 << 20, file.len()] {
            let (front, mut rest) = file.split_at(front);
            let mut unwatched = Unwatched;
            let mut feed = Feed::new(front, &mut rest, &mut unwatched, file.len());
            let mut shelf = take(&gguf, &plan(), &mut feed, 3).unwrap();
            for name in ["first", "large"] {
                let info = gguf.tensor(name).unwrap();
                let part = shelf.take(name, info.dims()).unwrap();
                assert_packed(&part, info, 0, &file);
            }
            let info = gguf.tensor("ffn_up.weight").unwrap();
            let [upper, lower] = shelf.fused(info.name(), [12, 12], 512).unwrap();
            assert_packed(&upper, info, 0, &file);
            assert_packed(&lower, info, 12, &file);
            shelf.finish().unwrap();
        }
    }

    /// It holds the rows of the tensor from `first` on.
    fn assert_packed(part: &Matrix, info: &TensorInfo<'_>, first: usize, file: &[u8]) {
        let (rows, columns) = (info.dims()[0], info.dims()[1]);
        let format = weights::format(info.dtype()).unwrap();
        let whole = Matrix::pack(format, rows, columns, &file[info.range()]).unwrap();
        let (mut one, mut other) = (vec![0.0; columns], vec![1.0; columns]);
        for row in 0..part.rows() {
            whole.row(first + row, &mut one);
            part.row(row, &mut other);
            assert_eq!(one, other, "{} {row}", info.name());
        }
    }

    #[test]
    fn when_all_who_pack_are_gone_the_reading_ends() {
        let file = file();
        let gguf = Gguf::parse(&file).unwrap();
        let whole = |info| Ok((info, empty(&plan(), info)?));
        let tensors: Result<Vec<_>, ModelError> = gguf.in_order().into_iter().map(whole).collect();
        let (mut tensors, mut rest, mut unwatched) = (tensors.unwrap(), &file[..], Unwatched);
        let mut feed = Feed::new(&[], &mut rest, &mut unwatched, file.len());
        let packed = catch_unwind(AssertUnwindSafe(|| {
            fill(&mut tensors, &mut feed, 1, |_, _| panic!("of all packing"))
        }));
        assert!(packed.is_err());
    }

    #[test]
    fn asked_for_no_threads_one_packs() {
        let file = file();
        let gguf = Gguf::parse(&file).unwrap();
        let (mut rest, mut unwatched) = (&file[..], Unwatched);
        let mut feed = Feed::new(&[], &mut rest, &mut unwatched, file.len());
        let mut shelf = take(&gguf, &plan(), &mut feed, 0).unwrap();
        let info = gguf.tensor("large").unwrap();
        let part = shelf.take("large", info.dims()).unwrap();
        assert_packed(&part, info, 0, &file);
    }

    #[test]
    fn weights_are_counted_as_they_are_packed() {
        for kind in ["gemma3", "llama+llama3", "phi3+long", "qwen2", "qwen3"] {
            let file = testing::file(kind);
            let gguf = Gguf::parse(&file).unwrap();
            let plan = Blueprint::read(&gguf).unwrap();
            let packed = gguf.tensors().flat_map(|info| empty(&plan, info).unwrap());
            let packed: usize = packed.map(|matrix| matrix.bytes()).sum();
            let counted = Extent::on_processor(&gguf).unwrap().weights;
            assert_eq!(counted, packed as u64, "{kind}");
        }
    }

    #[test]
    fn a_tensor_that_no_memory_holds_is_named() {
        let large = testing::claimed("large", 1 << 48);
        let gguf = Gguf::parse_front(&large.front, large.len).unwrap();
        let (mut zeros, mut unwatched) = (std::io::repeat(0), Unwatched);
        let mut feed = Feed::new(&large.front, &mut zeros, &mut unwatched, large.len);
        let refused = take(&gguf, &plan(), &mut feed, 1).err().unwrap();
        assert_eq!(
            refused.to_string(),
            "there is no memory for the 1125899906842624 bytes of tensor `large`"
        );
    }

    #[test]
    fn the_watcher_stops_it_between_two_parts() {
        let file = file();
        let gguf = Gguf::parse(&file).unwrap();
        let mut parts = 0;
        let mut watch = |_: Progress| {
            parts += 1;
            match parts {
                3 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        };
        let mut rest = &file[..];
        let mut feed = Feed::new(&[], &mut rest, &mut watch, file.len());
        let stopped = take(&gguf, &plan(), &mut feed, 2);
        assert!(matches!(stopped, Err(ModelError::Interrupted)));
        assert!(rest.len() > 1 << 18 && parts == 3);
    }
}
