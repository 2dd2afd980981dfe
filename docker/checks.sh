# checks.sh, sourced: a scratch folder in $scratch, and sentences that are checked and counted.
#
# Whoever sources it removes $scratch at the end.
scratch=$(mktemp -d)
passed=0 failed=0

# check SENTENCE COMMAND…: the sentence holds when the command succeeds, and each step of it if it is a
# function: it runs in a shell of its own, outside of any condition, in which `set -e` would be off.
check() {
    local sentence=$1 code=0
    shift
    set +e
    (set -e; "$@") >"$scratch/heard" 2>&1
    code=$?
    set -e
    if [ "$code" = 0 ]; then
        passed=$((passed + 1))
        echo "ok      $sentence"
    else
        failed=$((failed + 1))
        echo "FAILED  $sentence"
        tail -n 40 "$scratch/heard" | sed 's/^/          /'
    fi
}

# How many passed; fails if any did not.
count_checks() {
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ]
}
