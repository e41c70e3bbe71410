"""People in the loop: failures become cards, cards become corrections, corrections become rows, and
never leak into a gate.

One database holds it all: SQLite in WAL mode by default, Postgres where ``SENTINEL_DATABASE_URL``
says so. No web here.
"""
