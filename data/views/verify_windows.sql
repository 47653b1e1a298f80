-- Purpose: windows of spending caps whose counter isn't the sum of its charges and open holds.
-- Grain:   one row for each such window.
-- Columns: broken: the row by name, as a sentence; amounts in micros.
-- Parameters: accounts from :first to :last, both included.
-- Sources: cap_counters, usage_lines, holds (the ledger). Days and campaigns are compared with
--          lines and holds, weeks and months with the days. A day belongs to the last week that
--          began by then.
WITH counted AS (
    SELECT
        account_id, kind, CAST(start_on AS VARCHAR(10)) AS start_on, campaign_id,
        spent_micros AS spent, reserved_micros AS reserved
    FROM cap_counters
    WHERE account_id BETWEEN :first AND :last
),
parts AS (
    SELECT account_id, kind, start_on, campaign_id, spent, reserved FROM counted
    UNION ALL
    SELECT account_id, 'daily', CAST(cap_on AS VARCHAR(10)), '', -cost_micros, 0
    FROM usage_lines
    WHERE account_id BETWEEN :first AND :last AND NOT is_sandbox AND cost_micros <> 0
    UNION ALL
    SELECT account_id, 'daily', CAST(cap_on AS VARCHAR(10)), '', 0, -held_micros
    FROM holds
    WHERE account_id BETWEEN :first AND :last AND state = 'open'
    UNION ALL
    SELECT account_id, 'campaign', '1990-01-01', campaign_id, -cost_micros, 0
    FROM usage_lines
    WHERE account_id BETWEEN :first AND :last AND NOT is_sandbox AND cost_micros <> 0
        AND campaign_id IS NOT NULL
    UNION ALL
    SELECT account_id, 'campaign', '1990-01-01', campaign_id, 0, -held_micros
    FROM holds
    WHERE account_id BETWEEN :first AND :last AND state = 'open' AND campaign_id IS NOT NULL
    UNION ALL
    SELECT account_id, 'monthly', substr(start_on, 1, 8) || '01', '', -spent, -reserved
    FROM counted
    WHERE kind = 'daily'
    UNION ALL
    SELECT
        d.account_id, 'weekly',
        coalesce((
            SELECT max(w.start_on) FROM counted w
            WHERE w.account_id = d.account_id AND w.kind = 'weekly' AND w.start_on <= d.start_on
        ), 'none'),
        '', -d.spent, -d.reserved
    FROM counted d
    WHERE d.kind = 'daily'
)
SELECT
    'account ' || account_id || ', ' || kind || ' window from ' || start_on
    || CASE WHEN campaign_id = '' THEN '' ELSE ' of campaign ' || campaign_id END
    || ': spent is ' || sum(spent) || ' too much, reserved ' || sum(reserved) AS broken
FROM parts
GROUP BY account_id, kind, start_on, campaign_id
HAVING sum(spent) <> 0 OR sum(reserved) <> 0
ORDER BY account_id, kind, start_on, campaign_id
