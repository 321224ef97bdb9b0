"""A CUDA device that is not there: its tensors lie on the CPU, hold real numbers, and say that they are on ``cuda:0``.

What clsim does on a GPU and nowhere else can so be tested where there is none: a whole run takes the branches of CUDA,
learns, saves and resumes. A :class:`PretendedCuda` sees each call of torch from Python. It knows which storages are "on
the GPU", and says so in ``Tensor.device``. It gives each GPU a random generator of its own. It raises where CUDA would,
and it writes down where the host would wait for the device.

It does not know memory, time, streams and kernels. What C++ calls, it does not see: the backward pass is computed, and
not watched. Under autocast the types are the CPU's.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple
from unittest import mock

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode

from helpers.pretended_stubs import stubs

READ = {"item", "tolist", "is_nonzero", "equal", "allclose", "__float__", "__int__", "__bool__", "__index__"}
READ |= {"__complex__", "__contains__", "__repr__", "__format__"}
"""What gives Python a number, for which the device must have come to its end."""
SIZED = {"nonzero", "argwhere", "masked_select", "bincount", "unique", "unique_consecutive", "_unique2", "unique_dim"}
SIZED |= {"_unique_impl", "_unique_consecutive_impl", "_return_output", "_return_inverse", "_return_counts"}
"""What has as many results as the numbers say."""
SOLVED = {"svd", "eigh", "eig", "solve", "cholesky", "inv", "inverse", "lstsq", "matrix_exp", "svdvals", "slogdet"}
"""Solvers ask the device whether they succeeded, and the exponential how large the matrix is."""
DRAWN = {"rand", "randn", "randint", "randperm", "normal", "normal_", "uniform_", "bernoulli", "bernoulli_", "random_"}
DRAWN |= {"rand_like", "randn_like", "randint_like", "multinomial", "poisson", "exponential_", "log_normal_"}
DRAWN |= {"dropout", "dropout_", "dropout1d", "dropout2d", "alpha_dropout", "feature_dropout", "trunc_normal_"}
"""What draws from the generator of its device."""
MIXED = {"copy_", "_foreach_copy_", "__getitem__", "__setitem__", "index_put_", "data.__set__", "grad.__set__"}
MIXED |= {"backward", "register_hook", "set_", "is_set_to", "_has_compatible_shallow_copy_type"}
"""What may be given tensors on several devices. Those with an index are looked at more closely."""
ELSEWHERE = "Expected all tensors to be on the same device, but found at least two devices"


class Wait(NamedTuple):
    """A place at which the host waits for the device.

    Attributes:
        phase: part of the run, see :func:`_phases`.
        place: file and function.
        why: kind of call.

    """

    phase: str
    place: str
    why: str


class PretendedCuda(TorchFunctionMode):
    """GPUs that are not there; see the module.

    Args:
        gpus: how many.

    Attributes:
        waits: how often the host waited, by place.
        states: state of each GPU's random generator.
        graphs: how often a CUDA graph was recorded.

    """

    def __init__(self, gpus: int = 1) -> None:
        super().__init__()
        self.gpus = gpus
        self.current = 0
        self.waits: Counter[Wait] = Counter()
        self.graphs = 0
        self.seed(0)
        self._recording = False
        # A weak reference keeps the address, so that no other storage can be taken for one that is gone.
        self._storages: dict[int, tuple[StorageWeakRef, int]] = {}

    # -- what lies where --------------------------------------------------------------------------------------

    def where(self, tensor: Tensor) -> int | None:
        """Return the number of a tensor's GPU; ``None`` for the CPU."""
        try:
            found = self._storages.get(tensor.untyped_storage()._cdata)
        except (NotImplementedError, RuntimeError):  # a tensor without storage
            return None
        return None if found is None else found[1]

    def put(self, tensor: Tensor, gpu: int) -> None:
        """Declare a tensor, and all that shares its memory, to be on a GPU."""
        if len(self._storages) > 20_000:
            alive = {key: value for key, value in self._storages.items() if not value[0].expired()}
            self._storages = alive
        storage = tensor.untyped_storage()
        self._storages[storage._cdata] = (StorageWeakRef(storage), gpu)

    def index(self, device: Any) -> int | None:
        """Return the number of a GPU by the name of a device; ``None`` for the CPU."""
        device = torch.device("cuda", device) if isinstance(device, int) else torch.device(device)
        if device.type != "cuda":
            return None
        index = self.current if device.index is None else device.index
        if index >= self.gpus:
            raise RuntimeError(f"CUDA error: invalid device ordinal {index}")
        return index

    # -- calls ------------------------------------------------------------------------------------------------

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, given = _name(func), dict(kwargs or {})
        if name.endswith(".__get__"):
            return self._property(name, func, args)
        if name in ("to", "cpu", "cuda", "type_as"):
            return self._moved(name, *args, **given)
        if name == "copy_":
            self._copied(args[0], args[1], bool(given.get("non_blocking", args[2] if len(args) > 2 else False)))
        if name == "pin_memory":
            return args[0].clone()
        if name == "get_device":
            return -1 if (gpu := self.where(args[0])) is None else gpu
        return self._computed(name, func, args, given)

    def _property(self, name: str, func: Any, args: Any) -> Any:
        gpu = self.where(args[0])
        if name == "device.__get__" and gpu is not None:
            return torch.device("cuda", gpu)
        if name in ("is_cuda.__get__", "is_cpu.__get__"):
            return (gpu is not None) == (name == "is_cuda.__get__")
        value = func(*args)
        if name in ("grad.__get__", "_grad.__get__") and value is not None and gpu is not None:
            self.put(value, gpu)  # the backward pass made it, where nothing of this is known
        return value

    def _moved(self, name: str, tensor: Tensor, *args: Any, **given: Any) -> Tensor:
        """Move a tensor as ``Tensor.to`` does; its arguments come in four orders."""
        rest, here = list(args), self.where(tensor)
        device = given.pop("device", {"cpu": "cpu", "cuda": "cuda"}.get(name))
        other = given.pop("other", None)
        if rest and isinstance(rest[0], Tensor):
            other = rest.pop(0)
        elif rest and isinstance(rest[0], str | torch.device | int) and not isinstance(rest[0], bool):
            device = rest.pop(0)
        elif rest and rest[0] is None:
            rest.pop(0)
        dtype = tensor.dtype if other is None else other.dtype
        if rest and (rest[0] is None or isinstance(rest[0], torch.dtype)):
            dtype = rest.pop(0) or dtype
        dtype = given.pop("dtype", None) or dtype
        there = self.where(other) if other is not None else here if device is None else self.index(device)
        free, copy = (*rest, False, False)[:2]
        if (here is None) != (there is None):
            self._crossed(there is not None, bool(given.get("non_blocking", free)))
        keep = {"memory_format": given.get("memory_format", torch.preserve_format)}
        result = Tensor.to(tensor, dtype, copy=bool(given.get("copy", copy)) or here != there, **keep)
        if there is not None:
            self.put(result, there)
        return result

    def _computed(self, name: str, func: Any, args: Any, given: dict[str, Any]) -> Any:
        tensors = list(_tensors((args, given)))
        places = [self.where(tensor) for tensor in tensors]
        gpus = {place for place in places if place is not None}
        if gpus and name not in MIXED and _differ(tensors, places):
            raise RuntimeError(f"{ELSEWHERE}: {name} of {[tuple(t.shape) for t in tensors]} on {places}")
        named, on = given.get("device") is not None, next(iter(gpus), None)
        if named:
            on = self.index(given["device"])
            given["device"] = "cpu" if on is not None else given["device"]
        if gpus:
            for why in self._reasons(name, args, given):
                self.wait(why)
        if name in ("tensor", "as_tensor", "new_tensor") and on is not None and not gpus & {on}:
            self.wait("copy to the device")
        result = self._drawn(on, func, args, given) if on is not None and name in DRAWN else func(*args, **given)
        if on is not None and not name.endswith("__set__"):
            for tensor in _tensors(result):
                if self.where(tensor) is None:
                    self.put(tensor, on)
        return result

    # -- random numbers ---------------------------------------------------------------------------------------

    def seed(self, seed: int) -> None:
        """Seed the generators of all GPUs."""
        self.states = [torch.Generator().manual_seed(seed).get_state() for _ in range(self.gpus)]

    def _drawn(self, gpu: int, func: Any, args: Any, given: dict[str, Any]) -> Any:
        if given.get("generator") is not None:
            raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
        before = torch.get_rng_state()
        torch.set_rng_state(self.states[gpu])
        try:
            return func(*args, **given)
        finally:
            self.states[gpu] = torch.get_rng_state()
            torch.set_rng_state(before)

    # -- waiting ----------------------------------------------------------------------------------------------

    def wait(self, why: str) -> None:
        """Write down that the host waits for the device; while a graph is recorded that is an error."""
        if self._recording:
            raise RuntimeError(f"CUDA error: operation not permitted when stream is capturing ({why})")
        phase, place = _stands()
        self.waits[Wait(phase, place, why)] += 1

    def waited(self, *phases: str) -> dict[str, int]:
        """Return how often the host waited in some phases, by place and kind of call."""
        return {f"{place}: {why}": n for (phase, place, why), n in sorted(self.waits.items()) if phase in phases}

    def record(self, module: Any, sample: Any, **how: Any) -> Any:
        """Stand in for CUDA's recording of a graph: the pass must not wait; it is not replayed, but run again."""
        self._recording = True
        try:
            module(*sample)
        finally:
            self._recording = False
        self.graphs += 1
        return module

    def _reasons(self, name: str, args: Any, given: dict[str, Any]) -> Iterator[str]:
        second = args[1] if len(args) > 1 else None
        if name in READ:
            yield "number read"
        elif name in ("numpy", "__array__"):
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first.")
        elif name in SIZED or (name == "where" and len(args) == 1):
            yield "size read"
        elif name.removeprefix("linalg_") in SOLVED:
            yield "solver"
        elif name == "isin" and isinstance(second, Tensor):
            # Torch's rule: many elements are looked for by sorting, which counts the different ones.
            if second.numel() >= 10 * args[0].numel() ** 0.145:
                yield "size read"
        elif name == "repeat_interleave" and isinstance(second, Tensor) and "output_size" not in given:
            yield "size read"
        elif name == "one_hot" and second is None and "num_classes" not in given:
            yield "number read"
        elif name in ("masked_fill", "masked_fill_") and isinstance(value := args[-1], Tensor):
            if self.where(value) is not None:
                yield "number read"
        elif name == "__getitem__":
            yield from self._indexed(args[0], second)
        elif name in ("__setitem__", "index_put_"):
            yield from self._indexed(args[0], second, args[2] if len(args) > 2 else given["values"])

    def _indexed(self, tensor: Tensor, index: Any, value: Any = None) -> Iterator[str]:
        parts = list(index) if isinstance(index, tuple) else [index]
        indices = [part for part in parts if isinstance(part, Tensor)]
        here = self.where(tensor)
        if here is None and any(self.where(part) is not None for part in indices):
            raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
        if here is None:
            return
        masks = [part for part in indices if part.dtype in (torch.bool, torch.uint8)]
        number = value is not None and (not isinstance(value, Tensor) or self.where(value) is None)
        if masks and not (number and len(indices) == len(masks)):
            yield "size read"
        if any(isinstance(part, list) or (isinstance(part, Tensor) and self.where(part) is None) for part in parts):
            yield "copy to the device"
        # Python's number becomes a tensor on the CPU first, which only a mask and a slice take as it is.
        if number and (len(indices) > len(masks) or any(isinstance(part, list | int) for part in parts)):
            yield "copy to the device"

    def _copied(self, to: Tensor, source: Tensor, free: bool) -> None:
        here, there = self.where(source), self.where(to)
        if (here is None) != (there is None):
            self._crossed(there is not None, free)

    def _crossed(self, to_device: bool, free: bool) -> None:
        if self._recording:
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing (a copy)")
        if not (to_device and free):
            self.wait("copy to the device" if to_device else "copy to the host")


