-- Purpose: what one table of the analytics store is made of.
-- Grain:   one row for each file of the table.
-- Columns: data_file: path of its rows; delete_file: path of what says which of them count no
--          more, if any.
-- Parameters: $table: its name.
-- Sources: the catalog of the store.
SELECT data_file, delete_file
FROM ducklake_list_files('lake', $table)
