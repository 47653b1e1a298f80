-- Purpose: the lines of one month in the order in which they are read.
-- Grain:   one row for each line.
-- Columns: those of lake.lines.
-- Parameters: $local_month, such as 2026-11.
-- Sources: lake.lines.
SELECT *
FROM lake.lines
WHERE local_month = $local_month
ORDER BY account_id, occurred_at, seq
