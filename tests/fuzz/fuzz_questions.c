/* tests/fuzz/fuzz_questions.c - a file of questions is taken or refused with a line and a reason;
 * what is taken can be asked. The first octet '?': a bar instead, which is one or is refused.
 * SPDX-License-Identifier: MIT */
#include "job/eval.h"

#include <stdlib.h>
#include <string.h>

#define MOST 65536

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void require(int truth)
{
    if (!truth) abort();
}

static void one_line(const whit_error *err)
{
    for (const char *p = err->msg; *p; p++) require((unsigned char)*p >= ' ' && *p != 0x7f);
}

static void check_questions(const char *text, size_t size)
{
    wh_eval_questions q = { .count = 0 };
    whit_error err = { WHIT_OK, "" };
    whit_status st = wh_eval_questions_read(&q, "q", text, size, &err);
    if (st == WHIT_OK) {
        require(q.count > 0);
        for (size_t i = 0; i < q.count; i++) {
            const wh_eval_question *one = &q.question[i];
            require(one->prompt && one->choices >= 2 && one->answer < one->choices);
            require(one->line > (i ? q.question[i - 1].line : 0));
            for (size_t k = 0; k < one->choices; k++) require(one->choice[k] && *one->choice[k]);
        }
    } else {
        require(st == WHIT_ERR_FORMAT && err.code == st && strncmp(err.msg, "q: ", 3) == 0);
        one_line(&err);
    }
    wh_eval_questions_free(&q);
}

static void check_bar(const char *text)
{
    whit_eval_options o;
    whit_error err = { WHIT_OK, "" };
    char base[] = "b";
    whit_eval e = { .base = base };
    whit_eval_options_init(&o);
    o.text = o.base = "x";
    whit_status st = whit_eval_bar_check(text, &o, &err);
    whit_status held = whit_eval_bar_hold(text, &e, &err);
    require(st == WHIT_OK || st == WHIT_ERR_ARG);
    require((st == WHIT_ERR_ARG) == (held == WHIT_ERR_ARG));
    require(held == WHIT_OK || err.code == held);
    one_line(&err);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    if (size > MOST) return 0;
    char *text = malloc(size + 1);
    require(text != NULL);
    if (size > 0) memcpy(text, data, size);
    text[size] = 0;
    if (size > 0 && data[0] == '?')
        check_bar(text + 1);
    else
        check_questions(text, size);
    free(text);
    return 0;
}
