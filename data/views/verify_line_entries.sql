-- Purpose: lines that cost something and have no wallet entry.
-- Grain:   one row for each such line.
-- Columns: broken: the row by name, as a sentence; amounts in micros.
-- Parameters: accounts from :first to :last, both included.
-- Sources: usage_lines, wallet_entries (the ledger).
SELECT
    'line seq ' || l.seq || ' (' || l.id || ') of ' || l.account_id || ': costs '
    || l.cost_micros || ', no entry' AS broken
FROM usage_lines l
LEFT JOIN wallet_entries w ON w.line_id = l.id
WHERE l.account_id BETWEEN :first AND :last
    AND l.cost_micros <> 0
    AND NOT l.is_sandbox
    AND w.id IS NULL
ORDER BY l.account_id, l.seq
