/* src/calib/state_read.c - a calibration state from its file: see whit/calib.h.
 *
 * Files are hostile: every tensor must have the shape and type that the metadata asks for, and
 * nothing else may be there; counts must add up; what is stored in order must be in order.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "calib/state.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/json.h"
#include "base/mem.h"
#include "io/io.h"

#define PIECE ((size_t)1 << 16)

typedef struct reading {
    whit_calib *c;
    wh_json j;
    wh_buf *name; /* of the tensor that is looked for */
    size_t used;  /* tensors that belong to an input */
    int final;
    char label[WH_SHORT];
    whit_error *err;
} reading;

static whit_status bad(const reading *r, const char *name, const char *what)
{
    char shortened[WH_SHORT];
    if (!name) return wh_fail(r->err, WHIT_ERR_FORMAT, "%s: calibration state: %s", r->label, what);
    return wh_fail(r->err, WHIT_ERR_FORMAT, "%s: %s: %s", r->label, wh_short(shortened, name),
                   what);
}

static whit_status no_memory(const reading *r)
{
    return wh_fail(r->err, WHIT_ERR_NOMEM, "%s: no memory for its statistics", r->label);
}

/* ---- metadata -------------------------------------------------------------------------------- */

/* One object of a list: its members, each at most once. */
typedef struct member {
    const char *key;
    char **text; /* a string; or */
    uint64_t *whole;
    int *number; /* with a sign */
    int seen, optional;
} member;

static int read_signed(const wh_json *j, int *out)
{
    const char *text = j->text;
    const int minus = *text == '-';
    int v = 0;
    text += minus;
    if (!*text || strlen(text) > 4) return 0;
    for (; *text; text++) {
        if (*text < '0' || *text > '9') return 0;
        v = v * 10 + (*text - '0');
    }
    *out = minus ? -v : v;
    return 1;
}

static whit_status read_member(reading *r, member *m)
{
    const wh_json_token token = wh_json_next(&r->j);
    if (m->seen++) return bad(r, m->key, "a member of the metadata is there twice");
    if (m->text && token == WH_JSON_STRING) {
        *m->text = wh_strndup(r->j.text, r->j.text_len);
        return *m->text ? WHIT_OK : no_memory(r);
    }
    if (!m->text && token == WH_JSON_NUMBER &&
        (m->whole ? wh_json_u64(&r->j, m->whole) : read_signed(&r->j, m->number)))
        return WHIT_OK;
    return r->j.nomem ? no_memory(r) : bad(r, m->key, "a member of the metadata is malformed");
}

/* The name of a matrix behind a list's bracket or comma. */
static whit_status read_linears(reading *r, char ***list, size_t *count)
{
    size_t cap = 0;
    wh_json_token token;
    if (wh_json_next(&r->j) != WH_JSON_ARRAY) return bad(r, "linears", "is no list");
    while ((token = wh_json_next(&r->j)) == WH_JSON_STRING) {
        void *all = *list;
        const int grown = wh_grow(&all, &cap, *count + 1, sizeof **list);
        *list = all;
        if (!grown) return no_memory(r);
        (*list)[*count] = wh_strndup(r->j.text, r->j.text_len);
        if (!(*list)[*count]) return no_memory(r);
        ++*count;
    }
    if (r->j.nomem) return no_memory(r);
    return token == WH_JSON_ARRAY_END ? WHIT_OK : bad(r, "linears", "is no list of names");
}

/* Behind the opening brace. linears: where a list of that name goes, or NULL. */
static whit_status read_object(reading *r, member *m, size_t members, char ***linears,
                               size_t *count)
{
    whit_status st = WHIT_OK;
    int listed = 0;
    while (st == WHIT_OK && wh_json_next(&r->j) == WH_JSON_KEY) {
        size_t i = 0;
        while (i < members && strcmp(m[i].key, r->j.text) != 0) i++;
        if (i < members)
            st = read_member(r, &m[i]);
        else if (linears && !listed++ && strcmp(r->j.text, "linears") == 0)
            st = read_linears(r, linears, count);
        else
            st = bad(r, NULL, "its metadata has a member that is not known");
    }
    if (st != WHIT_OK) return st;
    if (r->j.problem) return r->j.nomem ? no_memory(r) : bad(r, NULL, "its metadata is no JSON");
    for (size_t i = 0; i < members; i++)
        if (!m[i].seen && !m[i].optional) return bad(r, m[i].key, "is missing in the metadata");
    return WHIT_OK;
}

