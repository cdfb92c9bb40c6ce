-- Floor plans: one of a zone (a building, a floor, the grounds), with what stands where on it.

CREATE TABLE floorplan (
    site text NOT NULL REFERENCES site,
    zone text NOT NULL,
    version bigint NOT NULL,
    digest text NOT NULL,                      -- SHA-256 of the picture, which we made ourselves
    media_type text NOT NULL CHECK (media_type IN ('image/png', 'image/webp')),
    width int NOT NULL CHECK (width > 0),      -- pixels
    height int NOT NULL CHECK (height > 0),
    picture bytea NOT NULL,
    zones jsonb NOT NULL DEFAULT '{}',         -- zone -> [[x, y], …]: its corners, 0..1 from the upper left
    devices jsonb NOT NULL DEFAULT '[]',       -- [[device, address or null, x, y], …]
    updated_at timestamptz NOT NULL,
    updated_by text NOT NULL,
    PRIMARY KEY (site, zone)
);
ALTER TABLE floorplan ALTER COLUMN picture SET STORAGE EXTERNAL;  -- is compressed already
