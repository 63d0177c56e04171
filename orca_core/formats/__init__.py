"""Other people's formats of training data, read and written: OpenOrca, SlimOrca, ShareGPT, Dolphin, Alpaca, chat messages."""

from orca_core.formats.base import Format
from orca_core.formats.known import EXPORTS, FormatName
from orca_core.formats.reading import DATA, DETAILS, read_prompts, read_traces

__all__ = ["DATA", "DETAILS", "EXPORTS", "Format", "FormatName", "read_prompts", "read_traces"]
