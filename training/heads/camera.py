"""What a camera and a codec do to a rendered image; one Camera per clip, one seed per frame."""
import cv2
import numpy as np


class Camera:
    def __init__(self, g):
        self.blur = max(0., g.normal(.25, .4))
        self.downscale = float(g.choice([1., g.uniform(.55, 1.)], p=[.6, .4]))
        self.sharpen = float(g.choice([0., g.uniform(.2, 1.)], p=[.6, .4]))
        self.noise = g.uniform(0, 3.) ** 1.5
        self.jpeg = int(g.integers(50, 98))
        self.vignette = g.uniform(0, .25)
        self.contrast = g.uniform(.88, 1.15)
        self.tint = np.exp(g.normal(0, .04, 3)).astype(np.float32)

    def shoot(self, img, seed):
        """img float32 RGB [h, w, 3] in [0, 1] to uint8."""
        g = np.random.default_rng(seed)
        h, w = img.shape[:2]
        img = (img - .5) * self.contrast + .5
        img = img * self.tint
        y, x = np.mgrid[0:h, 0:w].astype(np.float32)
        img = img * (1 - self.vignette * ((x / w - .5) ** 2 + (y / h - .5) ** 2) * 2)[..., None]
        if self.downscale < .97:
            small = cv2.resize(img, (int(w * self.downscale), int(h * self.downscale)), interpolation=cv2.INTER_AREA)
            img = cv2.resize(small, (w, h), interpolation=cv2.INTER_CUBIC)
        if self.blur > .25:
            img = cv2.GaussianBlur(img, (0, 0), self.blur)
        if self.sharpen:
            img = img + self.sharpen * (img - cv2.GaussianBlur(img, (0, 0), 1.2))
        grain = cv2.GaussianBlur(g.standard_normal(img.shape).astype(np.float32), (0, 0), .6)
        img = img + grain * (self.noise / 255)
        out = (np.clip(img, 0, 1) * 255 + .5).astype(np.uint8)
        code = cv2.imencode(".jpg", out[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, self.jpeg])[1]
        return cv2.cvtColor(cv2.imdecode(code, 1), cv2.COLOR_BGR2RGB)
