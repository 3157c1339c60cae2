/* src/calib/solve64.h - sixteen columns of a triangular solve, for tile64_<isa>.c.
 *
 * Plain loops over rows side by side: the flags of the file make them instructions of its set. Not
 * for any other file: it defines functions. SPDX-License-Identifier: MIT */
#ifndef WH_CALIB_SOLVE64_H
#define WH_CALIB_SOLVE64_H

#include "calib/tile64.h"

static inline void solve_rows(double x[WH_LANES64][WH_SOLVE64], double tri[WH_LANES64][WH_LANES64],
                              const double pivot[WH_LANES64], size_t cols)
{
    for (size_t k = cols; k-- > 0;) {
        const double *xk = x[k];
        for (size_t i = 0; i < WH_SOLVE64; i++) x[k][i] /= pivot[k];
        for (size_t l = 0; l < k; l++) {
            double *restrict xl = x[l];
            const double factor = tri[k][l];
            for (size_t i = 0; i < WH_SOLVE64; i++) xl[i] -= xk[i] * factor;
        }
    }
}

#endif
