-- Purpose: puts one batch of delivery receipts into the analytics store.
-- Grain:   one row for each receipt that moved a line from one status to another.
-- Columns: those of lake.moves; booked_on arrives as text (YYYY-MM-DD).
-- Sources: moved (the Arrow table of one sync).
INSERT INTO lake.moves
SELECT
    seq, line_seq, account_id, metric, service, direction, previous_status, status, campaign_id,
    consumer_id, occurred_at, booked_on::DATE, left(booked_on, 7) AS local_month, base_units,
    pulses, talk_seconds, cost_micros
FROM moved
ORDER BY local_month, account_id, line_seq, seq
