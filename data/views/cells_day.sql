-- Purpose: sums of one account's usage, grouped by whichever dimensions are asked for.
-- Grain:   one row for each group; a dimension that isn't asked for is NULL throughout.
-- Columns: booked_on, metric, service, direction, status;
--          line_count in lines, base_units in the metric's base unit, pulses, talk_seconds in
--          seconds, cost_micros in millionths of the currency.
-- Parameters: booked days from $start (included) to $end (excluded); an empty list lets all pass.
-- Sources: lake.roll_day.
SELECT
    CASE WHEN $by_booked_on THEN booked_on END AS booked_on,
    CASE WHEN $by_metric THEN metric END AS metric,
    CASE WHEN $by_service THEN service END AS service,
    CASE WHEN $by_direction THEN direction END AS direction,
    CASE WHEN $by_status THEN status END AS status,
    sum(line_count)::BIGINT AS line_count, sum(base_units)::BIGINT AS base_units,
    sum(pulses)::BIGINT AS pulses, sum(talk_seconds)::BIGINT AS talk_seconds,
    sum(cost_micros)::BIGINT AS cost_micros
FROM lake.roll_day
WHERE account_id = $account_id
    AND booked_on >= $start
    AND booked_on < $end
    AND (len($metrics) = 0 OR list_contains($metrics, metric))
    AND (len($services) = 0 OR list_contains($services, service))
    AND (len($statuses) = 0 OR list_contains($statuses, status))
GROUP BY ALL
ORDER BY booked_on, metric, service, direction, status
