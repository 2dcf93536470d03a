"""Random people: shape, skin, brows, eyes, teeth, hair, shirt, lights, background and camera, all from one seed."""
import numpy as np

from heads import textures
from heads.assets import eye_texture

HELD_OUT_SKINS = ("middleage_lightskinned_male2", "old_darkskinned_female", "young_lightskinned_female3")


def skins_of(pack, split):
    """The skins of a split: "test" has the held-out ones, "train" the others."""
    held = [s for s in pack.skins if any(s["file"].rsplit(".", 1)[0] == h for h in HELD_OUT_SKINS)]
    if len(held) != len(HELD_OUT_SKINS):
        raise ValueError(f"the pack lacks held-out skins: found {[s['file'] for s in held]}, need {HELD_OUT_SKINS}")
    return held if split == "test" else [s for s in pack.skins if s not in held]


class Person:
    """One identity. skins: "photo" takes a skin of the pack, "procedural" uses no texture file, "mixed" one in seven.

    split "test" draws from the held-out skins and from seeds that training never uses.
    """

    def __init__(self, assets, seed, split="train", modes=100, skins="mixed"):
        self.assets, self.seed = assets, seed
        g = self.rng = np.random.default_rng((2 if split == "test" else 1, seed))
        w = np.clip(g.standard_normal(modes) * .85, -2.2, 2.2)
        self.vertices = (assets.vertices.ravel() + w @ assets.identities[:modes]).reshape(-1, 3).astype(np.float32)
        procedural = skins == "procedural" or (skins == "mixed" and g.random() < .14)
        self._skin(g, skins_of(assets, split), procedural)
        self._eyes_teeth(g)
        self.cloth_tex = textures.cloth(g)
        self._hair(g)
        self.torso = torso(self.vertices, g)
        self._lights(g)
        self.background = textures.background(g)
        self.exposure = None  # set by the first render, then kept
        self.distance = g.uniform(50, 110)
        self.zoom = g.uniform(.94, 1.10)
        self.gamma = g.uniform(.85, 1.12)
        self.bump = g.uniform(1.0, 3.6)
        self.shine, self.rough = g.uniform(.6, 1.7), g.uniform(.34, .52)

    def _skin(self, g, skins, procedural):
        a = self.assets
        t, base = textures.skin(a, g, skins, procedural, self.seed)
        self.dark = base.mean() < 95
        colours = [[12, 14, 18], [20, 28, 42], [28, 42, 68], [60, 100, 150], [40, 62, 100], [110, 110, 112]]
        odds = [.75, .15, .02, 0, 0, .08] if self.dark else [.25, .25, .2, .12, .12, .06]
        self.hair_bgr = np.array(colours[g.choice(6, p=odds)], float) * g.uniform(.8, 1.3)
        if g.random() < .4:
            t = textures.beard(t, a, g, self.hair_bgr)
        t = textures.brows(t, a, g, self.hair_bgr)
        self.face_tex = textures.as_texture(t)
        grain = textures.noise(256, g, [(32, 1.2), (200, 2.5)])[..., None]
        self.back_tex = textures.as_texture(np.full((256, 256, 3), 1.) * base + grain)

    def _eyes_teeth(self, g):
        names = ["blue", "brownlight", "green", "grey", "lightblue", "brown"]
        odds = [0, .15, 0, .02, 0, .83] if self.dark else [.15, .25, .12, .12, .08, .28]
        self.eye_tex = np.ascontiguousarray(eye_texture(self.assets, names[g.choice(6, p=odds)])[..., ::-1])
        r = g.uniform(.55, .92)
        self.tooth = np.array([r, r * g.uniform(.88, .97), r * g.uniform(.62, .90)])
        lo, hi = self.assets.parts["teeth"]
        teeth = self.vertices[lo:hi + 1]
        upper = teeth[:, 1] > -3.1
        teeth[:, 0] *= g.uniform(.94, 1.04)
        teeth[upper, 1] += g.normal(0, .10)  # how far the upper teeth show
        teeth[~upper, 1] += g.normal(-.05, .10)
        self.mouth_red = g.uniform(.75, 1.3)

    def _hair(self, g):
        styles = ["short01", "short02", "short03", "short04", "bob02", "long01", "ponytail01", "braid01", None]
        self.hair = g.choice(styles, p=[.15, .15, .12, .15, .13, .13, .07, .03, .07])
        if self.hair:
            h = self.assets.hair[self.hair]
            lum = 1 + (h.lum[..., None] - 1) * g.uniform(.8, 1.5)  # strands: flat to contrasty
            self.hair_tex = np.ascontiguousarray(np.clip(lum * self.hair_bgr[::-1] * 1.15, 0, 255).astype(np.uint8))
            self.hair_vertices = h.vertices + (self.vertices - self.assets.vertices)[h.nearest]

    def _lights(self, g):
        az, el = g.uniform(-1.1, 1.1), g.uniform(.1, .9)
        key = np.array([np.sin(az) * np.cos(el), np.sin(el), np.cos(az) * np.cos(el)])
        warm = g.uniform(-.12, .12)
        key_colour = g.uniform(.6, 2.8) * np.array([1 + warm, 1, 1 - warm])
        az2 = az + np.pi * g.uniform(.6, 1.2) * np.sign(g.normal())
        rim = np.array([np.sin(az2), .3, np.cos(az2) * .6])
        rim /= np.linalg.norm(rim)
        rim_colour = g.uniform(0, .8) * np.array([1 - warm, 1, 1 + warm])
        # direction, colour, roughness added, unused
        self.lights = np.ascontiguousarray(np.array([[*key, *key_colour, .12, 0], [*rim, *rim_colour, .1, 0]], np.float32))
        amb = g.uniform(.25, 1.)
        sh = self.sh = np.zeros((9, 3), np.float32)
        sh[0] = amb * 3.2 * np.array([1 - warm * .5, 1, 1 + warm * .5]) * .75
        sh[1] = amb * g.uniform(.1, .7)
        sh[3] = g.normal(0, .2) * amb
        sh[2] = g.uniform(0, .4) * amb


