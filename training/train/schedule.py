"""The noise schedule and the DDIM sampler of the recipe (Song et al., ICLR 2021), in PyTorch."""
import numpy as np
import torch

import recipe

D = recipe.DIFFUSION


def betas():
    """float64 [T]: squares of linspace(sqrt(betaStart), sqrt(betaEnd), T) (latent diffusion, "scaled-linear")."""
    return np.linspace(D["betaStart"] ** .5, D["betaEnd"] ** .5, D["trainTimesteps"]) ** 2


def alphas_cumprod():
    """float32 [T], computed in float64."""
    return torch.from_numpy(np.cumprod(1 - betas())).float()


def noised(z, t, noise, alphas):
    a = alphas[t][:, None, None, None]
    return a.sqrt() * z + (1 - a).sqrt() * noise


def trailing_timesteps(steps):
    """int list, highest first: round(T - k * T / steps) - 1 for k = 0 .. steps - 1 (Lin et al., WACV 2024, table 2)."""
    total = D["trainTimesteps"]
    return [int(np.round(total - k * total / steps)) - 1 for k in range(steps)]


def sample(predict_x0, noise, steps):
    """Deterministic DDIM (eta 0). predict_x0(x, t int64 [B]) gives x0; after the last step alpha is 1, so x is x0."""
    alphas, x = torch.from_numpy(np.cumprod(1 - betas())), noise
    times = trailing_timesteps(steps)
    for k, t in enumerate(times):
        x0 = predict_x0(x, torch.full((len(x),), t, dtype=torch.int64, device=x.device))
        a = float(alphas[t])
        b = float(alphas[times[k + 1]]) if k + 1 < len(times) else 1.0
        noise_now = (x - a ** .5 * x0) / (1 - a) ** .5
        x = b ** .5 * x0 + (1 - b) ** .5 * noise_now
    return x
