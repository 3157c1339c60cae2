/* src/job/feeds.c - what is fed to calibrate or to learn from: texts, ids, activations; their
 * hashes and windows.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "calib/state.h"
#include "job/eval.h"
#include "job/feeds.h"

#define CONTEXT_MOST ((uint64_t)1 << 28)

/* ---- activations ----------------------------------------------------------------------------- */

static whit_status open_activations(wh_feed *f, whit_error *err)
{
    char name[WH_SHORT];
    wh_short(name, f->what->path);
    whit_status st = wh_sha256_file(f->what->path, f->sha256, err);
    if (st == WHIT_OK) st = whit_file_open(&f->file, f->what->path, err);
    if (st != WHIT_OK) return st;
    const whit_tensor *t = whit_file_tensor(f->file, 0);
    if (whit_file_count(f->file) != 1 || t->rank != 2 || !whit_dtype_is_float(t->dtype) ||
        t->elements == 0)
        return wh_fail(err, WHIT_ERR_FORMAT,
                       "%s: is not one matrix of floats; try: an array [samples, columns]", name);
    f->rows = t->shape[0];
    f->cols = t->shape[1];
    if (f->cols > WH_CALIB_COLUMNS)
        return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: more than 2^24 columns", name);
    return WHIT_OK;
}

/* ---- texts ----------------------------------------------------------------------------------- */

static whit_status read_text(const whit_feed *what, char **own, const char **data, size_t *len,
                             whit_error *err)
{
    *data = what->data;
    *len = what->len;
    if (what->data) return WHIT_OK;
    whit_status st = wh_file_slurp(what->path, WH_EVAL_TEXT, own, len, err);
    *data = *own;
    return st;
}

/* Ids are read here, too: a mistake in them is told before the model is loaded. */
static whit_status open_text(wh_feed *f, whit_error *err)
{
    char *own = NULL;
    const char *data;
    size_t len;
    whit_status st = read_text(f->what, &own, &data, &len, err);
    if (st == WHIT_OK) wh_sha256_octets(data, len, f->sha256);
    if (st == WHIT_OK && f->what->kind == WHIT_FEED_IDS) {
        st = whit_ids_read(&f->ids, data, len, err);
        if (st != WHIT_OK) st = wh_prefix(err, st, f->what->path);
    }
    free(own);
    return st;
}

whit_status wh_feeds_open(wh_feeds *f, const whit_feed *what, size_t count, uint64_t tokens,
                          whit_error *err)
{
    whit_status st = WHIT_OK;
    f->tokens = tokens;
    f->feed = wh_calloc(count, sizeof *f->feed);
    if (!f->feed) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the texts");
    f->count = count;
    for (size_t i = 0; i < count && st == WHIT_OK; i++) {
        f->feed[i].what = &what[i];
        st = what[i].kind == WHIT_FEED_ACTIVATIONS ? open_activations(&f->feed[i], err)
                                                   : open_text(&f->feed[i], err);
    }
    return st;
}

void wh_feeds_close(wh_feeds *f)
{
    for (size_t i = 0; i < f->count; i++) {
        whit_ids_free(&f->feed[i].ids);
        whit_file_close(f->feed[i].file);
    }
    whit_tokenizer_close(f->tokenizer);
    free(f->feed);
    free(f->token);
    f->tokenizer = NULL;
    f->feed = NULL;
    f->token = NULL;
    f->count = 0; /* what is told of the windows stays */
}

static whit_status tokenize(const wh_feeds *all, wh_feed *f, wh_lines *warnings, whit_error *err)
{
    char *own = NULL, name[WH_SHORT];
    const char *data;
    size_t len;
    uint64_t octets = 0;
    whit_status st = read_text(f->what, &own, &data, &len, err);
    if (st == WHIT_OK) st = wh_eval_tokenize(all->tokenizer, data, len, &f->ids, &octets, err);
    if (st != WHIT_OK) st = wh_prefix(err, st, f->what->path);
    if (octets)
        wh_lines_add(warnings, "%s: octets that are not UTF-8, taken as byte tokens: %" PRIu64,
                     wh_short(name, f->what->path), octets);
    free(own);
    return st;
}

static whit_status check_ids(const wh_feed *f, uint32_t rows, whit_error *err)
{
    char name[WH_SHORT];
    wh_short(name, f->what->path);
    if (f->ids.count == 0)
        return wh_fail(err, WHIT_ERR_FORMAT, "%s: has no tokens; try: another text", name);
    for (size_t i = 0; i < f->ids.count; i++)
        if (f->ids.id[i] >= rows)
            return wh_fail(err, WHIT_ERR_FORMAT,
                           "%s: token %" PRIu32 ", but the model's embeddings have %" PRIu32
                           " rows; try: the tokenizer of this model",
                           name, f->ids.id[i], rows);
    return WHIT_OK;
}

