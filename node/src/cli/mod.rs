//! The commands of a site, one verb per file. The hub's program has these and its own.
//!
//! What a command has to say goes to stdout: a table for people, or with `--json` one JSON document.
//! Everything else (errors, progress, hints) goes to stderr.

pub mod article;
pub mod column;
mod desk;
mod failure;
mod fresh;
pub mod input;
pub mod join;
pub mod logging;
pub mod notice;
pub mod output;
pub mod print;
mod progress;
pub mod rebuild;
pub mod resume;
pub mod rotate_key;
pub mod status;
pub mod time;
pub mod verify;

pub use desk::{Desk, refused};
pub use failure::{Advised, advise, exit, usage};
pub use fresh::Fresh;
pub use output::Output;
pub use print::note;
pub use progress::Bar;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::content::site;
use crate::entry::SiteId;
use crate::store::{StoreError, Tx};

/// What every command takes.
#[derive(Clone, Debug, clap::Args)]
pub struct Global {
    /// The data folder: lianbo.toml, keys, database
    #[arg(long, global = true, env = "LIANBO_DATA", value_name = "DIR", default_value = ".")]
    pub data: PathBuf,
    /// Print one JSON document (hexadecimal ids, RFC 3339 times) instead of text
    #[arg(long, global = true)]
    pub json: bool,
}

/// The codes of all units known here, by their sites: for lists at the desk.
pub async fn units(tx: &mut Tx) -> Result<BTreeMap<SiteId, String>, StoreError> {
    Ok(site::all(tx).await?.into_iter().map(|it| (it.site, it.unit.code)).collect())
}

/// A site in a list: the code of its unit, or the beginning of its id.
pub fn unit_of(units: &BTreeMap<SiteId, String>, site: SiteId) -> String {
    units.get(&site).cloned().unwrap_or_else(|| output::short(site))
}

/// Runs a program to its end. Installs the cryptography TLS uses before anything asks for it.
pub fn block_on(program: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    // Installed already is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(program)
}

/// Longest reason, in characters: as bodies bound it.
const MAX_REASON: usize = 200;

/// Checks the reason of a retraction or a revocation.
pub fn check_reason(reason: &str) -> Result<(), Advised> {
    let fits = reason.chars().take(MAX_REASON + 1).count() <= MAX_REASON
        && !reason.chars().any(char::is_control);
    if fits {
        Ok(())
    } else {
        Err(usage("the reason is too long", "give one line of at most 200 characters"))
    }
}
