-- Where an article was published first, and what an adopted one was made from; an empty site is none.
ALTER TABLE article_revisions ADD COLUMN link TEXT NOT NULL DEFAULT '';
ALTER TABLE article_revisions ADD COLUMN origin_site BLOB NOT NULL DEFAULT x'';
ALTER TABLE article_revisions ADD COLUMN origin_id BLOB;
ALTER TABLE article_revisions ADD COLUMN origin_hash BLOB;

-- Which of a site's articles were adopted.
CREATE INDEX article_revisions_by_origin ON article_revisions (origin_site, origin_id)
    WHERE origin_id IS NOT NULL;
