-- Where an article was published first, and what an adopted one was made from; an empty site is none.
ALTER TABLE article_revisions ADD COLUMN link TEXT NOT NULL DEFAULT '';
ALTER TABLE article_revisions ADD COLUMN origin_site BYTEA NOT NULL DEFAULT '';
ALTER TABLE article_revisions ADD COLUMN origin_id BYTEA;
ALTER TABLE article_revisions ADD COLUMN origin_hash BYTEA;

-- Which of a site's articles were adopted.
CREATE INDEX article_revisions_by_origin ON article_revisions (origin_site, origin_id)
    WHERE origin_id IS NOT NULL;
