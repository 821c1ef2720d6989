# SPDX-License-Identifier: MIT
"""A small client of the store's socket protocol for benchmarks: pipelined requests, nothing else."""
from __future__ import annotations

import socket
import struct
from collections.abc import Iterable

DIRECTORY, READ, WATCH, TRANSACTION_START, TRANSACTION_END = 1, 2, 4, 6, 7
WRITE, WATCH_EVENT, ERROR, SET_PERMISSIONS, DIRECTORY_PART = 11, 15, 16, 14, 22

Message = tuple[int, int, bytes]  # operation, transaction, payload


class StoreError(Exception):
    """The daemon answered with an error."""


class StoreClient:
    """One connection. Watch events are counted and dropped."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(120)
        self._socket.connect(path)
        self._buffer = b""
        self.events = 0

    def close(self) -> None:
        self._socket.close()

    @staticmethod
    def encode(message: Message) -> bytes:
        operation, transaction, payload = message
        return struct.pack("<IIII", operation, 1, transaction, len(payload)) + payload

    def _reply(self) -> tuple[int, bytes]:
        while True:
            if len(self._buffer) >= 16:
                operation, _, _, length = struct.unpack_from("<IIII", self._buffer)
                if len(self._buffer) >= 16 + length:
                    payload = self._buffer[16:16 + length]
                    self._buffer = self._buffer[16 + length:]
                    if operation != WATCH_EVENT:
                        return operation, payload
                    self.events += 1
                    continue
            part = self._socket.recv(1 << 16)
            if not part:
                raise StoreError("the daemon closed the connection")
            self._buffer += part

    def send(self, message: Message) -> None:
        """Sends a request whose reply nobody waits for."""
        self._socket.sendall(self.encode(message))

    def call(self, operation: int, payload: bytes, transaction: int = 0) -> bytes:
        self._socket.sendall(self.encode((operation, transaction, payload)))
        answer, body = self._reply()
        if answer == ERROR:
            raise StoreError(body.rstrip(b"\0").decode())
        return body

    def batch(self, messages: Iterable[Message], in_flight: int = 16) -> None:
        """Sends all messages with a fixed number of requests under way."""
        pending: list[bytes] = [self.encode(message) for message in messages]
        for start in range(0, len(pending), in_flight):
            chunk = pending[start:start + in_flight]
            self._socket.sendall(b"".join(chunk))
            for _ in chunk:
                operation, body = self._reply()
                if operation == ERROR:
                    raise StoreError(body.rstrip(b"\0").decode())

    def transaction(self, changes: Iterable[tuple[bytes, bytes]], in_flight: int = 1) -> None:
        """Starts a transaction, writes the nodes and commits."""
        number = int(self.call(TRANSACTION_START, b"\0").rstrip(b"\0"))
        self.batch([(WRITE, number, path + b"\0" + value) for path, value in changes], in_flight)
        self.call(TRANSACTION_END, b"T\0", number)

    def list_all(self, path: bytes) -> int:
        """The number of children of a directory, read the way libxenstore does."""
        try:
            return self.call(DIRECTORY, path + b"\0").count(b"\0")
        except StoreError:
            names = b""
            while True:
                part = self.call(DIRECTORY_PART, path + b"\0%d\0" % len(names))
                names += part[part.index(b"\0") + 1:]
                if names.endswith(b"\0\0") or names in (b"", b"\0"):
                    return names.count(b"\0") - 1
