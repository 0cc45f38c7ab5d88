//! Articles with their texts, many at a time.

use std::collections::{BTreeMap, HashMap};

use super::Article;
use crate::args;
use crate::content::Record;
use crate::content::journal::records_at;
use crate::entry::{Entry, Head};
use crate::store::{StoreError, Tx};

/// An article and the entry that brings it.
#[derive(Clone, Debug)]
pub struct Carried {
    /// As received.
    pub entry: Entry,
    /// Its head.
    pub head: Head,
    /// The article; of a release, the one inside.
    pub article: Article,
}

/// The articles carried at these positions of the journal, by position. Ask [`sizes`] first how much that is.
pub async fn carried(tx: &mut Tx, positions: &[i64]) -> Result<HashMap<i64, Carried>, StoreError> {
    let mut found = HashMap::new();
    for (position, entry, head, record) in records_at(tx, positions).await? {
        let article = match record {
            Record::Article(article) => article,
            Record::Release(release) => match release.record {
                Record::Article(article) => article,
                _ => continue,
            },
            _ => continue,
        };
        found.insert(position, Carried { entry, head, article });
    }
    Ok(found)
}

/// How many bytes the bodies at these positions have.
pub async fn sizes(tx: &mut Tx, positions: &[i64]) -> Result<BTreeMap<i64, usize>, StoreError> {
    let keys = positions.iter().map(|position| args![*position]).collect();
    let sql = "SELECT position, CAST(COALESCE(length(body), 0) AS BIGINT) FROM entries \
               WHERE position IN ({keys})";
    let rows = tx.select_in(sql, keys).await?;
    rows.iter()
        .map(|row| Ok((row.get(0)?, usize::try_from(row.get::<i64>(1)?).unwrap_or(usize::MAX))))
        .collect()
}
