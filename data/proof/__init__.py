"""Proof: seals over the ledger, and the checks that name what is broken."""