@cache
def _name(func: Any) -> str:
    name = getattr(func, "__name__", "")
    return f"{func.__self__.__name__}.{name}" if name in ("__get__", "__set__") else name


def _tensors(value: Any, depth: int = 3) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif depth and isinstance(value, list | tuple | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item, depth - 1)


def _differ(tensors: list[Tensor], places: list[int | None]) -> bool:
    """Return whether CUDA would refuse: a single number may lie on the CPU."""
    counted = {place for tensor, place in zip(tensors, places, strict=True) if place is not None or tensor.dim()}
    return len(counted) > 1


@cache
def _phases() -> dict[CodeType, str]:
    """Return the parts of a run by the functions in which they happen; the innermost counts."""
    from clsim.experiment.checkpoint.checkpointer import Checkpointer
    from clsim.plugins.text_projection import TextProjection
    from clsim.pretraining import contrastive
    from clsim.training import Strategy

    functions: dict[str, Callable[..., Any]] = {
        "training": Strategy.training_epoch,
        "evaluation": Strategy.eval_epoch,
        "between epochs": Strategy._train_exp,
        "checkpoint": Checkpointer._save,
        "projection": TextProjection._train,
        "pretraining": contrastive.train,
    }
    return {function.__code__: phase for phase, function in functions.items()}


def _stands() -> tuple[str, str]:
    """Return the phase of the run, and the innermost place outside of torch."""
    frame: FrameType | None = sys._getframe(2)
    place, phases = "", _phases()
    while frame is not None:
        file = frame.f_code.co_filename
        if not place and file != __file__ and "/torch/" not in file:
            place = f"{Path(file).stem}.{frame.f_code.co_name}"
        if frame.f_code in phases:
            return phases[frame.f_code], place
        frame = frame.f_back
    return "elsewhere", place


# -- torch.cuda, as far as it is asked ------------------------------------------------------------------------


@contextmanager
def pretended(gpus: int = 1) -> Iterator[PretendedCuda]:
    """A region in which there is a GPU, or there are several."""
    device = PretendedCuda(gpus)
    with ExitStack() as stack:
        for holder, name, value in stubs(device):
            stack.enter_context(mock.patch.object(holder, name, value, create=True))
        stack.enter_context(device)
        yield device
