#!/bin/sh
# tests/cli/under_valgrind.sh - stands in for the tool as the first argument of a test beside it,
# and runs $WHIT_UNDER_VALGRIND under valgrind's memcheck. Not a test itself.
#
# What memcheck finds, leaks included, makes the tool's exit code 99, which no test expects, and
# stands in a file of the process in the folder $WHIT_VALGRIND_LOG; the others there stay empty. The
# tool sees a CPU with AVX2 and nothing beyond: valgrind knows no AVX-512. method.sh and calibrate.sh
# end within an hour with WHIT_SHORTER=4; some checks fail then, which count
# windows or whose signal comes while valgrind still begins.
# SPDX-License-Identifier: MIT
exec valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,possible \
    --errors-for-leak-kinds=definite,possible --log-file="$WHIT_VALGRIND_LOG/%p" \
    "$WHIT_UNDER_VALGRIND" "$@"
