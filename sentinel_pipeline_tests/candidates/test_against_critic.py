"""The material and the critic together: every reference is accepted, every planted defect is found,
for its reason."""

from __future__ import annotations

from random import Random

from sentinel_pipeline.candidates.corrupt import defects_of, plant
from sentinel_pipeline.candidates.raw import reference
from sentinel_pipeline.critic.labels import label
from sentinel_pipeline.records import LABELS, CriticLabels
from sentinel_pipeline.tasks.suites import load_suite
from sentinel_pipeline.tasks.task_bank import EVERY_FAMILY, build

TASKS = build(31, {}, {family.name: 4 for family in EVERY_FAMILY}).heldout
FOUND_BY = {
    "secret": {"no_secret"},
    "repetitive": {"no_repetition"},
    "invalid_characters": {"no_repetition"},
    "filler": {"no_repetition", "tests_pass"},
    "wrong": {"tests_pass"},
    "wrong_entry_point": {"entrypoint_match"},
    "bad_hunk": {"syntax_pass", "format_pass"},
    "wrong_field": {"tests_pass", "format_pass"},
    "wrong_type": {"tests_pass", "format_pass"},
    "unparsable": {"syntax_pass", "format_pass"},
    "truncated": {"syntax_pass", "tests_pass"},
    "prose_around": {"format_pass", "tests_pass"},
    "prose_instead": {"format_pass", "tests_pass"},
}
"""Defect -> labels of which at least one must be False: a rejection for another reason is luck."""


def failed(labels: CriticLabels) -> set[str]:
    return {name for name in LABELS[:-1] if getattr(labels, name).value is False}


def test_every_reference_is_accepted() -> None:
    references = [reference(task) for task in [*TASKS, *load_suite("smoke")]]
    assert [
        (row.id, failed(row)) for row in label(references) if row.accepted.value is not True
    ] == []


def test_every_planted_defect_is_found_by_a_label_that_it_belongs_to() -> None:
    dirty = [plant(task, defect, Random(task.id)) for task in TASKS for defect in defects_of(task)]
    missed = [
        (candidate.planted, candidate.task_id, failed(labels))
        for candidate, labels in zip(dirty, label(dirty), strict=True)
        if labels.accepted.value is not False
        or not failed(labels) & FOUND_BY[str(candidate.planted)]
    ]
    assert missed == []