/* Every object of a list by `one`. */
static whit_status read_list(reading *r, const char *key, whit_status (*one)(reading *r))
{
    const char *text = whit_file_meta_find(r->c->file, 0, key);
    whit_status st = WHIT_OK;
    wh_json_token token;
    if (!text) return bad(r, key, "is missing in the metadata");
    wh_json_init(&r->j, text, strlen(text));
    if (wh_json_next(&r->j) != WH_JSON_ARRAY) st = bad(r, key, "is no list");
    while (st == WHIT_OK && (token = wh_json_next(&r->j)) == WH_JSON_OBJECT) st = one(r);
    if (st == WHIT_OK && (token != WH_JSON_ARRAY_END || wh_json_next(&r->j) != WH_JSON_END))
        st = r->j.nomem ? no_memory(r) : bad(r, key, "is no list of objects");
    wh_json_free(&r->j);
    return st;
}

static whit_status read_source(reading *r)
{
    char *kind = NULL, *input = NULL, *sha256 = NULL;
    uint64_t context = 0, tokens = 0;
    member m[] = {
        { .key = "kind", .text = &kind },
        { .key = "sha256", .text = &sha256 },
        { .key = "context", .whole = &context },
        { .key = "tokens", .whole = &tokens },
        { .key = "input", .text = &input, .optional = 1 },
    };
    whit_status st = read_object(r, m, sizeof m / sizeof m[0], NULL, NULL);
    if (st == WHIT_OK) {
        /* cppcheck-suppress nullPointer ; no object passes read_object without its kind */
        const int texts = strcmp(kind, "text") == 0 || strcmp(kind, "ids") == 0;
        if ((!texts && strcmp(kind, "activations") != 0) || texts != !input ||
            !wh_sha256_is_text(sha256) || tokens == 0 || tokens > WH_CALIB_TOKENS)
            st = bad(r, NULL, "a source in its metadata is malformed");
    }
    if (st == WHIT_OK) st = wh_calib_add_source(r->c, kind, input, sha256, context, tokens, r->err);
    free(kind);
    free(input);
    free(sha256);
    return st;
}

/* ---- tensors --------------------------------------------------------------------------------- */

/* A tensor of an input, which must have these elements; WHIT_NOT_FOUND where none: is legal. */
static whit_status find(reading *r, const char *input, const char *suffix, whit_dtype dtype,
                        uint32_t rank, uint64_t n, size_t *index)
{
    wh_buf name = { 0 };
    wh_buf_puts(&name, input);
    wh_buf_puts(&name, suffix);
    if (name.failed) {
        wh_buf_free(&name);
        return no_memory(r);
    }
    *index = whit_file_find(r->c->file, name.data);
    wh_buf_free(&name);
    if (*index == WHIT_NOT_FOUND) return WHIT_OK;
    const whit_tensor *t = whit_file_tensor(r->c->file, *index);
    r->used++;
    if (t->dtype != dtype || t->rank != rank || (n && t->elements != n) || t->elements == 0 ||
        (rank == 2 && t->shape[1] != 2))
        return bad(r, t->name, "has another type or shape than a state gives it");
    return WHIT_OK;
}

static whit_status need(reading *r, const char *input, const char *suffix, whit_dtype dtype,
                        uint32_t rank, uint64_t n, size_t *index)
{
    whit_status st = find(r, input, suffix, dtype, rank, n, index);
    if (st == WHIT_OK && *index == WHIT_NOT_FOUND)
        st = bad(r, input, "a tensor of its statistics is missing");
    return st;
}

/* n values of 8 octets, in the byte order of the machine. */
static whit_status get_u64(const reading *r, size_t index, uint64_t first, size_t n, uint64_t *out)
{
    whit_status st = whit_file_read(r->c->file, index, first * 8, n * 8, out, r->err);
    for (size_t i = 0; i < n && st == WHIT_OK; i++) out[i] = wh_load64(out + i);
    return st;
}

