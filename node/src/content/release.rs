//! 公开: a site above takes an entry to a wider scope, its signed original inside.

use std::collections::BTreeSet;

use crate::args;
use crate::content::article;
use crate::content::journal::{TARGET, target};
use crate::content::retraction::Target;
use crate::content::rules::{RuleError, ensure};
use crate::content::site::check_code;
use crate::content::views::{Type, View};
use crate::content::{BadText, Folding, Record, check_line};
use crate::entry::{Entry, Hash, Head, RecordId, SiteId, verify_head};
use crate::store::{StoreError, Tx};

/// Most approvals one release may carry.
pub const MAX_APPROVALS: usize = 16;

/// An original and who decided that it goes further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The original as signed; its body is there.
    pub original: Entry,
    /// Its head, decoded.
    pub head: Head,
    /// Its record, decoded: an article or a notice.
    pub record: Record,
    /// Code of the original's unit, in the releaser's word.
    pub unit_code: String,
    /// Name of the original's unit, in the releaser's word.
    pub unit_name: String,
    /// Who decided.
    pub approvals: Vec<Approval>,
    /// When the releaser first held the original; `None` for its own.
    pub first_seen_ms: Option<i64>,
}

/// One person's decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Name of the person.
    pub person: String,
    /// When, by the releaser's clock.
    pub at_ms: i64,
}

impl Release {
    /// Names the original.
    pub fn original_hash(&self) -> Hash {
        self.original.hash()
    }

    /// The id of the article or notice inside.
    pub fn record_id(&self) -> Option<RecordId> {
        match &self.record {
            Record::Article(it) => Some(it.id),
            Record::Notice(it) => Some(it.id),
            _ => None,
        }
    }

    /// Checks what can be checked without knowing who the releaser is.
    pub fn check(&self) -> Result<(), BadText> {
        check_code(&self.unit_code)?;
        check_line(&self.unit_name, 100, true, "a unit's name has 1 to 100 characters")?;
        if self.approvals.is_empty() || self.approvals.len() > MAX_APPROVALS {
            return Err(BadText("a release carries 1 to 16 approvals"));
        }
        for approval in &self.approvals {
            check_line(
                &approval.person,
                60,
                true,
                "whoever approves gives a name of at most 60 characters",
            )?;
        }
        Ok(())
    }

    /// How many different persons approved; white space does not make a second person.
    pub fn persons(&self) -> usize {
        let names: BTreeSet<String> = self
            .approvals
            .iter()
            .map(|approval| approval.person.split_whitespace().collect())
            .collect();
        names.len()
    }
}

pub(super) const VIEWS: &[View] = &[View {
    table: "releases",
    shared: &[
        ("hash", Type::Bytes),
        ("site", Type::Bytes),
        ("original_site", Type::Bytes),
        ("original_hash", Type::Bytes),
        ("record", Type::Bytes),
        ("scope", Type::Int),
        ("approvals", Type::Text),
    ],
    local: &[("position", Type::Int)],
    live: Some(
        "NOT EXISTS (SELECT 1 FROM retracted_entries x WHERE x.site = r.site AND x.hash = r.hash) \
         AND NOT EXISTS (SELECT 1 FROM retracted_entries x \
             WHERE x.site = r.original_site AND x.hash = r.original_hash) \
         AND NOT EXISTS (SELECT 1 FROM retracted_records x \
             WHERE x.site = r.original_site AND x.record = r.record)",
    ),
}];

/// The pure rules. Verifies the original's signature.
pub(super) fn check(head: &Head, release: &Release) -> Result<(), RuleError> {
    let original = &release.head;
    let (from, to) = (original.log.audience, head.log.audience);
    ensure(to.addressee.is_none(), "a release is for everybody within its scope")?;
    ensure(from.addressee.is_none(), "a direct entry cannot be released")?;
    ensure(to.scope > from.scope, "a release goes to a wider scope than its original has")?;
    ensure(
        original.log.lane == release.record.lane(),
        "the released record does not belong in its original's lane",
    )?;
    ensure(head.blobs == original.blobs, "a release brings the files of its original")?;
    if let Record::Article(article) = &release.record {
        article::check(original, article)?;
    }
    let body = release.original.body.as_deref().unwrap_or_default();
    ensure(
        original.body_size == body.len() as u64 && original.body_hash == Hash::of(body),
        "the released body is not the one its original names",
    )?;
    ensure(
        original.log.site != head.log.site || release.persons() >= 2,
        "two distinct persons approve the release of a site's own entry",
    )?;
    Ok(verify_head(original.key, &release.original.head, &release.original.signature)?)
}

