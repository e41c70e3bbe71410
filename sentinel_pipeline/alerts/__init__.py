"""Alerts: what a person should be told, decided by rules, delivered once by Apprise. Dagster is not
known here."""
