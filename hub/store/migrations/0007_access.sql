-- Who may do what, where.

CREATE TABLE account_grant (
    account text NOT NULL REFERENCES account,
    role text NOT NULL CHECK (role IN ('operator', 'guard', 'safety_officer', 'principal', 'maintenance',
        'bureau', 'integrator', 'administrator', 'auditor')),
    site text,                                 -- null: over an area
    area text[] NOT NULL DEFAULT '{}',         -- with a site: nothing; else a prefix of site.area, empty: everywhere
    granted_by text NOT NULL,
    granted_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX account_grant_once ON account_grant (account, role, coalesce(site, ''), area);

INSERT INTO account_grant (account, role, granted_by, granted_at)
    SELECT account, role, 'system:hub', created_at FROM account;

ALTER TABLE account DROP COLUMN role;

-- What an account may do: {"grants": [[role, site, area], …], "places": {site: area}} with every site that a grant
-- covers. The API asks it before it knows an area, so it sees past row security; it says nothing else.
CREATE FUNCTION account_access(of_account text) RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    AS $$
        SELECT jsonb_build_object(
            'grants', (
                SELECT coalesce(jsonb_agg(jsonb_build_array(g.role, g.site, g.area)), '[]')
                FROM account_grant g WHERE g.account = of_account
            ),
            'places', (
                SELECT coalesce(jsonb_object_agg(s.site, s.area), '{}') FROM site s WHERE EXISTS (
                    SELECT 1 FROM account_grant g WHERE g.account = of_account
                    AND (g.site = s.site OR (g.site IS NULL AND s.area[1:cardinality(g.area)] = g.area))
                )
            )
        )
    $$;
