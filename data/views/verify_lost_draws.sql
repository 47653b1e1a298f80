-- Purpose: draws without their entry or their lot, or across accounts.
-- Grain:   one row for each such draw.
-- Columns: broken: the row by name, as a sentence; amounts in micros.
-- Parameters: accounts from :first to :last, both included.
-- Sources: lot_draws, wallet_entries, credit_lots (the ledger).
SELECT
    'draw of entry ' || d.entry_id || ' on lot ' || d.lot_id || ' of ' || d.account_id
    || ': no such entry or lot' AS broken
FROM lot_draws d
LEFT JOIN wallet_entries w ON w.id = d.entry_id AND w.account_id = d.account_id
LEFT JOIN credit_lots c ON c.id = d.lot_id AND c.account_id = d.account_id
WHERE d.account_id BETWEEN :first AND :last AND (w.id IS NULL OR c.id IS NULL)
ORDER BY d.account_id, d.entry_id, d.lot_id
