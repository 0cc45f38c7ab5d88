-- Views: folded from the journal, emptied and rebuilt by `rebuild-views`. Truth values are 0 and 1, an empty
-- addressee is everybody. `position` and `received_ms` belong to this site; everything else replicas share.

-- The latest enrolment of each site, by (lamport, author, hash); scope is how far it may be told.
CREATE TABLE sites (
    site        BLOB   NOT NULL PRIMARY KEY,
    key         BLOB   NOT NULL,
    unit_code   TEXT   NOT NULL,
    unit_name   TEXT   NOT NULL,
    parent_code TEXT   NOT NULL,
    ceiling     BIGINT NOT NULL,
    hub         BIGINT NOT NULL,
    scope       BIGINT NOT NULL,
    lamport     BIGINT NOT NULL,
    author      BLOB   NOT NULL,
    hash        BLOB   NOT NULL
) WITHOUT ROWID;

CREATE INDEX sites_by_code ON sites (unit_code);

-- Every key a site may sign with, by enrolment or by its own word.
CREATE TABLE site_keys (
    site BLOB NOT NULL,
    key  BLOB NOT NULL,
    PRIMARY KEY (site, key)
) WITHOUT ROWID;

-- Invitations that were used; the first enrolment, by (lamport, author, hash), names the site.
CREATE TABLE spent_invites (
    invite  BLOB   NOT NULL PRIMARY KEY,
    site    BLOB   NOT NULL,
    lamport BIGINT NOT NULL,
    author  BLOB   NOT NULL,
    hash    BLOB   NOT NULL
) WITHOUT ROWID;

-- Sites that no longer belong; the first revocation, by (lamport, author, hash), gives the reason.
CREATE TABLE revocations (
    site    BLOB   NOT NULL PRIMARY KEY,
    reason  TEXT   NOT NULL,
    lamport BIGINT NOT NULL,
    author  BLOB   NOT NULL,
    hash    BLOB   NOT NULL
) WITHOUT ROWID;

-- Every retraction, to be listed and asked who has applied it. An empty record is none.
CREATE TABLE retractions (
    hash      BLOB   NOT NULL PRIMARY KEY,
    site      BLOB   NOT NULL,
    scope     BIGINT NOT NULL,
    addressee BLOB   NOT NULL,
    record    BLOB   NOT NULL,
    targets   BIGINT NOT NULL,
    reason    TEXT   NOT NULL,
    lamport   BIGINT NOT NULL,
    position  BIGINT NOT NULL
) WITHOUT ROWID;

CREATE INDEX retractions_by_position ON retractions (position);
CREATE INDEX retractions_by_record ON retractions (site, record);

-- What is withdrawn, held here or not: entries, and all revisions of a record. The first retraction, by
-- (lamport, retraction), is the one named.
CREATE TABLE retracted_entries (
    site       BLOB   NOT NULL,
    hash       BLOB   NOT NULL,
    lamport    BIGINT NOT NULL,
    retraction BLOB   NOT NULL,
    PRIMARY KEY (site, hash)
) WITHOUT ROWID;

CREATE TABLE retracted_records (
    site       BLOB   NOT NULL,
    record     BLOB   NOT NULL,
    lamport    BIGINT NOT NULL,
    retraction BLOB   NOT NULL,
    PRIMARY KEY (site, record)
) WITHOUT ROWID;

-- The earliest word of a hub on when it first held an entry, by the scope in which it said so.
CREATE TABLE first_seen (
    site  BLOB   NOT NULL,
    hash  BLOB   NOT NULL,
    scope BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (site, hash, scope)
) WITHOUT ROWID;

-- Every description of a column; the latest one a reader may see counts.
CREATE TABLE columns (
    hash        BLOB   NOT NULL PRIMARY KEY,
    site        BLOB   NOT NULL,
    slug        TEXT   NOT NULL,
    scope       BIGINT NOT NULL,
    addressee   BLOB   NOT NULL,
    lamport     BIGINT NOT NULL,
    name        TEXT   NOT NULL,
    description TEXT   NOT NULL,
    rank        BIGINT NOT NULL,
    closed      BIGINT NOT NULL
) WITHOUT ROWID;

CREATE INDEX columns_by_slug ON columns (site, slug);

-- Revisions of articles, once per entry that carries them: the author's own (carrier = revision) or a
-- release, whose audience, unit and first sighting these are. The text stays in the carrying entry.
-- They lie in order of arrival: rows that lay by their hashes would have each article written to five places at random.
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

CREATE INDEX article_revisions_by_id ON article_revisions (site, id);
CREATE UNIQUE INDEX article_revisions_by_carrier ON article_revisions (carrier_hash);
CREATE INDEX article_revisions_by_date ON article_revisions (published_ms, hash, carrier_hash);

-- Notices and their copies, likewise.
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

CREATE INDEX notices_by_id ON notices (site, id);
CREATE UNIQUE INDEX notices_by_carrier ON notices (carrier_hash);
CREATE INDEX notices_by_date ON notices (issued_ms, hash, carrier_hash);

-- Units' words on notices; per unit and stage the first, by (lamport, hash), counts.
CREATE TABLE receipts (
    hash        BLOB   NOT NULL PRIMARY KEY,
    notice_site BLOB   NOT NULL,
    notice      BLOB   NOT NULL,
    site        BLOB   NOT NULL,
    scope       BIGINT NOT NULL,
    stage       BIGINT NOT NULL,
    person      TEXT   NOT NULL,
    at_ms       BIGINT NOT NULL,
    lamport     BIGINT NOT NULL
) WITHOUT ROWID;

CREATE INDEX receipts_by_notice ON receipts (notice_site, notice, site);

-- Releases, and who approved them (JSON).
CREATE TABLE releases (
    hash          BLOB   NOT NULL PRIMARY KEY,
    site          BLOB   NOT NULL,
    original_site BLOB   NOT NULL,
    original_hash BLOB   NOT NULL,
    record        BLOB   NOT NULL,
    scope         BIGINT NOT NULL,
    approvals     TEXT   NOT NULL,
    position      BIGINT NOT NULL
) WITHOUT ROWID;

CREATE INDEX releases_by_site ON releases (site);