#[derive(serde::Serialize)]
struct ApprovalJson<'a> {
    person: &'a str,
    at_ms: i64,
}

pub(super) async fn fold(
    tx: &mut Tx,
    items: &[(&Folding<'_>, &Release)],
) -> Result<(), StoreError> {
    let mut rows = Vec::with_capacity(items.len());
    for (item, it) in items {
        let Some(record) = it.record_id() else { continue };
        let approvals: Vec<ApprovalJson<'_>> = it
            .approvals
            .iter()
            .map(|approval| ApprovalJson { person: &approval.person, at_ms: approval.at_ms })
            .collect();
        let approvals = serde_json::to_string(&approvals)
            .map_err(|_| StoreError::Corrupt("approvals that are no JSON"))?;
        rows.push(args![
            item.hash,
            item.head.log.site,
            it.head.log.site,
            it.original_hash(),
            record,
            item.head.log.audience.scope,
            approvals,
            item.position,
        ]);
    }
    tx.insert_many(
        "INSERT INTO releases (hash, site, original_site, original_hash, record, scope, approvals, position)",
        "ON CONFLICT (hash) DO NOTHING",
        rows,
    )
    .await
}

/// Releases of the site `own` whose original is withdrawn while they are not: a hub's duty. Each wants a
/// retraction in its own audience. In order of arrival, at most `limit`. Only what a release or a retraction after
/// position `after` brought is looked at: with the position up to which nothing was stale, nothing is missed.
pub async fn stale(
    tx: &mut Tx,
    own: SiteId,
    after: i64,
    limit: i64,
) -> Result<Vec<Target>, StoreError> {
    // CROSS, so that SQLite begins with the few that changed and not with all of its own.
    let sql = format!(
        "SELECT {TARGET} FROM ( \
           SELECT n.hash FROM releases n WHERE n.site = $1 AND n.position > $2 \
             AND (EXISTS (SELECT 1 FROM retracted_entries x \
                 WHERE x.site = n.original_site AND x.hash = n.original_hash) \
               OR EXISTS (SELECT 1 FROM retracted_records x \
                 WHERE x.site = n.original_site AND x.record = n.record)) \
           UNION SELECT n.hash FROM retractions t \
             CROSS JOIN retracted_entries x CROSS JOIN releases n \
             WHERE t.position > $2 AND x.retraction = t.hash \
               AND n.original_site = x.site AND n.original_hash = x.hash \
           UNION SELECT n.hash FROM retractions t CROSS JOIN releases n \
             WHERE t.position > $2 AND length(t.record) > 0 \
               AND n.original_site = t.site AND n.record = t.record \
         ) k CROSS JOIN releases r \
         JOIN entries e ON e.position = r.position JOIN logs l ON l.log = e.log \
         WHERE r.hash = k.hash AND r.site = $1 \
         AND NOT EXISTS (SELECT 1 FROM retracted_entries x WHERE x.site = r.site AND x.hash = r.hash) \
         ORDER BY r.position LIMIT $3"
    );
    tx.all(&sql, args![own, after, limit]).await?.iter().map(target).collect()
}

/// What the site `own` itself released of another site's article or notice, and has not withdrawn.
pub async fn live_of(
    tx: &mut Tx,
    own: SiteId,
    original_site: SiteId,
    record: RecordId,
) -> Result<Vec<Target>, StoreError> {
    let sql = format!(
        "SELECT {TARGET} FROM releases r \
         JOIN entries e ON e.position = r.position JOIN logs l ON l.log = e.log \
         WHERE r.site = $1 AND r.original_site = $2 AND r.record = $3 \
         AND NOT EXISTS (SELECT 1 FROM retracted_entries x WHERE x.site = r.site AND x.hash = r.hash) \
         ORDER BY r.position"
    );
    tx.all(&sql, args![own, original_site, record]).await?.iter().map(target).collect()
}
