"""Makes the policy document that a configuration needs; pure."""

from __future__ import annotations

from fanout.commands.infra.described import Described, Document
from fanout.commands.infra.permissions import policy
from fanout.commands.infra.uses import Verb, placeholders, uses_of
from fanout.config.model import Config


def grant(config: Config, verb: Verb, described: Described, *, account_id: str | None) -> Document:
    """Return the policy of `verb`.

    Args:
        config: The configuration of the run.
        verb: What the role is to do.
        described: The endpoint.
        account_id: The account, where a person says so.

    Raises:
        UsageError: The configuration names no endpoint, or is for the local AWS.
    """
    uses = uses_of(config, verb, endpoint=described.endpoint, region=described.region, account_id=account_id)
    standing = placeholders(uses.account, uses.topics, uses.results)
    why = described.why_not or "Its configuration does not tell where in S3 its outputs stand."
    return Document(policy(uses), standing, why if standing else "")
