-- Purpose: accounts with money reserved that no open hold explains (there are no holds yet).
-- Grain:   one row for each such account.
-- Columns: broken: the row by name, as a sentence; amounts in micros.
-- Parameters: accounts from :first to :last, both included.
-- Sources: balances (the ledger).
SELECT 'account ' || account_id || ': reserved ' || reserved_micros || ', open holds 0' AS broken
FROM balances
WHERE account_id BETWEEN :first AND :last AND reserved_micros <> 0
ORDER BY account_id
