"""Presets: curriculum=scalelogic."""
