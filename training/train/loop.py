"""One training run: time budget, cosine rate, averaged weights, checkpoints that resume, and a stop on a bad loss."""
import contextlib
import math
import os
import time

import numpy as np
import torch

MINIMUM_TORCH = (1, 13)


class TrainingError(RuntimeError):
    """Training cannot go on; the message says why. The last good checkpoint stays as it was."""


def check_torch():
    version = tuple(int(x) for x in torch.__version__.split("+")[0].split(".")[:2])
    if version < MINIMUM_TORCH:
        raise TrainingError(f"torch {torch.__version__} is too old: 1.13 or newer is needed")
    return version


def device_of(name=None):
    """The torch device: the one named, else CUDA when there is one."""
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise TrainingError(f"device {name} was asked for, but this torch ({torch.__version__}) sees no CUDA device")
    return torch.device(name)


def autocast(device):
    """bfloat16 where it is faster: CUDA, and CPUs with current torch (twice the speed with AVX512-BF16). Else float32."""
    if device.type == "cuda" or check_torch() >= (2, 1):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def load_weights(module, state, what):
    """load_state_dict that lists every mismatch."""
    own = module.state_dict()
    wrong = [f"missing {k}" for k in own if k not in state] + [f"unknown {k}" for k in state if k not in own]
    wrong += [f"{k}: {tuple(state[k].shape)}, expected {tuple(own[k].shape)}" for k in own
              if k in state and state[k].shape != own[k].shape]
    if wrong:
        raise TrainingError(f"{what} does not fit: " + "; ".join(wrong))
    module.load_state_dict(state)


def read_checkpoint(path):
    if not os.path.exists(path):
        raise TrainingError(f"no checkpoint {path}")
    # torch 1.13 knows weights_only but cannot read floats with it.
    return torch.load(path, map_location="cpu", weights_only=check_torch() >= (2, 0))


def save(path, value):
    torch.save(value, path + ".part")
    os.replace(path + ".part", path)


def train(path, modules, loss_of, seconds, rate=1e-3, report=None, report_every=120, weight_decay=1e-4, average=.998,
          seed=0, clip=1.0, warm=100, floor=.03):
    """Trains modules (name -> Module) until `seconds` of training have passed, counted over all resumed runs.

    loss_of(step, rng) gives a scalar loss; rng is a numpy Generator. report(step) may return a text, printed every
    report_every seconds and at the end, with the averaged weights in place. The checkpoint at `path` holds per
    module the averaged weights ("average") and the raw ones. Raises TrainingError when the loss is not finite.
    """
    check_torch()
    parameters = [p for m in modules.values() for p in m.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, rate, weight_decay=weight_decay, betas=(.9, .99))
    averaged = {n: {k: v.detach().clone() for k, v in m.state_dict().items()} for n, m in modules.items()}
    step, spent = 0, 0.0
    if os.path.exists(path):
        saved = read_checkpoint(path)
        for n, m in modules.items():
            load_weights(m, saved["weights"][n], f"{path} ({n})")
        optimiser.load_state_dict(saved["optimiser"])
        averaged, step, spent = saved["average"], saved["step"], saved["seconds"]
        print(f"{path}: goes on at step {step}, {spent:.0f} s", flush=True)
    rng = np.random.default_rng((seed, step))
    torch.manual_seed(seed + step)

    def checkpoint():
        save(path, {"weights": {n: m.state_dict() for n, m in modules.items()}, "average": averaged,
                    "optimiser": optimiser.state_dict(), "step": step, "seconds": spent})

    def tell():
        if report is None:
            return
        raw = {n: {k: v.detach().clone() for k, v in m.state_dict().items()} for n, m in modules.items()}
        for n, m in modules.items():
            m.load_state_dict(averaged[n])
            m.eval()
        with torch.no_grad():
            text = report(step)
        for n, m in modules.items():
            m.load_state_dict(raw[n])
            m.train()
        print(f"step {step} {spent:.0f} s loss {np.mean(losses):.4f} {text}", flush=True)

    losses, told, last = [], spent, time.time()
    for m in modules.values():
        m.train()
    while spent < seconds:
        for group in optimiser.param_groups:
            share = floor + (1 - floor) * .5 * (1 + math.cos(math.pi * spent / seconds))
            group["lr"] = rate * min(1, (step + 1) / warm) * share
        loss = loss_of(step, rng)
        value = float(loss.detach())
        if not np.isfinite(value):
            raise TrainingError(f"the loss is {value} at step {step}; {path} holds the last good checkpoint")
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, clip)
        optimiser.step()
        step += 1
        keep = min(average, (1 + step) / (10 + step))
        for n, m in modules.items():
            for k, v in m.state_dict().items():
                if v.is_floating_point():
                    averaged[n][k].mul_(keep).add_(v.detach(), alpha=1 - keep)
                else:
                    averaged[n][k].copy_(v)
        losses = (losses + [value])[-100:]
        spent += time.time() - last
        last = time.time()
        if spent - told > report_every:
            told = spent
            tell()
            checkpoint()
            last = time.time()
    tell()
    checkpoint()
    return averaged
