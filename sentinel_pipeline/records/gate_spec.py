"""Recipe sections about measurement: what is answered, and the gates that judge it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

from msgspec import Meta

from .bounds import Confidence, Count, CountOrZero, NotNegative, PositiveShare, Share
from .decode import Fault
from .engine_spec import EngineName
from .report import MAX_INFRA_SHARE

A_RATE = "A rate of 40 % is written 0.40."


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSpec:
    suites: tuple[str, ...] = ("heldout", "smoke")
    max_new_tokens: Count = 128
    batch_size: Count = 64
    temperature: NotNegative = 0.0
    top_p: PositiveShare = 1.0
    samples: Count = 1
    """Answers to each item; more than one needs a temperature."""
    limit: CountOrZero | None = None
    """Items of each suite, at most; a conversation is one item."""
    data: dict[str, str] = field(default_factory=dict)
    """Suite name -> its problem file, relative to the project's root, for suites whose file lies
    elsewhere."""
    where_present: dict[str, str] = field(default_factory=dict)
    """Suite name -> its file in the folder that ``SENTINEL_BENCHMARKS`` names: a suite that is
    answered too where that file is there, and left out with its gates where it is not."""
    engine: EngineName = "transformers"
    """Who answers for reports, pairs and self-generated rows: ``vllm`` as ``[vllm]`` says,
    ``server`` as ``[server]`` says."""
    load_in_4bit: bool = False
    """Answer by weights in 4 bit (``transformers`` alone; vLLM has ``vllm.quantization``): for a
    model that a device holds in no other way. What a gate then judges are these answers."""
    gate_suite: str | None = None
    """The suite that the default gates judge; absent: ``heldout`` where it is answered, else the
    first of ``suites`` that is not ``smoke``."""

    @property
    def judging(self) -> str:
        """The suite that the default gates judge."""
        if self.gate_suite is not None:
            return self.gate_suite
        if "heldout" in self.suites:
            return "heldout"
        return next((name for name in self.suites if name != "smoke"), "heldout")

    def check(self) -> None:
        if self.gate_suite is not None and self.gate_suite not in self.suites:
            fix = f"Add it to bench.suites ({', '.join(self.suites)})."
            message = f"suite {self.gate_suite!r} is not answered by this recipe"
            raise Fault(message, "gate_suite", fix)
        for name in sorted(self.data.keys() - set(self.suites)):
            fix = f"Add it to bench.suites ({', '.join(self.suites)})."
            raise Fault(f"suite {name!r} is not answered by this recipe", f"data.{name}", fix)
        if self.load_in_4bit and self.engine != "transformers":
            fix = 'Set vllm.quantization = "bitsandbytes", or engine = "transformers".'
            raise Fault(f"does not reach {self.engine}", "load_in_4bit", fix)
        if self.samples > 1 and self.temperature <= 0:
            fix = "Set bench.temperature above 0, or bench.samples to 1."
            raise Fault("greedy samples are all the same", "samples", fix)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePolicy:
    """A gate's policy: ``metric`` of the ``suite`` against ``threshold``, decided on the interval
    or on the point.

    With ``against`` the gate is paired: what is compared with ``threshold`` is the difference to
    that stage's answers to the same items. ``threshold = 0.0`` asks for a gain, ``0.1`` for ten
    points, ``-0.02`` for no loss of more than two.
    """

    metric: Literal["pass_at_1", "syntax_rate"]
    threshold: Annotated[float, Meta(gt=-1, lt=1, description=A_RATE)]
    stage: str = "sft"
    """Whose report is judged: ``base``, ``sft`` …"""
    suite: str = "heldout"
    direction: Literal["at_least", "at_most"] = "at_least"
    decide_on: Literal["interval", "point"] = "interval"
    """``interval``: the whole confidence interval must clear the threshold; between the two the
    gate is inconclusive."""
    confidence: Confidence = 0.95
    """Of the interval; a gate that decides on it promotes by luck at most in 1 - ``confidence`` of
    all cases."""
    max_infra_share: Share = MAX_INFRA_SHARE
    """More infrastructure outcomes than this and the report is void: the gate is inconclusive."""
    require_trust: Share = 0.0
    """The least share of verdicts whose tests ran apart from the program; with fewer the report is
    void: a program that its tests run beside can forge what they say."""
    severity: Literal["block", "warn", "off"] = "block"
    """``warn``: shown, never a reason to refuse (a smoke suite of 8 tasks decides nothing);
    ``off``: not decided."""
    against: str | None = None
    """The stage to compare with on the same items; absent: an absolute rate."""
    effect: Annotated[float, Meta(gt=0, lt=1, description="Write ten points as 0.10.")] = 0.10
    """How far beyond the threshold the truth must lie for the gate's power to be stated."""

    def check(self) -> None:
        if self.against is None and self.threshold <= 0:
            expected = "more than 0 and below 1 where the gate compares with no stage"
            raise Fault(f"is {self.threshold:g}, expected {expected}", "threshold", A_RATE)


def with_defaults(gates: dict[str, Any], defaults: Mapping[str, GatePolicy]) -> dict[str, Any]:
    """A recipe's ``[gates]`` table laid over the default gates, key by key; the reader refuses what
    is not a table."""
    merged: dict[str, Any] = {
        name: {key: value for key, value in asdict(policy).items() if value is not None}
        for name, policy in defaults.items()
    }
    for name, table in gates.items():
        merged[name] = {**merged.get(name, {}), **table} if isinstance(table, dict) else table
    return merged
