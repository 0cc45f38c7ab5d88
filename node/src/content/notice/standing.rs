//! Who got a notice, who has to sign for it, and who did: 应签, 已签, 未签.

use std::collections::{BTreeMap, BTreeSet};

use crate::args;
use crate::content::journal::{LIVE, visible};
use crate::content::receipt::{self, Stage};
use crate::content::site::{self, SiteView, Unit};
use crate::entry::{RecordId, SiteId};
use crate::scope::{Audience, Reader, Scope, may_read};
use crate::store::{StoreError, Tx};

/// How far one unit got with a notice.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct UnitStanding {
    /// The unit's site.
    pub site: SiteId,
    /// The unit; `None` if it is not enrolled here, or the reader may not know it.
    pub unit: Option<Unit>,
    /// When it got there, by its own clock; a later stage holds the earlier ones.
    pub delivered_ms: Option<i64>,
    /// When somebody opened it.
    pub read_ms: Option<i64>,
    /// When somebody signed for it; `None` is 未签.
    pub signed_ms: Option<i64>,
    /// Who signed; empty until then.
    pub person: String,
}

/// A notice here without this site's own word that it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// The notice's author.
    pub site: SiteId,
    /// The notice.
    pub notice: RecordId,
    /// The audience for the receipt: the author alone, as far as the notice goes.
    pub audience: Audience,
    /// Where the notice stands in the journal.
    pub position: i64,
}

/// The audiences of all live copies of a notice, releases among them: for its author's desk.
pub async fn copies(tx: &mut Tx, site: SiteId, id: RecordId) -> Result<Vec<Audience>, StoreError> {
    let sql = format!(
        "SELECT DISTINCT r.scope, r.addressee FROM notices r \
         WHERE r.site = $1 AND r.id = $2 AND {LIVE} ORDER BY r.scope, r.addressee"
    );
    let rows = tx.all(&sql, args![site, id]).await?;
    rows.iter().map(|row| Ok(Audience { scope: row.get(0)?, addressee: row.get(1)? })).collect()
}

/// Who has to sign for a notice and how far each got, as far as `reader` may see: its author everything, a
/// unit itself, others nothing. By the unit's code.
///
/// Expected are the addressees of its copies and, for a notice to a scope, every site that belongs, is no hub
/// and may hold that scope. Revoked sites stay expected of their own copy alone.
pub async fn standing(
    tx: &mut Tx,
    reader: Reader,
    notice_site: SiteId,
    id: RecordId,
) -> Result<Vec<UnitStanding>, StoreError> {
    let copies = copies(tx, notice_site, id).await?;
    let sites: BTreeMap<SiteId, SiteView> =
        site::all(tx).await?.into_iter().map(|view| (view.site, view)).collect();
    let mut expected: BTreeMap<SiteId, Scope> = BTreeMap::new();
    for copy in copies {
        let reached: BTreeSet<SiteId> = match copy.addressee {
            Some(addressee) => [addressee].into(),
            None => sites.values().filter(|it| held_by(it, copy.scope)).map(|it| it.site).collect(),
        };
        for site in reached.into_iter().filter(|site| *site != notice_site) {
            let scope = expected.entry(site).or_insert(copy.scope);
            *scope = copy.scope.max(*scope);
        }
    }
    let receipts = receipt::list(tx, reader, notice_site, id).await?;
    let mut standing: Vec<UnitStanding> = expected
        .into_iter()
        // A unit's standing is what its receipts say: told to whom they are.
        .filter(|(site, scope)| may_read(reader, *site, Audience::direct(*scope, notice_site)))
        .map(|(site, _)| {
            let of = |stage: Stage| {
                receipts.iter().filter(move |it| it.site == site && it.stage >= stage)
            };
            let when = |stage| of(stage).map(|it| it.at_ms).min();
            UnitStanding {
                site,
                unit: sites.get(&site).filter(|it| it.may_see(reader)).map(|it| it.unit.clone()),
                delivered_ms: when(Stage::Delivered),
                read_ms: when(Stage::Read),
                signed_ms: when(Stage::Signed),
                person: of(Stage::Signed).map(|it| it.person.clone()).next().unwrap_or_default(),
            }
        })
        .collect();
    let code = |it: &UnitStanding| it.unit.as_ref().map(|unit| unit.code.clone());
    standing.sort_by_key(|it| (it.unit.is_none(), code(it), it.site));
    Ok(standing)
}

fn held_by(site: &SiteView, scope: Scope) -> bool {
    site.revoked.is_none() && !site.hub && site.ceiling <= scope
}

/// Notices of others to this site that came after position `after` and have no receipt of its own yet: a
/// node's duty to say that they arrived. In order of arrival, at most `limit`; of several copies the first.
pub async fn undelivered(
    tx: &mut Tx,
    own: SiteId,
    after: i64,
    limit: i64,
) -> Result<Vec<Undelivered>, StoreError> {
    // Whatever this site holds, it may hold.
    let reader = Reader::desk(own);
    let visible = visible(reader);
    let sql = format!(
        "SELECT r.site, r.id, r.scope, r.addressee, r.carrier_site, r.position FROM notices r \
         WHERE {visible} AND {LIVE} AND r.site <> $2 AND r.position > $3 \
         AND NOT EXISTS (SELECT 1 FROM receipts g WHERE g.notice_site = r.site AND g.notice = r.id \
           AND g.site = $2 AND NOT EXISTS (SELECT 1 FROM retracted_entries x \
             WHERE x.site = g.site AND x.hash = g.hash)) \
         ORDER BY r.position LIMIT $4"
    );
    let (mut found, mut named) = (Vec::new(), BTreeSet::new());
    for row in tx.all(&sql, args![reader.ceiling, reader.site, after, limit]).await? {
        let (site, notice) = (row.get(0)?, row.get(1)?);
        let audience = Audience { scope: row.get(2)?, addressee: row.get(3)? };
        if may_read(reader, row.get(4)?, audience) && named.insert((site, notice)) {
            found.push(Undelivered {
                site,
                notice,
                audience: Audience::direct(audience.scope, site),
                position: row.get(5)?,
            });
        }
    }
    Ok(found)
}
