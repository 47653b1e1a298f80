"""Notices: written with what they tell of, sent after it, read by people."""
