//! Invitations: one-time tokens with everything the hub decides beforehand about a unit's site, or a harvester.

use lianbo_node::args;
use lianbo_node::content;
use lianbo_node::content::BadText;
use lianbo_node::content::site::Unit;
use lianbo_node::entry::RecordId;
use lianbo_node::link::token::invite_id;
use lianbo_node::scope::Scope;
use lianbo_node::store::{StoreError, Tx};

/// What an invitation grants. Kept locally; once spent, the signed enrolment says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// Names it: a digest of its secret, which itself is not kept.
    pub id: RecordId,
    /// Who will run the site; of a harvester, code and name.
    pub unit: Unit,
    /// The narrowest scope the site will hold. A harvester sees what is public.
    pub ceiling: Scope,
    /// For a harvester and not for a site.
    pub harvester: bool,
    /// When it was made, milliseconds since 1970-01-01 UTC.
    pub created_ms: i64,
    /// When it expires.
    pub expires_ms: i64,
}

/// Why a token does not open the door.
#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    /// No invitation has this secret.
    #[error(
        "this token was not made by this hub; check that it was copied whole, or ask for a new one"
    )]
    Forged,
    /// It was used already.
    #[error("this token has been spent by another site; ask the hub's operator for a new one")]
    Spent,
    /// Too late.
    #[error("this token has expired; ask the hub's operator for a new one")]
    Expired,
    /// Made for a harvester, and a node asks; or the other way round.
    #[error("{0}")]
    OtherKind(&'static str),
    /// The unit has a site already, or a harvester has its code.
    #[error("{0:?} has joined already; revoke that one first, or give another code")]
    Taken(String),
    /// The description of the unit is not acceptable.
    #[error("{0}")]
    Unit(#[from] BadText),
    /// The unit above is unknown.
    #[error("there is no unit {0:?} to put this one under; invite that one first")]
    NoParent(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Invite {
    /// Keeps an invitation after checking that its unit can be enrolled.
    pub async fn save(&self, tx: &mut Tx) -> Result<(), InviteError> {
        self.unit.check()?;
        check_free(tx, &self.unit.code).await?;
        let parent = &self.unit.parent;
        if !parent.is_empty() && content::site::by_code(tx, parent).await?.is_none() {
            return Err(InviteError::NoParent(parent.clone()));
        }
        let sql = "INSERT INTO invites \
                   (invite, unit_code, unit_name, parent_code, ceiling, created_ms, expires_ms, harvester) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let unit = &self.unit;
        let values = args![
            self.id,
            &unit.code,
            &unit.name,
            &unit.parent,
            self.ceiling,
            self.created_ms,
            self.expires_ms,
            self.harvester
        ];
        tx.execute(sql, values).await?;
        Ok(())
    }

    /// The invitation a secret opens for a site or for a harvester, if it is still good at `now` (milliseconds since
    /// 1970-01-01 UTC).
    pub async fn find(
        tx: &mut Tx,
        secret: &[u8],
        harvester: bool,
        now: i64,
    ) -> Result<Self, InviteError> {
        let id = invite_id(secret);
        // Spent invitations come back with the signed enrolments even if this table was lost.
        if content::site::invite_spent(tx, id).await?.is_some() {
            return Err(InviteError::Spent);
        }
        let sql = "SELECT unit_code, unit_name, parent_code, ceiling, created_ms, expires_ms, harvester \
                   FROM invites WHERE invite = $1";
        let row = tx.optional(sql, args![id]).await?.ok_or(InviteError::Forged)?;
        let invite = Self {
            id,
            unit: Unit { code: row.get(0)?, name: row.get(1)?, parent: row.get(2)? },
            ceiling: row.get(3)?,
            created_ms: row.get(4)?,
            expires_ms: row.get(5)?,
            harvester: row.get(6)?,
        };
        match (invite.harvester, harvester) {
            (true, false) => {
                return Err(InviteError::OtherKind(
                    "this token is for a harvester: use it with `lianbo-hub harvest-client join`",
                ));
            }
            (false, true) => {
                return Err(InviteError::OtherKind(
                    "this token is for a unit's node: use it with `lianbo-node join`",
                ));
            }
            _ => {}
        }
        if invite.expires_ms <= now {
            return Err(InviteError::Expired);
        }
        check_free(tx, &invite.unit.code).await?;
        Ok(invite)
    }
}

/// A unit has one site, and no harvester its code; a revoked one makes room.
async fn check_free(tx: &mut Tx, code: &str) -> Result<(), InviteError> {
    let site = content::site::by_code(tx, code).await?.is_some_and(|it| it.revoked.is_none());
    let harvester =
        content::harvester::by_code(tx, code).await?.is_some_and(|it| it.revoked.is_none());
    if site || harvester { Err(InviteError::Taken(code.to_owned())) } else { Ok(()) }
}
