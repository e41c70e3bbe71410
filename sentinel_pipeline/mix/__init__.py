"""From accepted rows to a mix: categories by evidence, duplicates and benchmark items out, shares
kept, shortfalls said.

What this room does not do: accept or reject (``critic``), write files (``store``), or make rows out
of nothing: a category with too few rows comes out short, and the report says so.
"""
