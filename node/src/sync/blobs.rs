//! When files move, and how fast. Pure: the time and what is random come in.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Shortest upper bound of a wait after a failed attempt.
const FIRST: Duration = Duration::from_secs(1);
/// Longest upper bound of a wait.
const LONGEST: Duration = Duration::from_mins(10);
/// Longest wait a hub may ask for.
const LONGEST_ASKED: Duration = Duration::from_hours(1);
/// Beijing time is ahead of UTC by so much, all year.
const BEIJING_MS: i64 = 8 * 60 * 60 * 1000;
const MINUTES: i64 = 24 * 60;

/// The hours in which large files come by themselves: `HH:MM-HH:MM` in Beijing time, or `never`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Night(Option<(i64, i64)>);

impl Night {
    /// From ten in the evening to six in the morning.
    pub const DEFAULT: Self = Self(Some((22 * 60, 6 * 60)));

    /// Whether `now`, milliseconds since 1970-01-01 UTC, lies in it.
    pub fn holds(self, now: i64) -> bool {
        let Some((from, to)) = self.0 else { return false };
        let minute = now.saturating_add(BEIJING_MS).div_euclid(60_000).rem_euclid(MINUTES);
        if from < to { (from..to).contains(&minute) } else { minute >= from || minute < to }
    }
}

/// A text that names no hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("give hours as HH:MM-HH:MM in Beijing time, such as 22:00-06:00, or never")]
pub struct BadNight;

impl FromStr for Night {
    type Err = BadNight;

    fn from_str(text: &str) -> Result<Self, BadNight> {
        if text == "never" {
            return Ok(Self(None));
        }
        let (from, to) = text.split_once('-').ok_or(BadNight)?;
        let hours = (minute(from).ok_or(BadNight)?, minute(to).ok_or(BadNight)?);
        if hours.0 == hours.1 { Err(BadNight) } else { Ok(Self(Some(hours))) }
    }
}

fn minute(text: &str) -> Option<i64> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str, most: i64| -> Option<i64> {
        let digits = text.len() == 2 && text.bytes().all(|it| it.is_ascii_digit());
        text.parse().ok().filter(|it| digits && *it < most)
    };
    Some(number(hour, 24)? * 60 + number(minute, 60)?)
}

impl TryFrom<String> for Night {
    type Error = BadNight;

    fn try_from(text: String) -> Result<Self, BadNight> {
        text.parse()
    }
}

impl From<Night> for String {
    fn from(night: Night) -> Self {
        night.to_string()
    }
}

impl fmt::Display for Night {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("never"),
            Some((from, to)) => {
                write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
            }
        }
    }
}

/// The largest file that comes without anybody asking for it, in bytes.
pub fn by_itself(now: i64, eager: u64, night: Night) -> u64 {
    if night.holds(now) { u64::MAX } else { eager }
}

/// When to try a file again after `tries` failures and one more, milliseconds since 1970-01-01 UTC. `random` lies in
/// 0..=1; the hub's word is a lower bound.
pub fn again(now: i64, tries: u64, random: f64, retry_after: Option<Duration>) -> i64 {
    let doublings = u32::try_from(tries.min(16)).unwrap_or(16);
    let bound = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    // At least half of it, so that a hub that has nothing yet is not asked without a pause.
    let wait = bound.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0);
    let wait = wait.max(retry_after.unwrap_or_default().min(LONGEST_ASKED));
    now.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
}

/// Keeps bytes to so many a second: a bucket that holds what one second lets through.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    per_second: u64,
    /// When what was taken so far is paid for, since whatever the caller counts from.
    free_at: Duration,
}

impl Pace {
    /// So many bytes a second; 0 for no bound.
    pub fn new(per_second: u64) -> Self {
        Self { per_second, free_at: Duration::ZERO }
    }

    /// Takes `bytes` at `now`; how long to wait before they go.
    pub fn take(&mut self, bytes: u64, now: Duration) -> Duration {
        if self.per_second == 0 {
            return Duration::ZERO;
        }
        #[expect(clippy::cast_precision_loss, reason = "a fraction of a byte in petabytes")]
        let cost = Duration::from_secs_f64(bytes as f64 / self.per_second as f64);
        let wait = self.free_at.saturating_sub(now.saturating_add(Duration::from_secs(1)));
        self.free_at = self.free_at.max(now).saturating_add(cost);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-23, so many minutes after midnight in Beijing.
    fn at(minutes: i64) -> i64 {
        1_795_363_200_000 + minutes * 60_000
    }

    #[test]
    fn night_is_told_in_beijing_time_and_may_pass_midnight() {
        let night: Night = "22:00-06:00".parse().unwrap();
        assert_eq!(night, Night::DEFAULT);
        for (minutes, holds) in
            [(0, true), (359, true), (360, false), (720, false), (1319, false), (1320, true)]
        {
            assert_eq!(night.holds(at(minutes)), holds, "{minutes}");
        }
        let noon: Night = "12:30-13:00".parse().unwrap();
        assert!(noon.holds(at(750)) && !noon.holds(at(780)) && !noon.holds(at(0)));
        let never: Night = "never".parse().unwrap();
        assert!((0..1440).all(|minute| !never.holds(at(minute))));
        for night in [night, noon, never] {
            assert_eq!(night.to_string().parse(), Ok(night));
        }
        for bad in
            ["", "22:00", "22:00-22:00", "24:00-06:00", "2:00-06:00", "22:60-06:00", "+1:00-06:00"]
        {
            assert_eq!(bad.parse::<Night>(), Err(BadNight), "{bad}");
        }
    }

    #[test]
    fn large_files_come_by_themselves_at_night_only() {
        assert_eq!(by_itself(at(720), 8, Night::DEFAULT), 8);
        assert_eq!(by_itself(at(0), 8, Night::DEFAULT), u64::MAX);
    }

    #[test]
    fn waits_grow_to_a_bound_and_a_hub_is_heard_within_reason() {
        assert_eq!(again(5, 0, 1.0, None), 1005);
        assert_eq!(again(0, 2, 0.0, None), 2000);
        assert_eq!(again(0, 1000, 1.0, None), 600_000);
        assert_eq!(again(0, 0, 0.0, Some(Duration::from_secs(30))), 30_000);
        assert_eq!(again(0, 0, 0.0, Some(Duration::MAX)), 3_600_000);
    }

    #[test]
    fn a_pace_lets_one_seconds_worth_go_at_once_and_then_no_more_than_it_says() {
        let mut pace = Pace::new(1000);
        let second = Duration::from_secs;
        assert_eq!(pace.take(1000, second(10)), second(0));
        assert_eq!(pace.take(1000, second(10)), second(0));
        assert_eq!(pace.take(1000, second(10)), second(1));
        assert_eq!(pace.take(1, second(20)), second(0));
        assert_eq!(Pace::new(0).take(u64::MAX, second(0)), second(0));
    }
}
