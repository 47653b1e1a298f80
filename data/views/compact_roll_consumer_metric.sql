-- Purpose: the sums of one month by account, local day, consumer, metric,
--          service and direction:
--          each cell once, in the order in which they are read.
-- Grain:   one row for each cell.
-- Columns: those of lake.roll_consumer_metric.
-- Parameters: $local_month, such as 2026-11.
-- Sources: lake.roll_consumer_metric.
SELECT
    account_id, booked_on, local_month, consumer_id, metric, service, direction,
    sum(line_count)::BIGINT AS line_count, sum(base_units)::BIGINT AS base_units,
    sum(pulses)::BIGINT AS pulses, sum(talk_seconds)::BIGINT AS talk_seconds,
    sum(cost_micros)::BIGINT AS cost_micros
FROM lake.roll_consumer_metric
WHERE local_month = $local_month
GROUP BY ALL
ORDER BY account_id, consumer_id, booked_on, metric, service, direction
