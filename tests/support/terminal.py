"""Commands on a terminal of their own, and what they wrote there."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time

from support.cli import INTERRUPTIBLE, ROOT, environment


def on_a_terminal(*arguments, stop_after: float | None = None, colour: bool = True, first=()):
    """Run amt-export on a terminal of 80 x 24; what it wrote and its exit code."""
    master, slave = pty.openpty()
    env = environment(*first) | {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LINES": "24"}
    env |= {} if colour else {"NO_COLOR": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, *map(str, arguments)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=env,
        cwd=ROOT,
        start_new_session=True,
    )
    os.close(slave)
    written = bytearray()

    def read() -> None:
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:  # what Linux says when the other end is closed
                return
            if not part:
                return
            written.extend(part)

    reader = threading.Thread(target=read)
    reader.start()
    if stop_after is not None:
        deadline = time.monotonic() + 60
        while b"x real time" not in written and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(stop_after)
        process.send_signal(signal.SIGINT)
    code = process.wait(timeout=60)
    reader.join(timeout=10)
    os.close(master)
    return written.decode(), code


def plain(text: str) -> list[str]:
    """Lines without their colours and movements."""
    bare = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "\n")
    return [line for line in bare.splitlines() if line.strip()]
