/* src/job/shards.c - cutting an output into files of bounded size.
 *
 * Entries are taken in the order of the plan, and a file is closed when the next one might not fit.
 * What a header will need is not known exactly before the files are, so it is bounded from above,
 * in safetensors by two thousand bytes for each tensor: a file can end that much early, never late.
 * The first file of GGUF has the metadata of the model, vocabulary included.
 *
 * SPDX-License-Identifier: MIT */
#include "job/shards.h"

#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "job/describe.h"
#include "job/gguf_out.h"

#define NUMBER_OCTETS 21 /* a uint64_t and a comma */
#define DIGEST_OCTETS 80 /* 64 digits, quotes, a colon and a comma */
#define SUFFIX_OCTETS 40 /* ".weight.quant_state.bitsandbytes__nf4" */
#define MIB ((uint64_t)1 << 20)

static whit_status no_memory(whit_error *err)
{
    return wh_fail(err, WHIT_ERR_NOMEM, "no memory for the list of output files");
}

/* Octets of the header that one entry costs: a member for each part, with type, shape and two
 * offsets, and its digest in whit.sha256; a member in whit.tensors. The last two are texts inside a
 * text, where what is quoted in a name is quoted again. */
static int header_share(const whit_plan *plan, const whit_plan_entry *e, uint64_t *octets)
{
    const int parted = whit_scheme_is_quantized(&e->scheme) && !plan->fake;
    const uint64_t parts = !parted ? 1 : plan->checkpoint ? WHIT_MAX_PACKED : WHIT_MAX_PLANES;
    const uint64_t member = 100 + NUMBER_OCTETS * (WHIT_MAX_RANK + 2);
    wh_buf name = { 0 }, nested = { 0 };
    wh_json_put_string(&name, e->source->tensor.name);
    if (!name.failed) wh_json_put_string(&nested, name.data);
    *octets = parts * (name.len + member + nested.len + DIGEST_OCTETS + 2 * SUFFIX_OCTETS) +
              nested.len + 2 * (member + WHIT_SCHEME_TEXT);
    int ok = !name.failed && !nested.failed;
    wh_buf_free(&name);
    wh_buf_free(&nested);
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

/* In GGUF: a name, four sides, type and offset, the padding of its data, and its digest. */
static int gguf_share(const whit_plan *plan, size_t i, uint64_t *octets)
{
    wh_buf name = { 0 };
    if (plan->gguf->tensor[i].name) wh_json_put_string(&name, plan->gguf->tensor[i].name);
    *octets = 8 + name.len + 4 + 4 * 8 + 4 + 8 + wh_gguf_alignment(plan) + name.len + DIGEST_OCTETS;
    int ok = !name.failed;
    wh_buf_free(&name);
    return ok;
}

/* Octets of any header of GGUF, and of the first one, with the metadata of the model. */
static whit_status gguf_rest(const whit_plan *plan, uint64_t *first, uint64_t *other,
                             whit_error *err)
{
    wh_gguf_kvs keys = { 0 };
    wh_buf texts = { 0 };
    whit_status st = wh_gguf_put_keys(plan, &keys, err);
    wh_rules_recipe(plan->rules, &texts);
    wh_plan_options(plan, &texts);
    wh_plan_notes(&texts, &(whit_quant_stats){ 0 }, 0);
    *other = 512 + wh_gguf_alignment(plan) + wh_gguf_rest_bytes(plan); /* keys of parts and ours */
    *first = *other + keys.bytes.len + texts.len;
    if (st == WHIT_OK && texts.failed) st = no_memory(err);
    wh_buf_free(&texts);
    wh_buf_free(&keys.bytes);
    return st;
}

/* Sizes beyond all files stay there. */
static uint64_t add(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return wh_add_u64(a, b, &sum) ? sum : UINT64_MAX;
}

/* What headers take besides their entries: the first one, the others. */
static whit_status rests(const whit_plan *plan, uint64_t *first, uint64_t *other, whit_error *err)
{
    if (plan->gguf) return gguf_rest(plan, first, other, err);
    if (!header_rest(plan, other)) return no_memory(err);
    *first = *other;
    return WHIT_OK;
}

/* What an entry takes, data and its share of the header. */
static whit_status need_of(const whit_plan *plan, size_t i, uint64_t *octets, whit_error *err)
{
    uint64_t share = 0;
    const int ok =
        plan->gguf ? gguf_share(plan, i, &share) : header_share(plan, &plan->entry[i], &share);
    if (!ok) return no_memory(err);
    *octets = add(plan->entry[i].bytes_out, share);
    return WHIT_OK;
}

whit_status wh_shards_cut(const whit_plan *plan, uint64_t limit, uint32_t *file, size_t *files,
                          whit_error *err)
{
    uint64_t rest = 0, need = 0, used = 0, total = 0;
    whit_status st = rests(plan, &used, &rest, err);
    int empty = plan->gguf == NULL; /* GGUF: a file with the vocabulary alone will do */
    *files = 1;
    for (size_t k = 0; k < plan->count && st == WHIT_OK; k++) {
        const size_t i = plan->order ? plan->order[k] : k;
        st = need_of(plan, i, &need, err);
        total = add(total, need);
        if (!empty && add(used, need) > limit) {
            ++*files;
            used = rest;
        }
        used = add(used, need);
        file[i] = (uint32_t)(*files - 1);
        empty = 0;
    }
    if (st != WHIT_OK || *files <= WH_SHARDS_MOST) return st;
    /* Any two neighbours together exceed the limit: this one gives WH_SHARDS_MOST - 1 at most. */
    uint64_t enough = add(rest, total / (WH_SHARDS_MOST / 2 - 1));
    return wh_fail(err, WHIT_ERR_ARG,
                   "files of at most %" PRIu64 " bytes would be %zu, and %d are the most; try: "
                   "--shard-size %" PRIu64 "MiB",
                   limit, *files, WH_SHARDS_MOST, enough / MIB + 1);
}