static whit_status read_sums(reading *r, wh_calib_input *in)
{
    static const char *const suffix[WH_SUMS] = { ".sum", ".sum_abs", ".sum_square" };
    const size_t cols = (size_t)in->told.cols;
    whit_status st = WHIT_OK;
    for (size_t s = 0; s < WH_SUMS && st == WHIT_OK; s++) {
        size_t index;
        st = need(r, in->name, suffix[s], WHIT_U64, 2, 2 * in->told.cols, &index);
        if (st == WHIT_OK) /* low and high, as in the struct */
            st = get_u64(r, index, 0, 2 * cols, (uint64_t *)(void *)in->moments.sum[s]);
    }
    return st;
}

/* No sum can pass what its tokens give: |sum| <= sum_abs, which has no sign. */
static whit_status check_sums(const reading *r, const wh_calib_input *in)
{
    const double abs_most = (double)in->told.tokens * (double)WH_MOMENTS_LIMIT;
    const double square_most = abs_most * (double)WH_MOMENTS_LIMIT;
    for (size_t c = 0; c < in->moments.channels; c++) {
        const double sum = wh_wide_signed(in->moments.sum[WH_SUM][c]);
        const double sum_abs = wh_wide_signed(in->moments.sum[WH_SUM_ABS][c]);
        const double square = wh_wide_unsigned(in->moments.sum[WH_SUM_SQUARE][c]);
        const float low = in->moments.min[c], high = in->moments.max[c];
        if (!(low <= high && low >= -WH_MOMENTS_LIMIT && high <= WH_MOMENTS_LIMIT))
            return bad(r, in->name, "the range of a channel is none");
        if (!(sum_abs >= 0 && sum_abs <= abs_most * 1.001 && square <= square_most * 1.001 &&
              fabs(sum) <= sum_abs * 1.001 + (double)in->told.tokens * 0x1p-60))
            return bad(r, in->name, "sums of a channel contradict each other");
    }
    return WHIT_OK;
}

static whit_status read_moments(reading *r, wh_calib_input *in)
{
    size_t low, high;
    const size_t cols = (size_t)in->told.cols;
    whit_status st = need(r, in->name, ".min", WHIT_F32, 1, in->told.cols, &low);
    if (st == WHIT_OK) st = need(r, in->name, ".max", WHIT_F32, 1, in->told.cols, &high);
    if (st == WHIT_OK) st = whit_file_read_f32(r->c->file, low, 0, cols, in->moments.min, r->err);
    if (st == WHIT_OK) st = whit_file_read_f32(r->c->file, high, 0, cols, in->moments.max, r->err);
    if (st == WHIT_OK) st = read_sums(r, in);
    return st == WHIT_OK ? check_sums(r, in) : st;
}

static int total(const uint64_t *bin, size_t n, uint64_t zeros, uint64_t *sum)
{
    *sum = zeros;
    for (size_t i = 0; i < n; i++)
        if (!wh_add_u64(*sum, bin[i], sum)) return 0;
    return 1;
}

/* Counts that add up to tokens * columns; of a mixture both histograms to about that. */
static whit_status check_counts(const reading *r, wh_calib_input *in)
{
    wh_histogram *h = &in->histogram;
    uint64_t log, linear, values;
    if (!total(h->bin, h->bins, h->zeros, &log) ||
        !total(h->linear, WH_LINEAR_BINS, h->zeros, &linear) ||
        !wh_mul_u64(in->told.tokens, in->told.cols, &values) || log == 0 ||
        (!r->final && (log != values || linear != values)) || (r->final && linear == 0))
        return bad(r, in->name, "its counts do not add up");
    h->values = log;
    if (h->bins && (h->bin[0] == 0 || h->bin[h->bins - 1] == 0))
        return bad(r, in->name, "its bins begin or end with an empty one");
    return WHIT_OK;
}

static whit_status read_samples(reading *r, wh_calib_input *in)
{
    wh_histogram *h = &in->histogram;
    size_t index;
    const int few = h->values < WH_FEW && !r->final; /* room for them was taken */
    whit_status st = find(r, in->name, ".samples", WHIT_F32, 1, h->values, &index);
    if (st != WHIT_OK) return st;
    if (few != (index != WHIT_NOT_FOUND))
        return bad(r, in->name, "it has samples exactly where it has fewer than 65536 values");
    if (!few) {
        free(h->few);
        h->few = NULL;
        return WHIT_OK;
    }
    st = whit_file_read_f32(r->c->file, index, 0, (size_t)h->values, h->few, r->err);
    for (size_t i = 0; i < h->values && st == WHIT_OK; i++)
        if (!(h->few[i] >= (i ? h->few[i - 1] : 0.0f) && h->few[i] <= WH_MOMENTS_LIMIT))
            st = bad(r, in->name, "its samples are not in order");
    return st;
}

