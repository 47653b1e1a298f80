-- Purpose: the sums of one month by account, local day, campaign and consumer:
--          each cell once, in the order in which they are read.
-- Grain:   one row for each cell.
-- Columns: those of lake.roll_campaign_consumer.
-- Parameters: $local_month, such as 2026-11.
-- Sources: lake.roll_campaign_consumer.
SELECT
    account_id, booked_on, local_month, campaign_id, consumer_id,
    sum(line_count)::BIGINT AS line_count, sum(base_units)::BIGINT AS base_units,
    sum(pulses)::BIGINT AS pulses, sum(talk_seconds)::BIGINT AS talk_seconds,
    sum(cost_micros)::BIGINT AS cost_micros
FROM lake.roll_campaign_consumer
WHERE local_month = $local_month
GROUP BY ALL
ORDER BY account_id, campaign_id, consumer_id, booked_on
