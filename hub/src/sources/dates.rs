//! Dates as feeds write them. A date without a zone is Beijing's.

use jiff::civil::DateTime;
use jiff::fmt::rfc2822;
use jiff::tz::{Offset, TimeZone};

/// UTC+8, in seconds.
const BEIJING: i32 = 8 * 3600;
/// Longest text that is looked at.
const LONGEST: usize = 64;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Milliseconds since 1970-01-01 UTC; `None` where no date can be made out.
///
/// Reads RFC 3339, RFC 2822 and what resembles them: `2026-11-23 10:00:00`, `2026年11月23日 10:00`,
/// `2026/11/23`, `2017——04——12`, `Mon Nov 23 10:00:00 CST 2026`, `23 Nov 2026 10:00:00 GMT+8`. CST is China's.
pub(super) fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST {
        return None;
    }
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(at.as_millisecond());
    }
    if !text.contains("CST") {
        let parser = rfc2822::DateTimeParser::new().relaxed_weekday(true);
        if let Ok(at) = parser.parse_timestamp(text) {
            return Some(at.as_millisecond());
        }
    }
    Parts::of(text)?.at()
}

/// What was found in a text.
#[derive(Default)]
struct Parts {
    /// The numbers before the time of day.
    date: Vec<i64>,
    month: Option<i64>,
    /// Hour, minute, second.
    time: Vec<i64>,
    /// Seconds east of Greenwich.
    zone: Option<i32>,
    afternoon: Option<bool>,
}

impl Parts {
    fn of(text: &str) -> Option<Self> {
        let mut parts = Self::default();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if c.is_ascii_digit() {
                rest = parts.number(rest)?;
            } else if c.is_alphabetic() {
                let length = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
                parts.word(&rest[..length].to_lowercase());
                rest = &rest[length..];
            } else if matches!(c, '+' | '-') && !parts.time.is_empty() && rest.len() > 1 {
                rest = parts.offset(c == '-', &rest[1..])?;
            } else {
                rest = &rest[c.len_utf8()..];
            }
        }
        Some(parts)
    }

    /// A number: of a date, or with `:` or `时` behind it the hour, and then minute and second.
    fn number<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let (number, rest) = digits(text)?;
        if self.time.is_empty() && !hour(rest) {
            // 20261123, as some write it.
            if text.len() - rest.len() == 8 && self.date.is_empty() {
                self.date = vec![number / 10_000, number / 100 % 100, number % 100];
            } else {
                self.date.push(number);
            }
            return Some(rest);
        }
        if !self.time.is_empty() {
            // A year that stands last, as Java writes it, or something unknown.
            self.date.push(number);
            return Some(rest);
        }
        self.time.push(number);
        let mut rest = rest;
        while self.time.len() < 3 {
            let Some(next) = rest.strip_prefix([':', '：', '时', '點', '点', '分']) else {
                break;
            };
            let Some((number, after)) = digits(next) else { break };
            self.time.push(number);
            rest = after;
        }
        // Fractions of a second.
        if let Some((_, after)) = rest.strip_prefix('.').and_then(digits) {
            rest = after;
        }
        Some(rest.trim_start_matches(['秒', '分', '时', ':']))
    }

    fn word(&mut self, word: &str) {
        match word {
            "z" | "gmt" | "utc" | "ut" => self.zone = Some(0),
            "cst" | "bjt" | "prc" | "shanghai" => self.zone = Some(BEIJING),
            "pm" | "下午" | "晚上" => self.afternoon = Some(true),
            "am" | "上午" | "凌晨" | "早上" => self.afternoon = Some(false),
            _ => {
                let month = word.get(..3).and_then(|it| MONTHS.iter().position(|m| *m == it));
                self.month = self.month.or(month.and_then(|it| i64::try_from(it + 1).ok()));
            }
        }
    }

    /// `+8`, `+08`, `+0800`, `+08:00` behind the time of day.
    fn offset<'t>(&mut self, west: bool, text: &'t str) -> Option<&'t str> {
        let Some((number, rest)) = digits(text) else { return Some(text) };
        let (hours, minutes, rest) = match text.len() - rest.len() {
            1 | 2 => match rest.strip_prefix(':').and_then(digits) {
                Some((minutes, rest)) => (number, minutes, rest),
                None => (number, 0, rest),
            },
            3 | 4 => (number / 100, number % 100, rest),
            _ => return None,
        };
        if hours > 14 || minutes > 59 {
            return None;
        }
        let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
        self.zone = Some(if west { -seconds } else { seconds });
        Some(rest)
    }

    fn at(self) -> Option<i64> {
        let (year, month, day) = match (self.month, self.date.as_slice()) {
            (Some(month), [day, year]) if *year > 31 => (*year, month, *day),
            (Some(month), [year, day]) if *year > 31 => (*year, month, *day),
            (None, [year, month, day]) if *year > 31 => (*year, *month, *day),
            (None, [month, day, year]) if *year > 31 => (*year, *month, *day),
            _ => return None,
        };
        let year = if year < 100 { year + if year < 70 { 2000 } else { 1900 } } else { year };
        let mut time = self.time.iter().copied().chain([0, 0, 0]);
        let (mut hour, minute, second) = (time.next()?, time.next()?, time.next()?);
        match self.afternoon {
            Some(true) if hour < 12 => hour += 12,
            Some(false) if hour == 12 => hour = 0,
            _ => {}
        }
        // 24:00 and leap seconds, as some write them, are the last second before.
        if hour == 24 {
            hour = 0;
        }
        let small = |number: i64| i8::try_from(number).ok();
        let at = DateTime::new(
            i16::try_from(year).ok()?,
            small(month)?,
            small(day)?,
            small(hour)?,
            small(minute)?,
            small(second.min(59))?,
            0,
        )
        .ok()?;
        let offset = Offset::from_seconds(self.zone.unwrap_or(BEIJING)).ok()?;
        Some(at.to_zoned(TimeZone::fixed(offset)).ok()?.timestamp().as_millisecond())
    }
}

