"""The plan of a search in words: what a dry run prints."""

from __future__ import annotations

from hico_platform.amounts import shown_bytes
from hico_platform.cli.views.search_picture import shown_values
from hico_platform.search.search_plan import SearchPlan


def print_plan(plan: SearchPlan) -> None:
    """First trials, reports and their trials, epochs, time and GPU-hours."""
    for warning in plan.warnings:
        print(f"warning: {warning}")
    print("first trials:")
    for number, (values, origin) in enumerate(zip(plan.first, plan.origins, strict=True)):
        print(f"  {number}  {origin + ':':<12} {shown_values(values)}")
    print("expected trials at each report:")
    print("  " + ", ".join(f"epoch {epoch}: {count:.1f}" for epoch, count in plan.rungs.items()))
    print(f"expected epochs: {plan.epochs:.0f} of {plan.epochs_without_stopping} without stopping")
    if plan.gpus is None:
        print("GPUs: measured when the search begins; with --data on a machine that has one, now")
    elif plan.gpus:
        print(f"GPUs: {plan.gpus:g} a trial")
    print(_disk(plan))
    if plan.hours is None or plan.seconds_per_epoch is None or plan.seconds_evaluating is None:
        print("time: give --data to time a few steps of the first trials on this machine")
        return
    cost = "" if plan.gpu_hours is None else f", {plan.gpu_hours:.1f} GPU-hours"
    print(
        f"time: about {_duration(plan.hours * 3600)} with {plan.workers} trial{'s' * (plan.workers > 1)} at once{cost}"
        f"\n  {plan.seconds_per_epoch:.1f} s an epoch, {plan.seconds_evaluating:.1f} s of evaluation a trial, alone on"
        " this machine"
    )


def _disk(plan: SearchPlan) -> str:
    """How many checkpoints are kept, and their bytes where they were measured."""
    whole, encoders = plan.kept
    if plan.keeps_all:
        what = "checkpoints: all are kept (keep: in the space keeps fewer)"
    else:
        what = f"checkpoints: {whole:.1f} kept whole, {encoders:.1f} as encoders alone"
    if plan.bytes_on_disk is None or plan.bytes_at_most is None:
        return f"{what}; give --data to measure their bytes"
    end, most = shown_bytes(int(plan.bytes_on_disk)), shown_bytes(int(plan.bytes_at_most))
    return f"{what}; about {end} on disk at the end, at most {most} while it runs, besides MLflow's copies"


def _duration(seconds: float) -> str:
    if seconds < 90 * 60:
        return f"{max(1, round(seconds / 60))} min"
    return f"{seconds / 3600:.1f} hours" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"
