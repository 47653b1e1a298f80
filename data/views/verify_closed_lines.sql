-- Purpose: lines that were booked into a period after its statement had closed it, and
--          corrections of a period that no statement has closed.
-- Grain:   one row for each such line.
-- Columns: broken: the row by name, as a sentence; amounts in micros.
-- Parameters: accounts from :first to :last, both included.
-- Sources: statements, usage_lines (the ledger).
SELECT
    'line seq ' || l.seq || ' (' || l.id || ') of ' || l.account_id || ': '
    || CASE
        WHEN l.seq > s.last_line_seq AND l.booked_on < s.period_end
            THEN 'booked on ' || l.booked_on || ', after its period from ' || s.period_start
                || ' was closed'
        ELSE 'corrects the period from ' || l.corrects_period || ', which has no statement'
    END AS broken
FROM usage_lines l
LEFT JOIN statements s ON s.account_id = l.account_id AND s.period_start = (
    SELECT max(p.period_start) FROM statements p
    WHERE p.account_id = l.account_id AND p.period_start <= l.booked_on
)
WHERE l.account_id BETWEEN :first AND :last
    AND (
        (l.booked_on < s.period_end AND l.seq > s.last_line_seq)
        OR (
            l.corrects_period IS NOT NULL
            AND NOT EXISTS (
                SELECT 1 FROM statements c
                WHERE c.account_id = l.account_id AND c.period_start = l.corrects_period
            )
        )
    )
ORDER BY l.account_id, l.seq
