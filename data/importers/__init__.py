"""Readers of other systems' logs: a file and its column map become usage events."""
