//! The hub's private certificate authority. It decides everything in a certificate: from a request it
//! takes the public key and nothing else.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lianbo_node::entry::SiteId;
use lianbo_node::link::tls::{
    Peer, certificates_from_pem, hub_name, peer_uri, pem_text, write_file,
};
use rand::{CryptoRng, RngExt};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber,
    SubjectPublicKeyInfo,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use time::OffsetDateTime;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

const CERTIFICATE: &str = "ca.crt";
const KEY: &str = "ca.key";
/// Longest request worth parsing, in bytes.
const MAX_CSR: usize = 8 * 1024;
/// Longest common or organisation name X.509 allows, in characters (RFC 5280, appendix A).
const MAX_NAME: usize = 64;
/// How long the CA itself is good for: 20 years.
const CA_VALIDITY: Duration = Duration::from_hours(24 * (20 * 365 + 5));
/// How far back a certificate begins, for peers whose clock is a little behind.
const BACKDATE_MS: i64 = 5 * 60 * 1000;

/// The certificate authority. Debug shows no key.
pub struct Ca {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    /// End of the CA's own validity, seconds since 1970-01-01 UTC.
    ends: i64,
}

/// Why a certificate was not issued, or the CA not read or kept.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// The request cannot be read.
    #[error("not a certificate request (PKCS #10)")]
    NotARequest,
    /// Whoever asks does not hold the key asked for.
    #[error("the certificate request is not signed by the key it names")]
    NotTheirs,
    /// The key is of a kind other languages' gRPC would refuse, or we do not check.
    #[error("the certificate request names a key that is not ECDSA P-256: make one of that kind")]
    KeyKind,
    /// A name the server should be known by is none.
    #[error("\"{0}\" is neither a DNS name nor an IP address")]
    Name(String),
    /// A time that cannot be written in a certificate.
    #[error("the time {0} ms is out of range: check the clock")]
    Time(i64),
    /// The disk said no.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// The PEM text is not a CA certificate and its key.
    #[error("not a CA certificate with its key: {0}")]
    NotACa(&'static str),
    /// The library could not make the certificate.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
}

impl Ca {
    /// A fresh CA for the hub `site` called `name`, from `now_ms` (milliseconds since 1970-01-01 UTC) on
    /// for 20 years. Serial from `rng`; the key's randomness comes from the operating system: ring takes
    /// no other.
    pub fn generate(
        name: &str,
        site: SiteId,
        now_ms: i64,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, CaError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = params(now_ms, CA_VALIDITY, i64::MAX, rng)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        // The site's id keeps the CAs of two hubs of one name apart.
        params.distinguished_name.push(DnType::CommonName, format!("Lianbo CA {site}"));
        let name: String = name.chars().take(MAX_NAME).collect();
        if !name.is_empty() {
            params.distinguished_name.push(DnType::OrganizationName, name);
        }
        let certificate = params.self_signed(&key)?.der().clone();
        Self::new(certificate, key)
    }

    fn new(certificate: CertificateDer<'static>, key: KeyPair) -> Result<Self, CaError> {
        let ends = {
            let (_, parsed) = X509Certificate::from_der(&certificate)
                .map_err(|_| CaError::NotACa("unreadable certificate"))?;
            if !parsed.is_ca() {
                return Err(CaError::NotACa("the certificate is not a CA's"));
            }
            if parsed.public_key().raw != key.subject_public_key_info() {
                return Err(CaError::NotACa("the key is another certificate's"));
            }
            parsed.validity().not_after.timestamp()
        };
        let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
        Ok(Self { certificate, issuer, ends })
    }

    /// From the texts of [`Ca::certificate_pem`] and [`Ca::key_pem`].
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, CaError> {
        let mut certificates = certificates_from_pem(certificate.as_bytes())
            .ok_or(CaError::NotACa("no certificate in PEM"))?;
        let key = KeyPair::from_pem_and_sign_algo(key, &PKCS_ECDSA_P256_SHA256)
            .map_err(|_| CaError::NotACa("no ECDSA P-256 key in PEM"))?;
        Self::new(certificates.swap_remove(0), key)
    }

