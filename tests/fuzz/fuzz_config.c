/* tests/fuzz/fuzz_config.c - any octets as a config.json.
 *
 * What is accepted must keep the promises of model/config.h.
 *
 * SPDX-License-Identifier: MIT */
#include "config_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wh_model_config c;
    whit_error err = { WHIT_OK, "" };
    whit_status st = wh_config_parse(&c, "config.json", (const char *)data, size, &err);
    if (st == WHIT_OK) {
        check_config(&c);
        require(!strchr(c.name, '/'));
        return 0;
    }
    check_refusal(st, &err);
    require(strncmp(err.msg, "config.json: ", 13) == 0);
    return 0;
}
