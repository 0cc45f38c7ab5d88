//! `init`: a new hub, or with `--recover` the same one on an empty disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use lianbo_node::cli::{Fresh, Global, Output, advise, input, note, output, usage};
use lianbo_node::clock::{Clock, SystemClock};
use lianbo_node::config::{self, UnitConfig, database_address, default_database};
use lianbo_node::content::site::Unit;
use lianbo_node::identity::Identity;
use lianbo_node::journal::{Meta, Standing};
use lianbo_node::lifecycle::{self, KEY_FILE, Site};
use lianbo_node::link::tls::ca_fingerprint;
use lianbo_node::store::Store;
use zeroize::Zeroizing;

use super::own_enrolment;
use crate::config::HubConfig;
use crate::enrol::ca::Ca;
use crate::recovery::{Recovery, generate_passphrase};

/// Shortest passphrase an operator may choose, in characters.
const MIN_PASSPHRASE: usize = 12;
/// Name of the recovery file in the data folder, if no other is given.
const RECOVERY_FILE: &str = "lianbo-recovery.txt";

/// Make a new hub: its site, its certificate authority, its configuration, and an encrypted recovery file
///
/// The recovery file holds the keys of the site and of the CA. Keep it, and its passphrase, away from this
/// machine: with both, `init --recover` raises the same hub on an empty disk.
#[derive(Clone, Debug, Args)]
pub struct Command {
    /// Code of the hub's own unit: lower-case letters, digits and hyphens
    #[arg(long)]
    code: String,
    /// Name (名称) of the hub's own unit, as pages show it
    #[arg(long)]
    name: String,
    /// Where to write the recovery file; lianbo-recovery.txt in the data folder if not given
    #[arg(long, value_name = "FILE", conflicts_with = "recover")]
    recovery_file: Option<PathBuf>,
    /// A file whose first line is the recovery file's passphrase; without it a new one is made and printed
    /// once (`init`), or asked for (`init --recover`; from stdin where that is no terminal)
    #[arg(long, value_name = "FILE")]
    recovery_passphrase_file: Option<PathBuf>,
    /// A file whose first line is the database's address, `sqlite:PATH` or
    /// `postgres://USER:PASSWORD@HOST/NAME`, kept in lianbo.toml (or set `LIANBO_DATABASE`, then and for
    /// every command)
    #[arg(long, value_name = "FILE")]
    database_file: Option<PathBuf>,
    /// Raise a hub again from its recovery file. It signs nothing until `resume`: first let its nodes
    /// connect and give back what they hold
    #[arg(long, value_name = "FILE")]
    recover: Option<PathBuf>,
}

/// What makes a hub this hub.
struct Keys {
    identity: Identity,
    ca: Ca,
}

impl Command {
    /// Runs it. An init that fails leaves the folder as it was.
    pub async fn run(self, global: &Global) -> anyhow::Result<()> {
        let folder = &global.data;
        let unit = UnitConfig { code: self.code.clone(), name: self.name.clone() };
        let checked =
            Unit { code: unit.code.clone(), name: unit.name.clone(), parent: String::new() };
        checked.check().map_err(|error| usage(error, "give another --code or --name"))?;
        let kept = self.database_file.as_deref().map(input::secret_file).transpose()?;
        let kept = kept.map_or_else(default_database, |text| text.to_string());
        let config = HubConfig::new(unit, kept);
        let database = match config::variable("LIANBO_DATABASE") {
            Some(database) => {
                note("LIANBO_DATABASE is used and not written down: set it for every command");
                database
            }
            None => config.database.clone(),
        };
        let mut fresh = Fresh::claim(folder)?;
        let now = SystemClock.now();
        let (keys, told) = if let Some(file) = &self.recover {
            (self.recovered(file).await?, None)
        } else {
            let (keys, told) = self.generated(folder, now).await?;
            (keys, Some(told))
        };
        let address = database_address(folder, &database);
        fresh.database(&address)?;
        let store = Store::open(&address).await?;
        if Meta::load(&mut store.read().await?).await?.is_some() {
            let next = "give an empty database, or run the other commands on this one";
            return Err(advise("the database holds a site already", next).into());
        }
        if let Some(Told { text, path, .. }) = &told {
            fresh.write(path, text.as_bytes())?;
        }
        fresh.write(&folder.join(KEY_FILE), keys.identity.to_pem().as_bytes())?;
        keys.ca.save(folder)?;
        config::save(folder, &config)?;
        let own = (keys.identity.site, keys.identity.public());
        let mut meta = Meta::generate(own.0, &mut rand::rng());
        if self.recover.is_some() {
            meta.standing = Standing::Restored;
        }
        let hash = ca_fingerprint(keys.ca.certificate());
        lifecycle::set_up(&store, &meta, own.1, own).await?;
        if self.recover.is_none() {
            let draft = own_enrolment(&keys.identity, &config);
            let site = Site::run(folder, store, keys.identity, Arc::new(SystemClock));
            let written = site.door.write(vec![draft]).await;
            site.close().await;
            written?;
        } else {
            store.close().await;
        }
        fresh.keep();
        said(global, own.0, &hex::encode(hash), told.as_ref())
    }

