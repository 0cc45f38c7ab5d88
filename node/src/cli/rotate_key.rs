//! `rotate-key`: the site takes a further signing key and uses it from now on.

use anyhow::Context as _;
use clap::Args;

use super::Desk;
use crate::content::Record;
use crate::content::site::{self, KeyChange};
use crate::identity::Identity;
use crate::ingest::Draft;
use crate::lifecycle::{NEXT_KEY_FILE, settle_key};
use crate::link::tls::write_file;
use crate::scope::{Audience, Scope};

/// Take a new signing key: says so under the old one, then signs with the new one. Everything signed
/// before stays valid. A serving process goes on with the old key until it is started anew
#[derive(Clone, Copy, Debug, Args)]
pub struct Command {}

impl Command {
    /// Runs it.
    pub async fn run(self, desk: &Desk) -> anyhow::Result<()> {
        let opened = &desk.site;
        let own = opened.identity.site;
        let next = Identity::new_key(own, &mut rand::rng());
        // Kept before it is announced: a crash between leaves a key that the next start takes up if the
        // announcement was kept, and drops if it was not.
        let path = opened.folder.join(NEXT_KEY_FILE);
        write_file(&path, next.to_pem().as_bytes(), 0o600)
            .with_context(|| format!("cannot write {}", path.display()))?;
        let enrolled = site::get(&mut opened.store.read().await?, own).await?;
        // Whoever may come to hold entries of this site has to know its keys, as with its enrolment.
        let scope = match enrolled {
            Some(view) if view.hub => Scope::Public,
            Some(view) => view.ceiling.max(Scope::Organization),
            None => Scope::Organization,
        };
        let change = KeyChange { key: next.public(), proof: next.key_proof() };
        let draft = Draft::new(Audience::all(scope), Record::KeyChange(change));
        opened.door.write(vec![draft]).await?;
        settle_key(&opened.folder, &opened.store, own).await?;
        let value = serde_json::json!({ "site": own, "key": next.public() });
        desk.out
            .either(&value, || format!("this site signs with key {} from now on", next.public()))
    }
}
