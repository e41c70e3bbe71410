"""Recipe sections about rewards: what judging a training step's completions may cost, and rewards
of the user's own.

What this module does not do: import a user's function (``rewards.own``), or examine it
(``audit.own_rewards``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from .bounds import Count, Positive
from .decode import Fault
from .verifiers import JudgedAnswer, Verifier, verifier_from_json

Bounded = Annotated[float, Meta(ge=0, le=1000)]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")
_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardSpec:
    cpu_seconds: Positive = 1.0
    """CPU time of one program or query: less than a benchmark's, so that a batch of endless loops
    does not stop the step."""
    wall_seconds: Positive = 5.0
    memory_mib: Count = 512
    step_seconds: Positive = 60.0
    """What is not judged by then has no reward, and is counted."""
    engine: Literal["local", "ray"] = "local"
    """Where completions run, as ``[critic] engine``: this machine, or the Ray cluster that
    ``RAY_ADDRESS`` names."""
    workers: Count | None = None
    """Grader workers of this machine; every available core when absent."""
    require_isolation: Literal["none", "rlimits", "seccomp", "namespaces", "full"] = "seccomp"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnReward:
    """A reward of the user's own, beside those of the task families. It is examined on the user's
    examples before it is used."""

    name: str
    """What curves call it, and ``weights`` may name."""
    function: str | None = None
    """``module:function`` in the project's folder, with TRL's signature: ``(prompts, completions,
    **columns) -> list[float | None]``; columns are ``family``, ``task_id``, ``reference`` and
    ``verifier``."""
    run: Literal["process", "sandbox"] = "process"
    """Where the function runs: in the command's and the trainer's own process, where its code is
    trusted; or in the sandbox, where its module is one file that imports the standard library
    alone, gets plain data, and runs anew for each batch under the limits of ``[grpo.rewards]``."""
    verifier: str | None = None
    """A verifier with its ``kind`` as JSON text, asked of every completion: 1 where it passes, its
    credit where it grades."""
    weight: Bounded = 1.0
    examples: str
    """A JSONL file or a folder of them, relative to the project's root: ``prompt`` or
    ``messages``, ``completion``, and ``label``, ``gold`` or ``bad``."""
    accepts_from: Bounded = 0.5
    """Every gold example must earn at least this much, every bad one and every hack less."""
    families: tuple[str, ...] = ()
    """Task families that it rewards; all where none is named."""

    @property
    def scorer(self) -> str:
        """Its name among the licences."""
        return f"reward:{self.name}"

    def built(self) -> Verifier | None:
        """Raises ValueError: the text is not a verifier."""
        return verifier_from_json(self.verifier)

    def require(self) -> None:
        """Raises Fault: a rule among the fields is broken; the section that holds it asks."""
        if not _NAME.fullmatch(self.name):
            raise Fault("invalid name for a reward", "name", "Use letters, digits and underscores.")
        if (self.function is None) == (self.verifier is None):
            fix = "Give function or verifier, and not both."
            raise Fault("says how it rewards in no way or in two", "function", fix)
        if self.function is not None and not _FUNCTION.fullmatch(self.function):
            fix = "Write module:function, such as my_rewards:politeness."
            raise Fault(f"{self.function!r:.60} names no function", "function", fix)
        if self.verifier is not None and self.run == "sandbox":
            fix = "Leave run out: what a verifier runs is in the sandbox always."
            raise Fault("says where a function runs, and there is none", "run", fix)
        try:
            verifier = self.built()
        except Fault as fault:
            raise fault.below("verifier") from None
        except (ValueError, RecursionError) as error:
            raise Fault(f"invalid JSON: {error}", "verifier") from None
        if isinstance(verifier, JudgedAnswer):
            fix = "Name a kind that the scorer can judge."
            raise Fault("only a judge can score it", "verifier.kind", fix)
