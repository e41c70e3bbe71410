"""Clients that mean harm, over plain sockets: half requests, broken ones, idle connections, keys
that are wrong. Each returns what the server made of it."""

from __future__ import annotations

import contextlib
import random
import socket
from concurrent.futures import ThreadPoolExecutor

import httpx

BROKEN = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
    b"GET /%00%ff%zz HTTP/1.1\r\nhost: HOST\r\n\r\n",
    b"GET //evil/..;/\xc3 HTTP/1.1\r\nhost: HOST\r\n\r\n",
    b"GET /login HTTP/9.9\r\nhost: HOST\r\n\r\n",
    b"POST /login HTTP/1.1\r\nhost: HOST\r\ncontent-length: -1\r\n\r\n",
    b"POST /login HTTP/1.1\r\nhost: HOST\r\ncontent-length: 99999999999999999999999\r\n\r\n",
    b"POST /login HTTP/1.1\r\nhost: HOST\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcde",
    b"POST /login HTTP/1.1\r\nhost: HOST\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nabc",
    b"POST /login HTTP/1.1\r\nhost: HOST\r\ntransfer-encoding: chunked\r\n\r\n5\r\nto",
    b"POST /login HTTP/1.1\r\nhost: HOST\r\ntransfer-encoding: gzip\r\n\r\n",
    b"POST /login HTTP/1.1\r\nhost: HOST\r\ncontent-length: 60\r\n\r\ntoken=",
    b"GET / HTTP/1.1\r\nhost: HOST\r\nx: " + b"y" * 70_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: HOST\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    b"GET /login HTTP/1.1\r\nhost: HOST\r\n\r\n" * 30,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nhost: HOST\r\n\r\n",
)
"""Requests that are none, or are cut off."""


def connect(port: int, timeout: float = 30.0) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=timeout)


def read_all(connection: socket.socket) -> bytes:
    """Until the server closes, or resets."""
    data = b""
    with contextlib.suppress(ConnectionError, TimeoutError):
        while part := connection.recv(65536):
            data += part
    return data


def half_sent(port: int, number: int, *, path: str = "/login", claimed: int = 4000) -> list[bytes]:
    """Bodies of which the first half comes and the second never does."""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-length: {claimed}\r\n"
        "content-type: application/x-www-form-urlencoded\r\n\r\n"
    )
    connections = [connect(port) for _ in range(number)]
    for connection in connections:
        with contextlib.suppress(ConnectionError):
            connection.sendall(head.encode() + b"x" * (claimed // 2))
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(read_all, connections))
    for connection in connections:
        connection.close()
    return answers


def cut_off(port: int, number: int, *, path: str = "/login", claimed: int = 8 << 20) -> None:
    """Large bodies whose client goes away in the middle."""
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-length: {claimed}\r\n\r\n"
    connections = [connect(port) for _ in range(number)]
    for connection in connections:
        connection.settimeout(2)
        with contextlib.suppress(OSError):
            connection.sendall(head.encode() + b"x" * min(claimed // 2, 4 << 20))
    for connection in connections:
        connection.close()


def broken(port: int) -> list[bytes]:
    """Every kind of broken request, once; the client stops sending and reads what comes."""
    answers = []
    for request in BROKEN:
        with connect(port, 15) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(request.replace(b"HOST", f"127.0.0.1:{port}".encode()))
                connection.shutdown(socket.SHUT_WR)
            answers.append(read_all(connection))
    return answers


def idle(port: int, number: int) -> list[socket.socket]:
    """Connections that say nothing."""
    return [connect(port) for _ in range(number)]


def wrong_keys(address: str, number: int, *, api: bool) -> list[int]:
    """Statuses of logins, or of requests with a key, that are wrong."""
    chance = random.Random(7)
    statuses = []
    with httpx.Client(base_url=address, timeout=60) as http:
        for _ in range(number):
            key = "".join(chance.choices("abcdefghijkmnopqrstuvwxyz", k=43))
            answer = (
                http.get("/v1/models", headers={"authorization": f"Bearer {key}"})
                if api
                else http.post("/login", data={"token": key})
            )
            statuses.append(answer.status_code)
    return statuses
