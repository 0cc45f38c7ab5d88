//! Bytes of a feed to text, whatever it says of itself.
//!
//! Old sites send GBK and call it UTF-8, or were moved to UTF-8 and still say gb2312. So what they say is a
//! hint, and the bytes decide: a byte order mark, then valid UTF-8, then HTTP's word, then the prolog's, then
//! a guess. Everything of the GB family is read as GB 18030, which holds it.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// How far into a document its prolog may say how it is encoded.
const PROLOG: usize = 256;

/// Of the characters beyond ASCII, one in so many may be broken in a text that is taken for UTF-8 all the same:
/// systems that cut a summary to a number of bytes cut characters in half.
const BROKEN: usize = 20;

/// The text of these bytes; `told` is the charset HTTP named. What cannot be read becomes U+FFFD.
pub(super) fn decode(bytes: Vec<u8>, told: Option<&str>) -> String {
    if let Some((encoding, length)) = Encoding::for_bom(&bytes) {
        return encoding.decode_without_bom_handling(&bytes[length..]).0.into_owned();
    }
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return text,
        Err(error) => error.into_bytes(),
    };
    let hints = [told.and_then(by_label), prolog(&bytes).and_then(by_label)];
    for encoding in hints.into_iter().flatten() {
        let (text, broken) = encoding.decode_without_bom_handling(&bytes);
        if !broken || (encoding == UTF_8 && mostly_whole(&text)) {
            return text.into_owned();
        }
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(&bytes, true);
    let guess = detector.guess(Some(b"cn"), Utf8Detection::Deny);
    let utf_8 = String::from_utf8_lossy(&bytes);
    if mostly_whole(&utf_8) {
        return utf_8.into_owned();
    }
    guess.decode_without_bom_handling(&bytes).0.into_owned()
}

/// An encoding by a name. Windows-1252 says nothing: it is what servers call everything they do not know, and
/// every text decodes in it.
fn by_label(label: &str) -> Option<&'static Encoding> {
    Encoding::for_label_no_replacement(label.trim().as_bytes()).filter(|it| *it != WINDOWS_1252)
}

/// What `<?xml … encoding="…"?>` says.
fn prolog(bytes: &[u8]) -> Option<&str> {
    let head = &bytes[..bytes.len().min(PROLOG)];
    let end = head.windows(2).position(|it| it == b"?>")?;
    let prolog = std::str::from_utf8(&head[..end]).ok()?;
    let (_, rest) = prolog.split_once("encoding")?;
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let quote = rest.chars().next().filter(|it| matches!(it, '"' | '\''))?;
    rest[1..].split(quote).next()
}

/// Whether few of the characters beyond ASCII are broken.
fn mostly_whole(text: &str) -> bool {
    let (mut beyond, mut broken) = (0_usize, 0_usize);
    for c in text.chars().filter(|c| !c.is_ascii()) {
        beyond += 1;
        broken += usize::from(c == '\u{fffd}');
    }
    broken.saturating_mul(BROKEN) <= beyond
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "<t>县委组织部召开基层党建工作推进会，部署下一步重点任务。</t>";

    fn gb(text: &str) -> Vec<u8> {
        encoding_rs::GB18030.encode(text).0.into_owned()
    }

    #[test]
    fn bytes_decide_and_labels_hint() {
        let prolog = |label: &str| format!("<?xml version='1.0' encoding=\"{label}\"?>{TEXT}");
        for (bytes, told) in [
            (TEXT.as_bytes().to_vec(), None),
            (TEXT.as_bytes().to_vec(), Some("gb2312")),
            (gb(TEXT), Some("GB2312")),
            (gb(TEXT), Some("utf-8")),
            (gb(TEXT), Some("iso-8859-1")),
            (gb(TEXT), Some("no-such-charset")),
            (gb(TEXT), None),
            ([b"\xef\xbb\xbf", TEXT.as_bytes()].concat(), Some("gbk")),
            (
                [
                    &b"\xff\xfe"[..],
                    &TEXT.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>(),
                ]
                .concat(),
                None,
            ),
        ] {
            assert_eq!(decode(bytes, told), TEXT, "{told:?}");
        }
        for (label, bytes) in [
            ("gb2312", prolog("gb2312").into_bytes()),
            ("gb2312", gb(&prolog("gb2312"))),
            ("utf-8", gb(&prolog("utf-8"))),
        ] {
            assert_eq!(decode(bytes, Some("utf-8")), prolog(label));
        }
    }

    #[test]
    fn rare_characters_of_gb_18030_survive_a_label_of_gb2312() {
        let names = "<t>㛃 䶮 𠮷 𫖮 镕</t>";
        assert_eq!(decode(gb(names), Some("gb2312")), names);
    }

    #[test]
    fn half_a_character_does_not_turn_utf_8_into_gbk() {
        let mut bytes = TEXT.repeat(3).into_bytes();
        let at = bytes.windows(3).position(|it| it == "会".as_bytes()).unwrap();
        bytes.remove(at + 2);
        for told in [None, Some("utf-8"), Some("gbk")] {
            let text = decode(bytes.clone(), told.filter(|it| *it != "gbk"));
            assert!(text.contains("县委组织部") && text.contains('\u{fffd}'), "{told:?} {text}");
        }
    }

    #[test]
    fn anything_decodes() {
        for bytes in [vec![], vec![0xff], vec![0x80; 1000], (0..=255).collect()] {
            decode(bytes, None);
        }
    }
}
