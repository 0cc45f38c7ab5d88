//! The disk's own floor, append and fdatasync one at a time, how busy the machine is, and what of it was not there.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use rand::{RngExt, SeedableRng};

use super::Bench;
use super::report::percentile;

/// Writes that are timed.
const WRITES: u32 = 300;
/// Bytes of each.
const SIZE: usize = 4096;

/// Measures it now, in the folder where the data are.
pub(super) async fn measure(bench: &Bench, when: &str) -> anyhow::Result<()> {
    let folder = bench.fresh("floor")?;
    let path = folder.path().join("file");
    let mut times = tokio::task::spawn_blocking(move || writes(&path)).await??;
    let per_second = f64::from(WRITES) / times.iter().sum::<f64>();
    times.sort_by(f64::total_cmp);
    let report = &bench.report;
    report.figure(&format!("disk_writes_per_second_{when}"), per_second, "1/s")?;
    report.figure(&format!("disk_write_p99_ms_{when}"), percentile(&times, 99) * 1e3, "ms")?;
    let load = std::fs::read_to_string("/proc/loadavg")?;
    let load = load.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0.0);
    report.figure(&format!("load_average_{when}"), load, "")?;
    let stolen = Cores::now()?.stolen_percent_since(bench.begun);
    report.figure(&format!("stolen_percent_{when}"), stolen, "%")
}

/// Time of all cores since the machine was started, in ticks of Linux.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cores {
    all: f64,
    /// What the host of a virtual machine gave to others while there was work here.
    stolen: f64,
}

impl Cores {
    /// Up to now.
    pub(super) fn now() -> anyhow::Result<Self> {
        Self::told(&std::fs::read_to_string("/proc/stat")?)
    }

    /// As the first line of `/proc/stat` tells it (`man 5 proc_stat`): user, nice, system, idle, iowait, irq, softirq, steal. What
    /// follows is in these already.
    fn told(stat: &str) -> anyhow::Result<Self> {
        let line = stat.lines().next().and_then(|line| line.strip_prefix("cpu "));
        let words = line.context("no cpu in /proc/stat")?.split_whitespace().take(8);
        let times: Vec<f64> = words.map(str::parse).collect::<Result<_, _>>()?;
        Ok(Self { all: times.iter().sum(), stolen: times.get(7).copied().unwrap_or(0.0) })
    }

    fn stolen_percent_since(self, begun: Self) -> f64 {
        (self.stolen - begun.stolen) / (self.all - begun.all).max(1.0) * 100.0
    }
}

/// Seconds of each.
fn writes(path: &Path) -> std::io::Result<Vec<f64>> {
    let mut bytes = [0; SIZE];
    rand::rngs::StdRng::seed_from_u64(1).fill(&mut bytes[..]);
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    (0..WRITES)
        .map(|_| {
            let begun = Instant::now();
            file.write_all(&bytes)?;
            file.sync_data()?;
            Ok(begun.elapsed().as_secs_f64())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_took_is_told_of_the_time_of_all_cores() {
        let at = |stat| Cores::told(stat).unwrap();
        let begun = at("cpu  10 0 10 70 0 0 0 10 5 0\ncpu0 1 2 3\n");
        let later = at("cpu  20 0 20 110 0 0 10 40 9 0\n");
        assert!((later.stolen_percent_since(begun) - 30.0).abs() < 1e-9);
        assert!(at("cpu  1 0 1 7\n").stolen_percent_since(begun) <= 0.0);
        assert!(Cores::told("intr 1\n").is_err() && Cores::told("cpu  x\n").is_err());
        assert!(Cores::now().unwrap().all > 0.0);
    }
}
