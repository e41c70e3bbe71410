"""The seven labels of a candidate, each a small function with a stable reason code.

A label is None where it does not apply (``not_applicable: …``) or where infrastructure failed
(``infra: …``). The rule of ``accepted``: False when any label is False; else None when
infrastructure left one open; else True, and its reason says by what evidence:
``verified`` by its verifier, ``parsed`` by its language's parser, or ``unverified``, where nothing
could be checked but form and hygiene. What an unverified row is good for, the mix decides by
``minimum_quality``. What this module does not do: drop a row, or read what was planted in it."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from ..records import (
    LABELS,
    Candidate,
    CriticLabels,
    Label,
    Message,
    PythonTests,
    Verifier,
)
from ..records.data_spec import CriticSpec
from ..records.verifiers import verifier_to_json
from ..sandbox import RESOURCE_CODES, Grader, RayGrader
from ..store.label_cache import LabelCache
from . import diffs, formats, syntax
from .entrypoint import Wanted, defined_in, entrypoint_match, script_match, wanted_entry
from .fences import fences
from .hygiene import MAX_CHARS, no_repetition, no_secret
from .prompt_form import kind_problem, names_problem
from .reading import read
from .repetition import invalid_text, repetition
from .request import NOTHING, Request, asks, parameters_of
from .score import DEFAULTS, Plan, Score, plan, run_plans
from .scorers import scorer_of
from .scorers.scorer import Reading
from .substance import code_in, substance_problem
from .version import label_version

BATCH = 256
"""Rows looked up, and rows kept, at once: a killed run labels again what was not kept, and one
segment of ``score``."""
KEEP_SECONDS = 2.0
"""Slow rows are kept after this time, however few."""
NOTHING_TO_RUN = Label(None, "not_applicable: the row has no verifier")


class _Static(NamedTuple):
    """What is known before anything runs."""

    id: str
    syntax_pass: Label
    entrypoint_match: Label
    format_pass: Label
    no_secret: Label
    no_repetition: Label
    corrected: Label | None
    """Set where the source itself holds a correction of this answer: then it is not accepted,
    whatever it looks like."""


SHARED = "shared trust, the tests ran beside the program"
"""Detail of a passed verdict that the program could have forged."""


def label(
    candidates: Iterable[Candidate],
    *,
    spec: CriticSpec = DEFAULTS,
    workers: int | None = None,
    cache: LabelCache | None = None,
    grader: Grader | RayGrader | None = None,
) -> Iterator[CriticLabels]:
    """Label ``candidates`` in order, streaming; programs run in the sandbox under ``spec``'s
    limits, or in a ``grader`` that is open already.

    With a ``cache`` only rows are labelled whose content, version or limits it does not know, and
    what is new is kept there batch by batch: a killed run goes on from its last batch. A row that
    infrastructure left open, or that ended by a limit of time, memory or output, is asked again.

    Raises:
        GateRefused: there are programs to run and this machine isolates less than the sandbox
            demands.
    """
    if cache is None:
        pairs = (prepare(candidate, spec.stop_token) for candidate in candidates)
        yield from (
            label_of_reading(static, score)
            for static, score in run_plans(pairs, spec=spec, workers=workers, grader=grader)
        )
        return
    fresh: dict[bytes, CriticLabels] = {}
    kept_at = time.monotonic()
    for (key, cached), score in run_plans(
        _looked_up(candidates, spec, cache), spec=spec, workers=workers, grader=grader
    ):
        if isinstance(cached, CriticLabels):
            yield cached
            continue
        labels = label_of_reading(cached, score)
        if RESOURCE_CODES.isdisjoint(getattr(labels, name).code for name in LABELS):
            fresh[key] = labels
        if len(fresh) >= BATCH or (fresh and time.monotonic() - kept_at > KEEP_SECONDS):
            cache.keep(fresh)
            fresh.clear()
            kept_at = time.monotonic()
        yield labels
    cache.keep(fresh)


def _looked_up(
    candidates: Iterable[Candidate], spec: CriticSpec, cache: LabelCache
) -> Iterator[tuple[tuple[bytes, CriticLabels | _Static], Plan]]:
    """Each candidate with its key, and its labels where they are known, else what has to be done
    for them."""
    source = iter(candidates)
    settings = f"{label_version()}|{spec.cpu_seconds}|{spec.memory_mib}|{spec.stop_token}"
    while batch := list(islice(source, BATCH)):
        keys = [content_key(candidate, settings) for candidate in batch]
        cached = cache.find(keys)
        for candidate, key in zip(batch, keys, strict=True):
            if key in cached:
                yield (key, cached[key]._replace(id=candidate.id)), Plan()
            else:
                static, planned = prepare(candidate, spec.stop_token)
                yield (key, static), planned


def content_key(candidate: Candidate, settings: str) -> bytes:
    """16 bytes of a SHA-256 over all that decides a candidate's labels: what was asked, answered,
    how it is checked, settings."""
    checked = verifier_to_json(candidate.verifier)
    parts = [
        settings,
        checked,
        candidate.corrected_by is None,
        candidate.messages,
        candidate.completion,
    ]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode("ascii")).digest()[:16]


def label_of_reading(static: _Static, score: Score | None) -> CriticLabels:
    """All labels of a candidate that ``prepare`` has read; ``score`` is what its verifier says."""
    tests = tests_pass(score)
    six = (
        static.syntax_pass,
        tests,
        static.entrypoint_match,
        static.format_pass,
        static.no_secret,
        static.no_repetition,
    )
    return CriticLabels(static.id, *six, static.corrected or accepted(*six), label_version())


def prepare(candidate: Candidate, stop: str | None) -> tuple[_Static, Plan]:
    """What is known of a candidate before anything runs, and what has to run."""
    if candidate.verifier is not None and not scorer_of(candidate.verifier).examined:
        # A judge's matter: form and hygiene are looked at here.
        candidate = replace(candidate, verifier=None)
    prompt = prompt_text(candidate.messages)
    whole = candidate.completion.rstrip().removesuffix(stop) if stop else candidate.completion
    request = request_of(candidate.messages) if candidate.verifier is None else NOTHING
    reading = read(whole, candidate.verifier, prompt, next(iter(request.names), None))
    if request.prefix and reading.language == "python" and (reading.code or "")[:1] in (" ", "\t"):
        # The answer continues the function that the request left open.
        code = request.prefix + str(reading.code)
        reading = reading._replace(code=code, syntax=syntax.check(code, "python"))
    static = _Static(
        candidate.id,
        syntax_pass(reading),
        entrypoint_label(reading, candidate, prompt, request),
        format_pass(reading, candidate, prompt, stop, request),
        no_secret(candidate.completion, (turn.content for turn in candidate.messages)),
        _no_repetition(reading, candidate, prompt),
        Label(False, "corrected: the source holds a correction of this answer")
        if candidate.corrected_by
        else None,
    )
    verifier = candidate.verifier
    return static, Plan() if verifier is None else plan(candidate.id, reading, verifier)


def _no_repetition(reading: Reading, candidate: Candidate, prompt: str) -> Label:
    """Of thought and answer alike, each by itself: a thought may draft what the answer then says,
    and quote what it was asked. Earlier answers of the conversation and its system turns may not
    loop either."""
    for number, turn in enumerate(candidate.messages, start=1):
        if turn.role in ("system", "assistant") and len(turn.content) <= MAX_CHARS:
            problem = repetition(turn.content, code=True, prompt=prompt)
            if problem is not None:
                return Label(False, f"{problem} (in turn {number})")
    thought = reading.parted.thought
    if len(thought) > MAX_CHARS:
        return Label(False, f"too_large: {len(thought)} characters are not searched")
    problem = invalid_text(thought) or repetition(thought) if thought else None
    if problem is not None:
        return Label(False, f"{problem} (in the thought)")
    code = reading.language is not None
    return no_repetition(reading.parted.answer, code=code, prompt=prompt)


def prompt_text(messages: tuple[Message, ...]) -> str:
    """System and user turns: what was asked."""
    return "\n".join(turn.content for turn in messages if turn.role in ("system", "user"))


def syntax_pass(reading: Reading) -> Label:
    """The language's own parser on the extracted answer (on the whole program, where a prefix
    comes first)."""
    if reading.language is None:
        return Label(None, "not_applicable: plain text")
    if reading.syntax is None:
        return Label(None, f"not_applicable: no parser for {reading.language}")
    return Label(reading.syntax.ok, reading.syntax.reason)


def tests_pass(score: Score | None) -> Label:
    """The verdict of the row's verifier, whatever its kind: tests, expected value, expected files,
    expected effect."""
    if score is None:
        return NOTHING_TO_RUN
    reason = score.reason
    if score.outcome == "pass" and score.evidence.get("trust") == "shared":
        reason = f"{reason}: {SHARED}"
    return Label(None if score.outcome == "infra" else score.outcome == "pass", reason)


def request_of(messages: tuple[Message, ...]) -> Request:
    """What the last turn asks for. A name may stand in the system's turn, where no earlier request
    can be meant; whether code is asked for is the user's word alone. After a tool's result nothing
    is asked for that prose would not answer."""
    turns = [turn for turn in messages if turn.role == "user"]
    if not turns or messages[-1].role == "tool":
        return NOTHING
    request = asks(turns[-1].content)
    if not request.names and len(turns) == 1:
        system = next((turn.content for turn in messages if turn.role == "system"), "")
        if system:
            request = request._replace(names=asks(system).names)
    return request


def entrypoint_label(
    reading: Reading, candidate: Candidate, prompt: str, request: Request = NOTHING
) -> Label:
    """Name and signature of what the tests or the request ask for, whatever the language."""
    if reading.found.error is not None:
        return Label(None, "not_applicable: there is no answer to look at")
    verifier = candidate.verifier
    if isinstance(verifier, PythonTests):
        expected = wanted_entry(verifier, prompt)
        wanted = [expected] if expected is not None else []
    elif verifier is not None:
        name = scorer_of(verifier).entry_point(verifier)
        wanted = [Wanted(name)] if name else []
    else:
        wanted = [
            Wanted(name, parameters_of(prompt, name), in_class=True, skeleton=request.skeleton)
            for name in request.names
        ]
    if not wanted:
        return Label(None, "not_applicable: no entry point is asked for")
    if reading.syntax is not None and not reading.syntax.ok:
        return Label(None, "not_applicable: the code does not parse")
    if reading.language == "diff":
        return Label(None, "not_applicable: a diff need not show the definition")
    labels = [_defines(reading, expected, request, verifier) for expected in wanted]
    return next((each for each in labels if not each.value), labels[0])


def _defines(
    reading: Reading, expected: Wanted, request: Request, verifier: Verifier | None
) -> Label:
    """Whether the answer defines one name: in the block that was extracted, else in another one of
    its language."""
    code = code_in(reading)
    if code is None:
        if request.code:
            return Label(
                False,
                f"missing_entry_point: {expected.name} is not defined, there is no code"[:200],
            )
        return Label(None, "not_applicable: no program")
    others = [
        block.body
        for block in fences(reading.parted.answer)
        if verifier is None
        and block.language == reading.language
        and block.body.strip() != code.strip()
    ]
    label = Label(None, "not_applicable: no program")
    for program in (code, *others):
        if reading.language == "python":
            label = entrypoint_match(program, expected)
        elif reading.language == "typescript":
            label = script_match(program, expected.name, skeleton=expected.skeleton)
        else:
            label = defined_in(program, expected.name)
        if label.code != "missing_entry_point":
            return label
    return label


_ONLY = re.compile(
    r"\b(?:only|just) (?:the |with |a |one )*(?:\w+ )?(?:code|json|diff|patch|command|function|program|sql|yaml)\b"
    r"|\bno (?:explanation|prose|comments?|other text)\b|\bwithout (?:any )?(?:explanation|prose)\b|\bnothing else\b",
    re.IGNORECASE,
)
_BROKEN_FORM = ("several_values", "unclosed_fence", "unopened_fence", "prose_around", "foreign_tag")


def format_pass(
    reading: Reading,
    candidate: Candidate,
    prompt: str,
    stop: str | None = None,
    request: Request = NOTHING,
) -> Label:
    """The form that was asked: one whole answer of the kind, with the names and of the category
    demanded, no bare prose about it or in its place, JSON by its schema, a diff that applies, a
    clean stop (``stop``: the token that must be there)."""
    extracted = reading.found
    problem = None if reading.parted.finished else extracted.error
    if problem is None:
        ending = candidate.completion if stop else reading.parted.answer
        problem = formats.stop_problem(ending, stop) or extracted.error
    if problem is None:
        problem = next((name for name in _BROKEN_FORM if name in extracted.leniencies), None)
    if problem is None and "prose_around_fence" in extracted.leniencies and _ONLY.search(prompt):
        problem = "prose_around: only the answer was asked for"
    if problem is None and candidate.verifier is None:
        problem = (
            kind_problem(reading, prompt)
            or names_problem(reading, request.names)
            or substance_problem(reading, request, candidate)
        )
    if problem is None:
        problem = _verifier_form(reading, candidate)
    return Label(problem is None, problem or "ok")


def _verifier_form(reading: Reading, candidate: Candidate) -> str | None:
    if candidate.verifier is not None:
        form = scorer_of(candidate.verifier).form
        if form is not None:
            return form(reading.found.value, candidate.verifier)
    if reading.language == "diff":
        parsed = diffs.parse_diff(reading.found.value)
        return parsed if isinstance(parsed, str) else None
    return None


_NAMES = (
    "syntax_pass",
    "tests_pass",
    "entrypoint_match",
    "format_pass",
    "no_secret",
    "no_repetition",
)


def accepted(*labels: Label) -> Label:
    """The rule in this module's docstring, over the six other labels in the order of
    ``records.LABELS``."""
    failed = [name for name, label in zip(_NAMES, labels, strict=True) if label.value is False]
    if failed:
        return Label(False, f"rejected: {', '.join(failed)}")
    broken = next(
        (label for label in labels if label.value is None and label.code == "infra"), None
    )
    if broken is not None:
        return Label(None, broken.reason)
    syntax, tests, _, form = labels[:4]
    if not any(label.value for label in (syntax, tests, form)):
        return Label(False, "no_evidence: neither parsed, verified nor of the form asked")
    if tests.value:
        return Label(True, "verified")
    return Label(True, "parsed" if syntax.value else "unverified: judged by form and hygiene")
