"""What a failure is called where people read it: what was wrong, where, and what to do."""

from __future__ import annotations

from typing import Final

from orca_core import OutOfBudgetError
from orca_core.responses import Cap, Spent, Worst
from orca_litellm import Budget
from orca_litellm.failures import Failure, Kind

KEPT: Final = "answers that arrived are kept, and the same command goes on from there"


def explain(failure: Failure, *, model: str, url: str, variable: str | None, tries: int) -> str:
    """Why the run stops.

    Args:
        model: with its provider.
        url: where it was asked.
        variable: the environment variable with the key, if one is named.
        tries: attempts, over all prompts, since the last reply.
    """
    match failure.kind:
        case Kind.KEY:
            name = variable or "the provider's key variable"
            todo = f"refused the key: {failure.text}. Put a valid one into {name}, or name another variable with api_key_env"
        case Kind.CREDIT:
            todo = f"is out of credit or quota: {failure.text}. Top it up and run again; {KEPT}"
        case Kind.MODEL:
            todo = f"does not exist: {failure.text}. Check model and api_base; GET {url}/models lists what there is"
        case Kind.SETTING:
            todo = f"does not accept the request: {failure.text}. Set what it names to null (temperature=null)"
        case Kind.TLS:
            todo = (
                f"offers no secure connection that can be trusted: {failure.text}. Check api_base; a private authority's "
                "certificate goes into a file that SSL_CERT_FILE names"
            )
        case Kind.RATE:
            todo = f"still limits the rate for a long time: {failure.text}. Run again then; {KEPT}"
        case Kind.DOWN:
            todo = f"cannot be reached ({tries} attempts): {failure.text}. Is it up? {KEPT.capitalize()}"
        case _:
            todo = (
                f"gave no usable answer to {tries} attempts, the last time: {failure.text}. "
                f"Is it up and well? {KEPT.capitalize()}"
            )
    return f"{model} at {url} {todo}"


def dead_reason(failure: Failure, tries: int) -> str:
    """Why one prompt was given up."""
    match failure.kind:
        case Kind.LENGTH:
            return f"prompt too long: {failure.text}"
        case Kind.REQUEST:
            return f"not accepted: {failure.text}"
        case Kind.RATE:
            return f"the rate limit did not let it through: {failure.text}"
        case _:
            return f"no usable answer to {tries} attempts, the last time: {failure.text}"


def refuses_everything(dead: int, reason: str, *, model: str) -> str:
    """Why the run stops after so many dead letters in a row."""
    return (
        f"{model} answered none of the last {dead} prompts, the last time: {reason}. "
        f"They are dead letters and are asked again by the next run; {KEPT}"
    )


def out_of_budget(budget: Budget, cap: Cap, spent: Spent, worst: Worst) -> OutOfBudgetError:
    """Which cap it was, what is spent, what the next request may take, and how to raise it."""
    lines = []
    maybe = f", ${spent.maybe_usd:,.4g} of it maybe billed" if spent.maybe_requests else ""
    if cap.usd is not None and spent.usd + (worst.usd or 0) > cap.usd:
        lines.append(
            f"${spent.usd:,.4g} of ${cap.usd:,.4g} are spent{maybe}, and the next request may cost ${worst.usd:,.4g}"
            f" (raise it, e.g. teacher.budget.usd={2 * (budget.usd or 1):g}, or lower teacher.max_tokens)"
        )
    if cap.tokens is not None and spent.tokens + worst.tokens > cap.tokens:
        lines.append(
            f"{spent.tokens:,} of {cap.tokens:,} tokens are spent, and the next request may take {worst.tokens:,}"
            f" (raise it, e.g. teacher.budget.tokens={2 * (budget.tokens or 1)}, or lower teacher.max_tokens)"
        )
    if cap.requests is not None and spent.requests + 1 > cap.requests:
        lines.append(
            f"{spent.requests:,} of {cap.requests:,} requests are sent (raise it, e.g. "
            f"teacher.budget.requests={2 * (budget.requests or 1)})"
        )
    return OutOfBudgetError(f"the budget of account '{budget.account}' is used up: {'; '.join(lines)}")
