# SPDX-License-Identifier: BSD-2-Clause
"""What is installed was built with every defence that the compiler and the linker have, exports what
it means to, and takes nothing from the environment of somebody who may not decide.

Looks at the files with readelf(1), nm(1) and objdump(1), so it holds for whatever built them. What
leaves no trace in a file is looked for in the compiler's command lines.
"""
import json
import os
import platform
import re
import shlex
import subprocess

import pytest

from sandbox import REPO, Sandbox, build_dir

LIBRARY, PLUGIN, MODULE, PROGRAM = OBJECTS = (
    "libmailauth.so.0", "libsasl_mailauth.so", "pam_mailauth.so", "mailuser")
# No other library gets into a mail server with these.
NEEDED = {
    LIBRARY: {"libcrypto", "libcrypt", "libidn", "liblmdb", "libinih", "libc", "ld-linux"},
    PLUGIN: {"libmailauth", "libc", "ld-linux"},
    MODULE: {"libmailauth", "libpam", "libc", "ld-linux"},
    PROGRAM: {"libmailauth", "libcrypto", "libcrypt", "libidn", "libinih", "libjansson", "libdb",
              "libc", "ld-linux"},
}
MAPS = {LIBRARY: "lib/libmailauth.map", PLUGIN: "plugins/sasl_mailauth.map",
        MODULE: "pam/pam_mailauth.map"}
# The compiler's, by the first instruction of what may be called from elsewhere.
LANDING = {"x86_64": r"endbr64", "aarch64": r"(bti|paciasp)"}
EVERY_OBJECT = pytest.mark.parametrize("name", OBJECTS)


def run(*argv):
    """The output of a program that must succeed."""
    return subprocess.run(argv, check=True, capture_output=True, text=True,
                          env={**os.environ, "LC_ALL": "C"}, timeout=120).stdout


@pytest.fixture(scope="module", name="objects")
def objects_fixture(tree):
    """Where each of OBJECTS was installed."""
    found = {name: sorted(tree.rglob(name))[:1] for name in OBJECTS}
    assert all(found.values()), found
    return {name: paths[0].resolve() for name, paths in found.items()}


def headers(path):
    """(type, flags) of each program header."""
    rows = re.findall(r"^  ([A-Z_]+) +(?:0x[0-9a-f]+ +){5}([RWE ]{3}) 0x", run("readelf", "-lW", path),
                      re.MULTILINE)
    assert rows
    return [(kind, flags.replace(" ", "")) for kind, flags in rows]


def dynamic(path):
    """The dynamic section: a list of (tag, value)."""
    return re.findall(r"^ 0x[0-9a-f]+ \((\w+)\) +(.*)$", run("readelf", "-dW", path), re.MULTILINE)


def symbols(path, *options):
    """Names of dynamic symbols, with their versions."""
    lines = run("nm", "-D", "--with-symbol-versions", *options, path).splitlines()
    return {line.split()[-1] for line in lines if " A " not in line}


# ---- the linker ---------------------------------------------------------------------------------


@EVERY_OBJECT
def test_is_relocated_once_and_read_only_from_then_on(objects, name):
    tags = dynamic(objects[name])
    assert ("GNU_RELRO", "R") in headers(objects[name])
    assert any(tag == "FLAGS" and "BIND_NOW" in value.split() for tag, value in tags)
    assert any(tag == "FLAGS_1" and "NOW" in value.split() for tag, value in tags)


@EVERY_OBJECT
def test_can_be_loaded_at_any_address(objects, name):
    assert re.search(r"Type: +DYN ", run("readelf", "-hW", objects[name]))
    assert "TEXTREL" not in [tag for tag, _ in dynamic(objects[name])]
    flags = [value.split() for tag, value in dynamic(objects[name]) if tag == "FLAGS_1"]
    assert name != PROGRAM or "PIE" in flags[0]


@EVERY_OBJECT
def test_has_no_memory_that_can_be_written_and_run(objects, name):
    found = headers(objects[name])
    assert [flags for kind, flags in found if kind == "GNU_STACK"] == ["RW"]
    loaded = [flags for kind, flags in found if kind == "LOAD"]
    assert not [flags for flags in loaded if "W" in flags and "E" in flags]
    # -z separate-code: constants and headers are nobody's instructions either.
    assert sorted(loaded) == ["R", "R", "RE", "RW"]


