/* src/calib/power.h - x^p from the four operations, so that it is the same with every C library.
 * SPDX-License-Identifier: MIT */
#ifndef WH_CALIB_POWER_H
#define WH_CALIB_POWER_H

/* x > 0 and finite, |p| <= 16: within about 1e-14 of x^p. x = 0: 1 for p = 0, else 0 (p > 0). */
double wh_power(double x, double p);

#endif
