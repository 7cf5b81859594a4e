"""The connections of agents to the brokers of a home, as the brokers report them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, order=True)
class BrokerLink:
    """One connection of an agent to a ``broker``: its begin, and its origin (IP:PORT, as the broker sees it).

    ``token_ends`` is the expiry time of the token that the agent has shown, None if it is unknown.
    """

    since: datetime
    origin: str
    broker: str
    token_ends: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Presence:
    """The connections by instance id, oldest first; of every instance that has any.

    ``cloned`` are the instances whose identity several agents use: all of their connections were seen to answer.
    ``unknown`` is the reason why it is unknown if further ones are connected; empty if every broker has answered.
    """

    links: Mapping[str, Sequence[BrokerLink]] = field(default_factory=dict)
    cloned: frozenset[str] = frozenset()
    unknown: str = ""

    def is_connected(self, instance: str) -> bool | None:
        """Return True if the agent of an instance is connected, None if that is unknown."""
        return True if instance in self.links else None if self.unknown else False

    def shown(self, instance: str) -> Sequence[BrokerLink]:
        """Return the newest connection of an instance; of a cloned one all of them.

        An older connection of the same agent may be one that the broker does not know to be lost yet.
        """
        links = self.links.get(instance, ())
        return links if instance in self.cloned else links[-1:]

    def token_ends(self) -> dict[str, datetime]:
        """Return the expiry times of the tokens of connected agents, by instance id."""
        newest = {instance: links[-1].token_ends for instance, links in self.links.items()}
        return {instance: end for instance, end in newest.items() if end is not None}


def clone_text(presence: Presence, instance: str) -> str:
    """Return the sentence about a cloned instance; it follows its name."""
    origins = ", ".join(each.origin for each in presence.links[instance])
    return f"{len(presence.links[instance])} agents use its identity, from {origins}: a machine was cloned"


def clone_hint(name: str) -> str:
    """Return what to do about a cloned instance; ``name`` is quoted if it must be."""
    return (
        f"make the copy an instance of its own: assist instance install HOST --rotate, or run the file of assist "
        f"instance enroll there with --new; or shut out both: "
        f"assist broker revoke {name}, and install {name} again"
    )
