"""A task with many right ways: reduce a chain of digits to one, replacing two neighbours by their sum modulo 10, in any order.

``3 8 1 4`` may become ``1 1 4``, ``3 9 4`` or ``3 8 5``; the last digit is the same whatever the order. A single stored answer
shows one way of many, and each step can be checked by itself: for methods that learn from few answers, from several, or from
a teacher that is wrong in places.
"""

from orca_reasoning.chains.evaluator import CHAINS_EVALUATOR
from orca_reasoning.chains.reducer import REDUCER
from orca_reasoning.chains.sampler import CHAINS
from orca_reasoning.chains.verifier import CHAIN_STEPS

__all__ = ["CHAINS", "CHAINS_EVALUATOR", "CHAIN_STEPS", "REDUCER"]
