-- Local state of pages; never entries, never sent.

-- Hub: units whose own public entries its public pages show without a release.
CREATE TABLE at_once (
    unit_code TEXT NOT NULL PRIMARY KEY
);

-- How often an article was read, on listeners of one scope; nothing of who read it.
CREATE TABLE article_views (
    site  BYTEA  NOT NULL,
    id    BYTEA  NOT NULL,
    scope BIGINT NOT NULL,
    views BIGINT NOT NULL,
    PRIMARY KEY (site, id, scope)
);
