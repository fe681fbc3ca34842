#!/bin/sh
# run.sh BUILD 'TEST...' 'SCRIPT...' 'FUZZ...': run every test, count, and close with the count.
#
# A cmocka program counts its tests itself; a script prints one line "ok NAME" or "not ok NAME" a test;
# a fuzz target replays its corpus and counts as one.  A run of no test is a failure.
build=$1 passed=0 failed=0
log=$build/check.log
for t in $2; do
    "$t" >"$log" 2>&1
    rc=$?
    p=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$log" | tail -1)
    f=$(sed -n 's/^\[  FAILED  \] \([0-9]*\) test.*/\1/p' "$log" | head -1)
    p=${p:-0} f=${f:-0}
    if [ $rc -ne 0 ] || [ $((p + f)) -eq 0 ]; then
        [ "$f" -gt 0 ] || f=1
        echo "FAIL ${t#"$build"/} (exit $rc)"
        tail -n 60 "$log" | sed 's/^/    /'
    else
        echo "ok   ${t#"$build"/} ($p)"
    fi
    grep '^report: ' "$log" | sed 's/^report: /     /'
    passed=$((passed + p)) failed=$((failed + f))
done
for t in $3; do
    sh "$t" "$build" >"$log" 2>&1
    rc=$?
    p=$(grep -c '^ok ' "$log") f=$(grep -c '^not ok ' "$log")
    if [ $rc -ne 0 ] || [ "$f" -gt 0 ] || [ "$p" -eq 0 ]; then
        [ "$f" -gt 0 ] || f=1
        echo "FAIL $t (exit $rc)"
        tail -n 60 "$log" | sed 's/^/    /'
    else
        echo "ok   $t ($p)"
    fi
    passed=$((passed + p)) failed=$((failed + f))
done
for t in $4; do
    name=${t##*/fuzz_}
    if "$t" tests/fuzz/corpus/"$name"/* >"$log" 2>&1; then
        echo "ok   fuzz corpus $name"
        passed=$((passed + 1))
    else
        echo "FAIL fuzz corpus $name"
        tail -n 40 "$log" | sed 's/^/    /'
        failed=$((failed + 1))
    fi
done
[ $passed -gt 0 ] || failed=$((failed + 1))
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
