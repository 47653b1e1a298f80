-- Purpose: adds one batch of the ledger to the sums by account, local day, campaign, metric,
--          service and direction.
-- Grain:   one row for each such cell of the batch; rows of earlier batches stay and add up.
-- Columns: line_count in lines; base_units in the metric's base unit; talk_seconds in seconds;
--          cost_micros in millionths of the currency. Each sum is cast: Parquet would keep the
--          wider integer of a sum as a floating-point number.
-- Sources: batch (the Arrow table of one sync).
INSERT INTO lake.roll_campaign_metric
SELECT
    account_id, booked_on::DATE AS booked_on, left(booked_on, 7) AS local_month, campaign_id,
    metric, service, direction,
    count(*)::BIGINT, sum(base_units)::BIGINT, sum(pulses)::BIGINT,
    sum(talk_seconds)::BIGINT, sum(cost_micros)::BIGINT
FROM batch
GROUP BY ALL
ORDER BY local_month, account_id, campaign_id, booked_on, metric, service, direction
