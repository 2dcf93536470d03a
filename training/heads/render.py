"""Poses a person and renders it, through any similarity of the camera image, with exact landmarks.

Units are centimetres, y up, z forward. The base frame is what the person's camera sees as 512 x 512 pixels.
"""
import ctypes
from dataclasses import dataclass, field

import cv2
import numpy as np

from heads.assets import MATERIAL, MATERIALS
from heads.raster import Material, bp, fp, ip, lib, normals

PIVOT = np.array([0, -7.0, .5], np.float32)  # the head turns about this point
BASE_PX = 512


@dataclass
class View:
    """A window on the base frame. transform: float64 [2, 3], base pixels to output pixels; ss: samples per axis."""
    width: int
    height: int
    transform: np.ndarray = field(default_factory=lambda: np.eye(2, 3))
    ss: int = 2

    @property
    def scale(self):
        return float(np.sqrt(abs(np.linalg.det(self.transform[:, :2]))))


def rotation(pitch, yaw, roll):
    cx, sx, cy, sy, cz, sz = np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw), np.cos(roll), np.sin(roll)
    x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return (z @ y @ x).astype(np.float32)


def pose(p, weights, rpy, t=(0, 0, 0)):
    """Vertices [n, 3] with expression weights (name -> 0..1), head rotation (rad) and shift (cm); and the rotation.

    tongueUp and tongueOut move the tip to the ridge behind the upper teeth and between the teeth.
    """
    a, w = p.assets, dict(weights)
    up, out = w.pop("tongueUp", 0.), w.pop("tongueOut", 0.)
    for k in ("eyeBlink_L", "eyeBlink_R"):
        w[k] = min(1, .13 + .87 * w.get(k, 0))  # the neutral ICT eye is too wide open
    names = [k for k in w if w[k] != 0]
    v = p.vertices + np.tensordot(np.array([w[k] for k in names], np.float32), a.expressions[[a.expression[k] for k in names]], 1)
    if up or out:
        k = a.tongue
        v[:, 1] += (1.25 * up + .35 * out) * k * k
        v[:, 2] += (.35 * up + 1.7 * out) * k
    r = rotation(*rpy)
    x = (v - PIVOT) @ r.T + PIVOT + np.array(t, np.float32)
    k = a.neck[:, None]
    return (v * (1 - k) + x * k).astype(np.float32), r


def project(p, points):
    """Base-frame pixels and inverse depth [n, 3] of world points [n, 3]."""
    focal = BASE_PX * (p.distance - 5) / 30.0 * p.zoom
    z = p.distance + 6 - points[:, 2]
    return np.stack([BASE_PX / 2 + focal * points[:, 0] / z, BASE_PX / 2 - focal * (points[:, 1] - 1.0) / z, 1 / z], 1)


def landmarks(p, weights, rpy, t=(0, 0, 0)):
    """The 68 landmarks [68, 2] in the base frame, without rendering."""
    v, _ = pose(p, weights, rpy, t)
    return project(p, v[p.assets.landmarks])[:, :2]


def occlusion(p, v, r, hair, count, first_hair):
    """Per-vertex ambient occlusion: mouth by depth and opening, eyeballs by distance from the lid, hair by radius."""
    a = p.assets
    ao = np.ones(count, np.float32)
    inside = np.r_[11248:13294, 14062:21451]
    lips = (v[5708] + v[6213] + v[0] + v[5957]) / 4
    opening = np.clip(np.linalg.norm(v[5533] - v[5517]) / 2.5, 0, 1)
    depth = np.clip((lips - v[inside]) @ r[:, 2], 0, 8)
    ao[inside] = np.clip((.04 + .96 * np.clip(opening * 3, 0, 1)) * (.62 + .3 * opening) * np.exp(-depth * (.55 - .12 * opening)), .01, 1)
    ao[13294:14062] = .5
    for lo, hi, lid in ((21451, 22221, (43, 44)), (23021, 23791, (37, 38))):
        ao[lo:hi] = np.clip(.35 + .9 * ((v[a.landmarks[list(lid)]].mean(0) - v[lo:hi]) @ r[:, 1]), .3, 1)
    if hair is not None:
        ao[first_hair:] = np.clip(.35 + .65 * np.clip((np.linalg.norm(hair - np.array([0, 5, 0]), axis=1) - 9) / 4, 0, 1), .3, 1)
    return ao


