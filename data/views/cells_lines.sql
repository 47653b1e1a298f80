-- Purpose: sums of one account's usage, grouped by whichever dimensions are asked for.
-- Grain:   one row for each group; a dimension that isn't asked for is NULL throughout.
-- Columns: booked_on, metric, service, direction, status, campaign_id, consumer_id;
--          line_count in lines, base_units in the metric's base unit, pulses, talk_seconds in
--          seconds, cost_micros in millionths of the currency.
-- Parameters: booked days from $start (included) to $end (excluded); an empty list lets all pass.
--          $is_by_status: whether statuses are asked for or filtered by; only then do moves matter.
-- Sources: lake.lines and lake.moves: a line that a receipt moved counts where it stands now.
SELECT
    CASE WHEN $by_booked_on THEN booked_on END AS booked_on,
    CASE WHEN $by_metric THEN metric END AS metric,
    CASE WHEN $by_service THEN service END AS service,
    CASE WHEN $by_direction THEN direction END AS direction,
    CASE WHEN $by_status THEN status END AS status,
    CASE WHEN $by_campaign_id THEN campaign_id END AS campaign_id,
    CASE WHEN $by_consumer_id THEN consumer_id END AS consumer_id,
    sum(sign)::BIGINT AS line_count, sum(sign * base_units)::BIGINT AS base_units,
    sum(sign * pulses)::BIGINT AS pulses, sum(sign * talk_seconds)::BIGINT AS talk_seconds,
    sum(sign * cost_micros)::BIGINT AS cost_micros
FROM (
    SELECT
        1 AS sign, account_id, local_month, booked_on, metric, service, direction, status,
        campaign_id, consumer_id, base_units, pulses, talk_seconds, cost_micros
    FROM lake.lines
    UNION ALL
    SELECT
        -1, account_id, local_month, booked_on, metric, service, direction, previous_status,
        campaign_id, consumer_id, base_units, pulses, talk_seconds, cost_micros
    FROM lake.moves
    WHERE $is_by_status
    UNION ALL
    SELECT
        1, account_id, local_month, booked_on, metric, service, direction, status,
        campaign_id, consumer_id, base_units, pulses, talk_seconds, cost_micros
    FROM lake.moves
    WHERE $is_by_status
)
WHERE account_id = $account_id
    AND local_month BETWEEN $first_month AND $last_month
    AND booked_on >= $start
    AND booked_on < $end
    AND (len($metrics) = 0 OR list_contains($metrics, metric))
    AND (len($services) = 0 OR list_contains($services, service))
    AND (len($statuses) = 0 OR list_contains($statuses, status))
    AND (len($campaigns) = 0 OR list_contains($campaigns, campaign_id))
    AND (len($consumers) = 0 OR list_contains($consumers, consumer_id))
GROUP BY ALL
ORDER BY booked_on, metric, service, direction, status, campaign_id, consumer_id
