//! What Linux says of a process and its children: time on the CPU, memory that is its own
//! (proc(5)).

use std::collections::BTreeSet;
use std::time::Duration;

use crate::Result;

/// A tick of the times in `/proc/PID/stat`: `USER_HZ` is 100 on every architecture that Linux gives
/// to user space.
const TICK: Duration = Duration::from_millis(10);

/// A process and all that it started, as it was when looked at.
#[derive(Debug, Clone)]
pub(super) struct Tree(Vec<u32>);

impl Tree {
    /// The process `root` and its descendants.
    pub(super) fn of(root: u32) -> Result<Self> {
        let mut parents = Vec::new();
        for entry in std::fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // A process may end between the listing and the reading.
            if let Ok(stat) = stat(pid) {
                parents.push((pid, stat.parent));
            }
        }
        Ok(Self(descendants(root, &parents)))
    }

    /// One process, without its descendants.
    pub(super) fn only(id: u32) -> Self {
        Self(vec![id])
    }

    /// User and system time of all of them together.
    pub(super) fn cpu(&self) -> Result<Duration> {
        let times = self.0.iter().map(|pid| stat(*pid).map(|stat| stat.cpu));
        times.sum()
    }

    /// Memory of all of them together in KiB, shared pages in equal parts (PSS).
    pub(super) fn memory_kib(&self) -> Result<u32> {
        let memories = self.0.iter().map(|pid| {
            let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
            parse_pss(&rollup).ok_or_else(|| format!("no Pss for process {pid}").into())
        });
        memories.sum()
    }

    /// File descriptors that all of them have open.
    pub(super) fn descriptors(&self) -> Result<u32> {
        let mut open = 0;
        for pid in &self.0 {
            open += u32::try_from(std::fs::read_dir(format!("/proc/{pid}/fd"))?.count())?;
        }
        Ok(open)
    }

    /// The processes' ids.
    pub(super) fn ids(&self) -> &[u32] {
        &self.0
    }
}

/// What we read of `/proc/PID/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    parent: u32,
    cpu: Duration,
}

fn stat(pid: u32) -> Result<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse_stat(&text).ok_or_else(|| format!("cannot read /proc/{pid}/stat").into())
}

/// `PID (NAME) STATE PARENT …`: the name may hold spaces and brackets, so fields are counted from
/// its last bracket.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, fields) = text.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field)?.parse::<u32>().ok();
    let parent = fields.get(1)?.parse().ok()?;
    let cpu = TICK * (ticks(11)? + ticks(12)?);
    Some(Stat { parent, cpu })
}

fn parse_pss(rollup: &str) -> Option<u32> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

/// `root` and everything below it in a list of (process, parent).
fn descendants(root: u32, parents: &[(u32, u32)]) -> Vec<u32> {
    let mut found = BTreeSet::from([root]);
    loop {
        let before = found.len();
        for (pid, parent) in parents {
            if found.contains(parent) {
                found.insert(*pid);
            }
        }
        if found.len() == before {
            return found.into_iter().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str =
        "4711 (nginx: (worker) x) S 4710 4710 1 0 -1 4194624 3 0 0 0 250 75 0 0 20 0 1 0 9 1 1";

    #[test]
    fn times_are_counted_from_the_last_bracket() {
        let stat = parse_stat(STAT).unwrap();
        assert_eq!(stat.parent, 4710);
        assert_eq!(stat.cpu, Duration::from_millis(3250));
        assert_eq!(parse_stat("1 (short) S 0"), None);
    }

    #[test]
    fn pss_is_the_sum_not_its_parts() {
        let rollup = "55d0-7ffe ---p 0 00:00 0 [rollup]\nRss:  9000 kB\nPss:            4321 kB\nPss_Dirty:  12 kB\n";
        assert_eq!(parse_pss(rollup), Some(4321));
        assert_eq!(parse_pss("Pss_Dirty: 12 kB"), None);
    }

    #[test]
    fn grandchildren_belong_to_the_tree() {
        let parents = [(9, 7), (7, 5), (8, 1), (5, 1), (6, 5)];
        assert_eq!(descendants(5, &parents), [5, 6, 7, 9]);
    }

    #[test]
    fn we_ourselves_are_there() {
        let tree = Tree::of(std::process::id()).unwrap();
        assert!(tree.ids().contains(&std::process::id()));
        assert!(tree.memory_kib().unwrap() > 100);
        assert!(tree.descriptors().unwrap() >= 3);
        tree.cpu().unwrap();
    }
}
