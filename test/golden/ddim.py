"""Records golden numbers of diffusers' DDIMScheduler in ddim.json: python3 ddim.py > ddim.json (diffusers, torch)."""
import json

import diffusers
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler

CASES = [
    # timestep spacing of the manifest, prediction type, steps
    ("trailing", "sample", 1), ("trailing", "sample", 2), ("trailing", "sample", 4), ("trailing", "epsilon", 10),
    ("trailing", "v-prediction", 8), ("leading-plus-one", "epsilon", 10), ("leading-plus-one", "epsilon", 200),
]


def model(latents, timestep):
    """Any smooth function of both will do: float64, so that only the scheduler is compared."""
    return torch.sin(latents * 0.9 + timestep * 0.01) * 0.8


def trace(spacing, prediction, steps):
    scheduler = DDIMScheduler(
        num_train_timesteps=1000, beta_start=0.0015, beta_end=0.0195, beta_schedule="scaled_linear",
        prediction_type=prediction.replace("-", "_"), clip_sample=False,
        **({"timestep_spacing": "trailing", "set_alpha_to_one": True} if spacing == "trailing" else
           {"timestep_spacing": "leading", "steps_offset": 1, "set_alpha_to_one": False}))
    scheduler.set_timesteps(steps)
    latents = torch.linspace(-2, 2, 5, dtype=torch.float64)
    initial, last = latents.tolist(), []
    for timestep in scheduler.timesteps:
        latents = scheduler.step(model(latents, int(timestep)), int(timestep), latents, eta=0.0).prev_sample
        last = latents.tolist()
    return {"timestepSpacing": spacing, "predictionType": prediction, "steps": steps,
            "timesteps": [int(t) for t in scheduler.timesteps], "initial": initial, "final": last}


print(json.dumps({
    "source": f"diffusers {diffusers.__version__} DDIMScheduler (torch {torch.__version__}), eta 0; betas scaled_linear "
              "0.0015 to 0.0195 over 1000; the model's output is 0.8 sin(0.9 x + 0.01 t)",
    "traces": [trace(*case) for case in CASES],
}, indent=1))
