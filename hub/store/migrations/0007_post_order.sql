-- Posts keep the order of the site's configuration; the next start applies each site anew, so that they get it.
ALTER TABLE post ADD COLUMN ordinal int NOT NULL DEFAULT 0;
UPDATE site SET configuration_hash = '';
