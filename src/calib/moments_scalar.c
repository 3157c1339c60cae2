/* src/calib/moments_scalar.c - the loops of moments_loops.h for any machine: the reference.
 *
 * SPDX-License-Identifier: MIT */
#include "calib/moments_loops.h"

const wh_moments_ops wh_moments_scalar = { "scalar", 0, moments_block };
