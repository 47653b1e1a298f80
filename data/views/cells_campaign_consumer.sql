-- Purpose: sums of one account's usage, grouped by whichever dimensions are asked for, for several
--          questions at once.
-- Grain:   one row for each question and group; a dimension that isn't asked for is NULL
--          throughout.
-- Columns: number: which question; booked_on, campaign_id, consumer_id;
--          line_count in lines, base_units in the metric's base unit, pulses, talk_seconds in
--          seconds, cost_micros in millionths of the currency.
-- Parameters: $questions: for each its number, booked days from start_on (included) to end_on
--          (excluded), what it is grouped by, and filters: an empty list lets all pass. $start and
--          $end: the days that all of them lie in, and $first_month and $last_month their months;
--          $campaigns, $consumers: the filters that all of them share.
-- Sources: lake.roll_campaign_consumer.
SELECT
    q.number,
    CASE WHEN q.by_booked_on THEN booked_on END AS booked_on,
    CASE WHEN q.by_campaign_id THEN campaign_id END AS campaign_id,
    CASE WHEN q.by_consumer_id THEN consumer_id END AS consumer_id,
    sum(line_count)::BIGINT AS line_count, sum(base_units)::BIGINT AS base_units,
    sum(pulses)::BIGINT AS pulses, sum(talk_seconds)::BIGINT AS talk_seconds,
    sum(cost_micros)::BIGINT AS cost_micros
FROM lake.roll_campaign_consumer r
JOIN (
    SELECT unnest($questions::STRUCT(
        number INTEGER, start_on DATE, end_on DATE, by_booked_on BOOLEAN,
        by_campaign_id BOOLEAN, by_consumer_id BOOLEAN, campaigns VARCHAR[], consumers VARCHAR[]
    )[], max_depth := 2)
) q ON r.booked_on >= q.start_on AND r.booked_on < q.end_on
WHERE r.account_id = $account_id
    AND r.local_month BETWEEN $first_month AND $last_month
    AND r.booked_on >= $start
    AND r.booked_on < $end
    AND (len($campaigns) = 0 OR list_contains($campaigns, r.campaign_id))
    AND (len($consumers) = 0 OR list_contains($consumers, r.consumer_id))
    AND (len(q.campaigns) = 0 OR list_contains(q.campaigns, r.campaign_id))
    AND (len(q.consumers) = 0 OR list_contains(q.consumers, r.consumer_id))
GROUP BY ALL
ORDER BY ALL
