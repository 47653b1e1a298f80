"""The rules of usage, money and time.

Owns every rule the product lives by, as pure functions and frozen values. Imports the standard
library only: no database, no web framework, no clock. ``now`` is always an argument.
"""
