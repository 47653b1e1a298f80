-- Purpose: lines without their account or event, or in another currency than their account.
-- Grain:   one row for each such line.
-- Columns: broken: the row by name, as a sentence; amounts in micros.
-- Parameters: accounts from :first to :last, both included.
-- Sources: usage_lines, accounts, events (the ledger).
SELECT
    'line seq ' || l.seq || ' (' || l.id || ') of ' || l.account_id || ': '
    || CASE
        WHEN a.id IS NULL THEN 'no such account'
        WHEN a.currency <> l.currency THEN 'in ' || l.currency || ', not ' || a.currency
        ELSE 'event ' || l.event_id || ' is missing'
    END AS broken
FROM usage_lines l
LEFT JOIN accounts a ON a.id = l.account_id
LEFT JOIN events e ON e.event_id = l.event_id AND e.account_id = l.account_id
WHERE l.account_id BETWEEN :first AND :last
    AND (a.id IS NULL OR a.currency <> l.currency OR e.event_id IS NULL)
ORDER BY l.account_id, l.seq
