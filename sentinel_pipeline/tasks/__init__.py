"""Where tasks come from: generated families, the commerce shop, public suites, and the task bank
that divides them.

Nothing here asks a model or scores an answer.
"""
