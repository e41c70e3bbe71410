"""Statistics and decisions: intervals, paired tests, policies. Pure functions; reads nothing, writes nothing."""

from .policies import Paired, decide, policy_hash
from .statistics import (
    binomial_test_less,
    mcnemar_exact,
    newcombe_paired,
    pass_at_k,
    wilson,
    wilson_by_task,
)

__all__ = [
    "Paired",
    "binomial_test_less",
    "decide",
    "mcnemar_exact",
    "newcombe_paired",
    "pass_at_k",
    "policy_hash",
    "wilson",
    "wilson_by_task",
]
