"""What a request asks for in so many words: which names a program must define, whether the answer
must hold code at all, whether a skeleton of it is what is wanted.

English and Portuguese wordings, Python and TypeScript signatures. It is read around its nouns: what
stands before "function" or "class" says whether one is asked for, what stands after names it. Only
clear words count: a name that is only mentioned ("a test for the function f"), mathematics ("a
quadratic function f(x)") and questions about how something is written ask for nothing. What this
module does not do: understand a request, or look at an answer (``entrypoint`` and ``substance``
do).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from .syntax import python_tree


class Request(NamedTuple):
    """``names`` are functions, methods and classes in the order of the request; a method may come
    as ``Class.method``."""

    names: tuple[str, ...] = ()
    code: bool = False
    """The answer must hold a program, or a part of one."""
    line: bool = False
    """One line is enough: a command, a query, an expression."""
    skeleton: bool = False
    """Bodies may be empty: a skeleton, an abstract class, a function that does nothing."""
    prefix: str = ""
    """The Python code, up to an open body, that the answer may continue."""


NOTHING = Request()
_SEARCHED = 8_000
"""Characters of a request that are looked at, from its beginning and as many from its end."""


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


# -- the words of a request ------------------------------------------------------------------------

_STRONG = _set(
    "function functions func coroutine coroutines subroutine dataclass lambda code função funções c\u00f3digo"
)
"""Code, whatever else the request says."""
_LINE = _set("command query one-liner oneliner liner comando consulta")
_WEAK = _set(
    "method methods class classes classe program programs script scripts module modules component components hook hooks"
    " endpoint endpoints decorator decorators generator generators iterator test tests struct structs enum"
    " enums interface interfaces snippet snippets procedure procedures helper helpers parser parsers implementation método métodos"
    " programa programas type"
)
"""Code where the request speaks of code besides: there are programs of concerts and classes of
animals."""
_UNNAMED = _set(
    "code c\u00f3digo test tests program programs script scripts programa programas type"
)
"""What follows these words is not the name of what they are about."""
_CALLED = _set("called named titled chamada chamado chamadas chamados denominada denominado")
_ASKABLE = _STRONG | _LINE | _WEAK
_ANCHORS = _STRONG | _LINE | _WEAK | _CALLED | _set("name nome entry signature assinatura")
_ANCHOR = re.compile(
    f'(?:{"|".join(sorted(_ANCHORS, key=lambda word: (-len(word), word)))})(?![\\w$"-])'
)
"""The words around which a request is read. That none begins within a word is looked at afterwards:
an expression that begins with letters is found several times faster."""
_VERBS = _set(
    "write implement create define code develop build make give provide generate produce design construct add show draft craft"
    " prepare complete finish need want like return output declare reply respond answer with"
    " fix refactor rewrite convert translate port escreva implemente crie defina desenvolva faça gere forneça programe"
    " escrever implementar criar quero preciso escreve implementa cria faz desenvolve"
)
_DETERMINERS = _set(
    "a an the one another two three four some this these my our your following both all single um uma o os as"
    " duas dois me us up out"
)
_STOP = _set(
    "of in on for about to with that which how from by as at where when whose what why whether is are was than into between against"
    " above below inside before after around over under its his her called named describing explaining showing comparing"
    " without de do da que para com em sobre if story poem essay paragraph summary email letter article diagram not never no"
)
_LEADS = _set(
    "please kindly now then next also and so just instead task you'll let's finally first must should shall"
    " favor por e i'll help"
)
"""What may stand before the verb of a request, where it does not begin a clause."""
_ASKERS = _set("can could would will must should shall need have please")
_TO = _set("asked ask want need have like is required supposed going are you me us help task")
_COMPOUND = re.compile(
    r"[ -]+(?:of|names?|diagrams?|schedules?|rooms?|halls?|notes|trips?|rules?|reunion|syllabus|assignments?|descriptions?"
    r"|sections?|outlines?|proposals?|summar(?:y|ies)|letters?|plans?|strategy|reviews?|comments?|guidelines?|documentation"
    r"|questions?|conduct|de\s+conduta|cards?|leaders?|titles?|policy|policies)\b"
)
"""A function room, a class trip, a code of conduct."""
_LANGUAGE = re.compile(
    r"(?<![\w-])(?:python3?|typescript|javascript|java|c\+\+|c#|golang|rust|ruby|php|kotlin|swift|scala|haskell|perl|lua|julia|matlab"
    r"|dart|elixir|react|node(?:\.?js)?|django|flask|fastapi|pytest|numpy|pandas|pytorch|sql|sqlite|postgres(?:ql)?|mysql|bash"
    r"|shell|powershell|awk|sed|html|css|leetcode|linux|unix)(?![\w-])"
)
_CONTEXT = re.compile(
    r"```|`[^`\n]+`|(?<!\w)(?:stdin|stdout|stderr|argv|argparse|csv|json|xml|yaml|http|api|url|cli|regex|array|linked list"
    r"|binary (?:tree|search)|integers?|strings?|boolean|floats?|tuple|dict(?:ionary)?|hash\s?map|recursi\w+|fibonacci|factorial"
    r"|primes?|palindromes?|parameters?|arguments?|prints?|bytes|sorts|parses|async|thread|type hints?|docstring|exceptions?"
    r"|constructor|attributes?|getters?|inherits?|subclass\w*|database|endpoint|functions?|methods?)(?!\w)|\w_\w|\w\("
)
_MATHEMATICS = _set(
    "linear quadratic cubic exponential polynomial trigonometric logarithmic piecewise mathematical rational inverse continuous"
    " differentiable periodic sine cosine cost utility profit revenue production density wave transfer"
)
_SKELETON = re.compile(
    r"\b(?:skeleton|scaffold\w*|stubs?|abstract|interfaces?|protocol|placeholders?|boilerplate|template|outline|no-?op"
    r"|does nothing|do nothing|empty (?:body|bodies|function|method|class)|signatures? only|only the signatures?"
    r"|without (?:an |the )?implementation|not implement(?:ed)?|notimplementederror|subclass(?:es)? must|todos?|base class"
    r"|exception class|marker|esqueleto|vazia)\b|\bpass\b(?= statement| body)|`pass`|`\.\.\.`"
)
_SKELETON_HINTS = (
    "skelet", "scaffold", "stub", "abstract", "interface", "protocol", "placeholder", "boilerplate", "template", "outline", "no-op",
    "noop", "nothing", "empty", "signature", "without", "not implement", "notimpl", "subclass", "todo", "base class",
    "exception class", "marker", "esqueleto", "vazia", "pass", "`...`",
)  # fmt: skip
"""One of these stands wherever ``_SKELETON`` finds something."""
_OF_CLASS = re.compile(r" of (?:the |an? )?(?:class\b|`|[A-Z])")
_CLAUSE_END = re.compile(r"[.!?:;](?=\s)|\n")
_CODE_HEAD = re.compile(r"^(?:async[ \t]+def|def|export|class|function|const)\b", re.MULTILINE)
_CODE_LINES = re.compile(
    r"^(?:[ \t]+\S|(?:async[ \t]+def|def|class|import|from|export|function|const|let|var)[ \t]+\S|@\w|[\])}]|/?\*|//|#)[^\n]*$",
    re.MULTILINE,
)
"""Lines of code that stand in a request without a fence."""
_FENCED = re.compile(r"^(```|~~~)[^\n]*\n[\s\S]*?(?:^\1[^\n]*$|\Z)", re.MULTILINE)

# -- names -----------------------------------------------------------------------------------------

_QUOTES = "`'\"*\u201c\u201d\u2018\u2019"
_ITEM = re.compile(
    rf"([{_QUOTES}]{{0,3}}@?)(?:(?:export\s+|default\s+|async\s+)*(?:def|function|class|const)\s+)?([A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)?)"
    rf"(\((?:[^()\n]|\([^()\n]*\)){{0,160}}\))?(?:\s*(?:->|=>|:)\s*[\w\[\], |<>.]{{1,60}}?(?=`))?[{_QUOTES}]{{0,3}}"
)
_AND = re.compile(r"\s*,\s*(?:and\s+|e\s+)?|\s+and\s+|\s+e\s+|\s*&\s*")
_SPACE = re.compile(r"\s*[:=,]?\s+(?:exactly\s+|simply\s+|just\s+)?|\s*[:=]\s*|\s*\(\s*(?=[`'\"])")
_TAIL = re.compile(
    r"\s*(?:[.,:;!?)<\u2014\u2013-]|->|\Z|\n|(?:that|which|to|taking|takes|returning|returns|accepting|accepts|receiving|with|for|in|using"
    r"|given|such|where|whose|as|so|and|from|computing|calculating|when|on|over|into)\b)"
)
_SHAPED = re.compile(r"\w_|_\w|[a-z\d][A-Z]|[A-Za-z]\d|\$|\w\.\w")
_NO_NAMES = _set(
    # Words of sentences.
    "a an the that which who whom whose what when where why how to for in on of from by with without as at and or but if is are was"
    " be been will would should must can could may might do does it its this these those my your our their you i we they please"
    " like such so not no only also into within over under between than then there here once each every any all some both either"
    " neither one first last next after before whenever while until during exactly anything something nothing someone whatever"
    " called named takes returns accepts receives prints adds computes calculates checks finds counts converts reverses sorts"
    " removes able capable similar equivalent above below out up down given based per via about e.g i.e"
    # Compounds of "function" and "class".
    " pointer pointers wrapper wrappers decorator decorators hierarchy hierarchies library libraries body bodies signature"
    " signatures definition definitions template templates declaration declarations call calls composition object objects component"
    " components prototype expression generator generators factory factories module modules file files handler handlers header"
    " headers stub stubs skeleton overload chaining inheritance structure name names parameter parameters argument arguments"
    " export default async abstract static public private const def"
    " documentation docstring implementation implementations method methods function functions class classes code program script"
    " test tests snippet lambda"
    # Languages, and the Portuguese words that follow a noun.
    " python typescript javascript java rust go ruby php kotlin swift scala sql bash shell"
    " que para com em de do da um uma o os e por recursiva simples chamada"
)  # fmt: skip
_MATH_NAMES = _set("f g h p q y sin cos tan log ln exp sqrt")
_BE = _set(
    "be is that which and must should shall has have needs need to will it are deve ser exactly this"
)
_HOLDS = _set("defines defining contains containing has having including exports exporting")
_QUESTIONS = _set("which what who whose where why how qual como")
_ADVERBS = _set("twice again often daily first later")
"""Words that follow "to be called" where nothing is named."""
_WITH = _set(
    "with has have having provides provide providing supports supporting implements implementing contains containing includes"
    " including exposes add define com and"
)
_MENTIONS = _set(
    "test tests case cases docstring docstrings documentation comment comments call calls calling use uses using explain describe"
    " import imports wrap wraps wrapper given existing for of from assume suppose have has invoke invokes"
)
"""Before a noun that is not the object of the request, these say that it is there already."""

_NOUNS = (_STRONG | _WEAK) - _UNNAMED
_MAKES = _set(
    "write implement create define code develop build make provide generate produce complete add"
    " escreva implemente crie defina faça"
)
"""The verbs whose object may be a bare name with its brackets."""
_BODIES = _set("implementation code body")
_REPLY = _set("reply respond answer")
_SIGNATURES = _set("function method class signature assinatura função")
_BACKTICKED = re.compile(r"`([A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)?)`")
_LAST_WORD = re.compile(
    r"([`'\"*]{0,3})(?:(?:def|function|class|const)\s+)?([A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)?)\Z"
)
_NAME_IT = re.compile(
    r" (?:it|the (?:function|class|method)|your (?:function|class|method|solution)|this (?:function|class|method))(?=[ :])"
)
_IN_LANGUAGE = re.compile(
    r"\b(implement|program|code|implemente)\b(?: [^\s.?!]+){1,8}? (?:in|em) (?:python|typescript|javascript|java|rust|ruby|golang"
    r"|kotlin|c\+\+|bash|sql)\b"
)
"""Implement quicksort in Python."""
_POINT = re.compile(r"[ _-]?point\s*(?:is|should be|must be|[:=])?\s+|[ _-]?point\s*[:=]\s*")
_IS = re.compile(
    r"\s*(?:(?:is|are|should be|must be|shall be|will be|of|de|é|deve ser)(?!\w)|[:=])?\s*(?:exactly\s+)?"
)

_PYTHON_SIGNATURE = re.compile(
    r"^[ \t>]*(?:async[ \t]+)?def[ \t]+([A-Za-z_]\w*)[ \t]*\(([^()]{0,400}(?:\([^()]{0,100}\)[^()]{0,200}){0,4})\)[^\n:]{0,200}:?",
    re.MULTILINE,
)
_SCRIPT_SIGNATURE = re.compile(
    r"^[ \t>]*(?:(?:export|default|declare|async)[ \t]+)*(?:function[ \t]*\*?[ \t]+([A-Za-z_$][\w$]*)[ \t]*[<(]"
    r"|(?:const|let|var)[ \t]+([A-Za-z_$][\w$]*)[ \t]*(?::[^=\n]{1,200})?=[ \t]*(?:async[ \t]*)?"
    r"(?:function\b|\([^\n]{0,300}\)[^=\n]{0,80}=>|\w+[ \t]*=>)"
    r"|(?:abstract[ \t]+)?class[ \t]+([A-Za-z_$][\w$]*)[^\n]*\{)[^\n]*",
    re.MULTILINE,
)
_INLINE_SIGNATURE = re.compile(
    r"`(?:(?:export|default|declare|async)[ \t]+)*(?:def|function[ \t]*\*?|class|const|let)[ \t]+"
    r"([A-Za-z_$][\w$]*)(?=[ \t]*[(<:={`])"
)
_EMPTY_BODY = re.compile(
    r"(?:[ \t]*#[^\n]*)?(?:\s*(?:import|from)[ \t][^\n]*)*\s*(?:[rRuU]?(\"\"\"|''')[\s\S]*?\1)?"
    r"(?:\s*(?:pass\b|\.\.\.|raise NotImplementedError[^\n]*|#[^\n]*))*\s*(?:```|~~~|\Z|\n[^\s#])"
)
_HAS_DOCSTRING = re.compile(r"[^\n]*\n\s*[rRuU]?(\"\"\"|''')[\s\S]*?\1")
_INDENTED = re.compile(r"[^\n]*(?:\n(?:[ \t]+[^\n]*)?)*(?:\n|\Z)")
_CODE_BEGINS = re.compile(r"^(?:from|import|def|async def|class|@)[ \t]?\w[^\n]*$", re.MULTILINE)
_EMPTY_SCRIPT_BODY = re.compile(
    r"(?:\s*(?://[^\n]*|/\*[\s\S]*?\*/|\.\.\.|\u2026))*\s*(?:\};?|\Z|```)"
)
_REWORKS = re.compile(
    r"\b(?:complete|finish|implement|fix|correct|debug|repair|refactor|rewrite|optimi[sz]e|improve|simplify|modify|fill|corrija|conserte)\b",
    re.IGNORECASE,
)
_OTHER_WORK = re.compile(
    r"\b(?:tests?|test cases|pytest|docstring|explain|describe|document|summar\w+|review|output"
    r"|what (?:does|is)|translate|convert|port|rename|calls?|uses?|usage"
    r"|example|main)\b",
    re.IGNORECASE,
)


def asks(prompt: str) -> Request:
    """What the request asks for; ``prompt`` is its last turn."""
    return _cached(prompt) if len(prompt) <= 2_000 else _read(prompt)


@lru_cache(maxsize=8192)
def _cached(prompt: str) -> Request:
    return _read(prompt)


def _read(prompt: str) -> Request:
    if len(prompt) > 2 * _SEARCHED:
        prompt = f"{prompt[:_SEARCHED]}\n\n{prompt[-_SEARCHED:]}"
    # What is fenced is given, not said: only signatures are looked for there.
    prose = _FENCED.sub("\n", prompt) if "```" in prompt or "~~~" in prompt else prompt
    stubs, given = _signatures(prompt)
    if given and _CODE_HEAD.search(prose):
        prose = _CODE_LINES.sub("", prose)
    reader = _Reader(prose)
    reader.read()
    names = list(dict.fromkeys(name for _, name in sorted(reader.places)))
    code = reader.code
    if stubs and not names:
        # A signature without a body is a body asked for, unless tests or an explanation are.
        if not _OTHER_WORK.search(prose) or _REWORKS.search(prose):
            names = stubs[-1:]
            code = True
    elif len(given) == 1 and not names and _is_reworked(prose):
        names = given
        code = True
    prefix = _open_body(prompt, names[0]) if stubs and names == stubs[-1:] else ""
    lower = reader.lower
    hinted = bool(names or code) and any(hint in lower for hint in _SKELETON_HINTS)
    skeleton = hinted and _SKELETON.search(lower) is not None
    line = reader.line and not code
    return Request(tuple(names), code or reader.line, line, skeleton, prefix)


def _is_reworked(prose: str) -> bool:
    """Whether the code that is shown is what the answer shall be, in a better form."""
    return _REWORKS.search(prose) is not None and _OTHER_WORK.search(prose) is None


class _Reader:
    """One pass over the nouns of a request."""

    def __init__(self, prose: str) -> None:
        self.text = prose
        lower = prose.lower()
        self.lower = lower if len(lower) == len(prose) else prose
        self.code = False
        self.line = False
        self.asked = False
        """Something that has a name was asked for."""
        self.function = False
        """It is a function, whatever else the request says."""
        self.places: list[tuple[int, str]] = []
        """Where a name stands, and the name."""

    def read(self) -> None:
        for match in _ANCHOR.finditer(self.lower):
            word = match[0]
            before = self.lower[match.start() - 1 : match.start()]
            if before and (before.isalnum() or before in '_$."-'):
                continue
            if word in _CALLED:
                self._after_called(match)
            elif word in ("name", "nome", "entry"):
                self._labelled(match)
            else:
                self._noun(match)
        at = self.text.find("(")
        while at > 0:
            self._call(at)
            at = self.text.find("(", at + 1)
        if "`" in self.text:
            for match in _INLINE_SIGNATURE.finditer(self.text):
                if not _OTHER_WORK.search(self.text):
                    self.places.append((match.start(1), match[1]))
                    self.code = True
            for match in _BACKTICKED.finditer(self.text):
                verb = self._verb(self._before(match.start()))
                if verb is not None and verb[0] in ("implement", "implemente", "program"):
                    self.places.append((match.start(1), match[1]))
                    self.code = True
        if not self.code:
            implemented = _IN_LANGUAGE.search(self.lower)
            if implemented is not None:
                words = [*self._before(implemented.start()), implemented[1]]
                self.code = self._leads(words, len(words) - 1)
        at = self.lower.find("call it ")
        if at >= 0:
            self._listed(at + 7, bare=True, plural=False)
        # A function that has a name is a program's.
        self.code = self.code or (self.function and bool(self.places))

    # -- what stands before a noun -----------------------------------------------------------------

    def _before(self, at: int) -> list[str]:
        """The words of the clause before ``at``."""
        window = self.lower[max(0, at - 140) : at]
        return _CLAUSE_END.split(window)[-1].split()

    def _verb(self, words: list[str]) -> tuple[str, list[str]] | None:
        """The verb of a request whose object comes after ``words``, and the words between; None
        where it is not asked for."""
        place = len(words) - 1
        after_determiner = False
        while place >= max(0, len(words) - 9):
            word = words[place].strip(_QUOTES + ",()")
            if word in _VERBS and not (word == "with" and words[place - 1] not in _REPLY):
                return (word, words[place + 1 :]) if self._leads(words, place) else None
            if word in _DETERMINERS:
                after_determiner = True
            elif word in ("of", "for") and place and words[place - 1] in _BODIES:
                place -= 1  # "the implementation of the function", "code for a function"
                after_determiner = False
            elif word in ("and", "e"):
                after_determiner = False  # "a class and a function"
            elif place and words[place - 1] in ("in", "using", "em"):
                place -= 1  # "Write in Python a function"
            elif after_determiner or word in _STOP:
                return None
            place -= 1
        return None

    def _leads(self, words: list[str], place: int) -> bool:
        """Whether the verb at ``place`` begins a request: not a question how, not a condition."""
        if place == 0:
            return True
        before = words[place - 1]
        if before in ("to", "a") and place > 1:
            return words[place - 2].strip(",") in _TO and "how" not in words[:place]
        if before == "you" and place > 1:
            return words[place - 2].strip(",") in _ASKERS
        if before in ("would", "'d") or before.endswith("'d"):
            return words[place] == "like"
        if before in ("i", "we"):
            return words[place] in ("need", "want")  # not "Should I write …?"
        if before in _LEADS or before[-1] in ",)>*#-\u2014" or before[:1].isdigit():
            return not {"how", "why", "como"} & set(words[:place])
        return place > 1 and words[place - 2] in ("in", "using", "em")  # "In Python write …"

    # -- nouns -------------------------------------------------------------------------------------

    def _noun(self, match: re.Match[str]) -> None:
        noun = match[0]
        words = self._before(match.start())
        if noun in _SIGNATURES and self.lower.startswith(":", match.end()):
            self._named_after(match.end() + 1)  # "Function: name(a, b)"
        if noun not in _ASKABLE:
            return
        found = self._verb(words)
        if found is None:
            self._with_noun(match, words)
            if noun in ("methods", "métodos", "method"):
                self._methods(match, words)
            return
        if _COMPOUND.match(self.lower, match.end()) and not (
            noun in ("method", "methods") and _OF_CLASS.match(self.text, match.end())
        ):
            return
        verb, between = found
        self.asked = True
        self.function = self.function or noun in _STRONG
        mathematics = not _MATHEMATICS.isdisjoint(between)
        if noun in _LINE:
            self.line = self.line or _LANGUAGE.search(self.lower) is not None
        elif noun in _STRONG:
            # "Define a function" may be asked of a mathematician, or a teacher.
            unclear = mathematics or verb in ("define", "defina")
            self.code = self.code or not unclear or _LANGUAGE.search(self.lower) is not None
        elif not self.code:
            rest = f"{self.lower[: match.start()]}\0{self.lower[match.end() :]}"
            self.code = bool(_LANGUAGE.search(rest) or _CONTEXT.search(rest))
        if noun in _UNNAMED or noun in _LINE or verb in ("convert", "translate", "port"):
            return
        self._before_noun(match, len(between))
        portuguese = (noun[:3] == "fun" and noun[3] == "ç") or (noun[0] == "m" and noun[1] != "e")
        plural = noun.endswith("s") and noun != "class"
        self._listed(
            match.end(),
            bare=not (mathematics or portuguese or plural),
            plural=plural,
            tail=True,
            quoted_only=mathematics,
        )

    def _with_noun(self, match: re.Match[str], words: list[str]) -> None:
        """ "a module with a function `name`": a part of what is asked for."""
        before = [word for word in words[-5:] if word not in _DETERMINERS]
        if not self.asked or not before or match[0] in _UNNAMED or match[0] in _LINE:
            return
        of_code = before[-1] == "with" and before[-2:-1] and before[-2] in _ASKABLE
        if of_code or before[-1] in _HOLDS:
            self._listed(match.end(), bare=False, plural=match[0].endswith("s"))

    def _before_noun(self, match: re.Match[str], between: int) -> None:
        """ "the `name` function", "an is_prime function", "the Stack class"."""
        window = self.text[max(0, match.start() - 140) : match.start()].split()
        for number, word in enumerate(reversed(window[len(window) - between :] if between else [])):
            item = _ITEM.match(word)
            if item is None or item[2].lower() in _NO_NAMES:
                continue
            snake = item[2][0].islower() and _SHAPED.search(item[2]) is not None
            the_class = (
                match[0] == "class"
                and number == 0
                and item[2][0].isupper()
                and window[-2:-1] == ["the"]
                and not _LANGUAGE.fullmatch(item[2].lower())
            )
            if "`" in item[1] or "*" in item[1] or item[3] or snake or the_class:
                self.places.append((match.start() - number - 1, item[2]))

    def _methods(self, match: re.Match[str], words: list[str]) -> None:
        """ "with methods push, pop and peek", "with enqueue() and dequeue() methods"."""
        before = [word for word in words[-4:] if word not in _DETERMINERS and word != "public"]
        if before and before[-1].strip(",") in _WITH:
            plural = match[0].endswith("s")
            self._listed(match.end(), bare=plural, plural=plural)
            return
        window = self.text[max(0, match.start() - 140) : match.start()].split()
        for number, word in enumerate(reversed(window)):
            item = _ITEM.match(word)
            if word in ("and", "e", "&"):
                continue
            if item is None or not ("`" in item[1] or item[3]):
                break
            self.places.append((match.start() - number - 1, item[2]))

    # -- names -------------------------------------------------------------------------------------

    def _after_called(self, match: re.Match[str]) -> None:
        """ "a function called name", "it must be named name"."""
        words = self._before(match.start())
        place = len(words) - 1
        be = False
        while place >= 0 and words[place].strip(",") in _BE:
            be = be or words[place] in ("be", "is", "ser", "are")
            place -= 1
        subject = words[place].rstrip(",:").partition("(")[0].strip(_QUOTES) if place >= 0 else ""
        if subject[:1] == ")" or subject.endswith(")"):
            subject = ""
        if place > 1 and subject not in _NOUNS and words[place - 1] in ("in", "em"):
            place -= 2  # "a function in Python called"
            subject = words[place].rstrip(",")
        is_it = "it" in words[place + 1 :] or subject in ("solution", "answer")
        if subject not in _NOUNS and not (be and self.asked and is_it):
            return
        listed = _SPACE.match(self.text, match.end())
        item = _ITEM.match(self.text, listed.end()) if listed else None
        if item is None or (words[:1] and words[0] in _QUESTIONS):
            return
        if be and match[0] == "called" and item[2].lower() in _ADVERBS and not item[1]:
            return  # "it is called twice"
        asked = self._verb(words[:place]) if subject in _NOUNS else None
        near = set(words[max(0, place - 4) : place])
        if self.asked and subject in ("method", "methods"):
            near -= {"has", "have"}  # "a class that has a method called name"
        if asked is None and not be and ("how" in words or not _MENTIONS.isdisjoint(near)):
            return
        if be and item[2].lower() in _NO_NAMES and not item[1]:
            return
        self.code = self.code or subject in _STRONG or bool(asked and item[1])
        self._listed(match.end(), bare=True, plural=subject.endswith("s") and subject != "class")

    def _labelled(self, match: re.Match[str]) -> None:
        """ "function name: name", "name it name", "with the name name", "entry point: name"."""
        words = self._before(match.start())
        rest = self.lower[match.end() : match.end() + 40]
        if match[0] == "entry":
            point = _POINT.match(self.text, match.end())
            if point:
                self._listed(point.end() - 1, bare=True, plural=False)
            return
        named = _NAME_IT.match(rest)
        if named and match[0] == "name" and (not words or self._leads(words, len(words))):
            self._listed(match.end() + named.end(), bare=True, plural=False)
            return
        last = words[-1].removesuffix("'s") if words else ""
        whose = last in ("whose", "o", "de") or words[-2:] in (
            ["with", "the"],
            ["by", "the"],
            ["has", "the"],
        )
        if (
            last in _NOUNS
            or whose
            or (last == "the" and words[:-1] and words[-2] in ("under", "have", "with"))
        ):
            self.code = self.code or last in _STRONG
            is_name = _IS.match(self.text, match.end())
            if is_name and (whose or is_name[0].strip()):
                self._listed(is_name.end() - 1, bare=True, plural=False)

    def _named_after(self, at: int) -> None:
        """A name after a colon: only in backticks or with its brackets."""
        item = _ITEM.match(self.text, at + len(self.text[at:]) - len(self.text[at:].lstrip()))
        if item is not None and (item[3] or "`" in item[1]) and item[2].lower() not in _NO_NAMES:
            self.places.append((item.start(2), item[2]))
            self.code = True

    def _listed(
        self, at: int, *, bare: bool, plural: bool, tail: bool = False, quoted_only: bool = False
    ) -> None:
        """The names from ``at`` on: several where the noun is plural. ``bare``: a plain word may be
        one; ``tail``: what comes after must show that it is."""
        space = _SPACE.match(self.text, at)
        while space is not None:
            item = _ITEM.match(self.text, space.end())
            if item is None:
                return
            word = item[2].lower()
            marked = (bool(item[1]) and not item[1].startswith("'")) or (
                item[1] == "'" and item[0][-1:] == "'"
            )
            if not marked and (
                quoted_only
                or word in _NO_NAMES
                or not (
                    item[3]
                    or _SHAPED.search(item[2])
                    or (
                        bare
                        and not word.endswith(("ing", "ly"))
                        and (not tail or _TAIL.match(self.text, item.end()))
                    )
                )
            ):
                return
            self.places.append((item.start(2), item[2]))
            space = _AND.match(self.text, item.end()) if plural else None

    def _call(self, at: int) -> None:
        """ "Implement name(a, b)": brackets right after a word that a verb asks for."""
        word = _LAST_WORD.search(self.text, max(0, at - 80), at)
        if word is None or word[2].lower() in _NO_NAMES:
            return
        item = _ITEM.match(self.text, word.start())
        if item is None or not item[3]:
            return
        if self.text[item.end() :].lstrip()[:1] == "=" and "`" not in word[1]:
            return  # "Write f(x) = …" is mathematics
        found = self._verb(self._before(word.start()))
        if found is None:
            return
        verb = found[0]
        if verb not in _MAKES:
            return
        if not _MATHEMATICS.isdisjoint(found[1]) and not _LANGUAGE.search(self.lower):
            return
        plain = "`" not in word[1] and not _SHAPED.search(word[2]) and word[2] in _MATH_NAMES
        if plain and verb != "implement" and not _LANGUAGE.search(self.lower):
            return
        self.places.append((word.start(2), word[2]))
        self.code = True


def _signatures(prompt: str) -> tuple[list[str], list[str]]:
    """Names of the signatures without a body, and of all signatures."""
    stubs: list[str] = []
    given: list[str] = []
    if "def " in prompt:
        for match in _PYTHON_SIGNATURE.finditer(prompt):
            given.append(match[1])
            after = match[0].rpartition(")")[2].strip()
            bare = not after or (after.startswith("->") and not after.endswith(":"))
            if bare or (after.endswith(":") and _EMPTY_BODY.match(prompt, match.end())):
                stubs.append(match[1])
    if "function" in prompt or "=>" in prompt or "class " in prompt:
        for match in _SCRIPT_SIGNATURE.finditer(prompt):
            name = match[1] or match[2] or match[3]
            given.append(name)
            rest = match[0].rstrip()
            opened = rest.endswith(("{", "=>", ";", ")")) or "{" not in rest
            closed = re.search(r"\{\s*\}?;?$|\{\s*(?://|/\*)[^\n]*$", rest) is not None
            if (opened or closed) and _EMPTY_SCRIPT_BODY.match(prompt, match.end()):
                stubs.append(name)
    return list(dict.fromkeys(stubs)), list(dict.fromkeys(given))


def _open_body(prompt: str, name: str) -> str:
    """The code of a request down to the docstring of the Python function that it wants completed,
    from the first line of code before it."""
    signature = next((each for each in _PYTHON_SIGNATURE.finditer(prompt) if each[1] == name), None)
    if signature is None or not signature[0].endswith(":"):
        return ""
    docstring = _HAS_DOCSTRING.match(prompt, signature.end())
    body = _INDENTED.match(prompt, docstring.end() if docstring else signature.end())
    end = body.end() if body else len(prompt)
    fence = max(
        prompt.rfind("```", 0, signature.start()), prompt.rfind("~~~", 0, signature.start())
    )
    start = prompt.find("\n", fence) + 1 if fence >= 0 else 0
    first = _CODE_BEGINS.search(prompt, start, signature.end())
    code = prompt[first.start() if first else signature.start() : end]
    return code if code.endswith("\n") else f"{code}\n"


@lru_cache(maxsize=4096)
def parameters_of(prompt: str, name: str) -> tuple[str, ...] | None:
    """The positional parameters of ``name`` in the Python signature that the request shows; None
    where it shows none."""
    if "def " not in prompt:
        return None
    signatures = {match[1]: match[2] for match in _PYTHON_SIGNATURE.finditer(prompt)}
    if name not in signatures:
        return None
    tree = python_tree(f"def f({signatures[name]}): pass")
    if tree is None:
        return None
    # The text between the brackets is a list of parameters, or the tree would not have parsed.
    arguments = tree.body[0].args  # type: ignore[attr-defined]  # a FunctionDef, as written above
    return tuple(arg.arg for arg in (*arguments.posonlyargs, *arguments.args))
