"""A closed post-training loop on Dagster assets whose verdicts can be trusted."""

__version__ = "0.2.0"
