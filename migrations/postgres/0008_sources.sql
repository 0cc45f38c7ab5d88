-- Hub: sources (采集源) it polls, and what it remembers of them. Local state; never entries, never sent. What a poll
-- brings are articles, which enter like every entry.

CREATE TABLE feed_sources (
    source     TEXT   NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL,
    url        TEXT   NOT NULL,
    -- Slug of the hub's column that its articles stand in, and how far they travel.
    slug       TEXT   NOT NULL,
    scope      BIGINT NOT NULL,
    every_ms   BIGINT NOT NULL,
    paused     BIGINT NOT NULL,
    created_ms BIGINT NOT NULL
);

-- The last poll of each. etag, modified and body (BLAKE3) are of the last good answer from url; usual is the usual
-- number of items in thousandths.
CREATE TABLE feed_polls (
    source    TEXT   NOT NULL PRIMARY KEY,
    url       TEXT   NOT NULL,
    due_ms    BIGINT NOT NULL,
    polled_ms BIGINT,
    good_ms   BIGINT,
    new_ms    BIGINT,
    etag      TEXT,
    modified  TEXT,
    body      BYTEA,
    standing  BIGINT NOT NULL,
    error     TEXT   NOT NULL,
    failures  BIGINT NOT NULL,
    items     BIGINT NOT NULL,
    usual     BIGINT NOT NULL
);

CREATE INDEX feed_polls_by_due ON feed_polls (due_ms);

-- What a source said last of each of its items: the article it became, and a hash of title, text, author, link, date.
CREATE TABLE feed_items (
    source  TEXT   NOT NULL,
    article BYTEA NOT NULL,
    content BYTEA NOT NULL,
    PRIMARY KEY (source, article)
);
