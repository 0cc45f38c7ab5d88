//! The calling end: whom to believe.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::VerifierBuilderError;
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio::sync::watch;

use super::{
    ALPN, Current, TlsProblem, TlsSetup, TlsTime, VERSIONS, ca_fingerprint, certificate_info,
    hub_name, provider, unix_time,
};
use crate::clock::Clock;
use crate::entry::SiteId;

/// For a site that has joined: believes `ca` alone and shows `own`, the certificate of the moment.
/// Connect by the name [`hub_name`]. `clock` is the one with the kept floor.
pub fn joined_config(
    ca: &CertificateDer<'static>,
    own: watch::Receiver<Arc<CertifiedKey>>,
    clock: Arc<dyn Clock>,
) -> Result<ClientConfig, TlsSetup> {
    let verifier = Joined { inner: web_pki(ca)? };
    let mut config =
        builder(clock, Arc::new(verifier))?.with_client_cert_resolver(Arc::new(Current(own)));
    finish(&mut config);
    Ok(config)
}

/// For a site that joins: believes the hub whose chain ends in the CA certificate with this
/// fingerprint (SHA-256 of its DER) and shows no certificate. Whatever name it is reached by is good:
/// the fingerprint came with the token, and only the hub has a server certificate under that CA.
pub fn joining_config(
    fingerprint: [u8; 32],
    clock: Arc<dyn Clock>,
) -> Result<(ClientConfig, SeenHub), TlsSetup> {
    let seen = SeenHub::default();
    let verifier = Joining { fingerprint, seen: seen.clone() };
    let mut config = builder(clock, Arc::new(verifier))?.with_no_client_auth();
    finish(&mut config);
    Ok((config, seen))
}

/// The hub a joining site met. Filled before the handshake ends, so read it only over a connection
/// that stands.
#[derive(Clone, Debug, Default)]
pub struct SeenHub(Arc<OnceLock<(CertificateDer<'static>, SiteId)>>);

impl SeenHub {
    /// The hub's CA certificate.
    pub fn ca(&self) -> Option<CertificateDer<'static>> {
        self.0.get().map(|(ca, _)| ca.clone())
    }

    /// The hub's site, from the name in its certificate.
    pub fn site(&self) -> Option<SiteId> {
        self.0.get().map(|(_, site)| *site)
    }
}

fn builder(
    clock: Arc<dyn Clock>,
    verifier: Arc<dyn ServerCertVerifier>,
) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>, TlsSetup> {
    Ok(ClientConfig::builder_with_details(provider(), Arc::new(TlsTime(clock)))
        .with_protocol_versions(VERSIONS)?
        .dangerous()
        .with_custom_certificate_verifier(verifier))
}

fn finish(config: &mut ClientConfig) {
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
}

fn web_pki(ca: &CertificateDer<'static>) -> Result<Arc<WebPkiServerVerifier>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone())?;
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error: VerifierBuilderError| rustls::Error::General(error.to_string()))
}

/// Verifies, and turns a failure into what a person can act on.
fn check(
    inner: &WebPkiServerVerifier,
    leaf: &CertificateDer<'_>,
    others: &[CertificateDer<'_>],
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<ServerCertVerified, TlsProblem> {
    let verify = |at| inner.verify_server_cert(leaf, others, name, &[], at);
    let problem = |error: &rustls::Error| match error {
        rustls::Error::InvalidCertificate(reason) => TlsProblem::of_certificate(reason),
        other => TlsProblem::Other(other.to_string()),
    };
    match verify(now) {
        Ok(verified) => Ok(verified),
        Err(rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        )) => {
            // The dates are looked at before the signature, so a stranger's certificate may end here
            // too. Only if it would hold within its dates is the clock to blame.
            let info = certificate_info(leaf).map_err(|e| TlsProblem::Other(e.to_string()))?;
            match verify(unix_time(info.not_after_ms)) {
                Ok(_) => Err(TlsProblem::Clock {
                    now_ms: i64::try_from(now.as_secs()).unwrap_or(i64::MAX).saturating_mul(1000),
                    not_before_ms: info.not_before_ms,
                    not_after_ms: info.not_after_ms,
                }),
                Err(error) => Err(problem(&error)),
            }
        }
        Err(error) => Err(problem(&error)),
    }
}

#[derive(Debug)]
struct Joined {
    inner: Arc<WebPkiServerVerifier>,
}

#[derive(Debug)]
struct Joining {
    fingerprint: [u8; 32],
    seen: SeenHub,
}

impl Joining {
    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsProblem> {
        let other = |error: &dyn std::fmt::Display| TlsProblem::Other(error.to_string());
        let ca = others
            .iter()
            .find(|certificate| ca_fingerprint(certificate) == self.fingerprint)
            .ok_or(TlsProblem::WrongCa)?
            .clone()
            .into_owned();
        let inner = web_pki(&ca).map_err(|error| other(&error))?;
        let info = certificate_info(leaf).map_err(|error| other(&error))?;
        let hub = info.hub.ok_or(TlsProblem::WrongName)?;
        let name = ServerName::try_from(hub_name(hub)).map_err(|error| other(&error))?;
        let verified = check(&inner, leaf, others, &name, now)?;
        // A second connection with the same settings must meet the same hub.
        if self.seen.0.get_or_init(|| (ca, hub)).1 != hub {
            return Err(TlsProblem::WrongName);
        }
        Ok(verified)
    }
}

/// TLS 1.2 is never offered; signatures are checked by the provider's algorithms either way.
macro_rules! signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            let algorithms = provider().signature_verification_algorithms;
            rustls::crypto::verify_tls12_signature(message, cert, dss, &algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            let algorithms = provider().signature_verification_algorithms;
            rustls::crypto::verify_tls13_signature(message, cert, dss, &algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            provider().signature_verification_algorithms.supported_schemes()
        }
    };
}

impl ServerCertVerifier for Joined {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        check(&self.inner, leaf, others, name, now).map_err(TlsProblem::into_rustls)
    }

    signatures!();
}

impl ServerCertVerifier for Joining {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verify(leaf, others, now).map_err(TlsProblem::into_rustls)
    }

    signatures!();
}
