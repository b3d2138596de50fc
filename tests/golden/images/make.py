#!/usr/bin/python3
"""Small pictures of every kind we read, and the pixels Pillow makes of them.

Writes the pictures beside this script, cases.txt (a line a case: file, geometry, filter,
height, width, short side, alpha, exif, offset into expected.bin) and expected.bin (height x
width x 3 bytes BGR a case). Made with Debian 12's python3-pil (Pillow 9.4.0, libjpeg-turbo
2.1.5); the picture itself is drawn from formulas, so that no photo needs a licence.
"""
import io
import os
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps

HERE = os.path.dirname(os.path.abspath(__file__))
FILTERS = {"nearest": Image.Resampling.NEAREST, "bilinear": Image.Resampling.BILINEAR,
           "bicubic": Image.Resampling.BICUBIC}
FILL = 7


def scene(width, height):
    """Waves, an edge, a disc and some noise: gradients and detail in all channels."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    r = 127 + 110 * np.sin(x / 5.0 + y / 17.0)
    g = 255.0 * y / height * (0.6 + 0.4 * np.cos(x / 3.0))
    b = np.where(x + y > (width + height) / 2, 220.0, 30.0) + 20 * np.sin(y)
    disc = (x - width * 0.6) ** 2 + (y - height * 0.4) ** 2 < (min(width, height) / 4) ** 2
    r[disc], b[disc] = 255 - r[disc], 255 - b[disc]
    noise = (x * 7919 + y * 104729).astype(np.int64) * 2654435761 % 4294967296 % 41 - 20
    return np.clip(np.stack([r + noise, g, b - noise], -1), 0, 255).astype(np.uint8)


def chunk(kind, data):
    return (struct.pack(">I", len(data)) + kind + data
            + struct.pack(">I", zlib.crc32(kind + data)))


def packed(samples, depth):
    """Rows of samples (a row: width * channels numbers) as PNG bytes, filter 0 in front."""
    out = b""
    for row in samples:
        if depth == 16:
            body = row.astype(">u2").tobytes()
        elif depth == 8:
            body = row.astype(np.uint8).tobytes()
        else:
            bits = "".join(format(int(v), f"0{depth}b") for v in row)
            bits += "0" * (-len(bits) % 8)
            body = bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))
        out += b"\0" + body
    return out


def png(pixels, colour, depth, extra=b"", interlaced=False, late=b""):
    """A PNG by hand: Pillow writes neither Adam7 nor every depth."""
    height, width = pixels.shape[:2]
    pixels = pixels.reshape(height, width, -1)
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4),
                  (1, 0, 2, 2), (0, 1, 1, 2)]
    raw = b""
    for x, y, dx, dy in passes:
        part = pixels[y::dy, x::dx]
        if part.size:
            raw += packed(part.reshape(part.shape[0], -1), depth)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra
            + chunk(b"IDAT", zlib.compress(raw, 9)) + late + chunk(b"IEND", b""))


def jpeg(image, **options):
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    return out.getvalue()


def tiff(orientation, order="II"):
    end = "<" if order == "II" else ">"
    return (order.encode() + struct.pack(end + "HIH", 42, 8, 1)
            + struct.pack(end + "HHIHH", 0x0112, 3, 1, orientation, 0)
            + struct.pack(end + "I", 0))


def with_segment(data, marker, body):
    """A marker segment put right behind SOI."""
    return data[:2] + struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body + data[2:]


def without_jfif(data):
    assert data[2:4] == b"\xff\xe0"
    return data[:2] + data[4 + struct.unpack(">H", data[4:6])[0]:]


def pictures():
    """name -> bytes"""
    rgb = scene(75, 57)
    image = Image.fromarray(rgb)
    out = {
        "420.jpg": jpeg(image, quality=80),
        "422.jpg": jpeg(image, quality=80, subsampling=1),
        "444.jpg": jpeg(image, quality=80, subsampling=0),
        "progressive.jpg": jpeg(image, quality=80, progressive=True),
        "grey.jpg": jpeg(image.convert("L"), quality=80),
        "tall.jpg": jpeg(Image.fromarray(scene(41, 90)), quality=70),
        "one.jpg": jpeg(Image.fromarray(scene(1, 1))),
        "thin.jpg": jpeg(Image.fromarray(scene(200, 3)), quality=90),
    }
    small = Image.fromarray(scene(32, 24))
    cmyk = np.concatenate([255 - scene(32, 24), scene(32, 24)[::-1, :, 1:2] // 3], -1)
    ink = jpeg(Image.fromarray(cmyk, "CMYK"), quality=90)
    out["cmyk.jpg"] = ink
    at = ink.index(b"Adobe")
    out["ycck.jpg"] = ink[:at + 11] + b"\2" + ink[at + 12:]
    out["plain_cmyk.jpg"] = ink[:at - 4] + ink[at + 12:]
    adobe_rgb = b"Adobe" + struct.pack(">HHHB", 100, 0, 0, 0)
    out["adobe_rgb.jpg"] = with_segment(without_jfif(jpeg(small, subsampling=0)), 0xEE,
                                        adobe_rgb)
    for o in range(1, 9):
        order = "II" if o % 2 else "MM"
        out[f"exif{o}.jpg"] = with_segment(jpeg(small), 0xE1,
                                           b"Exif\0\0" + tiff(o, order))
    out["exif_broken.jpg"] = with_segment(jpeg(small), 0xE1, b"Exif\0\0II*\0\xff\xff\0\0")

    palette = image.quantize(16)
    colours = np.array(palette.getpalette()[:48], np.uint8).tobytes()
    index = np.asarray(palette)
    plte = chunk(b"PLTE", colours)
    grey = rgb[:, :, 1]
    wide = rgb.astype(np.uint16) * 257 // 3 + 11
    alpha = scene(75, 57)[:, ::-1, :1]
    out.update({
        "rgb.png": png(rgb, 2, 8),
        "rgb_adam7.png": png(rgb, 2, 8, interlaced=True),
        "rgb16.png": png(wide, 2, 16),
        "rgba.png": png(np.concatenate([rgb, alpha], -1), 6, 8),
        "rgba16_adam7.png": png(np.concatenate([wide, wide[::-1, :, :1]], -1), 6, 16,
                                interlaced=True),
        "grey1.png": png(grey // 128, 0, 1),
        "grey2_adam7.png": png(grey // 64, 0, 2, interlaced=True),
        "grey4.png": png(grey // 16, 0, 4),
        "grey8.png": png(grey, 0, 8),
        "grey16.png": png(grey.astype(np.uint16) * 3, 0, 16),
        "grey_alpha.png": png(np.stack([grey, alpha[:, :, 0]], -1), 4, 8),
        "palette4.png": png(index, 3, 4, plte),
        "palette_alpha.png": png(index, 3, 8, plte + chunk(b"tRNS", bytes(range(0, 240, 20)))),
        "rgb_clear.png": png(rgb // 64 * 64, 2, 8, chunk(b"tRNS", struct.pack(">3H", 128, 64, 0))),
        "exif6.png": png(rgb, 2, 8, chunk(b"eXIf", tiff(6, "MM"))),
        "exif8_late.png": png(rgb, 2, 8, late=chunk(b"eXIf", tiff(8))),
    })
    return out


def seen(data, alpha, exif):
    image = Image.open(io.BytesIO(data))
    image.load()
    if exif == "apply":
        image = ImageOps.exif_transpose(image)
    if alpha == "ignore":
        return image.convert("RGB")
    ground = (255,) * 4 if alpha == "white" else (0, 0, 0, 255)
    ground = Image.new("RGBA", image.size, ground)
    return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")


def centred(outer, inner):
    return int(round((outer - inner) / 2.0))


def fitted(image, geometry, how, height, width, short):
    w, h = image.size
    if geometry == "squash":
        return image.resize((width, height), how)
    if geometry == "short_side_crop":  # torchvision's Resize(short), CenterCrop(size)
        small, large = (w, h) if w <= h else (h, w)
        other = int(short * large / small)
        image = image.resize((short, other) if w <= h else (other, short), how)
        x, y = centred(image.width, width), centred(image.height, height)
        return image.crop((x, y, x + width, y + height))
    if geometry == "letterbox":
        return ImageOps.pad(image, (width, height), how, color=(FILL,) * 3)
    side = min(w, h)
    x, y = centred(w, side), centred(h, side)
    return image.crop((x, y, x + side, y + side)).resize((width, height), how)


def cases(names):
    """(file, geometry, filter, height, width, short side, alpha, exif)"""
    sizes = {"420.jpg": (57, 75), "422.jpg": (57, 75), "444.jpg": (57, 75),
             "progressive.jpg": (57, 75), "grey.jpg": (57, 75)}
    for name in names:  # as decoded: nearest to its own size is the picture itself
        height, width = sizes.get(name, (24, 32))
        yield name, "squash", "nearest", height, width, 0, "ignore", "ignore"
    for name in names:
        if "exif" in name:
            yield name, "squash", "bilinear", 20, 28, 0, "ignore", "apply"
        if name in ("rgba.png", "rgba16_adam7.png", "grey_alpha.png", "palette_alpha.png",
                    "rgb_clear.png", "rgb.png"):
            yield name, "squash", "nearest", 24, 32, 0, "white", "ignore"
            yield name, "squash", "nearest", 24, 32, 0, "black", "ignore"
    for name in ("420.jpg", "tall.jpg", "one.jpg", "thin.jpg"):
        for how in FILTERS:
            yield name, "squash", how, 17, 23, 0, "ignore", "ignore"
            yield name, "squash", how, 95, 44, 0, "ignore", "ignore"
            yield name, "short_side_crop", how, 20, 19, 25, "ignore", "ignore"
            yield name, "short_side_crop", how, 33, 31, 96, "ignore", "ignore"
            yield name, "centre_square", how, 21, 22, 0, "ignore", "ignore"
            if name != "thin.jpg":  # Pillow's pad makes it 0 pixels high, and stops
                yield name, "letterbox", how, 24, 24, 0, "ignore", "ignore"
                yield name, "letterbox", how, 30, 51, 0, "ignore", "ignore"


def main():
    files = pictures()
    for name, data in files.items():
        with open(os.path.join(HERE, name), "wb") as f:
            f.write(data)
    lines, blob = [], b""
    for case in cases(list(files)):
        name, geometry, how, height, width, short, alpha, exif = case
        image = fitted(seen(files[name], alpha, exif), geometry, FILTERS[how], height, width,
                       short)
        pixels = np.asarray(image)[:, :, ::-1]
        assert pixels.shape == (height, width, 3)
        lines.append(" ".join(str(v) for v in case) + f" {len(blob)}\n")
        blob += pixels.tobytes()
    with open(os.path.join(HERE, "cases.txt"), "w", encoding="ascii") as f:
        f.writelines(lines)
    with open(os.path.join(HERE, "expected.bin"), "wb") as f:
        f.write(blob)


if __name__ == "__main__":
    main()
