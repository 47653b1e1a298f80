"""Backups: one file with the ledger, the secret it was hashed under, and what they are."""
