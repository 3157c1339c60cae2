/* src/model/config_json.c - config.json of a model folder, as it is written.
 *
 * A JSON object whose members are known or skipped. rope_scaling, or rope_parameters in newer ones,
 * is an object inside it, or null. Lists that count: architectures (the first one), eos_token_id,
 * layer_types (which are followed where all layers from some layer on have the window).
 *
 * Numbers are read without the C library, whose idea of a decimal point depends on the locale.
 *
 * Not here: what the values mean (config.c).
 * Source: huggingface/transformers, src/transformers/configuration_utils.py.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "io/io.h"
#include "model/config_raw.h"

#define MOST_BYTES ((uint64_t)4 << 20)

typedef struct reading {
    wh_raw_config *r;
    wh_json json;
    int has_eos, has_architectures, has_types; /* the list was there */
    int objects; /* rope_scaling and rope_parameters that were there */
} reading;

static whit_status bad(const reading *x, const char *what, whit_error *err)
{
    if (x->json.nomem) return wh_fail(err, WHIT_ERR_NOMEM, "%s: no memory to read it", x->r->label);
    if (x->json.problem)
        return wh_fail(err, WHIT_ERR_FORMAT, "%s: not valid JSON: %s, at byte %zu", x->r->label,
                       x->json.problem, x->json.pos);
    return wh_fail(err, WHIT_ERR_FORMAT, "%s: %s", x->r->label, what);
}

/* ---- values ---------------------------------------------------------------------------------- */

/* A JSON number. Up to 15 digits with a power of ten up to 22 are exact, as nearly all are; others
 * are a unit or two off in the last place. Huge ones are infinite. */
static double to_double(const char *text)
{
    double digits = 0, power = 1;
    int shift = 0, exponent = 0, negative = *text == '-', below = 0;
    int seen = 0;
    for (text += negative; *text && *text != 'e' && *text != 'E'; text++) {
        if (*text == '.') {
            below = 1;
        } else if (seen < 17) {
            digits = digits * 10 + (*text - '0');
            seen += digits > 0;
            shift -= below;
        } else {
            shift += !below;
        }
    }
    if (*text) {
        int down = text[1] == '-';
        for (text += 1 + (text[1] == '-' || text[1] == '+'); *text; text++)
            if (exponent < 100000) exponent = exponent * 10 + (*text - '0');
        shift += down ? -exponent : exponent;
    }
    for (int k = 0; k < abs(shift) && k < 400; k++) power *= 10;
    if (digits > 0) digits = shift < 0 ? digits / power : digits * power;
    return negative ? -digits : digits;
}

/* What follows the path: a name that tells nothing of where it lies. Empty if there is none, or a
 * long one. */
static void copy_last_part(char *out, size_t room, const char *text)
{
    size_t end = strlen(text), begin;
    *out = 0;
    while (end > 0 && (text[end - 1] == '/' || text[end - 1] == '\\')) end--;
    for (begin = end; begin > 0 && text[begin - 1] != '/' && text[begin - 1] != '\\'; begin--) {
    }
    size_t len = end - begin;
    if (len >= room || (text[begin] == '.' && (len == 1 || (len == 2 && text[begin + 1] == '.'))))
        return;
    memcpy(out, text + begin, len);
    out[len] = 0;
}

/* The value after a key. Text is cut in the middle where it is too long; no name that counts is. */
static whit_status read_value(reading *x, wh_raw_key key, whit_error *err)
{
    wh_raw_value *v = &x->r->value[key];
    wh_json_token token = wh_json_next(&x->json);
    if (v->kind != WH_RAW_ABSENT) return wh_raw_bad(x->r, key, "is there twice", err);
    switch (token) {
    case WH_JSON_NUMBER:
        v->kind = wh_json_u64(&x->json, &v->n) ? WH_RAW_WHOLE : WH_RAW_REAL;
        if (x->json.text[strcspn(x->json.text, "IN")]) /* an infinity or NaN of Python */
            v->kind = WH_RAW_OTHER;
        else
            v->x = to_double(x->json.text);
        break;
    case WH_JSON_TRUE:
    case WH_JSON_FALSE:
        v->kind = WH_RAW_BOOL;
        v->n = token == WH_JSON_TRUE;
        break;
    case WH_JSON_STRING:
        v->kind = WH_RAW_TEXT;
        if (key == WH_KEY_PATH)
            copy_last_part(v->text, sizeof v->text, x->json.text);
        else
            wh_short(v->text, x->json.text);
        break;
    case WH_JSON_NULL:
        break;
    default:
        v->kind = WH_RAW_OTHER;
        if (!wh_json_skip(&x->json, token)) return bad(x, "does not end", err);
    }
    return token == WH_JSON_ERROR ? bad(x, "does not end", err) : WHIT_OK;
}

