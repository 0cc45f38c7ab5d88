//! The answering end: who may connect at all. What each caller may do is decided call by call elsewhere.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig,
    SignatureScheme,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{ALPN, Current, TlsSetup, TlsTime, VERSIONS, certificate_info, provider, unix_time};
use crate::clock::Clock;

/// Turns connections into TLS ones. Cheap to clone.
#[derive(Clone)]
pub struct Acceptor(TlsAcceptor);

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
    }
}

impl Acceptor {
    /// Shows `own` (server certificate with the CA behind it; what is in the channel at the moment of
    /// connecting) and takes callers without a certificate, with a valid one of `ca`, or with an expired
    /// one of `ca`. `clock` is the one with the kept floor.
    pub fn new(
        ca: &CertificateDer<'static>,
        own: watch::Receiver<Arc<CertifiedKey>>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TlsSetup> {
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone())?;
        let inner = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
            .allow_unauthenticated()
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let mut config = ServerConfig::builder_with_details(provider(), Arc::new(TlsTime(clock)))
            .with_protocol_versions(VERSIONS)?
            .with_client_cert_verifier(Arc::new(OursOrNobody(inner)))
            .with_cert_resolver(Arc::new(Current(own)));
        config.alpn_protocols = vec![ALPN.to_vec()];
        // A resumed session skips the check of the certificate.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// The handshake. Bounded in time by the caller.
    pub async fn accept<IO>(&self, io: IO) -> std::io::Result<TlsStream<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        self.0.accept(io).await
    }
}

/// Checks that a certificate was issued by our CA and is not from the future. An expired one passes:
/// a site that slept past its renewal may still ask for one.
#[derive(Debug)]
struct OursOrNobody(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for OursOrNobody {
    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        match self.0.verify_client_cert(leaf, others, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. },
            )) => {
                // Expiry is looked at before the signature: check again as of its last valid moment.
                let info = certificate_info(leaf).map_err(|_| {
                    rustls::Error::InvalidCertificate(CertificateError::BadEncoding)
                })?;
                self.0.verify_client_cert(leaf, others, unix_time(info.not_after_ms))
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn offer_client_auth(&self) -> bool {
        self.0.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }
}
