"""Benchmarks: what is asked (families, task bank, suites) and what came of it (scoring, reports, comparisons)."""
