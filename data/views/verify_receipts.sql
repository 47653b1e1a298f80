-- Purpose: delivery receipts without their account, line or event, or of a line that is no message
--          of that account.
-- Grain:   one row for each such receipt.
-- Columns: broken: the row by name, as a sentence.
-- Parameters: accounts from :first to :last, both included.
-- Sources: receipts, accounts, usage_lines, events (the ledger).
SELECT
    'receipt seq ' || r.seq || ' of ' || r.account_id || ': '
    || CASE
        WHEN a.id IS NULL THEN 'no such account'
        WHEN l.id IS NULL THEN 'line ' || r.line_id || ' is missing'
        WHEN e.event_id IS NULL THEN 'its event ' || r.event_id || ' is missing'
        ELSE 'line ' || r.line_id || ' is no message that went out'
    END AS broken
FROM receipts r
LEFT JOIN accounts a ON a.id = r.account_id
LEFT JOIN usage_lines l ON l.id = r.line_id AND l.account_id = r.account_id
LEFT JOIN events e
    ON e.event_id = r.event_id AND e.account_id = r.account_id AND e.type = 'usage.status'
WHERE r.account_id BETWEEN :first AND :last
    AND (
        a.id IS NULL OR l.id IS NULL OR e.event_id IS NULL OR l.direction <> 'outbound'
        OR NOT EXISTS (
            SELECT 1 FROM events m
            WHERE m.event_id = l.event_id AND m.account_id = l.account_id
                AND m.type IN ('usage.sms', 'usage.whatsapp', 'usage.voicemail')
        )
    )
ORDER BY r.account_id, r.seq
