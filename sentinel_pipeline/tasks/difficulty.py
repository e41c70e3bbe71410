"""How hard the generated families are, measured level by level: how long request and answer are,
and how many answers that differ from the reference in one place only pass all the same.

A mutation changes one number, word or operator of the reference. What passes after it is either
equivalent or slips through the verifier: the share bounds how lenient a verifier is. What this
module does not do: ask a model; a report of a trained one says what it passes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from random import Random
from statistics import fmean
from typing import Any

from ..critic.score import Scorable, score
from ..errors import BadInput, did_you_mean
from ..records import PatchApplies
from .families import Draft, Family
from .task_bank import EVERY_FAMILY

_TOKEN = re.compile(r"\d+|[A-Za-z_]\w*|===|!==|<=|>=|==|!=|[-+*%<>]")
_PAIRS = (("<", "<="), (">", ">="), ("==", "!="), ("===", "!=="), ("+", "-"), ("*", "%"))
_OPERATORS = dict(_PAIRS) | {second: first for first, second in _PAIRS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difficulty:
    """One level of a family; a family without levels has one, 1."""

    family: str
    category: str
    level: int
    compositions: int
    """What its tasks are made of, on all sides together."""
    prompt_words: float
    """Of the whole conversation, on average."""
    answer_tokens: float
    """Numbers, words and signs of the reference, on average."""
    turns: float
    tasks: int
    """So many were measured."""
    references_passed: int
    mutants: int
    mutants_passed: int

    def to_json(self) -> dict[str, Any]:
        share = self.mutants_passed / self.mutants if self.mutants else None
        return asdict(self) | {"mutants_passed_share": share}


def mutants(draft: Draft, rng: Random, count: int) -> Iterator[str]:
    """At most ``count`` answers, each the reference with one token changed: of a diff only what its
    added lines say, of a text about a record only its facts."""
    reference = draft.reference
    verifier = draft.verifier
    places = list(_TOKEN.finditer(reference))
    if isinstance(verifier, PatchApplies):
        places = [match for match in places if _is_added(reference, match.start())]
    mentioned = getattr(verifier, "must_mention", ())
    if mentioned:
        facts = {word for fact in mentioned for word in fact.split()}
        places = [match for match in places if match[0] in facts]
    words = sorted({match[0] for match in places if match[0][0].isalpha()})
    rng.shuffle(places)
    for match in places[:count]:
        token = match[0]
        if token in _OPERATORS:
            other = _OPERATORS[token]
        elif token.isdigit():
            other = str(int(token) + 1)
        else:
            others = [word for word in words if word != token]
            other = rng.choice(others) if others else f"{token}x"
        yield reference[: match.start()] + other + reference[match.end() :]


def _is_added(diff: str, at: int) -> bool:
    line = diff[diff.rfind("\n", 0, at) + 1 :]
    return line.startswith("+") and not line.startswith("+++")


def measure(
    names: Sequence[str] = (), *, tasks: int = 4, mutations: int = 4, seed: int = 17
) -> list[Difficulty]:
    """Measure the families ``names``, or all: ``tasks`` of each level, ``mutations`` of each
    reference.

    Raises:
        BadInput: an unknown family.
        GateRefused: this machine isolates less than programs demand.
    """
    families = {family.name: family for family in EVERY_FAMILY}
    for name in names:
        if name not in families:
            raise BadInput(f"unknown family {name!r}. {did_you_mean(name, families)}")
    chosen = [family for family in EVERY_FAMILY if not names or family.name in names]
    levels = [(family, level) for family in chosen for level in levels_of(family)]
    drawn = [_drawn(family, level, tasks, seed) for family, level in levels]
    items = [item for drafts in drawn for item in _scorables(drafts, mutations, seed)]
    passed = [result.outcome == "pass" for result in score(iter(items))]
    measured = []
    at = 0
    for (family, level), drafts in zip(levels, drawn, strict=True):
        here = list(_scorables(drafts, mutations, seed))
        verdicts = dict(zip([item.id for item in here], passed[at : at + len(here)], strict=True))
        at += len(here)
        measured.append(_difficulty(family, level, drafts, verdicts))
    return measured


def levels_of(family: Family) -> range:
    least, most = family.levels or (1, 1)
    return range(least, most + 1)


def _drawn(family: Family, level: int, tasks: int, seed: int) -> list[Draft]:
    compositions = [each for each in family.compositions if family.level_of(each) == level]
    rng = Random(f"difficulty|{seed}|{family.name}|{level}")
    chosen = [rng.choice(compositions) for _ in range(tasks)]
    return [family.generate(composition, rng) for composition in chosen]


def _scorables(drafts: Iterable[Draft], mutations: int, seed: int) -> Iterator[Scorable]:
    """Each reference, then what differs from it in one place."""
    for number, draft in enumerate(drafts):
        rng = Random(f"mutants|{seed}|{draft.reference}")
        answers = [draft.reference, *mutants(draft, rng, mutations)]
        for place, answer in enumerate(answers):
            yield Scorable(f"{number}/{place}", draft.messages, answer, draft.verifier)


def _difficulty(
    family: Family, level: int, drafts: list[Draft], verdicts: dict[str, bool]
) -> Difficulty:
    wrong = [passed for name, passed in verdicts.items() if not name.endswith("/0")]
    return Difficulty(
        family=family.name,
        category=family.category,
        level=level,
        compositions=sum(family.level_of(each) == level for each in family.compositions),
        prompt_words=fmean(
            sum(len(turn.content.split()) for turn in draft.messages) for draft in drafts
        ),
        answer_tokens=fmean(len(re.findall(r"\w+|[^\w\s]", draft.reference)) for draft in drafts),
        turns=fmean(len(draft.messages) for draft in drafts),
        tasks=len(drafts),
        references_passed=sum(verdicts[f"{number}/0"] for number in range(len(drafts))),
        mutants=len(wrong),
        mutants_passed=sum(wrong),
    )
