//! The Range header (RFC 9110, 14.1.2): one range of bytes. Anything else is answered with the whole.

/// What a reader asks of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it.
    Whole,
    /// Bytes from the first up to, and without, the second.
    Part(u64, u64),
    /// Bytes that it does not have.
    Nothing,
}

/// Reads a Range header for a file of `size` bytes. Several ranges, another unit and what makes no sense ask for the
/// whole, as the standard allows.
pub fn parse_range(header: &str, size: u64) -> Wanted {
    let Some(spec) = header.trim().strip_prefix("bytes=") else { return Wanted::Whole };
    let Some((first, last)) = spec.trim().split_once('-') else { return Wanted::Whole };
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        // A number too large for us lies beyond every file.
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    match (first.trim(), last.trim()) {
        ("", last) => match number(last) {
            Some(0) => Wanted::Nothing,
            Some(_) if size == 0 => Wanted::Nothing,
            Some(suffix) => Wanted::Part(size.saturating_sub(suffix), size),
            None => Wanted::Whole,
        },
        (first, "") => match number(first) {
            Some(first) if first < size => Wanted::Part(first, size),
            Some(_) => Wanted::Nothing,
            None => Wanted::Whole,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first > last => Wanted::Whole,
            (Some(first), Some(_)) if first >= size => Wanted::Nothing,
            (Some(first), Some(last)) => Wanted::Part(first, last.saturating_add(1).min(size)),
            _ => Wanted::Whole,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Wanted::{Nothing, Part, Whole};

    #[test]
    fn one_range_is_read_and_all_else_is_the_whole() {
        for (header, wanted) in [
            ("bytes=0-0", Part(0, 1)),
            ("bytes=0-", Part(0, 10)),
            ("bytes=9-", Part(9, 10)),
            ("bytes=3-99999999999999999999999", Part(3, 10)),
            ("bytes=-3", Part(7, 10)),
            ("bytes=-100", Part(0, 10)),
            ("bytes= 2 - 4 ", Part(2, 5)),
            ("bytes=10-", Nothing),
            ("bytes=10-20", Nothing),
            ("bytes=99999999999999999999999-", Nothing),
            ("bytes=-0", Nothing),
            ("bytes=4-2", Whole),
            ("bytes=0-1,3-4", Whole),
            ("bytes=-", Whole),
            ("bytes=a-b", Whole),
            ("bytes=+1-2", Whole),
            ("lines=0-1", Whole),
            ("", Whole),
        ] {
            assert_eq!(parse_range(header, 10), wanted, "{header}");
        }
        assert_eq!(parse_range("bytes=-1", 0), Nothing);
        assert_eq!(parse_range("bytes=0-", 0), Nothing);
    }
}
