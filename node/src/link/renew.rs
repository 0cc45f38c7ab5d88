//! A fresh certificate before the old one runs out, without a restart.

use std::time::Duration;

use lianbo_proto::v1;
use lianbo_proto::v1::enrol_client::EnrolClient;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tonic::transport::Channel;
use tracing::info;

use super::tls::{CertInfo, ClientPki, PkiError, TlsSetup, certificate_info, new_csr};
use super::{LinkError, Uplink};
use crate::clock::Clock;

/// Whether two thirds of a certificate's life are over.
pub(super) fn is_due(info: &CertInfo, now: i64) -> bool {
    now >= info.not_before_ms + (info.not_after_ms - info.not_before_ms) / 3 * 2
}

/// How often the certificate is looked at.
pub(super) const LOOK: Duration = Duration::from_secs(1);

impl Uplink {
    /// Renews the certificate if two thirds of its life are over; says whether it did.
    pub(super) async fn renew_if_due(&self, channel: &Channel) -> Result<bool, LinkError> {
        let leaf = self.key.borrow().cert.first().cloned();
        let leaf = leaf.ok_or_else(|| LinkError::GiveUp("no certificate".to_owned()))?;
        let info = certificate_info(&leaf).map_err(PkiError::from)?;
        if !is_due(&info, self.clock.now()) {
            return Ok(false);
        }
        self.renew(channel).await?;
        Ok(true)
    }

    /// Waits until the certificate is due, and renews it.
    pub(super) async fn renew_when_due(&self, channel: &Channel) -> Result<(), LinkError> {
        let mut look = tokio::time::interval(LOOK);
        loop {
            look.tick().await;
            if self.renew_if_due(channel).await? {
                return Ok(());
            }
        }
    }

    async fn renew(&self, channel: &Channel) -> Result<(), LinkError> {
        let (csr, key_pem) = new_csr(self.identity.site)?;
        let request = v1::RenewRequest { csr: csr.into() };
        let response = EnrolClient::new(channel.clone()).renew(request).await?.into_inner();
        let chain: Vec<CertificateDer<'static>> = response
            .certificates
            .into_iter()
            .map(|der| CertificateDer::from(der.to_vec()))
            .collect();
        let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes())
            .map_err(|error| LinkError::Protocol(error.to_string()))?;
        let ca = ClientPki::load(&self.folder)?
            .ok_or_else(|| LinkError::GiveUp("the CA certificate is gone".to_owned()))?
            .ca;
        let pki = ClientPki { ca, chain, key };
        let info = pki.info().map_err(PkiError::from)?;
        if info.site != Some(self.identity.site) {
            return Err(LinkError::Protocol("the hub certified another site".to_owned()));
        }
        let certified = pki.certified_key().map_err(|error: TlsSetup| LinkError::Tls(error))?;
        pki.save(&self.folder)?;
        self.clock.raise(info.not_before_ms);
        self.key.send_replace(certified);
        info!(not_after_ms = info.not_after_ms, "certificate renewed");
        Ok(())
    }
}
