-- Purpose: accounts whose reserved money isn't what their open holds have set aside.
-- Grain:   one row for each such account.
-- Columns: broken: the row by name, as a sentence; amounts in micros.
-- Parameters: accounts from :first to :last, both included.
-- Sources: balances, holds (the ledger).
SELECT
    'account ' || account_id || ': reserved ' || reserved_micros || ', open holds ' || held
        AS broken
FROM (
    SELECT
        b.account_id, b.reserved_micros,
        coalesce((
            SELECT sum(h.held_micros) FROM holds h
            WHERE h.account_id = b.account_id AND h.state = 'open'
        ), 0) AS held
    FROM balances b
    WHERE b.account_id BETWEEN :first AND :last
) sums
WHERE reserved_micros <> held
ORDER BY account_id
