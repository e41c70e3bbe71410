"""What a Portuguese text about a record says beside its facts, and must not: words in no order, a
fact denied or turned round, an insult, a link or a request for data, praise of itself, a cause or a
number in words that the record does not have.

Closed lists and a little grammar, no model: each rule looks at the words around what is claimed.
Each function returns a problem as ``CODE: detail`` or None. What this module does not do: weigh a
text, or know the world. An insult or a cause that none of the lists knows and that stands in a
sentence about the record passes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .portuguese import FUNCTION_WORDS, LEXICON, is_action, word_list, word_set

_CLAUSE_ENDS = ".!?;:\n…"
_TOKEN = re.compile(r"[^\W_]+(?:[.,]\d+|[-'’][^\W_]+)*|[.!?;:\n…,()—–|]")
_STEM = 5


class Token(NamedTuple):
    """A word without its accents, or a mark of punctuation."""

    text: str
    whole: str
    """With its accents, in lower case."""
    mark: bool
    capital: bool = False


def bare(text: str) -> str:
    """Lower case, without accents and invisible characters."""
    folded = unicodedata.normalize("NFKD", text.casefold())
    return "".join(
        char
        for char in folded
        if not unicodedata.combining(char) and unicodedata.category(char) != "Cf"
    )


def tokens_of(text: str) -> list[Token]:
    """Words and marks in order."""
    visible = "".join(char for char in text if unicodedata.category(char) != "Cf")
    return [
        Token(bare(match[0]), match[0].casefold(), not match[0][0].isalnum(), match[0][0].isupper())
        for match in _TOKEN.finditer(unicodedata.normalize("NFC", visible))
    ]


def stems(words: Iterable[str]) -> frozenset[str]:
    """First letters of each word without accents: ``atraso`` and ``atrasadas`` share them."""
    return frozenset(bare(word)[:_STEM] for word in words)


# -- words in no order ----------------------------------------------------------------------------

_DETERMINERS = word_set("""
    o os as um uma uns umas do da dos das no na nos nas pelo pela pelos pelas ao aos num numa
    """)
_PREPOSITIONS = word_set("de em com por para sem entre")
_JOINS = frozenset(["e", "ou", "mas"])
_CONTRACTED = word_set("do da dos das no na nos nas pelo pela pelos pelas ao aos")
_FINITE = word_set("""
    é são foi foram está estão você vocês sai saiu vai vão ficou fica teve tem têm chegou deixou
    merece registrou
    """)
_MALE = word_set("o os um uns do dos no nos ao aos pelo pelos num seu seus")
_FEMALE = word_set("uma umas da das na nas pela pelas numa sua suas")
_MALE_NOUNS = word_set("""
    desconto descontos pedido pedidos carrinho cupom presente produto produtos preço atraso
    índice faturamento mês estado processo
    """)
_FEMALE_NOUNS = word_set("""
    falta oferta promoção categoria avaliação avaliações reclamação reclamações queixa queixas
    nota parcela loja equipe gerência notificação chance oportunidade satisfação insatisfação
    entrega
    """)
_NEVER_AFTER_DETERMINER = (
    _JOINS | _FINITE | _CONTRACTED | word_set("o os as um uma em com por para sem entre")
)
_NEVER_AFTER_PREPOSITION = _JOINS | _CONTRACTED | word_set("é são foi foram está estão de em com")
_MAY_FOLLOW = frozenset(
    {("o", "da"), ("o", "do"), ("os", "da"), ("os", "do"), ("as", "da"), ("as", "do"),
     ("os", "com"), ("as", "com"), ("os", "em"), ("as", "em"), ("os", "sem"), ("as", "sem"),
     ("o", "no"), ("os", "no"), ("as", "no"), ("os", "na"), ("as", "na"), ("o", "na"),
     ("os", "das"), ("os", "dos"), ("as", "das"), ("as", "dos"), ("um", "dos"),
     ("uma", "das"), ("um", "ou"), ("uma", "ou"), ("um", "e"), ("uma", "e"),
     ("os", "você"), ("para", "de"), ("com", "você"), ("por", "entre"), ("de", "entre"), ("para", "com")}
)  # fmt: skip
_UNCONTRACTED = frozenset(
    (before, article) for before in ("de", "em", "por") for article in ("o", "a", "os", "as")
)
_OWN = word_set("seu sua seus suas")
_BEFORE_OWN = _DETERMINERS | word_set("a é são só todo toda será")
"""What a possessive at the end of a phrase may follow: ``garanta o seu``."""
_WE = word_set("""
    sentimos temos queremos preparamos separamos estamos vamos lembramos oferecemos recomendamos
    sugerimos podemos devemos
    """)
_ALSO_NOUNS = word_set("teste toque convém conte fale cobre chame foque ajuste responda")
_INDICATIVES = word_set("""
    deve devem devemos recomenda recomendamos recomendo sugere sugerimos sugiro convém
    """)
_SUBORDINATES = word_set("que se caso embora talvez quem")
_ENDS = _DETERMINERS | _PREPOSITIONS | _JOINS | {"que", "a"}
_PILE = 7
"""So many words of content in a row, without a function word or a mark between them, are a
pile."""


def salad(text: str) -> str | None:
    """Words that Portuguese does not put beside each other: an article before a conjunction or a
    verb, a sentence that ends in a preposition, a pile of nouns, a list of snippets."""
    edge = Token("", "", True)
    tokens = [edge, *tokens_of(text), edge]
    content = 0
    lengths = [0]
    for at in range(1, len(tokens)):
        before = tokens[at - 1]
        token = tokens[at]
        after = tokens[at + 1].whole if at + 1 < len(tokens) else ""
        lengths[-1] += not token.mark
        if token.mark:
            lengths.append(0)
        pair = (before.whole, token.whole)
        if token.mark:
            if before.whole in _OWN and token.text in ("", ".", "!", ";"):
                owner = tokens[at - 2].whole if at > 1 else ""
                if owner not in _BEFORE_OWN:
                    return f"incoherent: {before.whole!r} ends a phrase"
            hanging = _DETERMINERS if token.text == "," else _ENDS
            if before.whole in hanging and token.text not in ("(", "–", "—", "|", "\n"):
                return f"incoherent: {before.whole!r} ends a phrase"
        elif pair not in _MAY_FOLLOW:
            if before.whole in _DETERMINERS and token.whole in _NEVER_AFTER_DETERMINER:
                return f"incoherent: {before.whole!r} before {token.whole!r}"
            if before.whole in _PREPOSITIONS and token.whole in _NEVER_AFTER_PREPOSITION:
                return f"incoherent: {before.whole!r} before {token.whole!r}"
            small = before.whole in _DETERMINERS or before.whole in _PREPOSITIONS
            acts = is_action(token.whole) and token.whole not in _ALSO_NOUNS
            own = token.whole in _OWN and after in (_PREPOSITIONS | _DETERMINERS | _JOINS)
            if (
                acts
                and token.whole not in _INDICATIVES
                and not (before.mark or before.capital or before.text[0].isdigit())
                and before.text not in FUNCTION_WORDS
                and before.text != "favor"
                and not is_action(before.whole)
                and not _SUBORDINATES & {other.whole for other in tokens[max(0, at - 8) : at]}
            ):
                return f"incoherent: {before.whole!r} before {token.whole!r}"
            if (
                before.whole in _OWN
                and token.whole == "de"
                and at > 1
                and tokens[at - 2].text not in ("e", "sera")
            ):
                return f"incoherent: {before.whole!r} before {token.whole!r}"
            bound = before.whole in _CONTRACTED and token.whole == "de"
            bound |= before.whole in _OWN and (token.whole in _FINITE or token.whole in _WE)
            bound |= before.whole == "a" and (token.whole in ("para", "o", "e", "com") or acts)
            bound |= (
                before.whole in _DETERMINERS
                and token.whole == "a"
                and before.whole not in ("um", "uma")
            )
            bound |= before.whole in _OWN and token.whole in ("a", "o", "as", "os", "um", "uma")
            bound |= before.whole in _MALE and token.whole in _FEMALE_NOUNS
            bound |= before.whole in _FEMALE and token.whole in _MALE_NOUNS
            bound |= before.whole in _PREPOSITIONS and token.whole in ("sai", "saiu", "teve", "tem")
            if pair in _UNCONTRACTED or bound or (small and (acts or own or token.whole in _WE)):
                return f"incoherent: {before.whole!r} before {token.whole!r}"
            if before.whole == token.whole and token.whole in _ENDS:
                return f"incoherent: {token.whole!r} twice"
        plain_word = not token.mark and not token.text[0].isdigit()
        content = content + 1 if plain_word and token.text not in FUNCTION_WORDS else 0
        if content >= _PILE:
            return f"incoherent: {_PILE} words in a row that no other word joins"
    snippets = [length for length in lengths if length]
    if len(snippets) >= 6 and sum(length <= 2 for length in snippets) > 0.6 * len(snippets):
        return "incoherent: a list of snippets"
    return None


# -- facts denied or turned round -----------------------------------------------------------------

_NEGATORS = word_set("nao nunca jamais nem sem nenhum nenhuma ninguem tampouco nada")
_IDIOMS = word_set("""
    perca percam perde perder deixe deixem deixar deixa espere esperem fique fiquem demore
    demorem esqueca esquecam so apenas somente basta hesite resista falta faltam pode podem vai
    va compra visita volta aparece duvida duvidas demora surpresa como atoa resistir compromisso
    pressa juros custo taxa fio mais menos novidade segredo passe corra dar da queremos quer
    queira subestime ignore tarde poderia deve devem devemos precisa resolvido tratado antes
    quando ter
    """)
"""What follows a negation that denies no fact: ``não perca``, ``não só``, ``sem fio``."""
_BEING = word_set("""
    e sao era eram foi foram esta estao estava ha houve existe existem existiu tem tem teve
    tiveram vale valem procede aparece figura consta preocupa incomoda representa representou
    corresponde inclui ganha ganhou oferece ocorreu sera serao tera terao importa pesa atinge
    afeta merece
    """)
_BEING_IDIOMS = word_set("""
    so apenas somente aceitavel toleravel normal saudavel bom boa ideal novidade surpresa
    suficiente raro segredo duvida acaso casual satisfatorio satisfatoria adequado adequada
    admissivel mais pouco toa isolado isolada detalhe coincidencia
    """)
_DENIALS = re.compile(
    r"\b(?:mentira|falsos?|falsas?|boatos?|fake|inverdade|pegadinha|brincadeira|deixou de ser|"
    r"deixaram de ser|longe de|ao contrario|so que nao|"
    r"de jeito nenhum|de forma alguma|de modo algum|de maneira alguma|nada disso|"
    r"nao e verdade|engana[a-z]*|enganos[oa]|jamais)\b"
)
_ENDED = re.compile(
    r"\b(?:acabou|acabaram|terminou|encerrad[oa]s?|encerrou|expirou|expirad[oa]s?|"
    r"cancelad[oa]s?|cancelamos|cancelou|esgotad[oa]s?|esgotou|esgotaram|"
    r"indisponive(?:l|is)|suspens[oa]s?|retirad[oa]s?|perdeu|vencid[oa]s?|venceu)\b"
)
_HARMFUL = word_set("""
    ignore ignorem esqueca esquecam piore piorem atrase atrasem abandone abandonem desista
    desistam esconda escondam engane enganem minta mintam fuja fujam evite evitem devolva recuse
    boicote odeie prejudique destrua quebre pare parem demita demitam culpe negligencie
    """)
_HARM_MAY_FOLLOW = word_set("""
    atrasos atraso novos novas que perder filas a o os as problemas falhas defeitos erros trocas
    perdas demora reclamacoes queixas
    """)
"""``evite atrasos`` is advice."""
_REACH = 9


def _spans(tokens: Sequence[Token], facts: Iterable[str]) -> list[tuple[int, int]]:
    """Where a fact's words stand, as half-open ranges of tokens."""
    spans = []
    for fact in facts:
        words = [token.text for token in tokens_of(fact) if not token.mark]
        for at in range(len(tokens) - len(words) + 1 if words else 0):
            if [token.text for token in tokens[at : at + len(words)]] == words:
                spans.append((at, at + len(words)))
    return spans


