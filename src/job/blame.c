/* src/job/blame.c - why logits are not finite: the first matrix whose input is not, and so the
 * layer that made it.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "job/blame.h"

typedef struct witness {
    size_t seen; /* linears whose input was finite, in the order in which a token meets them */
    int bad;     /* the next one's was not */
} witness;

static void look(void *ctx, const whit_linear_input *input)
{
    witness *w = ctx;
    for (size_t i = 0; i < input->tokens * input->cols && !w->bad; i++)
        w->bad = !isfinite(input->x[i]);
    if (!w->bad) w->seen = input->linear + 1;
}

whit_status wh_blame(whit_model *model, whit_session *session, const uint32_t *token, size_t count,
                     whit_error *err)
{
    const whit_model_info *m = whit_model_describe(model);
    char path[WH_SHORT], tensor[WH_SHORT];
    witness w = { 0, 0 };
    size_t fed = 0;
    float *logits = wh_calloc(m->vocabulary, sizeof *logits);
    whit_status st = WHIT_OK;
    if (!logits) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the logits");
    whit_session_rewind(session, 0);
    whit_session_watch(session, look, &w);
    /* token by token: the first bad value in time, then in depth */
    for (; fed < count && !w.bad && st == WHIT_OK; fed++) {
        w.seen = 0;
        st = whit_session_feed(session, token + fed, 1, WHIT_LOGITS_LAST, logits, err);
        for (size_t i = 0; i < m->vocabulary && !w.bad; i++) w.bad = !isfinite(logits[i]);
    }
    whit_session_watch(session, NULL, NULL);
    free(logits);
    if (st != WHIT_OK) return st;
    wh_short(path, m->path);
    if (w.seen == 0)
        return wh_fail(err, WHIT_ERR_NUMERIC,
                       "%s: layer 0 gets what is not finite: the embedding of token %" PRIu32
                       ", or the norm behind it; try: inspect --check",
                       path, token[fed - 1]);
    const whit_model_linear *l = whit_model_linear_at(model, w.seen - 1);
    wh_short(tensor, l->tensor);
    if (l->layer < 0)
        return wh_fail(err, WHIT_ERR_NUMERIC,
                       "%s: the output head (%s) gives logits that are not finite, at token %zu",
                       path, tensor, fed - 1);
    return wh_fail(err, WHIT_ERR_NUMERIC,
                   "%s: layer %" PRId64 " gives what is not finite, behind the input of %s, at "
                   "token %zu; try: inspect --check",
                   path, l->layer, tensor, fed - 1);
}
