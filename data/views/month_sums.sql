-- Purpose: what analytics hold of some months, as the nightly proof compares it with the ledger.
-- Grain:   one row for each table, month and account that has lines.
-- Columns: part the table; local_month YYYY-MM; line_count in lines; base_units in the metrics'
--          base units, of all metrics together; cost_micros in millionths of the currency.
-- Parameters: $first_on, the first day that is looked at.
-- Sources: lake.lines and every lake.roll_*.
SELECT
    'lines' AS part, local_month, account_id, count(*)::BIGINT AS line_count,
    sum(base_units)::BIGINT AS base_units, sum(cost_micros)::BIGINT AS cost_micros
FROM lake.lines
WHERE local_month >= strftime($first_on::DATE, '%Y-%m')
GROUP BY ALL
UNION ALL
SELECT
    'roll_day', strftime(booked_on, '%Y-%m'), account_id, sum(line_count)::BIGINT,
    sum(base_units)::BIGINT, sum(cost_micros)::BIGINT
FROM lake.roll_day
WHERE booked_on >= $first_on::DATE
GROUP BY ALL
UNION ALL
SELECT
    'roll_campaign', strftime(booked_on, '%Y-%m'), account_id, sum(line_count)::BIGINT,
    sum(base_units)::BIGINT, sum(cost_micros)::BIGINT
FROM lake.roll_campaign
WHERE booked_on >= $first_on::DATE
GROUP BY ALL
UNION ALL
SELECT
    'roll_consumer', strftime(booked_on, '%Y-%m'), account_id, sum(line_count)::BIGINT,
    sum(base_units)::BIGINT, sum(cost_micros)::BIGINT
FROM lake.roll_consumer
WHERE booked_on >= $first_on::DATE
GROUP BY ALL
UNION ALL
SELECT
    'roll_campaign_metric', local_month, account_id, sum(line_count)::BIGINT,
    sum(base_units)::BIGINT, sum(cost_micros)::BIGINT
FROM lake.roll_campaign_metric
WHERE local_month >= strftime($first_on::DATE, '%Y-%m')
GROUP BY ALL
UNION ALL
SELECT
    'roll_consumer_metric', local_month, account_id, sum(line_count)::BIGINT,
    sum(base_units)::BIGINT, sum(cost_micros)::BIGINT
FROM lake.roll_consumer_metric
WHERE local_month >= strftime($first_on::DATE, '%Y-%m')
GROUP BY ALL
UNION ALL
SELECT
    'roll_campaign_consumer', local_month, account_id, sum(line_count)::BIGINT,
    sum(base_units)::BIGINT, sum(cost_micros)::BIGINT
FROM lake.roll_campaign_consumer
WHERE local_month >= strftime($first_on::DATE, '%Y-%m')
GROUP BY ALL
