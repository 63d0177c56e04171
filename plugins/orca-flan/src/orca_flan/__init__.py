"""FLAN-v2 at full scale: judicious sampling of its collections, and the sixteen system messages."""
