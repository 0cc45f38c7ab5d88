//! The disk's own floor, append and fdatasync one at a time, and how busy the machine is.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

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
    report.figure(&format!("load_average_{when}"), load, "")
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
