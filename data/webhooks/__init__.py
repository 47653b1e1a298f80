"""Webhooks: what is to be told is written with the change it tells of, and sent after it."""
