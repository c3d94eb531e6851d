-- A chart over days would add up every minute of them at each look: hours that are over are kept summed, by the workers'
-- maintenance and not by a trigger, so that no outcome pays for it. Both tables are pruned by age.
-- How far they reach is maintenance.position of 'hours': the first hour that is not summed yet.

-- What ended in each hour: the sums of sync_minute.
CREATE TABLE sync_hour (
    -- Unix time in hours.
    hour INTEGER NOT NULL,
    target TEXT NOT NULL,
    accepted INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    PRIMARY KEY (hour, target)
) STRICT, WITHOUT ROWID;

-- A lag histogram an hour: the sums of sync_lag.
CREATE TABLE sync_lag_hour (
    hour INTEGER NOT NULL,
    target TEXT NOT NULL,
    -- Upper bound of the bucket, in milliseconds.
    upper_ms INTEGER NOT NULL,
    syncs INTEGER NOT NULL,
    PRIMARY KEY (hour, target, upper_ms)
) STRICT, WITHOUT ROWID;
