-- Purpose: the sums by account, local day and campaign, each cell once.
-- Grain:   one row for each cell.
-- Columns: those of lake.roll_campaign.
-- Sources: lake.roll_campaign.
SELECT
    account_id, booked_on, campaign_id,
    sum(line_count)::BIGINT AS line_count, sum(base_units)::BIGINT AS base_units,
    sum(pulses)::BIGINT AS pulses, sum(talk_seconds)::BIGINT AS talk_seconds,
    sum(cost_micros)::BIGINT AS cost_micros
FROM lake.roll_campaign
GROUP BY ALL
ORDER BY account_id, booked_on, campaign_id