/* ---- lists ----------------------------------------------------------------------------------- */

static whit_status add_eos(reading *x, whit_error *err)
{
    uint64_t id;
    wh_raw_config *r = x->r;
    if (!wh_json_u64(&x->json, &id) || id > UINT32_MAX)
        return bad(x, "eos_token_id: is no id of a token", err);
    for (unsigned i = 0; i < r->eos_count; i++)
        if (r->eos[i] == id) return WHIT_OK;
    if (r->eos_count == WH_CONFIG_EOS) return bad(x, "eos_token_id: more than 16 ids", err);
    r->eos[r->eos_count++] = (uint32_t)id;
    return WHIT_OK;
}

static whit_status read_eos(reading *x, whit_error *err)
{
    wh_json_token token = wh_json_next(&x->json);
    if (x->has_eos++) return bad(x, "eos_token_id: is there twice", err);
    if (token == WH_JSON_NULL) return WHIT_OK;
    if (token == WH_JSON_NUMBER) return add_eos(x, err);
    if (token != WH_JSON_ARRAY) return bad(x, "eos_token_id: is no id of a token", err);
    whit_status st = WHIT_OK;
    while (st == WHIT_OK && (token = wh_json_next(&x->json)) != WH_JSON_ARRAY_END)
        st = token == WH_JSON_NUMBER ? add_eos(x, err)
                                     : bad(x, "eos_token_id: is no id of a token", err);
    return st;
}

static whit_status read_architectures(reading *x, whit_error *err)
{
    wh_json_token token = wh_json_next(&x->json);
    if (x->has_architectures++) return bad(x, "architectures: is there twice", err);
    if (token == WH_JSON_NULL) return WHIT_OK;
    if (token != WH_JSON_ARRAY) return bad(x, "architectures: is no list of texts", err);
    while ((token = wh_json_next(&x->json)) == WH_JSON_STRING)
        if (!*x->r->architecture) wh_short(x->r->architecture, x->json.text);
    return token == WH_JSON_ARRAY_END ? WHIT_OK : bad(x, "architectures: is no list of texts", err);
}

static whit_status read_layer_types(reading *x, whit_error *err)
{
    wh_raw_config *r = x->r;
    wh_json_token token = wh_json_next(&x->json);
    if (x->has_types++) return bad(x, "layer_types: is there twice", err);
    if (token == WH_JSON_NULL) return WHIT_OK;
    if (token != WH_JSON_ARRAY) return bad(x, "layer_types: is no list of texts", err);
    while ((token = wh_json_next(&x->json)) == WH_JSON_STRING) {
        int windowed = strcmp(x->json.text, "sliding_attention") == 0;
        if (!windowed && strcmp(x->json.text, "full_attention") != 0)
            r->bad_list = "a layer is of a type that is not known";
        else if (!windowed && r->first_windowed < r->listed)
            r->bad_list = "a window on some layers before others without";
        r->first_windowed += !windowed && r->first_windowed == r->listed;
        r->listed++;
    }
    return token == WH_JSON_ARRAY_END ? WHIT_OK : bad(x, "layer_types: is no list of texts", err);
}

/* ---- objects --------------------------------------------------------------------------------- */

static whit_status read_scaling(reading *x, whit_error *err)
{
    wh_json_token token = wh_json_next(&x->json);
    if (token == WH_JSON_NULL) return WHIT_OK;
    if (token != WH_JSON_OBJECT) return bad(x, "rope scaling: is no object", err);
    if (x->objects++)
        return bad(x, "rope_scaling is there twice, or rope_parameters besides; try: without it",
                   err);
    while ((token = wh_json_next(&x->json)) == WH_JSON_KEY) {
        whit_status st = WHIT_OK;
        wh_raw_key key = WH_KEY_SCALING;
        while (key < WH_KEYS && strcmp(x->json.text, wh_raw_hf_name(key)) != 0) key++;
        if (strcmp(x->json.text, "full_attention") == 0 ||
            strcmp(x->json.text, "sliding_attention") == 0)
            return wh_fail(err, WHIT_ERR_UNSUPPORTED,
                           "%s: rope_parameters: one rope for each type of layer is not supported",
                           x->r->label);
        if (key < WH_KEYS)
            st = read_value(x, key, err);
        else if (!wh_json_skip(&x->json, token))
            st = bad(x, "does not end", err);
        if (st != WHIT_OK) return st;
    }
    return token == WH_JSON_OBJECT_END ? WHIT_OK : bad(x, "does not end", err);
}

