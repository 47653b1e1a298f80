-- Purpose: accepted delivery receipts of which nothing is left: neither recorded beside a line nor
--          waiting for one; and receipts that wait for a message which is there.
-- Grain:   one row for each such receipt's event.
-- Columns: broken: the row by name, as a sentence.
-- Parameters: accounts from :first to :last, both included.
-- Sources: events, receipts, pending_receipts, usage_lines (the ledger).
SELECT broken
FROM (
    SELECT
        e.account_id, e.event_id,
        'receipt ' || e.id || ' from ' || e.source || ' (' || e.event_id || ') of '
        || e.account_id || ': neither recorded nor waiting' AS broken
    FROM events e
    WHERE e.account_id BETWEEN :first AND :last
        AND e.type = 'usage.status'
        AND e.event_id NOT IN (
            SELECT r.event_id FROM receipts r
            WHERE r.account_id BETWEEN :first AND :last
        )
        AND e.event_id NOT IN (
            SELECT w.event_id FROM pending_receipts w
            WHERE w.account_id BETWEEN :first AND :last
        )
    UNION ALL
    SELECT
        w.account_id, w.event_id,
        'receipt ' || w.event_id || ' of ' || w.account_id || ': waits for ' || w.ref_id || ' from '
        || w.ref_source || ', which is there' AS broken
    FROM pending_receipts w
    JOIN events m ON m.account_id = w.account_id AND m.source = w.ref_source AND m.id = w.ref_id
    JOIN usage_lines l ON l.event_id = m.event_id AND l.account_id = m.account_id
    WHERE w.account_id BETWEEN :first AND :last
        AND m.type IN ('usage.sms', 'usage.whatsapp', 'usage.voicemail')
        AND l.direction = 'outbound'
) lost
ORDER BY account_id, event_id, broken
