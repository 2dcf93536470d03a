"""Random textures of a person: skin, lips, moles, beard, brows, shirt, background. Sizes in pixels, colours BGR 0-255."""
import os

import cv2
import numpy as np

TEXTURE = 1024
GREY = np.array([.86, .97, 1.17])


def noise(size, rng, octaves):
    out = np.zeros((size, size), np.float32)
    for s, gain in octaves:
        out += gain * cv2.resize(rng.standard_normal((s, s)).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    return out


def as_texture(bgr):
    """Float BGR to contiguous 8-bit RGB."""
    return np.ascontiguousarray(np.clip(bgr, 0, 255).astype(np.uint8)[..., ::-1])


def landmarks_px(pack):
    """The 68 landmarks in the face texture."""
    return np.stack([pack.face_uv[pack.landmarks, 0], 1 - pack.face_uv[pack.landmarks, 1]], 1) * TEXTURE


def skin(pack, g, skins, procedural, seed):
    """A face texture and its mean cheek colour. skins: the entries of the pack that may be drawn."""
    px = landmarks_px(pack)
    entry = skins[g.integers(len(skins))]
    base = np.array(entry["cheek_bgr"])
    if procedural:
        t = procedural_skin(base, px, seed)
    else:
        t = cv2.imread(os.path.join(pack.root, "skins", entry["file"])).astype(np.float32)
    gain = np.exp(g.normal(0, .12) + g.normal(0, .04, 3))
    t, base = t * gain, base * gain
    if base.mean() < 70:
        m = np.exp(g.uniform(.1, .45))
        t, base = t * m, base * m
    # Desaturated, dark skins more: otherwise they turn orange.
    ds = g.uniform(.02, .25) + np.clip((120 - base.mean()) / 120, 0, .6) * .75
    t = t * (1 - ds) + t.mean(2, keepdims=True) * ds * GREY
    base = base * (1 - ds) + base.mean() * ds * GREY
    fine = g.uniform(.6, 2.4)  # pores: smooth to rough skins
    t += noise(TEXTURE, g, [(16, 1.5), (64, 1.2), (256, 1.6 * fine), (700, 2.4 * fine)])[..., None] * np.array([.8, .9, 1.])
    for _ in range(g.integers(0, 12)):  # moles
        x, y = g.integers(150, 870, 2)
        cv2.circle(t, (int(x), int(y)), int(g.integers(1, 4)), tuple((base * .6).tolist()), -1, cv2.LINE_AA)
    lip = np.array([g.uniform(60, 115), g.uniform(60, 118), g.uniform(130, 210)]) * np.clip(base.mean() / 165, .45, 1.1)
    k = (pack.lipmask * g.uniform(.2, .65))[..., None]
    lum = t.mean(2, keepdims=True) / (t[pack.lipmask > .8].mean() + 1e-6)
    return t * (1 - k) + lip * np.clip(lum, .7, 1.3) * k, base


def procedural_skin(base, px, seed):
    """A face texture without a photograph: the base colour, redder at cheeks, nose and ears, mottled, lids darker."""
    g = np.random.default_rng(seed + 77_000_000)
    y, x = np.mgrid[0:TEXTURE, 0:TEXTURE].astype(np.float32)
    cheeks = [(px[31] + px[1]) / 2, (px[35] + px[15]) / 2]

    def blob(c, r):
        return np.exp(-((x - c[0]) ** 2 + (y - c[1]) ** 2) / (2 * r * r))

    red = sum(blob(c, 75) for c in cheeks) * g.uniform(.2, .7) + blob(px[30], 32) * g.uniform(.3, .9)
    lids = blob(px[36:42].mean(0), 34) + blob(px[42:48].mean(0), 34)
    t = np.ones((TEXTURE, TEXTURE, 3), np.float32) * base
    t *= 1 + red[..., None] * np.array([-.16, -.13, .02]) - lids[..., None] * g.uniform(.05, .16)
    t *= 1 + noise(TEXTURE, g, [(6, .02), (24, .02), (90, .015)])[..., None] * np.array([1.3, 1.2, .8])
    pores = noise(TEXTURE, g, [(900, .020), (400, .012)])
    return (t * (1 + pores[..., None])).astype(np.float32)


def beard(t, pack, g, hair_bgr):
    """Stubble to a full, short beard on jaw, chin and upper lip."""
    px = landmarks_px(pack)
    m = np.zeros((TEXTURE, TEXTURE), np.float32)
    cv2.fillPoly(m, [np.vstack([px[2:15], px[[35, 33, 31]]]).astype(np.int32)], 1)
    m = cv2.GaussianBlur(m, (0, 0), 22) * (1 - pack.lipmask)
    full = g.random() < .35
    coarse = [(256, .5), (512, .6), (1000, .5)] if full else [(512, .6), (1000, .6)]
    s = np.clip(noise(TEXTURE, g, coarse) * (.45 if full else 1) + (.8 if full else .35), 0, 1)
    k = (m * s * (g.uniform(.5, .9) if full else g.uniform(.12, .5)))[..., None]
    return t * (1 - k) + (hair_bgr * .9 if full else t * .15) * k


def brows(t, pack, g, hair_bgr):
    px, strength, thick = landmarks_px(pack), g.uniform(.25, .6), g.uniform(7, 13)
    for side, ids in ((1, range(17, 22)), (-1, range(26, 21, -1))):
        pts = px[list(ids)]
        ov = np.zeros((TEXTURE, TEXTURE), np.uint8)
        for _ in range(340):
            u = g.random() ** .9 * 4 * .995
            i = int(u)
            q = pts[i] * (1 - (u - i)) + pts[min(i + 1, 4)] * (u - i)
            width = thick * (.45 + .55 * np.sin(np.pi * min(1, (u + .6) / 4.8)))
            q = q + [0, g.normal(0, .5) * width + 4]
            angle = np.deg2rad(-35 + g.normal(0, 14) + (u - 2) * -16)
            d = np.array([-side * np.cos(angle), np.sin(angle)]) * g.uniform(7, 15)
            cv2.line(ov, tuple(int(z * 16) for z in q), tuple(int(z * 16) for z in q + d), 255, 1, cv2.LINE_AA, 4)
        k = cv2.GaussianBlur(ov.astype(np.float32) / 255, (0, 0), 1.)[..., None]
        k = np.clip(k * strength * 1.9, 0, .92)
        t = t * (1 - k) + hair_bgr * k
    for ids in ((36, 37, 38, 39), (42, 43, 44, 45)):  # dark line on the upper lid
        m = np.zeros((TEXTURE, TEXTURE), np.uint8)
        cv2.polylines(m, [np.round(px[list(ids)].astype(np.float32) * 16).astype(np.int32)], False, 255, 5, cv2.LINE_AA, 4)
        k = cv2.GaussianBlur(m.astype(np.float32) / 255, (0, 0), 1.6)[..., None] * .85
        t = t * (1 - k) + np.array([14, 14, 18.]) * k
    return t


def cloth(g, size=256):
    c = g.uniform(0, 1, 3) * g.uniform(.1, .9)
    sat = g.uniform(.2, .9)
    out = np.ones((size, size, 3)) * (c * sat + c.mean() * (1 - sat)) * 255
    if g.integers(4) == 1:
        out *= (.8 + .2 * np.sign(np.sin(np.arange(size) / size * 2 * np.pi * g.integers(6, 30))))[:, None, None]
    out += noise(size, g, [(8, 5), (128, 5)])[..., None]
    return np.ascontiguousarray(np.clip(out, 0, 255).astype(np.uint8))


def background(g, size=512):
    """Linear light [size, size, 3]: a gradient, boxes, discs, stripes and writing, sharp to strongly blurred."""
    y, x = np.mgrid[0:size, 0:size] / size
    c1, c2 = g.uniform(.05, .95, 3), g.uniform(.05, .95, 3)
    sat = g.uniform(.1, .8)
    c1, c2 = c1 * sat + c1.mean() * (1 - sat), c2 * sat + c2.mean() * (1 - sat)
    a = g.uniform(0, 2 * np.pi)
    t = np.clip(np.cos(a) * (x - .5) + np.sin(a) * (y - .5) + .5, 0, 1)[..., None]
    b = c1 * (1 - t) + c2 * t
    if g.random() < .75:
        for _ in range(g.integers(3, 40)):
            col = tuple(np.clip(g.uniform(0, 1) * .6 * np.ones(3) + g.uniform(0, .5, 3), 0, 1).tolist())
            p = g.integers(-80, size + 80, 2)
            q = p + g.integers(10, 260, 2)
            kind = g.random()
            if kind < .45:
                cv2.rectangle(b, tuple(map(int, p)), tuple(map(int, q)), col, -1)
            elif kind < .65:
                cv2.circle(b, tuple(map(int, p)), int(g.integers(5, 90)), col, -1)
            elif kind < .85:
                cv2.line(b, tuple(map(int, p)), tuple(map(int, p + g.integers(-300, 300, 2))), col, int(g.integers(1, 14)), cv2.LINE_AA)
            else:
                cv2.putText(b, "".join(chr(c) for c in g.integers(48, 91, 6)), tuple(map(int, p)), int(g.integers(0, 5)),
                            float(g.uniform(.6, 3)), col, int(g.integers(1, 6)), cv2.LINE_AA)
        sigma = float(g.choice([g.uniform(.4, 2), g.uniform(2, 14)]))
        b = cv2.GaussianBlur(b, (0, 0), sigma)
    b = b + noise(size, g, [(5, .03), (40, .004), (400, g.uniform(0, .02))])[..., None]
    return np.clip(b, 0, 1).astype(np.float32) ** 2.2


def studio(g, size=512):
    """Linear light [size, size, 3]: a plain wall, lit from one side."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    c = g.uniform(.28, .5) * np.array([1.05, 1., .94]) ** g.normal(0, 1)
    light = 1.15 - .55 * np.hypot(x - g.uniform(.2, .8), y - .3)
    wall = c * light[..., None] + noise(size, g, [(6, .006), (90, .003)])[..., None]
    return np.clip(wall, 0, 1).astype(np.float32) ** 2.2