def denied(
    text: str, facts: Sequence[str], record: Sequence[str], against: dict[str, str]
) -> str | None:
    """A fact that the text denies, reverses or advises against.

    ``record`` are the record's texts, in which a negation is a fact (``teclado sem fio``);
    ``against`` names for a fact the beginnings of words that turn it round within its clause.
    """
    plain = " ".join(bare(text).split())
    if match := _DENIALS.search(plain):
        return f"denied: {match[0]!r}"
    tokens = tokens_of(text)
    spans = _spans(tokens, facts)
    quoted = {
        at
        for start, end in _spans(tokens, [text for text in record if " " in text])
        for at in range(start, end)
    }
    for at, token in enumerate(tokens):
        after = tokens[at + 1].text if at + 1 < len(tokens) else ""
        if token.text in _HARMFUL:
            before = [other.text for other in tokens[max(0, at - 2) : at]]
            if "nao" not in before and not (
                token.text[:4] in ("evit", "pare") and after in _HARM_MAY_FOLLOW
            ):
                return f"denied: advises to {token.whole!r}"
        if token.text not in _NEGATORS or at in quoted:
            continue
        if (
            token.text == "nao"
            and is_action(tokens[at + 1].whole if after else "")
            and after not in _IDIOMS
        ):
            return f"denied: advises not to {after!r}"
        ahead = _clause(tokens, at + 1, 1)
        behind = _clause(tokens, at - 1, -1)
        if after in _BEING and any(start in behind for start, _ in spans):
            next_words = {other.text for other in tokens[at + 2 : at + 5]}
            if not next_words & _BEING_IDIOMS and not _UNHAPPY.search(" ".join(next_words)):
                return f"denied: {token.whole!r} after a fact"
        beyond = tokens[at + 2].text if at + 2 < len(tokens) else ""
        idiom = after in _IDIOMS or (after in _BEING and beyond in _BEING_IDIOMS)
        if not idiom and any(start in ahead for start, _ in spans):
            first = next(start for start, _ in sorted(spans) if start in ahead)
            between = " ".join(other.text for other in tokens[at + 1 : first])
            if not _UNHAPPY.search(between):
                return f"denied: {token.whole!r} before a fact"
    if match := _ENDED.search(plain):
        around = plain[max(0, match.start() - 60) : match.end() + 60]
        if any(bare(fact) in around for fact in facts):
            return f"denied: {match[0]!r} said of a fact"
    for fact, beginnings in against.items():
        for start, end in _spans(tokens, [fact]):
            clause = sorted({*_clause(tokens, start - 1, -1), *_clause(tokens, end, 1)})
            for at in clause:
                word = tokens[at].text
                if word.startswith(tuple(beginnings.split())) and not _negated(tokens, at):
                    return f"denied: {tokens[at].whole!r} said of {fact[:40]}"
    return None


