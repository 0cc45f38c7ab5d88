//! Join and Renew: how a unit's site gets its certificate and keeps it fresh.

use std::sync::Arc;

use jiff::Timestamp;
use lianbo_node::content::Record;
use lianbo_node::content::site::Enrolment;
use lianbo_node::entry::{PublicKey, SiteId};
use lianbo_node::identity::verify_join_proof;
use lianbo_node::ingest::{Draft, IngestError, Plan, PlanError};
use lianbo_proto::v1;
use tonic::{Request, Response, Status};

use super::Service;
use super::caller::{door_failed, store_failed};
use crate::enrol::ca::CaError;
use crate::enrol::invite::{Invite, InviteError};
use crate::hub::Hub;

/// How far a joining machine's clock may be off: a certificate must not look unborn to it.
const MAX_SKEW_MS: i64 = 5 * 60 * 1000;

#[tonic::async_trait]
impl v1::enrol_server::Enrol for Service {
    async fn join(
        &self,
        request: Request<v1::JoinRequest>,
    ) -> Result<Response<v1::JoinResponse>, Status> {
        join(&self.hub, request.into_inner()).await.map(Response::new)
    }

    async fn renew(
        &self,
        request: Request<v1::RenewRequest>,
    ) -> Result<Response<v1::RenewResponse>, Status> {
        let (site, _) = self.known_peer(&request)?;
        let now_ms = self.hub.clock.now();
        let chain = self
            .hub
            .ca
            .issue_client(
                &request.into_inner().csr,
                site.into(),
                now_ms,
                self.hub.certificate,
                &mut rand::rng(),
            )
            .map_err(|error| bad_csr(&error))?;
        tracing::info!(%site, "certificate renewed");
        let certificates = chain.into_iter().map(|der| der.to_vec().into()).collect();
        Ok(Response::new(v1::RenewResponse { certificates, now_ms }))
    }
}

async fn join(hub: &Arc<Hub>, join: v1::JoinRequest) -> Result<v1::JoinResponse, Status> {
    let site = SiteId::from_slice(&join.site)
        .ok_or_else(|| Status::invalid_argument("site id is not 16 bytes"))?;
    if join.suite != i32::from(v1::Suite::Ed25519Blake3) {
        return Err(Status::failed_precondition(
            "this hub knows signature suite 1 only: upgrade it",
        ));
    }
    let key = PublicKey::from_slice(&join.key)
        .ok_or_else(|| Status::invalid_argument("key is not 32 bytes"))?;
    verify_join_proof(site, key, &join.csr, &join.proof)
        .map_err(|_| Status::invalid_argument("the proof of the site's key does not hold"))?;
    let now = hub.clock.now();
    check_clock(now, join.now_ms)?;
    // The certificate is made first: a request that cannot be certified must not spend the token.
    let chain = hub
        .ca
        .issue_client(&join.csr, site.into(), now, hub.certificate, &mut rand::rng())
        .map_err(|error| bad_csr(&error))?;
    let invite = enrol(hub, site, key, &join.secret).await?;
    hub.refresh_members().await.map_err(|error| store_failed(&error))?;
    tracing::info!(%site, unit = %invite.unit.code, "a unit has joined");
    Ok(v1::JoinResponse {
        certificates: chain.into_iter().map(|der| der.to_vec().into()).collect(),
        hub_site: hub.identity.site.0.to_vec().into(),
        hub_key: hub.identity.public().0.to_vec().into(),
        hub_suite: v1::Suite::Ed25519Blake3.into(),
        hub_name: hub.name.clone(),
        unit_code: invite.unit.code,
        unit_name: invite.unit.name,
        ceiling: i32::try_from(invite.ceiling.number()).unwrap_or(0),
        now_ms: now,
    })
}

/// Before the token is spent: a machine with a wrong clock could not use what it would get.
pub(super) fn check_clock(here: i64, there: i64) -> Result<(), Status> {
    if here.abs_diff(there) <= MAX_SKEW_MS.unsigned_abs() {
        return Ok(());
    }
    Err(Status::failed_precondition(format!(
        "this machine's clock says {}, the hub's says {}; set the clock, then use the same token again",
        instant(there),
        instant(here),
    )))
}

/// Spends the token and signs the enrolment, in one transaction.
async fn enrol(hub: &Hub, site: SiteId, key: PublicKey, secret: &[u8]) -> Result<Invite, Status> {
    if hub.members().sites.get(&site).is_some_and(|member| !member.revoked) {
        return Err(Status::already_exists("this site has joined already"));
    }
    spend(hub, secret, false, move |invite| {
        let enrolment = Enrolment {
            site,
            key,
            unit: invite.unit.clone(),
            ceiling: invite.ceiling,
            invite: Some(invite.id),
            hub: false,
        };
        Draft::new(enrolment.audience(), Record::Enrolment(enrolment))
    })
    .await
}

/// Spends a token made for a site or for a harvester; what `entry` makes of its invitation is signed in the same
/// transaction.
pub(super) async fn spend(
    hub: &Hub,
    secret: &[u8],
    harvester: bool,
    entry: impl FnOnce(&Invite) -> Draft + Send + 'static,
) -> Result<Invite, Status> {
    let now = hub.clock.now();
    let (found, chosen) = tokio::sync::oneshot::channel();
    let secret = secret.to_vec();
    let plan: Plan = Box::new(move |tx| {
        Box::pin(async move {
            let invite = match Invite::find(tx, &secret, harvester, now).await {
                Ok(invite) => invite,
                Err(InviteError::Store(error)) => return Err(PlanError::Store(error)),
                Err(error) => return Err(PlanError::Refused(error.into())),
            };
            let draft = entry(&invite);
            if found.send(invite).is_err() {
                return Ok(Vec::new());
            }
            Ok(vec![draft])
        })
    });
    match hub.door.write_planned(plan).await {
        Ok(_) => chosen.await.map_err(|_| Status::internal("the invitation was lost on its way")),
        Err(IngestError::Refused(why)) => {
            tracing::warn!(%why, "a join was refused");
            Err(match why.downcast_ref::<InviteError>() {
                Some(InviteError::Forged) => Status::not_found(why.to_string()),
                Some(InviteError::Spent | InviteError::Taken(_)) => {
                    Status::already_exists(why.to_string())
                }
                _ => Status::failed_precondition(why.to_string()),
            })
        }
        Err(error) => Err(door_failed(&error)),
    }
}

pub(super) fn bad_csr(error: &CaError) -> Status {
    Status::invalid_argument(format!("certificate request: {error}"))
}

/// A point in time as people write it.
fn instant(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| format!("{ms} ms"), |at| at.to_string())
}
