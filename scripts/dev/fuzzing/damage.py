"""Damage to the bytes of a file: flips, cuts, splices, extreme numbers, a tail."""

import gzip

EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)


def damage(random, content, others=()):
    """Returns the content after one to three changes: flips, cuts, splices, extreme numbers, a tail."""
    content = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 3))):
        random.choice((flip, cut, append, overwrite, overwrite, splice))(random, content, others)
    return bytes(content)


def place(random, content):
    """Returns a position; two of three are near an end, where headers and directories are."""
    size = len(content)
    near = min(size, 64)
    return random.choice((random.randint(0, size), random.randint(0, near), size - random.randint(0, near)))


def flip(random, content, _):
    for _ in range(random.randint(1, 8)):
        if content:
            content[min(place(random, content), len(content) - 1)] ^= 1 << random.randrange(8)


def cut(random, content, _):
    del content[place(random, content) :]


def append(random, content, _):
    content += random.choice((b"\0", b"\n", random.randbytes(random.randint(1, 64)), bytes(4096)))


def overwrite(random, content, _):
    size, order = random.choice((1, 2, 4, 8)), random.choice(("big", "little"))
    start = place(random, content)
    number = random.choice(EXTREMES) % 256**size
    content[start : start + size] = number.to_bytes(size, order)


def splice(random, content, others):
    source = random.choice((content, *others))
    start = place(random, source)
    part = source[start : start + random.randint(0, 64)]
    at = place(random, content)
    content[at : at + random.choice((0, len(part), random.randint(0, 64)))] = part


def damage_zipped(random, content, others):
    """Damages the content before it is zipped, or the zipped file."""
    if random.random() < 0.5:
        return gzip.compress(damage(random, content, others), mtime=0)
    return damage(random, gzip.compress(content, mtime=0))
