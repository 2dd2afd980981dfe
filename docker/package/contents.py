"""contents.py TARGET NOTICES SBOM: what the program is made of.

Writes the licences of every crate that is linked into quarrel (NOTICES, text),
and the same crates as a CycloneDX 1.5 document (SBOM, JSON), both from `cargo
metadata`: the crates that are reached from quarrel-workloads over normal
dependencies on TARGET, with the features it is built with. Crates that only
build it, or test it, are not in the program.

contents.py --glibc FILE: the newest version of glibc that a symbol of FILE asks
for, such as 2.34.

Exit code 1, with the crate's name, when a crate has neither a licence's name
nor its text.
"""

import json
import pathlib
import re
import subprocess
import sys

ROOT = "quarrel-workloads"
# Where a distribution keeps the licence of the OpenSSL that is linked.
OPENSSL = pathlib.Path("/usr/share/doc/libssl-dev/copyright")
TEXTS = re.compile(r"^(licen[cs]e|copying|notice|unlicense|copyright)", re.IGNORECASE)


def metadata(target):
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def linked(found):
    """The packages in the program, by name and version, with what each needs."""
    nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
    packages = {package["id"]: package for package in found["packages"]}
    macros = {
        key
        for key, package in packages.items()
        if any("proc-macro" in target["kind"] for target in package["targets"])
    }
    start = next(key for key, package in packages.items() if package["name"] == ROOT)
    needs, waiting = {}, [start]
    while waiting:
        key = waiting.pop()
        if key in needs:
            continue
        normal = [
            other["pkg"]
            for other in nodes[key]["deps"]
            if any(kind["kind"] is None for kind in other["dep_kinds"])
        ]
        # Macros run in the compiler; nothing of them is in the program.
        needs[key] = sorted(other for other in normal if other not in macros)
        waiting.extend(needs[key])
    order = sorted(needs, key=lambda key: (packages[key]["name"], packages[key]["version"]))
    return [(packages[key], needs[key]) for key in order], packages


def texts(package):
    folder = pathlib.Path(package["manifest_path"]).parent
    return sorted(path for path in folder.iterdir() if path.is_file() and TEXTS.match(path.name))


def notices(crates):
    """The crates in a list, then every distinct text once with those it is of."""
    listed, whose, unknown = [], {}, []
    for package, _ in crates:
        if package["source"] is None:
            continue
        name = f"{package['name']} {package['version']}"
        files = texts(package)
        if not package["license"] and not files:
            unknown.append(package["name"])
        listed.append(f"  {name}: {package['license'] or 'see its text'}")
        for path in files:
            text = path.read_text(encoding="utf-8", errors="replace").strip()
            whose.setdefault(text, []).append(name)
    if unknown:
        sys.exit(f"contents.py: no licence is known of {', '.join(unknown)}")
    listed.append("  OpenSSL (libssl, libcrypto), linked statically: Apache-2.0")
    if OPENSSL.is_file():
        whose[OPENSSL.read_text(encoding="utf-8", errors="replace").strip()] = ["OpenSSL"]
    parts = ["What is linked into quarrel, and under which licences.\n\n", "\n".join(listed), "\n"]
    for text, names in whose.items():
        # A crate with several files of the same text is named once.
        parts.append(f"\n{'=' * 78}\n{', '.join(dict.fromkeys(names))}\n\n{text}\n")
    return "".join(parts)


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package):
    kind = "application" if package["name"] == ROOT else "library"
    told = {
        "type": kind,
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
    }
    if package["description"]:
        told["description"] = package["description"].strip()
    if package["license"]:
        # Cargo's old way to write OR.
        told["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    return told


def sbom(crates, packages):
    described = [component(package) for package, _ in crates]
    main = next(told for told in described if told["name"] == ROOT)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": main},
        "components": [told for told in described if told is not main],
        "dependencies": [
            {"ref": purl(package), "dependsOn": sorted({purl(packages[key]) for key in needs})}
            for package, needs in crates
        ],
    }


def least_glibc(file):
    symbols = subprocess.run(["objdump", "-T", file], check=True, capture_output=True, text=True).stdout
    versions = {tuple(map(int, version.split("."))) for version in re.findall(r"GLIBC_([0-9.]+)", symbols)}
    if not versions:
        sys.exit(f"contents.py: {file} asks nothing of glibc")
    return ".".join(map(str, max(versions)))


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--glibc":
        print(least_glibc(sys.argv[2]))
        return
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    _, target, notices_file, sbom_file = sys.argv
    crates, packages = linked(metadata(target))
    pathlib.Path(notices_file).write_text(notices(crates), encoding="utf-8")
    pathlib.Path(sbom_file).write_text(json.dumps(sbom(crates, packages), indent=1) + "\n", encoding="utf-8")


main()
