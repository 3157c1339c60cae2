/* tests/fuzz/fuzz_gguf_config.c - any octets as a GGUF file that may hold a model's configuration.
 *
 * What is accepted must keep the promises of model/config.h.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "config_check.h"
#include "gguf_mutate.h"

#include <stdio.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char input[288];
static int input_fd = -1;

static void clean_up(void)
{
    unlink(input);
}

static void set_up(void)
{
    const char *root = getenv("TMPDIR"); /* a file system in memory makes it much faster */
    snprintf(input, sizeof input, "%s/whit-fuzz-XXXXXX", root && *root ? root : "/tmp");
    input_fd = mkstemp(input);
    require(input_fd >= 0);
    atexit(clean_up);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    whit_error err = { WHIT_OK, "" };
    wh_model_config c;
    whit_file *file = NULL;
    if (input_fd < 0) set_up();
    require(ftruncate(input_fd, 0) == 0 && pwrite(input_fd, data, size, 0) == (ssize_t)size);
    if (whit_file_open(&file, input, &err) != WHIT_OK) return 0;
    whit_status st = wh_config_read_gguf(&c, file, &err);
    if (st == WHIT_OK)
        check_config(&c);
    else
        check_refusal(st, &err);
    whit_file_close(file);
    return 0;
}

#ifdef WHIT_FUZZER
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    return gguf_mutate(data, size, max, seed);
}
#endif
