"""Serve an application with bounds on what a client may cost: connections by number, by address and
by time; the landing page, the review pages and chat are all served from here.

A connection that its client keeps waiting (no request yet, half a body, an answer that nobody
reads) is closed after a while, and earlier where its place is needed. Forwarded addresses are
believed only from proxies that were named. What this module does not do: bound bodies and work
(``guard`` and ``limits`` do), or speak TLS.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterator, Sequence

import h11
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..ports import listen

MOST_CONNECTIONS = 256
MOST_OF_ONE_ADDRESS = 128
"""A trusted proxy, which stands for everybody, may have all of them."""
HEAD_S = 10.0
"""Time for a request's head, from the connection or from the first byte after an answer."""
READ_S = 20.0
READ_BYTES = 64 * 1024
"""A client that reads less than this of an answer in ``READ_S`` has gone to sleep."""
MOST_HEAD = 16 * 1024
THREADS = 8
"""Requests that are worked on at once; each is short, and each thread has memory of its own."""


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 of uvicorn with a clock on whatever waits for the client."""

    trusted: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
    """Addresses of proxies."""
    since: float = 0.0
    """When the connection began to wait for its client."""
    _timer: asyncio.TimerHandle | None = None
    _unread: int = 0
    _reading: asyncio.TimerHandle | None = None

    def connection_made(  # type: ignore[override]  # as its base narrows it
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(transport)
        address = self.address()
        own_connections = [peer for peer in self._peers() if peer.address() == address]
        crowded = len(own_connections) > MOST_OF_ONE_ADDRESS and not self._trusted(address)
        if crowded or len(self.connections) > MOST_CONNECTIONS:
            candidates = own_connections if crowded else list(self._peers())
            waiting = [peer for peer in candidates if peer is not self and peer.waits()]
            if not waiting:
                transport.write(
                    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\n"
                    b"content-length: 0\r\n\r\n"
                )
                transport.close()
                return
            min(waiting, key=lambda peer: peer.since).transport.abort()
        self.since = self.loop.time()
        self._watch()

    def _peers(self) -> Iterator[BoundedProtocol]:
        return (peer for peer in self.connections if isinstance(peer, BoundedProtocol))

    def address(self) -> str:
        return self.client[0] if self.client else ""

    def _trusted(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self.trusted)

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def waits(self) -> bool:
        """For its client: no whole request has come."""
        return not self._answering() or (self.cycle.more_body and not self.cycle.response_started)

    def _watch(self) -> None:
        if self._answering():
            self._unwatch()
        elif self._timer is None:
            self._timer = self.loop.call_later(HEAD_S, self._give_up)

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if not self._answering():
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        self._unwatch()
        self.since = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """A request that breaks off in its middle has an answer on its way already: that one ends
        too."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:
            self.transport.abort()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.transport.get_write_buffer_size()
        if self._reading is None:
            self._reading = self.loop.call_later(READ_S, self._read_on)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _read_on(self) -> None:
        unread = self.transport.get_write_buffer_size()
        if unread > self._unread - READ_BYTES:
            self.transport.abort()
            return
        self._unread = unread
        self._reading = self.loop.call_later(READ_S, self._read_on)

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
        super().connection_lost(exc)


class _FewThreads:
    """ASGI: bounds the threads that requests are worked on in, once the loop runs."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            from anyio.to_thread import current_default_thread_limiter

            current_default_thread_limiter().total_tokens = THREADS
        await self._app(scope, receive, send)


def serve(app: ASGIApp, host: str, port: int, *, trusted: Sequence[str] = ()) -> int:
    """Serve until a signal stops it; returns the exit code.

    Raises:
        BadInput: the port is taken, or the host is not this machine's.
    """
    listener = listen(host, port)
    server = uvicorn.Server(config(app, trusted))
    server.run(sockets=[listener])
    return 0 if server.started else 4


def config(app: ASGIApp, trusted: Sequence[str] = ()) -> uvicorn.Config:
    """uvicorn's settings."""
    networks = tuple(ipaddress.ip_network(address) for address in trusted)
    named = type("NamedProxies", (BoundedProtocol,), {"trusted": networks})
    return uvicorn.Config(
        _FewThreads(app),
        http=named,
        ws="none",
        lifespan="on",
        log_level="warning",
        server_header=False,
        proxy_headers=bool(trusted),
        forwarded_allow_ips=list(trusted),
        h11_max_incomplete_event_size=MOST_HEAD,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=3,
    )
