-- Articles and notices lie in order of arrival, and an entry, which carries one revision, is named by its own hash
-- alone. Before, the rows lay by two hashes, which stood in every index again: each article was written to five
-- places at random.

ALTER TABLE article_revisions RENAME TO article_revisions_before;
CREATE TABLE article_revisions (
    hash           BLOB   NOT NULL,
    carrier_hash   BLOB   NOT NULL,
    carrier_site   BLOB   NOT NULL,
    site           BLOB   NOT NULL,
    id             BLOB   NOT NULL,
    scope          BIGINT NOT NULL,
    addressee      BLOB   NOT NULL,
    original_scope BIGINT NOT NULL,
    lamport        BIGINT NOT NULL,
    slug           TEXT   NOT NULL,
    title          TEXT   NOT NULL,
    source         TEXT   NOT NULL,
    author         TEXT   NOT NULL,
    editor         TEXT   NOT NULL,
    keywords       TEXT   NOT NULL,
    published_ms   BIGINT NOT NULL,
    unit_code      TEXT   NOT NULL,
    unit_name      TEXT   NOT NULL,
    first_seen_ms  BIGINT,
    position       INTEGER PRIMARY KEY,
    received_ms    BIGINT NOT NULL
);
INSERT INTO article_revisions (hash, carrier_hash, carrier_site, site, id, scope, addressee, original_scope, lamport, slug, title, source, author, editor, keywords, published_ms, unit_code, unit_name, first_seen_ms, position, received_ms)
SELECT hash, carrier_hash, carrier_site, site, id, scope, addressee, original_scope, lamport, slug, title, source, author, editor, keywords, published_ms, unit_code, unit_name, first_seen_ms, position, received_ms FROM article_revisions_before ORDER BY position;
DROP TABLE article_revisions_before;
CREATE UNIQUE INDEX article_revisions_by_carrier ON article_revisions (carrier_hash);
CREATE INDEX article_revisions_by_id ON article_revisions (site, id);
CREATE INDEX article_revisions_by_date ON article_revisions (published_ms, hash, carrier_hash);

ALTER TABLE notices RENAME TO notices_before;
CREATE TABLE notices (
    hash           BLOB   NOT NULL,
    carrier_hash   BLOB   NOT NULL,
    carrier_site   BLOB   NOT NULL,
    site           BLOB   NOT NULL,
    id             BLOB   NOT NULL,
    scope          BIGINT NOT NULL,
    addressee      BLOB   NOT NULL,
    original_scope BIGINT NOT NULL,
    lamport        BIGINT NOT NULL,
    title          TEXT   NOT NULL,
    doc_number     TEXT   NOT NULL,
    deadline_ms    BIGINT,
    issued_ms      BIGINT NOT NULL,
    unit_code      TEXT   NOT NULL,
    unit_name      TEXT   NOT NULL,
    position       INTEGER PRIMARY KEY,
    received_ms    BIGINT NOT NULL
);
INSERT INTO notices (hash, carrier_hash, carrier_site, site, id, scope, addressee, original_scope, lamport, title, doc_number, deadline_ms, issued_ms, unit_code, unit_name, position, received_ms)
SELECT hash, carrier_hash, carrier_site, site, id, scope, addressee, original_scope, lamport, title, doc_number, deadline_ms, issued_ms, unit_code, unit_name, position, received_ms FROM notices_before ORDER BY position;
DROP TABLE notices_before;
CREATE UNIQUE INDEX notices_by_carrier ON notices (carrier_hash);
CREATE INDEX notices_by_id ON notices (site, id);
CREATE INDEX notices_by_date ON notices (issued_ms, hash, carrier_hash);
