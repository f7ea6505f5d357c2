//! How much memory this process may still take, by what Linux tells in its files. Opens none: their texts are passed in.

/// Memory that can be taken without swapping, bytes: what the machine has left, or the control groups that the process is in if they have less.
/// `None` where the system tells nothing. `read` gives the text of a file.
pub fn available_memory(read: impl Fn(&str) -> Option<String>) -> Option<u64> {
    let machine = read("/proc/meminfo").and_then(|text| field(&text, "MemAvailable:"));
    let machine = machine.map(|kib| kib.saturating_mul(1024));
    let groups = read("/proc/self/cgroup").unwrap_or_default();
    let groups = groups
        .lines()
        .flat_map(Group::above)
        .filter_map(|group| group.left(&read));
    machine.into_iter().chain(groups).min()
}

/// A control group that limits memory, by its folder and its version's names.
struct Group {
    folder: String,
    most: &'static str,
    taken: &'static str,
    reclaimable: [&'static str; 2],
}

impl Group {
    /// The group of a line of `/proc/self/cgroup`, and all groups above it: each of them limits. A group whose folder is elsewhere in a container is
    /// among those that are not there.
    fn above(line: &str) -> Vec<Group> {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            return Vec::new();
        };
        let make: fn(String) -> Group = match controllers {
            "" => Group::second,
            named if named.split(',').any(|name| name == "memory") => Group::first,
            _ => return Vec::new(),
        };
        let ends = path
            .match_indices('/')
            .map(|(at, _)| at)
            .chain([path.len()]);
        let mut folders: Vec<&str> = ends
            .filter_map(|end| path.get(..end))
            .map(|path| path.trim_end_matches('/'))
            .collect();
        folders.dedup();
        folders
            .into_iter()
            .map(|folder| make(folder.to_owned()))
            .collect()
    }

    fn first(path: String) -> Group {
        Group {
            folder: format!("/sys/fs/cgroup/memory{path}"),
            most: "memory.limit_in_bytes",
            taken: "memory.usage_in_bytes",
            reclaimable: ["total_inactive_file ", "total_active_file "],
        }
    }

    fn second(path: String) -> Group {
        Group {
            folder: format!("/sys/fs/cgroup{path}"),
            most: "memory.max",
            taken: "memory.current",
            reclaimable: ["inactive_file ", "active_file "],
        }
    }

    /// What it leaves; `None` without a limit. Cached files count as taken and are given back when memory is short.
    fn left(&self, read: impl Fn(&str) -> Option<String>) -> Option<u64> {
        let file = |name: &str| read(&format!("{}/{name}", self.folder));
        let most: u64 = file(self.most)?.trim().parse().ok()?; // `max` is no number
        let taken: u64 = file(self.taken)?.trim().parse().ok()?;
        let stat = file("memory.stat").unwrap_or_default();
        let cached = self
            .reclaimable
            .iter()
            .filter_map(|name| field(&stat, name));
        Some(most.saturating_sub(taken.saturating_sub(cached.sum())))
    }
}

/// The number behind a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: (&str, &str) = (
        "/proc/meminfo",
        "MemTotal:  4000 kB\nMemFree: 10 kB\nMemAvailable:    3000 kB\n",
    );

    fn available(files: &[(&str, &str)]) -> Option<u64> {
        available_memory(|path| {
            let (_, text) = files.iter().find(|(name, _)| *name == path)?;
            Some((*text).to_owned())
        })
    }

    #[test]
    fn the_machine_tells_what_it_has_left() {
        assert_eq!(available(&[MACHINE]), Some(3000 << 10));
        assert_eq!(available(&[]), None);
        assert_eq!(
            available(&[("/proc/meminfo", "MemAvailable: many\n")]),
            None
        );
    }

    #[test]
    fn a_group_that_has_less_decides_and_its_cached_files_count_as_free() {
        let group = [
            MACHINE,
            ("/proc/self/cgroup", "0::/user/cloister\n"),
            ("/sys/fs/cgroup/user/cloister/memory.max", "max\n"),
            ("/sys/fs/cgroup/user/cloister/memory.current", "500\n"),
            ("/sys/fs/cgroup/user/memory.max", "1000000\n"),
            ("/sys/fs/cgroup/user/memory.current", "900000\n"),
            (
                "/sys/fs/cgroup/user/memory.stat",
                "anon 1\ninactive_file 300000\nactive_file 100000\n",
            ),
        ];
        assert_eq!(available(&group), Some(500_000));
        let roomy = group.map(|(path, text)| {
            (
                path,
                if path.ends_with("user/memory.max") {
                    "900000000\n"
                } else {
                    text
                },
            )
        });
        assert_eq!(available(&roomy), Some(3000 << 10));
        let full = group.map(|(path, text)| {
            (
                path,
                if path.ends_with("memory.stat") {
                    "anon 900000\n"
                } else {
                    text
                },
            )
        });
        assert_eq!(available(&full), Some(100_000));
    }

    #[test]
    fn the_root_of_a_container_is_asked_too() {
        let second = [
            MACHINE,
            ("/proc/self/cgroup", "0::/\n"),
            ("/sys/fs/cgroup/memory.max", "2048"),
            ("/sys/fs/cgroup/memory.current", "1024"),
        ];
        assert_eq!(available(&second), Some(1024));
        let first = [
            MACHINE,
            (
                "/proc/self/cgroup",
                "5:cpu,cpuacct:/docker/a\n4:memory:/docker/a\n",
            ),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "4096"),
            ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "4000"),
            (
                "/sys/fs/cgroup/memory/memory.stat",
                "total_inactive_file 1000\n",
            ),
        ];
        assert_eq!(available(&first), Some(1096));
    }
}
