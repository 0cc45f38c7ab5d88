//! One transaction, on either engine.

use std::fmt;

#[cfg(feature = "postgres")]
use sqlx::Postgres;
use sqlx::{AssertSqlSafe, Sqlite, Transaction};

use super::{Row, Still, StoreError, Value};

/// Most rows of one multi-row statement. With a power of two, few texts of statements fill the
/// engines' caches of prepared ones.
const MAX_ROWS: usize = 256;

/// A transaction. Dropped without [`Tx::commit`], it never happened.
pub struct Tx(pub(super) Inner, pub(super) Option<Still>);

pub(super) enum Inner {
    Sqlite(Transaction<'static, Sqlite>),
    #[cfg(feature = "postgres")]
    Postgres(Transaction<'static, Postgres>),
}

impl fmt::Debug for Tx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tx")
    }
}

/// Runs one body for both engines: `$conn` is the connection, `$query` the statement with its values bound.
macro_rules! run {
    ($self:ident, $sql:ident, $args:ident, |$query:ident, $conn:ident| $body:expr, $row:ident) => {
        match &mut $self.0 {
            Inner::Sqlite(tx) => {
                let $row = Row::Sqlite;
                let $query = run!(bind sqlx::query::<Sqlite>(AssertSqlSafe($sql.to_owned())), $args);
                let $conn = &mut **tx;
                $body
            }
            #[cfg(feature = "postgres")]
            Inner::Postgres(tx) => {
                let $row = |row| Row::Postgres(Box::new(row));
                let $query = run!(bind sqlx::query::<Postgres>(AssertSqlSafe($sql.to_owned())), $args);
                let $conn = &mut **tx;
                $body
            }
        }
    };
    (bind $query:expr, $args:ident) => {{
        let mut query = $query;
        for value in $args {
            query = match value {
                Value::Int(value) => query.bind(value),
                Value::Text(value) => query.bind(value),
                Value::Bytes(value) => query.bind(value),
            };
        }
        query
    }};
}

impl Tx {
    /// Runs a statement; says how many rows it touched.
    pub async fn execute(&mut self, sql: &str, args: Vec<Value>) -> Result<u64, StoreError> {
        run!(self, sql, args, |query, conn| Ok(query.execute(conn).await?.rows_affected()), _row)
    }

    /// Runs a query; all its rows.
    pub async fn all(&mut self, sql: &str, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        run!(
            self,
            sql,
            args,
            |query, conn| Ok(query.fetch_all(conn).await?.into_iter().map(row).collect()),
            row
        )
    }

    /// Runs a query; its first row, if there is one.
    pub async fn optional(
        &mut self,
        sql: &str,
        args: Vec<Value>,
    ) -> Result<Option<Row>, StoreError> {
        run!(self, sql, args, |query, conn| Ok(query.fetch_optional(conn).await?.map(row)), row)
    }

    /// Inserts many rows with few statements: `head` is `INSERT INTO t (a, b)`, `tail` what follows the
    /// values, such as `ON CONFLICT …`. With such a tail no two rows may hit the same conflict. After an error the
    /// transaction is good for nothing.
    pub async fn insert_many(
        &mut self,
        head: &str,
        tail: &str,
        mut rows: Vec<Vec<Value>>,
    ) -> Result<(), StoreError> {
        while !rows.is_empty() {
            let count = prev_power_of_two(rows.len().min(MAX_ROWS));
            let rest = rows.split_off(count);
            let width = rows[0].len();
            let values = tuples(width, count, self.numbered());
            let sql = format!("{} VALUES {values} {tail}", self.without_copies(head));
            self.execute(&sql, rows.into_iter().flatten().collect()).await?;
            rows = rest;
        }
        Ok(())
    }

    /// Looks many keys up with few statements: `sql` holds `{keys}` where the list of key tuples goes, as in
    /// `FROM ({keys}) k JOIN t ON t.a = k.column1 AND t.b = k.column2` (SQLite seeks for a join and scans for
    /// `(a, b) IN`), or, with keys of one column, `WHERE a IN ({keys})`. Rows come in no order, and those of
    /// the last key may come more than once. No other placeholders may stand in `sql`.
    pub async fn select_in(
        &mut self,
        sql: &str,
        keys: Vec<Vec<Value>>,
    ) -> Result<Vec<Row>, StoreError> {
        let mut found = Vec::new();
        for chunk in keys.chunks(MAX_ROWS) {
            // Filled up with the last key, so that few texts of statements arise.
            let count = chunk.len().next_power_of_two();
            let width = chunk[0].len();
            let numbered = self.numbered();
            let list = match width {
                1 => tuples(count, 1, numbered).trim_matches(['(', ')']).to_owned(),
                _ => format!("VALUES {}", tuples(width, count, numbered)),
            };
            // Places without a number want their values every time they stand there.
            let times = if numbered { 1 } else { sql.matches("{keys}").count() };
            let args = key_values(chunk, count, times);
            let sql = self.keys_first(sql).replace("{keys}", &list);
            found.extend(self.all(&sql, args).await?);
        }
        Ok(found)
    }

    /// So that SQLite could take back one statement alone it would copy every page that the statement touches into a
    /// file beside. Nobody asks for that: what failed is the transaction.
    fn without_copies(&self, insert: &str) -> String {
        if self.numbered() {
            insert.to_owned()
        } else {
            insert.replacen("INSERT INTO", "INSERT OR FAIL INTO", 1)
        }
    }

