"""What is almost JSON: right values, every leniency by its name, nothing invented, nothing
corrupted, linear time."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel_pipeline.critic.extract import extract
from sentinel_pipeline.critic.json_reader import MENDED
from sentinel_pipeline.critic.json_repair import MAX_DEPTH
from sentinel_pipeline.critic.numbers import read_number
from sentinel_pipeline_tests.critic.made_outputs import made_outputs, seed_parser
from sentinel_pipeline_tests.critic.test_extract import JSON


def mend(text: str) -> tuple[Any, tuple[str, ...], str | None]:
    found = extract(text, "json", reading="mend")
    return found.value, found.leniencies, found.error


READ: dict[str, tuple[str, Any, tuple[str, ...]]] = {
    "the seed's own example": ('{"sentiment_score": 4,5}', {"sentiment_score": 4.5}, ("decimal_comma",)),
    "an array keeps its commas": ('{"ids":[10,20],"s": 4,5}', {"ids": [10, 20], "s": 4.5}, ("decimal_comma",)),
    "an array of an array": ('{"a": [[1,2],[3,4]], "s": 0,5}', {"a": [[1, 2], [3, 4]], "s": 0.5}, ("decimal_comma",)),
    "an object in an array": ('[{"s": 4,5},{"s": 3}]', [{"s": 4.5}, {"s": 3}], ("decimal_comma",)),
    "thousands": ('{"p": 1.234,56}', {"p": 1234.56}, ("thousands_separator", "decimal_comma")),
    "millions": ('{"p": -1.234.567,8}', {"p": -1234567.8}, ("thousands_separator", "decimal_comma")),
    "money": ('{"p": R$ 1.234,50}', {"p": 1234.5}, ("thousands_separator", "decimal_comma", "currency")),
    "whole money": ('{"p": R$ 1.234}', {"p": 1234}, ("thousands_separator", "currency")),
    "dollars": ('{"p": US$ 1,234.50}', {"p": 1234.5}, ("thousands_separator", "currency")),
    "percent": ('{"p": 50%, "q": 4,5 %}', {"p": 0.5, "q": 0.045}, ("percent", "decimal_comma")),
    "a point is a point": ('{"p": 1.234, "q": 2,5}', {"p": 1.234, "q": 2.5}, ("decimal_comma",)),
    "a quoted number is text": ('{"p": "4,5", "q": 2,5}', {"p": "4,5", "q": 2.5}, ("decimal_comma",)),
    "a comma before a key": ('{"a": 4,b: 5}', {"a": 4, "b": 5}, ("unquoted_key",)),
    "a comma before a quoted key": ('{"a": 4,"5": 6,5}', {"a": 4, "5": 6.5}, ("decimal_comma",)),
    "decimal and trailing comma": ('{"a": 4,5,}', {"a": 4.5}, ("decimal_comma", "trailing_comma")),
    "trailing commas": ('{"a": [1, 2,], "b": {"c": 1,},}', {"a": [1, 2], "b": {"c": 1}}, ("trailing_comma",)),
    "single quotes": ("{'a': 'b'}", {"a": "b"}, ("single_quotes",)),
    "an apostrophe": ("{'a': 'copo d'água'}", {"a": "copo d'água"}, ("single_quotes", "inner_quote")),
    "curly quotes": ("{“a”: “b”}", {"a": "b"}, ("curly_quotes",)),
    "Python": ("{'a': (1, 2.5), 'b': None}", {"a": [1, 2.5], "b": None}, ("single_quotes", "python_literal")),
    "comments": ('{"a": 1, // um, dois }\n /* { */ "b": 2 # fim\n}', {"a": 1, "b": 2}, ("comment",)),
    "NaN": ('{"a": NaN}', {"a": None}, ("not_a_number",)),
    "the last of equal keys": ('{"a": 1, "a": 2}', {"a": 2}, ("duplicate_key",)),
    "a line end in a text": ('{"a": "x\ny"}', {"a": "x\ny"}, ("control_character",)),
    "an escape that is none": (r'{"a": "\d", }', {"a": r"\d"}, ("odd_escape", "trailing_comma")),
    "a surrogate pair": (r'{"a": "\ud83d\ude00",}', {"a": "😀"}, ("trailing_comma",)),
    "a fence": ('```json\n{"a": 4,5}\n```', {"a": 4.5}, ("fenced", "decimal_comma")),
    "prose": ('Claro: {"a": 4,5} pronto', {"a": 4.5}, ("prose_around", "decimal_comma")),
    "a set of words in prose": ('O {objeto} é {"a": 1}', {"a": 1}, ("prose_around",)),
    "two objects": ('{"a": 4,5} {"b": 1}', {"a": 4.5}, ("prose_around", "decimal_comma", "several_values")),
    "the form, then the answer": (
        'Form: {"a": <text>, "b": <int>}\nAnswer: {"a": "x", "b": 2}', {"a": "x", "b": 2}, ("prose_around",),
    ),
    "a hexadecimal escape": (r'{"a": "\x41 it\'s"}', {"a": "A it's"}, ("odd_escape",)),
    "a footnote": ('Veja [1]: {"a": 1}', {"a": 1}, ("prose_around", "several_values")),
    "a number alone": ("R$ 1.234,50", 1234.5, ("thousands_separator", "decimal_comma", "currency")),
    "a stop token": ('{"a": 4,5}<|im_end|>', {"a": 4.5}, ("decimal_comma", "stop_token")),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_almost_json_is_read_and_named(name: str) -> None:
    text, value, names = READ[name]
    assert mend(text) == (value, names, None)
    assert json.dumps(mend(text)[0]) == json.dumps(value), "types as well"


REFUSED = {
    "nothing": ("", "not_json"),
    "prose": ("não sei dizer", "not_json"),
    "cut": ('{"a": [1, 2', "truncated"),
    "cut in a number": ('{"a": 1, "b": 12', "truncated"),
    "an inner value of a broken one": ('{"a": {"b": 1}, %%% }', "not_json"),
    "a code with a leading zero": ('{"cep": 01310}', "not_json"),
    "a currency's comma in an array": ("[R$ 1,50, 2]", "ambiguous_number"),
    "a date": ('{"d": 12/03/2025}', "not_json"),
    "a missing comma": ('{"a": 1 "b": 2}', "not_json"),
    "a unit": ('{"a": 4,5 estrelas}', "not_json"),
    "too deep": ("[" * (MAX_DEPTH + 1) + "'x'" + "]" * (MAX_DEPTH + 1), "too_deep"),
    "out of range": ('{"a": 9e99999,}', "not_json"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_an_error_and_nothing_else(name: str) -> None:
    text, code = REFUSED[name]
    value, _, error = mend(text)
    assert value is None and str(error).partition(":")[0] == code


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2, {"b": "tex', {"a": [1, 2, {}]}),
        ('{"a": 1, "b": 12', {"a": 1}),
        ('{"a": 1, "b"', {"a": 1}),
        ('{"a": {"b": 4,5}, ', {"a": {"b": 4.5}}),
        ('```json\n{"a": [{"b": true}, {"c": tr', {"a": [{"b": True}, {}]}),
    ],
)
def test_a_cut_tail_is_closed_when_asked_and_marked_and_nothing_half_is_kept(
    text: str, value: Any
) -> None:
    assert extract(text, "json", reading="mend").error is not None
    found = extract(text, "json", reading="repair")
    assert found.value == value and "truncated" in found.leniencies


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_valid_json_comes_back_unchanged_however_much_is_forgiven(value: Any) -> None:
    for reading in ("mend", "repair"):
        found = extract(json.dumps(value), "json", reading=reading)
        assert found.error is None and not MENDED & set(found.leniencies)
        assert json.dumps(found.value) == json.dumps(value)


@settings(max_examples=300, deadline=None)
@given(JSON.filter(lambda value: isinstance(value, (dict, list))))
def test_a_valid_value_means_the_same_to_the_mender(value: Any) -> None:
    """A comment forces the lenient way, and the value must not depend on the way."""
    text = json.dumps(value)
    found = extract(f"{text[0]}/* c */{text[1:]}", "json", reading="mend")
    assert found.leniencies == ("comment",) and json.dumps(found.value) == json.dumps(value)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="{}[]()\",':0123456789.-+eE%R$ \n\\/#*aftn", max_size=60))
def test_any_text_gives_json_or_an_error(text: str) -> None:
    for reading in ("mend", "repair"):
        found = extract(text, "json", reading=reading)
        if found.error is None:
            json.dumps(found.value)
        else:
            assert found.value is None


@settings(max_examples=300, deadline=None)
@given(st.decimals(min_value=-(10**12), max_value=10**12, places=2, allow_nan=False))
def test_a_number_written_as_brazil_does_is_that_number(value: Any) -> None:
    text = f"{value:,.2f}".translate(str.maketrans(",.", ".,"))
    number = read_number(text)
    assert number is not None and float(number.value) == float(value)
    assert mend(f'{{"a": R$ {text}, "b": [1,2]}}')[0] == {"a": float(value), "b": [1, 2]}


@pytest.mark.parametrize(
    "text",
    ["", "abc", "1.2.3", "1,2,3", "1.23,4,5", "--1", "4,5,", "R$", "1 2", "٣", "01", "1e999999"],
)
def test_what_is_no_number_is_none(text: str) -> None:
    assert read_number(text) is None


def test_made_outputs_are_read_right_where_the_seeds_parser_corrupts() -> None:
    ours, theirs = Counter[str](), Counter[str]()
    for made in made_outputs(6500):
        for counts, value in ((ours, mend(made.text)[0]), (theirs, seed_parser(made.text))):
            counts[
                "right" if same(value, made.value) else "none" if value is None else "corrupted"
            ] += 1
    assert ours["corrupted"] == 0
    assert ours["right"] >= 0.999 * 6500
    assert theirs["corrupted"] > 100 and theirs["right"] < 0.75 * 6500, (
        "or the comparison is too easy"
    )


def same(value: Any, expected: Any) -> bool:
    if isinstance(expected, dict):
        keys = isinstance(value, dict) and value.keys() == expected.keys()
        return keys and all(same(value[key], one) for key, one in expected.items())
    if isinstance(expected, list):
        return (
            isinstance(value, list)
            and len(value) == len(expected)
            and all(map(same, value, expected))
        )
    if isinstance(expected, float):
        return type(value) in (int, float) and math.isclose(value, expected, rel_tol=1e-12)
    return type(value) is type(expected) and value == expected


HOSTILE = (
    "{",
    "[",
    "(",
    "{a:",
    '{"a":',
    "'",
    '"',
    "/*",
    "//",
    "#",
    "1,",
    "1.",
    "{'a':'",
    "[1,[",
    "\\",
    "{“",
    "R$ ",
    "' :",
    "{}",
    "[1]",
)


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_text_takes_linear_time(piece: str) -> None:
    def spent(chars: int) -> float:
        text = '{"a": ' + piece * (chars // len(piece))
        start = time.process_time()
        for reading in ("mend", "repair"):
            extract(text, "json", reading=reading)
        return time.process_time() - start

    small, large = spent(50_000), spent(200_000)
    assert large < max(8 * small, 0.5)


def test_strict_reading_takes_no_inner_value_of_a_broken_one() -> None:
    found = extract('Result: {"a": {"b": 1}, oops', "json")
    assert found.value is None and str(found.error).startswith("not_json")
