"""Which import starts which instrumentation: derived from the distributions, checked against `libraries.toml`."""

import ast
import configparser
import runpy
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent


def instrumentors_of(provider, distributions):
    """Of a target: name -> (modules of which the first import starts it, "module:Class", the libraries that it
    can instrument, as requirements)."""
    libraries = tomllib.loads((HERE / provider / "libraries.toml").read_text())
    modules = libraries["modules"]
    if provider == "openlit":
        classes, modules = own_table(distributions, modules)
    else:
        classes = entry_points(distributions)
        unknown = sorted(classes.keys() - modules.keys())
        if unknown:
            sys.exit(f"{provider}/libraries.toml: which import starts {', '.join(unknown)}?")
    folder = distributions[0].folder
    better = libraries.get("libraries", {})
    return {
        name: (modules[name], classes[name], better.get(name) or libraries_of(folder, classes[name]))
        for name in sorted(classes)
    }


def followers_of(provider):
    """The names of those that start nothing."""
    return set(tomllib.loads((HERE / provider / "libraries.toml").read_text())["followers"])


def entry_points(distributions):
    """What the distributions declare."""
    found = {}
    for distribution in distributions:
        file = distribution.metadata / "entry_points.txt"
        if file.exists():
            parser = configparser.ConfigParser(delimiters="=")
            parser.optionxform = str
            parser.read_string(file.read_text())
            if parser.has_section("opentelemetry_instrumentor"):
                found.update(parser["opentelemetry_instrumentor"])
    return found


def own_table(distributions, modules):
    """What the SDK of OpenLIT would start. It passes over what it cannot import; so do we, here."""
    sdk = next(each for each in distributions if each.name == "openlit")
    table = runpy.run_path(str(sdk.folder / "openlit" / "_instrumentors.py"))
    classes = {}
    for name, path in table["INSTRUMENTOR_MAP"].items():
        module, _, cls = path.rpartition(".")
        if defines(sdk.folder, module, cls):
            classes[name] = f"{module}:{cls}"
    return classes, {name: modules.get(name, [module]) for name, module in table["MODULE_NAME_MAP"].items()}


def defines(folder, module, cls):
    """Whether a module of ours has this class."""
    base = folder / module.replace(".", "/")
    for file in (base / "__init__.py", base.with_suffix(".py")):
        if file.exists():
            tree = ast.parse(file.read_text(encoding="utf-8"))
            return any(isinstance(node, ast.ClassDef) and node.name == cls for node in tree.body)
    return False


def libraries_of(folder, path):
    """What `instrumentation_dependencies` of an instrumentation returns, or else its constant `_instruments`: they stand in
    its module, or in one beside it."""
    module, _, cls = path.partition(":")
    base = folder / module.replace(".", "/")
    names, returned = {}, None
    for file in sorted(base.glob("*.py")) or [base.with_suffix(".py")]:
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                names[node.targets[0].id] = node.value
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                names[node.target.id] = node.value
            elif isinstance(node, ast.ClassDef) and node.name == cls:
                returned = dependencies(node)
    for node in (returned, names.get("_instruments_any"), names.get("_instruments")):
        found = evaluate(node, names)
        if found is not None:
            return found
    sys.exit(f"{path}: which libraries it instruments is not said")


def dependencies(node):
    """What the method returns, if it is one line."""
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and each.name == "instrumentation_dependencies":
            body = [line for line in each.body if not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))]
            return body[0].value if len(body) == 1 and isinstance(body[0], ast.Return) else None
    return None


def evaluate(node, names):
    """A list of strings, through names of the same file; None if it is something else."""
    if isinstance(node, ast.Name):
        return evaluate(names.get(node.id), names)
    if isinstance(node, ast.Call) and not node.args:
        return []
    if not isinstance(node, (ast.Tuple, ast.List)):
        return None
    found = []
    for each in node.elts:
        if isinstance(each, ast.Starred):
            found += evaluate(each.value, names) or []
        elif isinstance(each, ast.Constant):
            found.append(each.value)
        elif isinstance(each, ast.Name) and isinstance(names.get(each.id), ast.Constant):
            found.append(names[each.id].value)
        else:
            return None
    return found
