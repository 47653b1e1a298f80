-- Purpose: wallet entries that were booked into a period after its statement had closed it.
-- Grain:   one row for each such entry.
-- Columns: broken: the row by name, as a sentence; amounts in micros.
-- Parameters: accounts from :first to :last, both included.
-- Sources: statements, wallet_entries (the ledger).
SELECT
    'entry seq ' || w.seq || ' (' || w.id || ') of ' || w.account_id || ': ' || w.amount_micros
    || ' booked on ' || w.booked_on || ', after its period from ' || s.period_start
    || ' was closed' AS broken
FROM wallet_entries w
JOIN statements s ON s.account_id = w.account_id AND s.period_start = (
    SELECT max(p.period_start) FROM statements p
    WHERE p.account_id = w.account_id AND p.period_start <= w.booked_on
)
WHERE w.account_id BETWEEN :first AND :last
    AND w.booked_on < s.period_end
    AND w.seq > s.last_entry_seq
ORDER BY w.account_id, w.seq
