"""Recipe sections about data: sources of candidates, the critic, the mix; tasks are in
``task_source``."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from ..errors import did_you_mean
from .bounds import (
    LARGEST,
    Count,
    CountOrZero,
    NotNegative,
    PartialShare,
    Positive,
    PositiveShare,
    Share,
)
from .decode import Fault
from .labels import Quality
from .task import CATEGORIES

SHARES = dict(zip(CATEGORIES, (0.45, 0.20, 0.15, 0.10, 0.10)))
"""The data mix of the auto-critic plan."""
Language = Literal["python", "typescript", "sql", "shell", "yaml", "json", "diff", "text"]
Amount = Annotated[int, Meta(ge=0)]
"""Of rows or tokens: a mix may be counted in billions of them."""
Sampled = Annotated[float, Meta(gt=0, description="Greedy instructions are all the same.")]
SourceWeight = Annotated[float, Meta(gt=0, description="To leave a source out, cap it at 0.")]
Similarity = Annotated[float, Meta(ge=0.5, le=1, description="1 keeps all that differ.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSource:
    name: str
    """Dataset name on the hub, or a local folder of the same layout."""
    split: str = "train"
    limit: CountOrZero | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldMap:
    """Names of the fields of rows that are of no known shape."""

    NEEDED: ClassVar[frozenset[str]] = frozenset(
        {"prompt", "response", "completion", "messages", "chosen", "rejected"}
    )
    """Fields that a row of the map has to have."""
    KNOWN: ClassVar[tuple[str, ...]] = (
        "prompt",
        "context",
        "system",
        "response",
        "completion",
        "messages",
        "chosen",
        "rejected",
        "tools",
        "tests",
        "entry_point",
        "setup",
        "verifier",
        "category",
        "task_id",
        "reasoning_content",
        "train",
    )

    source: Annotated[str, Meta(min_length=1)]
    """The rows' source, ``file:NAME`` or ``hub:NAME``; ``*`` and ``?`` stand for any characters."""
    fields: dict[str, str]
    """Name here -> name there; ``meta.answer`` is a field within a field. ``train`` says whether a
    row is trained on."""
    role: str | None = None
    """The field of a turn that says who speaks."""
    content: str | None = None
    """The field of a turn that holds what is said."""
    roles: dict[str, Literal["system", "user", "assistant", "tool"]] = field(default_factory=dict)
    """Speaker there -> role here."""

    def check(self) -> None:
        """Names are known, and the row can be read: a conversation, or a request and an answer."""
        for name in self.fields:
            if name not in self.KNOWN:
                raise Fault("unknown name", f"fields.{name}", did_you_mean(name, self.KNOWN))
        names = self.fields.keys()
        answered = names & {"response", "completion"} or names >= {"chosen", "rejected"}
        if "messages" not in names and not ("prompt" in names and answered):
            raise Fault(
                "names neither messages nor a prompt with its response",
                "fields",
                "Name the field of messages, or those of prompt and response.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfGenerated:
    """Instructions and responses that the base model writes itself, without a chat template or a
    special token (stage 1 plan)."""

    kind: Literal["instructions", "conversations"] = "instructions"
    """``conversations``: of several turns, in the four kinds of the stage 1 findings; a row is the
    last answer to the turns before it, kept where the critic and the recipe's licensed
    ``[judge.model]``, if it has one, accept it."""
    rows: Count = 5000
    """Rows that the critic accepts; 5,000 to 10,000 in the stage 1 plan."""
    attempts: Annotated[float, Meta(ge=1, le=LARGEST)] = 10.0
    """Instructions written for each row that is wanted, at most; what is missing then is said."""
    temperature: Sampled = 0.8
    top_p: PositiveShare = 0.95
    instruction_tokens: Count = 64
    response_tokens: Count = 256
    turns: tuple[Count, Count] = (3, 5)
    """Least and most questions of a conversation."""
    conversation_tokens: Count = 640
    """Of a whole conversation."""
    near_duplicates: PositiveShare = 0.6
    """Jaccard similarity (words and pairs of words) to an instruction that is there from which
    another one is refused."""
    max_sentinels: PartialShare = 0.30
    """Share of the raw sentinels that the model may follow, by the lower bound: one that follows
    more is not a base model."""

    def check(self) -> None:
        least, most = self.turns
        if least > most:
            raise Fault(f"is {[least, most]}", "turns", "Write the least first: [3, 5].")


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidatesSpec:
    corrupted_share: NotNegative = 0.1
    """Corrupted variants for each reference, on average."""
    files: tuple[str, ...] = ()
    """Files or folders, relative to the project's root."""
    hub: tuple[HubSource, ...] = ()
    map: tuple[FieldMap, ...] = ()
    """Names of fields, for files and data sets whose rows are of no known shape; the first that
    fits a source counts."""
    self_generated: SelfGenerated | None = None
    """Absent: the base model writes no rows."""
    engine: Literal["local", "ray"] = "local"
    """Where ``files`` are read: this machine, or the Ray cluster that ``RAY_ADDRESS`` names, whose
    nodes see them at the same paths. The rows are the same, in the same order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticSpec:
    cpu_seconds: Positive = 5.0
    memory_mib: Count = 512
    engine: Literal["local", "ray"] = "local"
    """Where candidates are labelled and run: this machine, or the Ray cluster that ``RAY_ADDRESS``
    names, whose nodes see the project's folder. The labels are the same."""
    workers: Count | None = None
    """Grader workers of this machine; every available core when absent. On Ray the cluster's
    processors say."""
    self_repair: CountOrZero = 0
    """Rejected candidates, at most, that the base model is shown with what failed, to answer again;
    none by default."""
    stop_token: str | None = None
    """The stop token, as text, that every completion must hold at its end; absent where completions
    come without it."""
    require_isolation: Literal["none", "rlimits", "seccomp", "namespaces", "full"] = "seccomp"
    """On a machine that isolates less, no candidate runs and the stage is refused (``sentinel
    doctor`` names the level)."""
    require_trust: Share = 0.0
    """The least share of passed verdicts whose tests ran apart from the program; with fewer the
    labels are void and nothing is built on them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryRule:
    """Evidence by which a row is of a category that the recipe names: all the conditions given must
    hold, one at least is given."""

    languages: tuple[Language, ...] = ()
    """The answer's language: ``python``, ``typescript``, ``sql``, ``shell``, ``yaml``, ``json``,
    ``diff`` or ``text``."""
    sources: tuple[str, ...] = ()
    """The row's source, as ``file:NAME`` or ``hub:NAME``."""
    words: tuple[str, ...] = ()
    """Words or phrases of which the request holds one, whatever their case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MixSpec:
    shares: dict[str, NotNegative] = field(default_factory=lambda: dict(SHARES))
    categories: dict[str, CategoryRule] = field(default_factory=dict)
    """Rules for categories beyond the auto-critic plan's five, asked in this order before the
    general evidence."""
    size: Amount | None = None
    """How much is wanted, in ``unit``; the most that the shares allow when absent."""
    unit: Literal["rows", "tokens"] = "rows"
    """What shares, size and caps count. Tokens are words and marks, counted without a model's
    tokenizer."""
    repair_share: Share = 0.05
    """Largest share of repair traces within a category."""
    minimum_quality: Quality = "parsed"
    """The least evidence for an accepted row. ``verified``: a verifier passed it; ``parsed``: that,
    or its answer parses in its language; ``unverified``: also what nothing but form and hygiene
    speaks for, as most prose."""
    weights: dict[str, SourceWeight] = field(default_factory=dict)
    """Source -> how much likelier than others (1) its rows are drawn."""
    source_caps: dict[str, Amount] = field(default_factory=dict)
    """Source -> the most that the mix may hold of it, in ``unit``."""
    category_caps: dict[str, Amount] = field(default_factory=dict)
    """Category -> the most that the mix may hold of it, in ``unit``."""
    near_duplicates: Similarity = 0.85
    """Jaccard similarity of two requests and of their answers (three words at a time) from which
    the later row is left out."""
    memory_mib: Annotated[int, Meta(ge=128, le=LARGEST)] = 512
    """What DuckDB may hold while it sorts; the rest goes to the run's own folder."""
    engine: Literal["local", "ray"] = "local"
    """Where rows are decontaminated, surveyed and compared: this machine, or the Ray cluster that
    ``RAY_ADDRESS`` names, whose nodes see the project's folder. The mix is the same."""

    def check(self) -> None:
        """The shares are one whole; rules and caps are of categories that have a share."""
        total = math.fsum(self.shares.values())
        if abs(total - 1) > 1e-6:
            raise Fault(f"shares sum to {total:g}, expected 1", "shares", "Adjust the shares.")
        for name, rule in self.categories.items():
            key = f"categories.{name}"
            if name in CATEGORIES:
                fix = "Give your category another name."
                raise Fault("is decided by general evidence already", key, fix)
            if name not in self.shares:
                raise Fault("has no share", key, f"Add mix.shares.{name}.")
            if not (rule.languages or rule.sources or rule.words):
                raise Fault("has no condition", key, "Give languages, sources or words.")
        for name in self.category_caps:
            if name not in self.shares:
                fix = did_you_mean(name, self.shares)
                raise Fault("has no share", f"category_caps.{name}", fix)
