# SPDX-License-Identifier: Unlicense
"""Code, stubs and docstrings say the same; mypy --strict, which Debian has for its Python, finds the examples right."""
import ast
import glob
import inspect
import os
import subprocess
import sys

import support
from support import equal, test, true

sys.path.insert(0, support.FOLDER)
import mplog  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(support.HERE))


def parameters(function):
    """(name, kind, has a default) of each, as the code has them."""
    return [(p.name, p.kind.name, p.default is not p.empty) for p in inspect.signature(function).parameters.values()]


def parameters_of_stub(node):
    """The same of a function in a stub."""
    a = node.args
    first_default = len(a.args) - len(a.defaults)
    found = [(arg.arg, "POSITIONAL_OR_KEYWORD", i >= first_default) for i, arg in enumerate(a.args)]
    return found + [(arg.arg, "KEYWORD_ONLY", default is not None) for arg, default in zip(a.kwonlyargs, a.kw_defaults)]


def stub():
    with open(os.path.join(os.path.dirname(mplog.__file__), "__init__.pyi"), encoding="utf-8") as f:
        return {node.name: node for node in ast.parse(f.read()).body if hasattr(node, "name")}


@test
def stub_and_package_have_the_same_names():
    equal(sorted(stub()), sorted(mplog.__all__))
    true(os.path.exists(os.path.join(os.path.dirname(mplog.__file__), "py.typed")), "py.typed is missing")
    true(isinstance(mplog.__version__, str), "no version")


@test
def stub_and_code_have_the_same_parameters():
    for name, node in stub().items():
        if isinstance(node, ast.ClassDef):
            equal([m.name for m in node.body], ["__init__"])
            node, function = node.body[0], getattr(mplog, name).__init__
        else:
            function = getattr(mplog, name)
        equal(parameters_of_stub(node), parameters(function), name)
        types = node.args.args[len(parameters(function)) > 0 and node.name == "__init__":] + node.args.kwonlyargs
        equal([a.arg for a in types if a.annotation is None], [], "parameters without a type")


@test
def docstrings_name_every_parameter():
    for name in mplog.__all__:
        thing = getattr(mplog, name)
        text = inspect.getdoc(thing) or ""
        true(len(text) > 40, "%s has no docstring" % name)
        function = thing.__init__ if inspect.isclass(thing) else thing
        # The handler's are said to be those of setup_logging, or of RotatingFileHandler.
        known = inspect.getdoc(mplog.setup_logging) if inspect.isclass(thing) else text
        rotating = ["filename", "mode", "maxBytes", "backupCount", "encoding", "delay", "errors", "self"]
        missing = [p for p, _, _ in parameters(function) if p not in known and not (known != text and p in rotating)]
        equal(missing, [], "parameters that the docstring of %s does not name" % name)


@test
def methods_of_the_handler_say_what_they_do():
    for name, method in vars(mplog.Handler).items():
        if inspect.isfunction(method) and not name.startswith("_"):
            true(method.__doc__, "Handler.%s has no docstring" % name)


def mypy_has_nothing_to_say():
    paths = sorted(glob.glob(os.path.join(ROOT, "examples", "python", "*.py")))
    # Other people's packages come without types. What mypy has learnt of Python's own is kept: that takes 4 s.
    command = ["mypy", "--strict", "--ignore-missing-imports", "--allow-untyped-decorators",
               "--cache-dir", os.path.join(support.FOLDER, ".mypy")] + paths
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, env=dict(os.environ, MYPYPATH=support.FOLDER))
    true(paths and done.returncode == 0, done.stdout)


if os.path.dirname(sys.executable) == "/usr/bin":
    support.case(mypy_has_nothing_to_say, name="examples_are_right_for_mypy_strict")

if __name__ == "__main__":
    sys.exit(support.main())