    /// Reads what [`Ca::save`] wrote; `None` where there is none.
    pub fn load(folder: &Path) -> Result<Option<Self>, CaError> {
        let read = |name| {
            let path = folder.join(name);
            match std::fs::read_to_string(&path) {
                Ok(text) => Ok(Some(Zeroizing::new(text))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(source) => Err(CaError::File { path, source }),
            }
        };
        // The certificate is written last, so without it there is no CA yet.
        let Some(certificate) = read(CERTIFICATE)? else { return Ok(None) };
        let key = read(KEY)?.ok_or(CaError::NotACa("ca.key is missing"))?;
        Self::from_pem(&certificate, &key).map(Some)
    }

    /// Writes `ca.key` (0600) and `ca.crt`.
    pub fn save(&self, folder: &Path) -> Result<(), CaError> {
        let write = |name, text: &str, mode| {
            let path = folder.join(name);
            write_file(&path, text.as_bytes(), mode)
                .map_err(|source| CaError::File { path, source })
        };
        write(KEY, &self.key_pem(), 0o600)?;
        write(CERTIFICATE, &self.certificate_pem(), 0o644)
    }

    /// The CA certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The CA certificate as PEM.
    pub fn certificate_pem(&self) -> String {
        pem_text("CERTIFICATE", &self.certificate)
    }

    /// The CA's key as PKCS #8 PEM; wiped from memory when dropped.
    pub fn key_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.issuer.key().serialize_pem())
    }

    /// A certificate for a site or a harvester with the key in the request (PKCS #10, DER), good from five
    /// minutes before `now_ms` for `validity` after it. Returns the chain: the leaf alone, since every
    /// hub knows its own CA.
    pub fn issue_client(
        &self,
        csr_der: &[u8],
        client: Peer,
        now_ms: i64,
        validity: Duration,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<CertificateDer<'static>>, CaError> {
        let key = requested_key(csr_der)?;
        let mut params = params(now_ms, validity, self.ends, rng)?;
        let id = match client {
            Peer::Site(site) => site.to_string(),
            Peer::Harvester(harvester) => harvester.to_string(),
        };
        params.distinguished_name.push(DnType::CommonName, id);
        params.subject_alt_names = vec![SanType::URI(peer_uri(client).try_into()?)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // Not for servers: a client must not be able to pose as the hub.
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        Ok(vec![params.signed_by(&key, &self.issuer)?.der().clone()])
    }

    /// A fresh key and a certificate for this hub's own listeners: the name nodes verify, `localhost`,
    /// and `names` (DNS names or IP addresses). Validity as in [`Ca::issue_client`]. Returns the chain,
    /// the CA at its end so that a joining site can find the certificate its token pins, and the key.
    pub fn issue_server(
        &self,
        site: SiteId,
        names: &[String],
        now_ms: i64,
        validity: Duration,
        rng: &mut impl CryptoRng,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), CaError> {
        let own = hub_name(site);
        let mut all = BTreeSet::from(["localhost".to_owned()]);
        for name in names {
            let name = name.trim().to_ascii_lowercase();
            // A second name of that kind would make the certificate two hubs'.
            let good = ServerName::try_from(name.as_str()).is_ok();
            if !good || (name.ends_with(".lianbo.internal") && name != own) {
                return Err(CaError::Name(name));
            }
            all.insert(name);
        }
        all.remove(&own);
        let mut params = params(now_ms, validity, self.ends, rng)?;
        params.distinguished_name.push(DnType::CommonName, site.to_string());
        params.subject_alt_names = std::iter::once(&own)
            .chain(&all)
            .map(|name| match name.parse() {
                Ok(address) => Ok(SanType::IpAddress(address)),
                Err(_) => Ok(SanType::DnsName(name.as_str().try_into()?)),
            })
            .collect::<Result<_, rcgen::Error>>()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let leaf = params.signed_by(&key, &self.issuer)?.der().clone();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        Ok((vec![leaf, self.certificate.clone()], key))
    }
}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ca").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// What every certificate of ours has: a random 128-bit serial, dates, no name yet.
fn params(
    now_ms: i64,
    validity: Duration,
    ca_ends: i64,
    rng: &mut impl CryptoRng,
) -> Result<CertificateParams, CaError> {
    let time = |seconds: i64| {
        OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| CaError::Time(now_ms))
    };
    let seconds = i64::try_from(validity.as_secs()).map_err(|_| CaError::Time(now_ms))?;
    let end = now_ms.div_euclid(1000).checked_add(seconds).ok_or(CaError::Time(now_ms))?;
    let mut serial: [u8; 16] = rng.random();
    // Positive, and of one length.
    serial[0] = serial[0] & 0x7f | 0x40;
    let mut params = CertificateParams::default();
    params.not_before = time(now_ms.saturating_sub(BACKDATE_MS).div_euclid(1000))?;
    params.not_after = time(end.min(ca_ends))?;
    params.serial_number = Some(SerialNumber::from(serial.to_vec()));
    params.distinguished_name = DistinguishedName::new();
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// The key a request asks for, proven to be the asker's. Nothing else in the request counts.
fn requested_key(csr_der: &[u8]) -> Result<SubjectPublicKeyInfo, CaError> {
    if csr_der.len() > MAX_CSR {
        return Err(CaError::NotARequest);
    }
    let (rest, csr) =
        X509CertificationRequest::from_der(csr_der).map_err(|_| CaError::NotARequest)?;
    if !rest.is_empty() {
        return Err(CaError::NotARequest);
    }
    let key = SubjectPublicKeyInfo::from_der(csr.certification_request_info.subject_pki.raw)
        .map_err(|_| CaError::KeyKind)?;
    if key.algorithm() != &PKCS_ECDSA_P256_SHA256 {
        return Err(CaError::KeyKind);
    }
    csr.verify_signature().map_err(|_| CaError::NotTheirs)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lianbo_node::clock::ManualClock;
    use lianbo_node::link::tls::{
        Acceptor, ClientPki, ca_fingerprint, certificate_info, certified_key, joined_config,
        joining_config, new_csr,
    };
    use rcgen::{PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
    use rustls::pki_types::pem::PemObject;
    use tokio::io::duplex;
    use tokio::sync::watch;
    use tokio_rustls::TlsConnector;

    use super::*;

    const HUB: SiteId = SiteId([0x1b; 16]);
    const SITE: SiteId = SiteId([0x51; 16]);
    const DAY: Duration = Duration::from_hours(24);
    const NOW: i64 = 1_795_000_000_000;

    fn ca() -> Ca {
        Ca::generate("县委组织部", HUB, NOW, &mut rand::rng()).unwrap()
    }

    fn site(ca: &Ca, csr: &[u8]) -> Result<CertificateDer<'static>, CaError> {
        Ok(ca.issue_client(csr, SITE.into(), NOW, DAY, &mut rand::rng())?.remove(0))
    }

    /// A request with whatever a hostile node may put into it.
    fn request(params: &CertificateParams, key: &KeyPair) -> Vec<u8> {
        params.serialize_request(key).unwrap().der().to_vec()
    }

    #[test]
    fn the_ca_comes_back_from_its_folder_with_its_key_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        assert!(Ca::load(folder.path()).unwrap().is_none());
        let ca = ca();
        ca.save(folder.path()).unwrap();
        let mode = std::fs::metadata(folder.path().join(KEY)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = Ca::load(folder.path()).unwrap().unwrap();
        assert_eq!(again.certificate(), ca.certificate());
        assert!(!format!("{ca:?}").contains("PRIVATE"));
        let other = Ca::generate("县委组织部", HUB, NOW, &mut rand::rng()).unwrap();
        let mixed = Ca::from_pem(&ca.certificate_pem(), &other.key_pem());
        assert!(matches!(mixed, Err(CaError::NotACa(_))));
        let info = certificate_info(ca.certificate()).unwrap();
        assert!(info.not_after_ms - NOW >= 20 * 365 * 86_400_000);
    }

    #[test]
    fn the_hub_decides_everything_but_the_key() {
        let ca = ca();
        let key = KeyPair::generate().unwrap();
        let mut greedy = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        greedy.subject_alt_names.push(SanType::URI(peer_uri(HUB.into()).try_into().unwrap()));
        greedy.subject_alt_names.push(SanType::DnsName(hub_name(HUB).try_into().unwrap()));
        greedy.distinguished_name.push(DnType::CommonName, HUB.to_string());
        greedy.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        greedy.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        greedy.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let leaf = site(&ca, &request(&greedy, &key)).unwrap();
        let (_, parsed) = X509Certificate::from_der(&leaf).unwrap();
        assert!(!parsed.is_ca());
        assert_eq!(parsed.subject().to_string(), format!("CN={SITE}"));
        assert_eq!(parsed.public_key().raw, key.subject_public_key_info());
        let usage = parsed.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.client_auth && !usage.server_auth && !usage.any);
        let usage = parsed.key_usage().unwrap().unwrap().value;
        assert!(usage.digital_signature() && !usage.key_cert_sign());
        assert_eq!(
            parsed.subject_alternative_name().unwrap().unwrap().value.general_names.len(),
            1
        );
        let info = certificate_info(&leaf).unwrap();
        assert_eq!((info.site, info.hub), (Some(SITE), None));
        assert_eq!(info.not_before_ms, NOW - BACKDATE_MS);
        assert_eq!(info.not_after_ms, NOW + 86_400_000);
        assert_eq!(info.serial.len(), 16);
    }

    #[test]
    fn requests_that_prove_nothing_or_name_another_kind_of_key_are_refused() {
        let ca = ca();
        for kind in [&PKCS_ED25519, &PKCS_ECDSA_P384_SHA384] {
            let key = KeyPair::generate_for(kind).unwrap();
            let refused = site(&ca, &request(&CertificateParams::default(), &key));
            assert!(matches!(refused, Err(CaError::KeyKind)), "{refused:?}");
        }
        let (csr, _) = new_csr(SITE).unwrap();
        let (other, _) = new_csr(SITE).unwrap();
        // The signature of one request under the content of another.
        let mut stolen = csr.clone();
        let last = stolen.len() - 1;
        stolen[last] ^= 1;
        assert!(matches!(site(&ca, &stolen), Err(CaError::NotTheirs)));
        let trailing = [csr.as_slice(), &other].concat();
        for bad in [&b""[..], b"garbage", &csr[..csr.len() / 2], &trailing, &vec![0x30; 1 << 20]] {
            assert!(matches!(site(&ca, bad), Err(CaError::NotARequest)));
        }
        assert!(site(&ca, &csr).is_ok());
    }

    #[test]
    fn no_certificate_outlives_its_ca_and_no_two_share_a_serial() {
        let ca = ca();
        let (csr, _) = new_csr(SITE).unwrap();
        let mut rng = rand::rng();
        let long = ca.issue_client(&csr, SITE.into(), NOW, DAY * 365 * 100, &mut rng).unwrap();
        let ends = certificate_info(ca.certificate()).unwrap().not_after_ms;
        assert_eq!(certificate_info(&long[0]).unwrap().not_after_ms, ends);
        let serial = |leaf: &CertificateDer<'_>| certificate_info(leaf).unwrap().serial;
        assert_ne!(serial(&long[0]), serial(&site(&ca, &csr).unwrap()));
        assert!(matches!(
            ca.issue_client(&csr, SITE.into(), i64::MAX, DAY, &mut rng),
            Err(CaError::Time(_))
        ));
    }

    #[test]
    fn a_server_has_its_own_name_and_those_it_was_given() {
        let ca = ca();
        let mut rng = rand::rng();
        let names = ["Hub.Example", "10.1.2.3", "::1", "localhost"].map(str::to_owned);
        let (chain, _) = ca.issue_server(HUB, &names, NOW, DAY, &mut rng).unwrap();
        assert_eq!(chain[1], *ca.certificate());
        assert_eq!(certificate_info(&chain[0]).unwrap().hub, Some(HUB));
        let (_, parsed) = X509Certificate::from_der(&chain[0]).unwrap();
        let names = parsed.subject_alternative_name().unwrap().unwrap().value;
        assert_eq!(names.general_names.len(), 5);
        for bad in ["", "*.example", "a b", "县.cn", &hub_name(SITE)] {
            let refused = ca.issue_server(HUB, &[bad.to_owned()], NOW, DAY, &mut rng);
            assert!(matches!(refused, Err(CaError::Name(_))), "{bad}");
        }
    }

    #[tokio::test]
    async fn sites_and_hubs_with_these_certificates_connect() {
        let ca = ca();
        let clock = Arc::new(ManualClock::new(NOW));
        let (chain, key) = ca.issue_server(HUB, &[], NOW, DAY, &mut rand::rng()).unwrap();
        let server = watch::channel(certified_key(chain, key).unwrap()).1;
        let acceptor = Acceptor::new(ca.certificate(), server, clock.clone()).unwrap();

        let pin = ca_fingerprint(ca.certificate());
        let (joining, seen) = joining_config(pin, clock.clone()).unwrap();
        let (here, there) = duplex(64 * 1024);
        let connector = TlsConnector::from(Arc::new(joining));
        let name = ServerName::try_from("localhost").unwrap();
        let (client, server) = tokio::join!(connector.connect(name, here), acceptor.accept(there));
        client.unwrap();
        server.unwrap();
        assert_eq!((seen.ca().as_ref(), seen.site()), (Some(ca.certificate()), Some(HUB)));

        let (csr, key) = new_csr(SITE).unwrap();
        let chain = ca.issue_client(&csr, SITE.into(), NOW, DAY, &mut rand::rng()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let pki = ClientPki { ca: seen.ca().unwrap(), chain, key };
        let own = watch::channel(pki.certified_key().unwrap()).1;
        let connector = TlsConnector::from(Arc::new(joined_config(&pki.ca, own, clock).unwrap()));
        let name = ServerName::try_from(hub_name(HUB)).unwrap();
        let (here, there) = duplex(64 * 1024);
        let (client, server) = tokio::join!(connector.connect(name, here), acceptor.accept(there));
        client.unwrap();
        let server = server.unwrap();
        let leaf = &server.get_ref().1.peer_certificates().unwrap()[0];
        assert_eq!(certificate_info(leaf).unwrap().site, Some(SITE));
    }
}
