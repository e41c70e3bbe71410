"""``sentinel chat``: talk to checkpoints on a page, or by an OpenAI-compatible API."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from ..errors import BadInput
from ..store import find_home
from .console import err


def chat(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="RECIPE[:STAGE]", help="Which; none named: every tuned checkpoint."),
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port.")] = 8081,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    name: Annotated[
        list[str] | None, typer.Option(help="NAME:PORT as clients will send it; repeatable.")
    ] = None,
    experimental: Annotated[
        bool,
        typer.Option(
            "--experimental",
            help="Open named checkpoints without a passed format probe, loudly labelled.",
        ),
    ] = False,
) -> None:
    """Serve the chat page and ``/v1/chat/completions``. Closed unless SENTINEL_WEB_CHAT_DISABLED is 0, nobody trains, memory
    suffices and the format probe passed; asked again for every request. People and keys: sentinel review user add NAME.

    Example:

        SENTINEL_WEB_CHAT_DISABLED=0 sentinel chat tiny:sft tiny:dpo
    """
    from ..chat.models import full_name

    home = find_home()
    if experimental and not models:
        raise BadInput(
            "says not which checkpoint.",
            field="--experimental",
            fix="Name it: sentinel chat RECIPE:STAGE.",
        )
    if host not in ("127.0.0.1", "localhost", "::1") and not name:
        raise BadInput(
            f"listening on {host} needs the names that the server goes by.",
            field="--name",
            fix=f"--name chat.lan:{port}",
        )
    named = [full_name(home, one) for one in models or []]
    err.print(
        f"Chat: http://{(name or [f'{host}:{port}'])[0]}   (Ctrl-C stops it)", highlight=False
    )
    options = [f"--port={port}", f"--host={host}", *(f"--name={one}" for one in name or [])]
    options += ["--experimental"] if experimental else []
    os.execv(sys.executable, [sys.executable, "-m", "sentinel_pipeline.web.chat", *options, *named])
