//! 签收: a unit's signed word on a notice.

use crate::args;
use crate::content::article::check_time;
use crate::content::rules::{RuleError, ensure};
use crate::content::views::{Type, View};
use crate::content::{BadText, Folding, check_line};
use crate::entry::{Head, RecordId, SiteId};
use crate::scope::{Audience, Reader, may_read};
use crate::store::{StoreError, Tx};

/// How far a unit got. A later stage holds the earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The unit's node holds it.
    Delivered = 1,
    /// Somebody opened it.
    Read = 2,
    /// Somebody signed for it.
    Signed = 3,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Self; 3] = [Self::Delivered, Self::Read, Self::Signed];

    /// The stage of a number from a table or the wire.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| *stage as i64 == number)
    }

    /// Name on screens.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Delivered => "已送达",
            Self::Read => "已阅",
            Self::Signed => "已签收",
        }
    }
}

/// A unit's word on a notice, addressed to the notice's author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The notice's author.
    pub site: SiteId,
    /// The notice.
    pub notice: RecordId,
    /// How far it got.
    pub stage: Stage,
    /// Who signed; empty below [`Stage::Signed`].
    pub person: String,
    /// When, by the unit's clock.
    pub at_ms: i64,
}

impl Receipt {
    /// Checks every field: whoever signs has a name.
    pub fn check(&self) -> Result<(), BadText> {
        let signed = self.stage == Stage::Signed;
        check_line(
            &self.person,
            60,
            signed,
            "whoever signs for a notice gives a name of at most 60 characters",
        )?;
        check_time(self.at_ms)
    }
}

/// A receipt as the notice's author and the unit see it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ReceiptView {
    /// The unit's site.
    pub site: SiteId,
    /// How far it got.
    pub stage: Stage,
    /// Who signed; empty below [`Stage::Signed`].
    pub person: String,
    /// When, by the unit's clock.
    pub at_ms: i64,
}

pub(super) const VIEWS: &[View] = &[View {
    table: "receipts",
    shared: &[
        ("hash", Type::Bytes),
        ("notice_site", Type::Bytes),
        ("notice", Type::Bytes),
        ("site", Type::Bytes),
        ("scope", Type::Int),
        ("stage", Type::Int),
        ("person", Type::Text),
        ("at_ms", Type::Int),
        ("lamport", Type::Int),
    ],
    local: &[],
    live: Some(LIVE),
}];

/// Which receipts are not withdrawn.
pub(super) const LIVE: &str =
    "NOT EXISTS (SELECT 1 FROM retracted_entries x WHERE x.site = r.site AND x.hash = r.hash)";

/// The pure rules.
pub(super) fn check(head: &Head, receipt: &Receipt) -> Result<(), RuleError> {
    ensure(
        head.log.audience.addressee == Some(receipt.site),
        "a receipt is addressed to the author of its notice, and to nobody else",
    )
}

pub(super) async fn fold(
    tx: &mut Tx,
    items: &[(&Folding<'_>, &Receipt)],
) -> Result<(), StoreError> {
    let rows = items
        .iter()
        .map(|(item, it)| {
            args![
                item.hash,
                it.site,
                it.notice,
                item.head.log.site,
                item.head.log.audience.scope,
                it.stage as i32,
                &it.person,
                it.at_ms,
                item.head.lamport,
            ]
        })
        .collect();
    tx.insert_many(
        "INSERT INTO receipts (hash, notice_site, notice, site, scope, stage, person, at_ms, lamport)",
        "ON CONFLICT (hash) DO NOTHING",
        rows,
    )
    .await
}

/// The receipts for a notice that `reader` may see: the author all of them, a unit its own. One per unit and
/// stage, the first by (Lamport, hash); by unit, then stage.
pub async fn list(
    tx: &mut Tx,
    reader: Reader,
    notice_site: SiteId,
    notice: RecordId,
) -> Result<Vec<ReceiptView>, StoreError> {
    let sql = format!(
        "SELECT r.site, r.stage, r.person, r.at_ms, r.scope FROM receipts r \
         WHERE r.notice_site = $1 AND r.notice = $2 AND {LIVE} \
         ORDER BY r.site, r.stage, r.lamport, r.hash"
    );
    let mut receipts: Vec<ReceiptView> = Vec::new();
    for row in tx.all(&sql, args![notice_site, notice]).await? {
        let stage = Stage::from_number(row.get(1)?).ok_or(StoreError::Corrupt("a stage"))?;
        let view =
            ReceiptView { site: row.get(0)?, stage, person: row.get(2)?, at_ms: row.get(3)? };
        let audience = Audience::direct(row.get(4)?, notice_site);
        let again =
            receipts.last().is_some_and(|last| (last.site, last.stage) == (view.site, view.stage));
        if !again && may_read(reader, view.site, audience) {
            receipts.push(view);
        }
    }
    Ok(receipts)
}
