//! Values in and out, alike on both engines.

use bytes::Bytes;
use sqlx::Row as _;
#[cfg(feature = "postgres")]
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use super::StoreError;
use crate::entry::{HarvesterId, Hash, Incarnation, Lane, PublicKey, RecordId, SiteId};
use crate::scope::Scope;

/// A value for a placeholder; NULL is typed, as PostgreSQL wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// BIGINT.
    Int(Option<i64>),
    /// TEXT.
    Text(Option<String>),
    /// BLOB or BYTEA.
    Bytes(Option<Vec<u8>>),
}

/// The values of a statement, in order: `args![site, 3, "x"]`.
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::Value::from($value)),*] };
}

macro_rules! into_value {
    ($($from:ty, $it:ident => $value:expr;)*) => {$(
        impl From<$from> for Value {
            fn from($it: $from) -> Self {
                $value
            }
        }
    )*};
}

into_value! {
    i64, it => Self::Int(Some(it));
    Option<i64>, it => Self::Int(it);
    i32, it => Self::Int(Some(it.into()));
    bool, it => Self::Int(Some(it.into()));
    u64, it => Self::Int(Some(i64::try_from(it).unwrap_or(i64::MAX)));
    &str, it => Self::Text(Some(it.to_owned()));
    &String, it => Self::Text(Some(it.clone()));
    String, it => Self::Text(Some(it));
    Option<String>, it => Self::Text(it);
    &[u8], it => Self::Bytes(Some(it.to_vec()));
    Vec<u8>, it => Self::Bytes(Some(it));
    &Bytes, it => Self::Bytes(Some(it.to_vec()));
    Option<&Bytes>, it => Self::Bytes(it.map(|bytes| bytes.to_vec()));
    SiteId, it => Self::Bytes(Some(it.0.to_vec()));
    Option<SiteId>, it => Self::Bytes(Some(it.map_or_else(Vec::new, |site| site.0.to_vec())));
    HarvesterId, it => Self::Bytes(Some(it.0.to_vec()));
    Incarnation, it => Self::Bytes(Some(it.0.to_vec()));
    Hash, it => Self::Bytes(Some(it.0.to_vec()));
    Option<Hash>, it => Self::Bytes(it.map(|hash| hash.0.to_vec()));
    RecordId, it => Self::Bytes(Some(it.0.to_vec()));
    Option<RecordId>, it => Self::Bytes(it.map(|id| id.0.to_vec()));
    PublicKey, it => Self::Bytes(Some(it.0.to_vec()));
    Scope, it => Self::Int(Some(it.number()));
    Lane, it => Self::Int(Some(it.number()));
}

/// A row of either engine.
#[derive(Debug)]
pub enum Row {
    /// From SQLite.
    Sqlite(SqliteRow),
    /// From PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(Box<PgRow>),
}

impl Row {
    /// The value of column `index`, counted from 0.
    pub fn get<T: FromSql>(&self, index: usize) -> Result<T, StoreError> {
        T::from_sql(self, index)
    }
}

/// A type that a column can be read as.
pub trait FromSql: Sized {
    /// Reads column `index` of `row`.
    fn from_sql(row: &Row, index: usize) -> Result<Self, StoreError>;
}

macro_rules! native {
    ($($t:ty),*) => {$(
        impl FromSql for $t {
            fn from_sql(row: &Row, index: usize) -> Result<Self, StoreError> {
                Ok(match row {
                    Row::Sqlite(row) => row.try_get(index)?,
                    #[cfg(feature = "postgres")]
                    Row::Postgres(row) => row.try_get(index)?,
                })
            }
        }
    )*};
}

native!(i64, Option<i64>, String, Option<String>, Vec<u8>, Option<Vec<u8>>);

macro_rules! through {
    ($($t:ty, $via:ty, $it:ident => $value:expr, $what:literal;)*) => {$(
        impl FromSql for $t {
            fn from_sql(row: &Row, index: usize) -> Result<Self, StoreError> {
                let $it = <$via>::from_sql(row, index)?;
                $value.ok_or(StoreError::Corrupt($what))
            }
        }
    )*};
}

through! {
    bool, i64, it => (it == 0 || it == 1).then_some(it == 1), "a truth value other than 0 and 1";
    u64, i64, it => u64::try_from(it).ok(), "a negative count";
    i32, i64, it => i32::try_from(it).ok(), "a number out of range";
    Bytes, Vec<u8>, it => Some(Bytes::from(it)), "bytes";
    Option<Bytes>, Option<Vec<u8>>, it => Some(it.map(Bytes::from)), "bytes";
    SiteId, Vec<u8>, it => SiteId::from_slice(&it), "a site id";
    Option<SiteId>, Vec<u8>, it => if it.is_empty() { Some(None) } else { SiteId::from_slice(&it).map(Some) }, "a site id";
    HarvesterId, Vec<u8>, it => HarvesterId::from_slice(&it), "a harvester id";
    Incarnation, Vec<u8>, it => Incarnation::from_slice(&it), "an incarnation";
    Hash, Vec<u8>, it => Hash::from_slice(&it), "a hash";
    Option<Hash>, Option<Vec<u8>>, it => match it { None => Some(None), Some(it) => Hash::from_slice(&it).map(Some) }, "a hash";
    RecordId, Vec<u8>, it => RecordId::from_slice(&it), "a record id";
    Option<RecordId>, Option<Vec<u8>>, it => match it { None => Some(None), Some(it) => RecordId::from_slice(&it).map(Some) }, "a record id";
    PublicKey, Vec<u8>, it => PublicKey::from_slice(&it), "a key";
    Scope, i64, it => Scope::from_number(it), "a scope";
    Lane, i64, it => Lane::from_number(it), "a lane";
}
