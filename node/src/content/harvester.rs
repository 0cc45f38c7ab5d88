//! 省级采集: who may take over what a hub publishes. A harvester is no site: it writes nothing and has no key.

use std::cmp::Reverse;

use crate::args;
use crate::content::rules::RuleError;
use crate::content::site::{self, check_code};
use crate::content::views::{Type, View, reduce};
use crate::content::{BadText, Folding, check_line};
use crate::entry::{HarvesterId, Head, RecordId, SiteId};
use crate::scope::{Audience, Scope};
use crate::store::{Row, StoreError, Tx};

/// A hub lets a harvester in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Harvester {
    /// The id the hub gave it; random.
    pub id: HarvesterId,
    /// What it is known by; no unit under the hub has the same.
    pub code: String,
    /// Name on screens.
    pub name: String,
    /// The invitation it spent.
    pub invite: RecordId,
}

impl Harvester {
    /// Whom such a record is for: the sites of the private network, so that a hub that lost its disk learns again
    /// who was let in, and who was revoked since.
    pub const AUDIENCE: Audience = Audience::all(Scope::Organization);

    /// Checks code and name.
    pub fn check(&self) -> Result<(), BadText> {
        check_code(&self.code)?;
        check_line(&self.name, 100, true, "a harvester's name has 1 to 100 characters")
    }
}

/// A harvester as a hub knows it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct HarvesterView {
    /// Its id.
    pub id: HarvesterId,
    /// What it is known by.
    pub code: String,
    /// Name on screens.
    pub name: String,
    /// Why it no longer belongs; `None` while it does.
    pub revoked: Option<String>,
}

pub(super) const VIEWS: &[View] = &[View {
    table: "harvesters",
    shared: &[
        ("harvester", Type::Bytes),
        ("code", Type::Text),
        ("name", Type::Text),
        ("lamport", Type::Int),
        ("author", Type::Bytes),
        ("hash", Type::Bytes),
    ],
    local: &[],
    live: None,
}];

/// The pure rules.
pub(super) fn check(head: &Head) -> Result<(), RuleError> {
    site::told_to_all(head)
}

pub(super) async fn fold(
    tx: &mut Tx,
    items: &[(&Folding<'_>, &Harvester)],
) -> Result<(), StoreError> {
    let rows = items.iter().map(|(item, it)| {
        let rank = (item.head.lamport, item.head.log.site, item.hash);
        let row = args![it.id, &it.code, &it.name, rank.0, rank.1, rank.2];
        (it.id, Reverse(rank), row)
    });
    tx.insert_many(
        "INSERT INTO harvesters (harvester, code, name, lamport, author, hash)",
        "ON CONFLICT (harvester) DO UPDATE SET code = excluded.code, name = excluded.name, \
         lamport = excluded.lamport, author = excluded.author, hash = excluded.hash \
         WHERE (excluded.lamport, excluded.author, excluded.hash) \
             < (harvesters.lamport, harvesters.author, harvesters.hash)",
        reduce(rows),
    )
    .await?;
    site::spend(tx, items.iter().map(|(item, it)| (*item, it.invite, SiteId(it.id.0)))).await
}

const HARVESTERS: &str = "SELECT h.harvester, h.code, h.name, r.reason FROM harvesters h \
     LEFT JOIN revocations r ON r.site = h.harvester";

fn view(row: &Row) -> Result<HarvesterView, StoreError> {
    Ok(HarvesterView {
        id: row.get(0)?,
        code: row.get(1)?,
        name: row.get(2)?,
        revoked: row.get(3)?,
    })
}

/// Every harvester ever let in, revoked ones too, by code.
pub async fn all(tx: &mut Tx) -> Result<Vec<HarvesterView>, StoreError> {
    let sql = format!("{HARVESTERS} ORDER BY h.code, h.harvester");
    tx.all(&sql, args![]).await?.iter().map(view).collect()
}

/// The harvester with this code: the one that still belongs, or else any that did.
pub async fn by_code(tx: &mut Tx, code: &str) -> Result<Option<HarvesterView>, StoreError> {
    let sql = format!(
        "{HARVESTERS} WHERE h.code = $1 \
         ORDER BY CASE WHEN r.site IS NULL THEN 0 ELSE 1 END, h.lamport DESC, h.author DESC, h.hash DESC \
         LIMIT 1"
    );
    tx.optional(&sql, args![code]).await?.as_ref().map(view).transpose()
}