_UNHAPPY = re.compile(
    r"\b(?:satisf|content|feliz|felizes|bom|boa|bons|boas|aceit|toler|toleram|gost|aprov|"
    r"ideal|adequad|resolv|prazo|recomend|agrad|confi|conform)[a-z]*"
)
"""``não estão satisfeitos com``: what is denied is not the fact but that people like it."""


def _clause(tokens: Sequence[Token], start: int, step: int) -> range:
    """Indices from ``start`` on to the next mark, ``mas`` or the reach of a negation."""
    at = start
    while 0 <= at < len(tokens) and abs(at - start) < _REACH:
        if tokens[at].mark or tokens[at].text in ("mas", "porem"):
            break
        at += step
    return range(start, at, step)


def _negated(tokens: Sequence[Token], at: int) -> bool:
    return any(token.text in _NEGATORS for token in tokens[max(0, at - 3) : at])


# -- what does not belong -------------------------------------------------------------------------

_INSULTS = re.compile(
    r"\b(?:idiota|imbeci|burr[oa]s?\b|burrice|otari|trouxa|estupid|ridicul|merda|bosta|"
    r"porcaria|lixo|babac|palhac|nojent|inutei?s?\b|inutil|incompetent|"
    r"fracassad|ignorant|mane\b|manes\b|tapad|jument|besta\b|bestas\b|asno|cretin|canalha|"
    r"vagabund|desgrac|maldit|droga\b|desprezive|miserave|"
    r"pateta|tol[oa]s?\b|bobo|boba|bobalh|lerd|retardad|debil|mongol|gordo|gorda|gordos|"
    r"feios?\b|feias?\b|fedorent|caloteir|ladr[ao]|ladroes|vigarist|"
    r"pilantr|picaret|trambiqueir|safad|sem-vergonha|sem vergonha|(?:bando|corja|cambada|raca|"
    r"monte) de|palerma|traste|verme\b|mala sem alca|jeca|cafona|abestad|paspalh|panac|boco\b|"
    r"lesad|cala a boca|cale a boca|se dane|que se dan|vai se|va se|tonto|tonta|tontos|tontas|"
    r"mesquinh|pao-dur|pao dur|mao de vaca|muquirana|pobretao|pobretona|preguicos|mediocr|"
    r"nojo|horroros|vergonhos|patetic|insignificant|"
    r"imprestave|anta\b|antas\b|energumen|parvo|parva|zero a esquerda|chat[oa]s?\b|arrombad|"
    r"cuz|porra|caralh|fod|puta)"
)
_LINK = re.compile(
    r"https?\b|www\b|\b[a-z0-9-]+(?:\.|\s*\[\.\]\s*|\s*\(\.\)\s*|\s+ponto\s+)(?:com|net|org|"
    r"br|ly|io|me|xyz|info|app|shop|top|ru|tk|site|online|link|co|biz|click|store|loja)\b"
    r"|\b[a-z0-9.-]+\s?\.\s?[a-z]{2,6}\s?/|\S+@\S+|(?:\(?\d{2}\)?\s?)?9?\d{4}[- ]\d{4}\b|"
    r"\bqr ?code\b"
)
_DATA = re.compile(
    r"\b(?:senhas?|cpf|rg|cvv|dados (?:bancarios|pessoais|do (?:seu )?cartao)|"
    r"numero do (?:seu )?cartao|cartao de credito|codigo (?:de seguranca|recebido|do sms|"
    r"de verificacao)|"
    r"conta bancaria|agencia e conta|chave pix|faca um pix|envie um pix|deposit[eo]|transfira|"
    r"whatsapp|telegram|baixe o (?:aplicativo|app|arquivo)|instale)\b"
)
_SELF = re.compile(
    r"\b(?:ess[ea]|est[ea]|[oa]|minha|meu)?\s*(?:resposta|texto|insight|notificacao|mensagem|"
    r"analise|redacao|resumo|push|frase|paragrafo)\s+"
    r"(?:acima|abaixo|a seguir|aqui)?\s*(?:e|esta|foi|ficou|merece|atende|cumpre|segue|"
    r"respeita|contem|satisfaz|obedece|traz tudo)\b"
)
_PRAISE = re.compile(
    r"\b(?:perfeit|excelent|corret|complet|impecav|otim|clar[oa]\b|precis[oa]\b|melhor|maxim|"
    r"exemplar|brilhant|nota|merece|atende|cumpre|segue|respeita|satisfaz|obedece|"
    r"certa\b|certo\b|aprovad|fantastic|maravilhos|genial|pront[oa]\b|requisit|instruc|"
    r"criteri|qualidade|fiel|valid|adequad|convincent|profissional)"
)
_TO_A_JUDGE = re.compile(
    r"\b(?:avaliador(?:a|es)?|jurado|juiz|juiza|corretor(?:a|es)?|pontuacao|recompensa|reward|"
    r"score|gabarito|prompt|nota (?:maxima|dez|10|100|cheia|total)(?! (?:de|e|da|do) )|"
    r"(?:todos os|os|as|todas as) (?:requisitos|criterios|instrucoes|regras|exigencias)|"
    r"conforme (?:pedido|solicitado|as instrucoes)|como (?:pedido|solicitado)|"
    r"modelo de linguagem|inteligencia artificial|"
    r"passou no teste|aprove esta|resposta correta|resposta perfeita|texto perfeito|"
    r"texto excelente|insight perfeito|modestia a parte)\b"
)
_OF_THE_READER = re.compile(
    r"\b(?:voce|voces|tu|cliente),? (?:que )?(?:e|sao|es|parece|parecem|esta sendo) (?:(?:um|"
    r"uma|uns|umas|muito|tao|mesmo|o|a|realmente|so) )*([a-z]+)"
)
_VOCATIVE = re.compile(
    r"(?:^|[,.!?;:]\s*)(?:seu|sua|seus|suas|deixa de ser|deixe de ser) ([a-z]+)\s*(?=[,.!?;]|$)"
)


