"""Preference pairs from a model's own answers, best of N, and single labelled answers."""
