-- Purpose: the moves between statuses of one month's lines in the order in which they are read.
-- Grain:   one row for each move.
-- Columns: those of lake.moves.
-- Parameters: $local_month, such as 2026-11.
-- Sources: lake.moves.
SELECT *
FROM lake.moves
WHERE local_month = $local_month
ORDER BY account_id, line_seq, seq
