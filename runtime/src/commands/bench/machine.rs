//! What the figures were measured on: the processor's name, peak memory. Reads `/proc`.

/// The processor as it names itself.
pub(super) fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    value(&info, "model name").map_or_else(|| std::env::consts::ARCH.to_owned(), str::to_owned)
}

/// The most memory this process has held so far, bytes; 0 where the system does not tell.
pub(super) fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = value(&status, "VmHWM").and_then(|text| text.strip_suffix(" kB")?.parse().ok());
    kib.unwrap_or(0_u64).saturating_mul(1024)
}

/// The first `key: value` of a file of such lines.
fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_whole_name() {
        let text = "Name:\tcloister\nVmHWMx:\t 1 kB\nVmHWM:\t  2048 kB\n";
        assert_eq!(value(text, "VmHWM"), Some("2048 kB"));
        assert_eq!(value(text, "VmPeak"), None);
    }

    #[test]
    fn memory_that_was_held_counts_after_it_is_gone() {
        let held = std::hint::black_box(vec![1_u8; 64 << 20]);
        drop(held);
        assert!(peak_memory() >= 64 << 20);
    }
}
