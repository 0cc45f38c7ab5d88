-- View: who may take over what a hub publishes; the first admission of each, by (lamport, author, hash).
CREATE TABLE harvesters (
    harvester BLOB   NOT NULL PRIMARY KEY,
    code      TEXT   NOT NULL,
    name      TEXT   NOT NULL,
    lamport   BIGINT NOT NULL,
    author    BLOB   NOT NULL,
    hash      BLOB   NOT NULL
) WITHOUT ROWID;

-- Hub: an invitation for a harvester and not for a unit's site.
ALTER TABLE invites ADD COLUMN harvester BIGINT NOT NULL DEFAULT 0;

-- What is public, in order of arrival, without passing over everything that is not.
CREATE INDEX article_revisions_public ON article_revisions (position) WHERE scope = 3;
