//! `invite`: a one-time token for a unit.

use clap::Args;
use lianbo_node::cli::{Desk, advise, note, time};
use lianbo_node::content::site::Unit;
use lianbo_node::link::tls::ca_fingerprint;
use lianbo_node::link::token::Token;
use lianbo_node::scope::Scope;
use rand::RngExt;

use crate::config::HubConfig;
use crate::enrol::ca::Ca;
use crate::enrol::invite::Invite;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Make a one-time token with which a unit's node joins, or a harvester (省级采集); it is printed alone, the command
/// to use it on stderr
#[derive(Clone, Debug, Args)]
pub struct Command {
    /// Code of the unit or the harvester: lower-case letters, digits and hyphens
    #[arg(long)]
    code: String,
    /// Name (名称) of the unit or the harvester
    #[arg(long)]
    name: String,
    /// Code of the unit it stands under in the tree of organisations; at the top if not given
    #[arg(long, value_name = "CODE")]
    parent: Option<String>,
    /// The narrowest scope its site may hold: internal only for a node on the department's own LAN,
    /// organization for one on the private network, public for one on the internet
    #[arg(long, value_name = "SCOPE", required_unless_present = "harvester")]
    ceiling: Option<Scope>,
    /// For a program that takes over what this hub publishes, and is no site: it sees what is public, nothing else
    #[arg(long, conflicts_with_all = ["ceiling", "parent"])]
    harvester: bool,
    /// How many days the token is good for
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(i64).range(1..=90))]
    days: i64,
    /// Address at which the node reaches this hub, for the printed command
    #[arg(long)]
    url: Option<String>,
}

impl Command {
    /// Runs it.
    pub async fn run(self, desk: &Desk, config: &HubConfig) -> anyhow::Result<()> {
        let ca = Ca::load(&desk.site.folder)?.ok_or_else(no_ca)?;
        let ca_fingerprint = ca_fingerprint(ca.certificate());
        let token = Token { secret: rand::rng().random(), ca_fingerprint };
        let now = desk.now();
        let parent = self.parent.unwrap_or_default();
        let ceiling = self.ceiling.unwrap_or(Scope::Public);
        let invite = Invite {
            id: token.invite_id(),
            unit: Unit { code: self.code, name: self.name, parent },
            ceiling,
            harvester: self.harvester,
            created_ms: now,
            expires_ms: now + self.days * DAY_MS,
        };
        let mut tx = desk.site.store.write().await?;
        invite.save(&mut tx).await?;
        tx.commit().await?;
        let url = self.url.unwrap_or_else(|| address(config, ceiling));
        let text = token.to_text();
        let value = serde_json::json!({
            "token": *text,
            "url": url,
            "invite": invite.id,
            "unit": invite.unit,
            "ceiling": invite.ceiling,
            "harvester": invite.harvester,
            "expires_ms": invite.expires_ms,
        });
        if !desk.out.json {
            let (whose, command) = if invite.harvester {
                ("harvester's", "lianbo-hub harvest-client join")
            } else {
                ("unit's", "lianbo-node join")
            };
            note(&format!(
                "good once, until {} (Beijing time); treat it as a password. On the {whose} machine:\n  \
                 {command} {url} - --data DIR    # then paste the token",
                time::beijing_text(invite.expires_ms)
            ));
        }
        desk.out.either(&value, || text.to_string())
    }
}

pub(super) fn no_ca() -> anyhow::Error {
    let next =
        "put ca.crt and ca.key back from the recovery file (init --recover into another folder)";
    advise("the data folder holds no CA", next).into()
}

/// The address a site with this ceiling uses, as far as the configuration tells.
fn address(config: &HubConfig, ceiling: Scope) -> String {
    let grpc = Scope::ALL
        .into_iter()
        .filter(|scope| *scope >= ceiling)
        .find_map(|scope| config.listen.of(scope)?.grpc);
    let host = config.names.first();
    match (host, grpc) {
        (Some(host), Some(grpc)) => format!("https://{host}:{}", grpc.port()),
        (None, Some(grpc)) if !grpc.ip().is_unspecified() => format!("https://{grpc}"),
        (None, Some(grpc)) => format!("https://HOST:{}", grpc.port()),
        _ => "https://HOST:PORT".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lianbo_node::config::UnitConfig;

    #[test]
    fn the_printed_address_is_of_a_network_the_site_stands_in() {
        let unit = UnitConfig { code: "county".into(), name: "县".into() };
        let mut config = HubConfig::new(unit, String::new());
        assert_eq!(address(&config, Scope::Organization), "https://127.0.0.1:7342");
        config.listen.organization = None;
        assert_eq!(address(&config, Scope::Organization), "https://127.0.0.1:7343");
        config.names = vec!["hub.example".to_owned()];
        assert_eq!(address(&config, Scope::Internal), "https://hub.example:7341");
    }
}
