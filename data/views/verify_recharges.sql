-- Purpose: automatic top-ups that aren't in the wallet as they were paid, or that came twice.
-- Grain:   one row for each such top-up, entry, account or local day.
-- Columns: broken: what is wrong, by name, as a sentence; amounts in micros.
-- Parameters: accounts from :first to :last, both included.
-- Sources: recharges, auto_recharges, wallet_entries (the ledger). What a day may take is told of
--          days on which something was asked for under the settings of now: others are gone.
WITH done AS (
    SELECT id, account_id, entry_id, amount_micros
    FROM recharges
    WHERE account_id BETWEEN :first AND :last AND state = 'done'
),
paid AS (
    SELECT id, account_id, kind, actor, amount_micros
    FROM wallet_entries
    WHERE account_id BETWEEN :first AND :last AND kind <> 'charge'
),
counted AS (
    SELECT account_id, counted_on, sum(amount_micros) AS micros, max(version) AS version
    FROM recharges
    WHERE account_id BETWEEN :first AND :last AND state IN ('waiting', 'sent', 'done')
    GROUP BY account_id, counted_on
)
SELECT
    'recharge ' || d.id || ' of ' || d.amount_micros || ' micros: '
    || CASE
        WHEN p.id IS NULL THEN 'no entry in its account''s wallet'
        WHEN p.kind <> 'top_up' OR p.actor IS NULL OR p.actor <> 'auto-recharge'
            THEN 'entry ' || p.id || ' is no automatic top-up'
        ELSE 'entry ' || p.id || ' is of ' || p.amount_micros
    END AS broken
FROM done d
LEFT JOIN paid p ON p.id = d.entry_id AND p.account_id = d.account_id
WHERE p.id IS NULL OR p.kind <> 'top_up' OR p.actor IS NULL OR p.actor <> 'auto-recharge'
    OR p.amount_micros <> d.amount_micros
UNION ALL
SELECT
    'entry ' || p.id || ' of ' || p.amount_micros || ' micros: an automatic top-up of '
    || count(d.id) || ' recharges' AS broken
FROM paid p
LEFT JOIN done d ON d.entry_id = p.id AND d.account_id = p.account_id
WHERE p.kind = 'top_up' AND p.actor = 'auto-recharge'
GROUP BY p.id, p.amount_micros
HAVING count(d.id) <> 1
UNION ALL
SELECT 'account ' || account_id || ': ' || count(*) || ' recharges are in flight' AS broken
FROM recharges
WHERE account_id BETWEEN :first AND :last AND state IN ('waiting', 'sent')
GROUP BY account_id
HAVING count(*) > 1
UNION ALL
SELECT
    'account ' || c.account_id || ' on ' || CAST(c.counted_on AS VARCHAR(10)) || ': recharges of '
    || c.micros || ' micros, and a day may take ' || s.daily_ceiling_micros AS broken
FROM counted c
JOIN auto_recharges s ON s.account_id = c.account_id AND s.version = c.version
WHERE c.micros > s.daily_ceiling_micros
ORDER BY broken
