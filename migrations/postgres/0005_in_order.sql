-- An entry carries one revision: its position and its own hash name the row. (On SQLite rows lie in that order.)

ALTER TABLE article_revisions DROP CONSTRAINT article_revisions_pkey;
DROP INDEX article_revisions_by_position;
DROP INDEX article_revisions_by_carrier;
ALTER TABLE article_revisions ADD PRIMARY KEY (position);
CREATE UNIQUE INDEX article_revisions_by_carrier ON article_revisions (carrier_hash);

ALTER TABLE notices DROP CONSTRAINT notices_pkey;
DROP INDEX notices_by_position;
DROP INDEX notices_by_carrier;
ALTER TABLE notices ADD PRIMARY KEY (position);
CREATE UNIQUE INDEX notices_by_carrier ON notices (carrier_hash);
