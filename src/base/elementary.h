/* src/base/elementary.h - exp, log, powers, sine and cosine that are the same everywhere.
 *
 * The C library's differ from system to system, and on one system from CPU to CPU, in the last bit;
 * a model's numbers and the octets of a file must not. These use additions, multiplications and
 * divisions only, each rounded as IEEE 754 says.
 *
 * Accuracy, tested against the C library: a few units in the last place of double.
 * exp of float32, sixteen at a time, is in model/ops_loops.h.
 * SPDX-License-Identifier: MIT */
#ifndef WH_BASE_ELEMENTARY_H
#define WH_BASE_ELEMENTARY_H

double wh_exp(double x);                  /* -700 to 700 */
double wh_log(double x);                  /* positive, finite, no subnormal */
double wh_pow(double base, double power); /* base as of wh_log; |power * log base| up to 700 */
/* Of an angle from 0 to 2^29. */
void wh_sincos(double angle, double *sine, double *cosine);

#endif
