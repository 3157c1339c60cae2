/* tests/torture_model.c - every allocation and every call to the system fails in turn while a
 * configuration is read, from a folder and from a GGUF file, and written as metadata, and while a
 * model is opened and fed.
 *
 * Each attempt succeeds or returns the status that the fault deserves. Leaks are found by a run
 * under AddressSanitizer.
 * SPDX-License-Identifier: MIT */
#define _FILE_OFFSET_BITS 64
#define _XOPEN_SOURCE 700
#include "faults.h"

#include <whit/model.h>

#include "check.h"
#include "model/gguf_keys.h"
#include "model/vocab.h"
#include "scratch.h"

static whit_status write_keys(const wh_model_config *c, whit_error *err)
{
    static wh_token token[] = { { "a", 1, 0, WH_TOKEN_NORMAL },
                                { "b", 1, 0, WH_TOKEN_NORMAL },
                                { "ab", 2, 0, WH_TOKEN_NORMAL } };
    static wh_merge merge[] = { { 0, 1, 2 } };
    wh_vocab v = { .kind = WH_VOCAB_BPE, .token = token, .count = 3, .merge = merge, .merges = 1 };
    wh_gguf_kvs k = { { 0 }, 0 };
    v.pre = "gpt-2";
    whit_status st = wh_gguf_put_model(&k, c, err);
    if (st == WHIT_OK) st = wh_gguf_put_vocab(&k, c, &v, c->vocab, err);
    wh_buf_free(&k.bytes);
    return st;
}

/* Some tokens; the logits must be those of the first time. */
static whit_status feed(const char *path, whit_error *err)
{
    static const uint32_t ids[] = { 1, 400, 7 };
    static float first[512];
    static int known;
    float logits[512];
    whit_model *m = NULL;
    whit_session *s = NULL;
    whit_model_options o;
    whit_model_options_init(&o);
    o.threads = 1;
    whit_status st = whit_model_open(&m, path, &o, err);
    if (st == WHIT_OK) st = whit_session_open(&s, m, 8, err);
    if (st == WHIT_OK) st = whit_session_feed(s, ids, 3, WHIT_LOGITS_LAST, logits, err);
    if (s && st != WHIT_OK) CHECK(whit_session_position(s) == 0, "the session is as it was");
    whit_session_close(s);
    whit_model_close(m);
    if (st == WHIT_OK && !known) memcpy(first, logits, sizeof first);
    if (st == WHIT_OK) known = 1;
    if (st == WHIT_OK) CHECK(memcmp(first, logits, sizeof first) == 0, "other logits");
    return st;
}

enum { FROM_GGUF, FROM_FOLDER, RUN, JOBS };
static const char *const names[JOBS] = { "config of GGUF", "config of a folder", "run" };

static whit_status job(const char *path, int which, whit_error *err)
{
    if (which == RUN) return feed(path, err);
    const int folder = which == FROM_FOLDER;
    wh_model_config c;
    whit_file *file = NULL;
    whit_status st = folder ? WHIT_OK : whit_file_open(&file, path, err);
    if (st == WHIT_OK)
        st = folder ? wh_config_read_folder(&c, path, err) : wh_config_of_file(&c, file, err);
    if (st == WHIT_OK && c.dim != 64) st = wh_fail(err, WHIT_ERR_ARG, "another model");
    if (st == WHIT_OK) st = write_keys(&c, err);
    whit_file_close(file);
    return st;
}

int main(int argc, char **argv)
{
    char path[SCRATCH_PATH];
    int struck = 0;
    if (argc < 2) return 1;
    for (int which = 0; which < JOBS; which++) {
        snprintf(path, sizeof path, "%s/%s", argv[1],
                 which == FROM_GGUF ? "gguf/stories260K-q4_0.gguf" : "stories260K");
        for (kind k = MEMORY; k <= READ_END; k++)
            for (int nth = 1;; nth++) {
                whit_error err = { WHIT_OK, "" };
                fault_arm(k, nth);
                whit_status st = job(path, which, &err);
                if (!fault_struck()) {
                    CHECK(st == WHIT_OK, "%s", err.msg);
                    printf("%s, %s of %s: to %d\n", names[which], kinds[k].name, kinds[k].calls,
                           nth - 1);
                    break;
                }
                struck++;
                CHECK(st == WHIT_OK ? kinds[k].status == WHIT_OK
                                    : st == kinds[k].status && err.code == st && *err.msg,
                      "%s, call %d of %s: %d: %s", kinds[k].name, nth, kinds[k].calls, (int)st,
                      err.msg);
            }
    }
    CHECK(struck > 400, "%d faults only", struck);
    return check_result();
}
