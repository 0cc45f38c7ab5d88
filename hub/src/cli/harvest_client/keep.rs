//! Where a harvester puts what it takes over: files, or stdout.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use bytes::Bytes;
use lianbo_node::cli::{output, print, time};
use lianbo_node::content::article::Harvested;
use lianbo_node::link::harvest::Page;
use lianbo_node::link::tls::write_file;

/// How far it has read, in the data folder.
const CURSOR: &str = "harvest.cursor";
/// Largest cursor worth reading, in bytes; a hub's are a hundred or so.
const MAX_CURSOR: u64 = 64 * 1024;

/// Keeps pages: first their items, then their cursor. Whatever is cut off in between comes again.
#[derive(Debug)]
pub(super) struct Keeper {
    cursor: PathBuf,
    out: Option<PathBuf>,
    json: bool,
}

impl Keeper {
    /// Cursor in `folder`; items go to one file each in `out`, or else to stdout.
    pub(super) fn new(folder: &Path, out: Option<PathBuf>, json: bool) -> anyhow::Result<Self> {
        if let Some(out) = &out {
            std::fs::create_dir_all(out)
                .with_context(|| format!("cannot make the folder {}", out.display()))?;
        }
        Ok(Self { cursor: folder.join(CURSOR), out, json })
    }

    /// Where to go on from; empty to begin.
    pub(super) fn cursor(&self) -> anyhow::Result<Bytes> {
        let cannot = || format!("cannot read {}", self.cursor.display());
        match std::fs::metadata(&self.cursor) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Bytes::new()),
            Err(error) => Err(error).with_context(cannot),
            Ok(file) if file.len() > MAX_CURSOR => anyhow::bail!("{}: too long", cannot()),
            Ok(_) => Ok(std::fs::read(&self.cursor).with_context(cannot)?.into()),
        }
    }

    /// Keeps a page.
    pub(super) fn keep(&self, page: &Page) -> anyhow::Result<()> {
        for item in &page.items {
            match &self.out {
                Some(out) => file(out, item)?,
                None => print::text(&self.line(item)?)?,
            }
        }
        write_file(&self.cursor, &page.cursor, 0o600)
            .with_context(|| format!("cannot write {}", self.cursor.display()))
    }

    fn line(&self, item: &Harvested) -> anyhow::Result<String> {
        if self.json {
            return Ok(format!("{}\n", serde_json::to_string(item)?));
        }
        let line = match item {
            Harvested::Article(it) => {
                let at = time::beijing_text(it.published_ms);
                format!("{at}  {}  {}  {}", it.unit_name, it.title, it.page)
            }
            Harvested::Withdrawn(it) => format!("withdrawn  {}  {}", it.id, it.reason),
        };
        Ok(format!("{}\n", output::plain(line.trim_end()).replace('\n', " ")))
    }
}

/// One file an article, named by its UUID. A withdrawn one says so in the place of its text.
fn file(out: &Path, item: &Harvested) -> anyhow::Result<()> {
    let name = item.id().trim_start_matches("urn:uuid:");
    let path = out.join(format!("{name}.json"));
    let mut text = serde_json::to_string_pretty(item)?;
    text.push('\n');
    write_file(&path, text.as_bytes(), 0o644)
        .with_context(|| format!("cannot write {}", path.display()))
}
