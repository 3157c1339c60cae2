/* tools/tokenize.c - whit tokenize: a text to the ids of its tokens, or --decode: back.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The text is at fault, not the command line. */
static whit_status of_text(const cli_options *opt, whit_status st, whit_error *err)
{
    char name[CLI_SHORT];
    const whit_error inner = *err;
    const char *label = strcmp(opt->text, "-") == 0 ? "standard input" : opt->text;
    if (st != WHIT_ERR_ARG && st != WHIT_ERR_FORMAT) return st;
    return cli_fail(err, WHIT_ERR_FORMAT, "%s: %s", cli_short(name, sizeof name, label), inner.msg);
}

static whit_status print(const cli_options *opt, const whit_ids *ids, whit_error *err)
{
    cli_results results = { 0 };
    whit_status st = cli_results_open(&results, opt, NULL, NULL, err);
    FILE *list = st != WHIT_OK || results.json == stdout ? NULL : stdout; /* also if --quiet */
    for (size_t i = 0; list && i < ids->count; i++) fprintf(list, "%" PRIu32 "\n", ids->id[i]);
    if (st == WHIT_OK && results.json) whit_ids_write_json(ids, results.json);
    if (st == WHIT_OK) st = cli_results_commit(&results, err);
    cli_results_close(&results);
    return st;
}

static whit_status encode(const cli_options *opt, const whit_tokenizer *tokenizer, const char *text,
                          size_t len, whit_error *err)
{
    whit_ids ids = { NULL, 0, 0 };
    whit_status st = whit_tokenize(tokenizer, text, len, WHIT_TOKENIZE_AROUND, &ids, err);
    st = of_text(opt, st, err);
    if (st == WHIT_OK) st = print(opt, &ids, err);
    whit_ids_free(&ids);
    return st;
}

static whit_status decode(const cli_options *opt, const whit_tokenizer *tokenizer, const char *list,
                          size_t list_len, whit_error *err)
{
    whit_ids ids = { NULL, 0, 0 };
    char *text = NULL;
    size_t len = 0;
    whit_status st = whit_ids_read(&ids, list, list_len, err);
    if (st == WHIT_OK)
        st =
            whit_detokenize(tokenizer, ids.id, ids.count, WHIT_DETOKENIZE_INSIDE, &text, &len, err);
    st = of_text(opt, st, err);
    if (st == WHIT_OK) fwrite(text, 1, len, stdout);
    free(text);
    whit_ids_free(&ids);
    return st;
}

static void tell(const cli_options *opt, const whit_tokenizer *tokenizer)
{
    const whit_tokenizer_info *info = whit_tokenizer_describe(tokenizer);
    const char *note;
    cli_note(opt, "%s, %s, split %s, %" PRIu32 " ids; %s before a text, %s behind", info->source,
             info->model, info->split, info->vocabulary, info->adds_bos ? "BOS" : "nothing",
             info->adds_eos ? "EOS" : "nothing");
    for (size_t i = 0; (note = whit_tokenizer_note(tokenizer, i)) != NULL; i++)
        cli_note(opt, "%s", note);
}

int cli_tokenize(const cli_options *opt)
{
    whit_error err = { WHIT_OK, "" };
    whit_tokenizer *tokenizer = NULL;
    char *text = NULL;
    size_t len = 0;
    whit_status st = whit_tokenizer_open(&tokenizer, opt->operands[0], &err);
    if (st == WHIT_OK) {
        tell(opt, tokenizer);
        st = cli_read_text(opt->text, &text, &len, &err);
    }
    if (st == WHIT_OK)
        st = opt->decode ? decode(opt, tokenizer, text, len, &err)
                         : encode(opt, tokenizer, text, len, &err);
    whit_tokenizer_close(tokenizer);
    free(text);
    return cli_finish(opt, st, &err);
}
