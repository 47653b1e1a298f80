-- Purpose: which lines of one account are on a page of transactions, in order of booked day,
--          instant and seq
--          ($direction 1), or the other way round (-1).
-- Grain:   one row for each line, at most $limit.
-- Columns: seq; sort_1 … in ascending order are the page's order (microseconds, micros, seq).
-- Parameters: booked days from $start (included) to $end (excluded); an empty list lets all pass;
--          lines after the keys $key_1 …, or from the first one when $key_1 is NULL.
--          $left_out: places in the ledger to leave out, whatever they are here.
-- Sources: lake.lines; for a filter by status lake.moves, which says where a line stands now.
WITH standing AS (
    SELECT line_seq, arg_max(status, seq) AS status
    FROM lake.moves
    WHERE len($statuses) > 0
        AND account_id = $account_id
        AND local_month BETWEEN $first_month AND $last_month
    GROUP BY line_seq
)
SELECT seq, sort_1, sort_2, sort_3
FROM (
    SELECT
        seq,
        epoch_us(booked_on::TIMESTAMP) * $direction AS sort_1,
        epoch_us(occurred_at) * $direction AS sort_2,
        seq * $direction AS sort_3
    FROM lake.lines
    LEFT JOIN standing ON standing.line_seq = seq
    WHERE account_id = $account_id
        AND local_month BETWEEN $first_month AND $last_month
        AND booked_on >= $start
        AND booked_on < $end
        AND (len($metrics) = 0 OR list_contains($metrics, metric))
        AND (len($services) = 0 OR list_contains($services, service))
        AND (
            len($statuses) = 0
            OR list_contains($statuses, coalesce(standing.status, lines.status))
        )
        AND (len($campaigns) = 0 OR list_contains($campaigns, campaign_id))
        AND (len($consumers) = 0 OR list_contains($consumers, consumer_id))
        AND seq NOT IN (SELECT unnest($left_out::BIGINT[]))
)
WHERE $key_1 IS NULL OR (sort_1, sort_2, sort_3) > ($key_1, $key_2, $key_3)
ORDER BY sort_1, sort_2, sort_3
LIMIT $limit
