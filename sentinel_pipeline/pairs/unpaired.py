"""Labelled answers without pairs: what the critic accepted and rejected, and what people approved
and flagged.

Every answer has one label. Where a person and the critic disagree about the same answer to the same
prompt, the person is right; where two of one kind disagree, the answer is left out. Answers that
overlap an item of a judging suite, empty ones, ones that end within their thought, rejected ones
that hold a secret and ones that infrastructure left open are left out, each counted. Answers are
read three times: to compare them with the suites, to choose by a few numbers of each, and to keep
the chosen ones, so memory does not grow with their texts. What this module does not do: weigh the
classes (``records.kto_spec``), read the review queue (``review.answer_labels``), or train.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from ..critic.thoughts import part
from ..errors import BadInput
from ..mix.decontam import decontaminate
from ..records import LABELS, Candidate, CriticLabels, Task
from ..records.candidate import content_id
from ..records.kto_spec import UnpairedSpec
from ..records.unpaired import UnpairedAnswer
from ..store import read_parquet

LEFT_OUT = {
    "left_open": "infrastructure left the label open",
    "secret": "a rejected answer holds a secret",
    "empty": "the answer is empty",
    "unfinished": "it ends within its thought, without an answer",
    "duplicate": "the same answer to the same prompt is there already",
    "overruled": "a person says the opposite of the critic",
    "contradicted": "two labels of one kind contradict each other",
    "contaminated": "it overlaps an item of a suite that judges",
    "per_prompt": "the prompt has enough answers of its class",
    "per_class": "its class has enough answers",
    "ratio": "its class would outnumber the other",
}
"""Why an answer is not trained on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpairedReport:
    """Counts of answers."""

    read: int
    left_out: dict[str, int]
    """By reason, see ``LEFT_OUT``."""
    desirable: dict[str, int]
    """Who labelled -> answers kept."""
    undesirable: dict[str, int]
    sources: dict[str, dict[str, int]]
    """Where answers came from -> ``desirable`` and ``undesirable`` answers kept."""
    reasons: dict[str, int]
    """Why undesirable answers are so: the label that rejects them or the person's decision, the
    commonest first."""
    prompts: int
    """Different prompts among the answers kept."""
    both: int
    """Prompts that have a desirable and an undesirable answer."""
    desirable_chars: float
    undesirable_chars: float
    """Mean lengths: a model that is taught length alone would show here first."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def words(self) -> str:
        """What became of the answers that were left out, in one line."""
        parts = [
            f"{count} left out: {LEFT_OUT[name]}" for name, count in self.left_out.items() if count
        ]
        return "; ".join(parts) or "none was left out"

    def to_markdown(self) -> str:
        lines = [
            f"{sum(self.desirable.values())} desirable and {sum(self.undesirable.values())} "
            f"undesirable answers of {self.read}, to {self.prompts} prompts, {self.both} of which "
            f"have both; mean length {self.desirable_chars:g} characters against "
            f"{self.undesirable_chars:g}.",
            "",
            "| source | desirable | undesirable |",
            "|---|---|---|",
        ]
        lines += [
            f"| {_cell(name)} | {counts['desirable']} | {counts['undesirable']} |"
            for name, counts in self.sources.items()
        ]
        lines += ["", "| labelled by | desirable | undesirable |", "|---|---|---|"]
        lines += [
            f"| {origin} | {self.desirable[origin]} | {self.undesirable[origin]} |"
            for origin in self.desirable
        ]
        lines += ["", "| why undesirable | answers |", "|---|---|"]
        lines += [f"| {_cell(name)} | {count} |" for name, count in self.reasons.items()]
        lines += ["", "| left out | answers |", "|---|---|"]
        lines += [f"| {LEFT_OUT[name]} | {count} |" for name, count in self.left_out.items()]
        return "\n".join(lines) + "\n"


class Gathered(NamedTuple):
    """The answers to train on, in the order in which they were read."""

    answers: list[UnpairedAnswer]
    report: UnpairedReport


class _Entry(NamedTuple):
    """What the first pass keeps of an answer."""

    place: int
    """Among all answers read."""
    desirable: bool
    person: bool
    prompt: str
    draw: bytes
    """Decides by seed who is kept where not all can be."""


def critic_answers(accepted: Path, rejected: Path, tally: Counter[str]) -> Iterator[UnpairedAnswer]:
    """The accepted candidates as desirable answers, the rejected ones as undesirable ones; what is
    neither is counted in ``tally``, once for each pass."""
    for row in read_parquet(accepted):
        candidate = Candidate.from_row(row)
        yield _answer(candidate, True, "accepted")
    for row in read_parquet(rejected):
        labels = CriticLabels.from_row(row)
        named = [(name, getattr(labels, name)) for name in LABELS if name != "accepted"]
        if labels.accepted.value is None:
            tally["left_open"] += 1
        elif labels.no_secret.value is False:
            tally["secret"] += 1
        else:
            why = next(
                (f"{name}: {label.reason}" for name, label in named if label.value is False),
                labels.accepted.reason,
            )
            yield _answer(Candidate.from_row(row), False, why)


def _answer(candidate: Candidate, desirable: bool, reason: str) -> UnpairedAnswer:
    return UnpairedAnswer(
        messages=candidate.messages,
        completion=candidate.completion,
        desirable=desirable,
        origin="person" if candidate.source == "human" else "critic",
        source=candidate.source,
        reason=reason,
        task_id=candidate.task_id,
    )


def gather(
    read: Callable[[Counter[str]], Iterable[UnpairedAnswer]],
    suites: Iterable[Task],
    spec: UnpairedSpec,
    seed: int,
    relatives: Iterable[Task] = (),
) -> Gathered:
    """Choose the answers to train on.

    Args:
        read: the answers in a fixed order, asked three times; what it leaves out itself it counts
        in the counter that it is given.
        suites: every item that judges.
        relatives: training tasks known to be others, see ``decontaminate``.

    Raises:
        BadInput: fewer than ``spec.min_per_class`` answers of a class are left, with what took the
        others.
    """
    compared = (answer.candidate() for answer in read(Counter()))
    # Nothing is learnt from the answers: the check compares a part of them and must find the same.
    hits = decontaminate(compared, suites, relatives=relatives, corpus=()).hits
    tally = Counter[str]()
    entries = _labelled(read(tally), {hit.id for hit in hits}, seed, tally)
    chosen = _within_limits(entries, spec, tally)
    answers = [answer for place, answer in enumerate(read(Counter())) if place in chosen]
    report = _report(answers, tally)
    for name, counts in (("desirable", report.desirable), ("undesirable", report.undesirable)):
        if sum(counts.values()) < spec.min_per_class:
            raise BadInput(
                f"{sum(counts.values())} {name} answers are left, at least {spec.min_per_class} "
                f"are needed: {report.words()}.",
                field="kto.answers.min_per_class",
                fix="Add candidates of that kind, review more cards, or lower the number.",
            )
    return Gathered(answers, report)


def _labelled(
    answers: Iterable[UnpairedAnswer], banned: Collection[str], seed: int, tally: Counter[str]
) -> list[_Entry]:
    """One entry for each answer that has one label and overlaps no suite; the others are counted in
    ``tally``."""
    entries: dict[str, _Entry] = {}
    contradicted = set[str]()
    for place, answer in enumerate(answers):
        parted = part(answer.completion)
        if answer.id in banned:
            tally["contaminated"] += 1
            continue
        if not parted.finished or not parted.answer.strip():
            tally["empty" if parted.finished else "unfinished"] += 1
            continue
        # What was thought before it does not make the same answer another one.
        name = content_id(answer.messages, parted.answer)
        entry = _Entry(
            place,
            answer.desirable,
            answer.origin == "person",
            content_id(answer.messages, ""),
            blake2b(f"unpaired|{seed}|{name}".encode(), digest_size=8).digest(),
        )
        earlier = entries.get(name)
        if earlier is None:
            entries[name] = entry
        elif earlier.desirable == entry.desirable:
            tally["duplicate"] += 1
            if entry.person and not earlier.person:
                entries[name] = entry
                contradicted.discard(name)
        elif earlier.person != entry.person:
            tally["overruled"] += 1
            if entry.person:
                entries[name] = entry
                contradicted.discard(name)
        else:
            tally["contradicted"] += 1
            contradicted.add(name)
    tally["contradicted"] += len(contradicted)
    return [entry for name, entry in entries.items() if name not in contradicted]


def _within_limits(entries: list[_Entry], spec: UnpairedSpec, tally: Counter[str]) -> set[int]:
    """Places of the answers that no limit leaves out: people's first, then by draw."""
    classes: dict[bool, list[_Entry]] = {True: [], False: []}
    of_prompt = Counter[tuple[str, bool]]()
    for entry in sorted(entries, key=lambda entry: (not entry.person, entry.draw)):
        of_prompt[entry.prompt, entry.desirable] += 1
        if of_prompt[entry.prompt, entry.desirable] > spec.max_per_prompt:
            tally["per_prompt"] += 1
        else:
            classes[entry.desirable].append(entry)
    if spec.max_per_class is not None:
        for label, members in classes.items():
            tally["per_class"] += max(0, len(members) - spec.max_per_class)
            classes[label] = members[: spec.max_per_class]
    most = int(spec.max_ratio * min(len(members) for members in classes.values()))
    for label, members in classes.items():
        # A class without answers is refused for that, not for what the ratio makes of the other.
        if most and len(members) > most:
            tally["ratio"] += len(members) - most
            classes[label] = members[:most]
    return {entry.place for members in classes.values() for entry in members}


