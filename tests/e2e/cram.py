# SPDX-License-Identifier: BSD-2-Clause
"""What a CRAM-MD5 verifier is made of, computed without libmailauth.

The verifier is the state of MD5 after the first block of HMAC's inner and of its outer hash, which
hashlib does not show; so RFC 1321's block function is here, for tests only.
"""
import hashlib
import math
import struct

SHIFTS = [7, 12, 17, 22] * 4 + [5, 9, 14, 20] * 4 + [4, 11, 16, 23] * 4 + [6, 10, 15, 21] * 4
SINES = [int(abs(math.sin(i + 1)) * 2**32) for i in range(64)]
START = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)
MASK = 0xFFFFFFFF


def _block(block):
    words = struct.unpack("<16I", block)
    a, b, c, d = START
    for i in range(64):
        if i < 16:
            f, g = (b & c) | (~b & d), i
        elif i < 32:
            f, g = (d & b) | (~d & c), (5 * i + 1) % 16
        elif i < 48:
            f, g = b ^ c ^ d, (3 * i + 5) % 16
        else:
            f, g = c ^ (b | (~d & MASK)), (7 * i) % 16
        f = (f + a + SINES[i] + words[g]) & MASK
        a, d, c = d, c, b
        b = (b + ((f << SHIFTS[i] | f >> (32 - SHIFTS[i])) & MASK)) & MASK
    return [(x + y) & MASK for x, y in zip(START, (a, b, c, d))]


def verifier(password, order=">"):
    """Inner and outer state, 32 bytes; words big-endian as in Cyrus SASL, or "<" as in Dovecot."""
    key = password.encode()
    if len(key) > 64:
        key = hashlib.md5(key).digest()
    key = key.ljust(64, b"\0")
    states = [_block(bytes(byte ^ pad for byte in key)) for pad in (0x36, 0x5C)]
    return b"".join(struct.pack(f"{order}4I", *state) for state in states)
