"""The outside world: databases, files, clock and network, behind the ports of billing/."""
