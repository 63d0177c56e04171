"""Asking prompt by prompt: the engine in an event loop, and the threads around it."""
