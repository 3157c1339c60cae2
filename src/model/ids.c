/* src/model/ids.c - lists of token ids: growing, as text and back.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "model/token.h"

int wh_ids_add(whit_ids *ids, uint32_t id)
{
    if (ids->count >= ids->cap) {
        void *list = ids->id;
        if (!wh_grow(&list, &ids->cap, ids->count + 1, sizeof *ids->id)) return 0;
        ids->id = list;
    }
    ids->id[ids->count++] = id;
    return 1;
}

void whit_ids_free(whit_ids *ids)
{
    free(ids->id);
    memset(ids, 0, sizeof *ids);
}

void whit_ids_write_json(const whit_ids *ids, FILE *out)
{
    fputs("{\"schema\":1,\"ids\":[", out);
    for (size_t i = 0; i < ids->count; i++) fprintf(out, "%s%" PRIu32, i ? "," : "", ids->id[i]);
    fputs("]}\n", out);
}

/* ---- reading ---- */

static whit_status add(whit_ids *ids, uint64_t id, whit_error *err)
{
    if (id >= WH_ID_NONE)
        return wh_fail(err, WHIT_ERR_FORMAT, "%" PRIu64 " is no id of a token: too large", id);
    return wh_ids_add(ids, (uint32_t)id) ? WHIT_OK
                                         : wh_fail(err, WHIT_ERR_NOMEM, "no memory for the ids");
}

static int is_gap(char c)
{
    return c == ',' || c == ' ' || (c >= '\t' && c <= '\r');
}

static whit_status read_plain(whit_ids *ids, const char *text, size_t len, whit_error *err)
{
    whit_status st = WHIT_OK;
    for (size_t at = 0; at < len && st == WHIT_OK;) {
        uint64_t id = 0;
        const size_t start = at;
        for (; at < len && text[at] >= '0' && text[at] <= '9' && id < WH_ID_NONE; at++)
            id = id * 10 + (uint64_t)(text[at] - '0');
        if (at > start) st = add(ids, id, err);
        if (st == WHIT_OK && at < len && !is_gap(text[at]))
            st = wh_fail(err, WHIT_ERR_FORMAT, "at byte %zu is no id of a token", at);
        while (at < len && is_gap(text[at])) at++;
    }
    return st;
}

static whit_status bad_json(const wh_json *j, whit_error *err)
{
    if (j->nomem) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the ids");
    return wh_fail(err, WHIT_ERR_FORMAT, "not a list of ids in JSON: %s, at byte %zu",
                   j->problem ? j->problem : "something else", j->pos);
}

/* Behind the opening bracket. */
static whit_status read_list(whit_ids *ids, wh_json *j, whit_error *err)
{
    whit_status st = WHIT_OK;
    wh_json_token token;
    uint64_t id;
    while (st == WHIT_OK && (token = wh_json_next(j)) != WH_JSON_ARRAY_END)
        st = token == WH_JSON_NUMBER && wh_json_u64(j, &id) ? add(ids, id, err) : bad_json(j, err);
    return st;
}

static whit_status read_object(whit_ids *ids, wh_json *j, whit_error *err)
{
    whit_status st = WHIT_OK;
    wh_json_token token;
    int seen = 0;
    while (st == WHIT_OK && (token = wh_json_next(j)) == WH_JSON_KEY) {
        if (strcmp(j->text, "ids") != 0)
            st = wh_json_skip(j, token) ? WHIT_OK : bad_json(j, err);
        else if (seen++)
            st = wh_fail(err, WHIT_ERR_FORMAT, "the member \"ids\" is there twice");
        else
            st = wh_json_next(j) == WH_JSON_ARRAY ? read_list(ids, j, err) : bad_json(j, err);
    }
    if (st != WHIT_OK || j->problem) return st != WHIT_OK ? st : bad_json(j, err);
    return seen ? WHIT_OK : wh_fail(err, WHIT_ERR_FORMAT, "JSON without a member \"ids\"");
}

static whit_status read_json(whit_ids *ids, const char *text, size_t len, whit_error *err)
{
    wh_json j;
    wh_json_init(&j, text, len);
    const wh_json_token first = wh_json_next(&j);
    whit_status st = first == WH_JSON_ARRAY    ? read_list(ids, &j, err)
                     : first == WH_JSON_OBJECT ? read_object(ids, &j, err)
                                               : bad_json(&j, err);
    if (st == WHIT_OK && wh_json_next(&j) != WH_JSON_END) st = bad_json(&j, err);
    wh_json_free(&j);
    return st;
}

whit_status whit_ids_read(whit_ids *ids, const char *text, size_t len, whit_error *err)
{
    size_t blank = 0;
    if (!ids || (!text && len > 0)) return wh_fail(err, WHIT_ERR_ARG, "whit_ids_read: null");
    const size_t before = ids->count;
    while (blank < len && is_gap(text[blank]) && text[blank] != ',') blank++;
    const int json = blank < len && (text[blank] == '{' || text[blank] == '[');
    whit_status st = json ? read_json(ids, text, len, err) : read_plain(ids, text, len, err);
    if (st != WHIT_OK) ids->count = before;
    return st;
}
