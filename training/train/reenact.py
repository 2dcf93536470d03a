"""Self-reenactment of a real video: its own voice drives its own face, the original is the truth.

    python3 -m train.reenact --video clip.mp4 --cache .cache --audio A --sheet sheet.png --out made.mp4 [--steps 2]

Prints mouth PSNR against the still first mouth, aperture correlation with the truth for own and wrong (reversed) audio,
the correlation with the curves that the audio encoder reads, and the autoencoder's round trip. Apertures are read by the
landmark model on both sides. Needs ffmpeg.
"""
import argparse
import os
import subprocess

import cv2
import numpy as np
import torch

import recipe
from audio.frontend import windows
from audio.model import TARGETS, load_trained
from models.autoencoder import Decoder, Encoder
from models.faces import FaceDetector, FaceLandmarks
from train.autoencoder import psnr as round_trip
from train.autoencoder import to_tensor
from train.denoiser import window_indices
from train.evaluate import contact_sheet, generate, load_denoiser, psnr
from train.landmarks import cut, square
from train.latents import encode
from train.loop import device_of, load_weights, read_checkpoint

R = recipe.REGION


def read_video(path):
    """Frames uint8 RGB at the recipe's rate and mono float32 samples at 16 kHz."""
    size = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=width,height", "-of",
                           "csv=p=0", path], check=True, capture_output=True, text=True).stdout.strip().split(",")
    w, h = int(size[0]), int(size[1])

    def ffmpeg(*options):
        return subprocess.run(["ffmpeg", "-v", "error", "-i", path, *options, "-"], check=True, capture_output=True).stdout

    frames = np.frombuffer(ffmpeg("-r", str(recipe.FPS), "-f", "rawvideo", "-pix_fmt", "rgb24"), np.uint8).reshape(-1, h, w, 3)
    wav = np.frombuffer(ffmpeg("-ac", "1", "-ar", "16000", "-f", "f32le"), np.float32)
    return frames, wav


class Tracker:
    """Detector once, then the landmark model on the square of the frame before; three looks per frame, averaged."""

    def __init__(self, cache, device):
        self.device, self.detector, self.landmarks = device, FaceDetector(), FaceLandmarks()
        for net, name in ((self.detector, "detector"), (self.landmarks, "landmarks")):
            path = os.path.join(cache, name + ".pt")
            load_weights(net, read_checkpoint(path)["average"][name], path)
            net.eval().to(device)

    def detect(self, frame):
        scale = FaceDetector.SIZE / max(frame.shape[:2])
        h, w = (round(x * scale) for x in frame.shape[:2])
        image = np.full((FaceDetector.SIZE, FaceDetector.SIZE, 3), 128, np.uint8)
        y, x = (FaceDetector.SIZE - h) // 2, (FaceDetector.SIZE - w) // 2
        image[y:y + h, x:x + w] = cv2.resize(frame, (w, h), interpolation=cv2.INTER_AREA)
        boxes, scores = self.detector(to_tensor(image[None], self.device))
        best = int(scores[0].argmax())
        return (boxes[0, best].cpu().numpy().reshape(2, 2) - [x, y]) / scale, float(scores[0, best])

    def marks(self, frame, box):
        centre, side = square(box)
        looks = [(centre + side * np.array(o), side * s) for o, s in (((0, 0), 1), ((.02, .01), .95), ((-.02, -.01), 1.05))]
        pieces = [cut(frame, c, s) for c, s in looks]
        points, _, sure = self.landmarks(to_tensor(np.stack([p[0] for p in pieces]), self.device))
        back = [cv2.invertAffineTransform(p[1]) for p in pieces]
        q = [p @ m[:, :2].T + m[:, 2] for p, m in zip(points.cpu().numpy() * 128, back)]
        return np.mean(q, 0), float(sure.mean())

    def track(self, frames):
        box, score = self.detect(frames[0])
        out = []
        for frame in frames:
            p, sure = self.marks(frame, box)
            for _ in range(2 if not out else 0):  # a box of the detector is rough
                p, sure = self.marks(frame, p)
            if sure < .5:
                p, sure = self.marks(frame, self.detect(frame)[0])
            out.append(p)
            box = p
        return np.array(out), score


def smoothed(marks, width=5):
    """Mean over width frames: the crop must not tremble."""
    k = width // 2
    padded = np.pad(marks, ((k, k), (0, 0), (0, 0)), mode="edge")
    return np.stack([padded[i:i + width].mean(0) for i in range(len(marks))])


