/* src/job/solutions.c - what a method has found, kept in a file until it is written.
 *
 * SPDX-License-Identifier: MIT */
#include "job/solutions.h"

#include <stdlib.h>

#include "base/mem.h"

#define STAGE WH_PARTS /* the kind of record that ends a stage; its key is the stage's number */

static whit_status take(void *ctx, uint32_t kind, uint32_t key, uint64_t offset, uint64_t len,
                        whit_error *err)
{
    wh_solutions *s = ctx;
    if (kind == 0) return WHIT_OK;
    if (kind == STAGE && key == s->stages) {
        s->stages++;
        return WHIT_OK;
    }
    if (kind >= WH_PARTS || key >= s->count)
        return wh_fail(err, WHIT_ERR_FORMAT, "%s: a record of no run of this plan",
                       s->journal.path);
    s->place[key][kind] = (wh_solution_place){ offset, len };
    return WHIT_OK;
}

whit_status wh_solutions_open(wh_solutions *s, size_t count, const char *output,
                              const char plan[WH_JOURNAL_PLAN], whit_error *err)
{
    *s = (wh_solutions){ .journal = { .fd = -1 }, .count = count };
    s->place = wh_calloc(count, sizeof *s->place);
    if (!s->place) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the results of a method");
    return plan ? wh_journal_open(&s->journal, output, WH_SOLUTIONS_NAME, plan, take, s, err)
                : wh_journal_open_spill(&s->journal, output, err);
}

void wh_solutions_close(wh_solutions *s)
{
    wh_journal_close(&s->journal);
    free(s->place);
    *s = (wh_solutions){ .journal = { .fd = -1 } };
}

whit_status wh_solutions_put(wh_solutions *s, size_t entry, wh_part part, const void *data,
                             uint64_t len, whit_error *err)
{
    uint64_t at;
    whit_status st = wh_journal_add(&s->journal, part, (uint32_t)entry, data, len, &at, err);
    if (st == WHIT_OK) s->place[entry][part] = (wh_solution_place){ at, len };
    return st;
}

whit_status wh_solutions_finish(wh_solutions *s, whit_error *err)
{
    whit_status st = wh_journal_add(&s->journal, STAGE, s->stages, "", 0, NULL, err);
    if (st == WHIT_OK) st = wh_journal_commit(&s->journal, err);
    if (st == WHIT_OK) s->stages++;
    return st;
}

whit_status wh_solutions_get(const wh_solutions *s, size_t entry, wh_part part, uint64_t at,
                             void *data, uint64_t len, whit_error *err)
{
    const wh_solution_place *p = &s->place[entry][part];
    if (p->at == 0 || at > p->len || len > p->len - at)
        return wh_fail(err, WHIT_ERR_FORMAT, "a result of a method is not there");
    return wh_journal_read(&s->journal, p->at + at, data, len, err);
}
