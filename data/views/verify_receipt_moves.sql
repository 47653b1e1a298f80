-- Purpose: receipts that don't continue the chain of their line: one that moved it from another
--          status than the one it stood at, or though something newer was known; one that didn't
--          move it though nothing newer was known.
-- Grain:   one row for each such receipt.
-- Columns: broken: the row by name, as a sentence; instants in microseconds.
-- Parameters: accounts from :first to :last, both included.
-- Sources: receipts, usage_lines (the ledger). Any receipt outranks the status a line came with, so
--          the first one is bound by no instant.
SELECT
    'receipt seq ' || seq || ' of ' || account_id || ' for line ' || line_id || ': '
    || coalesce('from ' || previous_status, 'no move') || ' to ' || status || ' at ' || occurred_at
    || ', but the line stood at ' || stood || ' since '
    || coalesce(CAST(since AS TEXT), 'its charge') AS broken
FROM (
    SELECT
        r.seq, r.account_id, r.line_id, r.previous_status, r.status, r.occurred_at,
        coalesce(p.status, l.status) AS stood,
        p.occurred_at AS since,
        l.reverses_line_id IS NOT NULL AS is_reversal,
        coalesce(p.status, '') AS since_status
    FROM receipts r
    JOIN usage_lines l ON l.id = r.line_id
    LEFT JOIN receipts p ON p.seq = (
        SELECT q.seq FROM receipts q
        WHERE q.account_id = r.account_id AND q.line_id = r.line_id AND q.seq < r.seq
            AND q.previous_status IS NOT NULL
        ORDER BY q.seq DESC
        LIMIT 1
    )
    WHERE r.account_id BETWEEN :first AND :last
) chained
WHERE previous_status <> stood
    OR (since IS NULL AND previous_status IS NULL AND NOT is_reversal)
    OR (
        since IS NOT NULL
        AND (previous_status IS NOT NULL) <> (
            occurred_at > since OR (occurred_at = since AND status > since_status)
        )
    )
ORDER BY account_id, seq
