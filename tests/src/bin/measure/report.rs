//! Figures, as a table or one JSON object a line.

use std::path::Path;

use lianbo_node::cli::print;
use serde_json::json;

/// What was measured.
#[derive(Debug)]
pub(crate) struct Report {
    json: bool,
}

impl Report {
    /// Says on what machine and disk, and how busy it was.
    pub(crate) fn begin(json: bool, folder: &Path) -> anyhow::Result<Self> {
        let cores = std::thread::available_parallelism()?;
        let (device, kind) = disk(folder)?;
        anyhow::ensure!(
            !["tmpfs", "ramfs"].contains(&kind.as_str()),
            "{} is in memory: give a folder on a disk with --dir",
            folder.display()
        );
        print::note(&format!("# {cores} cores, data in {} ({kind} on {device})", folder.display()));
        Self::load();
        Ok(Self { json })
    }

    /// One figure.
    pub(crate) fn figure(
        &mut self,
        bench: &str,
        metric: &str,
        value: f64,
        unit: &str,
    ) -> anyhow::Result<()> {
        let line = if self.json {
            let value = (value * 1000.0).round() / 1000.0;
            json!({ "bench": bench, "metric": metric, "value": value, "unit": unit }).to_string()
        } else {
            let digits = if value >= 100.0 { 0 } else { 3 };
            format!("{bench:<10} {metric:<34} {value:>12.digits$} {unit}")
        };
        Ok(print::text(&format!("{line}\n"))?)
    }

    /// A remark on stderr.
    pub(crate) fn note(text: &str) {
        print::note(&format!("# {text}"));
    }

    /// How busy the machine is, on stderr.
    pub(crate) fn load() {
        if let Ok(load) = std::fs::read_to_string("/proc/loadavg") {
            Self::note(&format!("load {}", load.trim()));
        }
    }
}

/// Device and kind of the file system a folder is on.
fn disk(folder: &Path) -> anyhow::Result<(String, String)> {
    let mounts = std::fs::read_to_string("/proc/self/mounts")?;
    let found = mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?, words.next()?, words.next()?))
        })
        .filter(|(_, at, _)| folder.starts_with(at))
        .max_by_key(|(_, at, _)| at.len());
    Ok(found
        .map_or_else(Default::default, |(device, _, kind)| (device.to_owned(), kind.to_owned())))
}
