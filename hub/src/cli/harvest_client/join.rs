//! `harvest-client join`: a certificate for a token.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use lianbo_node::cli::{Fresh, Global, Output, advise, input, join, output};
use lianbo_node::clock::SystemClock;
use lianbo_node::config::{self, LogConfig};
use lianbo_node::link::connect::Proxy;
use lianbo_node::link::harvest::admit;
use lianbo_node::link::token::Token;

use crate::config::{HarvestConfig, HarvestedConfig, HarvesterConfig};

/// Become a harvester with the one-time token the hub's operator made (`lianbo-hub invite --harvester`)
#[derive(Clone, Debug, Args)]
pub struct Command {
    /// Address of a gRPC listener of the hub: https://HOST:PORT
    url: String,
    /// The token, or - to read it from stdin so that it never stands in the list of processes
    token: String,
    /// A file whose first line is the HTTP CONNECT proxy on the way: `http://[USER:PASSWORD@]HOST:PORT`
    /// (or set `LIANBO_HUB__PROXY`, then and for every command)
    #[arg(long, value_name = "FILE")]
    proxy_file: Option<PathBuf>,
}

impl Command {
    /// Runs it. A join that fails leaves the folder as it was.
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let folder = &global.data;
        let token = match self.token.as_str() {
            "-" => input::secret("token: ")?.parse::<Token>(),
            text => text.parse(),
        };
        let token = token.map_err(|error| advise(error, join::ASK))?;
        let kept = self.proxy_file.as_deref().map(input::secret_file).transpose()?;
        let kept = kept.map(|text| text.to_string());
        let proxy = config::variable("LIANBO_HUB__PROXY").or_else(|| kept.clone());
        let proxy = proxy.as_deref().map(Proxy::parse).transpose()?;
        let fresh = Fresh::claim(folder)?;
        let admitted = admit(&self.url, &token, proxy, Arc::new(SystemClock)).await;
        let admitted = admitted.map_err(join::advice)?;
        let config = HarvestConfig {
            harvester: HarvesterConfig {
                id: admitted.harvester.to_string(),
                code: admitted.code.clone(),
                name: admitted.name.clone(),
            },
            hub: HarvestedConfig {
                url: self.url,
                site: admitted.hub_site.to_string(),
                key: admitted.hub_key.to_string(),
                name: admitted.hub_name.clone(),
                proxy: kept,
            },
            log: LogConfig::default(),
        };
        let written = admitted.pki.save(folder).map_err(anyhow::Error::from);
        written.and_then(|()| Ok(config::save(folder, &config)?)).map_err(|error| {
            let what = error
                .context("the hub let this harvester in, but it could not be written down here");
            advise(what, "ask the hub's operator to revoke this harvester and to make a new token")
        })?;
        fresh.keep();
        let value = serde_json::json!({
            "harvester": admitted.harvester,
            "code": admitted.code,
            "name": admitted.name,
            "hub_site": admitted.hub_site,
            "hub_name": admitted.hub_name,
            "data": folder,
        });
        Output { json: global.json }.either(&value, || {
            let follow = format!("lianbo-hub harvest-client follow --data {}", folder.display());
            output::facts(&[
                ("harvester", format!("{} {}", admitted.code, admitted.name)),
                ("hub", format!("{} {}", admitted.hub_name, admitted.hub_site)),
                ("next", follow),
            ])
        })
    }
}
