"""Hydra's callback that collates a sweep when its last job has ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback


class CollateSweep(Callback):
    """Prints the sweep's table and writes sweep.json and sweep.html into its directory."""

    def on_multirun_end(self, config: Any, **kwargs: Any) -> None:
        from rich.console import Console

        from orca_core.report.collate import collate
        from orca_core.report.sweep_terminal import print_sweep

        print_sweep(collate(Path(config.hydra.sweep.dir)), Console())
