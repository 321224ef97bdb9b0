"""The state of a strategy with all its parts, between two iterations or two sessions."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import nn

from clsim.experiment.checkpoint.codec import NotStorable, State, pack
from clsim.experiment.checkpoint.frozen_weights import FrozenWeights
from clsim.experiment.checkpoint.plugin_state import PluginState, state_of
from clsim.plugins.protocols import Rebuilds, RebuildsAmid, RebuildsEnd
from clsim.training import SessionPlanner, Strategy
from clsim.training.phases import Phase
from clsim.utils.rng_state import random_state, set_random_state
from clsim.utils.template import Template

PLANNED = ("train_epochs", "train_mb_size")
NUMBERS = (*PLANNED, "images_trained", "_stop_training")
TRAINING = ("after_training_iteration", "after_training_epoch")
"""Callbacks of metrics whose state changes within a session."""


class Snapshots(SupervisedPlugin[Any]):
    """Returns and restores the state of a strategy: model, optimizer, plugins, metrics, random generators.

    Create it before the run begins. It is the first plugin, so that it sees every model before it is trained.

    Objects that a plugin creates when a session begins and releases when it ends (a teacher, prototypes) are not
    stored. A resumed session begins from the state between sessions, as it did the first time, and then loads the state
    within the session. Only the *structure* of a model must be available without training. A plugin that exchanges
    models has ``rebuild(strategy)``, which does so for ``strategy.experience`` with any weights, ``rebuild_end`` for
    the end of a session, and ``rebuild_amid(strategy, state)`` for an exchange within a session.

    Args:
        strategy: Strategy with all its plugins.
        frozen: Registry of frozen weights; a new one by default. Strategies on the same frozen weights share one, so
            that these are hashed once.

    """

    phase: ClassVar[Phase] = Phase.SNAPSHOT

    def __init__(self, strategy: Strategy, frozen: FrozenWeights | None = None) -> None:
        super().__init__()
        self.strategy = strategy
        metrics = list(strategy.evaluator.metrics)
        known = [strategy, *strategy.plugins, *metrics, *strategy.model.modules()]
        plugins = [plugin for plugin in strategy.plugins if plugin is not strategy.evaluator]
        self._plugins = [state_of(plugin, known) for plugin in plugins]
        self._metrics = [state_of(metric, known) for metric in metrics]
        self.frozen = frozen or FrozenWeights()
        self.frozen.note(strategy.model)

    def before_training_exp(self, strategy: Template, **kwargs: Any) -> None:
        """Register the frozen weights of the session's model."""
        self.frozen.note(strategy.model)

    def obstacle(self) -> str | None:
        """Return why the strategy's state cannot be stored; ``None`` if it can."""
        try:
            pack([part.state() for part in (*self._plugins, *self._metrics)])
        except NotStorable as error:
            return str(error)
        return None

    def between_sessions(self) -> State:
        """Return the state after a session, from which the next one begins."""
        return {**self._common(), "metrics": [_named(metric) for metric in self._metrics]}

    def amid(self) -> State:
        """Return the state between two iterations, without the parts that change only between sessions."""
        state = self._common()
        state["optimizer"] = self.strategy.optimizer.state_dict()
        state["modes"] = [name for name, module in self.strategy.model.named_modules() if not module.training]
        state["metrics"] = [_named(metric) for metric in self._amid]
        return state

    def restore_between_sessions(self, state: State, experiences: Any) -> None:
        """Restore the state after some sessions in a new strategy.

        Args:
            state: State from :meth:`between_sessions`.
            experiences: Sessions that it was trained on, in their order.

        Raises:
            ValueError: The state does not fit the strategy.

        """
        strategy = self.strategy
        for strategy.experience in experiences:
            for plugin in strategy.plugins:
                if isinstance(plugin, Rebuilds):
                    plugin.rebuild(strategy)
            for plugin in strategy.plugins:
                if isinstance(plugin, RebuildsEnd):
                    plugin.rebuild_end(strategy)
            strategy.model.to(strategy.device)
            self.frozen.note(strategy.model)
            strategy.make_optimizer()
        strategy.experience = None
        self._restore(state, self._metrics)

    def restore_amid(self, state: State) -> None:
        """Restore the state between two iterations in a strategy whose session has begun.

        Raises:
            ValueError: The state does not fit the strategy.

        """
        for part, stored in zip(self._plugins, state["plugins"], strict=True):
            if isinstance(part.thing, RebuildsAmid):
                part.thing.rebuild_amid(self.strategy, stored["state"])
        self.frozen.note(self.strategy.model)
        self._restore(state, self._amid)
        off = set(state["modes"])
        for name, module in self.strategy.model.named_modules():
            module.training = name not in off

    @property
    def _amid(self) -> list[PluginState]:
        return [metric for metric in self._metrics if any(_listens(metric.thing, name) for name in TRAINING)]

    def _common(self) -> State:
        strategy = self.strategy
        self.frozen.note(strategy.model)
        return {
            "model": self.frozen.changed(strategy.model),
            "frozen": self.frozen.sha256(strategy.model),
            # A new optimizer for every session needs no state between two of them.
            "optimizer": None if strategy.makes_optimizer else strategy.optimizer.state_dict(),
            "scaler": None if strategy.scaler is None else strategy.scaler.state_dict(),
            "plugins": [_named(plugin) for plugin in self._plugins],
            "numbers": {name: getattr(strategy, name) for name in NUMBERS},
            "train_flops": strategy.train_flops.state_dict(),
            "order": strategy.order.get_state(),
            "random": random_state(strategy.device),
            "threads": torch.get_num_threads(),
        }

    def _restore(self, state: State, metrics: list[PluginState]) -> None:
        strategy = self.strategy
        _fill(strategy.model, state["model"], self.frozen, state["frozen"])
        if state["optimizer"] is not None:
            strategy.optimizer.load_state_dict(state["optimizer"])
        if strategy.scaler is not None:
            strategy.scaler.load_state_dict(state["scaler"])
        _restore_parts(self._plugins, state["plugins"])
        # Earlier versions measured less; a metric without state needs none.
        known = {each["is"] for each in state["metrics"]}
        metrics = [metric for metric in metrics if type(metric.thing).__name__ in known or metric.state()]
        _restore_parts(metrics, state["metrics"])
        # A planner decides these for every session; earlier versions stored the values of the session.
        planned = PLANNED if any(isinstance(plugin, SessionPlanner) for plugin in strategy.plugins) else ()
        for name in NUMBERS:
            if name not in planned:
                setattr(strategy, name, state["numbers"][name])
        strategy.train_flops.load_state_dict(state.get("train_flops"))
        strategy.order.set_state(state["order"])
        torch.set_num_threads(state["threads"])  # the rounding of sums depends on the number of threads
        set_random_state(state["random"], strategy.device)


