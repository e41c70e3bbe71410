"""The task families: every composition makes a task that its own reference answers, and nothing
tells the answer."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from random import Random

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unidiff import PatchSet

from sentinel_pipeline.records import (
    CATEGORIES,
    JsonAnswer,
    PatchApplies,
    PythonTests,
    ShellEffect,
    TextAnswer,
)
from sentinel_pipeline.tasks.families import FAMILIES, Family, functions, is_heldout, shell, tools
from sentinel_pipeline.tasks.families.family import Draft
from sentinel_pipeline.tasks.families.raw_material import raw_documents

BY_NAME = {family.name: family for family in FAMILIES}
seeds = st.integers(0, 2**32)


def drafts(family: Family, seed: int) -> Iterator[tuple[str, Draft]]:
    for composition in family.compositions:
        yield composition, family.generate(composition, Random(f"{seed}|{composition}"))


def test_the_five_families_cover_the_five_categories_in_the_mix_order() -> None:
    assert tuple(family.category for family in FAMILIES) == CATEGORIES


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_a_fifth_of_the_compositions_is_held_out(family: Family) -> None:
    share = len(family.split(heldout=True)) / len(family.compositions)
    assert 0.12 <= share <= 0.28


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_no_composition_is_listed_twice(family: Family) -> None:
    assert len(set(family.compositions)) == len(family.compositions)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_every_part_of_a_heldout_composition_is_seen_in_training(family: Family) -> None:
    """Held-out asks for new combinations of known parts, not for new parts."""

    def parts(composition: str) -> set[str]:
        return set(composition.replace("+", "|").split("|"))

    known = set().union(*(parts(one) for one in family.split(heldout=False)))
    assert set().union(*(parts(one) for one in family.split(heldout=True))) <= known


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
@given(seed=seeds)
@settings(max_examples=15, deadline=None)
def test_the_same_composition_and_seed_give_the_same_draft(family: Family, seed: int) -> None:
    composition = Random(seed).choice(family.compositions)
    assert family.generate(composition, Random(seed)) == family.generate(composition, Random(seed))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_no_prompt_holds_its_answer(family: Family) -> None:
    told = [
        c
        for c, draft in drafts(family, 1)
        if any(draft.reference in turn.content for turn in draft.messages)
    ]
    assert told == []


def test_a_function_prompt_holds_no_test_and_no_expression() -> None:
    for composition, draft in drafts(BY_NAME["functions"], 2):
        prompt, body = draft.messages[0].content, draft.reference.partition("return ")[2]
        assert body not in prompt and "assert" not in prompt and " for x in " not in prompt, (
            composition
        )


def test_every_function_reference_passes_its_own_asserts() -> None:
    """Independent of the sandbox: the references are this package's own text."""
    for composition, draft in drafts(BY_NAME["functions"], 3):
        scope: dict[str, object] = {}
        assert isinstance(draft.verifier, PythonTests), composition
        exec(draft.reference + "\n" + draft.verifier.tests, scope)
        assert draft.verifier.entry_point in scope, composition


def test_the_asserts_tell_a_composition_from_its_neighbours() -> None:
    """A wrong predicate, map or aggregation under the right name must fail: weak tests would teach
    wrong code.

    Not every pair can differ (the first of the even numbers may stay the first under ``abs``), so a
    share is allowed.
    """
    rng, wrong, caught = Random(4), 0, 0
    for composition in rng.sample(BY_NAME["functions"].compositions, 120):
        draft = BY_NAME["functions"].generate(composition, Random(f"4|{composition}"))
        spec = functions.draw(composition, Random(f"4|{composition}"))
        parts = composition.split("|")
        names = [[*functions.AGGREGATIONS], [*functions.MAPS], [*functions.PREDICATES]]
        for place, options in enumerate(names):
            other = [*parts]
            other[place] = rng.choice([name for name in options if name != parts[place]])
            mutant = spec._replace(
                aggregation=functions.AGGREGATIONS[other[0]],
                step=functions.MAPS[other[1]],
                predicate=functions.PREDICATES[other[2]],
            )
            scope: dict[str, object] = {}
            assert isinstance(draft.verifier, PythonTests)
            wrong += 1
            try:
                exec(mutant.code() + "\n" + draft.verifier.tests, scope)
            except AssertionError:
                caught += 1
    assert caught / wrong > 0.95


def test_function_tests_are_four_asserts() -> None:
    for _, draft in drafts(BY_NAME["functions"], 5):
        assert isinstance(draft.verifier, PythonTests)
        assert [type(node) for node in ast.parse(draft.verifier.tests).body] == [ast.Assert] * 4


def test_every_diff_parses_and_gives_the_expected_file() -> None:
    for composition, draft in drafts(BY_NAME["edits"], 6):
        verifier = draft.verifier
        assert isinstance(verifier, PatchApplies)
        patch = PatchSet(draft.reference + "\n")
        (path,) = verifier.files
        assert [file.path for file in patch] == [path]
        (hunk,) = patch[0]
        assert "".join(line.value for line in hunk.source_lines()) == verifier.files[path], (
            composition
        )
        assert "".join(line.value for line in hunk.target_lines()) == verifier.expected[path], (
            composition
        )


def test_every_edit_changes_its_file() -> None:
    for composition, draft in drafts(BY_NAME["edits"], 7):
        assert isinstance(draft.verifier, PatchApplies)
        assert draft.verifier.files != draft.verifier.expected, composition


