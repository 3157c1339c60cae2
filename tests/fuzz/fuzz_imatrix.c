/* tests/fuzz/fuzz_imatrix.c - any octets as an importance matrix, of either form.
 *
 * What opens must hold together: as many entries as it says, names that find their entry, values
 * that are finite and not negative.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/calib.h>

#include <math.h>

#include "gguf_mutate.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_entry(const whit_imatrix *m, const whit_imatrix_entry *e)
{
    const float *v = NULL;
    require(e->count > 0 && *e->name);
    for (uint64_t k = 0; k < e->count; k++) require(e->values[k] >= 0.0f && isfinite(e->values[k]));
    require(whit_imatrix_find(m, e->name, e->count, 1, &v, NULL) == WHIT_OK);
    require(v == e->values || (!v && strcmp(e->name, "token_embd.weight") == 0));
    if (v) require(whit_imatrix_find(m, e->name, e->count + 1, 1, &v, NULL) == WHIT_ERR_FORMAT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    whit_error err = { WHIT_OK, "" };
    whit_imatrix *m = NULL;
    input_put("any.imatrix", data, size);
    whit_status st = whit_imatrix_open(&m, input.path, &err);
    if (st != WHIT_OK) {
        require(!m);
        input_refused(st, &err, "any.imatrix");
        return 0;
    }
    const whit_imatrix_info *info = whit_imatrix_describe(m);
    require(info->entries > 0 && !whit_imatrix_at(m, info->entries));
    require(info->dataset && info->format && strcmp(info->path, input.path) == 0);
    for (size_t i = 0; i < info->entries; i++) check_entry(m, whit_imatrix_at(m, i));
    whit_imatrix_close(m);
    return 0;
}

#ifdef WHIT_FUZZER
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    return gguf_mutate(data, size, max, seed);
}
#endif
