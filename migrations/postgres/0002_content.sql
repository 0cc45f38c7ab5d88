-- Views: folded from the journal, emptied and rebuilt by `rebuild-views`. Truth values are 0 and 1, an empty
-- addressee is everybody. `position` and `received_ms` belong to this site; everything else replicas share.

-- The latest enrolment of each site, by (lamport, author, hash); scope is how far it may be told.
CREATE TABLE sites (
    site        BYTEA  NOT NULL PRIMARY KEY,
    key         BYTEA  NOT NULL,
    unit_code   TEXT   NOT NULL,
    unit_name   TEXT   NOT NULL,
    parent_code TEXT   NOT NULL,
    ceiling     BIGINT NOT NULL,
    hub         BIGINT NOT NULL,
    scope       BIGINT NOT NULL,
    lamport     BIGINT NOT NULL,
    author      BYTEA  NOT NULL,
    hash        BYTEA  NOT NULL
);

CREATE INDEX sites_by_code ON sites (unit_code);

-- Every key a site may sign with, by enrolment or by its own word.
CREATE TABLE site_keys (
    site BYTEA NOT NULL,
    key  BYTEA NOT NULL,
    PRIMARY KEY (site, key)
);

-- Invitations that were used; the first enrolment, by (lamport, author, hash), names the site.
CREATE TABLE spent_invites (
    invite  BYTEA  NOT NULL PRIMARY KEY,
    site    BYTEA  NOT NULL,
    lamport BIGINT NOT NULL,
    author  BYTEA  NOT NULL,
    hash    BYTEA  NOT NULL
);

-- Sites that no longer belong; the first revocation, by (lamport, author, hash), gives the reason.
CREATE TABLE revocations (
    site    BYTEA  NOT NULL PRIMARY KEY,
    reason  TEXT   NOT NULL,
    lamport BIGINT NOT NULL,
    author  BYTEA  NOT NULL,
    hash    BYTEA  NOT NULL
);

-- Every retraction, to be listed and asked who has applied it. An empty record is none.
CREATE TABLE retractions (
    hash      BYTEA  NOT NULL PRIMARY KEY,
    site      BYTEA  NOT NULL,
    scope     BIGINT NOT NULL,
    addressee BYTEA  NOT NULL,
    record    BYTEA  NOT NULL,
    targets   BIGINT NOT NULL,
    reason    TEXT   NOT NULL,
    lamport   BIGINT NOT NULL,
    position  BIGINT NOT NULL
);

CREATE INDEX retractions_by_position ON retractions (position);
CREATE INDEX retractions_by_record ON retractions (site, record);

-- What is withdrawn, held here or not: entries, and all revisions of a record. The first retraction, by
-- (lamport, retraction), is the one named.
CREATE TABLE retracted_entries (
    site       BYTEA  NOT NULL,
    hash       BYTEA  NOT NULL,
    lamport    BIGINT NOT NULL,
    retraction BYTEA  NOT NULL,
    PRIMARY KEY (site, hash)
);

CREATE TABLE retracted_records (
    site       BYTEA  NOT NULL,
    record     BYTEA  NOT NULL,
    lamport    BIGINT NOT NULL,
    retraction BYTEA  NOT NULL,
    PRIMARY KEY (site, record)
);

-- The earliest word of a hub on when it first held an entry, by the scope in which it said so.
CREATE TABLE first_seen (
    site  BYTEA  NOT NULL,
    hash  BYTEA  NOT NULL,
    scope BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (site, hash, scope)
);

-- Every description of a column; the latest one a reader may see counts.
CREATE TABLE columns (
    hash        BYTEA  NOT NULL PRIMARY KEY,
    site        BYTEA  NOT NULL,
    slug        TEXT   NOT NULL,
    scope       BIGINT NOT NULL,
    addressee   BYTEA  NOT NULL,
    lamport     BIGINT NOT NULL,
    name        TEXT   NOT NULL,
    description TEXT   NOT NULL,
    rank        BIGINT NOT NULL,
    closed      BIGINT NOT NULL
);

CREATE INDEX columns_by_slug ON columns (site, slug);

-- Revisions of articles, once per entry that carries them: the author's own (carrier = revision) or a
-- release, whose audience, unit and first sighting these are. The text stays in the carrying entry.
CREATE TABLE article_revisions (
    hash           BYTEA  NOT NULL,
    carrier_hash   BYTEA  NOT NULL,
    carrier_site   BYTEA  NOT NULL,
    site           BYTEA  NOT NULL,
    id             BYTEA  NOT NULL,
    scope          BIGINT NOT NULL,
    addressee      BYTEA  NOT NULL,
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
    position       BIGINT NOT NULL PRIMARY KEY,
    received_ms    BIGINT NOT NULL
);

CREATE INDEX article_revisions_by_id ON article_revisions (site, id);
CREATE UNIQUE INDEX article_revisions_by_carrier ON article_revisions (carrier_hash);
CREATE INDEX article_revisions_by_date ON article_revisions (published_ms, hash, carrier_hash);

-- Notices and their copies, likewise.
CREATE TABLE notices (
    hash           BYTEA  NOT NULL,
    carrier_hash   BYTEA  NOT NULL,
    carrier_site   BYTEA  NOT NULL,
    site           BYTEA  NOT NULL,
    id             BYTEA  NOT NULL,
    scope          BIGINT NOT NULL,
    addressee      BYTEA  NOT NULL,
    original_scope BIGINT NOT NULL,
    lamport        BIGINT NOT NULL,
    title          TEXT   NOT NULL,
    doc_number     TEXT   NOT NULL,
    deadline_ms    BIGINT,
    issued_ms      BIGINT NOT NULL,
    unit_code      TEXT   NOT NULL,
    unit_name      TEXT   NOT NULL,
    position       BIGINT NOT NULL PRIMARY KEY,
    received_ms    BIGINT NOT NULL
);

CREATE INDEX notices_by_id ON notices (site, id);
CREATE UNIQUE INDEX notices_by_carrier ON notices (carrier_hash);
CREATE INDEX notices_by_date ON notices (issued_ms, hash, carrier_hash);

-- Units' words on notices; per unit and stage the first, by (lamport, hash), counts.
CREATE TABLE receipts (
    hash        BYTEA  NOT NULL PRIMARY KEY,
    notice_site BYTEA  NOT NULL,
    notice      BYTEA  NOT NULL,
    site        BYTEA  NOT NULL,
    scope       BIGINT NOT NULL,
    stage       BIGINT NOT NULL,
    person      TEXT   NOT NULL,
    at_ms       BIGINT NOT NULL,
    lamport     BIGINT NOT NULL
);

CREATE INDEX receipts_by_notice ON receipts (notice_site, notice, site);

-- Releases, and who approved them (JSON).
CREATE TABLE releases (
    hash          BYTEA  NOT NULL PRIMARY KEY,
    site          BYTEA  NOT NULL,
    original_site BYTEA  NOT NULL,
    original_hash BYTEA  NOT NULL,
    record        BYTEA  NOT NULL,
    scope         BIGINT NOT NULL,
    approvals     TEXT   NOT NULL,
    position      BIGINT NOT NULL
);

CREATE INDEX releases_by_site ON releases (site);
