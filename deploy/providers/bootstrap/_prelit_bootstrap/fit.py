"""Which packages suit this Python: by version, ABI, libc and architecture."""

import os
import sys

from .settings import StayOut

VERSIONS = ((3, 9), (3, 14))
# Every program that is linked with musl names its loader so.
MUSL = "/lib/ld-musl-%s.so.1"


def target(machine):
    """The name of the target, as the build names it; StayOut where there is none."""
    version = sys.version_info[:2]
    name = "Python %d.%d" % version
    implementation = getattr(sys, "implementation", None)
    if implementation is None or implementation.name != "cpython":
        raise StayOut("the packages are CPython's, and this is %s" % getattr(implementation, "name", "not"))
    if not VERSIONS[0] <= version <= VERSIONS[1]:
        raise StayOut("there are packages for CPython %d.%d to %d.%d, and this is %s" % (VERSIONS[0] + VERSIONS[1] + (name,)))
    flags = getattr(sys, "abiflags", "")
    if flags:
        raise StayOut("the packages are not for the ABI of this build of %s (%s)" % (name, flags))
    here = os.uname()[4]
    if here != machine or sys.maxsize < 2**32:
        raise StayOut("the packages are for %s, and this is %s" % (machine, here if here != machine else "32 bits"))
    if is_sub_interpreter():
        raise StayOut("this is a sub-interpreter, which cannot end while threads send for it")
    return "cp%d%d-%s" % (version + (libc(),))


def is_sub_interpreter():
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            interpreters = __import__(name)
            return interpreters.get_current() != interpreters.get_main()
        except (ImportError, AttributeError):
            pass
    return False


def libc():
    """glibc says its version; musl has its loader in the process: under its own name, as in Alpine, or, where that is a link,
    as musl's own installation makes it, under that of the file."""
    try:
        if os.confstr("CS_GNU_LIBC_VERSION"):
            return "glibc"
    except (ValueError, OSError):
        pass
    try:
        with open("/proc/self/maps") as maps:
            mapped = maps.read()
        if "/ld-musl-" in mapped or " %s\n" % os.path.realpath(MUSL % os.uname()[4]) in mapped:
            return "musl"
    except OSError:
        pass
    raise StayOut("the packages are for glibc and musl, and this libc is neither")
