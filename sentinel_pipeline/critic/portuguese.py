"""Small honest rules about short Portuguese texts: is it Portuguese, does it ask for something,
which numbers do its words say.

Closed word lists, no model. What this module does not do: grammar, spelling, or tell European from
Brazilian Portuguese. The rule of language wants two function words of Portuguese and more of them
than of English and Spanish; it is for texts of five words and more.
"""

from __future__ import annotations

import re

_PARTS = re.compile(r"[.!?:\n]+")
_WORD = re.compile(r"[^\W\d_]+")


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PORTUGUESE = _set(
    """
    o os as à às ao aos da das do dos de e é em na nas no nos não um uma uns umas que com para pelo pela pelos pelas por seu sua
    seus suas você já foi são está mais mas ou quando ainda até entre sobre também isso esta este essa esse nossa nosso há ter tem
    """
)
_ENGLISH = _set(
    "the of and is are to your you with for on in it was this that our we have has be at by from or not but"
)
_SPANISH = _set(
    "el los las y con su sus una del al es en lo pero muy más está usted tu tus por qué sin hay ha son"
)
_ACTIONS = _set(
    """
    acesse acompanhe ajuste analise aproveite audite avalie busque chame clique cobre compare complete compre confira
    conheça contate conte contrate convém corrija crie deve devem devemos descubra dê defina escolha envie escreva
    experimente exija fale finalize garanta implante inclua investigue invista libere ligue mantenha melhore monitore mostre
    negocie ofereça participe peça priorize procure proponha recomendamos recomenda recomendo redobre reduza reforce
    renegocie repita reponha resgate responda reveja revise sugerimos sugere sugiro teste toque treine troque use utilize
    veja verifique visite volte
    """
)
"""Imperatives and words of advice."""
_UNITS = "dois três quatro cinco seis sete oito nove dez onze doze treze catorze quinze dezesseis dezessete dezoito dezenove"
_TENS = "vinte trinta quarenta cinquenta sessenta setenta oitenta noventa cem"
NUMBER_WORDS: dict[str, float] = (
    {word: value for value, word in enumerate(_UNITS.split(), start=2)}
    | {word: 10 * value for value, word in enumerate(_TENS.split(), start=2)}
    | {
        "duas": 2,
        "quatorze": 14,
        "mil": 1000,
        "duzentos": 200,
        "quinhentos": 500,
        "metade": 0.5,
        "dobro": 2,
        "triplo": 3,
    }
)
"""``um`` and ``uma`` are articles first and stand for no number here."""
OPENERS = _set(
    """
    agora além ainda apesar aproveite assim atenção bom com como contudo depois destaque desde em enquanto entretanto hoje
    infelizmente já logo mesmo no na nesse neste nota oi olá ontem ou para por porém portanto primeiro quando recomendação resumo se
    segundo sugestão ação conclusão
    """
)
"""Words that open a sentence and may stand before a comma or colon without being a name."""


def words_of(text: str) -> list[str]:
    """The words in lower case, numbers apart."""
    return [word.casefold() for word in _WORD.findall(text)]


def is_portuguese(text: str) -> bool:
    """The rule in this module's docstring; no sentence of the text may have two words of another
    language and fewer of its own."""
    native, foreign = _counts(text)
    parts = (_counts(part) for part in _PARTS.split(text))
    return (
        native >= 2
        and native > foreign
        and not any(theirs >= 2 and theirs > ours for ours, theirs in parts)
    )


def _counts(text: str) -> tuple[int, int]:
    """Words that speak for Portuguese, and for that other language for which most do."""
    words = words_of(text)
    native = sum(word in _PORTUGUESE for word in words) + sum(
        bool(re.search("[ãõç]", word)) for word in words
    )
    foreign = max(
        sum(word in other and word not in _PORTUGUESE for word in words)
        for other in (_ENGLISH, _SPANISH)
    )
    return native, foreign


def asks_for_action(text: str) -> bool:
    """A word of the closed list of imperatives and advice."""
    return any(word in _ACTIONS for word in words_of(text))


def is_action(word: str) -> bool:
    return word.casefold() in _ACTIONS
