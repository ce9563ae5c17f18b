"""The build, without the network: wheels that are made here, as an installer would have unpacked them."""

import base64
import hashlib
import importlib
import json
import re
import runpy
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from .real import SLOW

HERE = Path(__file__).resolve().parent.parent
sys.path.append(str(HERE))

try:
    import packaging.requirements  # noqa: F401
except ImportError:
    # That of pip will do.
    for part in ("", ".requirements", ".specifiers"):
        try:
            sys.modules["packaging" + part] = importlib.import_module("pip._vendor.packaging" + part)
        except ImportError:
            break

try:
    from builder import constraints, generations, groups, image, instrumentors, locks, notices, targets, wheels
except ImportError as missing:
    print("SKIPPED: the tests of the build: they need Python 3.11 and packaging", file=sys.stderr)
    raise unittest.SkipTest("the build needs Python 3.11 and packaging: %s" % missing)


class Folder(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)

    def distribution(self, where, name, files, version="1.0", metadata="License: MIT\n", requires=()):
        """Unpacks a wheel that is made up, and reads it."""
        site = self.folder / where
        info = "%s-%s.dist-info" % (name.replace("-", "_"), version)
        head = "Metadata-Version: 2.1\nName: %s\nVersion: %s\n%s" % (name, version, metadata)
        head += "".join("Requires-Dist: %s\n" % each for each in requires)
        record = []
        for path, text in {**files, "%s/METADATA" % info: head}.items():
            (site / path).parent.mkdir(parents=True, exist_ok=True)
            (site / path).write_text(text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            record.append("%s,sha256=%s,%d" % (path, digest, len(text)))
        # As an installer adds them.
        for path in ("%s/INSTALLER" % info, "../../bin/program", "bin/program", "%s/RECORD" % info):
            record.append("%s,%s,1" % (path, "sha256=x" if "RECORD" not in path else ""))
        (site / info / "RECORD").write_text("\n".join(record) + "\n")
        return wheels.distribution(site / info)


class Wheels(Folder):
    def test_a_distribution_is_what_its_wheel_has(self):
        made = self.distribution("a", "Some.Name_x", {"pkg/__init__.py": "1", "pkg/__init__.pyi": "stub"})
        self.assertEqual((made.name, made.version), ("some-name-x", "1.0"))
        self.assertEqual(sorted(made.files), ["Some.Name_x-1.0.dist-info/METADATA", "pkg/__init__.py"])
        self.assertEqual(made, self.distribution("b", "Some.Name_x", {"pkg/__init__.py": "1", "pkg/__init__.pyi": "stub"}))
        self.assertNotEqual(made, self.distribution("c", "Some.Name_x", {"pkg/__init__.py": "2"}))


class Groups(Folder):
    def test_what_shares_a_regular_package_is_one_unit(self):
        base = self.distribution("a", "base", {"open/inference/__init__.py": ""})
        part = self.distribution("a", "part", {"open/inference/part/__init__.py": ""})
        spaced = self.distribution("a", "spaced", {"open/other/__init__.py": ""})
        self.assertEqual(sorted(map(len, groups.units_of([base, part, spaced]))), [1, 2])
        other = self.distribution("a", "other", {"open/inference/__init__.py": ""})
        with self.assertRaisesRegex(SystemExit, "is in base and in other"):
            groups.units_of([base, other])

    def variants(self):
        """Two Pythons, two libcs, two generations; a distribution of each kind of sharing."""
        variants = {}
        for target in targets.targets_of("amd64"):
            if target.python not in ("3.9", "3.14"):
                continue
            for minor in ("1.44", "1.45"):
                where = "%s-%s" % (target.name, minor)
                ours = [
                    self.distribution(where, "pure", {"pure/__init__.py": "same", "pure/data.txt": "same"}),
                    self.distribution(where, "native", {"native/core.so": target.name}),
                    self.distribution(where, "by-python", {"by_python.py": target.python}),
                    self.distribution(where, "by-libc", {"by_libc/__init__.py": target.libc}),
                    self.distribution(where, "opentelemetry-api", {"opentelemetry/api/__init__.py": minor}, version=minor + ".1"),
                    self.distribution(where, "opentelemetry-sdk", {"opentelemetry/sdk/__init__.py": minor + target.python}),
                ]
                # A regular package of which one part differs is kept together.
                ours.append(self.distribution(where, "whole", {"whole/__init__.py": "same"}))
                ours.append(self.distribution(where, "whole-part", {"whole/part.py": target.libc}))
                variants[target, minor] = ours
        return variants

    def test_every_file_of_every_wheel_is_on_its_path_exactly_once(self):
        variants = self.variants()
        packages = self.folder / "packages"
        paths = image.store(groups.groups_of(variants), variants, packages)
        for pair, distributions in variants.items():
            found = {}
            for folder in paths[pair]:
                for path in (packages / folder).rglob("*"):
                    if path.is_file():
                        found.setdefault(str(path.relative_to(packages / folder)), []).append(path.read_bytes())
            wanted = {path: [(each.folder / path).read_bytes()] for each in distributions for path in each.files}
            self.assertEqual(found, wanted, pair)

    def test_what_is_the_same_is_stored_once(self):
        variants = self.variants()
        packages = self.folder / "packages"
        image.store(groups.groups_of(variants), variants, packages)
        for name, copies in (("pure/__init__.py", 1), ("native/core.so", 4), ("by_python.py", 2), ("by_libc/__init__.py", 2),
                             ("opentelemetry/api/__init__.py", 2), ("opentelemetry/sdk/__init__.py", 4), ("whole/__init__.py", 2)):
            self.assertEqual(len(list(packages.glob("*/" + name))), copies, name)
        # No module can have the name of a folder of ours.
        self.assertTrue(all(not folder.name.isidentifier() for folder in packages.iterdir()))

    def test_names_of_folders_are_different(self):
        everything = targets.targets_of("amd64")
        seen = {}
        for bits in range(1, 1 << len(everything)):
            chosen = [each for place, each in enumerate(everything) if bits >> place & 1]
            self.assertNotIn(targets.name_of(chosen, everything), seen)
            seen[targets.name_of(chosen, everything)] = chosen


class Constraints(Folder):
    TARGET = targets.Target("3.9", "glibc", "amd64")

    def table(self, **requires):
        made = [self.distribution("a", name, {}, requires=each) for name, each in requires.items()]
        return constraints.constraints_of(made, self.TARGET)

    def test_who_demands_what(self):
        table = self.table(a=["B >=0.5,<2", "absent>9"], b=["a; python_version < '3.9'", "a>3 ; extra == 'x'"])
        self.assertEqual(table["b"], {"version": "1.0", "demanded": {"a": ["<2", ">=0.5"]}})
        self.assertEqual(table["a"]["demanded"], {})
        self.assertIsNone(constraints.contradiction(table))

    def test_a_contradiction_is_said(self):
        self.assertEqual(constraints.contradiction(self.table(a=["b>=2"], b=[])), "a needs b>=2, and 1.0 is locked")

    def test_a_patch_of_opentelemetry_more_or_less(self):
        for specifier, expected in (("==1.44.0", "==1.44.*"), ("~=1.44.0", "==1.44.*"), ("==0.65b1", "==0.65.*"), (">=1.2", ">=1.2")):
            self.assertEqual(constraints.relaxed("opentelemetry-api", specifier), expected)
            self.assertEqual(constraints.relaxed("pydantic", specifier), specifier)

    def test_a_generation_that_does_not_fit_is_left_out(self):
        ours = [self.distribution("own", "opentelemetry-api", {}, version="1.45.0"),
                self.distribution("own", "provider", {}, requires=["opentelemetry-api>=1.44"])]
        others = {minor: [self.distribution(minor, "opentelemetry-api", {}, version=minor + ".0", metadata=extra + "License: MIT\n")]
                  for minor, extra in (("1.43", ""), ("1.44", ""), ("1.46", "Requires-Python: >=3.10\n"))}
        found = generations.variants_of(self.TARGET, ours, others)
        self.assertEqual(sorted(found), ["1.44", "1.45"])
        self.assertEqual([each.version for each in found["1.44"]], ["1.44.0", "1.0"])


class Notices(Folder):
    def test_licences_are_written_out(self):
        files = {"some-1.0.dist-info/licenses/LICENSE": "do what you want", "some/LICENSE": "not this"}
        text = notices.notices([self.distribution("a", "some", files, metadata="License-Expression: MIT\n")] * 2)
        self.assertEqual(text.count("some 1.0"), 1)
        self.assertIn("Licence: MIT", text)
        self.assertIn("do what you want", text)
        self.assertNotIn("not this", text)
        classified = self.distribution("b", "other", {}, metadata="Classifier: License :: OSI Approved :: BSD License\n")
        self.assertIn("Licence: BSD License", notices.notices([classified]))

    def test_none_ends_the_build(self):
        with self.assertRaisesRegex(SystemExit, "some 1.0 states no licence"):
            notices.notices([self.distribution("a", "some", {}, metadata="")])


class Instrumentors(Folder):
    def test_what_is_declared_and_what_it_instruments(self):
        made = [
            self.distribution("a", "groq", {
                "groq_i/__init__.py": "from groq_i.package import _instruments\nclass Groq:\n"
                                      "    def instrumentation_dependencies(self):\n        return _instruments\n",
                "groq_i/package.py": "_name = 'groq >= 0.9'\n_instruments = (_name,)\n",
                "groq-1.0.dist-info/entry_points.txt": "[opentelemetry_instrumentor]\ngroq = groq_i:Groq\n",
            }),
        ]
        self.assertEqual(instrumentors.instrumentors_of("openinference", made), {"groq": (["groq"], "groq_i:Groq", ["groq >= 0.9"])})

    def test_one_that_nobody_knows_ends_the_build(self):
        made = self.distribution("a", "new", {"new-1.0.dist-info/entry_points.txt": "[opentelemetry_instrumentor]\nnew = n:N\n"})
        with self.assertRaisesRegex(SystemExit, "libraries.toml: which import starts new"):
            instrumentors.instrumentors_of("openinference", [made])

    def test_one_that_does_not_say_what_it_instruments_ends_the_build(self):
        made = self.distribution("a", "groq", {
            "groq_i/__init__.py": "class Groq: pass\n",
            "groq-1.0.dist-info/entry_points.txt": "[opentelemetry_instrumentor]\ngroq = groq_i:Groq\n",
        })
        with self.assertRaisesRegex(SystemExit, "groq_i:Groq: which libraries it instruments is not said"):
            instrumentors.instrumentors_of("openinference", [made])


class Locks(Folder):
    def test_every_line_has_a_hash_and_no_address(self):
        files = [locks.lock_of(provider) for provider in targets.PROVIDERS]
        files += [path for path in generations.FOLDER.glob("1.*.txt")] + [HERE / "builder/requirements.txt"]
        files += list(HERE.glob("tests/environments/*.txt"))
        for file in files:
            entries = re.split(r"^(?=\S)", re.sub(r"^#.*\n", "", file.read_text(), flags=re.MULTILINE), flags=re.MULTILINE)
            for entry in filter(None, entries):
                self.assertRegex(entry, r"\A[a-z0-9.-]+==[^ ]+( ; [^\\]+)? \\\n    --hash=sha256:[0-9a-f]{64}", file)
            self.assertNotIn("://", file.read_text())

    def test_what_is_excluded_is_not_locked(self):
        for file in [*(locks.lock_of(provider) for provider in targets.PROVIDERS), *generations.FOLDER.glob("1.*.txt")]:
            excluded = [line for line in (file.parent / "excluded.txt").read_text().split("\n") if line and line[0] != "#"]
            locked = re.findall(r"^([a-z0-9.-]+)==", file.read_text(), re.MULTILINE)
            self.assertEqual(set(excluded) & set(locked), set(), file)

    def test_every_requirement_is_locked(self):
        for provider in targets.PROVIDERS:
            lines = (HERE / provider / "requirements.in").read_text().splitlines()
            wanted = {wheels.canonical(re.match(r"[A-Za-z0-9._-]+", line)[0]) for line in lines if line and line[0] != "#"}
            locked = re.findall(r"^([a-z0-9.-]+)==", locks.lock_of(provider).read_text(), re.MULTILINE)
            self.assertLessEqual(wanted, set(locked), provider)

    def test_a_lock_that_is_broken_ends_the_build(self):
        """A hash that no wheel has, a version that does not exist, text that is none: one message, and no folder."""
        python = sys.executable
        if SLOW:
            python = str(runpy.run_path(str(HERE / "build"))["tools"]() / "bin/python")
        elif subprocess.run([python, "-m", "uv", "--version"], capture_output=True).returncode:
            print("SKIPPED: broken locks: there is no uv, and only PRELIT_SLOW=1 installs it", file=sys.stderr)
            self.skipTest("there is no uv")
        for text in ("wrapt", "wrapt==1.17.0 \\\n    --hash=sha256:" + "0" * 64 + "\n", "<<<<<<< HEAD\n"):
            lock = self.folder / "lock.txt"
            lock.write_text(text)
            with mock.patch.dict("os.environ", UV_OFFLINE="1"), mock.patch.object(
                locks, "sys", mock.Mock(executable=python)
            ), self.assertRaisesRegex(SystemExit, "uv failed"):
                wheels.install(lock, targets.Target("3.12", "glibc", "amd64"), self.folder / "out")

    def test_a_contradiction_ends_the_build(self):
        """A lock that was edited by hand, so that what it holds does not go together."""
        made = [self.distribution("x", "provider", {}, requires=["wrapt>=9"]), self.distribution("x", "wrapt", {})]
        with mock.patch.object(image, "install", lambda *_: made), self.assertRaisesRegex(
            SystemExit, "openlit, cp39-glibc: provider needs wrapt>=9, and 1.0 is locked"
        ):
            image.build("openlit", "amd64", {}, self.folder / "out")
        self.assertFalse((self.folder / "out").exists())


class Image(Folder):
    def made(self, out):
        """An image of two distributions, for every target."""

        def install(_lock, target, _folder):
            files = {"groq_i/__init__.py": "_instruments = ('groq >= 0.9',)\nclass Groq: pass\n",
                     "groq_i/core.so": target.name,
                     "groq-1.0.dist-info/entry_points.txt": "[opentelemetry_instrumentor]\ngroq = groq_i:Groq\n"}
            return [self.distribution("%s/%s" % (out.name, target.name), "groq", files),
                    self.distribution("%s/%s" % (out.name, target.name), "opentelemetry-api", {"o.py": ""}, version="1.45.0")]

        with mock.patch.object(image, "install", install):
            image.build("openinference", "arm64", {}, out)
        return out

    def test_the_same_gives_the_same_bytes(self):
        folders = [self.made(self.folder / name) for name in ("one", "two")]
        one, two = ({str(path.relative_to(out)): (path.read_bytes(), path.stat().st_mode & 0o777)
                     for path in out.rglob("*") if path.is_file()} for out in folders)
        self.assertEqual(one, two)

    def test_what_is_in_it(self):
        root = self.made(self.folder / "out") / "instrumentations/openinference"
        files = json.loads((root / "prelit-manifest.json").read_text())["files"]
        there = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
        self.assertEqual(set(files) | {"prelit-manifest.json"}, there)
        self.assertEqual((root / "_prelit_bootstrap/table.py").read_text().splitlines()[-1], "LIBRARIES = ('groq',)")
        self.assertIn("MACHINE = 'aarch64'", (root / "_prelit_bootstrap/table.py").read_text())
        for target in targets.targets_of("arm64"):
            known = json.loads((root / "prelit-packages" / (target.name + ".json")).read_text())
            folders = known["generations"][known["own"]]["folders"]
            self.assertEqual([(root / "prelit-packages" / each / "groq_i/core.so").read_text() for each in folders
                              if (root / "prelit-packages" / each / "groq_i").exists()], [target.name])

    def test_it_can_be_copied(self):
        out = self.made(self.folder / "out")
        volume = self.folder / "volume"
        volume.mkdir()
        script = out / "usr/local/bin/setup-instrumentation.py"
        subprocess.run([sys.executable, script], env={"TARGET_PATH": str(volume)}, check=True, capture_output=True)
        one, two = ({str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
                    for folder in (out / "instrumentations/openinference", volume))
        self.assertEqual(one, two)
