"""Check that a strategy puts the models of a stream into service.

A strategy that ignores them would look like one that withstands their arrival.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from clsim.config.checks.strategy import strategies_with_service
from clsim.config.scenario import ChosenStrategy
from clsim.config.signatures import read_signature
from clsim.plugins import ClipUpgrade, ModelReplacement, ModelUpgrade
from clsim.streams.settings import AnyStreamBlock
from clsim.training import Strategy
from clsim.utils.errors import UserError


@dataclass(frozen=True)
class Service:
    """Plugin that puts a stream's models into service, the key with the models, and its value for none."""

    plugin: type
    key: str
    without: str | None


SERVICES: Mapping[str, Service] = {
    "replacement": Service(ModelReplacement, "stream.replacements", "[]"),
    "upgrade": Service(ModelUpgrade, "stream.load", "null"),
    "text_upgrade": Service(ClipUpgrade, "stream.load", None),
}


def check_declared(chosen: ChosenStrategy, stream: AnyStreamBlock) -> None:
    """Check that the strategy's file declares such a plugin, if it has a constant ``REQUIRES``.

    Raises:
        UserError: It does not.

    """
    requires = read_signature(chosen.path).requires
    if requires is not None and stream.kind not in requires:
        raise _refusal(chosen.name, stream)


def check_composed(chosen: ChosenStrategy, stream: AnyStreamBlock, strategy: Strategy) -> None:
    """Check that a composed strategy has the plugin.

    Raises:
        UserError: It has not.

    """
    plugin = SERVICES[stream.kind].plugin
    if not any(isinstance(present, plugin) for present in strategy.plugins):
        raise _refusal(chosen.name, stream)


def _refusal(name: str, stream: AnyStreamBlock) -> UserError:
    service = SERVICES[stream.kind]
    able = strategies_with_service(stream.kind)
    fix = f"choose a strategy that does: {', '.join(able) or 'none here'}"
    if service.without is not None:
        fix += f"; or run without models: --set {service.key}={service.without}"
    what = f"models arrive in this stream, and the strategy {name} has no {service.plugin.__name__} to use them"
    return UserError(what, where=service.key, fix=fix)
