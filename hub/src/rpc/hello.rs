//! Hello: what both sides hold, and how to go on.

use lianbo_node::entry::{Incarnation, SiteId};
use lianbo_node::heights::{Comparison, Heights, compare};
use lianbo_node::journal;
use lianbo_node::scope::may_rise;
use lianbo_node::wire::{MAX_FRAME, heights_from_proto, heights_to_proto};
use lianbo_proto::v1;
use lianbo_proto::v1::HelloOutcome;
use tonic::{Request, Status};

use super::caller::{Caller, store_failed, subscriptions};
use super::cursor::{Cursor, Verdict};
use super::{Service, WINDOW};
use crate::acks::Ack;
use crate::rpc::follow::lane_of;

/// The one version of the protocol there is.
const PROTOCOL: u32 = 1;

impl Service {
    pub(super) async fn answer_hello(
        &self,
        request: Request<v1::HelloRequest>,
    ) -> Result<v1::HelloResponse, Status> {
        let caller = self.caller(&request)?;
        let hello = request.into_inner();
        if SiteId::from_slice(&hello.site) != Some(caller.site) {
            return Err(Status::permission_denied("the certificate names another site"));
        }
        let incarnation = Incarnation::from_slice(&hello.incarnation)
            .ok_or_else(|| Status::invalid_argument("incarnation is not 16 bytes"))?;
        let own = heights_from_proto(hello.own)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        if own.keys().any(|log| log.site != caller.site) {
            return Err(Status::invalid_argument("a Hello names the caller's own logs only"));
        }
        let subscriptions = subscriptions(hello.subscriptions)?;
        let held = self.held_of(&caller).await.map_err(|error| store_failed(&error))?;
        let mut response = v1::HelloResponse {
            site: self.hub.identity.site.0.to_vec().into(),
            yours: heights_to_proto(&held),
            ceiling: i32::try_from(caller.ceiling().number()).unwrap_or(0),
            max_frame_bytes: u32::try_from(MAX_FRAME).unwrap_or(u32::MAX),
            window_bytes: u32::try_from(WINDOW).unwrap_or(u32::MAX),
            now_ms: self.hub.clock.now(),
            ..v1::HelloResponse::default()
        };
        let (outcome, message) = if hello.protocol == PROTOCOL {
            // Earlier lives are closed books: only what is still written to can be behind or forked.
            let written: Heights = held
                .iter()
                .filter(|(log, _)| log.incarnation == incarnation)
                .map(|(log, height)| (*log, *height))
                .collect();
            match compare(&own, &written) {
                Comparison::Forked(_) => (
                    HelloOutcome::Forked,
                    "two machines wrote the same log: is this a copy of another machine?",
                ),
                _ if self.two_writers(&caller, incarnation).await? => (
                    HelloOutcome::Forked,
                    "two machines write as this site: is one a copy of the other?",
                ),
                Comparison::Behind(_) => (
                    HelloOutcome::RolledBack,
                    "the hub holds more of this site than the site itself: its data are older",
                ),
                Comparison::Ahead => {
                    self.judge_cursors(&caller, &hello.cursors, &subscriptions).await?
                }
            }
        } else {
            (HelloOutcome::Upgrade, "this hub speaks version 1 of the protocol")
        };
        response.set_outcome(outcome);
        message.clone_into(&mut response.message);
        Ok(response)
    }

    async fn held_of(&self, caller: &Caller) -> Result<Heights, lianbo_node::store::StoreError> {
        let mut tx = self.hub.store.read().await?;
        let mut held = journal::heights_of_site(&mut tx, caller.site).await?;
        held.retain(|log, _| may_rise(caller.ceiling(), log.audience));
        Ok(held)
    }

    /// Whether two branches are held of what the caller writes in its present life: the machine that wrote
    /// the first one has yet to learn of the other.
    async fn two_writers(&self, caller: &Caller, incarnation: Incarnation) -> Result<bool, Status> {
        let forks = async { journal::forks(&mut self.hub.store.read().await?).await };
        let forks = forks.await.map_err(|error| store_failed(&error))?;
        Ok(forks.iter().any(|(log, _)| {
            log.site == caller.site
                && log.incarnation == incarnation
                && may_rise(caller.ceiling(), log.audience)
        }))
    }

    async fn judge_cursors(
        &self,
        caller: &Caller,
        cursors: &[v1::LaneCursor],
        subscriptions: &[lianbo_node::sync::filter::Subscription],
    ) -> Result<(HelloOutcome, &'static str), Status> {
        let mut outcome = (HelloOutcome::Resume, "");
        if cursors.len() > 2 {
            return Err(Status::invalid_argument("one cursor a lane"));
        }
        let meta = self.hub.members().meta.clone();
        for named in cursors {
            let lane = lane_of(named.lane)?;
            let filter = self.filter(caller, lane, subscriptions, false);
            let verdict = match Cursor::open(&meta.cursor_key, &named.cursor) {
                None => Verdict::OtherJournal { proven: false },
                Some(cursor) => {
                    let position = cursor.end.position;
                    let here = async {
                        journal::rolling_at(&mut self.hub.store.read().await?, position).await
                    };
                    let here = here.await.map_err(|error| store_failed(&error))?;
                    cursor.judge(&meta, filter.digest(), here)
                }
            };
            match verdict {
                // What a site names in a Hello is durable there.
                Verdict::Good(position) => {
                    let ack = Ack { position, at_ms: self.hub.clock.now() };
                    self.hub.acks.note(caller.site, lane, ack);
                }
                Verdict::OtherFilter => {
                    if outcome.0 == HelloOutcome::Resume {
                        outcome = (HelloOutcome::Snapshot, "what goes over this link has changed");
                    }
                }
                Verdict::OtherJournal { proven } => {
                    if proven {
                        let marked = self.hub.mark_restored().await;
                        marked.map_err(|error| store_failed(&error))?;
                    }
                    outcome = (
                        HelloOutcome::HubRolledBack,
                        "the hub's journal is not the one this cursor was made of",
                    );
                }
            }
        }
        if self.hub.members().refilling() {
            // At every Hello until the operator's word: an offer may have broken off half-way.
            outcome =
                (HelloOutcome::HubRolledBack, "the hub lost data and takes back what it lacks");
        }
        Ok(outcome)
    }
}
