"""Presets (thin YAML) for this plugin's components."""
