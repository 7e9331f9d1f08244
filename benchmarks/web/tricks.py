"""What hostile and broken servers do to a fetcher. Each function takes the connection and does what its name says."""

from __future__ import annotations

import asyncio
import gzip
import io
import socket
import struct
import zlib
from collections.abc import Awaitable, Callable
from functools import cache

from PIL import Image

from benchmarks.web.server import Connection

Act = Callable[[Connection], Awaitable[None]]
BLOCK = bytes(2**16)
FOREVER_S = 3600.0
JPEG = "Content-Type: image/jpeg"
HEAD = f"HTTP/1.1 200 OK\r\n{JPEG}\r\n"


@cache
def picture() -> bytes:
    """A JPEG of 320 x 240 pixels."""
    file = io.BytesIO()
    Image.radial_gradient("L").resize((320, 240)).convert("RGB").save(file, "JPEG")
    return file.getvalue()


@cache
def large_picture(width: int, height: int) -> bytes:
    """A grey PNG of few bytes and many pixels, written directly since Pillow would hold all pixels in memory."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    pack = zlib.compressobj(9)
    rows = b"".join(pack.compress(bytes(1 + width)) for _ in range(height)) + pack.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@cache
def bomb() -> bytes:
    """256 MiB of zeros, as 256 KiB of gzip."""
    file = io.BytesIO()
    with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=9) as packed:
        for _ in range(2**12):
            packed.write(BLOCK)
    return file.getvalue()


async def serve(connection: Connection) -> None:
    await connection.send(200, picture(), JPEG)


def serve_bytes(content: Callable[[], bytes], *headers: str) -> Act:
    return lambda connection: connection.send(200, content(), *headers)


def fail(status: int, *headers: str) -> Act:
    return lambda connection: connection.send(status, b"", *headers)


async def say_nothing(connection: Connection) -> None:
    await asyncio.sleep(FOREVER_S)


async def drip(connection: Connection) -> None:
    """One byte per second."""
    await connection.raw(f"{HEAD}Content-Length: 100000\r\n\r\n".encode())
    while True:
        await connection.raw(picture()[:1])
        await asyncio.sleep(1)


async def pour(connection: Connection) -> None:
    """An endless body."""
    await connection.raw(f"{HEAD}\r\n".encode() + picture())
    while True:
        await connection.raw(BLOCK)


async def pour_chunks(connection: Connection) -> None:
    await connection.raw(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
    while True:
        await connection.raw(b"10000\r\n" + BLOCK + b"\r\n")


async def pour_headers(connection: Connection) -> None:
    await connection.raw(HEAD.encode())
    while True:
        await connection.raw(b"X-More: and more\r\n" * 100)


async def pour_announcements(connection: Connection) -> None:
    while True:
        await connection.raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
        await asyncio.sleep(0.01)


async def pour_redirect(connection: Connection) -> None:
    """A redirect with an endless body."""
    await connection.raw(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere.jpg\r\n\r\n")
    while True:
        await connection.raw(BLOCK)


async def one_huge_header(connection: Connection) -> None:
    await connection.send(200, picture(), JPEG, f"X-Huge: {'x' * 500_000}")


async def state_too_much(connection: Connection) -> None:
    await connection.send(200, picture(), JPEG, length=2 * len(picture()))
    connection.close()


async def state_too_little(connection: Connection) -> None:
    await connection.send(200, picture(), JPEG, length=len(picture()) // 2)
    connection.close()


async def state_terabytes(connection: Connection) -> None:
    await connection.send(200, picture(), JPEG, length=2**40)
    await asyncio.sleep(FOREVER_S)


async def state_nonsense(connection: Connection) -> None:
    await connection.raw(f"{HEAD}Content-Length: -5\r\n\r\n".encode() + picture())
    connection.close()


async def reset(connection: Connection) -> None:
    """Half a picture, then a TCP reset."""
    await connection.raw(f"{HEAD}Content-Length: {len(picture())}\r\n\r\n".encode() + picture()[:2000])
    await asyncio.sleep(0.05)
    line: socket.socket = connection.writer.get_extra_info("socket")
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.writer.transport.abort()


async def hang_up(connection: Connection) -> None:
    connection.close()


async def bad_chunks(connection: Connection) -> None:
    await connection.raw(f"{HEAD}Transfer-Encoding: chunked\r\n\r\nno number\r\n".encode() + picture())
    connection.close()


async def no_head(connection: Connection) -> None:
    """HTTP/0.9, or no HTTP at all."""
    await connection.raw(picture())
    connection.close()


def redirect(location: str) -> Act:
    return fail(302, f"Location: {location}")
