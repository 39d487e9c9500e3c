"""TCP wires that can be cut: relays between processes and a server. They know nothing of what is said."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from contextlib import suppress

from cli.machine.ports import LOCALHOST

_PIECE = 1 << 16
_SEND_RESET = struct.pack("ii", 1, 0)


class Wires:
    """A thread with an event loop in which wires are laid; a context manager."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wires", daemon=True)
        self._laid: list[Wire] = []

    def __enter__(self) -> Wires:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for wire in self._laid:
            wire.cut()
            self._loop.call_soon_threadsafe(wire.close)
        asyncio.run_coroutine_threadsafe(_cancel_all(), self._loop).result(timeout=60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def lay(self, port: int) -> Wire:
        """A wire to a port of this machine."""
        wire = Wire(self._loop, port)
        asyncio.run_coroutine_threadsafe(wire.open(), self._loop).result(timeout=60)
        self._laid.append(wire)
        return wire


class Wire:
    """A port that leads to another one."""

    def __init__(self, loop: asyncio.AbstractEventLoop, target: int) -> None:
        self._loop, self._target = loop, target
        self._ends: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def open(self) -> None:
        """Listen; `port` is known afterwards."""
        self._server = await asyncio.start_server(self._connected, LOCALHOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Listen no more; for the loop's thread."""
        if self._server:
            self._server.close()

    def cut(self) -> int:
        """Reset every connection over this wire; returns how many. New ones are possible at once."""
        return asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(timeout=60)

    async def _cut(self) -> int:
        ends = list(self._ends)
        for end in ends:
            _reset(end)
        return len(ends) // 2

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(LOCALHOST, self._target)
        except OSError:
            _reset(writer)
            return
        pair = {writer, far_writer}
        self._ends |= pair
        try:
            await asyncio.gather(_carry(reader, far_writer), _carry(far_reader, writer))
        finally:
            self._ends -= pair


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What comes in goes out; an end is passed on, a reset resets."""
    try:
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        _reset(writer)
    finally:
        if reader.at_eof():
            with suppress(OSError):
                writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    end = writer.get_extra_info("socket")
    if end is not None:
        with suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _SEND_RESET)
    writer.transport.abort()


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
