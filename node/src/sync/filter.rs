//! What of a journal goes to one reader: ceiling ∧ listener ∧ addressee ∧ subscriptions.

use crate::entry::{Hash, Lane, LogId, SiteId};
use crate::scope::{Reader, may_read};

/// A column of siblings that a node wants to read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subscription {
    /// The sibling; `None` for any.
    pub site: Option<SiteId>,
    /// Slug of the column.
    pub column: String,
}

/// What goes to one reader in one lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Who reads, through which listener.
    pub reader: Reader,
    /// The site whose journal is read: its own entries always go.
    pub trunk: SiteId,
    /// Which lane.
    pub lane: Lane,
    /// What the reader wants of its siblings.
    pub subscriptions: Vec<Subscription>,
    /// Also the reader's own entries, to refill a site that lost them.
    pub refill: bool,
}

impl Filter {
    /// Whether an entry of this log goes to the reader. Audience first, by [`may_read`]; the rest only
    /// spares the line.
    pub fn lets(&self, log: &LogId, slug: Option<&str>) -> bool {
        log.lane == self.lane
            && may_read(self.reader, log.site, log.audience)
            && self.wants(log, slug)
    }

    fn wants(&self, log: &LogId, slug: Option<&str>) -> bool {
        if self.reader.site == Some(log.site) {
            return self.refill;
        }
        log.site == self.trunk
            || log.lane == Lane::Control
            || log.audience.addressee.is_some()
            || slug.is_some_and(|slug| self.subscribed(log.site, slug))
    }

    fn subscribed(&self, site: SiteId, slug: &str) -> bool {
        self.subscriptions.iter().any(|wanted| {
            wanted.column == slug && wanted.site.is_none_or(|wanted_site| wanted_site == site)
        })
    }

    /// Names the filter: a cursor made with another one is no good. `refill` is left out: a refill is a
    /// way to read, not another view of the journal.
    pub fn digest(&self) -> Hash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"lianbo.v1.filter\0");
        hasher.update(&self.reader.site.map_or([0; 16], |site| site.0));
        hasher.update(&[self.reader.ceiling as u8, self.lane as u8]);
        hasher.update(&self.trunk.0);
        let mut subscriptions = self.subscriptions.clone();
        subscriptions.sort();
        subscriptions.dedup();
        for wanted in &subscriptions {
            hasher.update(&wanted.site.map_or([0; 16], |site| site.0));
            hasher.update(&(wanted.column.len() as u64).to_le_bytes());
            hasher.update(wanted.column.as_bytes());
        }
        Hash(*hasher.finalize().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Incarnation;
    use crate::scope::{Audience, Scope};

    const HUB: SiteId = SiteId([1; 16]);
    const ME: SiteId = SiteId([2; 16]);
    const SIBLING: SiteId = SiteId([3; 16]);

    fn filter(lane: Lane) -> Filter {
        Filter {
            reader: Reader::site(ME, Scope::Organization, Scope::Organization),
            trunk: HUB,
            lane,
            subscriptions: vec![Subscription { site: None, column: "news".into() }],
            refill: false,
        }
    }

    fn log(site: SiteId, audience: Audience, lane: Lane) -> LogId {
        LogId { site, incarnation: Incarnation([0; 16]), audience, lane }
    }

    #[test]
    fn the_hubs_entries_and_subscribed_columns_go_and_nothing_beyond_the_ceiling() {
        let content = filter(Lane::Content);
        let all = Audience::all(Scope::Organization);
        assert!(content.lets(&log(HUB, all, Lane::Content), None));
        assert!(content.lets(&log(SIBLING, all, Lane::Content), Some("news")));
        assert!(!content.lets(&log(SIBLING, all, Lane::Content), Some("other")));
        assert!(!content.lets(&log(SIBLING, all, Lane::Content), None));
        let internal = Audience::all(Scope::Internal);
        assert!(!content.lets(&log(HUB, internal, Lane::Content), None));
        assert!(!content.lets(&log(SIBLING, internal, Lane::Content), Some("news")));
    }

    #[test]
    fn what_is_addressed_goes_to_the_addressee_only() {
        let content = filter(Lane::Content);
        let mine = Audience::direct(Scope::Organization, ME);
        assert!(content.lets(&log(HUB, mine, Lane::Content), None));
        assert!(content.lets(&log(SIBLING, mine, Lane::Content), None));
        let other = Audience::direct(Scope::Organization, SIBLING);
        assert!(!content.lets(&log(HUB, other, Lane::Content), None));
    }

    #[test]
    fn siblings_retractions_always_go_and_my_own_entries_only_for_a_refill() {
        let all = Audience::all(Scope::Organization);
        assert!(filter(Lane::Control).lets(&log(SIBLING, all, Lane::Control), None));
        let own = log(ME, all, Lane::Content);
        assert!(!filter(Lane::Content).lets(&own, None));
        assert!(Filter { refill: true, ..filter(Lane::Content) }.lets(&own, None));
    }

    #[test]
    fn a_digest_tells_filters_apart_and_ignores_the_order_of_subscriptions() {
        let mut one = filter(Lane::Content);
        let other_site = Subscription { site: Some(SIBLING), column: "x".into() };
        one.subscriptions.push(other_site.clone());
        let mut two = filter(Lane::Content);
        two.subscriptions.insert(0, other_site);
        assert_eq!(one.digest(), two.digest());
        assert_ne!(one.digest(), filter(Lane::Content).digest());
        assert_ne!(filter(Lane::Control).digest(), filter(Lane::Content).digest());
    }
}