def _named(part: PluginState) -> dict[str, State]:
    return {"is": type(part.thing).__name__, "state": part.state()}


def _restore_parts(parts: list[PluginState], states: list[dict[str, State]]) -> None:
    present, stored = [type(part.thing).__name__ for part in parts], [state["is"] for state in states]
    if present != stored:
        raise ValueError(f"the strategy has {', '.join(present)}; the checkpoint has {', '.join(stored)}")
    for part, state in zip(parts, states, strict=True):
        part.restore(state["state"])


def _fill(model: nn.Module, stored: dict[str, torch.Tensor], frozen: FrozenWeights, sha256: str) -> None:
    own = model.state_dict()
    strange = [name for name, value in stored.items() if name not in own or own[name].shape != value.shape]
    if strange:
        raise ValueError(f"the model has no parameter {strange[0]} of this shape")
    with torch.no_grad():
        for name, value in stored.items():
            own[name].copy_(value)
    # Parameters that were just written to count as changed, so the hash leaves them out.
    missing = [name for name in frozen.changed(model) if name not in stored]
    if missing:
        raise ValueError(f"the checkpoint has no parameter {missing[0]}")
    if frozen.sha256(model) != sha256:
        raise ValueError("the frozen weights of the model differ from those of the checkpoint")


def _listens(metric: Any, callback: str) -> bool:
    from avalanche.evaluation import PluginMetric

    return getattr(type(metric), callback, None) is not getattr(PluginMetric, callback, None)
