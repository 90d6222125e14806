"""A streaming service: audio in over a WebSocket, levels or loudness out.

    python app.py ../../artifacts/gammatone_speech_16k --port 8000

Each connection to /stream has a stream of its own. The server first sends a text: JSON with the model's
sampling rate, ears, hop, unit, columns and more (`hello` below). The client sends binary messages of float32
samples (little endian, relative to full scale, left and right in turns for two ears). The server answers each
one with a binary message of float32 frames (frames x columns, maybe none). The text "end" asks for the frames
that are still due, and ends the stream. /health and /metrics are for whoever watches the server.

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
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    generate_latest,
)

from amt_export import runtime
from amt_export.audio.calibration import calibration, full_scale_db
from amt_export.corpus.frames import LEVEL, FrameReducer, frames_of
from amt_export.errors import AmtExportError

# Close codes of RFC 6455.
BAD_DATA, TRY_LATER, IDLE = 1007, 1013, 1001

# Of the messages; a client refuses another one.
VERSION = 1


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


def hello(model: runtime.Model, limits: Limits, full_scale: float | None) -> dict[str, object]:
    """Return what a client must know before it sends sound, and before it reads frames.

    `hop` is in s, `centre_frequencies` in Hz (none for loudness), `full_scale` in dB SPL; `block` and `latency`
    are the model's, in samples; no message may be longer than `message_bytes`.
    """
    manifest = model.manifest
    frames, stream = frames_of(manifest), manifest.stream
    return {
        "version": VERSION,
        "model": manifest.name,
        "sampling_rate": model.sampling_rate,
        "ears": 2 if "ear" in model.inputs[0].axes else 1,
        "calibration": calibration(manifest, full_scale=full_scale)[1],
        "full_scale": full_scale_db(manifest) if full_scale is None else full_scale,
        "quantity": frames.quantity,
        "unit": frames.unit,
        "hop": frames.hop,
        "columns": frames.columns,
        "centre_frequencies": list(manifest.centre_frequencies) if frames.quantity == LEVEL else [],
        "block": stream.block,
        "latency": stream.latency,
        "message_bytes": limits.message,
    }


class Service:
    """One model and its connections.

    Parameters
    ----------
    folder : Path
        A published folder with a streaming form.
    limits : Limits
    full_scale : float, optional
        dB SPL RMS of a full-scale sine; default the model's convention.
    """

    def __init__(self, folder: Path, limits: Limits, full_scale: float | None = None) -> None:
        self.limits = limits
        self.metrics = Metrics()
        self.open = 0
        self.pool = ThreadPoolExecutor(limits.threads)
        self.model = runtime.load(folder)
        self.model.stream().close()  # opens the artifact now, and says so if there is none
        self.gain, _ = calibration(self.model.manifest, full_scale=full_scale)
        self.hello = json.dumps(hello(self.model, limits, full_scale))

    async def connection(self, socket: WebSocket) -> None:
        """Serve one client until it ends, leaves or errs."""
        await socket.accept()
        if self.open >= self.limits.connections:
            self.metrics.refused.inc()
            await socket.close(TRY_LATER, "all places are taken; try again later")
            return
        self.open += 1
        self.metrics.connections.set(self.open)
        session = Session(self.model, self.gain)
        try:
            await socket.send_text(self.hello)
            while await self.answer(socket, session):
                pass
        except (WebSocketDisconnect, RuntimeError):
            pass  # the client has left; there is nobody to tell
        except TimeoutError:
            await socket.close(IDLE, f"nothing came for {self.limits.idle:g} s")
        except (AmtExportError, ValueError) as error:
            self.metrics.errors.inc()
            await socket.close(BAD_DATA, str(error)[:120])  # a reason has 123 bytes at most
        finally:
            self.open -= 1
            self.metrics.connections.set(self.open)
            session.close()

    async def answer(self, socket: WebSocket, session: Session) -> bool:
        """Answer one message; False after the last one."""
        message = await asyncio.wait_for(socket.receive(), self.limits.idle)
        if message["type"] == "websocket.disconnect":
            return False
        run = asyncio.get_running_loop().run_in_executor
        if message.get("text") == "end":
            await self.send(socket, await run(self.pool, session.flush))
            await socket.close()
            return False
        content = message.get("bytes")
        if content is None:
            raise ValueError('a message is binary float32 samples, or the text "end"')
        samples, rows = await run(self.pool, session.push, content)
        self.metrics.samples.inc(samples)
        await self.send(socket, rows)
        return True

    async def send(self, socket: WebSocket, rows: np.ndarray) -> None:
        """Send frames as float32."""
        self.metrics.frames.inc(len(rows))
        await socket.send_bytes(rows.astype("<f4").tobytes())


def create_app(service: Service) -> FastAPI:
    """Return the application of a service."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI):
        yield
        service.pool.shutdown(cancel_futures=True)

    app = FastAPI(title="amt_export", lifespan=lifespan)
    app.websocket("/stream")(service.connection)

    @app.get("/health")
    async def health() -> dict[str, object]:
        return {
            "status": "ok",
            "model": service.model.manifest.name,
            "connections": service.open,
        }

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return app


def main() -> None:
    """Serve a model."""
    parser = argparse.ArgumentParser(description="a streaming service of one model")
    parser.add_argument("model", help="name or published folder of a model with a streaming form")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--connections", type=int, default=Limits.connections)
    parser.add_argument("--message-bytes", type=int, default=Limits.message)
    parser.add_argument("--idle", type=float, default=Limits.idle, help="s")
    parser.add_argument("--threads", type=int, default=Limits.threads)
    parser.add_argument("--full-scale", type=float, help="dB SPL RMS of a full-scale sine")
    given = parser.parse_args()
    limits = Limits(given.connections, given.message_bytes, given.idle, given.threads)
    app = create_app(Service(given.model, limits, given.full_scale))
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