static whit_status read_histogram(reading *r, wh_calib_input *in, uint64_t log_first)
{
    wh_histogram *h = &in->histogram;
    size_t log, linear;
    whit_status st = find(r, in->name, ".log_bins", WHIT_U64, 1, 0, &log);
    if (st == WHIT_OK) st = need(r, in->name, ".bins", WHIT_U64, 1, WH_LINEAR_BINS, &linear);
    if (st != WHIT_OK) return st;
    const uint64_t bins = log == WHIT_NOT_FOUND ? 0 : whit_file_tensor(r->c->file, log)->elements;
    if (bins > WH_LOG_BINS || log_first > WH_LOG_BINS - bins)
        return bad(r, in->name, "its bins pass the last one");
    const uint64_t zeros = h->zeros, values = in->told.tokens * in->told.cols;
    const int exponent = h->exponent;
    st = wh_histogram_init(h, (size_t)bins, values < WH_FEW ? (size_t)values : 1, r->err);
    h->first = (size_t)log_first;
    h->exponent = exponent;
    h->zeros = zeros;
    if (bins && st == WHIT_OK) st = get_u64(r, log, 0, h->bins, h->bin);
    if (st == WHIT_OK) st = get_u64(r, linear, 0, WH_LINEAR_BINS, h->linear);
    if (st == WHIT_OK) st = check_counts(r, in);
    return st == WHIT_OK ? read_samples(r, in) : st;
}

static whit_status read_tensors(reading *r, wh_calib_input *in, uint64_t log_first, int exponent)
{
    size_t index;
    if (in->told.tokens == 0 || in->told.tokens > WH_CALIB_TOKENS || exponent < WH_LINEAR_LEAST ||
        exponent > 24 || in->told.linears_count == 0)
        return bad(r, in->name, "its metadata is out of range");
    in->histogram.exponent = exponent;
    whit_status st = read_moments(r, in);
    if (st == WHIT_OK) st = read_histogram(r, in, log_first);
    if (st != WHIT_OK) return st;
    st = find(r, in->name, ".hessian", WHIT_F64, 1, wh_triangle(in->told.cols), &index);
    in->hessian = index;
    return st;
}

static whit_status read_input(reading *r)
{
    char *name = NULL, **linear = NULL;
    size_t linears = 0, index;
    uint64_t cols = 0, tokens = 0, zeros = 0, log_first = 0;
    int exponent = 0;
    member m[] = {
        { .key = "name", .text = &name },
        { .key = "columns", .whole = &cols },
        { .key = "tokens", .whole = &tokens },
        { .key = "zeros", .whole = &zeros },
        { .key = "log_first", .whole = &log_first },
        { .key = "exponent", .number = &exponent },
    };
    whit_status st = read_object(r, m, sizeof m / sizeof m[0], &linear, &linears);
    if (st == WHIT_OK && (cols == 0 || cols > WH_CALIB_COLUMNS))
        st = bad(r, name, "its columns are out of range");
    if (st == WHIT_OK) { /* its memory is that of the file, before it is taken */
        st = need(r, name, ".sum", WHIT_U64, 2, 2 * cols, &index);
        if (st == WHIT_OK) st = need(r, name, ".bins", WHIT_U64, 1, WH_LINEAR_BINS, &index);
        r->used = st == WHIT_OK ? r->used - 2 : r->used;
    }
    if (st == WHIT_OK)
        st = wh_calib_add_input(r->c, name, (const char *const *)linear, linears, cols, r->err);
    if (st == WHIT_OK) {
        wh_calib_input *in = &r->c->input[r->c->info.inputs - 1];
        in->told.tokens = tokens;
        in->histogram.zeros = zeros;
        st = read_tensors(r, in, log_first, exponent);
    }
    for (size_t i = 0; i < linears; i++) free(linear[i]);
    free(linear);
    free(name);
    return st;
}

