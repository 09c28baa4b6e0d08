"""Run a figure's scripts in node, where there is no page, and call one of their pure functions."""

import json
import shutil
import subprocess

import pytest

from cnnkit.figures.figure import source

# what the drawing core would give the scripts, but for what needs a page
PROGRAM = """
const { calls, scripts } = JSON.parse(require("fs").readFileSync(0, "utf8"));
for (const script of scripts) new Function(script)();
const answers = calls.map(([path, args]) =>
  path.split(".").reduce((found, name) => found[name], globalThis.cnnFigures)(...args));
console.log(JSON.stringify(answers, (key, value) => (ArrayBuffer.isView(value) ? Array.from(value) : value)));
"""


def call(scripts, calls):
    """What functions of the scripts return.

    Args:
        scripts: their names, in order.
        calls: pairs of a path below ``cnnFigures``, such as ``sizes.outputSize``, and a list of arguments.
    """
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    given = json.dumps({"calls": calls, "scripts": [source(name) for name in scripts]})
    done = subprocess.run([node, "-e", PROGRAM], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
