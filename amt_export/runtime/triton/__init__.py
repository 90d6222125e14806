"""Models on a Triton inference server: the repository that it serves, and the backend that calls it.

::

    model = runtime.load("triton://host:8001/gammatone_speech_16k")
    subbands = model.process(audio)["subbands"]
    with model.stream() as stream: ...
"""

from amt_export.runtime.triton.client import SCHEME, TritonBackend, load
from amt_export.runtime.triton.config import RepositoryOptions
from amt_export.runtime.triton.repository import write_model

__all__ = ["SCHEME", "RepositoryOptions", "TritonBackend", "load", "write_model"]
