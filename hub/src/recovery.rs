//! The recovery file: what a hub needs to rise again on an empty disk, encrypted under a passphrase, as
//! text that can be printed. Kept away from the machine.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lianbo_node::entry::SiteId;
use rand::{CryptoRng, RngExt};
use zeroize::{Zeroize, Zeroizing};

use crate::aead::{self, KEY, NONCE};

const BEGIN: &str = "-----BEGIN LIANBO RECOVERY FILE-----";
const END: &str = "-----END LIANBO RECOVERY FILE-----";
/// Width of a line of the armour.
const WIDTH: usize = 64;
/// Longest text worth reading, in bytes.
const MAX_TEXT: usize = 64 * 1024;

/// What the binary form begins with; the last byte is the version.
const MAGIC: [u8; 8] = *b"lbrecov\x01";
const SALT: usize = 16;
/// Magic, site, Argon2 parameters, salt, nonce: readable by anybody, bound to the rest as
/// authenticated data.
const HEADER: usize = MAGIC.len() + 16 + 12 + SALT + NONCE;
/// Tells a misread letter from a wrong passphrase; the last bytes of the binary form.
const CHECK: usize = 8;

/// Argon2id: memory in KiB, passes, lanes (RFC 9106's choice where memory is scarce).
const COST: (u32, u32, u32) = (64 * 1024, 3, 1);
/// The most a file may demand of whoever opens it.
const MAX_COST: (u32, u32, u32) = (256 * 1024, 16, 4);

/// Small letters and digits, without those that look like others (i l o 0 1).
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
const GROUPS: usize = 8;
const GROUP: usize = 4;

/// What a hub needs to be itself again. Wiped from memory when dropped; Debug shows the site alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The hub's site.
    pub site: SiteId,
    /// Its signing key, PKCS #8 PEM.
    pub site_key_pem: Zeroizing<String>,
    /// The CA's key, PKCS #8 PEM.
    pub ca_key_pem: Zeroizing<String>,
    /// The CA certificate, PEM.
    pub ca_certificate_pem: String,
}

/// Why a recovery file does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryError {
    /// Some other text.
    #[error("this is not a Lianbo recovery file")]
    NotARecoveryFile,
    /// Made by a later version.
    #[error("the recovery file was made by a newer version: upgrade this program")]
    Upgrade,
    /// A letter is missing or misread.
    #[error("the recovery file is damaged or mistyped: compare it with the original, line by line")]
    Damaged,
    /// It asks for more memory or time than ever was written: somebody else made it.
    #[error("the recovery file demands unreasonable memory or time: it was not made by Lianbo")]
    Unreasonable,
    /// The passphrase is another file's, or misread.
    #[error(
        "wrong passphrase: it is eight groups of four letters and digits and contains no i, l, o, 0 or 1"
    )]
    WrongPassphrase,
    /// Less memory here than the file needs.
    #[error("not enough memory to open the recovery file: 64 MiB are needed")]
    NoMemory,
}

impl fmt::Debug for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recovery").field("site", &self.site).finish_non_exhaustive()
    }
}

/// A passphrase of 158 bits, eight groups of four, easy to copy by hand.
pub fn generate_passphrase(rng: &mut impl CryptoRng) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(GROUPS * (GROUP + 1)));
    for at in 0..GROUPS * GROUP {
        if at > 0 && at % GROUP == 0 {
            text.push('-');
        }
        text.push(char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]));
    }
    text
}

/// A passphrase as people enter it: capitals, spaces, dashes and the full-width forms of an input
/// method make no difference.
fn normalise(passphrase: &str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(passphrase.len()));
    for c in passphrase.chars() {
        // Full-width forms stand in one row, in the order of ASCII.
        let c = match c {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
            other => other,
        };
        let dash = matches!(c, '-' | '_' | '\u{2010}'..='\u{2015}' | '\u{2212}');
        if !dash && !c.is_whitespace() {
            text.push(c.to_ascii_lowercase());
        }
    }
    text
}

