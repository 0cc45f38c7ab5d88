//! Hello and Offer, from the node's side.

use std::collections::BTreeSet;

use lianbo_proto::v1;
use lianbo_proto::v1::HelloOutcome;
use lianbo_proto::v1::sync_client::SyncClient;
use tonic::transport::Channel;

use super::{LinkError, Uplink};
use crate::args;
use crate::entry::{Hash, LogId, SiteId};
use crate::heights::{Height, Heights};
use crate::journal::{self, Standing};
use crate::scope::{Reader, may_rise};
use crate::store::{StoreError, Tx};
use crate::sync::filter::Subscription;
use crate::sync::session::{Answer, Outcome, Session, Step};
use crate::wire::{heights_from_proto, heights_to_proto, scope_from_proto};

/// A Hello and what came of it.
pub(super) struct Greeting {
    pub(super) answer: Answer,
    /// This site must not sign before it was refilled: an entry the hub holds of the present incarnation
    /// is not ours, or these data were restored.
    pub(super) doubt: bool,
    /// Logs of which the hub holds another branch, or may lack one held here.
    pub(super) forked: BTreeSet<LogId>,
    pub(super) subscriptions: Vec<Subscription>,
    /// The hub stops sending when so many bytes are not acknowledged.
    pub(super) window: usize,
}

impl Greeting {
    /// This site as a reader of its hub.
    pub(super) fn reader(&self, uplink: &Uplink) -> Reader {
        Reader::site(uplink.identity.site, uplink.ceiling, self.answer.ceiling)
    }

    /// Logs that may be named over this link.
    pub(super) fn nameable(&self, mut heights: Heights) -> Heights {
        heights.retain(|log, _| may_rise(self.answer.ceiling, log.audience));
        heights
    }
}

impl Uplink {
    pub(super) async fn greet(
        &self,
        client: &mut SyncClient<Channel>,
    ) -> Result<Greeting, LinkError> {
        let meta = self.meta().await?;
        let mut tx = self.store.read().await?;
        let mut own = journal::heights_of_site(&mut tx, meta.site).await?;
        own.retain(|log, _| may_rise(self.ceiling, log.audience));
        let cursors = journal::cursors(&mut tx).await?;
        let subscriptions = journal::subscriptions(&mut tx).await?;
        drop(tx);
        let request = v1::HelloRequest {
            protocol: 1,
            site: meta.site.0.to_vec().into(),
            incarnation: meta.incarnation.0.to_vec().into(),
            own: heights_to_proto(&own),
            cursors: cursors
                .into_iter()
                .map(|(lane, cursor)| v1::LaneCursor { lane: lane as i32, cursor })
                .collect(),
            subscriptions: subscriptions_to_proto(&subscriptions),
        };
        let response = client.hello(request).await?.into_inner();
        let outcome = match response.outcome() {
            HelloOutcome::Resume => Outcome::Resume,
            HelloOutcome::Snapshot => Outcome::Snapshot,
            HelloOutcome::HubRolledBack => Outcome::HubRolledBack,
            HelloOutcome::RolledBack => Outcome::RolledBack,
            HelloOutcome::Forked => Outcome::Forked,
            HelloOutcome::Upgrade => Outcome::Upgrade,
            HelloOutcome::Unspecified => {
                return Err(LinkError::Protocol("an unknown outcome of a Hello".to_owned()));
            }
        };
        let window = usize::try_from(response.window_bytes).unwrap_or(usize::MAX);
        let answer = Answer {
            outcome,
            message: response.message,
            hub: SiteId::from_slice(&response.site)
                .ok_or_else(|| LinkError::Protocol("the hub's id is not 16 bytes".to_owned()))?,
            yours: heights_from_proto(response.yours)?,
            ceiling: scope_from_proto(response.ceiling)?,
        };
        let mut tx = self.store.read().await?;
        let mut doubt = meta.standing == Standing::Restored;
        let mut forked = BTreeSet::new();
        for (log, height) in &answer.yours {
            if differs(&mut tx, log, height).await? {
                doubt |= log.incarnation == meta.incarnation;
                forked.insert(*log);
            }
        }
        // Branches that left the hub's below its height.
        let branches = journal::forks(&mut tx).await?.into_iter().map(|(log, _)| log);
        forked
            .extend(branches.filter(|log| log.site == meta.site && answer.yours.contains_key(log)));
        Ok(Greeting { answer, doubt, forked, subscriptions, window })
    }

    /// The hub lost data: names everything held, learns what it wants.
    pub(super) async fn offer(
        &self,
        client: &mut SyncClient<Channel>,
        session: &mut Session,
        greeting: &Greeting,
    ) -> Result<Step, LinkError> {
        let held = journal::heights_of_all(&mut self.store.read().await?).await?;
        let offered = greeting.nameable(held);
        let request = v1::OfferRequest { held: heights_to_proto(&offered) };
        let wanted = heights_from_proto(client.offer(request).await?.into_inner().wanted)?;
        let mut tx = self.store.write().await?;
        crate::content::files::give_again(&mut tx, self.hub).await?;
        tx.commit().await?;
        tracing::warn!(logs = wanted.len(), "the hub lost data and takes back what is held here");
        let mut tx = self.store.read().await?;
        let mut above = std::collections::BTreeMap::new();
        for (log, height) in wanted {
            // Where the hub's log goes on from another entry, it lacks a branch of it.
            let branch = height.seq > 0 && differs(&mut tx, &log, &height).await?;
            above.insert(log, if branch { 0 } else { height.seq });
        }
        drop(tx);
        session.wanted(above, &offered).map_err(|error| LinkError::Protocol(error.to_string()))
    }
}

/// Whether what is held here at this place is another entry than the hub's.
async fn differs(tx: &mut Tx, log: &LogId, height: &Height) -> Result<bool, StoreError> {
    let sql = "SELECT e.hash FROM entries e JOIN logs l ON l.log = e.log \
               WHERE l.site = $1 AND l.incarnation = $2 AND l.scope = $3 AND l.addressee = $4 \
               AND l.lane = $5 AND e.seq = $6";
    let audience = log.audience;
    let values =
        args![log.site, log.incarnation, audience.scope, audience.addressee, log.lane, height.seq];
    let rows = tx.all(sql, values).await?;
    let held: Vec<Hash> = rows.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?;
    Ok(!held.is_empty() && held != [height.hash])
}

pub(super) fn subscriptions_to_proto(list: &[Subscription]) -> Vec<v1::Subscription> {
    list.iter()
        .map(|wanted| v1::Subscription {
            site: wanted.site.map(|site| site.0.to_vec().into()).unwrap_or_default(),
            column: wanted.column.clone(),
        })
        .collect()
}
