from __future__ import annotations

import subprocess
import sys


def test_messages_need_neither_torch_nor_ray_nor_optuna() -> None:
    code = (
        "import sys; import hico_platform.search.messages; "
        "print([name for name in ('torch', 'numpy', 'ray', 'optuna', 'mlflow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
