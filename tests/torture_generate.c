/* tests/torture_generate.c - every allocation and every call to the system fails in turn while a
 * model goes on with a text, and while a small file is read by itself.
 *
 * Each attempt succeeds with the text of the first time, or returns the status that the fault
 * deserves. Leaks are found by a run under AddressSanitizer.
 * SPDX-License-Identifier: MIT */
#define _FILE_OFFSET_BITS 64
#define _XOPEN_SOURCE 700
#include "faults.h"

#include <whit/generate.h>
#include <whit/side.h>

#include <stdio.h>
#include <string.h>

#include "check.h"

typedef struct told {
    char text[64];
    size_t len;
} told;

static int hear(void *user, uint32_t id, const char *text, size_t len)
{
    told *t = user;
    (void)id;
    if (t->len + len < sizeof t->text) memcpy(t->text + t->len, text, len);
    t->len += len;
    return 0;
}

static whit_status generate(const char *path, whit_error *err)
{
    static told first;
    told now = { "", 0 };
    whit_model *m = NULL;
    whit_tokenizer *t = NULL;
    whit_model_options o;
    whit_generate_options g;
    whit_model_options_init(&o);
    whit_generate_options_init(&g);
    o.threads = 1;
    g.tokens = 4;
    g.sampling.temperature = 1;
    g.sampling.top_p = 0.9;
    g.text = hear;
    g.user = &now;
    whit_status st = whit_tokenizer_open(&t, path, err);
    if (st == WHIT_OK) st = whit_model_open(&m, path, &o, err);
    if (st == WHIT_OK) st = whit_generate(m, t, "Once", 4, &g, NULL, err);
    whit_model_close(m);
    whit_tokenizer_close(t);
    if (st != WHIT_OK) return st;
    if (first.len == 0) first = now;
    CHECK(now.len > 0 && memcmp(&first, &now, sizeof now) == 0, "'%s', not '%s'", now.text,
          first.text);
    return st;
}

static whit_status read_ids(const char *path, whit_error *err)
{
    whit_ids ids = { NULL, 0, 0 };
    static const char text[] = "{\"other\": [\"\\u00e4\"], \"ids\": [1, 2, 3]}";
    (void)path;
    whit_status st = whit_ids_read(&ids, text, sizeof text - 1, err);
    CHECK(ids.count == (st == WHIT_OK ? 3 : 0), "%zu ids", ids.count);
    whit_ids_free(&ids);
    return st;
}

static whit_status read_side(const char *path, whit_error *err)
{
    whit_side *s = NULL;
    whit_status st = whit_side_open(&s, path, err);
    CHECK(st == WHIT_OK || !s, "something is left");
    whit_side_close(s);
    return st;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name, *file;
        whit_status (*run)(const char *path, whit_error *err);
        int excused; /* what cannot be read is left to others: no error */
    } jobs[] = { { "generate", "stories260K", generate, 0 },
                 { "ids", "", read_ids, 0 },
                 { "config.json", "stories260K/config.json", read_side, 1 },
                 { "tokenizer.json", "tokenizers/malformed/tokenizer-good.json", read_side, 1 } };
    int struck = 0;
    if (argc < 2) return 1;
    for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", argv[1], jobs[i].file);
        for (kind k = MEMORY; k <= READ_END; k++)
            for (int nth = 1;; nth++) {
                whit_error err = { WHIT_OK, "" };
                fault_arm(k, nth);
                whit_status st = jobs[i].run(path, &err);
                if (!fault_struck()) {
                    CHECK(st == WHIT_OK, "%s", err.msg);
                    printf("%s, %s of %s: to %d\n", jobs[i].name, kinds[k].name, kinds[k].calls,
                           nth - 1);
                    break;
                }
                struck++;
                CHECK(st == WHIT_OK ? kinds[k].status == WHIT_OK || jobs[i].excused
                                    : st == kinds[k].status && err.code == st && *err.msg,
                      "%s: %s, call %d of %s: %d: %s", jobs[i].name, kinds[k].name, nth,
                      kinds[k].calls, (int)st, err.msg);
            }
    }
    CHECK(struck > 300, "%d faults only", struck);
    return check_result();
}
