/* src/job/shards.c - cutting an output into files of bounded size.
 *
 * Entries are taken in the order of the source, and a file is closed when the next one might not
 * fit. What a header will need is not known exactly before the files are, so it is bounded from
 * above, by one or two thousand bytes for each tensor: a file can end that much early, never late.
 *
 * SPDX-License-Identifier: MIT */
#include "job/shards.h"

#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

#define NUMBER_OCTETS 21 /* a uint64_t and a comma */
#define MIB ((uint64_t)1 << 20)

/* Octets of the header that one entry costs: a member for each part, with type, shape and two
 * offsets, and one in whit.tensors, where as text inside a text it can double. */
static int header_share(const whit_plan_entry *e, uint64_t *octets)
{
    wh_buf name = { 0 };
    uint64_t member = 100 + NUMBER_OCTETS * (WHIT_MAX_RANK + 2);
    wh_json_put_string(&name, e->source->tensor.name);
    *octets = WHIT_MAX_PLANES * (name.len + member) + 2 * (name.len + member + WHIT_SCHEME_TEXT);
    int ok = !name.failed;
    wh_buf_free(&name);
    return ok;
}

/* Octets that every header costs: the recipe, the metadata that is carried over, counts, padding.
 */
static int header_rest(const whit_plan *plan, uint64_t *octets)
{
    const whit_file *file = whit_source_file(plan->source);
    wh_buf text = { 0 }, recipe = { 0 };
    wh_rules_recipe(plan->rules, &recipe);
    if (!recipe.failed) wh_json_put_string(&text, recipe.data);
    for (size_t k = 0; k < whit_file_shards(file); k++)
        for (size_t i = 0; i < whit_file_meta_count(file, k); i++) {
            wh_json_put_string(&text, whit_file_meta_key(file, k, i));
            wh_json_put_string(&text, whit_file_meta_value(file, k, i));
            wh_buf_puts(&text, ":,");
        }
    int ok = !text.failed && !recipe.failed;
    *octets = 1024 + text.len;
    wh_buf_free(&recipe);
    wh_buf_free(&text);
    return ok;
}

/* Sizes beyond all files stay there. */
static uint64_t add(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return wh_add_u64(a, b, &sum) ? sum : UINT64_MAX;
}

static whit_status no_memory(whit_error *err)
{
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the list of output files");
}

whit_status wh_shards_cut(const whit_plan *plan, uint64_t limit, uint32_t *file, size_t *files,
                          whit_error *err)
{
    uint64_t rest, share, need, used = 0, total = 0;
    *files = 1;
    if (!header_rest(plan, &rest)) return no_memory(err);
    for (size_t i = 0; i < plan->count; i++) {
        if (!header_share(&plan->entry[i], &share)) return no_memory(err);
        need = add(plan->entry[i].bytes_out, share);
        total = add(total, need);
        if (used > 0 && add(used, need) > limit) {
            ++*files;
            used = 0;
        }
        used = add(used ? used : rest, need);
        file[i] = (uint32_t)(*files - 1);
    }
    if (*files <= WH_SHARDS_MOST) return WHIT_OK;
    /* Any two neighbours together exceed the limit: this one gives WH_SHARDS_MOST - 1 at most. */
    uint64_t enough = add(rest, total / (WH_SHARDS_MOST / 2 - 1));
    return wh_fail(err, WHIT_ERR_ARG,
                   "files of at most %" PRIu64 " bytes would be %zu, and %d are the most; try: "
                   "--shard-size %" PRIu64 "MiB",
                   limit, *files, WH_SHARDS_MOST, enough / MIB + 1);
}