@EVERY_OBJECT
def test_looks_for_libraries_where_the_system_has_them(objects, name):
    tags = dynamic(objects[name])
    assert not [tag for tag, _ in tags if tag in ("RPATH", "RUNPATH")]
    needed = {re.sub(r"(-[0-9.x_]+.*)?\.so.*|-x86.*|-aarch.*", "", value[value.index("[") + 1:-1])
              for tag, value in tags if tag == "NEEDED"}
    assert needed <= NEEDED[name], needed - NEEDED[name]


@EVERY_OBJECT
def test_needs_nothing_that_its_libraries_do_not_have(objects, name):
    env = {**os.environ, "LD_LIBRARY_PATH": str(objects[LIBRARY].parent), "LC_ALL": "C"}
    done = subprocess.run(["ldd", "-r", objects[name]], check=True, capture_output=True, text=True,
                          env=env, timeout=60)
    said = done.stdout + done.stderr
    assert "=>" in said and "undefined symbol" not in said and "not found" not in said, said


# ---- what is exported ---------------------------------------------------------------------------


def mapped(name):
    """The symbols of its map, with their versions."""
    text = re.sub(r"/\*.*?\*/", "", (REPO / MAPS[name]).read_text(), flags=re.DOTALL)
    version, names = re.fullmatch(r"\s*(\w*)\s*{\s*global:(.*?)local:\s*\*;\s*};\s*", text,
                                  re.DOTALL).groups()
    ending = f"@@{version}" if version else ""
    return {word.strip() + ending for word in names.split(";") if word.strip()}


@pytest.mark.parametrize("name", [LIBRARY, PLUGIN])
def test_exports_what_its_map_names(objects, name):
    assert symbols(objects[name], "--defined-only") == mapped(name)


def test_the_module_exports_the_six_calls_of_libpam(objects):
    assert mapped(MODULE) == {"pam_sm_*"}
    assert symbols(objects[MODULE], "--defined-only") == {
        f"pam_sm_{what}" for what in ("authenticate", "setcred", "acct_mgmt", "open_session",
                                      "close_session", "chauthtok")}


def test_the_program_exports_nothing(objects):
    """But copies of its libraries' variables, which the linker puts there with their versions."""
    found = symbols(objects[PROGRAM], "--defined-only")
    assert not [symbol for symbol in found if "@" not in symbol]


# ---- the compiler -------------------------------------------------------------------------------


@EVERY_OBJECT
def test_checks_its_stack_and_its_buffers(objects, name):
    undefined = {symbol.split("@")[0] for symbol in symbols(objects[name], "--undefined-only")}
    assert "__stack_chk_fail" in undefined
    assert {symbol for symbol in undefined if re.fullmatch(r"__\w+_chk", symbol)}


@EVERY_OBJECT
def test_marks_where_it_may_be_entered(objects, name):
    """Indirect branch tracking: each exported function begins with the instruction for it, and in
    the program, which exports none, very many."""
    landing = LANDING[platform.machine()]
    code = run("objdump", "-d", "--no-show-raw-insn", objects[name])
    if name == PROGRAM:
        assert len(re.findall(rf"\t{landing}", code)) > 100
        return
    first = dict(re.findall(r"^[0-9a-f]+ <([\w.]+)(?:@@\w+)?>:\n *[0-9a-f]+:\t(.*)$", code,
                            re.MULTILINE))
    entries = {symbol.split("@")[0] for symbol in symbols(objects[name], "--defined-only")}
    assert entries <= set(first)
    assert not {symbol for symbol in entries if not re.match(landing, first[symbol])}


def test_every_object_file_is_fit_for_a_shadow_stack():
    """The property of a whole library is that of all its parts, the C library's start files among
    them; so it is asked of ours, and of the whole where these have it."""
    if platform.machine() != "x86_64":
        pytest.skip("IBT and SHSTK are x86's")
    wanted = re.compile(r"x86 feature: IBT, SHSTK")
    parts = [path for folder in ("lib", "plugins", "pam", "tools")
             for path in (build_dir() / folder).rglob("*.c.o")]
    assert len(parts) > 100
    assert not [path for path in parts if not wanted.search(run("readelf", "-nW", path))]


def test_whole_objects_have_what_the_toolchain_lets_them_have(objects, tmp_path):
    source, made = tmp_path / "empty.c", tmp_path / "empty.so"
    source.write_text("int f(void);\nint f(void) { return 0; }\n")
    run("gcc", "-shared", "-fPIC", "-fcf-protection", "-o", made, source)
    for path in objects.values():
        if "IBT, SHSTK" in run("readelf", "-nW", made):
            assert "IBT, SHSTK" in run("readelf", "-nW", path), path


