"""A recipe's questions about a finished GRPO run, each answered from the recorded curves with its
interval: yes, no, or open.

Yes and no need the whole 95 % interval on one side of the threshold; between two windows the
interval of the difference takes both as independent, which is too wide where they share prompts and
never too narrow. Of curves that end before the run's last step only ``at_step`` is answered. Pure
functions. What this module does not do: decide what follows (``decisions``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from ..records.grpo_spec import GrpoSpec
from ..records.question_spec import Question
from .curve_files import curves_of, evidence_of, start_of
from .curve_rules import curve_rules
from .measured import Measured, difference
from .rules import stop_reason


def run_ended(spec: GrpoSpec, rows: Sequence[dict[str, Any]]) -> bool:
    """Whether the curves are those of a whole run: they reach its last step, or one of its rules
    stopped it. A killed run's curves end earlier and decide nothing."""
    if not rows:
        return False
    if rows[-1]["step"] >= spec.max_steps:
        return True
    return stop_reason(curve_rules(spec.watch), curves_of(rows)) is not None


class Answer(NamedTuple):
    """What the curves say to one question."""

    name: str
    ask: str
    answer: Literal["yes", "no", "open"] | str
    """Of ``lowest`` the task's name, else yes, no or open."""
    text: str
    """The numbers in words, and what they mean."""
    value: float | None
    interval: tuple[float, float] | None
    n: int


def answers(
    questions: Sequence[Question], rows: Sequence[Mapping[str, Any]], *, ended: bool
) -> list[Answer]:
    """The answer to each question, in order.

    Args:
        rows: the recorded curves, by step.
        ended: whether the run did what it was to do; questions about the end are open without.
    """
    return [_answer(question, rows, ended) for question in questions]


def _answer(question: Question, rows: Sequence[Mapping[str, Any]], ended: bool) -> Answer:
    last_step = rows[-1]["step"] if rows else 0
    if not ended and question.test != "at_step":
        text = f"the run has not ended: its curves stop at step {last_step}"
        return Answer(question.name, question.ask, "open", text, None, None, 0)
    if question.test == "lowest":
        return _lowest(question, rows)
    if question.test == "rises_after":
        return _rises(question, rows)
    window = [row for row in rows if question.test == "at_end" or row["step"] >= question.step]
    windows = [
        (int(row["step"]), evidence_of([dict(row)])[question.metric])
        for row in window
        if question.metric in evidence_of([dict(row)])
    ]
    if not windows:
        text = f"{question.metric} was not measured with an interval there"
        return Answer(question.name, question.ask, "open", text, None, None, 0)
    step, measured = windows[-1] if question.test == "at_end" else windows[0]
    level, _, _ = _numbers(measured)
    since = ""
    if question.from_start:
        start = start_of([dict(row) for row in rows]).get(question.metric)
        gained = difference(measured, start) if start is not None else None
        if gained is None:
            text = f"{question.metric} was not measured before the first step"
            return Answer(question.name, question.ask, "open", text, None, None, 0)
        measured = gained
        since = f" ({level:.3f} itself) above the start's"
    value, low, high = _numbers(measured)
    beside = f", {question.before:g} in the run before" if question.before is not None else ""
    text = (
        f"{question.metric} is {value:.3f} [{low:.3f}, {high:.3f}]{since} on {measured.n} prompts at "
        f"step {step}{beside}; asked for: at least {question.threshold:g}"
    )
    return _decided(question, value, low, high, question.threshold, text, measured.n)


def _rises(question: Question, rows: Sequence[Mapping[str, Any]]) -> Answer:
    measured = [
        (int(row["step"]), evidence_of([dict(row)])[question.metric])
        for row in rows
        if question.metric in evidence_of([dict(row)])
    ]
    before = [window for window in measured if window[0] <= question.step]
    after = [window for window in measured if window[0] > question.step]
    if not before or not after:
        text = f"{question.metric} was not measured on both sides of step {question.step}"
        return Answer(question.name, question.ask, "open", text, None, None, 0)
    from_step, start = before[-1]
    to_step, end = after[-1]
    gained = difference(end, start)
    assert gained is not None
    value, low, high = _numbers(gained)
    text = (
        f"{question.metric} went from {start.value:.3f} at step {from_step} to {end.value:.3f} at "
        f"step {to_step}: {value:+.3f} [{low:+.3f}, {high:+.3f}] on {gained.n} prompts"
    )
    return _decided(question, value, low, high, question.threshold, text, gained.n)


def _lowest(question: Question, rows: Sequence[Mapping[str, Any]]) -> Answer:
    tasks = {
        name: measured
        for name, measured in evidence_of([dict(row) for row in rows]).items()
        if name.startswith("eval/") and name not in OF_ALL
    }
    if not tasks:
        text = "the curves hold no task of its own"
        return Answer(question.name, question.ask, "open", text, None, None, 0)
    ranked = sorted(tasks, key=lambda name: (_numbers(tasks[name])[0], name))
    first = ranked[0]
    value, low, high = _numbers(tasks[first])
    text = f"{first} with {value:.3f} [{low:.3f}, {high:.3f}] on {tasks[first].n} prompts"
    if len(ranked) > 1:
        next_value, next_low, next_high = _numbers(tasks[ranked[1]])
        text += f"; then {ranked[1]} with {next_value:.3f} [{next_low:.3f}, {next_high:.3f}]"
        if next_low <= high:
            text += ": the two intervals overlap"
    name = first.removeprefix("eval/")
    return Answer(question.name, question.ask, name, text, value, (low, high), tasks[first].n)


OF_ALL = ("eval/mean_reward", "eval/mean", "eval/pass_at_1", "eval/syntax_rate")
"""Metrics that are of no one task."""


def _numbers(measured: Measured) -> tuple[float, float, float]:
    assert measured.value is not None and measured.interval is not None
    return measured.value, measured.interval.low, measured.interval.high


def _decided(
    question: Question, value: float, low: float, high: float, bound: float, text: str, n: int
) -> Answer:
    answer: Literal["yes", "no", "open"] = "open"
    meaning = "the interval holds both: evaluate on more prompts"
    # A gain has to be more than the bound, a level at least the bound.
    if low > bound or (low >= bound and question.test != "rises_after"):
        answer = "yes"
        meaning = question.if_yes
    elif high < bound or (high <= bound and question.test == "rises_after"):
        answer = "no"
        meaning = question.if_no
    words = f"{text}. {meaning}" if meaning else text
    return Answer(question.name, question.ask, answer, words, value, (low, high), n)
