"""Graded judgements: fields against a reference, texts against a record; what earns, what does not,
and why."""

from __future__ import annotations

import json

import pytest

from sentinel_pipeline.critic.extract import extract
from sentinel_pipeline.critic.fields import judge_fields
from sentinel_pipeline.critic.grounded import FACTS_SHARE, judge_grounded
from sentinel_pipeline.critic.portuguese import is_portuguese
from sentinel_pipeline.critic.score import Scorable, score
from sentinel_pipeline.records import (
    FieldsAnswer,
    GroundedText,
    Message,
    verifier_from_json,
    verifier_to_json,
)

EXPECTED = {"id": 7, "total": 1234.5, "label": "negative", "reason": None, "refund": False}
SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "total": {"type": "number"},
        "label": {"enum": ["negative", "positive"]},
        "reason": {"type": ["string", "null"]},
        "refund": {"type": "boolean"},
    },
    "required": list(EXPECTED),
    "additionalProperties": False,
}
FIELDS = FieldsAnswer(expected=json.dumps(EXPECTED), schema=json.dumps(SCHEMA))
RIGHT = '{"id": 7, "total": 1234.5, "label": "negative", "reason": null, "refund": false}'


def fields(text: str) -> tuple[float, str | None]:
    graded = judge_fields(extract(text, "json", reading="mend"), FIELDS)
    assert (graded.credit == 1) == (graded.problem is None)
    return round(graded.credit, 3), graded.problem


@pytest.mark.parametrize(
    "text",
    [
        RIGHT,
        RIGHT.replace("1234.5", "1.234,50"),
        RIGHT.replace("1234.5", "R$ 1.234,50"),
        RIGHT.replace("1234.5", '"R$ 1.234,50"'),
        f"Segue:\n```json\n{RIGHT}\n```",
    ],
)
def test_right_values_pass_however_brazil_writes_them(text: str) -> None:
    assert fields(text) == (1.0, None)


@pytest.mark.parametrize(
    ("text", "credit", "code"),
    [
        ("", 0, "not_json"),
        ("[7]", 0, "json_schema"),
        (f"{RIGHT} {RIGHT}", 0, "several_values"),
        (json.dumps(dict.fromkeys(EXPECTED)), 0, "json_schema"),
        (json.dumps(dict.fromkeys(EXPECTED, "")), 0, "json_schema"),
        (
            '{"id": 0, "total": 0, "label": "positive", "reason": null, "refund": false}',
            0,
            "field_value",
        ),
        (RIGHT.replace("7", "8"), 0.667, "field_value"),
        (RIGHT.replace("null", '"price"'), 0.75, "field_value"),
        (RIGHT.replace("negative", "angry"), 0.333, "json_schema"),
        (RIGHT.replace("}", ', "more": 1}'), 0.5, "json_schema"),
        (RIGHT.replace("false", "0"), 0.375, "json_schema"),
    ],
)
def test_credit_is_for_right_values_only(text: str, credit: float, code: str) -> None:
    found, problem = fields(text)
    assert (found, str(problem).partition(":")[0]) == (credit, code)


def test_the_scorer_grades_and_names_what_is_not_strict() -> None:
    texts = [RIGHT, RIGHT.replace("1234.5", "1.234,50"), "não"]
    items = [
        Scorable(str(n), (Message("user", "?"),), text, FIELDS) for n, text in enumerate(texts)
    ]
    strict, lenient, wrong = score(items)
    assert (strict.outcome, strict.syntax_ok, strict.evidence["parts"]["strict"]) == (
        "pass",
        True,
        1.0,
    )
    assert (lenient.outcome, lenient.syntax_ok, lenient.evidence["parts"]["strict"]) == (
        "pass",
        False,
        0.0,
    )
    assert lenient.evidence["leniencies"] == ["thousands_separator", "decimal_comma"]
    assert (wrong.outcome, wrong.evidence["credit"]) == ("fail", 0.0)


RECORD = {
    "cliente": "Ana",
    "produto": "fone bluetooth",
    "desconto": 0.15,
    "cupom": "VOLTA15",
    "até": "12/03",
    "nota": 4.37,
}
SHOWN = "Registro: cliente: Ana; produto: fone bluetooth. Escreva uma notificação push em português com uma chamada para ação."
TEXT = GroundedText(
    record=json.dumps(RECORD),
    must_mention=("Ana", "fone bluetooth", "15%"),
    min_words=6,
    max_words=30,
    max_chars=140,
    shown=SHOWN,
)
GOOD = "Ana, o fone bluetooth está com 15% de desconto para você. Use o cupom VOLTA15 até 12/03!"


def text(answer: str) -> tuple[float, str | None]:
    graded = judge_grounded(answer, TEXT)
    assert (graded.credit == 1) == (graded.problem is None)
    return round(graded.credit, 3), graded.problem


