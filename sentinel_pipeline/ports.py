"""What a server listens on, the names it goes by and its numbers, read strictly before anything
starts.

A port that is taken, a host that is none of this machine's, a name that no client can send: each is
bad input. What this module does not do: serve.
"""

from __future__ import annotations

import errno
import ipaddress
import re
import socket
from collections.abc import Sequence

from .errors import BadInput

_NAME = re.compile(
    r"(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9._-]*[a-z0-9])?)(:[0-9]{1,5})?", re.IGNORECASE
)


def listen(host: str, port: int, *, option: str = "--port") -> socket.socket:
    """A socket that listens.

    Raises:
        BadInput: the port is out of range, taken or not ours to take, or the host is not this
            machine's.
    """
    if not 1 <= port <= 65535:
        raise BadInput(f"port {port} is out of range.", field=option, fix="Name 1 to 65535.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        fix = "Name an address of this machine."
        raise BadInput(f"{host[:80]!r} is not a host.", field="--host", fix=fix) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(256)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            fix = "Stop what uses it or name another."
            raise BadInput(f"port {port} is taken.", field=option, fix=fix) from None
        if isinstance(error, PermissionError):
            fix = "Name one above 1023."
            raise BadInput(f"port {port} needs more rights.", field=option, fix=fix) from None
        fix = "Name an address of this machine."
        raise BadInput(f"cannot listen on {host[:80]!r}.", field="--host", fix=fix) from None
    listener.set_inheritable(True)
    return listener


def require_free(host: str, port: int, *, option: str = "--port") -> None:
    """Try a port before it is shown as the address of something.

    Raises:
        BadInput: as ``listen``.
    """
    listen(host, port, option=option).close()


def names(clients_send: Sequence[str], port: int) -> frozenset[str]:
    """The names that a server answers to, as clients send them; of this machine where none is
    named.

    Raises:
        BadInput: a name that no client can send.
    """
    for name in clients_send:
        if not _NAME.fullmatch(name):
            fix = f"--name review.lan:{port}"
            raise BadInput(f"{name[:80]!r} is not NAME:PORT.", field="--name", fix=fix)
    of_this_machine = [f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")]
    return frozenset(name.lower() for name in clients_send or of_this_machine)


def proxies(addresses: Sequence[str]) -> list[str]:
    """Addresses or networks whose forwarded headers are believed.

    Raises:
        BadInput: one is neither.
    """
    for address in addresses:
        try:
            ipaddress.ip_network(address)
        except ValueError:
            raise BadInput(
                f"{address[:80]!r} is neither an address nor a network.",
                field="--trusted-proxy",
                fix="--trusted-proxy 10.0.0.2",
            ) from None
    return list(addresses)


def require_seconds(lease_seconds: float) -> None:
    """
    Raises:
        BadInput: a card would be given out at once, or never again.
    """
    if not 5 <= lease_seconds <= 7 * 86_400:
        problem = f"expected a number from 5 to {7 * 86_400}, not {lease_seconds}."
        raise BadInput(problem, field="--lease-seconds", fix="600 is ten minutes.")


def require_share(second_share: float) -> None:
    """
    Raises:
        BadInput: not a share.
    """
    if not 0 <= second_share <= 1:
        problem = f"expected a number from 0 to 1, not {second_share}."
        raise BadInput(problem, field="--second-share", fix="0.1 is a tenth of the cards.")
