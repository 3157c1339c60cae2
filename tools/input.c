/* tools/input.c - opening what a command reads: a model, or with --shape a raw array; texts.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64

#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

whit_acts cli_acts(const cli_options *opt)
{
    return opt->acts == CLI_ACTS_BF16 ? WHIT_ACTS_BF16
           : opt->acts == CLI_ACTS_Q8 ? WHIT_ACTS_Q8
                                      : WHIT_ACTS_F32;
}

whit_dtype cli_dtype(const cli_options *opt)
{
    static const whit_dtype dtypes[] = {
        WHIT_F32, /* not given */
        [CLI_DTYPE_F32] = WHIT_F32, [CLI_DTYPE_F16] = WHIT_F16, [CLI_DTYPE_BF16] = WHIT_BF16
    };
    return dtypes[opt->dtype];
}

whit_status cli_open(whit_source **out, const cli_options *opt, const char *path, whit_error *err)
{
    whit_raw_options raw;
    if (!opt->shape.rank) return whit_source_open(out, path, err);
    whit_raw_options_init(&raw);
    raw.dtype = cli_dtype(opt);
    raw.rank = opt->shape.rank;
    memcpy(raw.shape, opt->shape.size, sizeof raw.shape);
    return whit_source_open_raw(out, path, &raw, err);
}

whit_status cli_open_other(whit_source **out, const cli_options *opt, const char *path,
                           whit_error *err)
{
    whit_status st = whit_source_open(out, path, err);
    int unknown = st == WHIT_ERR_FORMAT || st == WHIT_ERR_UNSUPPORTED;
    return unknown && opt->shape.rank && cli_open(out, opt, path, NULL) == WHIT_OK ? WHIT_OK : st;
}

/* All of it; errno stays. */
static char *read_all(FILE *in, size_t *len)
{
    char *data = malloc(1);
    size_t room = 1, n = 1;
    *len = 0;
    while (data && n > 0) {
        char *grown = *len + 1 < room ? data : realloc(data, room = 2 * room + 65536);
        if (!grown) {
            free(data);
            return NULL;
        }
        data = grown;
        n = fread(data + *len, 1, room - *len - 1, in);
        *len += n;
    }
    return data;
}

whit_status cli_read_text(const char *path, char **data, size_t *len, whit_error *err)
{
    char name[CLI_SHORT];
    const int is_stdin = strcmp(path, "-") == 0;
    whit_status st = WHIT_OK;
    cli_short(name, sizeof name, is_stdin ? "standard input" : path);
    *data = NULL;
    FILE *in = is_stdin ? stdin : fopen(path, "rb");
    if (!in) return cli_fail(err, WHIT_ERR_IO, "%s: %s", name, strerror(errno));
    errno = 0;
    *data = read_all(in, len);
    if (!*data)
        st = cli_fail(err, WHIT_ERR_NOMEM, "%s: no memory to read it", name);
    else if (cli_interrupted())
        st = WHIT_ERR_CANCELLED;
    else if (ferror(in))
        st = cli_fail(err, WHIT_ERR_IO, "%s: %s", name, strerror(errno));
    if (!is_stdin) fclose(in);
    return st;
}
