/* tools/feeds.c - --text, --ids and --activations, as the library takes them.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "cli.h"

#include <stdlib.h>
#include <string.h>

/* NAME=FILE: the first part is copied, the rest stays in value. */
static whit_status read_activations(cli_feeds *in, whit_feed *f, const char *value, whit_error *err)
{
    const char *sign = strchr(value, '=');
    if (!sign || sign == value || !sign[1])
        return cli_fail(err, WHIT_ERR_ARG,
                        "calibrate: --activations takes NAME=FILE, not '%s'; try: whit help "
                        "calibrate",
                        value);
    char *name = malloc((size_t)(sign - value) + 1);
    if (!name) return cli_fail(err, WHIT_ERR_NOMEM, "out of memory");
    memcpy(name, value, (size_t)(sign - value));
    name[sign - value] = '\0';
    in->owned[in->owned_count++] = name;
    f->input = name;
    f->path = sign + 1;
    return WHIT_OK;
}

whit_status cli_feeds_check(const cli_options *opt, whit_error *err)
{
    const char *name = opt->command->name;
    size_t inputs = 0;
    for (size_t i = 0; i < opt->feeds_count; i++)
        inputs +=
            opt->feeds[i].kind != WHIT_FEED_ACTIVATIONS && strcmp(opt->feeds[i].value, "-") == 0;
    if (inputs > 1 || (inputs && opt->operands_count > 1))
        return cli_fail(err, WHIT_ERR_ARG, "%s: standard input can be read once; try: a file",
                        name);
    if (inputs && opt->resume)
        return cli_fail(err, WHIT_ERR_ARG,
                        "%s: --resume cannot read standard input again; try: a file", name);
    return WHIT_OK;
}

whit_status cli_feeds_open(cli_feeds *in, const cli_options *opt, whit_error *err)
{
    whit_status st = WHIT_OK;
    if (opt->feeds_count == 0) return WHIT_OK;
    in->feed = calloc(opt->feeds_count, sizeof *in->feed);
    in->owned = calloc(opt->feeds_count, sizeof *in->owned);
    if (!in->feed || !in->owned) return cli_fail(err, WHIT_ERR_NOMEM, "out of memory");
    in->count = opt->feeds_count;
    for (size_t i = 0; i < in->count && st == WHIT_OK; i++) {
        whit_feed *f = &in->feed[i];
        *f = (whit_feed){ .kind = opt->feeds[i].kind, .path = opt->feeds[i].value };
        if (f->kind == WHIT_FEED_ACTIVATIONS) {
            st = read_activations(in, f, opt->feeds[i].value, err);
        } else if (strcmp(f->path, "-") == 0) {
            char *data;
            st = cli_read_text("-", &data, &f->len, err);
            in->owned[in->owned_count++] = data;
            f->data = data;
            f->path = "standard input";
        }
    }
    return st;
}

void cli_feeds_close(cli_feeds *in)
{
    for (size_t i = 0; i < in->owned_count; i++) free(in->owned[i]);
    free(in->owned);
    free(in->feed);
}
