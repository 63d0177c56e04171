"""Curation of explanation traces: refusals, duplicates, language, balance, and overlap with evaluation sets."""
