"""The parts of reading: sums, pages and single lines, out of the lake and the ledger's tail."""
