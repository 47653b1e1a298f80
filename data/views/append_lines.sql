-- Purpose: puts one batch of the ledger into the analytics store.
-- Grain:   one row for each line of the batch.
-- Columns: those of lake.lines; booked_on arrives as text (YYYY-MM-DD).
-- Sources: batch (the Arrow table of one sync).
INSERT INTO lake.lines
SELECT
    seq, id, account_id, event_id, metric, service, direction, agent, status, campaign_id,
    consumer_id, occurred_at, booked_on::DATE, left(booked_on, 7) AS local_month, base_units,
    pulses, talk_seconds, connect_fee_micros, cost_micros, currency
FROM batch
ORDER BY local_month, account_id, occurred_at, seq
