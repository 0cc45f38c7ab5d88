//! Points in time as people read them: Beijing time.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

/// The hours Beijing is ahead of UTC, all year.
const BEIJING: i8 = 8;

fn format(ms: i64, pattern: &str) -> String {
    // Records hold times between 1900 and 3000 (see `content::article`); anything else shows as nothing.
    Timestamp::from_millisecond(ms).map_or_else(
        |_| String::new(),
        |at| at.to_zoned(TimeZone::fixed(Offset::constant(BEIJING))).strftime(pattern).to_string(),
    )
}

/// `YYYY-MM-DD HH:MM`, as the page tags of government sites have it (国办发〔2017〕47号).
pub(super) fn minute(ms: i64) -> String {
    format(ms, "%Y-%m-%d %H:%M")
}

/// `YYYY-MM-DD`.
pub(super) fn day(ms: i64) -> String {
    format(ms, "%Y-%m-%d")
}

/// `2026年3月1日 08:00`.
pub(super) fn words(ms: i64) -> String {
    format(ms, "%Y年%-m月%-d日 %H:%M")
}

/// RFC 3339 with the offset, for machines.
pub(super) fn machine(ms: i64) -> String {
    format(ms, "%Y-%m-%dT%H:%M:%S%:z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_in_beijing() {
        // 2026-11-22 16:05:00 UTC.
        let at = 1_795_363_500_000;
        assert_eq!(minute(at), "2026-11-23 00:05");
        assert_eq!(day(at), "2026-11-23");
        assert_eq!(words(at), "2026年11月23日 00:05");
        assert_eq!(machine(at), "2026-11-23T00:05:00+08:00");
        assert_eq!(minute(-2_208_988_800_000), "1900-01-01 08:00");
        assert_eq!(minute(i64::MAX), "");
    }
}
