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
#include "io/temp.h"

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

/* The two own places of an output, of which those that are there are *own. */
static whit_status find_own(wh_inputs *own, const char *output, whit_error *err)
{
    char name[WH_SHORT];
    char *place[2] = { wh_path_beside(output, ".partial"), wh_temp_spill_name(output) };
    const char *there[2];
    size_t count = 0;
    whit_status st =
        place[0] && place[1] ? WHIT_OK : wh_fail(err, WHIT_ERR_NOMEM, "no memory for a name");
    for (int i = 0; i < 2 && st == WHIT_OK; i++) {
        wh_file_id id;
        if (wh_file_identify(place[i], &id))
            there[count++] = place[i];
        else if (!wh_file_is_nothing(errno))
            st = wh_fail(err, WHIT_ERR_IO, "%s: %s", wh_short(name, place[i]), strerror(errno));
    }
    if (st == WHIT_OK) st = wh_inputs_take(own, there, count, err);
    free(place[0]);
    free(place[1]);
    return st;
}

whit_status wh_inputs_apart(const char *const *paths, size_t count, const char *output,
                            whit_error *err)
{
    char name[WH_SHORT];
    wh_inputs own = { NULL, 0 };
    whit_status st = find_own(&own, output, err);
    for (size_t i = 0; i < count && own.count > 0 && st == WHIT_OK; i++) {
        char *folder = wh_path_folder(paths[i]);
        if (!folder) st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for a name");
        int have = folder ? wh_inputs_have(&own, paths[i]) : 0;
        if (have == 0 && folder) have = wh_inputs_have(&own, folder);
        if (have < 0)
            st = wh_fail(err, WHIT_ERR_IO, "%s: %s", wh_short(name, paths[i]), strerror(errno));
        if (have > 0)
            st = wh_fail(err, WHIT_ERR_ARG,
                         "%s: is an input, and its place is the job's own; try: another name",
                         wh_short(name, paths[i]));
        free(folder);
    }
    wh_inputs_free(&own);
    return st;
}

void wh_inputs_free(wh_inputs *inputs)
{
    free(inputs->id);
    inputs->id = NULL;
    inputs->count = 0;
}
