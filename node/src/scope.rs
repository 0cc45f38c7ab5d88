//! How far an entry may go, and the one function that decides it.
//!
//! Every door asks here: stream, bundle, page, receipt, count. A door that decides by itself is a bug.

use std::fmt;
use std::str::FromStr;

use crate::entry::SiteId;

/// 传播范围: the widest network an entry may reach. Ordered from narrow to wide.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// 部内: the author's site and sites whose ceiling at its hub is internal.
    Internal = 1,
    /// 专网: the county organisation private network.
    Organization = 2,
    /// 互联网: anybody.
    Public = 3,
}

impl Scope {
    /// All scopes, narrow to wide.
    pub const ALL: [Self; 3] = [Self::Internal, Self::Organization, Self::Public];

    /// Name in flags, configuration and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Organization => "organization",
            Self::Public => "public",
        }
    }

    /// Name on screens.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Internal => "部内",
            Self::Organization => "专网",
            Self::Public => "互联网",
        }
    }

    /// The number kept in tables and on the wire.
    pub const fn number(self) -> i64 {
        self as i64
    }

    /// The scope of a number from a table or the wire.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.number() == number)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| format!("unknown scope {text:?}: use internal, organization or public"))
    }
}

/// 受众: how far an entry may travel and, for a direct entry, to whom alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Audience {
    /// The widest network it may reach.
    pub scope: Scope,
    /// The one site it is for; sites on the way carry it and show nothing.
    pub addressee: Option<SiteId>,
}

impl Audience {
    /// Everybody within `scope`.
    pub const fn all(scope: Scope) -> Self {
        Self { scope, addressee: None }
    }

    /// `site` alone, along links that `scope` may cross.
    pub const fn direct(scope: Scope, site: SiteId) -> Self {
        Self { scope, addressee: Some(site) }
    }
}

/// Somebody who asks to read: a site behind a listener, or an anonymous visitor of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reader {
    /// The site, if it proved who it is.
    pub site: Option<SiteId>,
    /// The narrowest scope it may see, its own ceiling and the listener's taken together.
    pub ceiling: Scope,
    /// Reads what this site answers for before the public: of what others wrote only what this site released, or lets
    /// a unit publish at once. Queries see to it, where they ask what is visible (`content::site`).
    pub curated: bool,
}

impl Reader {
    /// A visitor without a certificate: sees what the listener lets out.
    pub const fn anonymous(listener: Scope) -> Self {
        Self { site: None, ceiling: listener, curated: false }
    }

    /// A visitor of a hub's public pages.
    pub const fn public() -> Self {
        Self { site: None, ceiling: Scope::Public, curated: true }
    }

    /// A site at its own desk: whatever it holds, it may hold.
    pub const fn desk(site: SiteId) -> Self {
        Self { site: Some(site), ceiling: Scope::Internal, curated: false }
    }

    /// A site behind a listener: both ceilings bind, so the wider of the two scopes is the narrowest it gets.
    pub fn site(site: SiteId, ceiling: Scope, listener: Scope) -> Self {
        Self { site: Some(site), ceiling: ceiling.max(listener), curated: false }
    }
}

/// Whether `reader` may see an entry of `author` for `audience`. Rule 2; the only place that decides.
///
/// The ceiling binds direct entries and a site's own entries like any other: what crosses the link
/// to the reader crosses a network of that scope.
pub fn may_read(reader: Reader, author: SiteId, audience: Audience) -> bool {
    let within = audience.scope >= reader.ceiling;
    let meant = match audience.addressee {
        None => true,
        Some(addressee) => reader.site.is_some_and(|site| site == addressee || site == author),
    };
    within && meant
}

/// Whether an entry of `author` for `audience` may cross a link of `ceiling` from its lower end up
/// to `hub`. An entry addressed to a sibling goes up too: the hub carries it and shows nothing.
pub fn may_rise(ceiling: Scope, audience: Audience) -> bool {
    audience.scope >= ceiling
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: SiteId = SiteId([1; 16]);
    const BOB: SiteId = SiteId([2; 16]);
    const CAROL: SiteId = SiteId([3; 16]);

    #[test]
    fn a_scope_reaches_exactly_the_ceilings_it_is_at_least_as_wide_as() {
        for scope in Scope::ALL {
            for ceiling in Scope::ALL {
                let reader = Reader::anonymous(ceiling);
                assert_eq!(may_read(reader, ALICE, Audience::all(scope)), scope >= ceiling);
            }
        }
    }

    #[test]
    fn a_direct_entry_is_for_its_addressee_and_its_author_alone() {
        let audience = Audience::direct(Scope::Organization, BOB);
        let read =
            |site| may_read(Reader::site(site, Scope::Internal, Scope::Internal), ALICE, audience);
        assert!(read(BOB) && read(ALICE) && !read(CAROL));
        assert!(!may_read(Reader::anonymous(Scope::Internal), ALICE, audience));
    }

    #[test]
    fn a_ceiling_binds_even_the_addressee() {
        let audience = Audience::direct(Scope::Internal, BOB);
        assert!(!may_read(
            Reader::site(BOB, Scope::Organization, Scope::Internal),
            ALICE,
            audience
        ));
        assert!(!may_read(Reader::site(BOB, Scope::Internal, Scope::Public), ALICE, audience));
    }

    #[test]
    fn names_and_numbers_come_back() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
            assert_eq!(Scope::from_number(scope.number()), Some(scope));
        }
        assert!("部内".parse::<Scope>().is_err());
        assert_eq!(Scope::from_number(0), None);
    }
}
