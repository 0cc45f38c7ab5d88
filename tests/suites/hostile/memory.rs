//! How large the hub gets while it is attacked. The system keeps the most by itself (proc(5)): nobody has to look
//! on, which would cost the hub more the larger it is.

use std::fs::{read_to_string, write};

/// Memory of one process, in KiB, what it shares with others included.
#[derive(Debug)]
pub(super) struct Memory(u32);

impl Memory {
    pub(super) fn of(process: u32) -> Self {
        Self(process)
    }

    /// How much it has now.
    pub(super) fn now(&self) -> u64 {
        self.told("VmRSS:")
    }

    /// The most it had since that was forgotten.
    pub(super) fn most(&self) -> u64 {
        self.told("VmHWM:")
    }

    /// From now on, what it has now is the most it had.
    pub(super) fn forget_most(&self) {
        write(format!("/proc/{}/clear_refs", self.0), "5").unwrap();
    }

    fn told(&self, what: &str) -> u64 {
        let status = read_to_string(format!("/proc/{}/status", self.0)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}
