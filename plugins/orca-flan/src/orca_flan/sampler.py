"""The sampler ``flan``: inventory, draw, fetch, merge, messages.

Five million ids are chosen from the tasks' sizes before any text is read; then the sources are read through once, in a
stream, and only what was drawn is kept.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from orca_core.component import Context
from orca_core.errors import OrcaError
from orca_core.messages import Messages
from orca_core.records import Prompt, content_id
from orca_flan.config import FlanConfig
from orca_flan.counting import count_tasks
from orca_flan.draw import Draw, Quota, draw
from orca_flan.fetching import Fetch, Receipt, places
from orca_flan.inventory import Inventory, read_inventory
from orca_flan.merging import merge
from orca_flan.reading import Meter, Skipping

log = logging.getLogger("orca")


class FlanSampler:
    """Draws from FLAN's collections by the rules of its config; the same prompts for the same seed and content."""

    def __init__(self, config: FlanConfig, context: Context) -> None:
        self.config, self.context = config, context
        self.cache = context.cache / "flan"
        self.sources = {name: collection.source.open(name) for name, collection in config.collections.items()}
        self._pools: dict[str, dict[str, int]] | None = None

    def sample(self) -> Iterator[Prompt]:
        """The drawn queries in the draw's order, which mixes all collections uniformly, each with its system message.

        Raises:
            UserError: a source cannot be read, or has none of what is drawn of it.
        """
        drawn = self._draw()
        receipts, runs = self._fetch(drawn)
        self._pools = {name: self._pool(name, drawn, receipt) for name, receipt in receipts.items()}
        for name, pool in self._pools.items():
            if pool["taken"] < pool["wanted"]:
                log.warning("collections.%s: %d queries wanted, %d there", name, pool["wanted"], pool["taken"])
        messages = self._messages(receipts)
        for row in merge(runs):
            yield Prompt(row.query, row.system if messages is None else messages(row.query))

    def pools(self) -> Mapping[str, Mapping[str, int]]:
        """Of each collection what there was and what was taken: the counts of :meth:`_pool`.

        Raises:
            OrcaError: nothing was sampled yet.
        """
        if self._pools is None:
            raise OrcaError("pools() before sample() has come to its end")
        return self._pools

    def _draw(self) -> Draw:
        config = self.config
        if config.inventory is not None:
            inventory = read_inventory(config.inventory, {name: c.shape for name, c in config.collections.items()})
        else:
            inventory = self._count()
        return draw(inventory, {name: Quota(c.n, c.cap) for name, c in config.collections.items()}, self.context.seed)

    def _count(self) -> Inventory:
        """The inventory of the sources; left as a file too, to be looked at, and for machines that need not count again."""
        config, meter = self.config, Meter(self.context.progress)
        skipping = Skipping(stop=config.bad_rows == "stop", shown=0)
        inventory = count_tasks(config.collections, self.sources, self.cache, skipping, meter)
        text = inventory.csv()
        path = self.cache / f"inventory-{content_id(text)}.csv"
        if not path.exists():
            temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(path)
        log.info("counted %d tasks; without counting it is drawn the same by inventory=%s", len(inventory.tasks), path)
        return inventory

    def _fetch(self, drawn: Draw) -> tuple[dict[str, Receipt], list[Path]]:
        skipping = Skipping(stop=self.config.bad_rows == "stop")
        meter = Meter(self.context.progress, sum(task.size for task in drawn.inventory.tasks))
        all_places = places(drawn)
        receipts: dict[str, Receipt] = {}
        every: list[Path] = []
        for name, collection in self.config.collections.items():
            source = self.sources[name]
            fetch = Fetch(name, collection, source, drawn, all_places[name], self.cache, skipping, meter)
            receipts[name], runs = fetch()
            every += runs
        return receipts, every

    def _pool(self, name: str, drawn: Draw, receipt: Receipt) -> dict[str, int]:
        pool, quota = drawn.pools[name], drawn.quotas[name]
        tasks = zip(drawn.inventory.tasks, drawn.taken.tolist(), strict=True)
        return {
            "pool": pool["pool"],
            "tasks": pool["tasks"],
            "wanted": pool["capped"] if quota.n is None else quota.n,
            "taken": receipt.taken,
            "exhausted": sum(task.collection == name and task.size == taken for task, taken in tasks),
            "missing": pool["taken"] - receipt.taken,
            "skipped": receipt.skipped,
            "unlisted": receipt.unlisted.total(),
            "multiple_choice": receipt.multiple_choice,
        }

    def _messages(self, receipts: Mapping[str, Receipt]) -> Messages | None:
        if self.config.messages is None:
            return None
        shares = {name: r.multiple_choice / r.taken if r.taken else 0.0 for name, r in receipts.items()}
        return Messages(self.config.messages, shares, self.context.seed)
