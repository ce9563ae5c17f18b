"""What the packages are made for: CPython x libc x architecture."""

from dataclasses import dataclass

PROVIDERS = ("openlit", "openinference", "openllmetry")
PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
LIBCS = ("glibc", "musl")
ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True)
class Target:
    """One Python, as the bootstrap recognizes it at run time."""

    python: str
    libc: str
    architecture: str

    @property
    def name(self):
        """`cp312-glibc`. The architecture is the image's."""
        return f"cp{self.python.replace('.', '')}-{self.libc}"

    @property
    def platform(self):
        """How uv calls it. glibc 2.17 is what the oldest living distributions have."""
        machine = ARCHITECTURES[self.architecture]
        return f"{machine}-manylinux_2_17" if self.libc == "glibc" else f"{machine}-unknown-linux-musl"

    def environment(self):
        """The environment that markers of requirements are asked for."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": ARCHITECTURES[self.architecture],
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
            "extra": "",
        }


def targets_of(architecture):
    """Every target of an image."""
    return [Target(python, libc, architecture) for python in PYTHONS for libc in LIBCS]


def name_of(targets, everything):
    """A readable name for what serves exactly these targets: `all-targets`, `cp310-cp314-glibc`, `cp39-any`, `cp312-musl`."""
    targets = set(targets)
    if targets == set(everything):
        return "all-targets"
    pythons = [python for python in PYTHONS if any(target.python == python for target in targets)]
    libcs = [libc for libc in LIBCS if any(target.libc == libc for target in targets)]
    versions = [f"cp{python.replace('.', '')}" for python in pythons]
    first, last = PYTHONS.index(pythons[0]), PYTHONS.index(pythons[-1])
    if list(PYTHONS[first : last + 1]) == pythons and len(targets) == len(pythons) * len(libcs):
        span = versions[0] if len(versions) == 1 else f"{versions[0]}-{versions[-1]}"
        return f"{span}-{libcs[0] if len(libcs) == 1 else 'any'}"
    return "-".join(["some", *sorted(target.name.replace("-", "") for target in targets)])
