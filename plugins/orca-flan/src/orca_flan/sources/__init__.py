"""Where queries come from. Each module is one kind of source: its config (``kind: ...``) and its reader.

- :mod:`~orca_flan.sources.base`: what a source is, and what makes a row a bad one
- :mod:`~orca_flan.sources.cot`: FLAN's chain-of-thought TSV files, with their inversions
- :mod:`~orca_flan.sources.niv2`: Super-NaturalInstructions task files
- :mod:`~orca_flan.sources.files`: any JSONL, JSON, CSV or Parquet file, its columns mapped
"""
