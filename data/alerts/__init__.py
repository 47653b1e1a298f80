"""Alerts: rules of accounts, their figures, and the look that decides what people are told."""
