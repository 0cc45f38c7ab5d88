//! What kind of file the bytes themselves say it is.

/// Bytes at the beginning that tell the kind.
pub(super) const LOOK: usize = 8 * 1024;

/// What nobody can tell more of.
const UNKNOWN: &str = "application/octet-stream";

/// Media types of pictures that pages show in their place. SVG is not among them: it can hold scripts.
const INLINE: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// The media type that the beginning of a file shows, whatever it was called.
pub fn sniff(first: &[u8]) -> &'static str {
    infer::get(first).map_or(UNKNOWN, |kind| kind.mime_type())
}

/// Whether pages show such a file in its place: its author calls it a picture, and it is that picture.
pub fn shown_inline(claimed: &str, sniffed: &str) -> bool {
    claimed == sniffed && INLINE.contains(&claimed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_what_its_bytes_and_its_author_agree_on() {
        let png = sniff(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
        assert_eq!(png, "image/png");
        assert!(shown_inline("image/png", png));
        assert!(!shown_inline("image/jpeg", png));
        assert!(!shown_inline("image/png", sniff(b"<script>alert(1)</script>")));
        let svg = sniff(b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>");
        assert!(!shown_inline("image/svg+xml", svg));
        assert!(!shown_inline("image/svg+xml", "image/svg+xml"));
        assert_eq!(sniff(b"%PDF-1.7"), "application/pdf");
        assert_eq!(sniff(b""), UNKNOWN);
    }
}
