//! A site's certificate and key, and where they are kept.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use super::files::{certificates_from_pem, pem_text, write_file};
use super::{BadCertificate, CertInfo, TlsSetup, certificate_info, certified_key};

const CA: &str = "ca.crt";
const CHAIN: &str = "tls.crt";
const KEY: &str = "tls.key";
/// Chain and key of a renewal, from before the two files are replaced until after.
const NEXT: &str = "tls.next";

/// The hub's CA, this site's chain under it, and the key.
#[derive(Debug)]
pub struct ClientPki {
    /// The CA certificate of the hub above.
    pub ca: CertificateDer<'static>,
    /// This site's chain, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
}

/// Why a certificate or key could not be made, kept or read.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// The disk said no.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// A file does not hold what its name says.
    #[error("{} does not hold a {what} in PEM", path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// Chain and key do not belong together, or TLS cannot use them.
    #[error(transparent)]
    Tls(#[from] TlsSetup),
    /// The certificate cannot be read.
    #[error(transparent)]
    Certificate(#[from] BadCertificate),
    /// The key or the request could not be made.
    #[error("cannot make a certificate request: {0}")]
    Request(#[from] rcgen::Error),
}

impl ClientPki {
    /// Reads what [`ClientPki::save`] wrote, finishing a save that was cut short. `None` before joining.
    pub fn load(folder: &Path) -> Result<Option<Self>, PkiError> {
        let Some(ca) = read(&folder.join(CA))? else { return Ok(None) };
        let ca = certificates(&ca, folder, CA)?.swap_remove(0);
        if let Some(next) = read(&folder.join(NEXT))? {
            // Both files of the pair are in here, so it does not matter which of them was replaced.
            let pki = Self::from_parts(ca, &next, &next, folder)?;
            pki.settle(folder)?;
            return Ok(Some(pki));
        }
        let (Some(chain), Some(key)) = (read(&folder.join(CHAIN))?, read(&folder.join(KEY))?)
        else {
            return Ok(None);
        };
        Self::from_parts(ca, &chain, &key, folder).map(Some)
    }

    fn from_parts(
        ca: CertificateDer<'static>,
        chain: &[u8],
        key: &[u8],
        folder: &Path,
    ) -> Result<Self, PkiError> {
        let chain = certificates(chain, folder, CHAIN)?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| PkiError::NotPem { path: folder.join(KEY), what: "private key" })?;
        let pki = Self { ca, chain, key };
        pki.certified_key()?;
        Ok(pki)
    }

    /// Writes `ca.crt`, `tls.crt` and `tls.key` (0600). A crash at any moment leaves either the old
    /// pair or the new one, never the certificate of one with the key of the other.
    pub fn save(&self, folder: &Path) -> Result<(), PkiError> {
        self.certified_key()?;
        write(&folder.join(CA), pem_text("CERTIFICATE", &self.ca).as_bytes(), 0o644)?;
        let next = Zeroizing::new(format!("{}{}", self.chain_pem(), *self.key_pem()));
        write(&folder.join(NEXT), next.as_bytes(), 0o600)?;
        self.settle(folder)
    }

    /// The second half of a save: the pair in its place, the copy of it gone.
    fn settle(&self, folder: &Path) -> Result<(), PkiError> {
        write(&folder.join(KEY), self.key_pem().as_bytes(), 0o600)?;
        write(&folder.join(CHAIN), self.chain_pem().as_bytes(), 0o644)?;
        let path = folder.join(NEXT);
        match std::fs::remove_file(&path) {
            // Another process may have finished the same save.
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(PkiError::File { path, source })
            }
            _ => Ok(()),
        }
    }

    /// Chain and key as TLS uses them.
    pub fn certified_key(&self) -> Result<Arc<CertifiedKey>, TlsSetup> {
        certified_key(self.chain.clone(), self.key.clone_key())
    }

    /// What the site's own certificate says.
    pub fn info(&self) -> Result<CertInfo, BadCertificate> {
        certificate_info(self.chain.first().ok_or(BadCertificate("an empty chain"))?)
    }

    fn chain_pem(&self) -> String {
        self.chain.iter().map(|certificate| pem_text("CERTIFICATE", certificate)).collect()
    }

    fn key_pem(&self) -> Zeroizing<String> {
        let label = match self.key {
            PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            _ => "PRIVATE KEY",
        };
        Zeroizing::new(pem_text(label, self.key.secret_der()))
    }
}

