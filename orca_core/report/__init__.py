"""What people see of a run or a sweep: terminal tables and self-contained pages, all made from ``report.json``."""

from orca_core.report.model import Report, load

__all__ = ["Report", "load"]