def _without_facts(text: str, record: Sequence[str]) -> str:
    plain = " ".join(bare(text).split())
    for fact in sorted((bare(fact) for fact in record), key=len, reverse=True):
        if fact:
            plain = re.sub(rf"(?<!\w){re.escape(fact)}(?!\w)", " ", plain)
    return plain


def foreign_link(text: str, record: Sequence[str]) -> str | None:
    """A link that the record does not have, in a text of any language."""
    match = _LINK.search(_without_facts(text, record))
    return f"link: {match[0][:40]!r}" if match else None


def improper(text: str, record: Sequence[str]) -> str | None:
    """An insult, a link or a request for data, or praise of the text itself; what the record has is
    the record's."""
    plain = _without_facts(text, record)
    if match := _INSULTS.search(plain):
        return f"insult: {match[0]!r}"
    for pattern in (_OF_THE_READER, _VOCATIVE):
        for match in pattern.finditer(plain):
            if match[1][:_STEM] not in LEXICON and match[1] not in FUNCTION_WORDS:
                return f"insult: calls the reader {match[1][:40]!r}"
    if problem := foreign_link(text, record):
        return problem
    if match := _DATA.search(plain):
        return f"link: asks for {match[0][:40]!r}"
    if match := _TO_A_JUDGE.search(plain):
        return f"self_praise: {match[0][:40]!r}"
    for sentence in re.split(r"[.!?\n]+", plain):
        match = _SELF.search(sentence)
        if match and _PRAISE.search(sentence, match.start()):
            return f"self_praise: {match[0][:40]!r}"
    return None


