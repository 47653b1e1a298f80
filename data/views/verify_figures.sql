-- Purpose: how much there is to prove.
-- Grain:   one row.
-- Columns: accounts, entries, lots, lines, statements, receipts, windows, tallies,
--          recharges: numbers of rows.
-- Parameters: accounts from :first to :last, both included.
-- Sources: accounts, wallet_entries, credit_lots, usage_lines, statements, receipts,
--          cap_counters, usage_tallies, recharges (the ledger).
SELECT
    (SELECT count(*) FROM accounts WHERE id BETWEEN :first AND :last) AS accounts,
    (SELECT count(*) FROM wallet_entries WHERE account_id BETWEEN :first AND :last) AS entries,
    (SELECT count(*) FROM credit_lots WHERE account_id BETWEEN :first AND :last) AS lots,
    (SELECT count(*) FROM usage_lines WHERE account_id BETWEEN :first AND :last) AS lines,
    (SELECT count(*) FROM statements WHERE account_id BETWEEN :first AND :last) AS statements,
    (SELECT count(*) FROM receipts WHERE account_id BETWEEN :first AND :last) AS receipts,
    (SELECT count(*) FROM cap_counters WHERE account_id BETWEEN :first AND :last) AS windows,
    (SELECT count(*) FROM usage_tallies WHERE account_id BETWEEN :first AND :last) AS tallies,
    (SELECT count(*) FROM recharges WHERE account_id BETWEEN :first AND :last) AS recharges
