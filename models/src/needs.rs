//! What a model takes, by its file's own numbers, before any of it is taken. Reads the header only.

use crate::arch::Extent;
use crate::engine::DeviceChoice;
use crate::{Gguf, ModelError};

/// Memory of the processor that a model needs, bytes. What the processor's caches, threads' stacks and the program itself take is not counted: some
/// 50 MB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// The weights as they are read: in tiles for our kernels, in their blocks for candle.
    pub weights: u64,
    /// One session of the whole context: keys and values, angles, and what a step computes in.
    pub session: u64,
}

impl Needs {
    /// What this file needs on this device, in a session of at most `context` positions. `None` where its weights go to the memory of a card.
    pub(crate) fn of(
        gguf: &Gguf<'_>,
        device: DeviceChoice,
        context: usize,
    ) -> Result<Option<Self>, ModelError> {
        let extent = match device {
            DeviceChoice::Cpu | DeviceChoice::Threads(_) => Extent::on_processor(gguf)?,
            DeviceChoice::Candle => Extent::of_candle(gguf)?,
            DeviceChoice::Cuda | DeviceChoice::Metal => return Ok(None),
        };
        let positions = extent.context.min(context) as u64;
        Ok(Some(Self {
            weights: extent.weights,
            session: extent
                .step
                .saturating_add(extent.position.saturating_mul(positions)),
        }))
    }

    /// Refuses a model that does not fit. Nothing is refused where nobody knows what there is.
    ///
    /// # Errors
    /// [`ModelError::Room`].
    pub(crate) fn within(self, available: Option<u64>) -> Result<(), ModelError> {
        match available {
            Some(available) if self.weights.saturating_add(self.session) > available => {
                Err(ModelError::Room {
                    weights: self.weights,
                    session: self.session,
                    available,
                })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::LIMITS;
    use crate::testing;

    fn needs(bytes: &[u8], device: DeviceChoice) -> Needs {
        let gguf = Gguf::parse(bytes).unwrap();
        Needs::of(&gguf, device, 100).unwrap().unwrap()
    }

    #[test]
    fn weights_and_session_are_counted_from_the_header() {
        let bytes = testing::exact_file("qwen2");
        let gguf = Gguf::parse(&bytes).unwrap();
        let file: usize = gguf.tensors().map(|tensor| tensor.range().len()).sum();
        let ours = needs(&bytes, DeviceChoice::Cpu);
        // All heights are multiples of sixteen but that of the vocabulary, 259, and those of vectors: thirteen and fifteen rows more in a tile.
        let vectors = gguf.tensors().filter(|tensor| tensor.dims().len() == 1);
        let vectors: usize = vectors.map(|tensor| tensor.range().len()).sum();
        let more = 13 * testing::HIDDEN * 4 + 15 * vectors;
        assert_eq!(ours.weights, (file + more) as u64);
        // Three layers with two heads of 32: a key and a value of two bytes each, and a table of angles.
        let positions = 100 * (3 * 2 * 32 * 2 * 2 + 32 * 4);
        let step = LIMITS.chunk * (64 + 64 + 2 * (128 + 64) + 96) * 8 + LIMITS.scored * 259 * 4;
        assert_eq!(ours.session, (positions + step) as u64);
        let theirs = needs(&bytes, DeviceChoice::Candle);
        assert_eq!(theirs.weights, file as u64);
        assert!(theirs.session > ours.session);
    }

    #[test]
    fn a_model_that_does_not_fit_is_refused_before_a_weight_is_taken() {
        struct Small(u64, bool);
        impl crate::Watch for Small {
            fn on(&mut self, _: crate::Progress) -> std::ops::ControlFlow<()> {
                self.1 = true;
                std::ops::ControlFlow::Continue(())
            }
            fn available(&self) -> Option<u64> {
                Some(self.0)
            }
        }
        let bytes = testing::file("llama");
        let gguf = Gguf::parse(&bytes).unwrap();
        let Needs { weights, session } = crate::Engine::needs(&gguf, DeviceChoice::Cpu)
            .unwrap()
            .unwrap();
        let load =
            |small: &mut Small| testing::load_watched(bytes.clone(), DeviceChoice::Cpu, small);
        let mut enough = Small(weights + session, false);
        assert!(load(&mut enough).is_ok() && enough.1);
        let mut short = Small(weights + session - 1, false);
        let refused = load(&mut short).err().unwrap();
        assert!(
            matches!(refused, ModelError::Room { .. }) && !short.1,
            "{refused}"
        );
        assert_eq!(
            refused.to_string(),
            format!(
                "there is no memory for the model: 1 MiB of weights and {} MiB for a session, {} MiB are available",
                session.div_ceil(1 << 20),
                (weights + session - 1) >> 20,
            )
        );
        assert!(refused.hint().is_some());
    }
}