# -- causes ---------------------------------------------------------------------------------------

_BECAUSE = re.compile(
    r"\b(?:por causa d[eoa]s?|por conta d[eoa]s?|devid[oa]s? (?:as|a|aos|ao)|em (?:razao|"
    r"virtude|funcao|decorrencia|consequencia|face) d[eoa]s?|"
    r"gracas (?:as|a|aos|ao)|(?:por )?culpa d[eoa]s?|porque|ja que|uma vez que|visto que|"
    r"dado que|pois|"
    r"(?:causad|provocad|gerad|motivad|ocasionad|originad|puxad|trazid|explicad|desencadead|"
    r"agravad|impulsionad)[oa]s? (?:por|pelos?|pelas?)|"
    r"(?:fruto|resultado|reflexo|consequencia|efeito|culpa|motivo|razao|origem) (?:e |foi |"
    r"esta em |esta n[oa]s? |vem )?d[eoa]s?|decorre(?:m|nte|ntes|u|ram)? d[eoa]s?|"
    r"^\s*como (?:o|a|os|as|houve|teve|ha|faltou|faltaram)\b|, como (?:o|a|os|as|houve|faltou|"
    r"faltaram)\b|resulta(?:m|ram|nte|ntes)? d[eoa]s?|resultou d[eoa]s?|por tras d[eoa]s?|"
    r"por (?:falta|excesso) de|ve[em]+ d[eoa]s?|vem d[eoa]s?|nasce(?:m|u)? d[eoa]s?|"
    r"tudo por)\b"
)
_CAUSES = re.compile(
    r"\b(?:causou|causaram|provocou|provocaram|gerou|geraram|explica|explicam|explicou|"
    r"motivou|motivaram|originou|ocasionou|ocasionaram|levou a|levaram a|deve-se|devem-se|"
    r"se dev(?:e|em) (?:a|ao|as|aos)|se explicam? p|culpad[oa]s?|culpa|o motivo|a razao|"
    r"a causa|a origem|principal causa|derrubou|derrubaram|atrapalhou|atrapalharam|impediu|"
    r"impediram|paralisou|paralisaram|fez com que|fizeram com que|desencadeou|sabotou|"
    r"sabotaram|arruinou|destruiu|prejudicou|prejudicaram)\b"
)
_CAUSE_WORDS = 9


