"""The statistics behind every figure. Values of items lie in [0, 1] (0/1 for right or wrong, fractions for partial credit) where
nothing else is said; intervals are 95 % and two-sided; what resamples does so with a fixed seed, so that figures repeat.

- :mod:`~orca_core.stats.intervals`: of one figure: Wilson's, and those of items that come in clusters.
- :mod:`~orca_core.stats.scores`: a task's figure with all that belongs to it; macro averages.
- :mod:`~orca_core.stats.paired`: two subjects on the same items: McNemar's test, Holm's correction, what n items can tell.
- :mod:`~orca_core.stats.differences`: two subjects or recipes over several tasks (and seeds): bootstrap and sign-flip test.
- :mod:`~orca_core.stats.samples`: uniform samples of streams.

Of scipy, ``scipy.special`` alone is used: ``scipy.stats`` takes seconds to import.
"""

from orca_core.stats.differences import Difference, Outcomes, paired_difference
from orca_core.stats.intervals import Z95, cluster_bootstrap, wilson, wilson_clustered
from orca_core.stats.paired import McNemar, holm, mcnemar, minimum_detectable_effect, unpaired_detectable_effect
from orca_core.stats.samples import Reservoir, reservoir
from orca_core.stats.scores import AVERAGE, clustered, macro_average, proportion_score

__all__ = [
    "AVERAGE",
    "Z95",
    "Difference",
    "McNemar",
    "Outcomes",
    "Reservoir",
    "cluster_bootstrap",
    "clustered",
    "holm",
    "macro_average",
    "mcnemar",
    "minimum_detectable_effect",
    "paired_difference",
    "proportion_score",
    "reservoir",
    "unpaired_detectable_effect",
    "wilson",
    "wilson_clustered",
]
