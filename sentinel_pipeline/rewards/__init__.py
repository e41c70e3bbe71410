"""The rewards of GRPO: the benchmark's one scorer asked by the trainer, one reward for each task
family, its parts beside it.

``Scoring`` judges a batch once; ``TaskReward`` and ``PartReward`` are what TRL is given;
``reward_functions`` makes them for a recipe's families; ``cases`` and ``audit`` examine them before
a run; ``coverage`` counts prompts. Nothing here trains.
"""

from __future__ import annotations

from .functions import PARTS, PartReward, Reward, TaskReward, reward_functions, training_rows
from .scoring import Scoring, reward_of

__all__ = [
    "PARTS",
    "PartReward",
    "Reward",
    "Scoring",
    "TaskReward",
    "reward_functions",
    "reward_of",
    "training_rows",
]