def invented_cause(text: str, record: Iterable[str]) -> str | None:
    """The first word of a cause that is neither the record's nor one of the words by which any
    report of figures speaks."""
    plain = " ".join(bare(text).split())
    known = LEXICON | stems(re.findall(r"[^\W_]+", " ".join(record)))
    known |= frozenset(word for stem in known for word in _SYNONYMS.get(stem, ()))
    for clause in re.split(r"[.!?;:\n]+", plain):
        scopes = [
            re.split(r",", clause[match.end() :])[0].split()[:_CAUSE_WORDS]
            for match in _BECAUSE.finditer(clause)
        ]
        if _CAUSES.search(clause):
            scopes.append(clause.split())
        for scope in scopes:
            for word in re.findall(r"[^\W\d_]+", " ".join(scope)):
                if (
                    len(word) > 2
                    and word not in FUNCTION_WORDS
                    and word[:_STEM] not in known
                    and not is_action(word)
                ):
                    return f"invented: the cause {word[:40]}"
    return None


_ALIKE = (
    "atraso demora lentidao prazo entrega logistica transporte frete",
    "defeito falha qualidade quebra problema",
    "trocado troca errado engano separacao diferente item",
    "atendimento suporte resposta equipe retorno contato",
    "preco alto caro custo valor elevado",
)
_SYNONYMS = {
    stem: frozenset(word[:_STEM] for word in group.split())
    for group in _ALIKE
    for stem in (word[:_STEM] for word in group.split())
    if stem not in LEXICON
}
"""A complaint under its other names: of a record that has one of them, all."""


