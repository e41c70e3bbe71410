"""Extraction: an order's line and its review, in Portuguese, answered by one JSON object of seven
fields.

Amounts, scores and dates are *written* as Brazil writes them from values that are drawn, so the
reference never comes from parsing. A composition is a sentiment, a complaint, an opening, a wording
and the way in which the order is told.
"""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from random import Random
from typing import Any

from ...records import FieldsAnswer
from ..families.family import Draft, Family, ask
from .texts import COMPLAINTS, GOOD, OPENINGS, PLAIN, REFUND
from .world import CUSTOMERS, PRODUCTS, brl, day, named

SENTIMENTS = ("positive", "neutral", "negative")
TOLD = (
    "Pedido {id} | cliente: {who} | {what} | R$ {amount} | {day} | nota {score}",
    "Em {day}, {who} pagou R$ {amount} por {what} (pedido {id}) e deu nota {score}.",
    "Nota {score} de {who}. Pedido {id}: {what}, R$ {amount}, em {day}.",
)
"""Ways in which the order is told."""
INSTRUCTION = (
    "Extraia um único objeto JSON com order_id (inteiro), product (texto), total (número), sentiment (positive, neutral ou "
    "negative), sentiment_score (número de 0 a 5), complaint_category (delivery, quality, wrong_item, service, price ou null), "
    "delay_days (inteiro ou null) e wants_refund (booleano)."
)
_SCORES = {"positive": (40, 50), "neutral": (25, 35), "negative": (5, 20)}
"""Tenths of the score, lowest and highest."""


def schema() -> dict[str, Any]:
    """The JSON Schema of the answer: every field, no other, labels of the closed lists."""
    fields: dict[str, Any] = {
        "order_id": {"type": "integer"},
        "product": {"type": "string", "minLength": 1},
        "total": {"type": "number", "minimum": 0},
        "sentiment": {"enum": list(SENTIMENTS)},
        "sentiment_score": {"type": "number", "minimum": 0, "maximum": 5},
        "complaint_category": {"enum": [*COMPLAINTS, None]},
        "delay_days": {"type": ["integer", "null"]},
        "wants_refund": {"type": "boolean"},
    }
    return {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }


SCHEMA = json.dumps(schema())


def generate(composition: str, rng: Random) -> Draft:
    sentiment, complaint, opening, wording, detail = composition.split("|")
    product = rng.choice(list(PRODUCTS))
    low, high = _SCORES[sentiment]
    delay = rng.randint(2, 15) if complaint == "delivery" else None
    refund = sentiment == "negative" and rng.random() < 0.4
    values: dict[str, Any] = {
        "order_id": rng.randint(1001, 9999),
        "product": product,
        "total": float(
            Decimal(PRODUCTS[product][1] * rng.choice((1, 1, 2, 5)) + rng.choice((0, 990, 1550)))
            / 100
        ),
        "sentiment": sentiment,
        "sentiment_score": rng.randint(low, high) / 10,
        "complaint_category": None if complaint == "none" else complaint,
        "delay_days": delay,
        "wants_refund": refund,
    }
    review = _review(sentiment, complaint, int(opening), int(wording), product, delay)
    review += f" {rng.choice(REFUND)}" if refund else ""
    line = TOLD[int(detail)].format(
        id=values["order_id"],
        who=rng.choice(CUSTOMERS)[0],
        what=product,
        amount=brl(Decimal(str(values["total"]))),
        day=day(dt.date(2025, 1, 1) + dt.timedelta(days=rng.randrange(360))),
        score=f"{values['sentiment_score']:.1f}".replace(".", ","),
    )
    reference = json.dumps(values, ensure_ascii=False)
    return Draft(
        ask(f"{line}\nAvaliação: {review}\n\n{INSTRUCTION}"),
        reference,
        FieldsAnswer(expected=reference, schema=SCHEMA),
    )


def _review(
    sentiment: str, complaint: str, opening: int, wording: int, product: str, delay: int | None
) -> str:
    body = {"none": GOOD if sentiment == "positive" else PLAIN} | COMPLAINTS
    return f"{OPENINGS[sentiment][opening].format(p=named(product))} {body[complaint][wording].format(n=delay)}"


def raw(composition: str, rng: Random) -> str:
    """The order and the review as a note, without the instruction."""
    return generate(composition, rng).messages[0].content.partition("\n\n")[0] + "\n"


def _compositions() -> tuple[str, ...]:
    kinds = [
        ("positive", "none"),
        ("neutral", "none"),
        *(("negative", complaint) for complaint in COMPLAINTS),
    ]
    return tuple(
        f"{sentiment}|{complaint}|{opening}|{wording}|{detail}"
        for sentiment, complaint in kinds
        for opening in range(3)
        for wording in range(4)
        for detail in range(len(TOLD))
    )


FAMILY = Family("extraction", "tool_use", _compositions(), generate, raw)
