"""The template every strategy is made from."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from avalanche.core import BasePlugin
from avalanche.evaluation import PluginMetric
from avalanche.models import MultiTaskModule
from avalanche.training.plugins import EvaluationPlugin
from avalanche.training.templates import SupervisedTemplate
from torch import Tensor, nn
from torch.nn import Parameter
from torch.optim import SGD, Optimizer

from clsim.data.core.images import Images
from clsim.data.core.transfer import moved
from clsim.streams.session import ResidentView, Session
from clsim.training.avalanche_plugins import check_plugins
from clsim.training.callbacks import listeners
from clsim.training.forward import Compile, ForwardPass
from clsim.training.loaders import ResidentBatches, length
from clsim.training.lone_image import lone_image
from clsim.utils import distributed
from clsim.utils.arguments import Count, Whole, checked
from clsim.utils.device import Precision, autocast, lies_on
from clsim.utils.errors import ArgumentError, UserError
from clsim.utils.rng_state import loader_state, set_loader_state

MakeOptimizer = Callable[[Iterable[Parameter]], Optimizer]


class GoingOn(NamedTuple):
    """A point within a session that is resumed.

    Attributes:
        epoch: from 0.
        step: iterations of it that are done.
        loader_state: see :func:`~clsim.utils.rng_state.loader_state`.
        restore: makes model, optimiser, plugins and generators what they were at this point.

    """

    epoch: int
    step: int
    loader_state: Any
    restore: Callable[[], None]


class Strategy(SupervisedTemplate[Session, Any, Any]):
    """An Avalanche ``SupervisedTemplate`` with resident data and no idle callbacks; any Avalanche plugin works in it.

    What differs from Avalanche's own:

    - batches are indices into resident uint8 tensors, unless a plugin brings its own data loader or data set;
    - only parameters that want a gradient reach the optimiser;
    - callbacks that nobody listens to are not called.

    Args:
        model: takes images in [0, 1], ``(B, 3, H, W)``, and gives logits over the data set's class ids.
        optimizer: a function from parameters to a new optimiser, made afresh for every session (the momentum of
            the last one is gone); or an optimiser, which lives on; or ``None`` where nothing is trained.
        criterion: logits and class ids to a scalar.
        train_mb_size, train_epochs, eval_mb_size: batch sizes are global ones.
        device: where model and data live.
        plugins: Avalanche or clsim plugins, called in this order.
        metrics: metric plugins; a shorthand for ``evaluator=EvaluationPlugin(*metrics)``.
        evaluator: an Avalanche ``EvaluationPlugin``.
        augment: applied to every training batch on the device; any loader's.
        precision: ``bf16`` and ``fp16`` run forward passes under autocast. With ``fp16`` losses are scaled for the
            backward pass, a step whose gradients overflow is left out, and one number is read from the device a step.
        compile: how forward passes are run, see :func:`~clsim.training.forward.choose`.

    Attributes:
        trains: whether there is an optimiser.
        images_trained: images that went through training batches in the present or last session.
        epoch, step: of the present session the epoch, from 0, and how many of its iterations are done.
        after_step: called when an iteration is over and everything is settled.
        going_on: where the next session is to go on that was begun elsewhere.
        loader_state: of what decides the order of the batches, when the epoch began; kept for ``after_step``.
        initialisation: seed of weights that are drawn later on; ``None``: the global generators draw them.

    """

    @checked
    def __init__(
        self,
        *,
        model: nn.Module,
        optimizer: MakeOptimizer | Optimizer | None = None,
        criterion: Callable[[Tensor, Tensor], Tensor] | None = None,
        train_mb_size: Count = 32,
        train_epochs: Whole = 1,
        eval_mb_size: Count | None = 256,
        device: str | torch.device = "cpu",
        plugins: Sequence[BasePlugin[Any]] | None = None,
        metrics: Sequence[PluginMetric[Any] | Sequence[PluginMetric[Any]]] = (),
        evaluator: EvaluationPlugin | None = None,
        augment: Callable[[Tensor], Tensor] | None = None,
        precision: Precision = "fp32",
        compile: Compile = "auto",
        **kwargs: Any,
    ) -> None:
        _check_device(device)
        self.trains = optimizer is not None
        self._make_optimizer = None if isinstance(optimizer, Optimizer) else optimizer
        super().__init__(
            model=model,
            optimizer=optimizer if isinstance(optimizer, Optimizer) else _no_optimizer(),
            criterion=criterion or nn.CrossEntropyLoss(),
            train_mb_size=train_mb_size,
            train_epochs=train_epochs,
            eval_mb_size=eval_mb_size,
            device=device,
            plugins=plugins,
            evaluator=evaluator or _evaluator(metrics),
            **kwargs,
        )
        self.model.to(self.device)
        self.augment = augment
        self.precision: Precision = precision
        self.passes = ForwardPass(compile)
        self.scaler = torch.amp.GradScaler(self.device.type) if precision == "fp16" else None
        # Avalanche would rebuild a fresh optimiser from all parameters, frozen ones included, if this were None.
        self.optimized_param_id: dict[str, Any] = {}
        # Data order draws from a stream of its own, derived from the global seed without consuming it.
        self.order = torch.Generator().manual_seed(torch.initial_seed())
        self.initialisation: int | None = None
        self.images_trained = 0
        self._in_processes = False
        self._unscaled = False
        self.epoch = self.step = 0
        self.after_step: Callable[[], None] | None = None
        self.going_on: GoingOn | None = None
        self.loader_state: Any = None
        self._resident: dict[str, Images] = {}

    # -- data -------------------------------------------------------------------------------------------------

    def resident(self, view: ResidentView) -> ResidentView:
        """The same view with its images on the strategy's device; each set of images moves there once."""
        images = view.images
        if lies_on(images.pixels, self.device):
            return view
        if images.sha256 not in self._resident:
            self._resident[images.sha256] = moved(images, self.device)
        return ResidentView(self._resident[images.sha256], view.indices)

    def train_dataset_adaptation(self, **kwargs: Any) -> None:
        """Starts from the session's own data set, so that a plugin's change of it can be told."""
        assert self.experience is not None
        self.adapted_dataset = self.experience.dataset

    def make_train_dataloader(self, shuffle: bool = True, **kwargs: Any) -> None:
        """Resident batches; Avalanche's loader if a plugin changed the data set or the stream is not clsim's."""
        view = self._view()
        if view is None:
            super().make_train_dataloader(shuffle=shuffle, **kwargs)
        else:
            self.dataloader = ResidentBatches(view, self.train_mb_size, self.order if shuffle else None)

    def make_eval_dataloader(self, **kwargs: Any) -> None:
        """As :meth:`make_train_dataloader`, in the order of the data."""
        view = self._view()
        if view is None:
            super().make_eval_dataloader(**kwargs)
        else:
            self.dataloader = ResidentBatches(view, self.eval_mb_size)

    def eval_dataset_adaptation(self, **kwargs: Any) -> None:
        """As :meth:`train_dataset_adaptation`."""
        self.train_dataset_adaptation()

    def _view(self) -> ResidentView | None:
        view = getattr(self.experience, "resident", None)
        if not isinstance(view, ResidentView) or self.adapted_dataset is not self.experience.dataset:
            return None
        return self.resident(view)

    def _unpack_minibatch(self) -> None:
        """To the device, augmented while training, and to [0, 1] if the batch holds bytes."""
        if not isinstance(self.dataloader, ResidentBatches):  # whose batches are lists on the device already
            super()._unpack_minibatch()
        images = self.mbatch[0]
        if self.is_training and self.augment is not None:
            images = self.augment(images)
        if images.dtype == torch.uint8:
            images = images.to(torch.float32).div_(255)
        self.mbatch[0] = images

    # -- model and optimiser ----------------------------------------------------------------------------------

    @property
    def makes_optimizer(self) -> bool:
        """Whether every session has an optimiser of its own."""
        return self._make_optimizer is not None

    def make_optimizer(self, **kwargs: Any) -> None:
        """A new optimiser over the trainable parameters, or the given one brought up to date with them."""
        trainable = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        if self._make_optimizer is not None:
            self.optimizer = self._make_optimizer(trainable) if trainable else _no_optimizer()
            return
        wanted = {id(parameter) for parameter in trainable}
        present: set[int] = set()
        for group in self.optimizer.param_groups:
            group["params"] = [parameter for parameter in group["params"] if id(parameter) in wanted]
            present.update(map(id, group["params"]))
        self.optimizer.param_groups[0]["params"] += [p for p in trainable if id(p) not in present]
        for gone in [parameter for parameter in self.optimizer.state if id(parameter) not in wanted]:
            del self.optimizer.state[gone]  # a model that was replaced would live on in its momentum

    def forward(self) -> Any:
        """The model's output for the batch, in float32 whatever the precision of the pass."""
        part = distributed.own_part(self.mbatch[0]) if self._in_processes else None
        if part is None:
            return self._forward()
        whole, self.mbatch[0] = self.mbatch[0], part
        try:
            output = self._forward()
        finally:
            self.mbatch[0] = whole
        if isinstance(features := getattr(self.model, "features", None), Tensor):
            self.model.features = distributed.gathered(features, len(whole))  # type: ignore[assignment]
        return distributed.gathered(output, len(whole))

    def _forward(self) -> Any:
        # Avalanche asks the experience for task labels each time, which only a model of several tasks looks at.
        several, images = isinstance(self.model, MultiTaskModule), self.mbatch[0]
        if self.is_training and isinstance(images, Tensor) and len(images) == 1:
            # Neither compiled nor replayed: both would pass the hooks by.
            with lone_image(self.model), autocast(self.device, self.precision):
                output = super().forward() if several else self.model(images)
            return output.float() if isinstance(output, Tensor) else output
        if self.precision == "fp32" and self.passes.how == "as it is" and not several:
            return self.model(images)
        with autocast(self.device, self.precision):
            output = super().forward() if several else self.passes(self.model, images, self.precision)
        return output.float() if isinstance(output, Tensor) else output

    def criterion(self) -> Tensor:
        """The loss of the batch."""
        try:
            loss: Tensor = self._criterion(self.mb_output, self.mbatch[1])
        except IndexError as error:
            columns, most = getattr(self.mb_output, "shape", (0, 0))[-1], int(self.mbatch[1].max())
            if most < columns:
                raise
            what = f"the model gives {columns} outputs, but an image is of class {most}"
            raise UserError(what, fix="give it one for every class id: len(stream.class_names)") from error
        return loss

    def backward(self) -> None:
        """Gradients, as they are: those of a scaled loss are scaled back before any plugin sees them."""
        loss = self.loss if self.scaler is None else self.scaler.scale(self.loss)
        loss.backward(retain_graph=self.retain_graph)
        if self._in_processes:
            distributed.average_gradients(self.model)
        self._unscaled = self.scaler is not None and self._has_gradients()
        if self.scaler is not None and self._unscaled:
            self.scaler.unscale_(self.optimizer)

    def optimizer_step(self) -> None:
        """Take one step; none if a gradient overflowed in ``fp16``, or if a plugin took the gradients away."""
        if self.scaler is None:
            self.optimizer.step()
            return
        if self._has_gradients():
            self.scaler.step(self.optimizer)
        if self._unscaled:  # also without a step, since the scaler refuses to look at a second step before
            self.scaler.update()

    def _has_gradients(self) -> bool:
        groups = self.optimizer.param_groups
        return any(parameter.grad is not None for group in groups for parameter in group["params"])

    def _check_distributed_training_compatibility(self) -> bool:
        """Any plugin will do: in every process it sees the whole batch, see :mod:`clsim.utils.distributed`."""
        return True

    # -- loops ------------------------------------------------------------------------------------------------

    def _before_training_exp(self, **kwargs: Any) -> None:
        self.images_trained, self._given = 0, self.experience.dataset
        super()._before_training_exp(**kwargs)
        check_plugins(self.plugins, self.optimizer, self.device)

    def _train_exp(self, experience: Any, eval_streams: Any = None, **kwargs: Any) -> None:
        """All epochs of a session, or those that are left of one that goes on."""
        first = 0
        if self.going_on is not None:
            first = self.going_on.epoch
            # Here for the callbacks of the epoch, which look at the clock; once more behind them, which were called
            # at this epoch's beginning already.
            self.going_on.restore()
        for self.epoch in range(first, self.train_epochs):
            self._before_training_epoch(**kwargs)
            if self._stop_training:
                self._stop_training: bool = False
                break
            self.training_epoch(**kwargs)
            self._after_training_epoch(**kwargs)

    def _batches(self) -> Iterator[Any]:
        """The epoch's batches, or those that are left of an epoch that goes on."""
        going_on, self.going_on, self.step = self.going_on, None, 0
        if going_on is None:
            if self.after_step is not None:
                self.loader_state = loader_state(self.dataloader, self.device)
            return iter(self.dataloader)
        self.loader_state = going_on.loader_state
        set_loader_state(self.dataloader, going_on.loader_state, self.device)
        batches = iter(self.dataloader)
        for _ in range(going_on.step):
            next(batches)
        self.step = going_on.step
        going_on.restore()
        return batches

    def training_epoch(self, **kwargs: Any) -> None:
        """One pass over the loader, with Avalanche's order of callbacks."""
        self.passes.start(self.model, self.device, self.train_epochs * (length(self.dataloader) or 0))
        heard = {name: listeners(self.plugins, name) for name in _TRAINING_CALLBACKS}
        before_iteration, before_forward, after_forward, before_backward = (
            heard[name] for name in _TRAINING_CALLBACKS[:4]
        )
        after_backward, before_update, after_update, after_iteration = (heard[name] for name in _TRAINING_CALLBACKS[4:])
        after_step = self.after_step
        self._in_processes = distributed.is_distributed()
        batches = self._batches()
        nothing = self._make_empty_loss()
        version = nothing._version
        for self.mbatch in batches:
            if self._stop_training:
                break
            self._unpack_minibatch()
            for call in before_iteration:
                call(self, **kwargs)
            self.optimizer.zero_grad()
            if nothing._version != version:  # something was added to it in place
                nothing = self._make_empty_loss()
                version = nothing._version
            self.loss = nothing
            for call in before_forward:
                call(self, **kwargs)
            self.mb_output = self.forward()
            for call in after_forward:
                call(self, **kwargs)
            loss = self.criterion()
            # A sum is made only where there is something to add to, or a plugin that may add in place to what the
            # criterion needs for its gradient.
            untouched = self.loss is nothing and nothing._version == version
            self.loss = loss if untouched and not before_backward else self.loss + loss
            for call in before_backward:
                call(self, **kwargs)
            self.backward()
            for call in after_backward:
                call(self, **kwargs)
            for call in before_update:
                call(self, **kwargs)
            self.optimizer_step()
            for call in after_update:
                call(self, **kwargs)
            self.images_trained += self.mbatch[1].shape[0]
            for call in after_iteration:
                call(self, **kwargs)
            self.step += 1
            if after_step is not None:
                after_step()

    def _after_training_exp(self, **kwargs: Any) -> None:
        self.passes.stop()
        super()._after_training_exp(**kwargs)
        if self.experience.dataset is not self._given:  # by a plugin, whose next run would find less
            self.experience.dataset = self._given

    def eval_epoch(self, **kwargs: Any) -> None:
        """One pass over the loader without gradients."""
        self._in_processes = distributed.is_distributed()
        before_iteration, before_forward, after_forward, after_iteration = (
            listeners(self.plugins, name) for name in _EVALUATION_CALLBACKS
        )
        for self.mbatch in self.dataloader:
            self._unpack_minibatch()
            for call in before_iteration:
                call(self, **kwargs)
            for call in before_forward:
                call(self, **kwargs)
            self.mb_output = self.forward()
            for call in after_forward:
                call(self, **kwargs)
            self.loss = self.criterion()
            for call in after_iteration:
                call(self, **kwargs)


_TRAINING_CALLBACKS = (
    "before_training_iteration",
    "before_forward",
    "after_forward",
    "before_backward",
    "after_backward",
    "before_update",
    "after_update",
    "after_training_iteration",
)
_EVALUATION_CALLBACKS = (
    "before_eval_iteration",
    "before_eval_forward",
    "after_eval_forward",
    "after_eval_iteration",
)


def _evaluator(metrics: Sequence[PluginMetric[Any] | Sequence[PluginMetric[Any]]]) -> EvaluationPlugin:
    """Metrics without Avalanche's loggers (it warns of their absence) and without its growing history."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return EvaluationPlugin(*metrics, collect_all=False)


def _check_device(device: str | torch.device) -> None:
    try:
        torch.device(device)
    except RuntimeError:
        what = f"Strategy: unknown device {device!r}"
        raise ArgumentError(what, fix="choose cpu, cuda or cuda:0") from None


def _no_optimizer() -> Optimizer:
    """An optimiser of nothing, for templates that insist on one."""
    return SGD([torch.zeros(0, requires_grad=True)], lr=0.0)
