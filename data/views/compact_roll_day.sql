-- Purpose: the sums by account, local day, metric, service, direction and status, each cell once.
-- Grain:   one row for each cell that has lines; receipts may have moved all of them to others.
-- Columns: those of lake.roll_day.
-- Sources: lake.roll_day.
SELECT
    account_id, booked_on, metric, service, direction, status,
    sum(line_count)::BIGINT AS line_count, sum(base_units)::BIGINT AS base_units,
    sum(pulses)::BIGINT AS pulses, sum(talk_seconds)::BIGINT AS talk_seconds,
    sum(cost_micros)::BIGINT AS cost_micros
FROM lake.roll_day
GROUP BY ALL
HAVING sum(line_count) <> 0
ORDER BY account_id, booked_on, metric, service, direction, status