@pytest.mark.parametrize(
    "answer",
    [
        GOOD,
        "Olá, Ana! O fone bluetooth que você quer tem nota 4,4 e 15 % de desconto. Aproveite!",
        "Aproveite, Ana: fone bluetooth com 15% de desconto no cupom volta15.",
    ],
)
def test_a_grounded_text_passes(answer: str) -> None:
    assert text(answer) == (1.0, None)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (GOOD.replace("15%", "20%"), "invented: the number 20%"),
        (GOOD.replace("VOLTA15", "VOLTA20"), "invented: VOLTA20"),
        (GOOD.replace("12/03", "13/03"), "invented: the date 13/03"),
        (GOOD.replace("Ana,", "Carlos,"), "invented: the name Carlos"),
        (GOOD.replace("para você", "da Magazine"), "invented: the name Magazine"),
        (GOOD.replace("para você", "em duas lojas"), "invented: the number duas"),
        (GOOD.replace("para você", "por R$ 99,90"), "invented: the number R$ 99,90"),
        (
            "Buy the fone bluetooth with VOLTA15 now, Ana: 15% for you and all of your friends.",
            "wrong_language: not Portuguese",
        ),
        (
            "Ana, compra el fone bluetooth con 15% para ti y tus amigos en la tienda, usa VOLTA15.",
            "wrong_language: not Portuguese",
        ),
        ("Ana, 15%!", "wrong_length: 1 words, expected 6 to 30"),
        (f"{GOOD} {GOOD}", "wrong_length: "),
        (SHOWN, "wrong_language"),
        (f"{SHOWN[10:]} Aproveite 15%.", "copied: mostly the prompt's own words"),
    ],
)
def test_a_text_that_is_not_sound_earns_nothing(answer: str, reason: str) -> None:
    credit, problem = text(answer)
    if reason == "wrong_language":
        assert credit < 1 and problem
        return
    assert credit == 0 and str(problem).startswith(reason)


def test_a_sound_text_that_says_less_earns_less() -> None:
    assert text(GOOD.replace("fone bluetooth", "produto")) == (
        round(FACTS_SHARE * 2 / 3 + 0.3, 3),
        "missing_fact: fone bluetooth",
    )
    assert text("Ana, o fone bluetooth está com 15% de desconto para você nesta semana.") == (
        FACTS_SHARE,
        "no_call_to_action",
    )


def test_repetition_is_no_text() -> None:
    long = TEXT.__class__(
        **{**{n: getattr(TEXT, n) for n in TEXT.__slots__}, "max_chars": None, "max_words": 200}
    )
    assert str(judge_grounded(f"{GOOD} {GOOD}", long).problem).startswith("repetitive")
    assert judge_grounded(f"{GOOD} " + "muito bom e " * 30, long).credit == 0


@pytest.mark.parametrize(
    ("sentence", "portuguese"),
    [
        ("O pedido da cliente não chegou no prazo.", True),
        ("Aproveite a promoção de hoje para você.", True),
        ("The order of the customer has not arrived.", False),
        ("El pedido de la clienta no llegó con los demás productos.", False),
        ("fone bluetooth", False),
        (
            "Of course, that's easily done:\nO pedido da cliente não chegou no prazo, e isso pesa.",
            False,
        ),
    ],
)
def test_language_by_function_words(sentence: str, portuguese: bool) -> None:
    assert is_portuguese(sentence) is portuguese


ENGLISH = GroundedText(
    record='{"month": "2025-03-12", "product": "desk lamp", "share": 0.372, "orders": 1249, "delay": 4.5}',
    must_mention=("desk lamp", "37.2%"),
    min_words=6,
    max_words=40,
    shown="The record of a month. Write an insight.",
    language="en",
)
INSIGHT = (
    "Of 1,249 orders, 37.2% of the desk lamp complain of a delay of 4.5 days. Review the carrier."
)


@pytest.mark.parametrize(
    "answer",
    [
        INSIGHT,
        INSIGHT.replace("1,249", "1249"),
        INSIGHT.replace("37.2%", "37.2 %"),
        f"However, I'd note this: {INSIGHT}",
        INSIGHT.replace("Of 1,249 orders", "Until 12/03/2025"),
    ],
)
def test_a_grounded_text_in_english_passes(answer: str) -> None:
    graded = judge_grounded(answer, ENGLISH)
    assert (graded.credit, graded.problem) == (1.0, None)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (INSIGHT.replace("1,249", "1,294"), "invented: the number 1,294"),
        # A comma parts thousands in English and is no decimal comma.
        (INSIGHT.replace("4.5", "4,5"), "invented: the number 4,5"),
        (INSIGHT.replace("4.5 days", "twelve days"), "invented: the number twelve"),
        (INSIGHT.replace("the carrier", "Fedex"), "invented: the name Fedex"),
        (INSIGHT.replace("Review", "See"), ""),
        (f"Of course, that's easily done:\n{INSIGHT}", "framed: Of course, that's easily done:"),
        (f"{INSIGHT}\nTell me if it isn't right.", "framed: Tell me if"),
        (INSIGHT.replace(" Review the carrier.", ""), "no_call_to_action"),
        (INSIGHT.replace("desk lamp", "product"), "missing_fact: desk lamp"),
        (
            "De 1249 pedidos, 37.2% do desk lamp reclamam de um atraso. Revise a transportadora.",
            "wrong_language: not English",
        ),
    ],
)
def test_a_text_in_english_is_held_to_its_record(answer: str, reason: str) -> None:
    problem = judge_grounded(answer, ENGLISH).problem
    assert problem == reason if reason else problem is None


@pytest.mark.parametrize("verifier", [FIELDS, TEXT, ENGLISH])
def test_verifiers_travel_as_json(verifier: FieldsAnswer | GroundedText) -> None:
    assert verifier_from_json(verifier_to_json(verifier)) == verifier
