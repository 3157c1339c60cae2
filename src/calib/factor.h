/* src/calib/factor.h - H + lambda mean(diag H) I = R R^T with R upper triangular, in double.
 *
 * A Cholesky factor taken from the last column backwards: the error feedback of GPTQ reads R as it
 * is, no inverse is formed (methods: Chee et al. 2023, arXiv:2307.13304, where R scaled to a unit
 * diagonal is the matrix of LDLQ).
 *
 * Each element of R is one chain over the columns right of it, last first; which of them are in a
 * block only decides where a chain of fused multiply-adds goes on as plain ones. So the bits depend
 * on n alone, not on threads or instruction set.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WH_CALIB_FACTOR_H
#define WH_CALIB_FACTOR_H

#include <whit/kernel.h>

/*
 * In place. h [n][n]: only the upper triangle with the diagonal is read and written.
 * Errors: WHIT_ERR_NUMERIC (not positive definite, or not finite: *column is where; h is then
 * spoilt), WHIT_ERR_ARG, WHIT_ERR_NOMEM. column may be NULL. Threads: those of the context, calls
 * take turns.
 */
whit_status wh_factor(whit_context *context, double *h, size_t n, size_t *column, whit_error *err);

typedef struct wh_damping {
    double lambda; /* in: the first to try, >= 0; out: the one that worked */
    size_t dead;   /* out: columns whose diagonal was 0: it became mean(diag H), or 1 where all are
                      0, so that their weights are rounded as if alone */
} wh_damping;

/*
 * The same with the diagonal raised, of an H as statistics keep it (hessian.h), its columns put in
 * another order: r = the factor of H[order][order] with dead columns filled and lambda * mean(diag)
 * added, lambda times ten after each failure, up to 1.
 *
 *   triangle  in   the upper triangle of H [n][n], row by row
 *   order     in   [n], the column of H that becomes number i; NULL: as they are
 *   r         out  [n][n], the upper triangle
 *   diag      out  [n], the damped diagonal, in the new order; may be NULL
 *
 * Errors: WHIT_ERR_NUMERIC: not even with lambda 1 (then round to nearest instead), or a value that
 * is not finite or a diagonal below 0 (err->msg names the column of H).
 */
whit_status wh_factor_damped(whit_context *context, const double *triangle, const uint32_t *order,
                             size_t n, double *r, double *diag, wh_damping *damping,
                             whit_error *err);

#endif
