-- Purpose: accounts whose lots, wallet entries and balance don't say the same.
-- Grain:   one row for each such account.
-- Columns: broken: the row by name, as a sentence; amounts in micros.
-- Parameters: accounts from :first to :last, both included.
-- Sources: accounts, wallet_entries, lot_balances, balances (the ledger).
SELECT
    'account ' || id || ': entries sum to ' || entries || ', lots to ' || lots
    || ', balance says ' || posted AS broken
FROM (
    SELECT
        a.id,
        (
            SELECT coalesce(sum(w.amount_micros), 0) FROM wallet_entries w
            WHERE w.account_id = a.id
        ) AS entries,
        (
            SELECT coalesce(sum(l.remaining_micros), 0) FROM lot_balances l
            WHERE l.account_id = a.id
        ) AS lots,
        coalesce((SELECT b.posted_micros FROM balances b WHERE b.account_id = a.id), 0) AS posted
    FROM accounts a
    WHERE a.id BETWEEN :first AND :last
) sums
WHERE entries <> lots OR entries <> posted
ORDER BY id