impl Recovery {
    /// Encrypts under a passphrase. Takes half a second and 64 MiB: call it off the async threads.
    pub fn seal(
        &self,
        passphrase: &str,
        rng: &mut impl CryptoRng,
    ) -> Result<String, RecoveryError> {
        self.seal_with(COST, passphrase, rng)
    }

    fn seal_with(
        &self,
        cost: (u32, u32, u32),
        passphrase: &str,
        rng: &mut impl CryptoRng,
    ) -> Result<String, RecoveryError> {
        let salt: [u8; SALT] = rng.random();
        let nonce: [u8; NONCE] = rng.random();
        let mut file = Vec::with_capacity(4096);
        file.extend(MAGIC);
        file.extend(self.site.0);
        for number in [cost.0, cost.1, cost.2] {
            file.extend(number.to_be_bytes());
        }
        file.extend(salt);
        file.extend(nonce);
        let mut text = self.fields();
        let tag = aead::seal(&*key(passphrase, cost, &salt)?, nonce, &file, &mut text)
            .ok_or(RecoveryError::NoMemory)?;
        file.extend(&*text);
        file.extend(tag);
        file.extend(check(&file));
        Ok(armour(self.site, &file))
    }

    /// Decrypts. Spaces and line ends around the lines, and text before and after the file, do not
    /// matter. As slow as [`Recovery::seal`].
    pub fn open(text: &str, passphrase: &str) -> Result<Self, RecoveryError> {
        let file = unarmour(text)?;
        let magic = file.get(..MAGIC.len()).ok_or(RecoveryError::Damaged)?;
        if magic != MAGIC {
            let (version, name) = (magic[MAGIC.len() - 1], &magic[..MAGIC.len() - 1]);
            let later = name == &MAGIC[..MAGIC.len() - 1] && version > MAGIC[MAGIC.len() - 1];
            return Err(if later { RecoveryError::Upgrade } else { RecoveryError::Damaged });
        }
        let (file, told) = file.split_last_chunk::<CHECK>().ok_or(RecoveryError::Damaged)?;
        if check(file) != *told {
            return Err(RecoveryError::Damaged);
        }
        let (header, sealed) = file.split_at_checked(HEADER).ok_or(RecoveryError::Damaged)?;
        let mut rest = Fields(&header[MAGIC.len()..]);
        let site = SiteId(rest.take()?);
        let cost = (rest.number()?, rest.number()?, rest.number()?);
        let salt: [u8; SALT] = rest.take()?;
        let nonce: [u8; NONCE] = rest.take()?;
        if cost.0 > MAX_COST.0 || cost.1 > MAX_COST.1 || cost.2 > MAX_COST.2 {
            return Err(RecoveryError::Unreasonable);
        }
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let plain = aead::open(&*key(passphrase, cost, &salt)?, nonce, header, &mut sealed)
            .ok_or(RecoveryError::WrongPassphrase)?;
        let mut fields = Fields(plain);
        Ok(Self {
            site,
            site_key_pem: Zeroizing::new(fields.text()?),
            ca_key_pem: Zeroizing::new(fields.text()?),
            ca_certificate_pem: fields.text()?,
        })
    }

    /// The secret part: each text with its length before it.
    fn fields(&self) -> Zeroizing<Vec<u8>> {
        let texts: [&str; 3] = [&self.site_key_pem, &self.ca_key_pem, &self.ca_certificate_pem];
        // Sized beforehand: growing would leave copies of the keys behind.
        let mut out = Zeroizing::new(Vec::with_capacity(texts.iter().map(|t| t.len() + 4).sum()));
        for text in texts {
            out.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
            out.extend(text.as_bytes());
        }
        out
    }
}

