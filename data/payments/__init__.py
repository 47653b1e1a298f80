"""Auto-recharge: what is set and tried, the asking, the carrying out, and the test gateway."""
