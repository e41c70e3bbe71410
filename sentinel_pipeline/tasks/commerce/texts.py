"""Sentences of Portuguese reviews, by what they say; a review is an opening, what happened and an
ending.

Every sentence of a kind says that kind and no other, so that sentiment and complaint can be read
off the text. What this module does not do: know of orders.
"""

from __future__ import annotations

from random import Random

COMPLAINTS = {
    "delivery": (
        "O pedido chegou {n} dias depois do prazo.",
        "A entrega atrasou {n} dias e ninguém avisou.",
        "Esperei {n} dias além do prometido.",
        "Foram {n} dias de atraso na entrega.",
    ),
    "quality": (
        "O produto parou de funcionar na primeira semana.",
        "O acabamento é ruim e veio com defeito.",
        "A qualidade ficou bem abaixo do anunciado.",
        "Quebrou no segundo uso.",
    ),
    "wrong_item": (
        "Recebi um modelo diferente do que comprei.",
        "Mandaram a cor errada.",
        "Veio outro produto na caixa.",
        "O item enviado não era o do anúncio.",
    ),
    "service": (
        "O atendimento não respondeu nenhuma mensagem.",
        "Liguei várias vezes e ninguém resolveu.",
        "O suporte foi grosseiro comigo.",
        "Pedi ajuda no chat e me deixaram sem resposta.",
    ),
    "price": (
        "Uma semana depois estava muito mais barato.",
        "Paguei caro pelo que veio.",
        "O preço não vale o produto.",
        "O desconto prometido não foi aplicado.",
    ),
}
"""Complaint -> sentences; ``{n}`` is a number of days."""
GOOD = (
    "Funciona muito bem e chegou no prazo.",
    "Superou as minhas expectativas.",
    "Ótima qualidade, recomendo a todos.",
    "Entrega rápida e produto excelente.",
)
PLAIN = (
    "É o que o anúncio diz, nada além disso.",
    "Cumpre o que promete, sem surpresa.",
    "Razoável, tem pontos bons e ruins.",
    "Nem bom nem ruim, dá para usar.",
)
OPENINGS = {
    "negative": (
        "Fiquei decepcionado com {p}.",
        "Que frustração com {p}!",
        "Não gostei de comprar {p}.",
    ),
    "neutral": (
        "Comprei {p} no mês passado.",
        "Minha opinião sobre {p}:",
        "Usei {p} por alguns dias.",
    ),
    "positive": ("Adorei {p}!", "Estou muito feliz com {p}.", "Compra perfeita: {p}."),
}
"""Sentiment -> sentences; ``{p}`` is the product with its article."""
REFUND = ("Quero meu dinheiro de volta.", "Exijo o reembolso.")
"""What an author who asks for a refund adds."""


def review_text(
    sentiment: str, complaint: str | None, product: str, delay: int, rng: Random
) -> str:
    """An opening and what happened."""
    opening = rng.choice(OPENINGS[sentiment]).format(p=product)
    body = GOOD if sentiment == "positive" else PLAIN
    if complaint:
        body = COMPLAINTS[complaint]
    return f"{opening} {rng.choice(body).format(n=delay)}"