    /// SQLite keeps no statistics here, and would rather read a whole table than look for 256 keys in its index: a
    /// cross join keeps the order in which it is written. PostgreSQL knows better.
    fn keys_first(&self, sql: &str) -> String {
        if self.numbered() { sql.to_owned() } else { sql.replace(") k JOIN ", ") k CROSS JOIN ") }
    }

    /// Whether long lists of placeholders are numbered. SQLite takes `$1` for a name, and looks every name up from
    /// the first: of a statement with thousands, most of its time went there.
    fn numbered(&self) -> bool {
        match &self.0 {
            Inner::Sqlite(_) => false,
            #[cfg(feature = "postgres")]
            Inner::Postgres(_) => true,
        }
    }

    /// Makes it so. On SQLite the data are on the disk when this returns (`synchronous=FULL`), on
    /// PostgreSQL likewise (`synchronous_commit=on`).
    pub async fn commit(self) -> Result<(), StoreError> {
        match self.0 {
            Inner::Sqlite(tx) => tx.commit().await?,
            #[cfg(feature = "postgres")]
            Inner::Postgres(tx) => tx.commit().await?,
        }
        drop(self.1);
        Ok(())
    }
}

/// The values of these keys and, up to `count`, of the last one again; all of that so many times.
fn key_values(keys: &[Vec<Value>], count: usize, times: usize) -> Vec<Value> {
    let padding = std::iter::repeat_n(&keys[keys.len() - 1], count - keys.len());
    let values = keys.iter().chain(padding).flatten();
    (0..times).flat_map(|_| values.clone()).cloned().collect()
}

fn prev_power_of_two(n: usize) -> usize {
    1 << n.ilog2()
}

fn tuples(width: usize, count: usize, numbered: bool) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(width * count * 6);
    for row in 0..count {
        text.push_str(if row == 0 { "(" } else { ",(" });
        for column in 0..width {
            text.push_str(if column == 0 { "" } else { "," });
            if numbered {
                write!(text, "${}", row * width + column + 1).unwrap_or_default();
            } else {
                text.push('?');
            }
        }
        text.push(')');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args;
    use crate::store::testing::TestDatabase;

    #[tokio::test]
    async fn however_many_keys_are_looked_up_no_table_is_read_as_a_whole() {
        let database = TestDatabase::sqlite().await;
        let mut tx = database.store.read().await.unwrap();
        let by_id = "EXPLAIN QUERY PLAN SELECT r.position, e.body FROM ({keys}) k \
                     JOIN article_revisions r ON r.site = k.column1 AND r.id = k.column2 \
                     JOIN entries e ON e.position = r.position WHERE r.carrier_hash = r.hash";
        let by_origin = "EXPLAIN QUERY PLAN SELECT r.id FROM ({keys}) k JOIN article_revisions r \
                         ON r.origin_site = k.column1 AND r.origin_id = k.column2";
        for (sql, count) in
            [by_id, by_origin].into_iter().flat_map(|sql| [2, 16, 256].map(|n| (sql, n)))
        {
            let keys = (0..count).map(|_| args![vec![1_u8], vec![2_u8]]).collect();
            let plan = tx.select_in(sql, keys).await.unwrap();
            let plan: Vec<String> = plan.iter().map(|row| row.get(3).unwrap()).collect();
            assert!(plan.iter().any(|it| it.starts_with("SEARCH r ")), "{count} keys: {plan:#?}");
        }
    }

    #[tokio::test]
    async fn no_statement_copies_the_pages_it_touches_into_a_file_of_its_own() {
        let database = TestDatabase::sqlite().await;
        let mut tx = database.store.write().await.unwrap();
        let log = "INSERT INTO logs (log, site, incarnation, scope, addressee, lane)";
        tx.insert_many(
            log,
            "",
            vec![args![1, [1_u8].as_slice(), [1_u8].as_slice(), 1, [1_u8].as_slice(), 1]],
        )
        .await
        .unwrap();
        // By hashes that lie apart, so that the later ones touch many pages of the earlier ones.
        let hash = |n: i64| blake3::hash(&n.to_be_bytes()).as_bytes().to_vec();
        let rows = (0..4096)
            .map(|n| args![1, n * 7919 % 4096, hash(n), hash(n), 0, hash(n), hash(n), hash(n)])
            .collect();
        let entries =
            "INSERT INTO entries (log, seq, hash, rolling, received_ms, head, signature, body)";
        tx.insert_many(entries, "", rows).await.unwrap();
        let rows = (0..4096).map(|n| args![hash(n), hash(n), 1, 1]).collect();
        let seen = "INSERT INTO first_seen (site, hash, scope, at_ms)";
        tx.insert_many(seen, "ON CONFLICT (site, hash, scope) DO NOTHING", rows).await.unwrap();
        let open = std::fs::read_dir("/proc/self/fd").unwrap();
        let open: Vec<_> = open.filter_map(|it| it.ok()?.path().read_link().ok()).collect();
        let beside = open.iter().find(|path| path.to_string_lossy().contains("etilqs"));
        assert_eq!(beside, None, "a file of SQLite's own");
    }

    #[test]
    fn places_are_numbered_through() {
        assert_eq!(tuples(2, 3, true), "($1,$2),($3,$4),($5,$6)");
        assert_eq!(tuples(2, 3, false), "(?,?),(?,?),(?,?)");
        assert_eq!(prev_power_of_two(1), 1);
        assert_eq!(prev_power_of_two(255), 128);
        assert_eq!(prev_power_of_two(256), 256);
    }
}
