-- Local state of pages; never entries, never sent.

-- Hub: units whose own public entries its public pages show without a release.
CREATE TABLE at_once (
    unit_code TEXT NOT NULL PRIMARY KEY
) WITHOUT ROWID;

-- How often an article was read, on listeners of one scope; nothing of who read it.
CREATE TABLE article_views (
    site  BLOB   NOT NULL,
    id    BLOB   NOT NULL,
    scope BIGINT NOT NULL,
    views BIGINT NOT NULL,
    PRIMARY KEY (site, id, scope)
) WITHOUT ROWID;
