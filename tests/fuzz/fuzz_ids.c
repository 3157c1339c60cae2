/* tests/fuzz/fuzz_ids.c - a list of ids as text: read or refused with words and nothing left
 * behind; what was read is written as JSON and read again. SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <whit/tokenizer.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    whit_ids ids = { NULL, 0, 0 }, again = { NULL, 0, 0 };
    whit_error err = { WHIT_OK, "" };
    whit_status st = whit_ids_read(&ids, (const char *)data, size, &err);
    if ((st == WHIT_OK) != (err.msg[0] == 0)) abort();
    if (st != WHIT_OK && (st != WHIT_ERR_FORMAT || ids.count != 0)) abort();
    if (ids.count > size) abort();
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (!out) abort();
    whit_ids_write_json(&ids, out);
    if (fclose(out) != 0) abort();
    if (whit_ids_read(&again, text, len, &err) != WHIT_OK || again.count != ids.count) abort();
    if (ids.count && memcmp(again.id, ids.id, ids.count * sizeof *ids.id) != 0) abort();
    free(text);
    whit_ids_free(&ids);
    whit_ids_free(&again);
    return 0;
}
