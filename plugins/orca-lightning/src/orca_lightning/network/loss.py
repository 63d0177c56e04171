"""The summed cross-entropy of responses, as a module: the root of what is sharded, so its forward pass is the only way in."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from orca_lightning.network.attention import Scope
from orca_lightning.network.model import Model

IGNORED = -100
"""The label of a target that does not count, as in ``torch.nn.functional.cross_entropy``."""


class ResponseLoss(nn.Module):
    """Cross-entropy at the supervised positions of flattened rows; nothing else passes through the output layer.

    Args:
        model: a causal language model that attends by scope (:mod:`orca_lightning.network.attention`).
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, ids: Tensor, positions: Tensor, scope: Scope, predict: Tensor, labels: Tensor, *, each: bool = False
    ) -> Tensor:
        """The sum over the targets in nats, or with ``each`` the loss of every target, ``[targets]`` (0 where ignored).

        Args:
            ids: ``[1, tokens]``.
            positions: ``[1, tokens]``.
            scope: what each token may attend to.
            predict: ``[targets]``: the tokens after which a supervised one comes.
            labels: ``[targets]``: the supervised tokens, or :data:`IGNORED`.
            each: whether to keep the targets apart.
        """
        output = self.model(input_ids=ids, position_ids=positions, scope=scope, logits_to_keep=predict, use_cache=False)
        logits = output.logits[0].float()
        return cross_entropy(logits, labels, reduction="none" if each else "sum")
