//! Joining as a harvester: a certificate for a token. Nothing is kept here; that is the caller's.

use lianbo_proto::v1;
use lianbo_proto::v1::harvest_client::HarvestClient;

use crate::clock::SharedClock;
use crate::content::site::check_code;
use crate::entry::{HarvesterId, PublicKey, SiteId};
use crate::link::connect::Proxy;
use crate::link::join::{JoinError, certified, check, meet, refused, signing_key};
use crate::link::tls::{ClientPki, new_csr};
use crate::link::token::Token;

/// A harvester that a hub let in.
#[derive(Debug)]
pub struct Admitted {
    /// Its certificate.
    pub pki: ClientPki,
    /// The id the hub gave it.
    pub harvester: HarvesterId,
    /// Code the hub knows it by.
    pub code: String,
    /// Name the hub knows it by.
    pub name: String,
    /// The hub's site.
    pub hub_site: SiteId,
    /// The key the hub signs with.
    pub hub_key: PublicKey,
    /// Name of the hub's unit.
    pub hub_name: String,
}

/// Has the hub at `url` (`https://HOST[:PORT]`) let this program in, for the token.
pub async fn admit(
    url: &str,
    token: &Token,
    proxy: Option<Proxy>,
    clock: SharedClock,
) -> Result<Admitted, JoinError> {
    let (csr, key_pem) = new_csr("harvester")?;
    let (channel, seen) = meet(url, token, proxy, clock.clone()).await?;
    let request = v1::HarvestJoinRequest {
        secret: token.secret.to_vec().into(),
        csr: csr.into(),
        now_ms: clock.now(),
    };
    let answer = HarvestClient::new(channel).join(request).await;
    let answer = answer.map_err(|status| refused(url, &status))?.into_inner();
    let (pki, hub_site) = certified(&seen, &answer.certificates, &key_pem)?;
    let harvester = HarvesterId::from_slice(&answer.harvester)
        .ok_or(JoinError::Answer("the harvester's id is none"))?;
    check(&pki, harvester.into())?;
    let hub_key = signing_key(&answer.hub_key, answer.hub_suite)?;
    if SiteId::from_slice(&answer.hub_site) != Some(hub_site) {
        return Err(JoinError::Answer("it is another site than its certificate says"));
    }
    check_code(&answer.code).map_err(|_| JoinError::Answer("the harvester's code is none"))?;
    Ok(Admitted {
        pki,
        harvester,
        code: answer.code,
        name: answer.name,
        hub_site,
        hub_key,
        hub_name: answer.hub_name,
    })
}
