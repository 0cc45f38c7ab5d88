//! Figures for monitoring. Sites are named by their id: labels tell no unit, column or title (rule 2).

use std::sync::Arc;
use std::time::Duration;

use lianbo_node::entry::Lane;
use lianbo_node::journal;
use metrics::gauge;
use tracing::warn;

use crate::hub::Hub;
use crate::sources::Registry;

/// How often gauges are set.
const EVERY: Duration = Duration::from_secs(5);

/// Sets the gauges until the hub stops.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) async fn run(hub: Arc<Hub>) {
    let mut tick = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            () = hub.stop.cancelled() => break,
            _ = tick.tick() => {}
        }
        gauge!("lianbo_journal_position").set(*hub.door.end().borrow() as f64);
        gauge!("lianbo_connections").set(hub.connections.count() as f64);
        for (site, member) in &hub.members().sites {
            if *site == hub.identity.site || member.revoked {
                continue;
            }
            let site_label = site.to_string();
            for lane in Lane::ALL {
                let lane_label = if lane == Lane::Control { "control" } else { "content" };
                gauge!("lianbo_site_lag_entries", "site" => site_label.clone(), "lane" => lane_label)
                    .set(hub.lag(*site, lane) as f64);
            }
            gauge!("lianbo_site_connections", "site" => site_label)
                .set(hub.connections.count_of(*site) as f64);
        }
        match Registry::new(hub.store.clone()).standings().await {
            Ok(standings) => {
                for (standing, count) in standings {
                    gauge!("lianbo_sources", "standing" => standing.as_str()).set(count as f64);
                }
            }
            Err(error) => warn!(%error, "sources could not be counted"),
        }
        let forks = async { journal::forks(&mut hub.store.read().await?).await };
        match forks.await {
            Ok(forks) => gauge!("lianbo_forks").set(forks.len() as f64),
            Err(error) => warn!(%error, "forks could not be counted"),
        }
    }
}
