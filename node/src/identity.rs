//! The keys a site signs with, and the random numbers that name things. Pure: randomness comes in.

use std::fmt;

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use rand::{CryptoRng, RngExt};
use zeroize::Zeroizing;

use crate::entry::{EntryError, Incarnation, PublicKey, RecordId, SiteId, sign, verify};

/// Context of a key's proof that it wants to sign for a site.
const KEY_CONTEXT: &[u8] = b"lianbo.v1.key\0";
/// Context of the proof in a join request.
const JOIN_CONTEXT: &[u8] = b"lianbo.v1.join\0";

/// A site and the key it signs with. Debug output shows the public half only.
#[derive(Clone)]
pub struct Identity {
    /// The site.
    pub site: SiteId,
    /// Its signing key.
    key: SigningKey,
}

/// The key file does not hold an Ed25519 key in PKCS #8 PEM (RFC 8410).
#[derive(Debug, thiserror::Error)]
#[error("not an Ed25519 key in PKCS #8 PEM")]
pub struct BadKeyFile;

impl Identity {
    /// A site that signs with `key`.
    pub fn new(site: SiteId, key: SigningKey) -> Self {
        Self { site, key }
    }

    /// A fresh site with a fresh key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let site = SiteId(rng.random());
        Self { site, key: SigningKey::from_bytes(&rng.random()) }
    }

    /// The same site with a fresh key.
    pub fn new_key(site: SiteId, rng: &mut impl CryptoRng) -> Self {
        Self { site, key: SigningKey::from_bytes(&rng.random()) }
    }

    /// Reads a key written by [`Identity::to_pem`].
    pub fn from_pem(site: SiteId, pem: &str) -> Result<Self, BadKeyFile> {
        let key = SigningKey::from_pkcs8_pem(pem).map_err(|_| BadKeyFile)?;
        Ok(Self { site, key })
    }

    /// The private key as PKCS #8 PEM; wiped from memory when dropped.
    ///
    /// # Panics
    /// Never: an Ed25519 key always encodes.
    pub fn to_pem(&self) -> Zeroizing<String> {
        self.key.to_pkcs8_pem(LineEnding::LF).expect("an Ed25519 key always encodes")
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.key.verifying_key().to_bytes())
    }

    /// The private half, for signing heads.
    pub fn signing_key(&self) -> &SigningKey {
        &self.key
    }

    /// Proof that this site asks to join with the certificate request `csr` (DER).
    pub fn join_proof(&self, csr: &[u8]) -> bytes::Bytes {
        sign(&self.key, JOIN_CONTEXT, &[&self.site.0, csr])
    }

    /// Proof by this key that it wants to sign for its site.
    pub fn key_proof(&self) -> bytes::Bytes {
        sign(&self.key, KEY_CONTEXT, &[&self.site.0])
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("site", &self.site).field("key", &self.public()).finish()
    }
}

/// Checks a proof made by [`Identity::join_proof`].
pub fn verify_join_proof(
    site: SiteId,
    key: PublicKey,
    csr: &[u8],
    proof: &[u8],
) -> Result<(), EntryError> {
    verify(key, JOIN_CONTEXT, &[&site.0, csr], proof)
}

/// Checks a proof made by [`Identity::key_proof`].
pub fn verify_key_proof(site: SiteId, key: PublicKey, proof: &[u8]) -> Result<(), EntryError> {
    verify(key, KEY_CONTEXT, &[&site.0], proof)
}

/// A fresh incarnation.
pub fn new_incarnation(rng: &mut impl CryptoRng) -> Incarnation {
    Incarnation(rng.random())
}

/// A fresh id for an article, a notice or an invitation.
pub fn new_record_id(rng: &mut impl CryptoRng) -> RecordId {
    RecordId(rng.random())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_comes_back_and_debug_hides_the_key() {
        let identity = Identity::generate(&mut rand::rng());
        let pem = identity.to_pem();
        let again = Identity::from_pem(identity.site, &pem).unwrap();
        assert_eq!(again.public(), identity.public());
        assert!(!format!("{identity:?}").contains(&hex::encode(identity.signing_key().to_bytes())));
        assert!(Identity::from_pem(identity.site, "-----BEGIN PRIVATE KEY-----\n").is_err());
    }
}
