"""The limits of examples/service, tried on a server with 50 places."""

from __future__ import annotations

import argparse
import asyncio

import numpy as np
import websockets

PLACES, LARGEST = 50, 1 << 20


async def code_after(url: str, message: bytes | str) -> int:
    """Send one message; return the code with which the server closes."""
    async with websockets.connect(url, compression=None) as socket:
        await socket.recv()
        await socket.send(message)
        await socket.wait_closed()
        return socket.close_code


async def main(url: str) -> None:
    """Try each limit."""
    nan = np.array([0.0, np.nan], "<f4").tobytes()
    found = {
        "not finite": await code_after(url, nan),
        "no whole samples": await code_after(url, b"123"),
        "text": await code_after(url, "hello"),
        "too long": await code_after(url, bytes(LARGEST + 4)),
    }
    sockets = [await websockets.connect(url, compression=None) for _ in range(PLACES)]
    for socket in sockets:
        await socket.recv()
    late = await websockets.connect(url, compression=None)
    await late.wait_closed()
    found["one too many"] = late.close_code
    for socket in sockets:
        await socket.close()
    expected = {
        "not finite": 1007,
        "no whole samples": 1007,
        "text": 1007,
        "too long": 1009,
        "one too many": 1013,
    }
    if found != expected:
        raise SystemExit(f"{found} instead of {expected}")
    print(f"limits hold: {found}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", metavar="URL", help="such as ws://127.0.0.1:8000/stream")
    asyncio.run(main(parser.parse_args().url))