def aperture(marks):
    inner = np.mean([np.linalg.norm(marks[:, a] - marks[:, b], axis=1) for a, b in ((61, 67), (62, 66), (63, 65))], 0)
    return inner / np.linalg.norm(marks[:, 27] - marks[:, 8], axis=1)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("video", "cache", "audio", "sheet"):
        ap.add_argument("--" + name, required=True)
    ap.add_argument("--out", help="video of the generated crops with the sound of the input")
    ap.add_argument("--steps", type=int, default=2)
    ap.add_argument("--progressive", action="store_true")
    args = ap.parse_args()
    device = device_of("cpu")
    torch.set_flush_denormal(True)
    frames, wav = read_video(args.video)
    ae = os.path.join(args.cache, "autoencoder-final.pt")
    encoder, decoder = Encoder(), Decoder()
    for net, name in ((encoder, "encoder"), (decoder, "decoder")):
        load_weights(net, read_checkpoint(ae)["average"][name], ae)
        net.eval()
    ears, checkpoint = load_trained(args.audio)
    with torch.no_grad():
        tracker = Tracker(args.cache, device)
        marks, score = tracker.track(frames)
        transforms = [recipe.crop_transform(p) for p in smoothed(marks)]
        crops = np.stack([cv2.warpAffine(f, m, (recipe.SIZE_PX, recipe.SIZE_PX), flags=cv2.INTER_CUBIC) for f, m in zip(frames, transforms)])
        inside = np.stack([p @ m[:, :2].T + m[:, 2] for p, m in zip(marks, transforms)])
        region = np.ascontiguousarray(crops[:, R["y"]:R["y"] + R["height"], R["x"]:R["x"] + R["width"]])
        z, masked = encode(encoder, region, device)
        heard = torch.from_numpy(windows(wav, recipe.AUDIO, checkpoint["normalisation"])[:len(frames)])
        features = ears.encoder(heard)
        curve = ears.head(features).numpy()[:, TARGETS.index("aperture")]
        features = features.numpy()
        n = min(len(frames), len(features))
        clip = {"region": region[:n], "frames": np.arange(n), "z": z[:n], "masked": masked[:n],
                "visible": (inside[:n, recipe.VISIBLE] / recipe.SIZE_PX).astype(np.float32)}

        def context(f):
            rows = [window_indices(i, n) for i in range(n)]
            return np.stack([f[k] * ok[:, None] for k, ok in rows]).astype(np.float32)

        models = (encoder, decoder, *load_denoiser(os.path.join(args.cache, "denoiser.pt"), device))
        own, wrong = (generate(models, clip, context(f), args.steps, device, args.progressive) for f in (features[:n], features[:n][::-1]))
        face = region[:, 0:210, 30:226]
        print(f"detector score {score:.2f}; round trip in the face {round_trip(encoder, decoder, face[::8][:, :208, :192], device):.2f} dB")
        mask, blend = recipe.region_mask(), recipe.region_mask(recipe.MASK_FEATHER_PX)[..., None]
        still = (region[:1] * blend + region[:n] * (1 - blend)).round().astype(np.uint8)

        def reread(images):
            full = crops[:n].copy()
            full[:, R["y"]:R["y"] + R["height"], R["x"]:R["x"] + R["width"]] = images
            return aperture(np.stack([tracker.marks(f, p)[0] for f, p in zip(full, inside)]))

        truth = aperture(marks[:n])
        for name, made in (("own", own), ("wrong", wrong), ("still", still)):
            a = reread(made)
            r = np.corrcoef(a, truth)[0, 1], np.corrcoef(a, curve[:n])[0, 1]
            print(f"{name}: mouth PSNR {psnr(made, region[:n], mask):.2f} dB, aperture correlation with truth {r[0]:.3f}, with the encoder's "
                  f"curve {r[1]:.3f}, amplitude {a.std() / truth.std():.2f}", flush=True)
        hidden = np.where(mask[..., None] > 0, 0, region[:n]).astype(np.uint8)
        contact_sheet(args.sheet, [(region[:n], hidden, own, wrong)])
    if args.out:
        crops[:n, R["y"]:R["y"] + R["height"], R["x"]:R["x"] + R["width"]] = own
        subprocess.run(["ffmpeg", "-y", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{recipe.SIZE_PX}x{recipe.SIZE_PX}", "-r",
                        str(recipe.FPS), "-i", "-", "-i", args.video, "-map", "0:v", "-map", "1:a", "-pix_fmt", "yuv420p", args.out],
                       input=crops[:n].tobytes(), check=True)


if __name__ == "__main__":
    main()