# -- numbers in words -----------------------------------------------------------------------------

_UNITS = {
    word: value
    for value, word in enumerate(
        word_list("""
    zero um dois tres quatro cinco seis sete oito nove dez onze doze treze catorze quinze
    dezesseis dezessete dezoito dezenove
    """)
    )
} | {"uma": 1, "duas": 2, "quatorze": 14, "meia": 6}
_TENS = {
    word: 10 * value
    for value, word in enumerate(
        word_list("vinte trinta quarenta cinquenta sessenta setenta oitenta noventa"), start=2
    )
}
_HUNDREDS = {"cem": 100, "cento": 100} | {
    f"{word}{ending}": 100 * value
    for value, word in (
        (2, "duzent"), (3, "trezent"), (4, "quatrocent"), (5, "quinhent"),
        (6, "seiscent"), (7, "setecent"), (8, "oitocent"), (9, "novecent"),
    )
    for ending in ("os", "as")
}  # fmt: skip
_VALUES: dict[str, int] = _UNITS | _TENS | _HUNDREDS
_FRACTIONS = {
    "terco": 3,
    "tercos": 3,
    "quarto": 4,
    "quartos": 4,
    "quinto": 5,
    "quintos": 5,
    "decimo": 10,
    "decimos": 10,
}
_VAGUE = {
    "dezena": 20, "dezenas": 20, "centena": 100, "centenas": 100, "milhar": 1000, "milhares": 1000,
    "milhoes": 1e6, "bilhoes": 1e9, "duzia": 12, "duzias": 24,
}  # fmt: skip