/// Reads numbers, arrays and texts off the front of bytes.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], RecoveryError> {
        let (first, rest) = self.0.split_first_chunk().ok_or(RecoveryError::Damaged)?;
        self.0 = rest;
        Ok(*first)
    }

    fn number(&mut self) -> Result<u32, RecoveryError> {
        self.take().map(u32::from_be_bytes)
    }

    fn text(&mut self) -> Result<String, RecoveryError> {
        let len = usize::try_from(self.number()?).map_err(|_| RecoveryError::Damaged)?;
        let (text, rest) = self.0.split_at_checked(len).ok_or(RecoveryError::Damaged)?;
        self.0 = rest;
        std::str::from_utf8(text).map(str::to_owned).map_err(|_| RecoveryError::Damaged)
    }
}

fn key(
    passphrase: &str,
    cost: (u32, u32, u32),
    salt: &[u8; SALT],
) -> Result<Zeroizing<[u8; KEY]>, RecoveryError> {
    let mut key = Zeroizing::new([0; KEY]);
    let params = Params::new(cost.0, cost.1, cost.2, Some(key.len()))
        .map_err(|_| RecoveryError::Unreasonable)?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(normalise(passphrase).as_bytes(), salt, &mut key[..])
        .map_err(|_| RecoveryError::NoMemory)?;
    Ok(key)
}

fn check(file: &[u8]) -> [u8; CHECK] {
    let mut check = [0; CHECK];
    blake3::Hasher::new_derive_key("lianbo.v1.recovery")
        .update(file)
        .finalize_xof()
        .fill(&mut check);
    check
}

