"""The API under ``/api/v1``: one module a subject, each with its ``router``."""