def test_every_call_fits_the_schema_of_its_signature() -> None:
    for composition, draft in drafts(BY_NAME["tools"], 8):
        verifier = draft.verifier
        assert isinstance(verifier, JsonAnswer) and verifier.schema is not None
        assert jsonschema_rs.is_valid(json.loads(verifier.schema), json.loads(draft.reference)), (
            composition
        )
        assert json.loads(draft.reference) == json.loads(verifier.expected)


def test_the_schema_refuses_another_name_and_an_extra_argument() -> None:
    draft = BY_NAME["tools"].generate("send_money|en|0|money", Random(9))
    assert isinstance(draft.verifier, JsonAnswer) and draft.verifier.schema is not None
    schema, call = json.loads(draft.verifier.schema), json.loads(draft.reference)
    assert not jsonschema_rs.is_valid(schema, call | {"name": "set_price"})
    assert not jsonschema_rs.is_valid(
        schema, call | {"arguments": call["arguments"] | {"extra": 1}}
    )


@given(seed=seeds, form=st.sampled_from(["decimal", "money"]))
@settings(deadline=None)
def test_a_portuguese_number_reads_back_as_its_value(seed: int, form: str) -> None:
    number = tools.draw_number(form, "pt", Random(seed))
    assert float(number.text.replace(".", "").replace(",", ".")) == number.value
    assert isinstance(number.value, float) and not number.value.is_integer()


def test_portuguese_thousands_use_a_point_and_english_ones_a_comma() -> None:
    rng = [Random(seed) for seed in range(40)]
    portuguese = [tools.draw_number("money", "pt", one).text for one in rng]
    english = [tools.draw_number("money", "en", Random(seed)).text for seed in range(40)]
    assert any(len(text) > 6 and text[1] == "." and text[-3] == "," for text in portuguese)
    assert any(len(text) > 6 and text[1] == "," and text[-3] == "." for text in english)


def test_every_shell_task_has_an_effect_that_doing_nothing_misses() -> None:
    for composition, draft in drafts(BY_NAME["shell"], 10):
        verifier = draft.verifier
        assert isinstance(verifier, ShellEffect)
        nothing = not verifier.stdout and verifier.expected_files in (None, verifier.files)
        assert not nothing, composition


def test_a_step_that_is_left_out_shows_in_the_output() -> None:
    """Without this, printing a file that is sorted already would pass for sorting it."""
    for composition in BY_NAME["shell"].compositions:
        source, _, rest = composition.partition("|")
        if not rest or rest.startswith("same"):
            continue
        draft = BY_NAME["shell"].generate(composition, Random(f"11|{composition}"))
        plain = shell.generate(f"{source}|same|{rest.split('|')[1]}", Random(f"11|{composition}"))
        assert isinstance(plain.verifier, ShellEffect) and isinstance(draft.verifier, ShellEffect)
        if plain.verifier.files == draft.verifier.files:
            assert plain.verifier != draft.verifier, composition


def test_a_chat_answer_is_its_value_and_the_value_was_told_by_the_user() -> None:
    for composition, draft in drafts(BY_NAME["chat"], 12):
        assert isinstance(draft.verifier, TextAnswer)
        told = " ".join(turn.content for turn in draft.messages if turn.role == "user")
        sentence, value, _ = draft.verifier.accepted
        assert draft.reference == sentence and value in told, composition
        assert [turn.role for turn in draft.messages] == ["user", "assistant", "user"]


def test_a_corrected_fact_is_answered_with_the_correction() -> None:
    draft = BY_NAME["chat"].generate("correct|city|pet|city", Random(13))
    assert isinstance(draft.verifier, TextAnswer)
    assert draft.verifier.accepted[1] in draft.messages[-1].content
    assert draft.verifier.accepted[1] not in draft.messages[0].content


def test_raw_documents_are_the_same_for_a_seed_and_a_prefix_of_more() -> None:
    few, many = list(raw_documents(5, 40)), list(raw_documents(5, 90))
    assert few == many[:40] and few != list(raw_documents(6, 40))


def test_raw_documents_never_hold_a_prompt() -> None:
    text = "\n".join(raw_documents(1, 3000))
    cues = (
        "Write the",
        "In Python",
        "returns",
        "As a diff",
        "What is my",
        "What was",
        "Call ",
        "Shell:",
        "Delete ",
        "Sorry,",
    )
    assert [cue for cue in cues if cue in text] == []


def test_raw_functions_are_of_training_compositions_only() -> None:
    """A held-out generator expression appears in no document, whatever the names and constants."""
    spec_of = functions.draw
    heldout = {
        (p[0], p[1], p[2]) for c in BY_NAME["functions"].split(heldout=True) if (p := c.split("|"))
    }
    text = "\n".join(raw_documents(2, 4000))
    for aggregation, step, predicate in sorted(heldout)[:60]:
        spec = spec_of(f"{aggregation}|{step}|{predicate}", Random(0))
        for k in range(3, 10):
            for m in range(3, 10):
                for arg in ("xs", "ns"):
                    line = spec._replace(k=k, m=m, arg=arg).code().partition("return ")[2]
                    assert f"return {line}\n" not in text


def test_the_split_is_a_fixed_hash() -> None:
    """A change of the split moves every held-out number: it must be seen."""
    assert [
        is_heldout("functions", c) for c in ("sum|same|even", "max|abs|most", "list|plus|odd_below")
    ] == [
        False,
        True,
        True,
    ]
