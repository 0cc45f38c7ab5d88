-- Local state of links; never entries, never sent.

-- Hub: one-time invitations. The secret itself is not kept, only its digest names the invitation.
CREATE TABLE invites (
    invite      BLOB   NOT NULL PRIMARY KEY,
    unit_code   TEXT   NOT NULL,
    unit_name   TEXT   NOT NULL,
    parent_code TEXT   NOT NULL,
    ceiling     BIGINT NOT NULL,
    created_ms  BIGINT NOT NULL,
    expires_ms  BIGINT NOT NULL
) WITHOUT ROWID;

-- Hub: up to which position each site below made each lane durable, and when it was last heard.
CREATE TABLE acks (
    site     BLOB   NOT NULL,
    lane     BIGINT NOT NULL,
    position BIGINT NOT NULL,
    at_ms    BIGINT NOT NULL,
    PRIMARY KEY (site, lane)
) WITHOUT ROWID;

-- Node: the hub's cursor for each lane, as far as it is durable here.
CREATE TABLE cursors (
    lane   BIGINT NOT NULL PRIMARY KEY,
    cursor BLOB   NOT NULL
) WITHOUT ROWID;

-- Node: up to which height the hub holds each of this site's logs.
CREATE TABLE risen (
    log   BIGINT NOT NULL PRIMARY KEY REFERENCES logs (log),
    seq   BIGINT NOT NULL,
    at_ms BIGINT NOT NULL
) WITHOUT ROWID;

-- Node: what the hub did not take, and why.
CREATE TABLE refusals (
    log     BIGINT NOT NULL REFERENCES logs (log),
    seq     BIGINT NOT NULL,
    reason  TEXT   NOT NULL,
    message TEXT   NOT NULL,
    PRIMARY KEY (log, seq)
) WITHOUT ROWID;

-- Node: columns of siblings it wants; an empty site is any.
CREATE TABLE subscriptions (
    site BLOB NOT NULL,
    slug TEXT NOT NULL,
    PRIMARY KEY (site, slug)
) WITHOUT ROWID;
