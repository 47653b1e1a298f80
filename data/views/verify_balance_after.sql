-- Purpose: entries whose balance after them isn't the one before them plus their amount.
-- Grain:   one row for each such entry, in posting order.
-- Columns: broken: the row by name, as a sentence; amounts in micros.
-- Parameters: accounts from :first to :last, both included.
-- Sources: wallet_entries (the ledger).
SELECT
    'entry seq ' || seq || ' (' || id || ') of ' || account_id || ': ' || before_micros || ' + '
    || amount_micros || ' is not ' || balance_after_micros AS broken
FROM (
    SELECT
        seq, id, account_id, amount_micros, balance_after_micros,
        lag(balance_after_micros, 1, 0) OVER (PARTITION BY account_id ORDER BY seq)
            AS before_micros
    FROM wallet_entries
    WHERE account_id BETWEEN :first AND :last
) chained
WHERE before_micros + amount_micros <> balance_after_micros
ORDER BY account_id, seq
