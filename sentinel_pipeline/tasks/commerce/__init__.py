"""The four commerce tasks of the V4.1 handoff over generated data: extraction, SQL questions,
insights, push texts, in Portuguese.

A task's database, reviews and records are generated from its composition and seed; a training task
and a held-out one share no composition. What this package does not do: answer or score.
"""

from __future__ import annotations

from . import extraction, insights, push, sql_qa

COMMERCE = (extraction.FAMILY, sql_qa.FAMILY, insights.FAMILY, push.FAMILY)
"""In the order in which the V4.1 handoff names them."""

TRAIN = {"extraction": 592, "sql_qa": 592, "insights": 148, "push": 148}
"""The V4.1 handoff's pairs: about 1,480 in all."""
HELDOUT = {"extraction": 59, "sql_qa": 59, "insights": 15, "push": 15}
"""About a tenth of it: 148."""

__all__ = ["COMMERCE", "HELDOUT", "TRAIN"]
