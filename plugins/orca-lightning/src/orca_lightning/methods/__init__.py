"""What methods that train in their own way share: rollouts, a frozen reference, weighted losses and what to log of the weights.

A method is a plugin with a config that names its training class (``LightningConfig.training``), a subclass of
:class:`orca_lightning.training.module.ResponseTraining`. Imports torch: for the training process alone.
"""

from orca_lightning.methods.reference import Reference
from orca_lightning.methods.rollouts import Rollout, Sampling, rollouts
from orca_lightning.methods.weights import WeightMeter, weighted_sum

__all__ = ["Reference", "Rollout", "Sampling", "WeightMeter", "rollouts", "weighted_sum"]
