"""IFEval's 25 verifiable instructions as programs: does a text follow one?

Written from the descriptions in Zhou et al. 2023 (arXiv:2311.07911, table 1) and the names in the
benchmark's file. Matching of keywords is by substring without case, of forbidden words by whole
words, as published; sentences are counted by their ends, and languages are identified by py3langid,
where IFEval uses NLTK's and langdetect's models: those kinds may differ on single texts. What this
module does not do: the loose variant that tries the text without its first or last line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from .language import is_language

Arguments = dict[str, Any]


class Kind(NamedTuple):
    """``follows(text, arguments)``, and the arguments' names with their types; ``text`` comes
    stripped and not empty."""

    follows: Callable[[str, Arguments], bool]
    takes: dict[str, type]


RELATIONS = ("less than", "at least")


def related(count: int, relation: str, bound: int) -> bool:
    return count < bound if relation == "less than" else count >= bound


# -- keywords --------------------------------------------------------------------------------------


def _existence(text: str, arguments: Arguments) -> bool:
    folded = text.casefold()
    return all(keyword.casefold() in folded for keyword in arguments["keywords"])


def _frequency(text: str, arguments: Arguments) -> bool:
    return related(
        text.casefold().count(arguments["keyword"].casefold()),
        arguments["relation"],
        arguments["frequency"],
    )


def _forbidden(text: str, arguments: Arguments) -> bool:
    return not any(
        re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.I)
        for word in arguments["forbidden_words"]
    )


def _letters(text: str, arguments: Arguments) -> bool:
    count = text.casefold().count(arguments["letter"].casefold())
    return related(count, arguments["let_relation"], arguments["let_frequency"])


# -- lengths ---------------------------------------------------------------------------------------

_SHORTENED = re.compile(
    r"\b(?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|etc|e\.g|i\.e|approx|No|Inc|Ltd|[A-Z])\.(?=\s)"
)
_SENTENCE = re.compile(r"[.!?…]+[\"'”’)\]*_]*(?=\s|\Z)|[。！？]+")


def sentences(text: str) -> int:
    """Ends of sentences; a last piece without one, and a line of its own, count as sentences
    too."""
    count = 0
    for block in re.split(
        r"\n\s*\n|\n(?=\s*(?:[-*#]|\d+\.)\s)", _SHORTENED.sub(lambda m: m[0][:-1], text)
    ):
        pieces = [
            piece
            for piece in _SENTENCE.split(re.sub(r"^\s*\d+\.\s", "", block))
            if re.search(r"\w", piece)
        ]
        count += len(pieces)
    return count


def words(text: str) -> int:
    return len(re.findall(r"\w+", text))


def _sentences(text: str, arguments: Arguments) -> bool:
    return related(sentences(text), arguments["relation"], arguments["num_sentences"])


def _words(text: str, arguments: Arguments) -> bool:
    return related(words(text), arguments["relation"], arguments["num_words"])


def _paragraphs(text: str, arguments: Arguments) -> bool:
    """Paragraphs stand between ``***`` dividers; an empty one is none."""
    parts = [part.strip() for part in re.split(r"\s?\*\*\*\s?", text)]
    inner = parts[1 if not parts[0] else 0 : -1 if not parts[-1] and len(parts) > 1 else None]
    return all(inner) and bool(len(inner) == arguments["num_paragraphs"])


def _nth_paragraph(text: str, arguments: Arguments) -> bool:
    """Paragraphs stand between empty lines; the n-th, from 1, begins with a word."""
    parts = [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]
    nth = arguments["nth_paragraph"]
    if len(parts) != arguments["num_paragraphs"] or not 1 <= nth <= len(parts):
        return False
    first = parts[nth - 1].split()[0].strip("\"'“”‘’*_.,!?:;()")
    return bool(first.casefold() == arguments["first_word"].casefold())


# -- content and format ----------------------------------------------------------------------------


def _placeholders(text: str, arguments: Arguments) -> bool:
    placeholders = re.findall(r"\[[^\[\]\n]+\]", text)
    return bool(len(placeholders) >= arguments["num_placeholders"])


def _postscript(text: str, arguments: Arguments) -> bool:
    """A last part that begins, on a line of its own, with the marker; spaces inside the marker are
    free."""
    marker = r"\s?".join(
        re.escape(char) for char in arguments["postscript_marker"].strip() if not char.isspace()
    )
    return re.search(rf"^\s*{marker}[ \t:]*\S", text, re.I | re.M) is not None


def _bullets(text: str, arguments: Arguments) -> bool:
    bullets = re.findall(r"^\s*(?:\*(?!\*)|[-•+])\s+\S", text, re.M)
    return bool(len(bullets) == arguments["num_bullets"])


_ANSWERS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")


def _constrained(text: str, arguments: Arguments) -> bool:
    return any(answer in text for answer in _ANSWERS)


def _highlights(text: str, arguments: Arguments) -> bool:
    marked = re.findall(r"\*\*[^\n*]+\*\*|(?<!\*)\*[^\n*]+\*(?!\*)", text)
    return bool(
        sum(bool(mark.strip("*").strip()) for mark in marked) >= arguments["num_highlights"]
    )


def _sections(text: str, arguments: Arguments) -> bool:
    mark = re.escape(arguments["section_spliter"].strip())
    sections = re.findall(rf"^[\s#*]*{mark}\s*(?:\d+|[IVXLC]+|[A-Z])\b", text, re.M)
    return bool(len(sections) >= arguments["num_sections"])


_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)\n?```", re.S | re.I)


def _json(text: str, arguments: Arguments) -> bool:
    fenced = _FENCED.fullmatch(text)
    try:
        json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        return False
    return True


def _title(text: str, arguments: Arguments) -> bool:
    return any(match.strip(" <>") for match in re.findall(r"<<([^\n]+?)>>", text))


# -- combinations, beginnings, ends, case, punctuation ---------------------------------------------


def _two_responses(text: str, arguments: Arguments) -> bool:
    parts = [part.strip() for part in text.split("******")]
    return len(parts) == 2 and all(parts) and parts[0] != parts[1]


def _repeats(text: str, arguments: Arguments) -> bool:
    return _plain(text).startswith(_plain(arguments["prompt_to_repeat"]))


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _ends(text: str, arguments: Arguments) -> bool:
    return _plain(text.strip("\"'“”")).endswith(
        _plain(arguments["end_phrase"].strip().strip("\"'“”"))
    )


def _quoted(text: str, arguments: Arguments) -> bool:
    return len(text) > 2 and text[0] == '"' and text[-1] == '"'


def _capital_words(text: str, arguments: Arguments) -> bool:
    count = sum(word.isupper() for word in re.findall(r"[\w'’-]+", text))
    return related(count, arguments["capital_relation"], arguments["capital_frequency"])


def _capital(text: str, arguments: Arguments) -> bool:
    return text.isupper() and is_language(text, "en")


def _lowercase(text: str, arguments: Arguments) -> bool:
    return text.islower() and is_language(text, "en")


def _no_comma(text: str, arguments: Arguments) -> bool:
    return "," not in text


KINDS: dict[str, Kind] = {
    "keywords:existence": Kind(_existence, {"keywords": list}),
    "keywords:frequency": Kind(_frequency, {"keyword": str, "relation": str, "frequency": int}),
    "keywords:forbidden_words": Kind(_forbidden, {"forbidden_words": list}),
    "keywords:letter_frequency": Kind(
        _letters, {"letter": str, "let_relation": str, "let_frequency": int}
    ),
    "language:response_language": Kind(
        lambda text, arguments: is_language(text, arguments["language"]), {"language": str}
    ),
    "length_constraints:number_sentences": Kind(
        _sentences, {"relation": str, "num_sentences": int}
    ),
    "length_constraints:number_paragraphs": Kind(_paragraphs, {"num_paragraphs": int}),
    "length_constraints:number_words": Kind(_words, {"relation": str, "num_words": int}),
    "length_constraints:nth_paragraph_first_word": Kind(
        _nth_paragraph, {"num_paragraphs": int, "nth_paragraph": int, "first_word": str}
    ),
    "detectable_content:number_placeholders": Kind(_placeholders, {"num_placeholders": int}),
    "detectable_content:postscript": Kind(_postscript, {"postscript_marker": str}),
    "detectable_format:number_bullet_lists": Kind(_bullets, {"num_bullets": int}),
    "detectable_format:constrained_response": Kind(_constrained, {}),
    "detectable_format:number_highlighted_sections": Kind(_highlights, {"num_highlights": int}),
    "detectable_format:multiple_sections": Kind(
        _sections, {"section_spliter": str, "num_sections": int}
    ),
    "detectable_format:json_format": Kind(_json, {}),
    "detectable_format:title": Kind(_title, {}),
    "combination:two_responses": Kind(_two_responses, {}),
    "combination:repeat_prompt": Kind(_repeats, {"prompt_to_repeat": str}),
    "startend:end_checker": Kind(_ends, {"end_phrase": str}),
    "startend:quotation": Kind(_quoted, {}),
    "change_case:capital_word_frequency": Kind(
        _capital_words, {"capital_relation": str, "capital_frequency": int}
    ),
    "change_case:english_capital": Kind(_capital, {}),
    "change_case:english_lowercase": Kind(_lowercase, {}),
    "punctuation:no_comma": Kind(_no_comma, {}),
}