def spoken_number(text: str, numbers: frozenset[float]) -> str | None:
    """The first number in words that the record does not have, rounded at most to what is said."""
    words = [token for token in tokens_of(text) if not token.mark or token.text == ","]
    at = 0
    while at < len(words):
        start = at
        value, at = _whole(words, at)
        following = [word.text for word in words[at : at + 3]]
        said = " ".join(word.whole for word in words[start:at])
        if value is not None:
            scale = 1.0
            places = 0
            if following[:1] == ["virgula"]:
                decimals, then = _whole(words, at + 1)
                if decimals is not None:
                    places = len(str(decimals))
                    value += decimals / 10**places
                    at = then
                    following = [word.text for word in words[at : at + 3]]
            if following[:2] == ["por", "cento"]:
                scale = 0.01
                at += 2
            elif following[:1] and following[0] in _FRACTIONS:
                if not _near(value / _FRACTIONS[following[0]], numbers, 0.05):
                    return f"invented: the share {said} {following[0]}"
                at += 1
                continue
            elif following[:2] in (["em", "cada"], ["de", "cada"], ["a", "cada"]):
                every, at = _whole(words, at + 2)
                if not every or not _near(value / every, numbers, 0.05):
                    return f"invented: the share {said} {following[0]} cada"
                continue
            elif value == 1 and at - start == 1 and not places:
                continue  # an article
            tolerance = 0.5 if value >= 10 or places else 0.0
            unit = scale * 10.0**-places
            if not any(
                abs(value * scale - number) <= tolerance * unit + 1e-9 for number in numbers
            ):
                return f"invented: the number {said}"
            continue
        word = words[at].text
        at += 1
        if word in _VAGUE and not any(number >= _VAGUE[word] for number in numbers):
            return f"invented: the number {word}"
        if word == "metade" and not _near(0.5, numbers, 0.05):
            return "invented: the share metade"
        if word in ("dobro", "triplo", "dobrou", "triplicou", "quadruplicou"):
            return f"invented: the number {word}"
        if word == "maioria":
            rest = {later.text for later in words[at : at + 3]}
            if not rest & {"queixas", "reclamacoes", "criticas"} and not any(
                0.5 < number <= 1 for number in numbers
            ):
                return "invented: the share maioria"
    return None


def _near(value: float, numbers: frozenset[float], tolerance: float) -> bool:
    return any(0 < number < 1 and abs(value - number) <= tolerance for number in numbers)


def _whole(words: Sequence[Token], at: int) -> tuple[int | None, int]:
    """A whole number in words that begins at ``at``, and where it ends; None where none begins."""
    total = 0
    part = 0
    last = 10**9
    end = at
    found = False
    while end < len(words):
        word = words[end].text
        joined = end + 1 if word == "e" and found else end
        if joined >= len(words):
            break
        word = words[joined].text
        if word == "mil" and joined == end:
            total += (part or 1) * 1000
            part = 0
            last = 1000
        elif word in ("milhao", "bilhao") or (word in ("milhoes", "bilhoes") and found):
            total += (part or 1) * (10**6 if word.startswith("mil") else 10**9)
            part = 0
            last = 10**6
        elif word in _VALUES and _VALUES[word] < last:
            if word in ("meia",) or (found and joined == end and last < 1000):
                break
            part += _VALUES[word]
            last = 10 if 20 <= _VALUES[word] < 100 else _VALUES[word]
            last = 100 if _VALUES[word] >= 100 else last
            last = 1 if _VALUES[word] < 20 else last
        else:
            break
        found = True
        end = joined + 1
    return (total + part if found else None), end
