from __future__ import annotations

from hico_platform.environment.variables import may_change_numbers, variables


def test_what_matters_is_kept_without_secrets() -> None:
    found = variables(
        {
            "OMP_NUM_THREADS": "4",
            "CUDA_VISIBLE_DEVICES": "0,1",
            "HICO_STORAGE": "postgresql://me:hunter2@host/study",
            "HICO_NOTIFY_KEY": "hunter2",
            "RAY_AUTH_TOKEN": "hunter2",
            "RAY_AUTH_TOKEN_PATH": "/run/token",
            "MLFLOW_TRACKING_PASSWORD": "hunter2",
            "HICO_NOTIFY": "slack://hunter2a/hunter2b/hunter2c",
            "HICO_CHAT": "https://hooks.slack.com/services/T1/B1/hunter2",
            "AWS_SECRET_ACCESS_KEY": "hunter2",
            "HOME": "/home/me",
            "CCACHE": "1",
            "SLURM_JOB_ID": "7",
            "RAY_LONG": "x" * 5000,
        }
    )
    assert "hunter2" not in str(found)
    assert {"AWS_SECRET_ACCESS_KEY", "HOME", "CCACHE"}.isdisjoint(found)
    assert found["OMP_NUM_THREADS"] == "4"
    assert found["HICO_STORAGE"] == "postgresql://me:***@host/study"
    assert found["HICO_NOTIFY_KEY"] == found["RAY_AUTH_TOKEN"] == "***"
    assert found["RAY_AUTH_TOKEN_PATH"] == "/run/token"
    assert len(found["RAY_LONG"]) == 2000
    assert list(found) == sorted(found)


def test_variables_of_arithmetic_may_change_numbers_and_places_do_not() -> None:
    for name in ("OMP_NUM_THREADS", "HICO_KERNELS", "NVIDIA_TF32_OVERRIDE", "TORCH_BLAS_PREFER_CUBLASLT"):
        assert may_change_numbers(name)
    for name in ("HICO_HOME", "RAY_ADDRESS", "TORCH_HOME", "TRITON_CACHE_DIR", "SLURM_JOB_ID", "CUDA_VISIBLE_DEVICES"):
        assert not may_change_numbers(name)