    /// A new hub's keys, and its recovery file (not written yet).
    async fn generated(&self, folder: &Path, now: i64) -> anyhow::Result<(Keys, Told)> {
        let path = self.recovery_file.clone().unwrap_or_else(|| folder.join(RECOVERY_FILE));
        if path.exists() {
            let what = format!("{} exists already", path.display());
            return Err(advise(what, "give another name with --recovery-file FILE").into());
        }
        let chosen =
            self.recovery_passphrase_file.as_deref().map(input::secret_file).transpose()?;
        if chosen.as_ref().is_some_and(|it| it.chars().count() < MIN_PASSPHRASE) {
            let what = format!("the passphrase has fewer than {MIN_PASSPHRASE} characters");
            return Err(advise(what, "choose a longer one, or let `init` make one").into());
        }
        let made = chosen.is_none();
        let passphrase = chosen.unwrap_or_else(|| generate_passphrase(&mut rand::rng()));
        let identity = Identity::generate(&mut rand::rng());
        let ca = Ca::generate(&self.name, identity.site, now, &mut rand::rng())?;
        let recovery = Recovery {
            site: identity.site,
            site_key_pem: identity.to_pem(),
            ca_key_pem: ca.key_pem(),
            ca_certificate_pem: ca.certificate_pem(),
        };
        let sealing = passphrase.clone();
        let sealed = move || recovery.seal(&sealing, &mut rand::rng());
        let text = tokio::task::spawn_blocking(sealed).await??;
        let told = Told { text, path, passphrase: made.then_some(passphrase) };
        Ok((Keys { identity, ca }, told))
    }

    /// The keys in a recovery file.
    async fn recovered(&self, file: &Path) -> anyhow::Result<Keys> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let passphrase = match &self.recovery_passphrase_file {
            Some(file) => input::secret_file(file)?,
            None => input::secret("passphrase of the recovery file: ")?,
        };
        let opening = move || Recovery::open(&text, &passphrase);
        let recovery = tokio::task::spawn_blocking(opening)
            .await?
            .with_context(|| format!("{} cannot be opened", file.display()))?;
        let identity = Identity::from_pem(recovery.site, &recovery.site_key_pem)?;
        let ca = Ca::from_pem(&recovery.ca_certificate_pem, &recovery.ca_key_pem)?;
        Ok(Keys { identity, ca })
    }
}

/// The recovery file, and its passphrase if it was made here: shown once, kept nowhere.
struct Told {
    text: String,
    path: PathBuf,
    passphrase: Option<Zeroizing<String>>,
}

fn said(
    global: &Global,
    site: lianbo_node::entry::SiteId,
    fingerprint: &str,
    told: Option<&Told>,
) -> anyhow::Result<()> {
    let folder = global.data.display().to_string();
    let file = told.map(|it| it.path.display().to_string());
    let passphrase = told.and_then(|it| it.passphrase.as_ref()).map(|it| it.to_string());
    let value = serde_json::json!({
        "site": site,
        "data": folder,
        "ca_fingerprint": fingerprint,
        "recovery_file": file,
        "recovery_passphrase": passphrase,
    });
    Output { json: global.json }.either(&value, || {
        let mut facts = vec![
            ("site", site.to_string()),
            ("data folder", folder.clone()),
            ("CA fingerprint", fingerprint.to_owned()),
        ];
        if let Some(file) = file {
            facts.push(("recovery file", format!("{file} (move it away from this machine)")));
        }
        if let Some(passphrase) = passphrase {
            facts
                .push(("its passphrase", format!("{passphrase} (shown this once: write it down)")));
        }
        let next = if told.is_some() {
            format!(
                "see the addresses in {folder}/{}, then: lianbo-hub serve --data {folder}",
                config::FILE
            )
        } else {
            format!(
                "lianbo-hub serve --data {folder}; when the nodes have given back what they hold: \
                 lianbo-hub resume --data {folder}"
            )
        };
        facts.push(("next", next));
        output::facts(&facts)
    })
}