/* Ids may begin with the start of text, as those of a tokenizer do: windows have one anyway. */
static void drop_start(const wh_feeds *all, whit_ids *ids)
{
    if (!all->lead || ids->count < 2 || ids->id[0] != all->start) return;
    memmove(ids->id, ids->id + 1, --ids->count * sizeof *ids->id);
}

static whit_status tokenize_all(wh_feeds *f, const wh_feeds_model *m, wh_lines *warnings,
                                whit_error *err)
{
    whit_status st = WHIT_OK;
    for (size_t i = 0; i < f->count && st == WHIT_OK; i++) {
        wh_feed *one = &f->feed[i];
        if (one->what->kind == WHIT_FEED_TEXT) st = tokenize(f, one, warnings, err);
        if (one->what->kind == WHIT_FEED_IDS) drop_start(f, &one->ids);
        if (st == WHIT_OK && f->tokens && one->ids.count > f->tokens)
            one->ids.count = (size_t)f->tokens;
        if (st == WHIT_OK) st = check_ids(one, m->vocabulary, err);
    }
    return st;
}

/* ---- windows --------------------------------------------------------------------------------- */

whit_status wh_feeds_context(uint64_t context, whit_error *err)
{
    if (context == 0 || (context >= 2 && context <= CONTEXT_MOST)) return WHIT_OK;
    return wh_fail(err, WHIT_ERR_ARG, "a context of %" PRIu64 " tokens; try: 2 to %" PRIu64,
                   context, CONTEXT_MOST);
}

static int wants_tokenizer(const wh_feeds *f)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->feed[i].what->kind == WHIT_FEED_TEXT) return 1;
    return 0;
}

static whit_status open_tokenizer(wh_feeds *f, const wh_feeds_model *m, whit_error *err)
{
    if (whit_file_is_folder(m->file) || whit_file_kv_count(m->file, 0) > 0)
        return whit_tokenizer_open(&f->tokenizer, m->path, err);
    return whit_tokenizer_open(&f->tokenizer, whit_file_folder(m->file), err);
}

static void settle_windows(wh_feeds *f, const wh_feeds_model *m, uint64_t context,
                           wh_lines *warnings)
{
    const uint64_t made = m->context < WH_FEEDS_CONTEXT ? m->context : WH_FEEDS_CONTEXT;
    const whit_tokenizer_info *t = f->tokenizer ? whit_tokenizer_describe(f->tokenizer) : NULL;
    char name[WH_SHORT];
    f->window = (size_t)(context ? context : made < 2 ? 2 : made);
    if (f->window > m->context)
        wh_lines_add(warnings, "%s: was made for %" PRIu32 " positions, not %zu",
                     wh_short(name, m->path), m->context, f->window);
    const int64_t bos = t && t->bos >= 0 ? t->bos : m->bos;
    if (bos < 0 || bos >= m->vocabulary || (t && !t->adds_bos)) return;
    f->lead = 1;
    f->start = (uint32_t)bos;
}

whit_status wh_feeds_settle(wh_feeds *f, const wh_feeds_model *m, uint64_t context,
                            wh_lines *warnings, whit_error *err)
{
    whit_status st = wants_tokenizer(f) ? open_tokenizer(f, m, err) : WHIT_OK;
    if (st != WHIT_OK) return st;
    settle_windows(f, m, context, warnings);
    st = tokenize_all(f, m, warnings, err);
    if (st != WHIT_OK) return st;
    f->token = wh_calloc(f->window, sizeof *f->token);
    return f->token ? WHIT_OK : wh_fail(err, WHIT_ERR_NOMEM, "no memory for a window");
}

uint64_t wh_feed_windows(const wh_feeds *all, const wh_feed *f)
{
    return f->file ? 1 : (f->ids.count - 1) / (all->window - all->lead) + 1;
}

/* All windows but the last are full. */
uint64_t wh_feed_tokens(const wh_feeds *all, const wh_feed *f, uint64_t window, uint64_t position)
{
    const uint64_t windows = wh_feed_windows(all, f);
    if (window >= windows) return f->file ? f->rows : f->ids.count + windows * all->lead;
    return window * all->window + position;
}

size_t wh_feed_window(const wh_feeds *all, const wh_feed *f, uint64_t window)
{
    const size_t piece = all->window - all->lead, first = (size_t)window * piece;
    const size_t left = f->ids.count - first, n = left < piece ? left : piece;
    all->token[0] = all->start;
    memcpy(all->token + all->lead, f->ids.id + first, n * sizeof *all->token);
    return n + all->lead;
}
