"""What methods that train in their own way share.

Rollouts, small corpora of them (:mod:`~orca_lightning.methods.sequences`), answers cut into steps, a frozen reference, weighted
losses and what to log of the weights, and what is kept on the disk for a training that goes on.

A method is a plugin with a config that names its training class (``LightningConfig.training``), a subclass of
:class:`orca_lightning.training.module.ResponseTraining`. Imports torch: for the training process alone.
"""

from orca_lightning.methods.kept import kept
from orca_lightning.methods.reference import Reference
from orca_lightning.methods.rollouts import Rollout, Sampling, rollouts
from orca_lightning.methods.segments import Segmenter
from orca_lightning.methods.weights import WeightMeter, weighted_sum

__all__ = ["Reference", "Rollout", "Sampling", "Segmenter", "WeightMeter", "kept", "rollouts", "weighted_sum"]
