/* src/job/config_text.c - config.json of an output: the text of the source with another member that
 * says how weights are stored, or without one.
 *
 * The rest stays as it is, octet by octet. Not here: what the member says (checkpoint_config.c).
 *
 * SPDX-License-Identifier: MIT */
#include "job/config_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"

#define CONFIG "config.json"

static whit_status no_memory(whit_error *err)
{
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the configuration");
}

int wh_config_says_stored(const char *key)
{
    return strcmp(key, "quantization_config") == 0 || strcmp(key, "compression_config") == 0;
}

/* The members of the object as they are written, but for old ones about storage, and the new one
 * behind them. 0: the text is no object. */
static int rewrite(wh_json *j, const wh_buf *object, wh_buf *out)
{
    const char *text = j->src;
    size_t end = 0; /* of the value before */
    const char *comma = "{";
    if (wh_json_next(j) != WH_JSON_OBJECT) return 0;
    end = j->pos;
    wh_json_token tok = wh_json_next(j);
    for (int first = 1; tok == WH_JSON_KEY; tok = wh_json_next(j), first = 0) {
        const int old = wh_config_says_stored(j->text);
        size_t start = end;
        while (!first && text[start] != ',') start++;
        start += !first;
        if (!wh_json_skip(j, tok)) return 0;
        end = j->pos;
        if (old) continue;
        wh_buf_puts(out, comma);
        wh_buf_put(out, text + start, end - start);
        comma = ",";
    }
    if (tok != WH_JSON_OBJECT_END) return 0;
    if (object || *comma == '{') wh_buf_puts(out, comma);
    if (object) {
        wh_buf_puts(out, "\n  \"quantization_config\": ");
        wh_buf_put(out, object->data, object->len);
    }
    wh_buf_puts(out, "\n}");
    wh_buf_put(out, text + j->pos, j->len - j->pos);
    return wh_json_next(j) == WH_JSON_END;
}

whit_status wh_config_put(wh_companions *c, const whit_file *file, const wh_buf *object,
                          whit_error *err)
{
    char *path = NULL, *text = NULL, name[WH_SHORT];
    size_t len = 0;
    wh_buf out = { 0 };
    wh_json j;
    whit_status st = wh_file_inside(whit_file_folder(file), CONFIG, &path, err);
    if (st == WHIT_OK) st = wh_file_slurp(path, WH_CONFIG_LIMIT, &text, &len, err);
    if (st == WHIT_OK) {
        wh_json_init(&j, text, len);
        j.python = 1;
        if (!rewrite(&j, object, &out))
            st = j.nomem
                     ? no_memory(err)
                     : wh_fail(err, WHIT_ERR_FORMAT, "%s: not a JSON object", wh_short(name, path));
        wh_json_free(&j);
    }
    if (st == WHIT_OK && out.failed) st = no_memory(err);
    if (st == WHIT_OK) st = wh_companions_put(c, CONFIG, out.data, out.len, err);
    wh_buf_free(&out);
    free(text);
    free(path);
    return st;
}

whit_status wh_config_settle(wh_companions *c, const whit_file *file, int plain, wh_lines *warnings,
                             whit_error *err)
{
    char name[WH_SHORT];
    if (!c->says_stored) return WHIT_OK;
    if (plain) return wh_config_put(c, file, NULL, err);
    wh_lines_add(warnings, "%s: " CONFIG " names a quantization_config already; copied as it is",
                 wh_short(name, whit_file_path(file)));
    return WHIT_OK;
}
