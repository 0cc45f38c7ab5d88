//! Text under a key: ChaCha20-Poly1305 (RFC 8439). Everything is done where the text stands, so that no copy is left.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

/// Bytes of a key.
pub(crate) const KEY: usize = 32;
/// Bytes of a nonce. One is never used twice with a key.
pub(crate) const NONCE: usize = 12;
/// Bytes of a tag.
pub(crate) const TAG: usize = 16;

/// Encrypts `text`; its tag, which also binds `beside`. `None` only past 256 GiB.
pub(crate) fn seal(
    key: &[u8; KEY],
    nonce: [u8; NONCE],
    beside: &[u8],
    text: &mut [u8],
) -> Option<[u8; TAG]> {
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = cipher(key)?.seal_in_place_separate_tag(nonce, Aad::from(beside), text).ok()?;
    tag.as_ref().try_into().ok()
}

/// Decrypts a text with its tag behind it; `None` if it was not sealed with this key, nonce and `beside`.
pub(crate) fn open<'a>(
    key: &[u8; KEY],
    nonce: [u8; NONCE],
    beside: &[u8],
    sealed: &'a mut [u8],
) -> Option<&'a [u8]> {
    let nonce = Nonce::assume_unique_for_key(nonce);
    let text = cipher(key)?.open_in_place(nonce, Aad::from(beside), sealed).ok()?;
    Some(text)
}

/// `None` for a key of another length, of which there is none.
fn cipher(key: &[u8; KEY]) -> Option<LessSafeKey> {
    UnboundKey::new(&CHACHA20_POLY1305, key).ok().map(LessSafeKey::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8439, section 2.8.2.
    #[test]
    fn it_seals_as_the_standard_has_it() {
        let key = std::array::from_fn(|at| 0x80 + u8::try_from(at).unwrap());
        let nonce = [7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47];
        let beside = [0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7];
        let plain = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip \
                      for the future, sunscreen would be it.";
        let mut text = plain.to_vec();
        let tag = seal(&key, nonce, &beside, &mut text).unwrap();
        assert_eq!(text[..8], [0xd3, 0x1a, 0x8d, 0x34, 0x64, 0x8e, 0x60, 0xdb]);
        assert_eq!(
            tag,
            [
                0x1a, 0xe1, 0x0b, 0x59, 0x4f, 0x09, 0xe2, 0x6a, 0x7e, 0x90, 0x2e, 0xcb, 0xd0, 0x60,
                0x06, 0x91
            ]
        );
        text.extend(tag);
        assert_eq!(open(&key, nonce, &beside, &mut text.clone()).unwrap(), plain);
        assert!(open(&key, nonce, b"", &mut text.clone()).is_none());
        text[0] ^= 1;
        assert!(open(&key, nonce, &beside, &mut text).is_none());
    }
}