def torso(vertices, g):
    """A lofted shirt from collar to chest: vertices, triangles, uv."""
    neck = vertices[9409:11248]
    cz = neck[neck[:, 1] < -15][:, 2].mean()
    sw, n = g.uniform(17, 22), 64
    profile = [(-12.6, 7.0, 7.2, -.6), (-12.2, 7.6, 7.9, -.5), (-12.6, 8.8, 8.6, -.4), (-13.6, 12.2, 9.4, -.2),
               (-15.0, sw * .80, 10.0, 0), (-17.2, sw * .92, 10.6, .2), (-20.5, sw * .98, 11, .4), (-25, sw, 11.5, 1.0),
               (-34, sw * 1.02, 12.5, 1.5), (-46, sw * .98, 12.5, 1.5)]  # height, half width, half depth, shift
    t = np.linspace(0, 2 * np.pi, n, endpoint=False)
    c = np.sign(np.cos(t)) * np.abs(np.cos(t)) ** (2 / 2.3)
    s = np.sign(np.sin(t)) * np.abs(np.sin(t)) ** (2 / 2.3)
    rings = [np.stack([rx * c, y - 2.2 * np.maximum(0, np.sin(t)) * (1 if y > -13 else .5), cz + 1.6 + dz + rz * s], 1)
             for y, rx, rz, dz in profile]
    faces, k = [], len(profile)
    for r in range(k - 1):
        for i in range(n):
            j = (i + 1) % n
            p, q, u, v = r * n + i, r * n + j, (r + 1) * n + i, (r + 1) * n + j
            faces += [[p, u, q], [q, u, v]]
    uv = np.stack([np.tile(np.abs(np.linspace(-1, 1, n)), k), np.repeat(np.linspace(0, 1, k), n)], 1)
    return np.concatenate(rings).astype(np.float32), np.array(faces, np.int32), uv.astype(np.float32)
