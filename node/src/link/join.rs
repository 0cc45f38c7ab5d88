//! Joining a hub: over a connection that trusts the token's fingerprint alone, a certificate for this
//! site. Nothing is kept here; that is the caller's.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lianbo_proto::v1;
use lianbo_proto::v1::enrol_client::EnrolClient;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tonic::Code;
use tonic::transport::Channel;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::connect::{ConnectError, Connector, Proxy, endpoint};
use super::tls::{
    ClientPki, Peer, PkiError, SeenHub, TlsProblem, TlsSetup, joining_config, new_csr,
};
use super::token::Token;
use crate::clock::SharedClock;
use crate::content::site::check_code;
use crate::entry::{PublicKey, SiteId};
use crate::identity::Identity;
use crate::scope::Scope;

/// How long a hub may take to answer a connection, and again to answer the call.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest text of a hub's refusal worth showing, in characters.
const MAX_MESSAGE: usize = 500;

/// A site that a hub has taken in.
#[derive(Debug)]
pub struct Joined {
    /// The new site and its key.
    pub identity: Identity,
    /// Its certificate.
    pub pki: ClientPki,
    /// The hub's site.
    pub hub_site: SiteId,
    /// The key the hub signs with.
    pub hub_key: PublicKey,
    /// Name of the hub's unit.
    pub hub_name: String,
    /// Code the hub gave this site's unit.
    pub unit_code: String,
    /// Name the hub gave this site's unit.
    pub unit_name: String,
    /// The narrowest scope this site may hold.
    pub ceiling: Scope,
}

/// Why a site could not join. Only where the answer is [`JoinError::Answer`] may the token be spent.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The address is not one.
    #[error(transparent)]
    Address(ConnectError),
    /// Nobody answers.
    #[error("the hub at {url} cannot be reached")]
    Unreachable {
        /// The address.
        url: String,
        /// What happened.
        #[source]
        source: tonic::transport::Error,
    },
    /// The proxy does not let us through.
    #[error("the proxy does not lead to the hub at {url}")]
    Proxy {
        /// The address.
        url: String,
        /// What happened.
        #[source]
        source: tonic::transport::Error,
    },
    /// Whoever answers cannot be trusted.
    #[error("the hub at {url} cannot be trusted")]
    Tls {
        /// The address.
        url: String,
        /// What is wrong.
        #[source]
        source: TlsProblem,
    },
    /// The hub says no; the text is its own.
    #[error("the hub refuses: {message}")]
    Refused {
        /// Why, for programs.
        code: Code,
        /// Why and what to do, for people.
        message: String,
    },
    /// The line broke after the request was sent: the token may be spent.
    #[error("the connection to the hub broke before it answered: {0}")]
    Broken(String),
    /// The answer is not what a hub says.
    #[error("the hub's answer makes no sense: {0}")]
    Answer(&'static str),
    /// The key or the request could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// TLS could not be set up.
    #[error(transparent)]
    Setup(#[from] TlsSetup),
}

/// Has the hub at `url` (`https://HOST[:PORT]`) enrol the new site `identity`, for the token.
pub async fn join(
    url: &str,
    token: &Token,
    identity: Identity,
    proxy: Option<Proxy>,
    clock: SharedClock,
) -> Result<Joined, JoinError> {
    let (csr, key_pem) = new_csr(identity.site)?;
    let (channel, seen) = meet(url, token, proxy, clock.clone()).await?;
    let request = v1::JoinRequest {
        secret: token.secret.to_vec().into(),
        proof: identity.join_proof(&csr),
        csr: csr.into(),
        site: identity.site.0.to_vec().into(),
        key: identity.public().0.to_vec().into(),
        suite: v1::Suite::Ed25519Blake3.into(),
        now_ms: clock.now(),
    };
    let answer = EnrolClient::new(channel).join(request).await;
    let answer = answer.map_err(|status| refused(url, &status))?.into_inner();
    let (pki, hub_site) = certified(&seen, &answer.certificates, &key_pem)?;
    check(&pki, identity.site.into())?;
    let hub_key = signing_key(&answer.hub_key, answer.hub_suite)?;
    if SiteId::from_slice(&answer.hub_site) != Some(hub_site) {
        return Err(JoinError::Answer("it is another site than its certificate says"));
    }
    check_code(&answer.unit_code).map_err(|_| JoinError::Answer("the unit's code is none"))?;
    let ceiling = Scope::from_number(answer.ceiling.into())
        .ok_or(JoinError::Answer("the ceiling is no scope this program knows: upgrade"))?;
    Ok(Joined {
        identity,
        pki,
        hub_site,
        hub_key,
        hub_name: answer.hub_name,
        unit_code: answer.unit_code,
        unit_name: answer.unit_name,
        ceiling,
    })
}

/// A connection to the hub that the token pins, whoever it is.
pub(super) async fn meet(
    url: &str,
    token: &Token,
    proxy: Option<Proxy>,
    clock: SharedClock,
) -> Result<(Channel, SeenHub), JoinError> {
    let (config, seen) = joining_config(token.ca_fingerprint, clock)?;
    let connector = Connector::new(Arc::new(config), None, proxy, PATIENCE);
    let endpoint = endpoint(url).map_err(JoinError::Address)?.timeout(PATIENCE);
    let channel = endpoint.connect_with_connector(connector).await;
    Ok((channel.map_err(|source| unreachable(url, source))?, seen))
}

/// What the hub issued, with the key it was asked for, and the hub's site.
pub(super) fn certified(
    seen: &SeenHub,
    certificates: &[Bytes],
    key_pem: &str,
) -> Result<(ClientPki, SiteId), JoinError> {
    let (Some(ca), Some(hub_site)) = (seen.ca(), seen.site()) else {
        return Err(JoinError::Answer("it showed no certificate"));
    };
    let chain: Vec<_> = certificates.iter().map(|der| CertificateDer::from(der.to_vec())).collect();
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes())
        .map_err(|_| JoinError::Answer("the key made for it cannot be read"))?;
    Ok((ClientPki { ca, chain, key }, hub_site))
}

