-- A hub looks for releases whose original is withdrawn from where it looked last, not at all of them.
DROP INDEX releases_by_site;
CREATE INDEX releases_by_position ON releases (site, position);
CREATE INDEX releases_by_original ON releases (original_site, original_hash);
CREATE INDEX releases_by_record ON releases (original_site, record);
CREATE INDEX retracted_entries_by_retraction ON retracted_entries (retraction);
