-- Purpose: wallet entries that aren't what their new lots grant less what they draw; for a
--          charge: its draws don't sum to it.
-- Grain:   one row for each such entry.
-- Columns: broken: the row by name, as a sentence; amounts in micros.
-- Parameters: accounts from :first to :last, both included.
-- Sources: wallet_entries, credit_lots, lot_draws (the ledger).
SELECT
    'entry seq ' || seq || ' (' || id || ') of ' || account_id || ': amount ' || amount_micros
    || ', granted ' || granted || ', drawn ' || drawn AS broken
FROM (
    SELECT
        w.seq, w.id, w.account_id, w.amount_micros,
        (
            SELECT coalesce(sum(d.micros), 0) FROM lot_draws d
            WHERE d.entry_id = w.id
        ) AS drawn,
        coalesce(g.granted, 0) AS granted
    FROM wallet_entries w
    LEFT JOIN (
        SELECT entry_id, sum(amount_micros) AS granted FROM credit_lots
        WHERE entry_id IS NOT NULL AND account_id BETWEEN :first AND :last
        GROUP BY entry_id
    ) g ON g.entry_id = w.id
    WHERE w.account_id BETWEEN :first AND :last
) entries
WHERE amount_micros <> granted - drawn
ORDER BY account_id, seq
