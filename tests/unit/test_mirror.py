"""A module's test has its name: tests/unit mirrors the package, and what does not is named here with the reason."""

from __future__ import annotations

import re
from pathlib import Path

import hico_platform

PACKAGE = Path(hico_platform.__file__).parent
TESTS = Path(__file__).parent

NO_TEST = {
    "cli/overlap_option.py": "one option",
    "cli/views/clock.py": "one format, in every progress line that is tested",
    "data/layouts/common.py": "a layout's joints",
    "data/layouts/images.py": "joints of layouts",
    "data/layouts/kinect.py": "joints of layouts",
    "data/layouts/motion_capture.py": "joints of layouts",
    "evaluate/tasks/base.py": "an interface",
    "search/cost.py": "two records",
    "search/events.py": "an interface",
    "search/execution.py": "an interface",
    "search/ray_executor/worker_message.py": "records",
    "search/task.py": "records",
    "search/task_source.py": "an interface",
}
"""Modules that declare and do nothing."""

TESTED_IN = {
    "tracking/tracker_server.py": "tracking/test_tracker_process.py",
    "api/asked_search.py": "api/test_search.py",
    "build.py": "train/test_session.py",
    "cli/views/body.py": "cli/test_data_info.py",
    "commands/figure_data.py": "commands/test_evaluation_files.py",
    "commands/evaluation_report.py": "commands/test_evaluate.py",
    "data/import_report.py": "data/test_importing.py",
    "data/layouts/built_in.py": "data/layouts/test_layouts.py",
    "data/readers/motion_capture.py": "data/readers/test_amc.py",
    "evaluate/data.py": "evaluate/test_downstream.py",
    "export/description.py": "export/test_folder.py",
    "jobs/kuberay_network.py": "jobs/test_kuberay.py",
    "jobs/kuberay_pods.py": "jobs/test_kuberay.py",
    "jobs/slurm_parts.py": "jobs/test_slurm_script.py",
    "model/downsampling.py": "model/test_golden.py",
    "model/embedding.py": "model/test_golden.py",
    "model/released_architecture.py": "model/test_released_checkpoint.py",
    "tracking/base.py": "tracking/test_memory.py",
}
"""Modules whose tests are of several together: golden tensors, contracts of an interface, whole files."""

TESTED_TOGETHER = {
    "ops": "model/test_golden.py",
    "ops/cpu": "ops/cpu/test_kernels.py",
    "ops/cuda": "ops/cuda/test_gpu_kernels.py",
}
"""Folders whose modules are each compared with PyTorch by one table of cases."""


def has_own_test(module: Path) -> bool:
    folder = TESTS / module.parent
    return any((folder / f"test_{name}.py").is_file() for name in (module.stem, module.stem.lstrip("_")))


def modules() -> list[Path]:
    found = (file.relative_to(PACKAGE) for file in sorted(PACKAGE.rglob("*.py")))
    return [module for module in found if not module.name.startswith("__")]


def test_every_module_has_a_test_file_of_its_name_or_is_named_here() -> None:
    excused = NO_TEST.keys() | TESTED_IN.keys()
    lacking = [
        str(module)
        for module in modules()
        if not has_own_test(module) and str(module) not in excused and str(module.parent) not in TESTED_TOGETHER
    ]
    assert lacking == [], "write tests/unit/FOLDER/test_MODULE.py, or say here where it is tested, or why it is not"


def test_what_is_named_here_is_there_and_has_no_test_file_of_its_own() -> None:
    there = {str(module) for module in modules()}
    assert NO_TEST.keys() | TESTED_IN.keys() <= there
    assert [name for name in (*NO_TEST, *TESTED_IN) if has_own_test(Path(name))] == []
    assert not NO_TEST.keys() & TESTED_IN.keys()
    for test in (*TESTED_IN.values(), *TESTED_TOGETHER.values()):
        assert (TESTS / test).is_file(), test


def test_all_of_e2e_is_marked() -> None:
    """``make unit`` does not import that folder."""
    marked = re.compile(r"^pytestmark = \[?\s*pytest\.mark\.e2e\b", re.MULTILINE)
    files = [*(TESTS.parent / "e2e").glob("test_*.py")]
    assert files
    assert [file.name for file in files if not marked.search(file.read_text())] == []
