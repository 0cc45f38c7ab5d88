//! The text of an invitation token: a one-time secret and the fingerprint of the CA to expect.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::{Zeroize, Zeroizing};

use crate::entry::RecordId;

/// What every token of this version begins with.
const PREFIX: &str = "lb1-";
/// Longest text worth looking at.
const MAX_TEXT: usize = 512;
const SECRET: usize = 20;
const FINGERPRINT: usize = 32;
const CHECK: usize = 4;

/// An invitation to join a hub. Whoever holds it may spend it once; Debug hides the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// What the hub recognises the invitation by.
    pub secret: [u8; SECRET],
    /// SHA-256 of the hub's CA certificate, DER.
    pub ca_fingerprint: [u8; FINGERPRINT],
}

/// Why text is not a token. Asking for the token again is the remedy for each but the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is some other text.
    #[error("this is not an invitation token: a token begins with \"lb1-\"")]
    NotAToken,
    /// A character was lost or changed on the way here.
    #[error("the token is incomplete or mistyped: copy it again, whole")]
    Mistyped,
    /// From a later version.
    #[error("the token was made by a newer hub: upgrade this program")]
    Upgrade,
}

impl Token {
    /// The id the hub files the invitation under; tells nothing of the secret.
    pub fn invite_id(&self) -> RecordId {
        invite_id(&self.secret)
    }

    /// The text to hand over. Treat it as a password.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; SECRET + FINGERPRINT + CHECK]);
        bytes[..SECRET].copy_from_slice(&self.secret);
        bytes[SECRET..SECRET + FINGERPRINT].copy_from_slice(&self.ca_fingerprint);
        bytes[SECRET + FINGERPRINT..].copy_from_slice(&self.check());
        Zeroizing::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(&bytes[..])))
    }

    /// Tells a slip of the pen from a forgery; proves nothing.
    fn check(&self) -> [u8; CHECK] {
        let mut hasher = blake3::Hasher::new_derive_key("lianbo.v1.token");
        hasher.update(&self.secret).update(&self.ca_fingerprint);
        let mut check = [0; CHECK];
        hasher.finalize_xof().fill(&mut check);
        check
    }
}

/// The id an invitation with this secret is filed under.
pub fn invite_id(secret: &[u8]) -> RecordId {
    let mut id = [0; 16];
    blake3::Hasher::new_derive_key("lianbo.v1.invite").update(secret).finalize_xof().fill(&mut id);
    RecordId(id)
}

impl FromStr for Token {
    type Err = TokenError;

    /// Reads a token as a person pastes it: spaces and line breaks anywhere are ignored.
    fn from_str(text: &str) -> Result<Self, TokenError> {
        if text.len() > MAX_TEXT {
            return Err(TokenError::NotAToken);
        }
        let text: Zeroizing<String> =
            Zeroizing::new(text.chars().filter(|c| !c.is_whitespace()).collect());
        let Some(rest) = text.strip_prefix(PREFIX) else {
            let version = text.strip_prefix("lb").and_then(|rest| rest.split_once('-'));
            return Err(match version.map(|(number, _)| number.parse::<u32>()) {
                Some(Ok(2..)) => TokenError::Upgrade,
                _ => TokenError::NotAToken,
            });
        };
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(rest).map_err(|_| TokenError::Mistyped)?);
        let (secret, rest) = bytes.split_first_chunk().ok_or(TokenError::Mistyped)?;
        let (ca_fingerprint, check) = rest.split_first_chunk().ok_or(TokenError::Mistyped)?;
        let token = Self { secret: *secret, ca_fingerprint: *ca_fingerprint };
        if token.check() == check { Ok(token) } else { Err(TokenError::Mistyped) }
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("invite", &self.invite_id())
            .field("ca_fingerprint", &hex::encode(self.ca_fingerprint))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token() -> Token {
        Token { secret: [0xa7; SECRET], ca_fingerprint: [0x3c; FINGERPRINT] }
    }

    #[test]
    fn a_token_comes_back_from_its_text_however_it_was_pasted() {
        let text = token().to_text();
        assert_eq!(text.parse(), Ok(token()));
        let wrapped = format!("  {}\r\n {}\n", &text[..30], &text[30..]);
        assert_eq!(wrapped.parse(), Ok(token()));
    }

    #[test]
    fn the_secret_shows_neither_in_debug_nor_in_the_invite_id() {
        let token = token();
        assert!(!format!("{token:?}").contains("a7a7"));
        assert!(!token.to_text().contains(&token.invite_id().to_string()));
        assert_eq!(token.invite_id(), invite_id(&token.secret));
    }

    #[test]
    fn every_slip_of_one_character_is_noticed() {
        let text = token().to_text();
        for at in PREFIX.len()..text.len() {
            let with = if &text[at..=at] == "A" { "B" } else { "A" };
            let mut slip = text.to_string();
            slip.replace_range(at..=at, with);
            assert_eq!(slip.parse::<Token>(), Err(TokenError::Mistyped), "at {at}");
            slip.remove(at);
            assert_eq!(slip.parse::<Token>(), Err(TokenError::Mistyped), "without {at}");
        }
    }

    #[test]
    fn other_texts_and_later_versions_are_told_apart() {
        assert_eq!("hello".parse::<Token>(), Err(TokenError::NotAToken));
        assert_eq!("lb0-abc".parse::<Token>(), Err(TokenError::NotAToken));
        assert_eq!("lb2-abc".parse::<Token>(), Err(TokenError::Upgrade));
        assert_eq!("lb1-".repeat(1000).parse::<Token>(), Err(TokenError::NotAToken));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(lb1-)?.{0,120}") {
            prop_assert!(text.parse::<Token>().is_err());
        }
    }
}