/// Whether what follows a number makes it an hour.
fn hour(rest: &str) -> bool {
    rest.starts_with([':', '：', '时', '点', '點'])
}

/// The number a text begins with, and the rest.
fn digits(text: &str) -> Option<(i64, &str)> {
    let length = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..length].parse().ok()?, &text[length..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_however_they_are_written() {
        // 2026-11-23 10:00 in Beijing.
        const AT: i64 = 1_795_399_200_000;
        const MIDNIGHT: i64 = AT - 10 * 3_600_000;
        for (text, at) in [
            ("2026-11-23T10:00:00+08:00", AT),
            ("2026-11-23T02:00:00Z", AT),
            ("2026-11-23T02:00:00.000Z", AT),
            ("Mon, 23 Nov 2026 10:00:00 +0800", AT),
            ("Mon, 23 Nov 2026 02:00:00 GMT", AT),
            ("Tue, 23 Nov 2026 02:00:00 GMT", AT),
            ("2026-11-23 10:00:00", AT),
            ("2026-11-23 10:00:00.0", AT),
            ("2026-11-23 10:00", AT),
            ("2026-11-23T10:00:00", AT),
            ("2026-11-23T10:00:00+0800", AT),
            ("2026/11/23 10:00:00", AT),
            ("2026.11.23 10:00", AT),
            ("2026年11月23日 10:00", AT),
            ("2026年11月23日10时00分", AT),
            ("2026年11月23日 10:00:00", AT),
            ("2026-11-23 上午 10:00", AT),
            ("2026-11-22 10:00 PM", AT - 12 * 3_600_000),
            ("Mon, 23 Nov 2026 10:00:00 GMT+8", AT),
            ("Mon, 23 Nov 2026 10:00:00 UTC+08:00", AT),
            ("Mon Nov 23 10:00:00 CST 2026", AT),
            ("Mon, 23 Nov 2026 10:00:00 CST", AT),
            ("23 November 2026 10:00:00 +0800", AT),
            ("Nov 23, 2026 10:00:00", AT),
            ("11/23/2026 10:00:00", AT),
            ("20261123", MIDNIGHT),
            ("2026-11-23", MIDNIGHT),
            ("2026——11——23", MIDNIGHT),
            ("2026年11月23日", MIDNIGHT),
            ("  2026-11-23\n", MIDNIGHT),
            ("星期一, 23 Nov 2026 10:00:00 +0800", AT),
        ] {
            assert_eq!(parse(text), Some(at), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "null",
            "昨天",
            "10:00",
            "2026",
            "2026-13-01",
            "2026-02-30",
            "99999999999999999999",
            "2026-11-23 25:00",
            "2026-11-23 10:00 +99:00",
            "-",
            "+",
            "2026-11-23 10:00 +",
            "1 2 3 4 5 6",
            &"1".repeat(100),
            "٢٠٢٦-١١-٢٣",
        ] {
            let parsed = parse(text);
            assert!(parsed.is_none() || text.ends_with('+'), "{text} {parsed:?}");
        }
    }
}
