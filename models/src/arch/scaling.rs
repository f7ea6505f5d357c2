//! How a file scales its rotary positions, read as llama.cpp reads it (`llama-model.cpp`, `llama-context.cpp`). Reads metadata only.
//!
//! Linear scaling divides every angle; YaRN (Peng and others 2023, arXiv:2309.00071) divides the slow pairs only; Llama 3.1 and LongRoPE (Ding and
//! others 2024, arXiv:2402.13753) divide each pair by a number of its own, which is a tensor.

use super::{LIMITS, positive};
use crate::{Gguf, ModelError};

/// Rotary positions of one kind of layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rotary {
    pub(super) base: f32,
    /// Positions are divided by this; 1 for none.
    pub(super) divisor: f32,
    /// Which pairs are spared the divisor.
    pub(super) spared: Option<Spared>,
    /// Turned heads are multiplied by this; 1 for most.
    pub(super) amplitude: f32,
}

/// YaRN's ramp: pairs that turn often within the context of the training are not divided, slow ones are, and between them is a slope.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spared {
    /// Turns within `context` from which on a pair is spared.
    pub(super) fast: f32,
    /// Turns up to which a pair is divided.
    pub(super) slow: f32,
    /// How much they are spared: 1 for wholly.
    pub(super) extent: f32,
    /// Positions of the training.
    pub(super) context: f32,
}

/// Where numbers stand that divide the angle of each pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Factors {
    None,
    /// `rope_freqs.weight`, at any length.
    Always,
    /// `rope_factors_short.weight` in sessions of up to so many positions, `rope_factors_long.weight` in longer ones.
    ByLength(usize),
}

impl Rotary {
    /// Not scaled.
    pub(super) fn plain(base: f32) -> Self {
        Self {
            base,
            divisor: 1.0,
            spared: None,
            amplitude: 1.0,
        }
    }

    /// As the keys `ARCH.rope.*` say.
    ///
    /// # Errors
    /// [`ModelError::KeyValue`] for a scaling that is not known, and for numbers that cannot be divided by.
    pub(super) fn read(gguf: &Gguf<'_>, arch: &str) -> Result<Self, ModelError> {
        let key = |name: &str| format!("{arch}.rope.{name}");
        let base = positive(gguf, &key("freq_base"))?.unwrap_or(10_000.0);
        let factor = match positive_or_none(gguf, &key("scaling.factor"))? {
            Some(factor) => Some(factor),
            None => positive_or_none(gguf, &key("scale_linear"))?, // its name in 2023
        };
        let plain = Self {
            divisor: factor.unwrap_or(1.0),
            amplitude: positive(gguf, &key("scaling.attn_factor"))?.unwrap_or(1.0),
            ..Self::plain(base)
        };
        match gguf.find::<&str>(&key("scaling.type"))? {
            None | Some("linear" | "longrope") => Ok(plain),
            Some("none") => Ok(Self {
                divisor: 1.0,
                ..plain
            }),
            Some("yarn") => plain.with_yarn(gguf, arch),
            Some(_) => Err(ModelError::KeyValue {
                key: key("scaling.type"),
                expected: "`none`, `linear`, `yarn` or `longrope`",
            }),
        }
    }

    fn with_yarn(self, gguf: &Gguf<'_>, arch: &str) -> Result<Self, ModelError> {
        let key = |name: &str| format!("{arch}.rope.scaling.yarn_{name}");
        let extent = gguf.find::<f32>(&key("ext_factor"))?.unwrap_or(1.0);
        if extent == 0.0 {
            return Ok(self);
        }
        #[expect(clippy::cast_precision_loss, reason = "contexts are below 2^24")]
        let context = trained(gguf, arch)? as f32;
        let spared = Spared {
            fast: positive(gguf, &key("beta_fast"))?.unwrap_or(32.0),
            slow: positive(gguf, &key("beta_slow"))?.unwrap_or(1.0),
            extent,
            context,
        };
        let louder = 1.0 + 0.1 * self.divisor.max(1.0).ln();
        Ok(Self {
            spared: Some(spared),
            amplitude: self.amplitude * louder,
            ..self
        })
    }

    /// The angle in radians by which pair `pair` of a head turns from one position to the next, `turned` values of which are turned.
    pub(super) fn angle(&self, pair: usize, turned: usize, factor: f32) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "head sizes are far below 2^53")]
        let (pair, turned) = (pair as f64, turned as f64);
        let undivided = f64::from(self.base).powf(-2.0 * pair / turned) / f64::from(factor);
        let divided = undivided / f64::from(self.divisor);
        match self.spared {
            None => divided,
            Some(spared) => {
                let part = spared.part(f64::from(self.base), pair, turned);
                divided * (1.0 - part) + undivided * part
            }
        }
    }
}

impl Spared {
    /// How much of pair `pair` is spared.
    fn part(self, base: f64, pair: f64, turned: f64) -> f64 {
        let pair_with = |turns: f32| {
            let wave = f64::from(self.context) / (f64::from(turns) * 2.0 * std::f64::consts::PI);
            turned * wave.ln() / (2.0 * base.ln())
        };
        let first = pair_with(self.fast).floor().max(0.0);
        let last = pair_with(self.slow).ceil().min(turned - 1.0);
        let along = (pair - first) / (last - first).max(0.001);
        (1.0 - along.clamp(0.0, 1.0)) * f64::from(self.extent)
    }
}