/// The key a hub says it signs with.
pub(super) fn signing_key(key: &[u8], suite: i32) -> Result<PublicKey, JoinError> {
    PublicKey::from_slice(key).filter(|_| suite == i32::from(v1::Suite::Ed25519Blake3)).ok_or(
        JoinError::Answer("its signing key is of a kind this program does not know: upgrade"),
    )
}

/// Whether the certificate is `peer`'s, over its key, and by the CA that the token pins.
pub(super) fn check(pki: &ClientPki, peer: Peer) -> Result<(), JoinError> {
    let info = pki.info().map_err(|_| JoinError::Answer("the certificate cannot be read"))?;
    if info.peer() != Some(peer) {
        return Err(JoinError::Answer("the certificate is somebody else's"));
    }
    pki.certified_key()
        .map_err(|_| JoinError::Answer("the certificate is not over the key made for it"))?;
    let issued = || {
        let (_, ca) = X509Certificate::from_der(&pki.ca).ok()?;
        let (_, leaf) = X509Certificate::from_der(pki.chain.first()?).ok()?;
        leaf.verify_signature(Some(ca.public_key())).ok()
    };
    issued().ok_or(JoinError::Answer("the certificate is not by the hub's CA"))
}

fn unreachable(url: &str, source: tonic::transport::Error) -> JoinError {
    let url = url.to_owned();
    if let Some(source) = TlsProblem::find(&source).filter(|it| *it != TlsProblem::Closed) {
        return JoinError::Tls { url, source };
    }
    let mut next: Option<&(dyn Error + 'static)> = Some(&source);
    while let Some(error) = next {
        if let Some(ConnectError::Proxy { .. }) = error.downcast_ref() {
            return JoinError::Proxy { url, source };
        }
        next = error.source();
    }
    JoinError::Unreachable { url, source }
}

pub(super) fn refused(url: &str, status: &tonic::Status) -> JoinError {
    if let Some(source) = status.source().and_then(TlsProblem::find) {
        return match source {
            TlsProblem::Closed => JoinError::Broken("it was closed".to_owned()),
            source => JoinError::Tls { url: url.to_owned(), source },
        };
    }
    // From elsewhere, for a terminal.
    let message: String =
        status.message().chars().filter(|c| !c.is_control()).take(MAX_MESSAGE).collect();
    match status.code() {
        Code::Unknown | Code::Cancelled | Code::DeadlineExceeded | Code::Unavailable => {
            JoinError::Broken(message)
        }
        code => JoinError::Refused { code, message },
    }
}

#[cfg(test)]
mod tests;
