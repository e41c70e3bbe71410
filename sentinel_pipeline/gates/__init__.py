"""Statistics and decisions: intervals, paired tests, measurements, policies, rules over a run,
decision points, verdict keys."""

from .keys import policy_hash
from .measured import Measured, Paired, measure_report
from .policies import decide
from .statistics import (
    binomial_test_less,
    mcnemar_exact,
    newcombe_paired,
    pass_at_k,
    wilson,
    wilson_by_task,
)

__all__ = [
    "Measured",
    "Paired",
    "binomial_test_less",
    "decide",
    "mcnemar_exact",
    "measure_report",
    "newcombe_paired",
    "pass_at_k",
    "policy_hash",
    "wilson",
    "wilson_by_task",
]
