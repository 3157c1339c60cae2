/* tests/fuzz/fuzz_hf_config.c - any octets as the configuration of a quantized checkpoint, whole or
 * bare, and as the state of 4-bit codes.
 *
 * The first octet chooses. What parses must hold together; what does not is one printable line.
 *
 * SPDX-License-Identifier: MIT */
#include "pack/bnb_state.h"
#include "source/hf_config.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int truth)
{
    if (!truth) abort();
}

static void check_failure(whit_status st, const whit_error *err)
{
    require(st == WHIT_ERR_FORMAT && err->code == st && *err->msg);
    for (const char *p = err->msg; *p; p++) require((unsigned char)*p >= ' ' && *p != 0x7f);
}

static void check_state(const char *text, size_t len)
{
    wh_bnb_state s, again;
    whit_error err = { WHIT_OK, "" };
    wh_buf b = { 0 };
    whit_status st = wh_bnb_state_parse(&s, text, len, &err);
    if (st != WHIT_OK) {
        check_failure(st, &err);
        return;
    }
    require(s.blocksize > 0 && s.rank <= WHIT_MAX_RANK && (!s.nested || s.nested_blocksize > 0));
    wh_bnb_state_put(&b, &s); /* what we write says the same */
    require(!b.failed && b.len == wh_bnb_state_length(&s));
    require(wh_bnb_state_parse(&again, b.data, b.len, &err) == WHIT_OK);
    require(again.kind == s.kind && again.dtype == s.dtype && again.rank == s.rank &&
            again.blocksize == s.blocksize && again.nested == s.nested &&
            memcmp(again.shape, s.shape, s.rank * sizeof s.shape[0]) == 0);
    require(!s.nested ||
            (again.offset == s.offset && again.nested_blocksize == s.nested_blocksize));
    wh_buf_free(&b);
}

static int ends(const wh_hf_text text)
{
    return memchr(text, 0, WH_HF_TEXT) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wh_hf_config c = { 0 };
    whit_error err = { WHIT_OK, "" };
    if (size == 0) return 0;
    const char *text = (const char *)data + 1;
    if (data[0] == 's') {
        check_state(text, size - 1);
        return 0;
    }
    whit_status st = wh_hf_config_parse(&c, text, size - 1, data[0] == 'b', &err);
    if (st != WHIT_OK) check_failure(st, &err);
    require(c.groups <= c.cap && ends(c.name) && ends(c.format) && ends(c.sparsity));
    require(ends(c.checkpoint) && ends(c.pack_dtype) && ends(c.version));
    for (size_t i = 0; i < c.groups; i++)
        require(ends(c.group[i].type) && ends(c.group[i].strategy) &&
                (c.group[i].symmetric == 0 || c.group[i].symmetric == 1));
    wh_hf_config_free(&c);
    require(!c.group && c.groups == 0);
    return 0;
}