def materials(p):
    table = (Material * len(MATERIALS))()

    def put(name, tex=None, tint=(1, 1, 1), spec=1., rough=.5, wrap=0., f0=.028, sss=0, bump=0.):
        m = table[MATERIAL[name]]
        m.spec, m.rough, m.wrap, m.f0, m.sss, m.bump = spec, rough, wrap, f0, sss, bump
        m.tint[:] = list(map(float, tint))
        if tex is not None:
            m.tex, m.tw, m.th = tex.ctypes.data, tex.shape[1], tex.shape[0]

    red = p.mouth_red
    put("face", p.face_tex, spec=p.shine, rough=p.rough, wrap=.35, sss=1, bump=p.bump)
    put("back", p.back_tex, spec=.8, rough=.5, wrap=.35, sss=1)
    put("socket", None, (.2 * red, .05, .045), spec=.8, rough=.35)
    put("eyesock", None, (.4, .2, .17), spec=.5)
    put("gums", None, (.45 * red, .19, .18), spec=1.5, rough=.3)
    put("tongue", None, (.42 * red, .16, .14), spec=1.2, rough=.4)
    put("teeth", None, p.tooth, spec=1.4, rough=.25, f0=.04, wrap=.3)
    put("scleraL", p.eye_tex, (.92, .92, .92), spec=2.2, rough=.12, f0=.04, wrap=.2)
    put("scleraR", p.eye_tex, (.92, .92, .92), spec=2.2, rough=.12, f0=.04, wrap=.2)
    put("torso", p.cloth_tex, (.9, .9, .9), spec=.2, rough=.8)
    put("hair", getattr(p, "hair_tex", None), (1, 1, 1), spec=1.2, rough=.42, f0=.045, wrap=.2)
    return table


@dataclass
class Geometry:
    """One vertex, triangle and uv list: ICT head, shirt, hair."""
    pts: np.ndarray
    tri: np.ndarray
    tri_uv: np.ndarray
    uv: np.ndarray
    mat: np.ndarray
    solid: int            # triangles before the hair
    first_hair: int       # vertices before the hair
    hair: object          # hair style or None
    hair_pos: np.ndarray


def geometry(p, v, r, t):
    a = p.assets
    tv, tf, tuv = p.torso
    points, tris, tri_uvs, uvs = [v, tv], [a.tri, tf + len(v)], [a.tri_uv, tf + len(a.uv)], [a.uv, tuv]
    mats = [a.mat, np.full(len(tf), MATERIAL["torso"], np.int32)]
    hair = pos = None
    if p.hair:
        hair = a.hair[p.hair]
        moved = (p.hair_vertices - PIVOT) @ r.T + PIVOT + np.array(t, np.float32)
        k = np.clip((hair.vertices[:, 1] + 18.5) / 8.5, 0, 1)[:, None]
        pos = (p.hair_vertices * (1 - k) + moved * k).astype(np.float32)
        points.append(pos)
        tris.append(hair.tri + len(v) + len(tv))
        tri_uvs.append(hair.tri_uv + len(a.uv) + len(tuv))
        uvs.append(hair.uv)
        mats.append(np.full(len(hair.tri), MATERIAL["hair"], np.int32))
    join = [np.ascontiguousarray(np.concatenate(x), d) for x, d in
            ((points, np.float32), (tris, np.int32), (tri_uvs, np.int32), (uvs, np.float32), (mats, np.int32))]
    return Geometry(*join, len(a.tri) + len(tf), len(v) + len(tv), hair, pos)


def shadow_map(g, light, grain, size=512):
    """Orthographic depth of the key light: the world-to-light matrix [3, 4] and the map."""
    sx = np.cross(np.array([0, 1, 0], np.float32), light)
    sx /= np.linalg.norm(sx)
    sy = np.cross(light, sx)
    k = size / 44.0
    m = np.zeros((3, 4), np.float32)
    m[0, :3], m[0, 3] = sx * k, size / 2
    m[1, :3], m[1, 3] = -sy * k, size / 2
    m[2, :3], m[2, 3] = light, 100.0
    q = g.pts @ m[:, :3].T + m[:, 3]
    q = np.ascontiguousarray(np.concatenate([q, q[:, :1] * 0], 1), np.float32)
    smap = np.zeros((size, size), np.float32)
    dummy, ids = np.empty((size, size), np.float32), np.empty((size, size), np.int32)
    lib.raster(size, size, g.solid, ip(g.tri), fp(q), fp(smap), None, fp(dummy), fp(dummy), 0, 0)
    if g.hair:
        raster_hair(g, q, smap, ids, dummy, dummy, 0, grain, .5)
    return m, smap


def raster_hair(g, screen, zbuf, ids, bu, bv, first, grain, cut):
    h, w = zbuf.shape
    tri, tri_uv = np.ascontiguousarray(g.tri[g.solid:]), np.ascontiguousarray(g.tri_uv[g.solid:])
    alpha = g.hair.alpha
    lib.raster_alpha(w, h, len(tri), ip(tri), ip(tri_uv), fp(screen), fp(g.uv), bp(alpha), alpha.shape[1], alpha.shape[0],
                     fp(zbuf), ip(ids), fp(bu), fp(bv), first, grain, ctypes.c_float(cut))


