//! Waits until nothing is on its way any more, so that what is absent then is absent for good.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use lianbo_node::content::notice;
use lianbo_node::content::receipt::Stage;
use lianbo_node::entry::Lane;
use lianbo_node::journal;
use lianbo_node::scope::Reader;

use super::county::County;
use super::expect::{Row, receivers};
use super::plant::{LOOK, Planted, until, write};
use super::province::Harvested;
use super::script::{Place, marker};
use crate::acks::Acks;

/// How often the counters are looked at.
const AGAIN: Duration = Duration::from_millis(100);

/// Writes a last piece at every site and waits until each has come through, every receipt is there, nothing
/// waits on any link, and no journal has moved while that was looked at.
pub(super) async fn settle(county: &County, planted: &mut Planted) -> anyhow::Result<()> {
    // Upward first: the hub's own marker then stands behind everything the nodes made it do.
    for place in Place::NODES.into_iter().chain([Place::Hub]) {
        let piece = marker(place);
        let id = write(county, &piece).await?;
        planted.articles.push((piece, id));
        let readers: &[Place] = if place == Place::Hub { &Place::NODES } else { &[Place::Hub] };
        for reader in readers {
            until(county, *reader, id, true).await?;
        }
    }
    for (notice, id) in &planted.notices {
        let delivered = receivers(notice).into_iter().map(|place| (place, Stage::Delivered));
        let signed = notice.signed.iter().map(|(place, _)| (*place, Stage::Signed));
        let due: BTreeSet<(Place, Stage)> = delivered.chain(signed).collect();
        while !due.is_subset(&receipts(county, *id).await?) {
            tokio::time::sleep(LOOK).await;
        }
    }
    loop {
        let before = ends(county).await?;
        if quiet(county).await? && before == ends(county).await? {
            return Ok(());
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Waits until the province has all that is published, and has heard of all that was and no longer is.
pub(super) async fn settle_province(county: &County, rows: &[Row]) -> anyhow::Result<()> {
    let province = county.province()?;
    for row in rows.iter().filter(|row| row.was_public()) {
        loop {
            match province.harvested(row.site, row.id)? {
                Harvested::Article(title) if row.in_province() && title == row.title => break,
                Harvested::Withdrawn if row.withdrawn() => break,
                _ => tokio::time::sleep(LOOK).await,
            }
        }
    }
    Ok(())
}

/// The receipts the hub holds for a notice.
pub(super) async fn receipts(
    county: &County,
    id: lianbo_node::entry::RecordId,
) -> anyhow::Result<BTreeSet<(Place, Stage)>> {
    let hub = county.site(Place::Hub)?;
    let reader = Reader::desk(hub.id);
    let found = notice::receipts(&mut hub.store.read().await?, reader, hub.id, id).await?;
    Ok(found.iter().filter_map(|it| Some((county.place_of(it.site)?, it.stage))).collect())
}

async fn ends(county: &County) -> anyhow::Result<Vec<i64>> {
    let mut ends = Vec::new();
    for site in county.sites.values() {
        ends.push(journal::end(&mut site.store.read().await?).await?.position);
    }
    Ok(ends)
}

/// Whether the hub has taken all of every node's, and every node has confirmed all of the hub's journal.
async fn quiet(county: &County) -> anyhow::Result<bool> {
    let hub = county.site(Place::Hub)?;
    let end = journal::end(&mut hub.store.read().await?).await?.position;
    let acks = Acks::load(&hub.store).await?;
    for place in Place::NODES {
        let id = county.site(place)?.id;
        if Lane::ALL.iter().any(|lane| acks.position(id, *lane) < end) {
            return Ok(false);
        }
        let status = county.at(place, &["status"], "").await?;
        let refused = status["refusals"].as_array().context("`status` tells no refusals")?;
        anyhow::ensure!(refused.is_empty(), "the hub refused of {}: {refused:?}", place.name());
        if status["waiting"] != 0 || status["files_coming"] != 0 {
            return Ok(false);
        }
    }
    Ok(true)
}
