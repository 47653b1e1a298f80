"""The screens: one address per file. A page asks use cases and hands values to components.

Modules whose name starts with an underscore are shared by pages and are not pages themselves.
"""
