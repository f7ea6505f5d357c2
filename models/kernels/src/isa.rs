//! Which instruction set the kernels run on: chosen once, at run time. Touches the processor's feature flags.

#[cfg(target_arch = "aarch64")]
use std::arch::is_aarch64_feature_detected;

/// An instruction set with kernels of its own. All have the same tiles and give the same integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// No vector instructions asked for; everywhere.
    Scalar,
    /// AVX2, FMA and F16C.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX2 with the integer products of AVX-VNNI.
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    /// AVX-512 F, BW, VL and DQ with VNNI.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    /// The same, and AMX for prompts.
    #[cfg(target_arch = "x86_64")]
    Amx,
    /// NEON as every ARM of 64 bits has it.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// NEON with `sdot`.
    #[cfg(target_arch = "aarch64")]
    NeonDotprod,
    /// The same, and `smmla` for prompts.
    #[cfg(target_arch = "aarch64")]
    NeonI8mm,
}

impl Isa {
    /// The fastest that this processor has.
    #[must_use]
    pub fn detect() -> Self {
        Self::all().next_back().unwrap_or(Self::Scalar)
    }

    /// All that this processor has, slowest first.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> {
        Self::known().iter().copied().filter(|isa| isa.is_here())
    }

    #[cfg(target_arch = "x86_64")]
    fn known() -> &'static [Self] {
        &[
            Self::Scalar,
            Self::Avx2,
            Self::AvxVnni,
            Self::Avx512Vnni,
            Self::Amx,
        ]
    }

    #[cfg(target_arch = "aarch64")]
    fn known() -> &'static [Self] {
        &[Self::Scalar, Self::Neon, Self::NeonDotprod, Self::NeonI8mm]
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn known() -> &'static [Self] {
        &[Self::Scalar]
    }

    fn is_here(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("f16c")
            }
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => Self::Avx2.is_here() && is_x86_feature_detected!("avxvnni"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => {
                Self::Avx2.is_here()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vnni")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Amx => Self::Avx512Vnni.is_here() && crate::amx::is_allowed(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => is_aarch64_feature_detected!("neon"),
            #[cfg(target_arch = "aarch64")]
            Self::NeonDotprod => Self::Neon.is_here() && is_aarch64_feature_detected!("dotprod"),
            #[cfg(target_arch = "aarch64")]
            Self::NeonI8mm => Self::NeonDotprod.is_here() && is_aarch64_feature_detected!("i8mm"),
        }
    }

    /// As `cloister doctor` and the benchmark print it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => "AVX-VNNI",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => "AVX-512 VNNI",
            #[cfg(target_arch = "x86_64")]
            Self::Amx => "AVX-512 VNNI and AMX",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "NEON",
            #[cfg(target_arch = "aarch64")]
            Self::NeonDotprod => "NEON dotprod",
            #[cfg(target_arch = "aarch64")]
            Self::NeonI8mm => "NEON dotprod and i8mm",
        }
    }
}
