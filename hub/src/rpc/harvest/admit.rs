//! Join and Renew: how a harvester gets its certificate and keeps it fresh.

use lianbo_node::content::Record;
use lianbo_node::content::harvester::Harvester;
use lianbo_node::entry::HarvesterId;
use lianbo_node::ingest::Draft;
use lianbo_proto::v1;
use rand::RngExt;
use rustls::pki_types::CertificateDer;
use tonic::Status;

use crate::hub::Hub;
use crate::rpc::caller::store_failed;
use crate::rpc::enrol::{bad_csr, check_clock, spend};

pub(super) async fn join(
    hub: &Hub,
    join: v1::HarvestJoinRequest,
) -> Result<v1::HarvestJoinResponse, Status> {
    let now = hub.clock.now();
    check_clock(now, join.now_ms)?;
    let id = HarvesterId(rand::rng().random());
    // The certificate is made first: a request that cannot be certified must not spend the token.
    let certificates = issue(hub, id, &join.csr)?;
    let invite = spend(hub, &join.secret, true, move |invite| {
        let (code, name) = (invite.unit.code.clone(), invite.unit.name.clone());
        let harvester = Harvester { id, code, name, invite: invite.id };
        Draft::new(Harvester::AUDIENCE, Record::Harvester(harvester))
    })
    .await?;
    hub.refresh_members().await.map_err(|error| store_failed(&error))?;
    tracing::info!(harvester = %invite.unit.code, "a harvester has joined");
    Ok(v1::HarvestJoinResponse {
        certificates,
        harvester: id.0.to_vec().into(),
        code: invite.unit.code,
        name: invite.unit.name,
        hub_site: hub.identity.site.0.to_vec().into(),
        hub_key: hub.identity.public().0.to_vec().into(),
        hub_suite: v1::Suite::Ed25519Blake3.into(),
        hub_name: hub.name.clone(),
        now_ms: now,
    })
}

pub(super) fn renew(
    hub: &Hub,
    id: HarvesterId,
    renew: &v1::HarvestRenewRequest,
) -> Result<v1::HarvestRenewResponse, Status> {
    let certificates = issue(hub, id, &renew.csr)?;
    tracing::info!(harvester = %id, "certificate renewed");
    Ok(v1::HarvestRenewResponse { certificates, now_ms: hub.clock.now() })
}

fn issue(hub: &Hub, id: HarvesterId, csr: &[u8]) -> Result<Vec<bytes::Bytes>, Status> {
    let chain = hub
        .ca
        .issue_client(csr, id.into(), hub.clock.now(), hub.certificate, &mut rand::rng())
        .map_err(|error| bad_csr(&error))?;
    Ok(chain.into_iter().map(|der: CertificateDer<'_>| der.to_vec().into()).collect())
}
