"""The toy plugin's source and the overrides that run it."""

from pathlib import Path

TOY = Path(__file__).with_name("toy.py").read_text()
TOY_RUN = ("sampler=sums", "teacher=adder", "student=memory", "evaluator=[all-sums]", "curriculum=single")
