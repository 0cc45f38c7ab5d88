//! Times as people at the desk read and write them: Beijing time, UTC+8 all year.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};

/// Beijing time has had no summer time since 1991; a fixed offset needs no zone database.
fn beijing() -> TimeZone {
    TimeZone::fixed(Offset::constant(8))
}

/// A time for people, to the minute, in Beijing time; milliseconds since 1970-01-01 UTC.
pub fn beijing_text(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(
        |_| format!("{ms} ms"),
        |at| at.to_zoned(beijing()).strftime("%Y-%m-%d %H:%M").to_string(),
    )
}

/// As [`beijing_text`]; a dash where there is none.
pub fn or_dash(ms: Option<i64>) -> String {
    ms.map_or_else(|| "-".to_owned(), beijing_text)
}

/// A time for programs: RFC 3339, UTC.
pub fn rfc3339(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| format!("{ms} ms"), |at| at.to_string())
}

/// Reads a time for clap: RFC 3339, or `YYYY-MM-DD[ HH:MM[:SS]]` in Beijing time. Milliseconds since
/// 1970-01-01 UTC.
pub fn parse(text: &str) -> Result<i64, String> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at.as_millisecond());
    }
    let civil = match text.len() {
        // Only whole dates: the library would take `20261123` too, and so a mistyped number.
        10 => text.parse::<Date>().ok().map(|date| date.at(0, 0, 0, 0)),
        16.. => text.parse::<DateTime>().ok(),
        _ => None,
    };
    civil
        .and_then(|at| at.to_zoned(beijing()).ok())
        .map(|at| at.timestamp().as_millisecond())
        .ok_or_else(|| {
            "not a time: write 2026-11-23, \"2026-11-23 09:30\" (Beijing time) or \
             2026-11-23T01:30:00Z"
                .to_owned()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_beijings_unless_they_say_otherwise() {
        let at = 1_795_397_400_000;
        assert_eq!(beijing_text(at), "2026-11-23 09:30");
        for text in [
            "2026-11-23 09:30",
            "2026-11-23T09:30",
            "2026-11-23T01:30:00Z",
            "2026-11-23T09:30:00+08:00",
        ] {
            assert_eq!(parse(text), Ok(at), "{text}");
        }
        assert_eq!(parse("2026-11-23"), Ok(at - (9 * 60 + 30) * 60_000));
        assert_eq!(rfc3339(at), "2026-11-23T01:30:00Z");
    }

    #[test]
    fn other_texts_are_refused_with_an_example() {
        for text in [
            "",
            "tomorrow",
            "20261123",
            "2026-13-01",
            "2026-11-23 25:00",
            "11-23",
            "2026-11-2 9:30",
        ] {
            assert!(parse(text).unwrap_err().contains("2026-11-23"), "{text}");
        }
    }
}
