-- Purpose: what the sums and lines of the analytics store are made of.
-- Grain:   one row for each file of a table.
-- Columns: part: the table's name; data_file: path of its rows; delete_file: path of what says
--          which of them count no more, if any.
-- Sources: the catalog of the store.
SELECT 'roll_day' AS part, data_file, delete_file
FROM ducklake_list_files('lake', 'roll_day')
UNION ALL
SELECT 'roll_campaign', data_file, delete_file FROM ducklake_list_files('lake', 'roll_campaign')
UNION ALL
SELECT 'roll_consumer', data_file, delete_file FROM ducklake_list_files('lake', 'roll_consumer')
UNION ALL
SELECT 'lines', data_file, delete_file FROM ducklake_list_files('lake', 'lines')
