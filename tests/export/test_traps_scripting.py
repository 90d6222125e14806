"""The traps of scripting, which accepts less than tracing: ours is not caught in them."""

from __future__ import annotations

import pytest
import torch

from amt_export import modules
from amt_export.export.capture import quiet_torch

# 9. Scripting accepts less than tracing


@pytest.mark.parametrize("name", modules.__all__)
def test_trap_9_every_module_can_be_scripted(name):
    given = {
        "AdaptationLoops": {"fs": 16000},
        "CASPHairCell": {"fs": 16000},
        "DauHairCell": {"fs": 16000},
        "ModulationFilterbank": {"fc": [500.0], "fs": 16000},
        "CASPFrontEnd": {"fc": (500.0, 1000.0), "fs": 16000, "n_channels": 2},
        "FrameLevels": {
            "filterbank": modules.GammatoneFilterbank((500.0, 1000.0), 16000),
            "hop": 160,
        },
        "MiddleEarFilter": {"fs": 16000},
        "OuterEarFilter": {"fs": 16000},
        "GammatoneFilterbank": {"fc": (500.0, 1000.0), "fs": 16000},
        "DRNLFilterbank": {"fc": (500.0, 1000.0), "fs": 16000, "n_channels": 2},
        "FastDRNLFilterbank": {"fc": (1e3, 2e3), "fs": 16000, "n_channels": 2, "ir_length": 256},
    }
    module = getattr(modules, name)(**given.get(name, {})).eval()
    with quiet_torch():
        assert torch.jit.script(module).code