impl Factors {
    /// As the file's tensors say.
    ///
    /// # Errors
    /// [`ModelError::TensorMissing`] when the file speaks of LongRoPE and has no factors.
    pub(super) fn find(gguf: &Gguf<'_>, arch: &str) -> Result<Self, ModelError> {
        let has = |name: &str| gguf.tensor(name).is_some();
        let kind = gguf.find::<&str>(&format!("{arch}.rope.scaling.type"))?;
        if kind == Some("longrope") || has("rope_factors_long.weight") {
            return Ok(Self::ByLength(trained(gguf, arch)?));
        }
        Ok(match has("rope_freqs.weight") {
            true => Self::Always,
            false => Self::None,
        })
    }
}

/// Positions of the training before the context was stretched.
fn trained(gguf: &Gguf<'_>, arch: &str) -> Result<usize, ModelError> {
    let key = format!("{arch}.rope.scaling.original_context_length");
    let context = match gguf.find::<u32>(&key)? {
        Some(context) => context,
        None => gguf.u32(&format!("{arch}.context_length"))?,
    };
    let context = context as usize;
    if !(1..=LIMITS.context).contains(&context) {
        return Err(ModelError::Shape {
            what: "rope.scaling.original_context_length",
            value: context as u64,
            fault: "it is zero or over the limit",
        });
    }
    Ok(context)
}

/// A factor: zero is how some writers say that there is none.
fn positive_or_none(gguf: &Gguf<'_>, key: &str) -> Result<Option<f32>, ModelError> {
    match gguf.find::<f32>(key)? {
        Some(0.0) => Ok(None),
        _ => positive(gguf, key),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::quantized::gguf_file::Value;

    use super::*;
    use crate::testing;

    /// What is read of a file whose metadata also has these keys, each behind `llama.rope.`.
    fn read(keys: &[(&str, Value)]) -> Result<Rotary, ModelError> {
        let mut metadata = testing::metadata("llama");
        let named = |(key, value): &(&str, Value)| (format!("llama.rope.{key}"), value.clone());
        metadata.extend(keys.iter().map(named));
        let bytes = testing::write(&metadata, &[]);
        Rotary::read(&Gguf::parse(&bytes)?, "llama")
    }

    fn text(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    fn yarn(more: &[(&str, Value)]) -> Rotary {
        let keys = [
            ("scaling.type", text("yarn")),
            ("scaling.factor", Value::F32(4.0)),
            ("scaling.original_context_length", Value::U32(4096)),
        ];
        read(&[&keys[..], more].concat()).unwrap()
    }

    fn near(found: f64, expected: f64) {
        assert!((found / expected - 1.0).abs() < 1e-6, "{found} {expected}");
    }

    #[test]
    fn yarn_turns_as_transformers_does() {
        // `_compute_yarn_parameters` of modeling_rope_utils.py for base 10000, 32 values, factor 4, 4096 positions.
        let expected = [
            1.0,
            5.623_413_252e-1,
            3.162_277_660e-1,
            1.778_279_410e-1,
            1.000_000_000e-1,
            5.623_413_252e-2,
            2.823_462_197e-2,
            1.397_219_536e-2,
            6.785_714_286e-3,
            3.213_379_001e-3,
            1.468_200_342e-3,
            6.350_997_893e-4,
            2.500_000_000e-4,
            1.405_853_313e-4,
            7.905_694_150e-5,
            4.445_698_525e-5,
        ];
        let rotary = yarn(&[]);
        for (pair, expected) in expected.into_iter().enumerate() {
            near(rotary.angle(pair, 32, 1.0), expected);
        }
        near(f64::from(rotary.amplitude), 1.138_629_436);
    }

    #[test]
    fn every_number_of_yarn_counts() {
        let usual = yarn(&[]);
        for (key, value) in [
            ("scaling.attn_factor", 0.9),
            ("scaling.yarn_ext_factor", 0.5),
            ("scaling.yarn_beta_fast", 16.0),
            ("scaling.yarn_beta_slow", 2.0),
        ] {
            assert_ne!(yarn(&[(key, Value::F32(value))]), usual, "{key}");
        }
        let linear = yarn(&[("scaling.yarn_ext_factor", Value::F32(0.0))]);
        assert_eq!((linear.spared, linear.amplitude), (None, 1.0));
    }

    #[test]
    fn a_factor_divides_unless_the_file_says_none() {
        let factor = |name| (name, Value::F32(4.0));
        let divisor = |keys: &[_]| read(keys).unwrap().divisor;
        assert_eq!(divisor(&[factor("scaling.factor")]), 4.0);
        assert_eq!(divisor(&[factor("scale_linear")]), 4.0);
        assert_eq!(divisor(&[("scaling.factor", Value::F32(0.0))]), 1.0);
        let none = [factor("scaling.factor"), ("scaling.type", text("none"))];
        assert_eq!(divisor(&none), 1.0);
    }

    #[test]
    fn numbers_that_cannot_be_divided_by_are_refused() {
        for key in ["freq_base", "scaling.factor", "scaling.attn_factor"] {
            let error = read(&[(key, Value::F32(-1.0))]).unwrap_err().to_string();
            assert_eq!(error, format!("key `llama.rope.{key}` should be positive"));
        }
    }
}
