//! The disk's own floor: append and fdatasync, one at a time. No durable figure can be read without it.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use rand::{RngExt, SeedableRng};

use crate::Place;
use crate::report::Report;

/// Writes of each size.
const WRITES: usize = 300;

/// Measures it now, in the folder where the data are.
pub(crate) async fn measure(place: &Place, report: &mut Report) -> anyhow::Result<()> {
    for (name, size) in [("4kb", 4096), ("64kb", 65_536)] {
        let folder = place.fresh("floor")?;
        let path = folder.path().join("file");
        let mut times = tokio::task::spawn_blocking(move || writes(&path, size)).await??;
        let total: f64 = times.iter().sum();
        times.sort_by(f64::total_cmp);
        let at = |share: usize| times[(times.len() - 1) * share / 100] * 1000.0;
        #[expect(clippy::cast_precision_loss, reason = "300")]
        let per_second = times.len() as f64 / total;
        report.figure("floor", &format!("{name}_writes_per_second"), per_second, "1/s")?;
        report.figure("floor", &format!("{name}_p50_ms"), at(50), "ms")?;
        report.figure("floor", &format!("{name}_p99_ms"), at(99), "ms")?;
    }
    Ok(())
}

fn writes(path: &Path, size: usize) -> std::io::Result<Vec<f64>> {
    let mut bytes = vec![0; size];
    rand::rngs::StdRng::seed_from_u64(1).fill(&mut bytes[..]);
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    let mut times = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let begun = Instant::now();
        file.write_all(&bytes)?;
        file.sync_data()?;
        times.push(begun.elapsed().as_secs_f64());
    }
    Ok(times)
}
