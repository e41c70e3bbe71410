"""Tasks of the user's own: rows of files, folders and data sets become tasks with verifiers, are
divided by groups of near-duplicates, and are checked against their own references.

Generated families are ``tasks``'. Everything after the task bank uses both alike.
"""
