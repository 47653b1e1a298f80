-- Purpose: statements that the wallet's entries don't bear out by booking date, or that don't
--          follow the one before without a gap.
-- Grain:   one row for each such statement. Charges are entries with a line, less refunds of
--          lines. History from before the first statement may come in later: a statement speaks
--          of what was there when it was written.
-- Columns: broken: the row by name, as a sentence; amounts in micros.
-- Parameters: accounts from :first to :last, both included.
-- Sources: statements, wallet_entries (the ledger).
WITH firsts AS MATERIALIZED (
    SELECT account_id, min(period_start) AS first_day FROM statements
    WHERE account_id BETWEEN :first AND :last
    GROUP BY account_id
),
days AS MATERIALIZED (
    SELECT
        w.account_id, w.booked_on, sum(w.amount_micros) AS amount,
        sum(CASE WHEN w.line_id IS NOT NULL THEN -w.amount_micros ELSE 0 END) AS charges
    FROM wallet_entries w
    JOIN firsts f ON f.account_id = w.account_id
    WHERE w.booked_on >= f.first_day
    GROUP BY w.account_id, w.booked_on
),
before AS MATERIALIZED (
    SELECT account_id, known_from, sum(amount_micros) AS amount
    FROM (
        SELECT
            w.account_id, w.amount_micros,
            (
                SELECT min(s.last_entry_seq) FROM statements s
                WHERE s.account_id = w.account_id AND s.last_entry_seq >= w.seq
            ) AS known_from
        FROM wallet_entries w
        JOIN firsts f ON f.account_id = w.account_id
        WHERE w.booked_on < f.first_day
    ) early
    GROUP BY account_id, known_from
)
SELECT
    'statement of ' || account_id || ' from ' || period_start || ': opening ' || opening_micros
    || ' (entries say ' || opening || '), charges ' || charges_micros || ' (' || charges
    || '), closing ' || closing_micros || ' (' || closing || ')'
    || CASE
        WHEN previous_end <> period_start THEN ', but the one before ends on ' || previous_end
        ELSE ''
    END AS broken
FROM (
    SELECT
        account_id, period_start, opening_micros, charges_micros, closing_micros, previous_end,
        early + earlier AS opening, charges, early + earlier + within AS closing
    FROM (
        SELECT
            s.account_id, s.period_start, s.opening_micros, s.charges_micros, s.closing_micros,
            (
                SELECT max(p.period_end) FROM statements p
                WHERE p.account_id = s.account_id AND p.period_start < s.period_start
            ) AS previous_end,
            (
                SELECT coalesce(sum(b.amount), 0) FROM before b
                WHERE b.account_id = s.account_id AND b.known_from <= s.last_entry_seq
            ) AS early,
            (
                SELECT coalesce(sum(d.amount), 0) FROM days d
                WHERE d.account_id = s.account_id AND d.booked_on < s.period_start
            ) AS earlier,
            (
                SELECT coalesce(sum(d.amount), 0) FROM days d
                WHERE d.account_id = s.account_id
                    AND d.booked_on >= s.period_start AND d.booked_on < s.period_end
            ) AS within,
            (
                SELECT coalesce(sum(d.charges), 0) FROM days d
                WHERE d.account_id = s.account_id
                    AND d.booked_on >= s.period_start AND d.booked_on < s.period_end
            ) AS charges
        FROM statements s
        WHERE s.account_id BETWEEN :first AND :last
    ) sums
) proved
WHERE opening <> opening_micros OR charges <> charges_micros OR closing <> closing_micros
    OR previous_end <> period_start
ORDER BY account_id, period_start
