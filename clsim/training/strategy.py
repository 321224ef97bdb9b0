"""The training template of every strategy."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from avalanche.core import BasePlugin
from avalanche.evaluation import PluginMetric
from avalanche.models import MultiTaskModule
from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor, nn
from torch.optim import Optimizer

from clsim.data.core.images import Images
from clsim.models.protocols import ModelOutput
from clsim.training.flops import FlopTally
from clsim.training.forward import Compile, ForwardPass, run_eager
from clsim.training.lone_image import lone_image
from clsim.training.loop import ResumePoint, TrainingLoop
from clsim.training.optimizers import MakeOptimizer, empty_optimizer, update_parameters
from clsim.training.phases import check_order, place_for
from clsim.training.session_plan import SessionPlan
from clsim.utils import distributed
from clsim.utils.arguments import Count, Whole, checked
from clsim.utils.device import Precision, autocast
from clsim.utils.errors import ArgumentError, UserError
from clsim.utils.template import Experience


class Strategy(TrainingLoop):
    """An Avalanche ``SupervisedTemplate`` with resident data and no idle callbacks; any Avalanche plugin works in it.

    It differs from Avalanche's templates in that

    - batches are indices into resident uint8 tensors, unless a plugin brings its own data loader or data set;
    - the optimizer receives only parameters that want a gradient;
    - callbacks that no plugin overrides are not called;
    - plugins stand in the order of their :class:`~clsim.training.phases.Phase`;
    - features of a batch are in ``mb_features``, if the model is a
      :class:`~clsim.models.protocols.FeatureModel`.

    Args:
        model: Network from images in [0, 1], ``(B, 3, H, W)``, to logits over the class ids of the data set.
        optimizer: Function from parameters to a new optimizer, called for every session, so that no momentum remains;
            or an optimizer that lives on; None where nothing is trained.
        criterion: Function from logits and class ids to a scalar; cross-entropy by default.
        train_mb_size: Images of a training batch, over all devices.
        train_epochs: Number of passes over a session; a :class:`~clsim.training.session_plan.SessionPlanner` may plan
            another number for a session.
        eval_mb_size: Images of an evaluation batch; None: as in training.
        device: Device of model and data.
        plugins: Plugins of Avalanche or clsim, called in this order.
        metrics: Metric plugins; short for ``evaluator=EvaluationPlugin(*metrics)``.
        evaluator: Avalanche's ``EvaluationPlugin``.
        augment: Function applied to every training batch on the device, of any loader.
        precision: Precision of forward passes; ``bf16`` and ``fp16`` use autocast. With ``fp16`` losses are scaled for
            the backward pass, a step whose gradients overflow is skipped, and one number is read from the device in
            every step.
        compile: How forward passes run, see :func:`~clsim.training.forward.choose`.

    Attributes:
        trains: Whether there is an optimizer.
        mb_features: Features of the batch ``(B, D)``; None for a model that returns logits only.
        images_trained: Images of all training batches in the present or last session.
        train_flops: Floating-point operations of the steps of the present or last session.
        eval_flops: Floating-point operations of the last evaluation.
        epoch: Index of the epoch in the session, from 0.
        step: Number of iterations of the epoch that are done.
        after_step: Function called when an iteration is complete.
        resume_point: Point at which the next session resumes; None: its beginning.
        loader_state: State that decides the order of the batches, as of the beginning of the epoch; recorded if there
            is an ``after_step``.
        initialization: Seed of weights that are drawn in the middle of a run; None: the global generators draw them.

    Raises:
        ArgumentError: An argument is out of range, or a plugin stands before one that must run first.

    Example:
        >>> strategy = Strategy(model=nn.Flatten(), train_epochs=0)
        >>> strategy.trains, strategy.batch_sizes()
        (False, {'base': 32, 'train': 32, 'eval': 256})

    """

    optimizer: Optimizer

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
        check_order(plugins or ())
        self.trains = optimizer is not None
        self._make_optimizer = None if isinstance(optimizer, Optimizer) else optimizer
        super().__init__(
            model=model,
            optimizer=optimizer if isinstance(optimizer, Optimizer) else empty_optimizer(),
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
        # Were this None, Avalanche would rebuild a new optimizer from all parameters, frozen ones included.
        self.optimized_param_id: dict[str, Any] = {}
        # The order of the data has a separate generator, derived from the global seed without drawing from it.
        self.order = torch.Generator().manual_seed(torch.initial_seed())
        self.initialization: int | None = None
        self.mb_features: Tensor | None = None
        self.images_trained = self.epoch = self.step = 0
        self.train_flops, self.eval_flops = FlopTally(), FlopTally()
        self.after_step: Callable[[], None] | None = None
        self.resume_point: ResumePoint | None = None
        self.loader_state: Any = None
        self._planned = self._replaced = SessionPlan()
        self._in_processes = self._publishes_features = self._unscaled = False
        self._zero: tuple[Tensor, int] | None = None
        self._resident: dict[str, Images] = {}

    def add_plugin(self, plugin: BasePlugin[Any]) -> None:
        """Insert a plugin where its phase belongs, in any case before the evaluation.

        Args:
            plugin: Plugin of Avalanche or clsim; without a phase it follows all plugins that add to the loss.

        """
        self.plugins.insert(place_for(plugin, self.plugins, self.plugins.index(self.evaluator)), plugin)

    def batch_sizes(self, base_session: Experience | None = None) -> dict[str, int]:
        """Return the images a batch of the base session, of later sessions and of evaluation.

        Args:
            base_session: First session of the stream, for which a plugin may plan another batch size.

        """
        base = self.train_mb_size if base_session is None else self.session_plan(base_session).train_mb_size
        return {"base": int(base or 0), "train": self.train_mb_size, "eval": self.eval_mb_size}

    @property
    def makes_optimizer(self) -> bool:
        """Whether every session has a new optimizer."""
        return self._make_optimizer is not None

    def make_optimizer(self, **kwargs: Any) -> None:
        """Make a new optimizer over the trainable parameters, or update the parameters of the given one."""
        trainable = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        if self._make_optimizer is None:
            update_parameters(self.optimizer, trainable)
        else:
            self.optimizer = self._make_optimizer(trainable) if trainable else empty_optimizer()

    def forward(self) -> Any:
        """Return the logits of the batch in float32 and store its features in ``mb_features``."""
        images, part = self.mbatch[0], None
        if self._in_processes and not isinstance(self.model, MultiTaskModule):
            part = distributed.local_part(images)
        logits, features = self._run(images if part is None else part)
        if part is not None:
            logits = distributed.all_gather(logits, len(images))
            features = None if features is None else distributed.all_gather(features, len(images))
        self.mb_features = features
        if self._publishes_features and features is not None:
            self.model.features = features
        return logits

    def _run(self, images: Tensor) -> ModelOutput:
        # Only a model of several tasks needs the task labels, which Avalanche looks up in every step.
        multi_task = isinstance(self.model, MultiTaskModule)
        if self.is_training and isinstance(images, Tensor) and len(images) == 1:
            # Eagerly: a compiled or recorded pass would ignore the hooks.
            with lone_image(self.model), autocast(self.device, self.precision):
                return _in_float32(ModelOutput(super().forward()) if multi_task else run_eager(self.model, images))
        if self.precision == "fp32" and self.passes.how == "eager" and not multi_task:
            return run_eager(self.model, images)
        with autocast(self.device, self.precision):
            if multi_task:
                return _in_float32(ModelOutput(super().forward()))
            return _in_float32(self.passes(self.model, images, self.precision))

    def criterion(self) -> Tensor:
        """Return the loss of the batch."""
        try:
            loss: Tensor = self._criterion(self.mb_output, self.mbatch[1])
        except IndexError as error:
            columns, highest = _columns(self.mb_output), int(self.mbatch[1].max())
            if highest < columns:
                raise
            what = f"the model returns {columns} logits, but the batch contains class {highest}"
            raise UserError(what, fix="give it one for every class id: len(stream.class_names)") from error
        return loss

    def backward(self) -> None:
        """Compute gradients; those of a scaled loss are scaled back before any plugin sees them."""
        loss = self.loss if self.scaler is None else self.scaler.scale(self.loss)
        loss.backward(retain_graph=self.retain_graph)
        if self._in_processes:
            distributed.average_gradients(self.model)
        self._unscaled = self.scaler is not None and self._has_gradients()
        if self.scaler is not None and self._unscaled:
            self.scaler.unscale_(self.optimizer)

    def optimizer_step(self) -> None:
        """Take one step; none if a gradient overflowed in ``fp16`` or if a plugin removed the gradients."""
        if self.scaler is None:
            self.optimizer.step()
            return
        if self._has_gradients():
            self.scaler.step(self.optimizer)
        if self._unscaled:  # also without a step: the scaler refuses to unscale twice without an update
            self.scaler.update()

    def _has_gradients(self) -> bool:
        groups = self.optimizer.param_groups
        return any(parameter.grad is not None for group in groups for parameter in group["params"])

    def _check_distributed_training_compatibility(self) -> bool:
        """Accept any plugin: in every process it sees the whole batch, see :mod:`clsim.utils.distributed`."""
        return True


def _in_float32(output: ModelOutput) -> ModelOutput:
    """Convert logits to float32; features keep the precision of the pass."""
    logits = output.logits
    return ModelOutput(logits.float() if isinstance(logits, Tensor) else logits, output.features)


def _columns(logits: object) -> int:
    return logits.shape[-1] if isinstance(logits, Tensor) else 0


def _evaluator(metrics: Sequence[PluginMetric[Any] | Sequence[PluginMetric[Any]]]) -> EvaluationPlugin:
    """Return an evaluation plugin without Avalanche's loggers, its warning of their absence, and its history."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return EvaluationPlugin(*metrics, collect_all=False)


def _check_device(device: str | torch.device) -> None:
    try:
        torch.device(device)
    except RuntimeError:
        what = f"Strategy: unknown device {device!r}"
        raise ArgumentError(what, fix="choose cpu, cuda or cuda:0") from None
