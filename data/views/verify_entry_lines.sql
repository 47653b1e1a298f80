-- Purpose: charges whose line is missing or says another amount, account, day or currency, or is
--          a sandbox line.
-- Grain:   one row for each such entry.
-- Columns: broken: the row by name, as a sentence; amounts in micros.
-- Parameters: accounts from :first to :last, both included.
-- Sources: wallet_entries, usage_lines (the ledger).
SELECT
    'entry seq ' || w.seq || ' (' || w.id || ') of ' || w.account_id || ': amount '
    || w.amount_micros || ', line ' || w.line_id || ' costs '
    || coalesce(CAST(l.cost_micros AS VARCHAR), 'nothing: it is missing') AS broken
FROM wallet_entries w
LEFT JOIN usage_lines l ON l.id = w.line_id
WHERE w.account_id BETWEEN :first AND :last
    AND w.line_id IS NOT NULL
    AND (
        l.id IS NULL
        OR l.account_id <> w.account_id
        OR l.cost_micros <> -w.amount_micros
        OR l.currency <> w.currency
        OR l.booked_on <> w.booked_on
        OR l.is_sandbox
    )
ORDER BY w.account_id, w.seq