def test_every_source_is_compiled_with_every_defence():
    """Also what leaves no trace in a file."""
    wanted = {"-fstack-protector-strong", "-fstack-clash-protection", "-fvisibility=hidden"}
    wanted |= {"-fcf-protection"} if platform.machine() == "x86_64" else set()
    rows = json.loads((build_dir() / "compile_commands.json").read_text())
    ours = [row for row in rows
            if re.match(r"(lib|plugins|pam|tools)/", row["output"]) and "/test_" not in row["file"]]
    assert len(ours) > 100
    for row in ours:
        words = shlex.split(row["command"])
        assert wanted <= set(words), (row["file"], wanted - set(words))
        assert [word for word in words if word.startswith("-D_FORTIFY_SOURCE=")][-1:] == [
            "-D_FORTIFY_SOURCE=3"], row["file"]
        assert "-fPIC" in words or "-fPIE" in words, row["file"]


# ---- the environment ----------------------------------------------------------------------------


@pytest.fixture(scope="module", name="box")
def box_fixture(tree, tmp_path_factory):
    """A machine where everybody may run a Python and a mailuser that are set-uid root."""
    with Sandbox(tmp_path_factory.mktemp("hardening") / "run", [tree], "mail.example.test") as box:
        box.shell("umask 022; mkdir /usr/suid"
                  "; cp -L /usr/bin/python3 $(command -v mailuser) /usr/suid"
                  "; chmod 4755 /usr/suid/*"
                  "; mailuser init; printf 'default_realm = right.test\n' >>/etc/mailauth/mailauth.conf"
                  "; mailuser add --stdin alice <<<secret"
                  "; printf 'default_realm = wrong.test\n' >/run/other.conf"
                  "; chmod 644 /run/other.conf")
        yield box


OPENS = """
import ctypes, os
lib = ctypes.CDLL("libmailauth.so.0")
lib.mailauth_open.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
lib.mailauth_config_get.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
lib.mailauth_config_get.restype = ctypes.c_char_p
ctx = ctypes.c_void_p()
status = lib.mailauth_open(None, ctypes.byref(ctx))
realm = lib.mailauth_config_get(ctx, b"default_realm").decode() if status == 0 else "-"
print(os.getuid(), os.geteuid(), status, realm)
"""
NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "env",
          "MAILAUTH_CONFIG=/run/other.conf")


def test_the_library_takes_no_configuration_from_who_has_another_ones_rights(box):
    """Root's own environment counts; that of the caller of a set-uid program does not."""
    plain = box.run("env", "MAILAUTH_CONFIG=/run/other.conf", "/usr/bin/python3", "-c", OPENS)
    assert plain.stdout.split()[-1] == "wrong.test"
    suid = box.run(*NOBODY, "/usr/suid/python3", "-c", OPENS)
    assert suid.stdout.split() == ["65534", "0", "0", "right.test"]


def test_mailuser_takes_no_configuration_from_who_has_another_ones_rights(box):
    plain = box.run("env", "MAILAUTH_CONFIG=/run/other.conf", "mailuser", "show", "alice",
                    check=False)
    assert "alice@wrong.test" in plain.stderr, plain
    suid = box.run(*NOBODY, "/usr/suid/mailuser", "show", "alice")
    assert "alice@right.test" in suid.stdout, suid


def test_mailuser_is_not_dumpable_before_it_reads_anything(box):
    """Neither a core nor another process of the user's gets what is in its memory."""
    box.run("strace", "-f", "-qq", "-o", "/run/trace", "-e", "trace=prctl,openat", "mailuser", "show",
            "alice")
    calls = [line.split(" ", 1)[1].strip()
             for line in box.path("/run/trace").read_text().splitlines()]
    forbids = [i for i, call in enumerate(calls)
               if call.startswith("prctl(PR_SET_DUMPABLE, SUID_DUMP_DISABLE) ")]
    opens = [i for i, call in enumerate(calls) if "/mailauth" in call and "libmailauth" not in call]
    assert forbids and opens and forbids[0] < opens[0], calls


def test_nothing_else_is_read_from_the_environment():
    """In the sources: secure_getenv(), and only that one variable."""
    found = set()
    for folder in ("lib", "plugins", "pam", "tools"):
        for path in (REPO / folder).rglob("*.c"):
            if not path.name.startswith("test_"):
                found |= set(re.findall(r"\b\w*getenv *\([^)]*\)|\benviron\b", path.read_text()))
    assert found == {'secure_getenv("MAILAUTH_CONFIG")'}
