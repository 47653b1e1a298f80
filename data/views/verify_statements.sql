-- Purpose: statements that the wallet's entries don't bear out by booking date.
-- Grain:   one row for each such statement. Charges are entries with a line, less refunds of lines.
-- Columns: broken: the row by name, as a sentence; amounts in micros.
-- Parameters: accounts from :first to :last, both included.
-- Sources: statements, wallet_entries (the ledger).
SELECT
    'statement of ' || account_id || ' from ' || period_start || ': opening ' || opening_micros
    || ' (entries say ' || opening || '), charges ' || charges_micros || ' (' || charges
    || '), closing ' || closing_micros || ' (' || closing || ')' AS broken
FROM (
    SELECT
        s.account_id, s.period_start, s.opening_micros, s.charges_micros, s.closing_micros,
        (
            SELECT coalesce(sum(w.amount_micros), 0) FROM wallet_entries w
            WHERE w.account_id = s.account_id AND w.booked_on < s.period_start
        ) AS opening,
        (
            SELECT coalesce(-sum(w.amount_micros), 0) FROM wallet_entries w
            WHERE w.account_id = s.account_id AND w.line_id IS NOT NULL
                AND w.booked_on >= s.period_start AND w.booked_on < s.period_end
        ) AS charges,
        (
            SELECT coalesce(sum(w.amount_micros), 0) FROM wallet_entries w
            WHERE w.account_id = s.account_id AND w.booked_on < s.period_end
        ) AS closing
    FROM statements s
    WHERE s.account_id BETWEEN :first AND :last
) proved
WHERE opening <> opening_micros OR charges <> charges_micros OR closing <> closing_micros
ORDER BY account_id, period_start
