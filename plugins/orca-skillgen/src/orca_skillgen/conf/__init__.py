"""The experiment, a package so that Hydra finds it as ``pkg://orca_skillgen.conf``."""
