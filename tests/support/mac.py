"""What the tests of the script for Macs share: the script as a module."""

from __future__ import annotations

import importlib.util
from types import ModuleType

from support.filters import ROOT

SCRIPT = ROOT / "scripts" / "check_on_mac.py"


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_on_mac", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


script = load_script()
