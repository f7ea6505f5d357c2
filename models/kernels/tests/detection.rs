//! The instruction sets that are found are those that the system says the processor has.
#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test, which asks the system"
)]

use cloister_kernels::Isa;

/// Each instruction set and the names that Linux has for what it needs.
#[cfg(target_arch = "x86_64")]
const NEEDS: &[(&str, &str)] = &[
    ("scalar", ""),
    ("AVX2", "avx2 fma f16c"),
    ("AVX-VNNI", "avx2 fma f16c avx_vnni"),
    (
        "AVX-512 VNNI",
        "avx2 fma f16c avx512f avx512bw avx512vl avx512dq avx512_vnni",
    ),
    (
        "AVX-512 VNNI and AMX",
        "avx2 fma f16c avx512f avx512bw avx512vl avx512dq avx512_vnni amx_tile amx_int8",
    ),
];
#[cfg(target_arch = "aarch64")]
const NEEDS: &[(&str, &str)] = &[
    ("scalar", ""),
    ("NEON", "asimd"),
    ("NEON dotprod", "asimd asimddp"),
    ("NEON dotprod and i8mm", "asimd asimddp i8mm"),
];

/// An emulator shows the `/proc/cpuinfo` of its host, so whoever starts one says here which processor it was told to be.
const EMULATED: &str = "CLOISTER_TEST_CPU";

fn features() -> String {
    std::env::var(EMULATED).unwrap_or_else(|_| {
        let text = std::fs::read_to_string("/proc/cpuinfo").unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with("flags") || line.starts_with("Features"));
        line.unwrap().split_once(':').unwrap().1.to_owned()
    })
}

#[test]
fn what_the_processor_has_is_found_and_the_last_is_used() {
    let features = features();
    let has = |need: &str| features.split_whitespace().any(|have| have == need);
    let wanted: Vec<&str> = NEEDS
        .iter()
        .filter(|(_, needs)| needs.split_whitespace().all(has))
        .map(|(name, _)| *name)
        .collect();
    let found: Vec<&str> = Isa::all().map(Isa::name).collect();
    assert_eq!(found, wanted, "of `{features}`");
    assert_eq!(Some(&Isa::detect().name()), wanted.last());
}
