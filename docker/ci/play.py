"""play.py: the steps of docker/ci's files as a build server runs them.

    play.py action FILE [INPUT=VALUE…]   runs the `run:` steps of a composite action, one after the
                                         other, in the current folder; those that use other actions
                                         are named and left out. Exit code: of the first that fails
    play.py gitlab FILE JOB [NAME=VALUE…]  prints a job's variables and lines as one shell script

Only what these files use of either language is known; anything else is an error.
Needs ruamel.yaml, which check-jsonschema brings.
"""

import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

from ruamel.yaml import YAML


def parse(path):
    return YAML(typ="safe").load(pathlib.Path(path).read_text(encoding="utf-8"))


def values(words):
    return dict(word.split("=", 1) for word in words)


class Action:
    """A composite action, and what its expressions may name."""

    def __init__(self, path, given):
        self.action = parse(path)
        known = self.action["inputs"]
        unknown = set(given) - set(known)
        if unknown:
            sys.exit(f"play.py: {path} has no input {', '.join(sorted(unknown))}")
        self.inputs = {name: given.get(name, spec["default"]) for name, spec in known.items()}
        self.temp = pathlib.Path(os.environ.get("RUNNER_TEMP") or tempfile.mkdtemp())
        self.outputs = {}
        self.path = os.environ["PATH"]

    def value(self, expression):
        expression = expression.strip()
        if expression.startswith("inputs."):
            return self.inputs[expression.removeprefix("inputs.")]
        if expression == "runner.temp":
            return str(self.temp)
        if expression == "runner.os":
            return "Linux"
        found = re.fullmatch(r"steps\.([\w-]+)\.outputs\.([\w-]+)", expression)
        if found:
            return self.outputs[found[1]][found[2]]
        sys.exit(f"play.py: unknown expression {expression}")

    def fill(self, text):
        return re.sub(r"\$\{\{(.*?)\}\}", lambda found: self.value(found[1]), text)

    def wanted(self, condition, has_failed):
        parts = [part.strip() for part in condition.split("&&")] if condition else []
        always = "always()" in parts
        if has_failed and not always:
            return False
        for part in parts:
            if part == "always()":
                continue
            found = re.fullmatch(r"(\S+) (==|!=) '(.*)'", part)
            if not found:
                sys.exit(f"play.py: unknown condition {part}")
            if (self.value(found[1]) == found[3]) != (found[2] == "=="):
                return False
        return True

    def run(self):
        code = 0
        for step in self.action["runs"]["steps"]:
            if not self.wanted(step.get("if", ""), code != 0):
                continue
            if "uses" in step:
                told = {name: self.fill(str(value)) for name, value in step["with"].items()}
                print(f"play.py: left out: {step['uses']} with {told}", file=sys.stderr)
                continue
            ended = self.step(step)
            code = code or ended
        return code

    def step(self, step):
        files = {}
        for name in ("GITHUB_OUTPUT", "GITHUB_PATH"):
            files[name] = self.temp / name.lower()
            files[name].write_text("")
        environment = dict(os.environ, PATH=self.path, RUNNER_TEMP=str(self.temp), GITHUB_ACTIONS="true")
        environment.setdefault("GITHUB_WORKSPACE", os.getcwd())
        environment.update({name: str(path) for name, path in files.items()})
        environment.update({name: self.fill(str(value)) for name, value in step.get("env", {}).items()})
        # As the runner calls bash.
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", self.fill(step["run"])]
        ended = subprocess.run(command, env=environment, check=False).returncode
        told = files["GITHUB_OUTPUT"].read_text().splitlines()
        self.outputs[step.get("id", "")] = dict(line.split("=", 1) for line in told)
        for folder in files["GITHUB_PATH"].read_text().splitlines():
            self.path = f"{folder}:{self.path}"
        return ended


def gitlab(path, name, given):
    pipeline = parse(path)
    job = {}
    for parent in (pipeline[name].get("extends"), name):
        if parent:
            above = job
            job = {**above, **pipeline[parent]}
            job["variables"] = {**above.get("variables", {}), **pipeline[parent].get("variables", {})}
    variables = {**pipeline["variables"], "CI_PROJECT_DIR": "$PWD", **job["variables"], **given}
    lines = ["set -eu"]
    for key, value in variables.items():
        quoted = f'"{value}"' if "$" in value else shlex.quote(value)
        lines.append(f"export {key}={quoted}")
    return "\n".join(lines + job["before_script"] + job["script"])


def main():
    match sys.argv[1:]:
        case ["action", path, *given]:
            sys.exit(Action(path, values(given)).run())
        case ["gitlab", path, job, *given]:
            print(gitlab(path, job, values(given)))
        case _:
            sys.exit(__doc__)


main()
