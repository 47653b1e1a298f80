-- Purpose: lets the sums by account, local day, metric, service, direction and status follow one
--          batch of delivery receipts: a line leaves one status and joins another.
-- Grain:   one row for each cell of the batch that changed; rows of earlier batches stay and add
--          up.
-- Columns: line_count in lines; base_units in the metric's base unit; talk_seconds in seconds;
--          cost_micros in millionths of the currency; all negative where lines left. Each sum is
--          cast: Parquet would keep the wider integer of a sum as a floating-point number.
-- Sources: moved (the Arrow table of one sync).
INSERT INTO lake.roll_day
SELECT
    account_id, booked_on::DATE AS booked_on, metric, service, direction, stood AS status,
    sum(sign)::BIGINT, sum(sign * base_units)::BIGINT, sum(sign * pulses)::BIGINT,
    sum(sign * talk_seconds)::BIGINT, sum(sign * cost_micros)::BIGINT
FROM (
    SELECT *, previous_status AS stood, -1 AS sign FROM moved
    UNION ALL
    SELECT *, status AS stood, 1 AS sign FROM moved
)
GROUP BY ALL
ORDER BY account_id, booked_on, metric, service, direction, status
