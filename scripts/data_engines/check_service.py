"""The description and the limits of examples/service, tried on a server with 50 places."""

from __future__ import annotations

import argparse
import asyncio
import json

import numpy as np
import websockets

PLACES, LARGEST = 50, 1 << 20

# What examples/web reads, and tests/fake_service.mjs there sends.
KEYS = (
    "version model sampling_rate ears calibration full_scale quantity unit hop columns "
    "centre_frequencies block latency message_bytes"
)


async def check_hello(url: str) -> None:
    """Check what the service says of itself."""
    async with websockets.connect(url, compression=None) as socket:
        hello = json.loads(await socket.recv())
    if list(hello) != KEYS.split():
        raise SystemExit(f"the first message has {', '.join(hello)} instead of {KEYS}")
    channels = len(hello["columns"]) if hello["quantity"] == "level" else 0
    if len(hello["centre_frequencies"]) not in (channels, channels / 2):  # of two ears, once
        raise SystemExit(f"{len(hello['centre_frequencies'])} frequencies of {channels} channels")
    if hello["calibration"] != f"full-scale sine = {hello['full_scale']:g} dB SPL":
        raise SystemExit(f"full scale is {hello['full_scale']}, or {hello['calibration']}")
    if hello["message_bytes"] != LARGEST:
        raise SystemExit(f"messages of {hello['message_bytes']} bytes instead of {LARGEST}")


async def code_after(url: str, message: bytes | str) -> int:
    """Send one message; return the code with which the server closes."""
    async with websockets.connect(url, compression=None) as socket:
        await socket.recv()
        await socket.send(message)
        await socket.wait_closed()
        return socket.close_code


async def main(url: str) -> None:
    """Check the description, and try each limit."""
    await check_hello(url)
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
