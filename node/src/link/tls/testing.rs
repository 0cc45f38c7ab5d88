//! A CA for the tests of this folder; the real one is the hub's.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;

use super::{ClientPki, Peer, ca_fingerprint, certified_key, hub_name, peer_uri};
use crate::entry::SiteId;

pub(crate) struct TestCa(CertifiedIssuer<'static, KeyPair>);

impl TestCa {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        ca_fingerprint(self.0.der())
    }

    fn issue(
        &self,
        name: SanType,
        usage: ExtendedKeyUsagePurpose,
        from_ms: i64,
        to_ms: i64,
    ) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![name];
        params.extended_key_usages = vec![usage];
        params.not_before = OffsetDateTime::from_unix_timestamp(from_ms / 1000).unwrap();
        params.not_after = OffsetDateTime::from_unix_timestamp(to_ms / 1000).unwrap();
        let leaf = params.signed_by(&key, &self.0).unwrap().der().clone();
        (leaf, PrivatePkcs8KeyDer::from(key.serialize_der()).into())
    }

    /// A site's or a harvester's certificate; times in milliseconds.
    pub(crate) fn site(&self, peer: impl Into<Peer>, from_ms: i64, to_ms: i64) -> ClientPki {
        let name = SanType::URI(peer_uri(peer.into()).try_into().unwrap());
        let (leaf, key) = self.issue(name, ExtendedKeyUsagePurpose::ClientAuth, from_ms, to_ms);
        ClientPki { ca: self.der(), chain: vec![leaf], key }
    }

    /// A hub's server certificate with the CA behind it; times in milliseconds.
    pub(crate) fn server(&self, hub: SiteId, from_ms: i64, to_ms: i64) -> Arc<CertifiedKey> {
        let name = SanType::DnsName(hub_name(hub).try_into().unwrap());
        let (leaf, key) = self.issue(name, ExtendedKeyUsagePurpose::ServerAuth, from_ms, to_ms);
        certified_key(vec![leaf, self.der()], key).unwrap()
    }
}
