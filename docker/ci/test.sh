#!/usr/bin/env bash
# test.sh: action.yml and gitlab.yml against the schemas of their build servers, and their shell steps run
# in the checkout of somebody else's project, with the wheel of target/package.
#
# Needs PyPI (for check-jsonschema, which brings the schemas), the wheel, and for GitLab's job an engine
# with the image quarrel/base:servers-trixie, which images.sh --release trixie makes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
checkout=$PWD
python=${PYTHON:-python3}

wheels=("$checkout"/target/package/*.whl)
[ -f "${wheels[0]}" ] || { echo "test.sh: no wheel; docker/package.sh wheel makes it" >&2; exit 4; }
wheel=${wheels[0]}
tools=$checkout/target/package/ci-tools
[ -x "$tools/bin/check-jsonschema" ] || {
    "$python" -m venv "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check 'check-jsonschema>=0.30'
}
play=("$tools/bin/python" "$checkout/docker/ci/play.py")

. docker/checks.sh
trap 'rm -rf "$scratch"' EXIT
check "action.yml is what GitHub takes" \
    "$tools/bin/check-jsonschema" --builtin-schema vendor.github-actions action.yml
check "gitlab.yml is what GitLab takes" \
    "$tools/bin/check-jsonschema" --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci docker/ci/gitlab.yml

# A project of somebody else's: a folder with nothing of ours but a quarrel.toml.
project() {
    mkdir -p "$1"
    cat >"$1/quarrel.toml" <<'TOML'
[profile.ci]
cluster = "sim"
time = "2s"
seed = 3

[[profile.ci.run]]
strategy = "cache-aside"
fault = "replica-lag"

[[profile.ci.run]]
strategy = "primary-only"
TOML
}

# act FOLDER INPUT…: the action in a folder; its output, and what it wrote for GitHub, in FOLDER.log.
act() {
    local folder=$1
    shift
    (cd "$folder" && RUNNER_TEMP=$folder.temp GITHUB_STEP_SUMMARY=$folder.summary \
        "${play[@]}" action "$checkout/action.yml" "package=$wheel" servers= "$@") >"$folder.log" 2>&1
}

violated_run_is_told() {
    local folder=$scratch/violated code=0
    project "$folder" && mkdir "$folder.temp"
    act "$folder" || code=$?
    cat "$folder.log"
    [ "$code" = 1 ]
    # Beside a file of this project, for the strategy's source is not in it.
    grep -q '^::error file=quarrel.toml,title=' "$folder.log"
    ! grep -q 'file=workloads/' "$folder.log"
    grep -q '### ❌' "$folder.summary" && grep -q '### ✅' "$folder.summary"
    grep -q 'left out: actions/upload-artifact' "$folder.log"
    ls "$folder"/results/*/junit.xml >/dev/null
}

shares_are_merged() {
    local folder=$scratch/shares share
    project "$folder"
    for share in 1 2; do
        rm -rf "$folder.temp" && mkdir "$folder.temp"
        act "$folder" "partition=$share/2" "results=shares/$share" || true
    done
    rm -rf "$folder.temp" && mkdir "$folder.temp"
    local code=0
    act "$folder" 'run=merge shares/* --results whole' results=whole || code=$?
    cat "$folder.log"
    [ "$code" = 1 ]
    [ "$(wc -l <"$folder/whole/index.jsonl")" = 2 ]
}

# An engine that does as it is told: images are saved once, and loaded the next time.
images_are_kept() {
    local folder=$scratch/images
    project "$folder" && mkdir -p "$folder.temp" "$folder.bin"
    cat >"$folder.bin/docker" <<'STUB'
#!/bin/sh
echo "docker $*" >>"$CALLS"
case $1 in
    image) echo quarrel/cache:local ;;
    save) shift; [ "$1" = --output ] && echo images >"$2" ;;
esac
STUB
    chmod +x "$folder.bin/docker"
    local turn
    for turn in 1 2; do
        PATH=$folder.bin:$PATH CALLS=$folder.calls act "$folder" cache-images=true || true
        rm -rf "$folder.temp/quarrel"
    done
    cat "$folder.log" "$folder.calls"
    [ "$(grep -c '^docker save' "$folder.calls")" = 1 ] && [ "$(grep -c '^docker load' "$folder.calls")" = 1 ]
    grep -q 'actions/cache' "$folder.log"
}

# job JOB NAME=VALUE…: one of GitLab's, in a container of Debian as its runner starts it.
job() {
    "${play[@]}" gitlab docker/ci/gitlab.yml "$1" "QUARREL_PACKAGE=/wheel/${wheel##*/}" QUARREL_SERVERS= "${@:2}" >"$scratch/job.sh"
    docker run --rm --init --network host --label dev.quarrel=1 -v "$scratch/gitlab:/project" -v "${wheel%/*}:/wheel:ro" \
        -v "$scratch/job.sh:/job.sh:ro" -w /project --entrypoint sh quarrel/base:servers-trixie /job.sh
}

gitlab_shares_are_merged() {
    project "$scratch/gitlab"
    local code=0
    job .quarrel CI_NODE_TOTAL=2 CI_NODE_INDEX=1 || code=$?
    echo "share 1: exit code $code"
    job .quarrel CI_NODE_TOTAL=2 CI_NODE_INDEX=2 || code=$code$?
    echo "both shares: exit codes $code"
    # One of them has the run that is violated, the other the one that holds.
    [ "$code" = 1 ] || [ "$code" = 01 ] || return 1
    code=0
    job .quarrel-merge || code=$?
    [ "$code" = 1 ] && [ "$(wc -l <"$scratch/gitlab/results/index.jsonl")" = 2 ]
}

check "a violated run fails the step, beside a file of the project" violated_run_is_told
check "shares of two jobs are merged by a third" shares_are_merged
check "images are kept from one job to the next" images_are_kept
check "GitLab's jobs run in plain Debian" gitlab_shares_are_merged

count_checks
