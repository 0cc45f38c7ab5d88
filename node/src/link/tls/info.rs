//! What a certificate says, for those who decide by it. Reads hostile bytes.

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::entry::{HarvesterId, SiteId};

/// Longest certificate worth parsing, in bytes.
const MAX_CERTIFICATE: usize = 16 * 1024;
/// What the name of a site is in a certificate's alternative names.
const SITE_URI: &str = "lianbo:site:";
/// The same of a harvester.
const HARVESTER_URI: &str = "lianbo:harvester:";
/// What the name of a hub's server ends with. A name nobody can own: addresses change, this stays.
const HUB_SUFFIX: &str = ".lianbo.internal";

/// The name a hub's server certificate carries, whatever address it answers at.
pub fn hub_name(hub: SiteId) -> String {
    format!("{hub}{HUB_SUFFIX}")
}

/// Whom a client's certificate was issued to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// A unit's site.
    Site(SiteId),
    /// A program that reads what the hub publishes.
    Harvester(HarvesterId),
}

impl From<SiteId> for Peer {
    fn from(site: SiteId) -> Self {
        Self::Site(site)
    }
}

impl From<HarvesterId> for Peer {
    fn from(harvester: HarvesterId) -> Self {
        Self::Harvester(harvester)
    }
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertInfo {
    /// The site it was issued to, in a site's certificate.
    pub site: Option<SiteId>,
    /// The harvester it was issued to, in a harvester's certificate.
    pub harvester: Option<HarvesterId>,
    /// The hub it was issued to, in a server's certificate.
    pub hub: Option<SiteId>,
    /// Start of validity, milliseconds since 1970-01-01 UTC.
    pub not_before_ms: i64,
    /// End of validity, milliseconds since 1970-01-01 UTC.
    pub not_after_ms: i64,
    /// Serial number, big-endian, as encoded.
    pub serial: Vec<u8>,
}

/// The bytes are not a certificate of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed certificate: {0}")]
pub struct BadCertificate(pub &'static str);

impl CertInfo {
    /// Whom it was issued to, if that is a client.
    pub fn peer(&self) -> Option<Peer> {
        self.site.map(Peer::Site).or(self.harvester.map(Peer::Harvester))
    }
}

/// Reads a certificate (DER). Checks no signature. A certificate that names two sites, two hubs, or a site and a
/// harvester, names none that could be relied on and is refused.
pub fn certificate_info(der: &[u8]) -> Result<CertInfo, BadCertificate> {
    if der.len() > MAX_CERTIFICATE {
        return Err(BadCertificate("too long"));
    }
    let (rest, certificate) =
        X509Certificate::from_der(der).map_err(|_| BadCertificate("not X.509"))?;
    if !rest.is_empty() {
        return Err(BadCertificate("bytes after the end"));
    }
    let (mut site, mut harvester, mut hub) = (None, None, None);
    let names = certificate
        .subject_alternative_name()
        .map_err(|_| BadCertificate("unreadable alternative names"))?;
    for name in names.iter().flat_map(|names| &names.value.general_names) {
        let again = match name {
            GeneralName::URI(uri) => {
                match (uri.strip_prefix(SITE_URI), uri.strip_prefix(HARVESTER_URI)) {
                    (Some(id), _) => site.replace(site_id(id)?).is_some(),
                    (_, Some(id)) => {
                        let id = HarvesterId::from_hex(id)
                            .ok_or(BadCertificate("not a harvester's id"))?;
                        harvester.replace(id).is_some()
                    }
                    _ => continue,
                }
            }
            GeneralName::DNSName(dns) => match dns.strip_suffix(HUB_SUFFIX) {
                Some(id) => hub.replace(site_id(id)?).is_some(),
                None => continue,
            },
            _ => continue,
        };
        if again || (site.is_some() && harvester.is_some()) {
            return Err(BadCertificate("more than one site"));
        }
    }
    let validity = certificate.validity();
    Ok(CertInfo {
        site,
        harvester,
        hub,
        not_before_ms: validity.not_before.timestamp().saturating_mul(1000),
        not_after_ms: validity.not_after.timestamp().saturating_mul(1000),
        serial: certificate.raw_serial().to_vec(),
    })
}

fn site_id(hex: &str) -> Result<SiteId, BadCertificate> {
    SiteId::from_hex(hex).ok_or(BadCertificate("not a site's id"))
}

/// The alternative name (URI) that makes a certificate a site's, or a harvester's.
pub fn peer_uri(peer: Peer) -> String {
    match peer {
        Peer::Site(site) => format!("{SITE_URI}{site}"),
        Peer::Harvester(harvester) => format!("{HARVESTER_URI}{harvester}"),
    }
}

/// SHA-256 of a certificate (DER): what a token pins, and what `openssl x509 -fingerprint -sha256` prints.
pub fn ca_fingerprint(der: &CertificateDer<'_>) -> [u8; 32] {
    Sha256::digest(der.as_ref()).into()
}

#[cfg(test)]
mod tests {
    use super::super::testing::TestCa;
    use super::*;
    use proptest::prelude::*;

    const SITE: SiteId = SiteId([0x11; 16]);

    #[test]
    fn a_certificate_tells_whose_it_is_and_how_long() {
        let ca = TestCa::new("county");
        let info = certificate_info(&ca.site(SITE, 1_000_000, 2_000_000).chain[0]).unwrap();
        assert_eq!((info.site, info.hub), (Some(SITE), None));
        assert_eq!(info.peer(), Some(Peer::Site(SITE)));
        assert_eq!((info.not_before_ms, info.not_after_ms), (1_000_000, 2_000_000));
        let info = certificate_info(&ca.server(SITE, 0, 9_000).cert[0]).unwrap();
        assert_eq!((info.site, info.hub), (None, Some(SITE)));
        assert!(!info.serial.is_empty());
    }

    #[test]
    fn a_fingerprint_is_plain_sha_256() {
        let empty = ca_fingerprint(&CertificateDer::from(Vec::new()));
        assert!(hex::encode(empty).starts_with("e3b0c44298fc1c149afbf4c8996fb924"));
    }

    #[test]
    fn too_long_or_trailing_bytes_are_refused() {
        let mut der = TestCa::new("county").site(SITE, 0, 9_000).chain[0].to_vec();
        der.push(0);
        assert_eq!(certificate_info(&der), Err(BadCertificate("bytes after the end")));
        assert_eq!(certificate_info(&vec![0x30; 1 << 20]), Err(BadCertificate("too long")));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert!(certificate_info(&bytes).is_err());
        }

        #[test]
        fn a_damaged_certificate_never_panics(at in 0..300usize, with in any::<u8>(), cut in 0..400usize) {
            let mut der = TestCa::new("county").site(SITE, 0, 9_000).chain[0].to_vec();
            let at = at % der.len();
            der[at] = with;
            der.truncate(der.len() - cut.min(der.len()) / 4);
            drop(certificate_info(&der));
        }
    }
}
