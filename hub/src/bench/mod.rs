//! What a hub and its nodes do on this machine, measured for whoever has to size one.
//!
//! The hub is a process of its own (this very program, `serve`) with a data folder on a real disk; the load comes
//! from the bench process beside it, over mutual TLS on loopback. Certificates and signatures are made before
//! the clock starts. No durable figure can be read without the disk's own floor in the same run.

mod author;
pub(crate) mod catchup;
mod client;
mod county;
mod crowd;
pub(crate) mod fanout;
mod feeds;
mod floor;
mod follower;
pub(crate) mod idle;
pub(crate) mod ingest;
mod nginx;
pub(crate) mod pages;
pub(crate) mod poll;
mod process;
mod relay;
mod replica;
mod report;
mod texts;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::builder::RangedU64ValueParser;
use lianbo_node::cli::{note, usage};
use tempfile::TempDir;

use floor::Cores;
use report::Report;
use texts::Texts;

/// One run of the bench: where its folders go, what its articles say, where its figures are told.
#[derive(Debug)]
pub(crate) struct Bench {
    folder: PathBuf,
    keep: bool,
    rest: Duration,
    texts: Texts,
    report: Report,
    /// Time of the cores when it began.
    begun: Cores,
}

/// How a run is set up.
#[derive(Debug)]
pub(crate) struct Setup<'a> {
    /// Which measurement.
    pub(crate) name: &'static str,
    /// Where data folders go.
    pub(crate) folder: &'a Path,
    /// Whether they stay.
    pub(crate) keep: bool,
    /// How long a process is left alone before its memory is looked at.
    pub(crate) rest: Duration,
    /// Texts to take; generated ones if not given.
    pub(crate) corpus: Option<&'a Path>,
    /// One JSON object a figure.
    pub(crate) json: bool,
}

impl Bench {
    /// Begins a run. Fails where the folder is in memory: nothing is durable there.
    pub(crate) fn begin(setup: &Setup<'_>) -> anyhow::Result<Self> {
        let folder = setup.folder;
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let folder = folder.canonicalize()?;
        let (device, kind) = disk(&folder)?;
        if ["tmpfs", "ramfs"].contains(&kind.as_str()) {
            let what = format!("{} is in memory, where nothing is durable", folder.display());
            return Err(usage(what, "give a folder on a disk with --data DIR").into());
        }
        let cores = std::thread::available_parallelism()?;
        note(&format!("# {cores} cores, data in {} ({kind} on {device})", folder.display()));
        let texts = setup.corpus.map(Texts::read).transpose()?.unwrap_or_default();
        let report = Report::new(setup.name, setup.json);
        Ok(Self { folder, keep: setup.keep, rest: setup.rest, texts, report, begun: Cores::now()? })
    }

    /// A fresh folder; gone when dropped, unless all are kept.
    fn fresh(&self, name: &str) -> anyhow::Result<TempDir> {
        let prefix = format!("lianbo-bench-{name}-");
        let mut folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(&self.folder)?;
        folder.disable_cleanup(self.keep);
        if self.keep {
            note(&format!("# kept: {}", folder.path().display()));
        }
        Ok(folder)
    }

    /// Leaves a process alone for a while, so that its memory is looked at when it is at rest.
    async fn rest(&self) {
        tokio::time::sleep(self.rest).await;
    }

    /// Tells what disk and machine can do just now: `when` is `before` or `after`.
    async fn floor(&self, when: &str) -> anyhow::Result<()> {
        floor::measure(self, when).await
    }
}

/// Reads a flag that counts something, within a range.
fn count(range: RangeInclusive<u64>) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(range)
}

/// Device and kind of the file system a folder is on.
fn disk(folder: &Path) -> anyhow::Result<(String, String)> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").context("this bench needs /proc")?;
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
