"""The presets, a package so that Hydra finds them as ``pkg://orca_benchmarks.conf``."""
