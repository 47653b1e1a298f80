-- Purpose: days of usage counted for alerts whose tally isn't the sum of the day's lines.
-- Grain:   one row for each such part of usage and day.
-- Columns: broken: the row by name, as a sentence; amounts in micros and base units.
-- Parameters: accounts from :first to :last, both included.
-- Sources: usage_tallies, usage_lines, alerts (the ledger). A tally begins with its first row;
--          days before it are unknown to it. A part of usage that no alert looks at has none.
WITH begun AS (
    SELECT account_id, scope, scope_id, min(booked_on) AS first_on
    FROM usage_tallies
    WHERE account_id BETWEEN :first AND :last
    GROUP BY account_id, scope, scope_id
),
parts AS (
    SELECT account_id, scope, scope_id, booked_on, base_units AS units, cost_micros AS micros
    FROM usage_tallies
    WHERE account_id BETWEEN :first AND :last
    UNION ALL
    SELECT b.account_id, b.scope, b.scope_id, l.booked_on, -l.base_units, -l.cost_micros
    FROM begun b
    JOIN usage_lines l ON l.account_id = b.account_id AND l.booked_on >= b.first_on
        AND NOT l.is_sandbox
        AND b.scope_id = CASE b.scope
            WHEN 'metric' THEN l.metric WHEN 'service' THEN l.service ELSE l.campaign_id END
)
SELECT
    'account ' || account_id || ', ' || scope || ' ' || scope_id || ' on '
    || CAST(booked_on AS VARCHAR(10)) || ': counted for alerts ' || sum(micros) || ' micros and '
    || sum(units) || ' units too much' AS broken
FROM parts
GROUP BY account_id, scope, scope_id, booked_on
HAVING sum(units) <> 0 OR sum(micros) <> 0
UNION ALL
SELECT
    'account ' || b.account_id || ', ' || b.scope || ' ' || b.scope_id
    || ': counted for alerts, and no alert looks at it' AS broken
FROM begun b
WHERE NOT EXISTS (
    SELECT 1 FROM alerts a
    WHERE a.account_id = b.account_id AND a.scope = b.scope AND a.scope_id = b.scope_id
        AND a.removed_at IS NULL
)
UNION ALL
SELECT
    'account ' || a.account_id || ', ' || a.scope || ' ' || a.scope_id
    || ': an alert looks at it, and it isn''t counted' AS broken
FROM alerts a
WHERE a.account_id BETWEEN :first AND :last AND a.removed_at IS NULL AND a.scope <> 'account'
    AND NOT EXISTS (
        SELECT 1 FROM begun b
        WHERE a.account_id = b.account_id AND a.scope = b.scope AND a.scope_id = b.scope_id
    )
ORDER BY broken
