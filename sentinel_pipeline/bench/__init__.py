"""Benchmarks: a model answers suites, its answers are scored, and what came of it: reports,
pairings, comparisons."""
