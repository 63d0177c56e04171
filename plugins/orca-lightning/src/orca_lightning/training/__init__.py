"""Training: packing, steps, the Lightning module, sharding, saved states, and the process that does it."""
