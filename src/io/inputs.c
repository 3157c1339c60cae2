/* src/io/inputs.c - which files a run reads, by device and inode: what it must never replace.
 *
 * Names would not do: one file has many, and an output must be recognised under any of them.
 *
 * SPDX-License-Identifier: MIT */
#include "io/inputs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

whit_status wh_inputs_take(wh_inputs *inputs, const char *const *paths, size_t count,
                           whit_error *err)
{
    char name[WH_SHORT];
    inputs->count = 0;
    inputs->id = wh_calloc(count, sizeof *inputs->id);
    if (!inputs->id) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for %zu inputs", count);
    for (; inputs->count < count; inputs->count++)
        if (!wh_file_identify(paths[inputs->count], &inputs->id[inputs->count]))
            return wh_fail(err, WHIT_ERR_IO, "%s: %s", wh_short(name, paths[inputs->count]),
                           strerror(errno));
    return WHIT_OK;
}

int wh_inputs_have(const wh_inputs *inputs, const char *path)
{
    wh_file_id id;
    if (!wh_file_identify(path, &id)) return wh_file_is_nothing(errno) ? 0 : -1;
    for (size_t i = 0; i < inputs->count; i++)
        if (inputs->id[i].device == id.device && inputs->id[i].inode == id.inode) return 1;
    return 0;
}

whit_status wh_inputs_refuse(const wh_inputs *inputs, const char *path, whit_error *err)
{
    char name[WH_SHORT];
    const int have = wh_inputs_have(inputs, path);
    if (have == 0) return WHIT_OK;
    if (have < 0) return wh_fail(err, WHIT_ERR_IO, "%s: %s", wh_short(name, path), strerror(errno));
    return wh_fail(err, WHIT_ERR_ARG,
                   "%s: is the input, which is never replaced; try: another name",
                   wh_short(name, path));
}

void wh_inputs_free(wh_inputs *inputs)
{
    free(inputs->id);
    inputs->id = NULL;
    inputs->count = 0;
}
