# SPDX-License-Identifier: BSD-2-Clause
"""Secrets that can be told from everything else, and the search for them: in the memory of a
process, in its core, in files, in arguments and environments.

What is looked for is pieces of a secret, raw and as it is written down, because memory that was
freed has lost some of its bytes and still tells the rest.
"""
import base64
import json
import os
import secrets
import subprocess

PIECE = 8        # bytes; by chance, as good as never
CHUNK = 1 << 16
# What a hash is made from a key with: RFC 2104.
HMAC_PADS = {"inner": 0x36, "outer": 0x5c}


def new_password(length=48):
    """A password like no other."""
    return secrets.token_urlsafe(length)[:length]


def pieces(secret, size=PIECE):
    """The secret, cut up; what is left over at the end belongs to the last piece."""
    return [secret[at:at + size] for at in range(0, len(secret) - size + 1, size)]


def base64_inside(piece):
    """The piece in base64, within a longer text: three ways, without what the neighbours change."""
    for before in range(3):
        text = base64.b64encode(b"\0" * before + piece)
        yield text[-(-before * 4 // 3):len(text) // 4 * 4 - (4 if (before + len(piece)) % 3 else 0)]


def forms(secret, is_text=False):
    """{what: bytes} of everything that a secret (bytes) could be found as."""
    found = {}
    for number, piece in enumerate(pieces(secret)):
        found[f"{number} raw"] = piece
        found[f"{number} hex"] = piece.hex().encode()
        found[f"{number} HEX"] = piece.hex().upper().encode()
        for way, text in enumerate(base64_inside(piece)):
            found[f"{number} base64/{way}"] = text
        if is_text:
            text = piece.decode()
            found[f"{number} UTF-16"] = text.encode("utf-16-le")
            found[f"{number} UTF-32"] = text.encode("utf-32-le")
            for name, pad in HMAC_PADS.items():
                found[f"{number} HMAC {name}"] = bytes(byte ^ pad for byte in piece)
    return found


class Wanted:
    """What is searched for: {name of the secret: {form: bytes}}."""

    def __init__(self):
        self.forms = {}

    def add_password(self, name, password):
        """A password, as text."""
        self.forms[name] = forms(password.encode(), True)

    def add_secret(self, name, secret):
        """A key or verifier, as bytes."""
        self.forms[name] = forms(secret)

    def add_account(self, line, prefix=""):
        """Everything secret in a line of `mailuser export json`."""
        account = json.loads(line)
        for kind, texts in account["secrets"].items():
            for number, text in enumerate(texts):
                for part, secret in enumerate(secret_parts(kind, text)):
                    self.add_secret(f"{prefix}{kind} {number}.{part}", secret)

    def find(self, data):
        """Names of the secrets in these bytes, each with the forms it was found in."""
        found = {}
        if data.count(0) == len(data):  # most of a stack was never used
            return found
        for name, all_forms in self.forms.items():
            for form, piece in all_forms.items():
                if piece in data:
                    found.setdefault(name, set()).add(form)
        return found


def secret_parts(kind, text):
    """The bytes in a secret's text that have to stay secret: no salt, no name."""
    if kind.startswith("scram-"):
        return [base64.b64decode(part) for part in text.split("$")[2].split(":")]
    if kind == "digest-md5":
        return [bytes.fromhex(text.rsplit(":", 1)[1])]
    if kind == "cram-md5":
        return [bytes.fromhex(text)]
    if kind == "sasl-plain":
        return [bytes.fromhex(text)[16:]]
    if kind == "crypt":
        return [text.rsplit("$", 1)[1].encode()]
    return [text.encode()]


def merge(into, found, where):
    """Adds what was found in a place."""
    for name, kinds in found.items():
        into.setdefault(name, set()).update(f"{kind} in {where}" for kind in kinds)


def overlapping(read, start, end, step=CHUNK, overlap=128):
    """The bytes from start to end, in chunks that share their borders; read(at, size)."""
    at = start
    while at < end:
        data = read(at, min(step, end - at) + overlap)
        if not data:
            return
        yield data
        at += step


def mappings(pid):
    """(start, end, name) of what the process may read. Of a file not beyond its end, and not at all
    if it is the process's own copy, which it cannot change: that is the code of libraries."""
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps:
        for line in maps:
            fields = line.split(maxsplit=5)
            start, end = (int(text, 16) for text in fields[0].split("-"))
            name = fields[5].strip() if len(fields) > 5 else "anonymous"
            if fields[1][0] != "r" or name in ("[vvar]", "[vsyscall]"):
                continue
            if name.startswith("/"):
                if fields[1][1] != "w" and fields[1][3] == "p":
                    continue
                try:
                    size = os.stat(f"/proc/{pid}/map_files/{fields[0]}").st_size
                except OSError:
                    size = end - start
                end = min(end, start + max(0, size - int(fields[2], 16)))
            yield start, end, name


def search_process(pid, wanted):
    """{secret: where and how} in the whole memory of a process."""
    found = {}
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        def read(at, size):
            try:
                return os.pread(memory.fileno(), size, at)
            except OSError:  # a page that is not there
                return b""
        for start, end, name in mappings(pid):
            for data in overlapping(read, start, end):
                merge(found, wanted.find(data), name)
    return found


def search_file(path, wanted, where=None):
    """The same in a file."""
    found = {}
    with open(path, "rb", buffering=0) as file:
        for data in overlapping(lambda at, size: os.pread(file.fileno(), size, at), 0,
                                os.fstat(file.fileno()).st_size):
            merge(found, wanted.find(data), where or path)
    return found


def dump_core(pid, path, *commands):
    """Writes the core of a process, which goes on afterwards; gdb's commands come before that.

    The kernel would write the same: registers, and the memory that coredump_filter names. But where
    it puts a core is the machine's setting, which may be a pipe to somebody else's program."""
    options = ["-iex", "set auto-load off", "-iex", "set auto-solib-add off"]  # needs no symbols
    before = [word for command in commands for word in ("-ex", command)]
    done = subprocess.run(["gdb", "-nx", "-batch", *options, "-p", str(pid), *before,
                           "-ex", f"generate-core-file {path}"], capture_output=True, text=True,
                          timeout=120, check=True, stdin=subprocess.DEVNULL,
                          env={"PATH": os.environ["PATH"], "LC_ALL": "C"})
    assert os.path.exists(path), done.stdout + done.stderr