/* ---- the file -------------------------------------------------------------------------------- */

/* Where an interrupted run goes on. */
static whit_status read_place(reading *r)
{
    const char *plan = whit_file_meta_find(r->c->file, 0, "whit.state.plan");
    const char *at = whit_file_meta_find(r->c->file, 0, "whit.state.at");
    if (!plan && !at) return WHIT_OK;
    if (!plan || !at || !wh_sha256_is_text(plan))
        return bad(r, NULL, "where its run was interrupted is malformed");
    memcpy(r->c->plan, plan, sizeof r->c->plan);
    wh_json_init(&r->j, at, strlen(at));
    int good = wh_json_next(&r->j) == WH_JSON_ARRAY;
    for (size_t i = 0; i < 3 && good; i++)
        good = wh_json_next(&r->j) == WH_JSON_NUMBER && wh_json_u64(&r->j, &r->c->at[i]);
    good = good && wh_json_next(&r->j) == WH_JSON_ARRAY_END && wh_json_next(&r->j) == WH_JSON_END;
    wh_json_free(&r->j);
    return good ? WHIT_OK : bad(r, NULL, "where its run was interrupted is malformed");
}

static whit_status read_head(reading *r)
{
    const whit_file *file = r->c->file;
    const char *version = whit_file_meta_find(file, 0, "whit.state");
    const char *model = whit_file_meta_find(file, 0, "whit.state.model");
    const char *final = whit_file_meta_find(file, 0, "whit.state.final");
    if (!version || strcmp(whit_file_format(file), "safetensors") != 0)
        return wh_fail(r->err, WHIT_ERR_UNSUPPORTED, "%s: no calibration state", r->label);
    if (strcmp(version, WH_CALIB_VERSION) != 0)
        return wh_fail(r->err, WHIT_ERR_UNSUPPORTED,
                       "%s: a calibration state of a later version of whit", r->label);
    if (!model || (*model && !wh_sha256_is_text(model)))
        return bad(r, "whit.state.model", "is missing or malformed");
    if (final && strcmp(final, "1") != 0) return bad(r, "whit.state.final", "is malformed");
    memcpy(r->c->model, model, strlen(model) + 1);
    r->final = r->c->info.is_final = final != NULL;
    return WHIT_OK;
}

static whit_status check_all(reading *r)
{
    const whit_calib *c = r->c;
    size_t hessians = 0;
    for (size_t i = 0; i < c->info.inputs; i++) hessians += c->input[i].hessian != WHIT_NOT_FOUND;
    if (c->info.inputs == 0) return bad(r, NULL, "it has no inputs");
    if (c->info.sources == 0) return bad(r, NULL, "it has no sources");
    if (r->used != whit_file_count(c->file))
        return bad(r, NULL, "it has tensors that belong to no input");
    if (hessians != 0 && hessians != c->info.inputs)
        return bad(r, NULL, "some of its inputs have a Hessian, others none");
    r->c->info.has_hessian = hessians > 0;
    return WHIT_OK;
}

static whit_status read_all(reading *r)
{
    whit_status st = whit_file_open(&r->c->file, r->c->path, r->err);
    if (st == WHIT_OK) st = read_head(r);
    if (st == WHIT_OK) st = read_list(r, "whit.state.inputs", read_input);
    if (st == WHIT_OK) st = read_list(r, "whit.state.sources", read_source);
    if (st == WHIT_OK) st = read_place(r);
    if (st == WHIT_OK) st = check_all(r);
    return st == WHIT_OK ? wh_calib_settle(r->c, r->err) : st;
}

whit_status whit_calib_open(whit_calib **out, const char *path, whit_error *err)
{
    if (!out) return wh_fail(err, WHIT_ERR_ARG, "whit_calib_open: no place for the result");
    *out = NULL;
    if (!path || !*path) return wh_fail(err, WHIT_ERR_ARG, "whit_calib_open: no path");
    reading r = { .c = wh_calib_new(path), .err = err };
    if (!r.c) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a calibration state");
    wh_io_label(r.label, path);
    whit_status st = read_all(&r);
    if (st != WHIT_OK) {
        whit_calib_close(r.c);
        return st;
    }
    *out = r.c;
    return WHIT_OK;
}