def scatter(irr, mask, width, height, scale, ss):
    """Subsurface scattering: the irradiance of skin blurred, red widest."""
    sk = (mask == 2).astype(np.float32)
    small = cv2.resize(irr * sk[..., None], (width, height), interpolation=cv2.INTER_AREA)
    cover = cv2.resize(sk, (width, height), interpolation=cv2.INTER_AREA)
    soft = np.empty_like(small)
    for c, sigma in enumerate((5.0 * scale, 2.4 * scale, 1.3 * scale)):
        soft[..., c] = cv2.GaussianBlur(small[..., c], (0, 0), sigma) / np.maximum(cv2.GaussianBlur(cover, (0, 0), sigma), 1e-3)
    if ss > 1:
        soft = cv2.resize(soft, (width * ss, height * ss), interpolation=cv2.INTER_LINEAR)
    m = (sk * .75)[..., None]
    return irr * (1 - m) + soft * m


def render(p, weights, rpy=(0, 0, 0), t=(0, 0, 0), view=None):
    """RGB float32 [height, width, 3] in [0, 1], the 68 landmarks in its pixels, and which of them are seen (bool [68]).

    Camera faults are heads.camera's.
    """
    view = view or View(BASE_PX, BASE_PX)
    v, r = pose(p, weights, rpy, t)
    g = geometry(p, v, r, t)
    nrm = normals(g.tri, g.pts)
    base = project(p, g.pts)
    m = view.transform
    scr = np.zeros((len(g.pts), 4), np.float32)  # x, y, 1/z, unused
    scr[:, :2] = (base[:, :2] @ m[:, :2].T + m[:, 2]) * view.ss
    scr[:, 2] = base[:, 2]
    w, h = view.width * view.ss, view.height * view.ss
    zbuf, ids = np.zeros((h, w), np.float32), np.full((h, w), -1, np.int32)
    bu, bv = np.empty((h, w), np.float32), np.empty((h, w), np.float32)
    lib.raster(w, h, g.solid, ip(g.tri), fp(scr), fp(zbuf), ip(ids), fp(bu), fp(bv), 0, 0)
    grain = ctypes.c_uint32(p.seed & 0xffff)
    if g.hair:
        raster_hair(g, scr, zbuf, ids, bu, bv, g.solid, grain, .3)
    to_light, smap = shadow_map(g, p.lights[0, :3], grain)
    ao = occlusion(p, v, r, g.hair_pos, len(g.pts), g.first_hair)
    albedo, irr, spec = (np.zeros((h, w, 3), np.float32) for _ in range(3))
    mask = np.zeros((h, w), np.uint8)  # 0 background, 1 solid, 2 skin
    cam = np.array([0, 1.0, p.distance + 6], np.float32)
    lib.shade(w, h, ip(ids), fp(bu), fp(bv), ip(g.tri), ip(g.tri_uv), fp(g.pts), fp(nrm), fp(g.uv), ip(g.mat), materials(p),
              len(p.lights), fp(p.lights), fp(p.sh), fp(ao), fp(to_light), smap.shape[0], fp(smap), ctypes.c_float(.25), fp(cam),
              fp(albedo), fp(irr), fp(spec), bp(mask))
    irr = scatter(irr, mask, view.width, view.height, view.scale, view.ss)
    colour = albedo * irr + spec
    cover = (mask > 0).astype(np.float32)
    if p.exposure is None:
        target = p.rng.uniform(.20, .38) * np.clip(p.face_tex.mean() / 165, .3, 1.1) ** 1.1
        p.exposure = target / max(float(colour[mask == 2].mean()) if (mask == 2).any() else 0., 1e-3)
    if view.ss > 1:
        colour = cv2.resize(colour, (view.width, view.height), interpolation=cv2.INTER_AREA)
        cover = cv2.resize(cover, (view.width, view.height), interpolation=cv2.INTER_AREA)
    bg = cv2.warpAffine(p.background, m, (view.width, view.height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    img = colour * p.exposure + (1 - cover[..., None]) * bg
    img = np.clip(img * (1 + img * .12) / (1 + img * .35), 0, 1) ** (1 / 2.2 * p.gamma)
    marks = base[p.assets.landmarks, :2] @ m[:, :2].T + m[:, 2]
    return img.astype(np.float32), marks, visible(scr[p.assets.landmarks], zbuf)


def visible(points, zbuf, depth_cm=.8):
    """Which points [n, (x, y, 1/z)] nothing covers by more than depth_cm; points outside the image count as seen."""
    x, y = points[:, 0].astype(int), points[:, 1].astype(int)
    inside = (x >= 0) & (y >= 0) & (x < zbuf.shape[1]) & (y < zbuf.shape[0])
    seen = np.ones(len(points), bool)
    near = 1 / np.maximum(zbuf[y[inside], x[inside]], 1e-9)
    seen[inside] = 1 / points[inside, 2] <= near + depth_cm
    return seen
