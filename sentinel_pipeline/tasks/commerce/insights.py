"""Insights: the figures of one category and month as a record, answered by a few Portuguese
sentences with a recommendation.

The text must name the category, its main complaint and its share of negative reviews, and may hold
no number or name that is not in the record. A composition is a category, a complaint, a region and
how the record is laid out.
"""

from __future__ import annotations

import json
from decimal import Decimal
from random import Random
from typing import Any

from ...records import GroundedText
from ..families.family import Draft, Family, ask
from .world import CATEGORIES, STATES, brl

MONTHS = [
    "janeiro",
    "fevereiro",
    "março",
    "abril",
    "maio",
    "junho",
    "julho",
    "agosto",
    "setembro",
    "outubro",
    "novembro",
    "dezembro",
]  # lower case, as Portuguese writes them
COMPLAINT_WORDS = {
    "delivery": (
        "atraso na entrega",
        "Renegocie os prazos com a transportadora e acompanhe os envios toda semana.",
    ),
    "quality": (
        "defeito no produto",
        "Revise o fornecedor e reforce o controle de qualidade antes do envio.",
    ),
    "wrong_item": (
        "produto trocado",
        "Corrija a separação no estoque e treine a equipe de expedição.",
    ),
    "service": (
        "falta de atendimento",
        "Reforce a equipe de suporte e monitore o tempo de resposta.",
    ),
    "price": ("preço alto", "Compare os preços com os concorrentes e ajuste os descontos."),
}
"""Complaint -> as a text names it, and the recommendation of the reference."""
LAYOUTS = ("lines", "json", "table")
INSTRUCTION = (
    "Escreva um insight de 25 a 90 palavras em português para a gerência: cite a categoria, a principal reclamação e a parcela de "
    "avaliações negativas, use somente números do registro e termine com uma recomendação."
)


_SAYS = {
    "pedidos": "pedido compra vend encomend",
    "avaliações": "avalia opini review critic",
    "negativas": "negativ insatisf ruim ruins critic desfavor reclam descontent queix",
    "parcela_negativa": "negativ insatisf ruim ruins critic desfavor reclam descontent queix",
    "nota_média": "nota media pontua avalia",
    "faturamento": "fatur receita vend",
}
"""Words of which a sentence with that number has one."""
_AGAINST_SHARE = "positiv satisf elogi aprov favorav content feliz felizes otim excelent bons boas gost ador recomendaram"
_AGAINST_COMPLAINT = (
    "elogi virtude vantage positiv sucesso orgulh excelen otim perfeit irrelevan insignifican rarament "
    "rar raro resolvid inexist superad elimin merito trunfo ador encant fort"
)


def record(composition: str, rng: Random) -> dict[str, Any]:
    """The figures; the share of negative reviews comes from the two counts beside it."""
    category, complaint, state, _ = composition.split("|")
    reviews = rng.randint(40, 190)
    negative = rng.randint(reviews // 5, reviews // 2)
    return {
        "categoria": category,
        "estado": state,
        "mês": rng.choice(MONTHS),
        "pedidos": reviews + rng.randint(15, 90),
        "avaliações": reviews,
        "negativas": negative,
        "parcela_negativa": round(negative / reviews, 3),
        "nota_média": rng.randint(21, 39) / 10,
        "nota_máxima": 5,
        "principal_reclamação": COMPLAINT_WORDS[complaint][0],
        "faturamento": float(Decimal(rng.randint(900_000, 9_900_000)) / 100),
    }


def show(values: dict[str, Any], layout: str) -> str:
    if layout == "json":
        return json.dumps(values, ensure_ascii=False)
    if layout == "table":
        return "| campo | valor |\n|---|---|\n" + "\n".join(
            f"| {k} | {written(k, v)} |" for k, v in values.items()
        )
    return "\n".join(f"{key}: {written(key, value)}" for key, value in values.items())


def written(key: str, value: Any) -> str:
    """A value as Brazil writes it."""
    if key == "parcela_negativa":
        return percent(value)
    if key == "faturamento":
        return f"R$ {brl(Decimal(str(value)))}"
    return str(value).replace(".", ",") if isinstance(value, float) else str(value)


def percent(share: float) -> str:
    return f"{Decimal(str(share)) * 100:.1f}%".replace(".", ",")


def generate(composition: str, rng: Random) -> Draft:
    _, complaint, _, layout = composition.split("|")
    values = record(composition, rng)
    prompt = f"Registro:\n{show(values, layout)}\n\n{INSTRUCTION}"
    share = percent(values["parcela_negativa"])
    reference = (
        f"Em {values['mês']}, a categoria {values['categoria']} ({values['estado']}) teve {share} de avaliações negativas: foram "
        f"{values['negativas']} entre {values['avaliações']}, com nota média de {written('nota_média', values['nota_média'])}. A "
        f"queixa que mais pesa é {values['principal_reclamação']}, o que ameaça um faturamento de "
        f"{written('faturamento', values['faturamento'])}. {COMPLAINT_WORDS[complaint][1]}"
    )
    verifier = GroundedText(
        record=json.dumps(values, ensure_ascii=False),
        must_mention=(values["categoria"], values["principal_reclamação"], share),
        min_words=25,
        max_words=90,
        shown=prompt,
        says=_SAYS,
        against={share: _AGAINST_SHARE, values["principal_reclamação"]: _AGAINST_COMPLAINT},
    )
    return Draft(ask(prompt), reference, verifier)


def raw(composition: str, rng: Random) -> str:
    """A record on its own."""
    return show(record(composition, rng), composition.split("|")[3]) + "\n"


FAMILY = Family(
    "insights",
    "general_chat",
    tuple(
        f"{c}|{why}|{s}|{layout}"
        for c in CATEGORIES
        for why in COMPLAINT_WORDS
        for s in STATES
        for layout in LAYOUTS
    ),
    generate,
    raw,
)