/// A fresh ECDSA P-256 key (other languages' gRPC refuse Ed25519 certificates) and a request for a
/// certificate over it: `(PKCS #10 DER, key as PKCS #8 PEM)`. The hub takes the key and decides the
/// rest, the name included. The key's randomness comes from the operating system: ring takes no other.
pub fn new_csr(name: impl fmt::Display) -> Result<(Vec<u8>, Zeroizing<String>), PkiError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name.to_string());
    let csr = params.serialize_request(&key)?;
    Ok((csr.der().to_vec(), Zeroizing::new(key.serialize_pem())))
}

fn certificates(
    pem: &[u8],
    folder: &Path,
    name: &str,
) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    certificates_from_pem(pem)
        .ok_or_else(|| PkiError::NotPem { path: folder.join(name), what: "certificate" })
}

fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, PkiError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(PkiError::File { path: path.to_owned(), source }),
    }
}

fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), PkiError> {
    write_file(path, content, mode)
        .map_err(|source| PkiError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::super::testing::TestCa;
    use super::*;
    use crate::entry::SiteId;

    const SITE: SiteId = SiteId([0x22; 16]);

    #[test]
    fn a_site_finds_its_certificate_again_and_only_it_can_read_the_key() {
        let folder = tempfile::tempdir().unwrap();
        assert!(ClientPki::load(folder.path()).unwrap().is_none());
        let pki = TestCa::new("county").site(SITE, 0, 9_000);
        pki.save(folder.path()).unwrap();
        let again = ClientPki::load(folder.path()).unwrap().unwrap();
        assert_eq!((again.ca, again.chain, again.key), (pki.ca, pki.chain, pki.key));
        let mode = fs::metadata(folder.path().join(KEY)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!folder.path().join(NEXT).exists());
    }

    #[test]
    fn a_renewal_cut_short_between_its_two_files_is_finished_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let ca = TestCa::new("county");
        let (old, new) = (ca.site(SITE, 0, 9_000), ca.site(SITE, 0, 18_000));
        old.save(folder.path()).unwrap();
        let both = format!("{}{}", new.chain_pem(), *new.key_pem());
        fs::write(folder.path().join(NEXT), both).unwrap();
        fs::write(folder.path().join(KEY), new.key_pem().as_bytes()).unwrap();
        let found = ClientPki::load(folder.path()).unwrap().unwrap();
        assert_eq!((&found.chain, &found.key), (&new.chain, &new.key));
        assert!(!folder.path().join(NEXT).exists());
        assert_eq!(ClientPki::load(folder.path()).unwrap().unwrap().chain, new.chain);
    }

    #[test]
    fn a_key_that_is_not_the_certificates_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let ca = TestCa::new("county");
        ca.site(SITE, 0, 9_000).save(folder.path()).unwrap();
        let other = ca.site(SITE, 0, 9_000);
        fs::write(folder.path().join(KEY), other.key_pem().as_bytes()).unwrap();
        assert!(matches!(ClientPki::load(folder.path()), Err(PkiError::Tls(_))));
        fs::write(folder.path().join(CHAIN), "torn").unwrap();
        assert!(matches!(ClientPki::load(folder.path()), Err(PkiError::NotPem { .. })));
    }

    #[test]
    fn debug_shows_no_key() {
        let pki = TestCa::new("county").site(SITE, 0, 9_000);
        let debug = format!("{pki:?}");
        assert!(!debug.contains(&format!("{:?}", pki.key.secret_der())), "{debug}");
    }
}
