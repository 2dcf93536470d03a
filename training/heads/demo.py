"""Renders the demo faces: a held-out person who listens (video) and another one (still).

    python3 -m heads.demo --person 121 --video ../demo/face.mp4 --landmarks ../test/golden/demo-face-landmarks.json
    python3 -m heads.demo --person 111 --image ../demo/face.jpg
"""
import argparse
import json
import subprocess

import cv2
import numpy as np

from heads import assets, textures
from heads.camera import Camera
from heads.motion import head_motion, smooth, upper_face
from heads.person import Person
from heads.render import BASE_PX, View, landmarks, render
import recipe


def demo_camera(seed):
    """A good camera: no shake, little noise."""
    camera = Camera(np.random.default_rng(seed))
    camera.blur, camera.downscale, camera.sharpen, camera.noise, camera.jpeg = 0, 1, 0, .6, 96
    return camera


def listener(n, g):
    """Expression weights of somebody who listens: lips closed, a faint smile that comes and goes, blinks."""
    w = upper_face(n, recipe.FPS, g)
    smile = np.clip(.12 + smooth(n, recipe.FPS, g, .06, .8), 0, .3)
    for s in "LR":
        w["mouthSmile_" + s] = smile
        w["cheekSquint_" + s] = .4 * smile
        w["mouthPress_" + s] = np.full(n, .05)
    return w


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    assets.add_argument(ap)
    ap.add_argument("--person", type=int, required=True, help="seed of the test split")
    ap.add_argument("--size", type=int, default=640)
    ap.add_argument("--seconds", type=float, default=6)
    ap.add_argument("--video")
    ap.add_argument("--image")
    ap.add_argument("--landmarks", help="write the exact landmarks of every tenth frame")
    args = ap.parse_args()
    p, g = Person(assets.load(args.assets), args.person, "test"), np.random.default_rng((31, args.person))
    p.background = textures.studio(g)
    n, camera = int(args.seconds * recipe.FPS), demo_camera(args.person)
    rpy, shift = head_motion(n, recipe.FPS, g, energy=.8)
    rpy = rpy - rpy.mean(0) * .75  # towards the camera
    weights = listener(n, g)
    view = View(args.size, args.size, np.eye(2, 3) * args.size / BASE_PX)

    def frame(i):
        w = {k: float(c[i]) for k, c in weights.items()}
        return camera.shoot(render(p, w, rpy[i], shift[i], view)[0], (args.person, i))

    if args.image:
        best = int(np.argmin(np.abs(rpy).sum(1) + 10 * weights["eyeBlink_L"]))
        if not cv2.imwrite(args.image, frame(best)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92]):
            raise SystemExit(f"could not write {args.image}")
    if args.landmarks:
        scale, every = args.size / BASE_PX, 10
        points = [landmarks(p, {k: float(c[i]) for k, c in weights.items()}, rpy[i], shift[i]) * scale
                  for i in range(0, n, every)]
        with open(args.landmarks, "w") as f:
            json.dump({"person": args.person, "everyFrames": every, "points": np.round(points, 1).tolist()}, f)
            f.write("\n")
    if args.video:
        ffmpeg = subprocess.Popen(
            ["ffmpeg", "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{args.size}x{args.size}",
             "-r", str(recipe.FPS), "-i", "-", "-c:v", "libx264", "-preset", "slow", "-pix_fmt", "yuv420p", "-crf", "20",
             "-movflags", "+faststart", args.video], stdin=subprocess.PIPE)
        for i in range(n):
            ffmpeg.stdin.write(frame(i).tobytes())
        ffmpeg.stdin.close()
        if ffmpeg.wait():
            raise SystemExit("ffmpeg failed")


if __name__ == "__main__":
    main()
