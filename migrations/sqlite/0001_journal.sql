-- Small facts about this site: its id, incarnation, journal id, epoch, sealing key.
CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

-- Logs: the entries of one (site, incarnation, audience, lane). An empty addressee is everybody.
CREATE TABLE logs (
    log         INTEGER PRIMARY KEY,
    site        BLOB   NOT NULL,
    incarnation BLOB   NOT NULL,
    scope       BIGINT NOT NULL,
    addressee   BLOB   NOT NULL,
    lane        BIGINT NOT NULL,
    -- Everything up to here is held without a gap; tip is the hash there.
    height      BIGINT NOT NULL DEFAULT 0,
    tip         BLOB,
    -- Highest sequence and Lamport counter held, gaps or not.
    top         BIGINT NOT NULL DEFAULT 0,
    lamport     BIGINT NOT NULL DEFAULT 0,
    UNIQUE (site, incarnation, scope, addressee, lane)
);

-- The journal: every entry held, in order of arrival. rolling = BLAKE3(rolling before, hash).
CREATE TABLE entries (
    position    INTEGER PRIMARY KEY,
    log         BIGINT NOT NULL REFERENCES logs (log) DEFERRABLE INITIALLY DEFERRED,
    seq         BIGINT NOT NULL,
    hash        BLOB   NOT NULL,
    previous    BLOB,
    rolling     BLOB   NOT NULL,
    received_ms BIGINT NOT NULL,
    slug        TEXT,
    head        BLOB   NOT NULL,
    signature   BLOB   NOT NULL,
    body        BLOB,
    UNIQUE (log, seq, hash)
);

-- Places in logs where two branches are held.
CREATE TABLE forks (
    log BIGINT NOT NULL REFERENCES logs (log),
    seq BIGINT NOT NULL,
    PRIMARY KEY (log, seq)
) WITHOUT ROWID;

-- Keys this site trusts without an entry: its own and its hub's. Only a hub may say who belongs.
CREATE TABLE pins (
    site BLOB NOT NULL,
    key  BLOB NOT NULL,
    hub  BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (site, key)
) WITHOUT ROWID;
