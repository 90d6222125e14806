"""Many clients at once: each sends a recording in real time, and compares the frames with those of `process`.

python load_test.py MODEL RECORDING --url ws://127.0.0.1:8000/stream --connections 50 --seconds 20
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
import urllib.request
from pathlib import Path

import numpy as np
import websockets

from amt_export import runtime
from amt_export.audio.calibration import calibration
from amt_export.audio.reader import AudioReader
from amt_export.corpus.frames import FrameReducer, frames_of

MESSAGE = 0.1  # s of audio; a tenth of a second is what capture programs deliver


async def client(url: str, audio: np.ndarray, fs: float, start: float, speed: float):
    """Send a recording; return the frames, the delay of each answer in s, and how late messages were sent."""
    delays, lags, rows = [], [], []
    size = round(MESSAGE * fs)
    async with websockets.connect(url, max_size=None, compression=None) as socket:
        hello = json.loads(await socket.recv())
        await asyncio.sleep(start)
        began = time.perf_counter()
        for k, at in enumerate(range(0, audio.shape[-1], size)):
            due = began + k * MESSAGE / speed
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            lags.append(time.perf_counter() - due)
            piece = np.ascontiguousarray(audio[..., at : at + size].T, "<f4")
            sent = time.perf_counter()
            await socket.send(piece.tobytes())
            rows.append(await socket.recv())
            delays.append(time.perf_counter() - sent)
        await socket.send("end")
        rows.append(await socket.recv())
    columns = len(hello["columns"])
    found = np.concatenate([np.frombuffer(row, "<f4").reshape(-1, columns) for row in rows])
    return found, delays, lags


async def main() -> None:
    """Run the clients, and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("recording", type=Path)
    parser.add_argument("--url", default="ws://127.0.0.1:8000/stream")
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--speed", type=float, default=1.0, help="times real time")
    given = parser.parse_args()
    model = runtime.load(given.model)
    fs = model.sampling_rate
    audio = AudioReader(given.recording, model.manifest, raw=True, diotic=True).read()[0]
    audio = np.tile(audio, 1 + int(given.seconds * fs / audio.shape[-1]))
    audio = audio[..., : round(given.seconds * fs)].astype(np.float32)
    async with websockets.connect(given.url, compression=None) as socket:
        hello = json.loads(await socket.recv())
    if hello["model"] != model.manifest.name:
        raise SystemExit(f"{given.url} serves {hello['model']}, not {model.manifest.name}")
    # The reader gave samples relative to full scale; the service says what that is.
    gain = np.float32(calibration(model.manifest, full_scale=hello["full_scale"])[0])
    expected = FrameReducer(frames_of(model.manifest)).rows(model.process(gain * audio))
    starts = np.linspace(0, MESSAGE, given.connections, endpoint=False)
    tasks = [client(given.url, audio, fs, start, given.speed) for start in starts]
    answers = await asyncio.gather(*tasks)
    delays = np.array([delay for _, each, _ in answers for delay in each])
    lags = np.array([lag for _, _, each in answers for lag in each])
    worst = max(float(np.max(np.abs(found - expected))) for found, _, _ in answers)
    with urllib.request.urlopen(
        given.url.replace("ws", "http", 1).replace("/stream", "/metrics")
    ) as page:
        lines = page.read().decode().splitlines()
    print(
        json.dumps(
            {
                "model": model.manifest.name,
                "connections": given.connections,
                "seconds_of_audio_each": given.seconds,
                "messages": len(delays),
                "frames": sum(len(found) for found, _, _ in answers),
                "worst_difference": worst,
                "delay_ms": {
                    f"p{q}": round(1e3 * float(np.percentile(delays, q)), 1) for q in (50, 95, 99)
                },
                "late_ms_p99": round(1e3 * float(np.percentile(lags, 99)), 1),
                "metrics": [
                    line for line in lines if line.startswith("amt_") and "created" not in line
                ],
            }
        )
    )


if __name__ == "__main__":
    asyncio.run(main())
