"""Constraints: every kind agrees with texts that follow it and texts that do not, and a wrong one
is named before it is asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.critic.constraints import KINDS, check_constraints, judge_constraints
from sentinel_pipeline.critic.instructions import KINDS as IFEVAL
from sentinel_pipeline.critic.score import Scorable, score
from sentinel_pipeline.records import Constraints, Message

PORTUGUESE = "Hoje choveu muito na cidade, e por isso fiquei em casa a ler um livro."
ENGLISH = "It rained a lot in the city today, so I stayed at home and read a book."
KEY = "-----BEGIN " + "RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----"

FIXTURES: list[tuple[str, dict[str, Any], list[str], list[str]]] = [
    (
        "keywords:existence",
        {"keywords": ["boat", "sea"]},
        ["The Boat is at sea."],
        ["The boat is here."],
    ),
    (
        "keywords:frequency",
        {"keyword": "oak", "relation": "at least", "frequency": 2},
        ["Oak and oak."],
        ["Oak."],
    ),
    (
        "keywords:frequency",
        {"keyword": "oak", "relation": "less than", "frequency": 2},
        ["Oak."],
        ["oak oak"],
    ),
    (
        "keywords:forbidden_words",
        {"forbidden_words": ["art", "no"]},
        ["The party is known."],
        ["No.", "ART!"],
    ),
    (
        "keywords:letter_frequency",
        {"letter": "e", "let_relation": "at least", "let_frequency": 3},
        ["Eerie"],
        ["red"],
    ),
    (
        "keywords:letter_frequency",
        {"letter": "#", "let_relation": "less than", "let_frequency": 1},
        ["a"],
        ["# a"],
    ),
    ("language:response_language", {"language": "pt"}, [PORTUGUESE], [ENGLISH]),
    ("language:response_language", {"language": "en"}, [ENGLISH], [PORTUGUESE]),
    (
        "length_constraints:number_sentences",
        {"relation": "at least", "num_sentences": 3},
        ["One. Two! Three?", "Dr. Ann came. She left. I stayed."],
        ["One. Two.", "Dr. Ann met Mr. Lee. They left."],
    ),
    (
        "length_constraints:number_sentences",
        {"relation": "less than", "num_sentences": 3},
        ["Pi is 3.14. Yes."],
        ["A b. C d. E f."],
    ),
    (
        "length_constraints:number_paragraphs",
        {"num_paragraphs": 2},
        ["one\n***\ntwo", "***\none\n***\ntwo"],
        ["one", "a\n***\n***\nb", "a\n***\nb\n***\nc"],
    ),
    (
        "length_constraints:number_words",
        {"relation": "at least", "num_words": 3},
        ["one two three"],
        ["one two"],
    ),
    (
        "length_constraints:number_words",
        {"relation": "less than", "num_words": 3},
        ["one two"],
        ["one, two, three"],
    ),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "rain"},
        ["One.\n\nRain, again.", 'One.\n\n\n"Rain" fell.'],
        ["One.\n\nSnow.", "Rain.", "One.\n\nRain.\n\nThree.", "One.\nRain."],
    ),
    (
        "detectable_content:number_placeholders",
        {"num_placeholders": 2},
        ["[name] at [place]"],
        ["[name]", "[] []"],
    ),
    (
        "detectable_content:postscript",
        {"postscript_marker": "P.S."},
        ["Bye.\nP.S. Write soon.", "Bye.\np.s. hm"],
        ["Bye.", "We use P.S. never."],
    ),
    (
        "detectable_content:postscript",
        {"postscript_marker": "P.P.S"},
        ["Bye.\nP.P.S. Write."],
        ["Bye.\nP.S. Write."],
    ),
    (
        "detectable_format:number_bullet_lists",
        {"num_bullets": 2},
        ["* a\n* b", "Here:\n- a\n- b"],
        ["* a", "- a\n- b\n- c", "**a**\n**b**"],
    ),
    (
        "detectable_format:constrained_response",
        {},
        ["My answer is yes.", "Well. My answer is maybe."],
        ["Yes.", "My answer is perhaps."],
    ),
    (
        "detectable_format:number_highlighted_sections",
        {"num_highlights": 2},
        ["*a* and **b**"],
        ["*a*", "** **", "2 * 3 * 4"],
    ),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "Section", "num_sections": 2},
        ["Section 1\na\nSection 2\nb", "## Section I\n## Section II"],
        ["Section 1\na", "a Section 1 b Section 2"],
    ),
    (
        "detectable_format:json_format",
        {},
        ['{"a": 1}', '```json\n{"a": 1}\n```', "[]"],
        ["a", '{"a": 1} so', "{'a': 1}"],
    ),
    ("detectable_format:title", {}, ["<<Rain>>\nIt fell."], ["Rain", "<< >>", "<<>>"]),
    (
        "combination:two_responses",
        {},
        ["one\n******\ntwo"],
        ["one", "one******one", "a******b******c", "a******"],
    ),
    (
        "combination:repeat_prompt",
        {"prompt_to_repeat": "Say hi."},
        ["Say hi.\nHi!", "say  hi. Hi!"],
        ["Hi!", "Hi! Say hi."],
    ),
    (
        "startend:end_checker",
        {"end_phrase": "That is all."},
        ["Hi. That is all.", '"Hi. that is all."'],
        ["That is all. Bye."],
    ),
    ("startend:quotation", {}, ['"Hello."'], ["Hello.", '"Hello.', '""', '"']),
    (
        "change_case:capital_word_frequency",
        {"capital_relation": "at least", "capital_frequency": 2},
        ["NASA and ESA"],
        ["NASA and Esa"],
    ),
    (
        "change_case:capital_word_frequency",
        {"capital_relation": "less than", "capital_frequency": 1},
        ["nasa"],
        ["NASA"],
    ),
    ("change_case:english_capital", {}, [ENGLISH.upper(), "OK"], [ENGLISH, PORTUGUESE.upper()]),
    ("change_case:english_lowercase", {}, [ENGLISH.lower(), "ok"], [ENGLISH, PORTUGUESE.lower()]),
    ("punctuation:no_comma", {}, ["One; two."], ["One, two."]),
    (
        "form:only_json",
        {"keys": ["a", "b"]},
        ['{"b": 1, "a": 2}'],
        ['{"a": 1}', '```json\n{"a": 1, "b": 2}\n```', '{"a":1,"b":2,"c":3}', "[]"],
    ),
    (
        "form:only_code",
        {"language": "python"},
        ["```python\nx = 1\n```"],
        [
            "x = 1",
            "So:\n```python\nx = 1\n```",
            "```python\nx = 1",
            "```json\n1\n```",
            "```python\n\n```",
        ],
    ),
    (
        "form:numbered",
        {"items": 2},
        ["1. a\n2. b", "1) a\n\n2) b"],
        ["1. a", "1. a\n3. b", "Here:\n1. a\n2. b", "1. a\n2. "],
    ),
    ("form:bulleted", {"items": 2}, ["- a\n- b", "* a\n* b"], ["- a", "a\n- b", "- a\n- b\nDone."]),
    ("form:csv", {"lines": 2, "fields": 2}, ['a,b\n"c, d",e'], ["a,b", "a,b\nc", "a,b\n,c"]),
    (
        "form:table",
        {"rows": 1, "columns": ["x", "y"]},
        ["| x | y |\n|---|---|\n| 1 | 2 |"],
        ["| x | y |\n| 1 | 2 |", "| x | y |\n|---|---|", "| x |\n|---|\n| 1 |"],
    ),
    ("form:one_word", {}, ["Rain", "don't."], ["Two words", "Rain, rain", ""]),
    ("form:one_of", {"choices": ["red", "blue"]}, ["red"], ["Red", "red.", "green"]),
    ("form:one_line", {}, ["a"], ["a\nb"]),
    ("fact:holds", {"words": ["art", "new"]}, ["New art."], ["New party.", "art"]),
    ("fact:avoids", {"words": ["art"]}, ["A party."], ["ART"]),
    ("fact:begins", {"text": "Ann:"}, ["Ann: yes."], ["ann: yes.", "Yes, Ann: so."]),
    (
        "fact:lines",
        {"lines": ["ox 3", "cow 4"]},
        ["1. An ox, 3 of them.\n2. A cow, 4 of them.", "Ox 3\n\ncow 4"],
        ["1. An ox.\n2. A cow, 4.", "ox 3", "cow 4\nox 3", "3. An ox.\n4. A cow."],
    ),
    (
        "fact:rows",
        {"rows": ["ox | 3", "cow | 4"]},
        ["| a | b |\n| --- | --- |\n| ox | 3 |\n|cow|4|"],
        ["| a | b |\n| --- | --- |\n| cow | 4 |\n| ox | 3 |", "| ox | 3 |\n| cow | 4 |"],
    ),
    ("fact:first_line", {"line": "5"}, ["5\n6\n7"], ["6", "5, 6", "x\n5"]),
    ("hygiene:no_secret", {}, ["Use $TOKEN."], [KEY]),
    ("hygiene:no_repetition", {}, ["A short text."], ["the same words again and over " * 40]),
    (
        "hygiene:no_boilerplate",
        {},
        ["Four."],
        ["As an AI language model, I say four.", "Four. I hope this helps!"],
    ),
    ("hygiene:answers", {}, ["I can do it."], ["I'm sorry, but I do not."]),
]


def held(name: str, arguments: dict[str, Any], text: str) -> bool:
    checked = Constraints(instructions=(name,), arguments=json.dumps([arguments]))
    check_constraints(checked)
    return judge_constraints(text, checked) is None


@pytest.mark.parametrize(
    ("name", "arguments", "good", "bad"),
    FIXTURES,
    ids=[f"{n}-{i}" for i, (n, *_) in enumerate(FIXTURES)],
)
def test_a_kind_agrees_with_its_fixtures(
    name: str, arguments: dict[str, Any], good: list[str], bad: list[str]
) -> None:
    assert [text for text in good if not held(name, arguments, text)] == []
    assert [text for text in bad if held(name, arguments, text)] == []


def test_the_published_kinds_are_all_there_and_every_kind_has_fixtures() -> None:
    assert len(IFEVAL) == 25
    assert {name for name, *_ in FIXTURES} == set(KINDS)


@given(text=st.text(min_size=1, max_size=300))
def test_no_text_makes_a_kind_fail_with_an_error(text: str) -> None:
    if text.strip():
        for name, arguments, _, _ in FIXTURES:
            assert held(name, arguments, text.strip()) in (True, False)


def test_every_broken_constraint_is_named() -> None:
    both = Constraints(instructions=("punctuation:no_comma", "form:one_line", "startend:quotation"))
    assert (
        judge_constraints("a, b", both)
        == "constraints: 2 of 3 broken: punctuation:no_comma, startend:quotation"
    )


BAD: list[tuple[dict[str, Any], str]] = [
    ({"instructions": ()}, "expected at least one"),
    ({"instructions": ("form:onne_line",)}, "unknown instruction 'form:onne_line'"),
    ({"instructions": ("form:csv",)}, "form:csv takes fields, lines, got none"),
    ({"instructions": ("form:one_line",), "arguments": '[{"x": 1}]'}, "takes no arguments, got x"),
    ({"instructions": ("form:one_line",), "arguments": "[{}, {}]"}, "expected 1 objects, got 2"),
    ({"instructions": ("form:one_line",), "arguments": "[3]"}, "expected a list of objects"),
    ({"instructions": ("form:numbered",), "arguments": '[{"items": "3"}]'}, "items: expected int"),
    ({"instructions": ("form:numbered",), "arguments": '[{"items": true}]'}, "items: expected int"),
    (
        {"instructions": ("fact:holds",), "arguments": '[{"words": []}]'},
        "words: expected a list of text",
    ),
    (
        {
            "instructions": ("length_constraints:number_words",),
            "arguments": '[{"relation": "more", "num_words": 3}]',
        },
        "'more' is none of less than, at least",
    ),
    (
        {"instructions": ("language:response_language",), "arguments": '[{"language": "qq"}]'},
        "not a language code",
    ),
    (
        {
            "instructions": ("keywords:letter_frequency",),
            "arguments": '[{"letter": "ab", "let_relation": "at least", "let_frequency": 1}]',
        },
        "expected one letter",
    ),
]


@pytest.mark.parametrize(("fields", "message"), BAD, ids=range(len(BAD)))
def test_a_constraint_that_cannot_be_judged_is_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_constraints(Constraints(**fields))


def test_an_empty_answer_follows_no_constraint_and_an_unclean_stop_fails_where_it_is_demanded() -> (
    None
):
    turn = (Message("user", "x"),)
    lax, strict = (
        Constraints(instructions=("punctuation:no_comma",), clean_stop=stop)
        for stop in (False, True)
    )
    items = [
        Scorable("empty", turn, " ", lax),
        Scorable("lax", turn, "fine", lax, stopped=False),
        Scorable("strict", turn, "fine", strict, stopped=False),
        Scorable("ended", turn, "fine", strict),
        Scorable("after", turn, "fine<|im_end|> and more", strict),
    ]
    assert [(one.id, one.outcome, one.reason.partition(":")[0]) for one in score(items)] == [
        ("empty", "fail", "empty"),
        ("lax", "pass", "passed"),
        ("strict", "fail", "no_stop"),
        ("ended", "pass", "passed"),
        ("after", "fail", "after_stop"),
    ]
