-- The versions of a site's document: its places, devices, posts and escalation, without gateways and people.

ALTER TABLE site ADD COLUMN file_hash text NOT NULL DEFAULT '';    -- of site.yaml's document as last taken in
ALTER TABLE site ADD COLUMN refused_hash text NOT NULL DEFAULT ''; -- of a site.yaml that was not taken in

CREATE TABLE site_version (
    site text NOT NULL REFERENCES site,
    version bigint NOT NULL,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    source text NOT NULL CHECK (source IN ('file', 'start', 'console', 'import', 'revert', 'schema')),
    reason text NOT NULL DEFAULT '',
    document json NOT NULL,                    -- json, not jsonb: its entries stay in the order in which they stand
    PRIMARY KEY (site, version)
);

-- What stood in rows only becomes the document's first version.
INSERT INTO site_version (site, version, at, actor, source, document)
SELECT s.site, s.configuration_version, s.updated_at, 'system:hub', 'schema', json_build_object(
    'site', s.site, 'name', s.name, 'area', s.area, 'time_zone', s.time_zone, 'escalation', s.escalation,
    'zones', coalesce((SELECT json_agg(json_build_object('zone', z.zone, 'parent', z.parent, 'name', z.name,
        'class', z.class, 'kind', z.kind, 'key_location', z.key_location) ORDER BY z.ordinal, z.zone)
        FROM zone z WHERE z.site = s.site AND z.active), '[]'),
    'devices', coalesce((SELECT json_agg(jsonb_build_object('device', d.device, 'name', d.name, 'family', d.family,
        'zone', d.zone, 'edge', d.edge, 'connection', d.connection, 'profile', d.profile, 'notes', d.notes)
        || d.configuration ORDER BY d.device) FROM device d WHERE d.site = s.site AND d.active), '[]'),
    'posts', coalesce((SELECT json_agg(json_build_object('post', p.post, 'name', p.name) ORDER BY p.ordinal, p.post)
        FROM post p WHERE p.site = s.site), '[]'))
FROM site s WHERE s.configuration_version > 0;
