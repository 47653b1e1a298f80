-- Purpose: sums of one account's usage, grouped by whichever dimensions are asked for.
-- Grain:   one row for each group; a dimension that isn't asked for is NULL throughout.
-- Columns: booked_on, campaign_id;
--          line_count in lines, base_units in the metric's base unit, pulses, talk_seconds in
--          seconds, cost_micros in millionths of the currency.
-- Parameters: booked days from $start (included) to $end (excluded); an empty list lets all pass.
-- Sources: lake.roll_campaign.
SELECT
    CASE WHEN $by_booked_on THEN booked_on END AS booked_on,
    CASE WHEN $by_campaign_id THEN campaign_id END AS campaign_id,
    sum(line_count)::BIGINT AS line_count, sum(base_units)::BIGINT AS base_units,
    sum(pulses)::BIGINT AS pulses, sum(talk_seconds)::BIGINT AS talk_seconds,
    sum(cost_micros)::BIGINT AS cost_micros
FROM lake.roll_campaign
WHERE account_id = $account_id
    AND booked_on >= $start
    AND booked_on < $end
    AND (len($campaigns) = 0 OR list_contains($campaigns, campaign_id))
GROUP BY ALL
ORDER BY booked_on, campaign_id
