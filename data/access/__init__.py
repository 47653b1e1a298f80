"""Who may come in: people, sessions, throttling, API keys, the audit log."""
