"""An exported data set onto the Hugging Face Hub, by ``datasets``: as Parquet, a config for each phase, with its card.

The token is the one that Hugging Face's own tools use (``hf auth login``, ``HF_TOKEN``); it is never read here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from orca_core.errors import UserError
from orca_core.formats import DATA, DETAILS

if TYPE_CHECKING:
    from datasets import Dataset


def check_token() -> None:
    """Raise UserError if nobody is logged in: to be known before an export of hours rather than after."""
    from huggingface_hub import get_token

    if get_token() is None:
        raise UserError("--push-to-hub needs a Hugging Face token with write access: `hf auth login`, or HF_TOKEN")


def push(directory: Path, repo: str, *, private: bool) -> str:
    """Upload an export; returns the address of the data set.

    Raises:
        UserError: refused, or not reachable; the export itself stays as it is.
    """
    from huggingface_hub import DatasetCard, HfApi

    card = DatasetCard.load(directory / "README.md")
    # what it says of the local files: datasets adds its own as it uploads
    configs, shapes = card.data.pop("configs"), card.data.pop("dataset_info", [])
    fields = {shape["config_name"]: shape["features"] for shape in shapes}
    with _refusals_told(repo, directory):
        api = HfApi()
        url = api.create_repo(repo, repo_type="dataset", private=private or None, exist_ok=True)
        api.upload_file(path_or_fileobj=str(card).encode(), path_in_repo="README.md", repo_id=repo, repo_type="dataset")
        for config in configs:
            _push_config(directory, repo, config["config_name"], config["data_files"][0]["path"], fields)
    return str(url)


def _push_config(directory: Path, repo: str, name: str, pattern: str, fields: dict[str, Any]) -> None:
    """Upload a phase, and its details as a config of their own."""
    files = sorted(directory.glob(pattern))
    details = sorted((directory / DETAILS / files[0].relative_to(directory / DATA).parent).glob("*.parquet"))
    with TemporaryDirectory(dir=directory.parent) as cache:
        _load(files, fields.get(name), cache).push_to_hub(repo, config_name=name)
        if details:
            beside = DETAILS if name == "default" else f"{name}-{DETAILS}"
            _load(details, None, cache).push_to_hub(repo, config_name=beside)


def _load(files: Sequence[Path], fields: Any, cache: str) -> Dataset:
    """Files as a data set, on the disk. JSON row by row: Arrow's own reader takes texts that look like dates for dates."""
    from datasets import Dataset

    if fields is None:
        return Dataset.from_parquet(list(map(str, files)), cache_dir=cache)
    return Dataset.from_generator(_rows, features=_features(fields), gen_kwargs={"files": list(files)}, cache_dir=cache)


def _rows(files: Sequence[Path]) -> Iterator[Any]:
    for path in files:
        with path.open(encoding="utf-8") as file:
            yield from map(json.loads, file)


def _features(fields: Sequence[Any]) -> Any:
    """The features that a card's ``dataset_info`` lists: texts, and lists of objects of texts."""
    from datasets import Features, List, Value

    return Features({f["name"]: List(dict(_features(f["list"]))) if "list" in f else Value(f["dtype"]) for f in fields})


@contextmanager
def _refusals_told(repo: str, directory: Path) -> Iterator[None]:
    import httpx
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    kept = f"the export is whole in {directory}: `orca export {directory} --push-to-hub {repo}` tries again"
    try:
        yield
    except HFValidationError as error:
        raise UserError(
            f"--push-to-hub {repo}: no name of a data set ({' '.join(str(error).split())}); {kept}"
        ) from None
    except HfHubHTTPError as error:
        raise UserError(f"--push-to-hub {repo}: the Hub refused it: {_reason(error)}; {kept}") from None
    except (httpx.TransportError, ConnectionError) as error:
        raise UserError(f"--push-to-hub {repo}: the Hub cannot be reached ({error}); {kept}") from None


def _reason(error: Exception) -> str:
    known = {
        401: "the token is not valid (401); `hf auth login` with another",
        403: "the token may not write there (403); use one with write access to this name",
        404: "there is no such user or organisation (404), or the token may not see it",
    }
    status = getattr(getattr(error, "response", None), "status_code", 0)
    return known.get(status, " ".join(str(error).split())[:300])