fn armour(site: SiteId, file: &[u8]) -> String {
    let body = STANDARD.encode(file);
    let mut text = format!("{BEGIN}\nSite: {site}\n\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(WIDTH));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str(END);
    text.push('\n');
    text
}

fn unarmour(text: &str) -> Result<Vec<u8>, RecoveryError> {
    if text.len() > MAX_TEXT {
        return Err(RecoveryError::NotARecoveryFile);
    }
    let (_, body) = text.split_once(BEGIN).ok_or(RecoveryError::NotARecoveryFile)?;
    let (body, _) = body.split_once(END).ok_or(RecoveryError::Damaged)?;
    let mut base64 = String::with_capacity(body.len());
    // Lines with a colon are for people.
    for line in body.lines().filter(|line| !line.contains(':')) {
        base64.extend(line.chars().filter(|c| !c.is_whitespace()));
    }
    let file = STANDARD.decode(&base64).map_err(|_| RecoveryError::Damaged);
    base64.zeroize();
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The least Argon2 takes: these tests are about the file, not about its cost.
    const CHEAP: (u32, u32, u32) = (8, 1, 1);
    const PASSPHRASE: &str = "abcd-efgh-jkmn-pqrs-tuvw-xyz2-3456-789a";

    fn recovery() -> Recovery {
        Recovery {
            site: SiteId([0x4d; 16]),
            site_key_pem: Zeroizing::new("site key".repeat(10)),
            ca_key_pem: Zeroizing::new("ca key".repeat(10)),
            ca_certificate_pem: "县委组织部".repeat(20),
        }
    }

    fn cheap() -> String {
        recovery().seal_with(CHEAP, PASSPHRASE, &mut rand::rng()).unwrap()
    }

    #[test]
    fn a_hub_comes_back_from_its_printed_file() {
        let text = recovery().seal(PASSPHRASE, &mut rand::rng()).unwrap();
        assert!(text.lines().all(|line| line.len() <= WIDTH && line.is_ascii()), "{text}");
        assert!(text.contains(&recovery().site.to_string()));
        assert_eq!(Recovery::open(&text, PASSPHRASE), Ok(recovery()));
        let scanned = format!("page 1\r\n{}", text.replace('\n', "  \r\n  "));
        assert_eq!(Recovery::open(&scanned, PASSPHRASE), Ok(recovery()));
    }

    #[test]
    fn a_passphrase_is_taken_however_it_is_typed_and_a_wrong_one_is_called_wrong() {
        let text = cheap();
        for typed in [
            "ABCD EFGH JKMN PQRS TUVW XYZ2 3456 789A",
            "abcdefghjkmnpqrstuvwxyz23456789a",
            "ａｂｃｄ　ｅｆｇｈ－ｊｋｍｎ—pqrs–tuvw-xyz2-３４５６-789a\n",
        ] {
            assert_eq!(Recovery::open(&text, typed), Ok(recovery()), "{typed}");
        }
        for wrong in ["", "abcd-efgh-jkmn-pqrs-tuvw-xyz2-3456-789b"] {
            assert_eq!(Recovery::open(&text, wrong), Err(RecoveryError::WrongPassphrase));
        }
    }

    #[test]
    fn a_misread_letter_is_not_taken_for_a_wrong_passphrase() {
        let text = cheap();
        let body = text.find("\n\n").unwrap() + 2;
        let end = text.rfind("\n-----END").unwrap();
        for at in (body..end).step_by(7) {
            let mut misread = text.clone();
            let with = if &text[at..=at] == "A" { "B" } else { "A" };
            misread.replace_range(at..=at, with);
            let opened = Recovery::open(&misread, PASSPHRASE);
            let noticed = [RecoveryError::Damaged, RecoveryError::Upgrade];
            assert!(opened.is_err_and(|error| noticed.contains(&error)), "at {at}");
        }
        let lines: Vec<_> = text.lines().collect();
        let short = [&lines[..4], &lines[5..]].concat().join("\n");
        assert_eq!(Recovery::open(&short, PASSPHRASE), Err(RecoveryError::Damaged));
        assert_eq!(Recovery::open("letter", PASSPHRASE), Err(RecoveryError::NotARecoveryFile));
    }

    /// A file with its header changed and its check made good again: what an attacker can do.
    fn forged(change: impl Fn(&mut [u8])) -> String {
        let mut file = unarmour(&cheap()).unwrap();
        file.truncate(file.len() - CHECK);
        change(&mut file);
        file.extend(check(&file));
        armour(recovery().site, &file)
    }

    #[test]
    fn a_forged_header_neither_eats_the_memory_nor_passes() {
        let cost_at = MAGIC.len() + 16;
        for at in [cost_at, cost_at + 4, cost_at + 8] {
            let text = forged(|file| file[at] = 0xff);
            assert_eq!(Recovery::open(&text, PASSPHRASE), Err(RecoveryError::Unreasonable));
        }
        let none = forged(|file| file[cost_at..cost_at + 12].fill(0));
        assert_eq!(Recovery::open(&none, PASSPHRASE), Err(RecoveryError::Unreasonable));
        let site = forged(|file| file[MAGIC.len()] ^= 1);
        assert_eq!(Recovery::open(&site, PASSPHRASE), Err(RecoveryError::WrongPassphrase));
        let later = forged(|file| file[MAGIC.len() - 1] = 2);
        assert_eq!(Recovery::open(&later, PASSPHRASE), Err(RecoveryError::Upgrade));
    }

    #[test]
    fn a_generated_passphrase_is_eight_groups_without_look_alikes() {
        let one = generate_passphrase(&mut rand::rng());
        let groups: Vec<_> = one.split('-').collect();
        assert_eq!(groups.len(), GROUPS);
        for c in groups.iter().flat_map(|group| group.chars()) {
            assert!(!"ilo01".contains(c) && c.is_ascii_alphanumeric() && !c.is_ascii_uppercase());
        }
        assert!(groups.iter().all(|group| group.len() == GROUP));
        assert_ne!(one, generate_passphrase(&mut rand::rng()));
        assert_eq!(normalise(&one).len(), GROUPS * GROUP);
    }

    #[test]
    fn debug_and_the_text_show_no_key() {
        assert!(!format!("{:?}", recovery()).contains("key"));
        assert!(!cheap().contains("site key"));
    }
}
