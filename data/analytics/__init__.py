"""Analytics: the DuckLake store, how it follows the ledger, how it is rebuilt and kept tidy."""
