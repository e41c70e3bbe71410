"""Small honest rules about short Portuguese texts: is it Portuguese, does it ask for something; and
the closed lists of words that ``claims`` goes by.

Closed word lists, no model. What this module does not do: grammar, spelling, or tell European from
Brazilian Portuguese. The rule of language wants two function words of Portuguese and more of them
than of English and Spanish; it is for texts of five words and more.
"""

from __future__ import annotations

import re

PARTS = re.compile(r"[.!?:\n]+")
_WORD = re.compile(r"[^\W\d_]+")


def word_list(text: str) -> tuple[str, ...]:
    """The words of a list that is written as running text."""
    return tuple(text.split())


def word_set(text: str) -> frozenset[str]:
    """The same as a set."""
    return frozenset(word_list(text))


PORTUGUESE = word_set(
    """
    o os as à às ao aos da das do dos de e é em na nas no nos não um uma uns umas que com para pelo pela pelos pelas por seu sua
    seus suas você já foi são está mais mas ou quando ainda até entre sobre também isso esta este essa esse nossa nosso há ter tem
    """
)
_ENGLISH = word_set(
    "the of and is are to your you with for on in it was this that our we have has be at by from or not but"
)
SPANISH = word_set(
    "el los las y con su sus una del al es en lo pero muy más está usted tu tus por qué sin hay ha son"
)
_ACTIONS = word_set(
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
FUNCTION_WORDS = word_set(
    """
    a o as os um uma uns umas de do da dos das em no na nos nas num numa por pelo pela pelos pelas para pra pro com sem sob sobre
    entre ate apos ante contra desde durante e ou mas nem que se como quando onde quem qual quais cujo cuja porque pois porem
    contudo todavia entretanto portanto logo entao assim ainda ja so tambem mais menos muito muita muitos muitas pouco pouca poucos
    poucas tao tanto tanta todo toda todos todas cada outro outra outros outras mesmo mesma mesmos mesmas este esta estes estas esse
    essa esses essas isto isso aquele aquela aqueles aquelas aquilo seu sua seus suas meu minha nosso nossa nossos nossas teu tua
    lhe lhes me te nos vos ele ela eles elas voce voces eu tu nos ao aos e era eram foi foram ser sendo sido esta estao estar estava
    estavam sao seja sejam tem tinha tinham ter teve tiveram tendo ha havia houve vai vao ir pode podem deve devem nao sim nunca
    sempre jamais hoje amanha ontem agora aqui ali la antes depois enquanto embora apesar bem mal quase cerca apenas somente alem
    dentro fora perto longe acima abaixo junto frente diante ca ai isto algo alguem ninguem nada tudo algum alguma alguns algumas
    nenhum nenhuma qualquer quaisquer per via segundo conforme sejam esteja estejam fosse seria sera serao tera terao r
    """
)
"""Without accents: what joins, points or counts, and says nothing by itself."""
LEXICON = frozenset(
    word[:5]
    for word in word_list("""
    categoria produto item itens pedido compra comprar vendas venda vendido cliente clientes
    consumidor consumidores publico comprador pessoa pessoas avaliacao avaliacoes nota media
    pontuacao critica criticas queixa queixas reclamacao reclamacoes reclamam reclamar
    insatisfacao insatisfeito insatisfeitos satisfacao satisfeitos descontentamento experiencia
    percepcao opiniao feedback relato relatos comentario faturamento receita resultado
    resultados desempenho indice parcela percentual porcentagem taxa proporcao numero volume
    total totais soma somam mes meses periodo estado regiao mercado negativo negativa negativas
    negativamente positivo principal principais maior maiores menor alto alta elevado elevada
    expressivo significativo forte fraco fraca baixo baixa abaixo importante relevante
    recorrente frequente constante grave serio preocupante critico urgente evidente claro
    impacto impacta afeta afetam prejudica pesa pesam pressiona compromete ameaca reduz reduzir
    reducao aumenta aumentar aumento cresce cai queda mostra mostram indica indicam indicando
    revela aponta apontam sinaliza evidencia demonstra representa representam corresponde
    equivale concentra concentram registra registrou registraram recebe recebeu apresenta
    apresentou apresentaram chega chegou ficou fica ficar limita passou aparece destaca lidera
    liderada problema problemas motivo motivos causa causas razao origem fator explica gera
    gerou provoca dado dados registro figura analise cenario situacao quadro panorama ponto
    pontos parte partes desconto descontos oferta ofertas promocao preco valor cupom codigo
    carrinho presente aniversario economia economize economizar condicao condicoes vantagem
    beneficio chance oportunidade momento hora dia dias semana tempo espera esperando esperar
    termina terminar valido valida vale validade ultimo ultimos ultima merece merecer mereceu
    especial especiais exclusivo exclusiva imperdivel incrivel otimo otima aproveitar garantir
    garanta finalizar usar usando falta saudade saudades volta voltar pedir levar leve receber
    ganhar ganhou ganhe deixou deixado abandonado quer queremos querido querida caro amigo feliz
    parabens bom boa linda novo nova seguir gestao gerencia time atencao acao acoes melhoria
    melhorar medida medidas plano prioridade urgencia risco confianca fidelidade fidelizar
    imagem reputacao marca loja negocio expectativa cuidado acompanhar monitorar recomenda
    recomendamos sugere convem preciso precisa necessario fundamental essencial rapido rapida
    rapidamente logo corre corra vem venha desculpas desculpe pelo lamentamos sentimos pensamos
    pensando lembramos lembrete separamos reservamos guardado reservado aguardando disponivel
    final apenas escolha escolheu vip unico unica pontual concreto
    """)
)
"""First letters, without accents, of words by which any report of figures and any offer speaks.
What can go wrong with an order is not among them: that must be the record's."""
OPENERS = word_set(
    """
    agora além ainda apesar aproveite assim atenção bom com como contudo depois destaque desde em enquanto entretanto hoje
    ei hey infelizmente já logo mesmo no na nesse neste nota oi olá ontem ou para por porém portanto primeiro quando recomendação
    resumo se segundo sugestão ação conclusão
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
    parts = (_counts(part) for part in PARTS.split(text))
    return (
        native >= 2
        and native > foreign
        and not any(theirs >= 2 and theirs > ours for ours, theirs in parts)
    )


def _counts(text: str) -> tuple[int, int]:
    """Words that speak for Portuguese, and for that other language for which most do."""
    words = words_of(text)
    native = sum(word in PORTUGUESE for word in words) + sum(
        bool(re.search("[ãõç]", word)) for word in words
    )
    foreign = max(
        sum(word in other and word not in PORTUGUESE for word in words)
        for other in (_ENGLISH, SPANISH)
    )
    return native, foreign


def asks_for_action(text: str) -> bool:
    """A word of the closed list of imperatives and advice."""
    return any(word in _ACTIONS for word in words_of(text))


def is_action(word: str) -> bool:
    return word.casefold() in _ACTIONS
