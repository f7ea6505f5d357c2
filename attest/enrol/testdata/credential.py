#!/usr/bin/env python3
"""How `credentials.txt` was computed: TPM2_MakeCredential from TPM 2.0 part 1, section 24 and annexes B.10.4 and C.6.4, sharing no code with ours. AES by openssl.

usage: credential.py EK.hex...     the endorsement keys' TPMT_PUBLIC; what is drawn by lot is what `tests.rs` draws: 01…, 02… and 03…
"""
import hashlib
import hmac
import subprocess
import sys
from pathlib import Path

SECRET, SEED, LOT = (bytes([n]) * 32 for n in (1, 2, 3))
NAME = b"\x00\x0b" + b"\xaa" * 32
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296, 0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def kdfa(key, label, context, bits):
    return hmac.digest(key, b"\0\0\0\1" + label + b"\0" + context + bits.to_bytes(4, "big"), "sha256")[:bits // 8]


def mgf1(seed, size):
    return b"".join(sha256(seed, n.to_bytes(4, "big")) for n in range(8))[:size]


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


def add(a, b):
    if a is None or b is None:
        return a or b
    (x, y), (u, v) = a, b
    if x == u and (y + v) % P == 0:
        return None
    slope = (3 * x * x - 3) * pow(2 * y, -1, P) if a == b else (v - y) * pow(u - x, -1, P)
    over = (slope * slope - x - u) % P
    return over, (slope * (x - over) - y) % P


def times(scalar, point):
    total = None
    while scalar:
        total, point, scalar = add(total, point) if scalar & 1 else total, add(point, point), scalar >> 1
    return total


def seeded(ek):
    """The seed, and how it travels."""
    if ek[:2] == b"\x00\x01":
        db = sha256(b"IDENTITY\0") + bytes(158) + b"\1" + SEED
        db = xor(db, mgf1(LOT, len(db)))
        encoded = b"\0" + xor(LOT, mgf1(db, 32)) + db
        return SEED, pow(int.from_bytes(encoded, "big"), 65537, int.from_bytes(ek[-256:], "big")).to_bytes(256, "big")
    theirs = tuple(int.from_bytes(half, "big") for half in (ek[-66:-34], ek[-32:]))
    (x, y), (z, _) = times(int.from_bytes(LOT, "big"), G), times(int.from_bytes(LOT, "big"), theirs)
    x, y, z = (n.to_bytes(32, "big") for n in (x, y, z))
    return sha256(b"\0\0\0\1", z, b"IDENTITY\0", x, ek[-66:-34]), b"\0\x20" + x + b"\0\x20" + y


def credential(ek):
    seed, travels = seeded(ek)
    key = kdfa(seed, b"STORAGE", NAME, 128)
    cipher = ["openssl", "enc", "-aes-128-cfb", "-K", key.hex(), "-iv", "00" * 16]
    identity = subprocess.run(cipher, input=b"\0\x20" + SECRET, capture_output=True, check=True).stdout
    outer = hmac.digest(kdfa(seed, b"INTEGRITY", b"", 256), identity + NAME, "sha256")
    return b"\0\x20" + outer + identity, travels


for file in sys.argv[1:]:
    print(*(part.hex() for part in credential(bytes.fromhex(Path(file).read_text(encoding="ascii")))))
