/* src/job/solutions.h - what a method has found, kept in a file until it is written: codes and
 * scales of matrices, factors that were folded into them.
 *
 * With a journal that has a name it survives an interruption.
 * SPDX-License-Identifier: MIT */
#ifndef WH_JOB_SOLUTIONS_H
#define WH_JOB_SOLUTIONS_H

#include <stddef.h>
#include "io/journal.h"

/* Parts of an entry. Values are those of the file. */
typedef enum wh_part {
    WH_PART_CODES = 1, /* uint8 [rows][cols] */
    WH_PART_SCALE,     /* float, as whit_quantize has it */
    WH_PART_ZERO,      /* uint8 */
    WH_PART_SCALE2,    /* float [1] */
    WH_PART_BLOCKS,    /* of GGUF, rows as in the source */
    WH_PART_ROWS,      /* float [rows]: factors of the rows of the float weights */
    WH_PART_COLS,      /* float [cols]: of the columns, first */
    WH_PART_VECTOR,    /* float [cols]: instead of a vector */
    WH_PART_CORRECTED, /* float [cols]: instead of a bias, beside the quantized matrix */
    WH_PART_RESULT,    /* what is to be told (method.h) */
    WH_PARTS
} wh_part;

#define WH_SOLUTIONS_NAME "solutions"

typedef struct wh_solution_place {
    uint64_t at, len; /* at 0: it is not there */
} wh_solution_place;

typedef struct wh_solutions {
    wh_journal journal;
    wh_solution_place (*place)[WH_PARTS]; /* [count] */
    size_t count;
    uint32_t stages; /* that are finished */
} wh_solutions;      /* zero-initialise, with journal.fd -1 */

/* Of `count` entries. plan NULL: a file without a name beside output; else what an interrupted run
 * of the same plan left is taken up. Errors: those of wh_journal_open. Close then, too. */
whit_status wh_solutions_open(wh_solutions *s, size_t count, const char *output,
                              const char plan[WH_JOURNAL_PLAN], whit_error *err);
void wh_solutions_close(wh_solutions *s);

whit_status wh_solutions_put(wh_solutions *s, size_t entry, wh_part part, const void *data,
                             uint64_t len, whit_error *err);
/* One more stage is finished. */
whit_status wh_solutions_finish(wh_solutions *s, whit_error *err);

static inline int wh_solutions_has(const wh_solutions *s, size_t entry, wh_part part)
{
    return s && s->place && s->place[entry][part].at != 0;
}
/* Octets [at, at + len) of a part that is there. */
whit_status wh_solutions_get(const wh_solutions *s, size_t entry, wh_part part, uint64_t at,
                             void *data, uint64_t len, whit_error *err);

#endif