/* Whether the file begins like safetensors: to open an archive would read all that is in it. */
static whit_status probe_head(const char *path, int *is, whit_error *err)
{
    unsigned char head[WH_IO_HEAD];
    uint64_t bytes;
    int fd;
    whit_status st = wh_io_open_head(path, &fd, &bytes, head, err);
    if (fd >= 0) close(fd);
    *is = st == WHIT_OK && wh_safetensors_probe(head);
    return st;
}

whit_status wh_calib_probe(const char *path, int *is, whit_error *err)
{
    whit_file *file = NULL;
    whit_error why = { WHIT_OK, "" };
    whit_status st = probe_head(path, is, &why);
    if (*is) st = whit_file_open(&file, path, &why);
    if (!file) *is = 0;
    if (st == WHIT_ERR_IO || st == WHIT_ERR_NOMEM) return wh_fail(err, st, "%s", why.msg);
    if (!file) return WHIT_OK; /* something else, whatever it is */
    *is = strcmp(whit_file_format(file), "safetensors") == 0 &&
          whit_file_meta_find(file, 0, "whit.state") != NULL;
    whit_file_close(file);
    return WHIT_OK;
}

int whit_calib_probe(const char *path)
{
    int is = 0;
    return path && *path && wh_calib_probe(path, &is, NULL) == WHIT_OK && is;
}

/* ---- Hessians -------------------------------------------------------------------------------- */

whit_status wh_calib_read_hessian(const whit_calib *c, const wh_calib_input *in, uint64_t at,
                                  size_t n, double *out, whit_error *err)
{
    char label[WH_SHORT], name[WH_SHORT];
    whit_status st = whit_file_read(c->file, in->hessian, at * 8, n * 8, out, err);
    for (size_t i = 0; i < n && st == WHIT_OK; i++) {
        const uint64_t u = wh_load64(out + i);
        memcpy(&out[i], &u, sizeof u);
        if (!isfinite(out[i]))
            st = wh_fail(err, WHIT_ERR_FORMAT, "%s: %s: its Hessian has a value that is not finite",
                         wh_io_label(label, c->path), wh_short(name, in->name));
    }
    return st;
}

whit_status whit_calib_check(const whit_calib *calib, whit_error *err)
{
    char label[WH_SHORT], name[WH_SHORT];
    double *piece = wh_calloc(PIECE, sizeof *piece);
    whit_status st = piece ? WHIT_OK : wh_fail(err, WHIT_ERR_NOMEM, "no memory to check a state");
    for (size_t i = 0; calib->info.has_hessian && i < calib->info.inputs; i++) {
        const wh_calib_input *in = &calib->input[i];
        const uint64_t all = wh_triangle(in->told.cols);
        uint64_t row = 0, diagonal = 0;
        for (uint64_t at = 0; at < all && st == WHIT_OK; at += PIECE) {
            const size_t n = all - at < PIECE ? (size_t)(all - at) : PIECE;
            st = wh_calib_read_hessian(calib, in, at, n, piece, err);
            for (; diagonal < at + n && st == WHIT_OK;
                 diagonal = wh_triangle_row(in->told.cols, ++row))
                if (piece[diagonal - at] < 0)
                    st =
                        wh_fail(err, WHIT_ERR_FORMAT, "%s: %s: its Hessian has a negative diagonal",
                                wh_io_label(label, calib->path), wh_short(name, in->name));
        }
    }
    free(piece);
    return st;
}

whit_status whit_calib_hessian(const whit_calib *calib, size_t index, double *h, whit_error *err)
{
    if (!calib || !h || index >= calib->info.inputs || !calib->info.has_hessian)
        return wh_fail(err, WHIT_ERR_ARG, "whit_calib_hessian: no such Hessian");
    const wh_calib_input *in = &calib->input[index];
    const uint64_t cols = in->told.cols;
    for (uint64_t r = 0; r < cols; r++) {
        double *row = h + r * cols;
        whit_status st = wh_calib_read_hessian(calib, in, wh_triangle_row(cols, r),
                                               (size_t)(cols - r), row + r, err);
        if (st != WHIT_OK) return st;
        for (uint64_t c = r; c < cols; c++) h[c * cols + r] = row[c];
    }
    return WHIT_OK;
}
