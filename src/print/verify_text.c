/* src/print/verify_text.c - what a verification found, for people and as JSON.
 *
 * SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "base/json.h"
#include "job/check.h"
#include "job/verify.h"
#include "print/page.h"

static size_t identical(const whit_verification *v)
{
    size_t n = 0;
    for (size_t i = 0; i < v->remade_count; i++) n += (size_t)v->remade[i].identical;
    return n;
}

static void put_digests(wh_page *p, const whit_verification *v)
{
    char bytes[32];
    const char *by = v->provenance.version;
    if (v->shards == 0)
        wh_buf_puts(&p->text, "digests   none in this file: only its structure, scales and codes "
                              "are checked\n");
    else
        wh_buf_putf(&p->text, "digests   %zu of %zu stored tensors as written%s%.40s, %s bytes\n",
                    v->digests - v->wrong, v->stored, by ? " by whit " : "", by ? by : "",
                    wh_spaced(v->digest_bytes, bytes));
}

void whit_verification_write_text(const whit_verification *v, int flags, FILE *out)
{
    wh_page p = wh_page_new(flags);
    put_digests(&p, v);
    for (size_t i = 0; i < whit_check_notes(v->check); i++)
        wh_buf_putf(&p.text, "note      %s\n", whit_check_note(v->check, i));
    wh_buf_putf(&p.text, "check     %s\n", whit_check_problems(v->check) ? "failed" : "ok");
    if (v->against)
        wh_buf_putf(&p.text, "against   %zu of %zu tensors made again, %zu with the same bytes\n",
                    v->remade_count, v->remade_of, identical(v));
    for (size_t i = 0; i < v->problems.count; i++) {
        wh_page_style(&p, WH_RED);
        wh_buf_putf(&p.text, "problem   %s\n", v->problems.line[i]);
        wh_page_style(&p, WH_PLAIN);
    }
    wh_buf_putf(&p.text, "verify    %s\n", v->problems.count ? "failed" : "ok");
    wh_page_print(&p, out);
}

static void put_against(wh_buf *b, const whit_verification *v)
{
    wh_buf_puts(b, ",\"against\":{\"source\":");
    wh_json_put_string(b, whit_file_path(whit_source_file(v->against)));
    wh_json_add_u64(b, "of", v->remade_of);
    wh_buf_puts(b, ",\"tensors\":[");
    for (size_t i = 0; i < v->remade_count; i++) {
        wh_buf_puts(b, i ? ",{\"name\":" : "{\"name\":");
        wh_json_put_string(b, v->remade[i].name);
        wh_buf_putf(b, ",\"identical\":%s}", v->remade[i].identical ? "true" : "false");
    }
    wh_buf_puts(b, "]}");
}

void whit_verification_write_json(const whit_verification *v, FILE *out)
{
    wh_buf b = { 0 };
    wh_buf_puts(&b, "{\"schema\":1,\"command\":\"verify\"");
    wh_json_add_text(&b, "file", whit_file_path(whit_source_file(v->source)));
    wh_json_add_text(&b, "format", whit_source_format(v->source));
    wh_json_add_text(&b, "version", v->provenance.version);
    wh_buf_putf(&b, ",\"digests\":{\"present\":%s,\"stored\":%zu,\"checked\":%zu,\"wrong\":%zu",
                v->shards ? "true" : "false", v->stored, v->digests, v->wrong);
    wh_json_add_u64(&b, "bytes", v->digest_bytes);
    wh_buf_putf(&b, "},\"check\":{\"ok\":%s", whit_check_problems(v->check) ? "false" : "true");
    wh_json_add_lines(&b, "problems", &v->check->problems);
    wh_json_add_lines(&b, "notes", &v->check->notes);
    wh_buf_puts(&b, "}");
    if (v->against)
        put_against(&b, v);
    else
        wh_buf_puts(&b, ",\"against\":null");
    wh_json_add_lines(&b, "problems", &v->problems);
    wh_buf_putf(&b, ",\"ok\":%s}\n", v->problems.count ? "false" : "true");
    wh_buf_print(&b, out);
}
