"""Push texts: an offer to one customer as a record, answered by one line of Portuguese that calls
to action.

The line must name the customer, the product and the discount and may promise nothing that the
record does not say. A composition is an occasion, a product and whether there is a coupon or a last
day.
"""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from random import Random
from typing import Any

from ...records import GroundedText
from ..families.family import Draft, Family, ask
from .world import CUSTOMERS, PRODUCTS, brl, named

OCCASIONS = {
    "cart": (
        "carrinho abandonado",
        "{who}, {what} ainda espera por você no carrinho com {off} de desconto",
    ),
    "return": (
        "cliente que não compra há meses",
        "{who}, sentimos sua falta: {what} com {off} de desconto para você",
    ),
    "late": (
        "pedido anterior atrasou",
        "{who}, pelo atraso do seu pedido, {what} sai com {off} de desconto",
    ),
    "birthday": (
        "aniversário",
        "{who}, feliz aniversário! Seu presente é {what} com {off} de desconto",
    ),
}
"""Occasion -> as the record names it, and the reference's first half."""
EXTRAS = ("none", "coupon", "day", "price")
COUPONS = ("VOLTA", "OFERTA", "CLIENTE", "AMIGO")
MAX_CHARS = 140
INSTRUCTION = (
    f"Escreva uma notificação push em português, de 8 a 28 palavras e até {MAX_CHARS} caracteres, com o nome do cliente, o "
    "produto, o desconto e uma chamada para ação. Não prometa nada além do registro."
)


_SAYS = {"desconto": "descont off abat econom menos reduc promo barat vantag"}
"""Words of which a sentence with that number has one."""
_AGAINST_OFF = "aument acresc reajust sobe subiu subir caro juros multa taxa encarec prejuiz"
_AGAINST_PRODUCT = (
    "ruim ruins pior horr porcari lixo defeitu quebr perig explod recall "
    "estrag falsific pirat usado velho vencid inutil feio proibid"
)


def record(composition: str, rng: Random) -> dict[str, Any]:
    occasion, product, extra = composition.split("|")
    off = rng.choice((5, 10, 12, 15, 20, 25, 30))
    values: dict[str, Any] = {
        "cliente": rng.choice(CUSTOMERS)[0].split()[0],
        "ocasião": OCCASIONS[occasion][0],
        "produto": product,
        "desconto": off / 100,
    }
    if extra == "coupon":
        values["cupom"] = f"{rng.choice(COUPONS)}{off}"
    if extra == "day":
        values["válido_até"] = (
            f"{dt.date(2025, 1, 5) + dt.timedelta(days=rng.randrange(350)):%d/%m}"
        )
    if extra == "price":
        values["preço_final"] = float(Decimal(PRODUCTS[product][1] * (100 - off) // 100) / 100)
    return values


def generate(composition: str, rng: Random) -> Draft:
    occasion, _, extra = composition.split("|")
    values = record(composition, rng)
    off = f"{round(values['desconto'] * 100)}%"
    first = OCCASIONS[occasion][1].format(
        who=values["cliente"], what=named(values["produto"]), off=off
    )
    second = {
        "none": ". Aproveite!",
        "coupon": f". Use o cupom {values.get('cupom')}!",
        "day": f". Aproveite até {values.get('válido_até')}!",
        "price": f", por R$ {brl(Decimal(str(values.get('preço_final', 0))))}. Compre agora!",
    }[extra]
    prompt = f"Registro: {_shown(values, off)}\n\n{INSTRUCTION}"
    verifier = GroundedText(
        record=json.dumps(values, ensure_ascii=False),
        must_mention=(values["cliente"], values["produto"], off),
        min_words=8,
        max_words=28,
        max_chars=MAX_CHARS,
        shown=prompt,
        says=_SAYS,
        against={off: _AGAINST_OFF, values["produto"]: _AGAINST_PRODUCT},
    )
    return Draft(ask(prompt), first + second, verifier)


def _shown(values: dict[str, Any], off: str) -> str:
    texts = values | {"desconto": off}
    if "preço_final" in texts:
        texts["preço_final"] = f"R$ {brl(Decimal(str(texts['preço_final'])))}"
    return "; ".join(f"{key}: {value}" for key, value in texts.items())


def raw(composition: str, rng: Random) -> str:
    """An offer's record on its own."""
    values = record(composition, rng)
    return _shown(values, f"{round(values['desconto'] * 100)}%") + "\n"


FAMILY = Family(
    "push",
    "general_chat",
    tuple(
        f"{occasion}|{product}|{extra}"
        for occasion in OCCASIONS
        for product in PRODUCTS
        for extra in EXTRAS
    ),
    generate,
    raw,
)
