"""A streaming service: audio in over a WebSocket, levels or loudness out.

    python app.py ../../artifacts/gammatone_speech_16k --port 8000

Each connection to /stream has a stream of its own. The server first sends a text: JSON with the model's
sampling rate, ears, hop, unit and columns. The client sends binary messages of float32 samples (little endian,
relative to full scale, left and right in turns for two ears). The server answers each one with a binary message of
float32 frames (frames x columns, maybe none). The text "end" asks for the frames that are still due, and ends the
stream. /health and /metrics are for whoever watches the server.

There is no TLS and no login here: put it behind a proxy that has both.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import uvicorn
from fastapi import FastAPI, Response, WebSocket, WebSocketDisconnect
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest

from amt_export import runtime
from amt_export.audio.calibration import calibration
from amt_export.corpus.frames import FrameReducer, frames_of
from amt_export.errors import AmtExportError

# Close codes of RFC 6455.
TOO_LARGE, BAD_DATA, TRY_LATER, IDLE = 1009, 1007, 1013, 1001


@dataclass(frozen=True)
class Limits:
    """What one server allows.

    Parameters
    ----------
    connections : int
        At once; more are turned away.
    message : int
        Bytes of one message.
    idle : float
        s without a message after which a connection is closed.
    threads : int
        That run blocks; more than there are processors help nobody.
    """

    connections: int = 64
    message: int = 1 << 20
    idle: float = 30.0
    threads: int = os.cpu_count() or 1


class Metrics:
    """What /metrics tells."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        of = {"registry": self.registry}
        self.connections = Gauge("amt_connections", "open connections", **of)
        self.refused = Counter("amt_refused", "connections turned away", **of)
        self.errors = Counter("amt_errors", "connections ended for bad data", **of)
        self.samples = Counter("amt_samples", "samples received", **of)
        self.frames = Counter("amt_frames", "frames sent", **of)


class Session:
    """One stream: bytes of samples in, bytes of frames out; called in a thread of the pool, once at a time."""

    def __init__(self, model: runtime.Model, gain: float) -> None:
        self._stream = model.stream()
        self._reducer = FrameReducer(frames_of(model.manifest))
        self._ears = 2 if "ear" in model.inputs[0].axes else 1
        self._gain = np.float32(gain)

    def push(self, message: bytes) -> tuple[int, np.ndarray]:
        """Return the number of samples in a message, and the frames they complete."""
        if len(message) % (4 * self._ears):
            raise ValueError(f"a message holds whole float32 samples of {self._ears} ear(s)")
        audio = self._gain * np.frombuffer(message, "<f4")
        shaped = audio.reshape(-1, 2).T if self._ears == 2 else audio
        return shaped.shape[-1], self._reducer.rows(self._stream.push(shaped))

    def flush(self) -> np.ndarray:
        """Return the frames that are still due."""
        return self._reducer.rows(self._stream.flush())

    def close(self) -> None:
        """Let go of the stream."""
        self._stream.close()


def create_app(folder: Path, limits: Limits, full_scale: float | None = None) -> FastAPI:
    """Return the service of one model."""
    model = runtime.load(folder)
    frames = frames_of(model.manifest)
    gain, words = calibration(model.manifest, full_scale=full_scale)
    model.stream().close()  # opens the artifact now, and says so if there is no streaming form
    hello = json.dumps(
        {
            "model": model.manifest.name,
            "sampling_rate": model.sampling_rate,
            "ears": 2 if "ear" in model.inputs[0].axes else 1,
            "calibration": words,
            "quantity": frames.quantity,
            "unit": frames.unit,
            "hop": frames.hop,
            "columns": frames.columns,
        }
    )
    metrics = Metrics()
    pool = ThreadPoolExecutor(limits.threads)
    open_connections = 0

    @asynccontextmanager
    async def lifespan(_app: FastAPI):
        yield
        pool.shutdown(cancel_futures=True)

    app = FastAPI(title="amt_export", lifespan=lifespan)

    @app.get("/health")
    async def health() -> dict[str, object]:
        return {"status": "ok", "model": model.manifest.name, "connections": open_connections}

    @app.get("/metrics")
    async def metrics_text() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    @app.websocket("/stream")
    async def stream(socket: WebSocket) -> None:
        nonlocal open_connections
        await socket.accept()
        if open_connections >= limits.connections:
            metrics.refused.inc()
            await socket.close(TRY_LATER, "all places are taken; try again later")
            return
        open_connections += 1
        metrics.connections.set(open_connections)
        session = Session(model, gain)
        try:
            await socket.send_text(hello)
            await talk(socket, session)
        except (WebSocketDisconnect, RuntimeError):
            pass  # the client has left; there is nobody to tell
        except TimeoutError:
            await socket.close(IDLE, f"nothing came for {limits.idle:g} s")
        except (AmtExportError, ValueError) as error:
            metrics.errors.inc()
            await socket.close(BAD_DATA, str(error)[:120])  # a reason has 123 bytes at most
        finally:
            open_connections -= 1
            metrics.connections.set(open_connections)
            session.close()

    async def talk(socket: WebSocket, session: Session) -> None:
        loop = asyncio.get_running_loop()
        while True:
            message = await asyncio.wait_for(socket.receive(), limits.idle)
            if message["type"] == "websocket.disconnect":
                return
            if message.get("text") == "end":
                rows = await loop.run_in_executor(pool, session.flush)
                metrics.frames.inc(len(rows))
                await socket.send_bytes(rows.astype("<f4").tobytes())
                await socket.close()
                return
            content = message.get("bytes")
            if content is None:
                raise ValueError('a message is binary float32 samples, or the text "end"')
            if len(content) > limits.message:
                await socket.close(TOO_LARGE, f"a message has {limits.message} bytes at most")
                return
            samples, rows = await loop.run_in_executor(pool, session.push, content)
            metrics.samples.inc(samples)
            metrics.frames.inc(len(rows))
            await socket.send_bytes(rows.astype("<f4").tobytes())

    return app


def main() -> None:
    """Serve a model."""
    parser = argparse.ArgumentParser(description="a streaming service of one model")
    parser.add_argument("model", type=Path, help="a published folder with a streaming form")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--connections", type=int, default=Limits.connections)
    parser.add_argument("--message-bytes", type=int, default=Limits.message)
    parser.add_argument("--idle", type=float, default=Limits.idle, help="s")
    parser.add_argument("--threads", type=int, default=Limits.threads)
    parser.add_argument("--full-scale", type=float, help="dB SPL RMS of a full-scale sine")
    given = parser.parse_args()
    limits = Limits(given.connections, given.message_bytes, given.idle, given.threads)
    app = create_app(given.model, limits, given.full_scale)
    uvicorn.run(
        app,
        host=given.host,
        port=given.port,
        ws_max_size=limits.message,  # longer messages are refused before they are all in memory
        ws_per_message_deflate=False,  # samples hardly compress, and trying costs more than the model
        log_level="warning",
    )


if __name__ == "__main__":
    main()
