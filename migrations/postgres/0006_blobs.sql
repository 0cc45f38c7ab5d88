-- View: files that entries name, once per entry that carries them; `hash` is the revision, as in the other views.
CREATE TABLE blob_refs (
    blob         BYTEA  NOT NULL,
    carrier_hash BYTEA  NOT NULL,
    carrier_site BYTEA  NOT NULL,
    hash         BYTEA  NOT NULL,
    site         BYTEA  NOT NULL,
    id           BYTEA  NOT NULL,
    scope        BIGINT NOT NULL,
    addressee    BYTEA  NOT NULL,
    size         BIGINT NOT NULL,
    media_type   TEXT   NOT NULL,
    position     BIGINT NOT NULL,
    PRIMARY KEY (blob, carrier_hash)
);

CREATE INDEX blob_refs_by_carrier ON blob_refs (carrier_hash);
CREATE INDEX blob_refs_by_position ON blob_refs (position);

-- Local state of files; never entries, never sent.

-- Files held here, once per site that is known to have had the bytes: a file shows through the entries of such a
-- site alone. Not held while `held_ms` is empty; not collected before `kept_ms`.
CREATE TABLE blobs (
    hash       BYTEA  NOT NULL,
    site       BYTEA  NOT NULL,
    size       BIGINT NOT NULL,
    media_type TEXT   NOT NULL,
    held_ms    BIGINT,
    kept_ms    BIGINT NOT NULL,
    PRIMARY KEY (hash, site)
);

CREATE INDEX blobs_by_site ON blobs (site);

-- Node: files that entries name and that are not here, through the entry by which to ask the hub. Somebody asked for
-- it: 1 in `asked`.
CREATE TABLE blob_wants (
    blob    BYTEA  NOT NULL,
    site    BYTEA  NOT NULL,
    size    BIGINT NOT NULL,
    asked   BIGINT NOT NULL DEFAULT 0,
    tries   BIGINT NOT NULL DEFAULT 0,
    next_ms BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (blob, site)
);

-- Node: files the hub was given, or is yet to be given again, entry by entry.
CREATE TABLE blob_gifts (
    blob         BYTEA  NOT NULL,
    carrier_hash BYTEA  NOT NULL,
    given        BIGINT NOT NULL DEFAULT 0,
    tries        BIGINT NOT NULL DEFAULT 0,
    next_ms      BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (blob, carrier_hash)
);
