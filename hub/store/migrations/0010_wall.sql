-- The walls between sites: what the policy of every table with a `site` asks. `hub/store/wall.py` says which role
-- may do what, makes the policies, and does so anew after every migration and restore.

-- Asked once per statement, as soon as there is a row that it might have to hide: a forgotten area is an error,
-- never an empty list.
CREATE FUNCTION area_every() RETURNS boolean
    LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$
        DECLARE
            said text := coalesce(current_setting('sanfang.area', true), '');
        BEGIN
            IF said = '' THEN
                RAISE EXCEPTION 'no area is set: say whose rows this is about (sanfang.area)'
                    USING ERRCODE = 'insufficient_privilege';
            END IF;
            IF said = '*' AND current_user ~ '_(report|readonly)$' THEN
                RAISE EXCEPTION 'the area of % is a list of sites, never all (sanfang.area)', current_user
                    USING ERRCODE = 'insufficient_privilege';
            END IF;
            RETURN said = '*';
        END
    $$;

-- Only asked where the area is not every site.
CREATE FUNCTION area_sites() RETURNS text[]
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
        SELECT CASE WHEN coalesce(current_setting('sanfang.area', true), '') IN ('', '*') THEN '{}'::text[]
            ELSE current_setting('sanfang.area', true)::text[] END
    $$;