static whit_status read_member(reading *x, whit_error *err)
{
    const char *name = x->json.text;
    if (strcmp(name, "architectures") == 0) return read_architectures(x, err);
    if (strcmp(name, "eos_token_id") == 0) return read_eos(x, err);
    if (strcmp(name, "layer_types") == 0) return read_layer_types(x, err);
    if (strcmp(name, "rope_scaling") == 0 || strcmp(name, "rope_parameters") == 0)
        return read_scaling(x, err);
    for (wh_raw_key key = 0; key < WH_KEY_SCALING; key++)
        if (wh_raw_hf_name(key) && strcmp(name, wh_raw_hf_name(key)) == 0)
            return read_value(x, key, err);
    return wh_json_skip(&x->json, WH_JSON_KEY) ? WHIT_OK : bad(x, "does not end", err);
}

typedef whit_status member_fn(reading *x, whit_error *err);

static whit_status read_object(reading *x, member_fn *member, whit_error *err)
{
    wh_json_token token = wh_json_next(&x->json);
    if (token != WH_JSON_OBJECT) return bad(x, "is no JSON object", err);
    while ((token = wh_json_next(&x->json)) == WH_JSON_KEY) {
        whit_status st = member(x, err);
        if (st != WHIT_OK) return st;
    }
    if (token != WH_JSON_OBJECT_END || wh_json_next(&x->json) != WH_JSON_END)
        return bad(x, "does not end", err);
    return WHIT_OK;
}

static whit_status read_text(wh_raw_config *r, member_fn *member, const char *text, size_t len,
                             whit_error *err)
{
    reading x = { .r = r };
    wh_json_init(&x.json, text, len);
    x.json.python = 1;
    whit_status st = read_object(&x, member, err);
    wh_json_free(&x.json);
    return st;
}

/* ---- files ----------------------------------------------------------------------------------- */

whit_status wh_config_parse(wh_model_config *c, const char *label, const char *text, size_t len,
                            whit_error *err)
{
    wh_raw_config r = { .gguf = 0 };
    wh_io_label(r.label, label);
    whit_status st = read_text(&r, read_member, text, len, err);
    return st == WHIT_OK ? wh_config_build(c, &r, err) : st;
}

/* Of generation_config.json only the ends of text count. */
static whit_status read_generation(reading *x, whit_error *err)
{
    if (strcmp(x->json.text, "eos_token_id") == 0) return read_eos(x, err);
    return wh_json_skip(&x->json, WH_JSON_KEY) ? WHIT_OK : bad(x, "does not end", err);
}

static whit_status read_file(wh_raw_config *r, const char *folder, const char *name,
                             member_fn *member, whit_error *err)
{
    char *path = NULL, *text = NULL;
    size_t len = 0;
    whit_status st = wh_file_inside(folder, name, &path, err);
    if (st == WHIT_OK) wh_io_label(r->label, path);
    if (st == WHIT_OK) st = wh_file_slurp(path, MOST_BYTES, &text, &len, err);
    if (st == WHIT_OK) st = read_text(r, member, text, len, err);
    free(text);
    free(path);
    return st;
}

whit_status wh_config_read_folder(wh_model_config *c, const char *folder, whit_error *err)
{
    static const char generation[] = "generation_config.json";
    wh_raw_config r = { .gguf = 0 };
    char label[WH_SHORT], *path = wh_path_join(folder, generation);
    if (!path) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the configuration");
    int more;
    whit_status st = wh_file_there(path, &more, err);
    free(path);
    if (st == WHIT_OK) st = read_file(&r, folder, "config.json", read_member, err);
    memcpy(label, r.label, sizeof label);
    if (st == WHIT_OK && more) st = read_file(&r, folder, generation, read_generation, err);
    memcpy(r.label, label, sizeof label);
    return st == WHIT_OK ? wh_config_build(c, &r, err) : st;
}
