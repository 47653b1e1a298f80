-- Purpose: credit lots whose remainder isn't what they were granted less what was drawn, or that
--          went below zero without being the overdraft.
-- Grain:   one row for each such lot.
-- Columns: broken: the row by name, as a sentence; amounts in micros.
-- Parameters: accounts from :first to :last, both included.
-- Sources: credit_lots, lot_balances, lot_draws (the ledger).
SELECT
    'lot ' || id || ' of ' || account_id || ' (' || kind || '): granted ' || amount_micros
    || ', drawn ' || drawn || ', left ' || coalesce(CAST(remaining AS VARCHAR), 'unknown')
        AS broken
FROM (
    SELECT
        c.id, c.account_id, c.kind, c.amount_micros,
        coalesce(d.drawn, 0) AS drawn,
        (
            SELECT b.remaining_micros FROM lot_balances b
            WHERE b.lot_id = c.id AND b.account_id = c.account_id
        ) AS remaining
    FROM credit_lots c
    LEFT JOIN (
        SELECT lot_id, sum(micros) AS drawn FROM lot_draws GROUP BY lot_id
    ) d ON d.lot_id = c.id
    WHERE c.account_id BETWEEN :first AND :last
) lots
WHERE remaining IS NULL
    OR remaining <> amount_micros - drawn
    OR (kind <> 'overdraft' AND remaining < 0)
    OR (kind = 'overdraft' AND remaining > 0)
ORDER BY account_id, id