def _report(answers: list[UnpairedAnswer], tally: Counter[str]) -> UnpairedReport:
    good = [answer for answer in answers if answer.desirable]
    bad = [answer for answer in answers if not answer.desirable]
    good_prompts = {answer.messages for answer in good}
    bad_prompts = {answer.messages for answer in bad}
    sources = sorted({answer.source for answer in answers})
    good_sources = Counter(answer.source for answer in good)
    bad_sources = Counter(answer.source for answer in bad)
    return UnpairedReport(
        read=len(answers) + sum(tally[name] for name in LEFT_OUT),
        left_out={name: tally[name] for name in LEFT_OUT},
        desirable=_by_origin(good),
        undesirable=_by_origin(bad),
        sources={
            name: {"desirable": good_sources[name], "undesirable": bad_sources[name]}
            for name in sources
        },
        reasons=dict(
            sorted(
                Counter(answer.reason.partition(":")[0] for answer in bad).items(),
                key=lambda item: (-item[1], item[0]),
            )
        ),
        prompts=len(good_prompts | bad_prompts),
        both=len(good_prompts & bad_prompts),
        desirable_chars=_mean_length(good),
        undesirable_chars=_mean_length(bad),
    )


def _by_origin(answers: list[UnpairedAnswer]) -> dict[str, int]:
    counts = Counter(answer.origin for answer in answers)
    return {"critic": counts["critic"], "person": counts["person"]}


def _mean_length(answers: list[UnpairedAnswer]) -> float:
    return round(sum(len(answer.completion) for answer in answers) / max(len(answers), 1), 1)


def _cell(text: str) -> str:
    """A name from a file, harmless in a table."""
    return "".join(mark if mark.isalnum() or mark in " -_/.:+" else "?" for mark in text)[:80]
